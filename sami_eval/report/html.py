"""A finished run as one self-contained HTML file: figures, plots, every answer and verdict.

Plots are SVG drawn by the template: they take the page's light or dark colours, their texts can be
read and searched, and one costs about a kilobyte; a plotting library's fixed-colour output does
none of that. No network: style and script stand inside, and the page's own policy allows only them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from sami_eval.core.terminal import visible
from sami_eval.core.types import Prompt, Response, Verdict
from sami_eval.core.versions import __version__
from sami_eval.experiment.compare import Rule
from sami_eval.experiment.document import Document, TallyRow
from sami_eval.experiment.passk_document import PasskDocument
from sami_eval.report import console, figures, plots
from sami_eval.report.export import table
from sami_eval.report.judges import HEADER, judge_cells
from sami_eval.report.room import LONGER, room

PAGE = Path(__file__).parent / "page"
# What may not stand in a JSON block inside HTML, and a lone surrogate, which UTF-8 cannot hold.
# What would end a script or a line, and what would turn the page's writing round.
_UNSAFE = re.compile("[<>&\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Run:
    """All that a run folder holds."""

    document: Document
    prompts: Sequence[Prompt]
    responses: Sequence[Response]
    verdicts: Sequence[Verdict]


def page(run: Run) -> str:
    """The report. Every text of a model or a judge is escaped."""
    document = run.document
    several = len(document["comparisons"]) > 1
    first = document["comparisons"][0]
    rule: Rule = "average" if document["rule"] == "average" else "conservative"
    views: dict[str, Any] = {
        "title": console.title(document),
        "headline": _headline(document),
        "lines": [str(line) for line in console.words(document)][0 if several else 1 :],
        "caveat": console.EMBEDDED if document["embedded"] else "",
        "ranking": plots.ranking(document["ranking"]) if several else [],
        "matrix": plots.matrix(document["comparisons"]),
        "tables": list(_tables(document)),
        "facts": list(console.fact_rows(document)),
        "names": (first["a"], first["b"]),
        "strip": None if several else plots.strip(first, run.responses, run.verdicts, rule),
        "trainings": plots.trainings(document["contenders"]),
        "pairs": [(row["a"], row["b"]) for row in document["comparisons"]],
        "categories": list(dict.fromkeys(prompt.category for prompt in run.prompts)),
        "longer": LONGER,
        "unparsed": list(_unparsed(run.verdicts)),
        "n_verdicts": sum(row["n_verdicts"] for row in document["comparisons"]),
        "command": document["command"] or "sami_eval.compare(...) from Python",
        "provenance": list(_provenance(run)),
        "room": Markup(script_json(room(document, run.prompts, run.responses, run.verdicts))),
    }
    return fill("report.html.jinja", views, _inside("report.js"))


def fill(template: str, views: Mapping[str, Any], script: str = "") -> str:
    """A page with style and script inside it, and the policy that allows nothing else.

    views: what the template shows; every text in it is escaped, save those marked as safe.
    """
    style = _inside("report.css")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    html = environment.get_template(template).render(
        **views,
        version=__version__,
        style=Markup(style),
        style_hash=_digest(style),
        script=Markup(script),
        script_source=Markup(f"'{_digest(script)}'" if script else "'none'"),
    )
    return visible(re.sub("[\ud800-\udfff]", "\ufffd", html))


def _inside(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def script_json(data: object) -> str:
    """JSON that cannot end its script element, whatever its texts say."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _headline(document: Document) -> str:
    comparisons = document["comparisons"]
    if len(comparisons) == 1:
        row = comparisons[0]
        rate = f"{row['a']} wins {figures.percent(row['win_rate'])} against {row['b']}"
        interval = figures.interval_text(row["interval"])
        return f"{rate} [{interval}]: {console.verdict_in_words(row)}"
    best = document["ranking"][0]
    if best["tied_with_next"]:
        return f"{best['model']} ranks first, and cannot be told apart from the next"
    return f"{best['model']} ranks first"


def _tables(document: Document) -> Iterator[dict[str, Any]]:
    several = len(document["comparisons"]) > 1
    for row in document["comparisons"]:
        header, cells = table({**document, "comparisons": [row]})
        tallies: list[TallyRow] = [*row["by_category"].values(), row]
        yield {
            "name": f"{row['a']} : {row['b']}" if several else "",
            "words": console.verdict_in_words(row),
            "header": header,
            "rows": [_table_row(*both) for both in zip(cells, tallies, strict=True)],
        }
        if row["judges"]:
            alone = judge_cells({**document, "comparisons": [row]}, width=60)
            yield {
                "name": "each judge alone",
                "words": "the result above is what most of them say, turn by turn",
                "header": HEADER,
                "rows": [_table_row(*both) for both in zip(alone, row["judges"], strict=True)],
            }


def _table_row(cells: Sequence[str], tally: TallyRow) -> dict[str, Any]:
    low, high = tally["interval"] or (None, None)
    return {
        "cells": cells,
        "low": low,
        "mid": tally["win_rate"],
        "high": high,
        "significant": tally["significant"],
        "all": "by_category" in tally,
    }


def _unparsed(verdicts: Sequence[Verdict]) -> Iterator[dict[str, Any]]:
    for v in verdicts:
        if v.winner is None:
            yield {
                "prompt": v.prompt_id,
                "turn": v.turn + 1,
                "shown": f"{v.b} : {v.a}" if v.first == "b" else f"{v.a} : {v.b}",
                "reason": v.reason or "unknown",
                "link": "/".join(quote(x, safe="!'()*") for x in ("read", v.prompt_id, v.a, v.b)),
            }


def _provenance(run: Run) -> Iterator[tuple[str, str]]:
    document, settings = run.document, run.document["settings"]
    yield from made_by(document)
    model = f", asked at {document['judge_model']}" if document["judge_model"] else ""
    yield "judge", f"{settings.get('judge') or document['judge']}{model}"
    if settings.get("judge_sha256"):
        yield "judge prompts, SHA-256", str(settings["judge_sha256"])
    yield "orders and rule", f"{document['orders']}, {document['rule']}"
    yield from chosen(settings, ("seed", "temperature", "max_tokens", "engine", "repeats", "limit"))
    shown = "shown to the contenders" if document["principles_shown"] else "not shown"
    yield "principles", shown
    yield "questions, SHA-256", _data_hash(run.prompts)
    calls = document["calls"]
    yield "judge calls", f"{calls['made']:,} made, {calls['from_ledger']:,} from the ledger"
    yield "time", took(document)


def made_by(document: Document | PasskDocument) -> Iterator[tuple[str, str]]:
    """Run, date, versions and models of a page's provenance."""
    yield "run", document["run"]
    yield "date", document["date"]
    yield "sami-eval and packages", ", ".join(f"{k} {v}" for k, v in document["versions"].items())
    for row in document["contenders"]:
        made_of = row["adapter"] or row["base"]
        hashed = f"; SHA-256 {row['fingerprint']}" if row["fingerprint"] else ""
        yield f"model {row['name']}", f"{made_of} ({row['engine']}){hashed}"


def chosen(settings: Mapping[str, Any], names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Those of the named settings that have a value."""
    for name in names:
        if settings.get(name) is not None:
            yield name.replace("_", " "), str(settings[name])


def took(document: Document | PasskDocument) -> str:
    """Seconds of each stage."""
    stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in document["seconds"].items())
    return stages or "not measured"


def _data_hash(prompts: Sequence[Prompt]) -> str:
    rows = [(p.id, p.category, p.turns, p.reference, p.principles) for p in prompts]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
