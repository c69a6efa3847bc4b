"""A comparison's page: figures, plots, every answer and verdict."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sami_eval.core.terminal import visible
from sami_eval.core.types import Prompt, Response, Verdict
from sami_eval.experiment.document import Document
from sami_eval.experiment.fold import Rule
from sami_eval.report import comparison, comparison_glance, comparison_words, plots, steps
from sami_eval.report.comparison_facts import fact_rows
from sami_eval.report.every_run import EMBEDDED
from sami_eval.report.html import Frame, chosen, files, made_by, page, took
from sami_eval.report.packed import Packed, Texts, pack, packed
from sami_eval.report.prose import ALLOWED
from sami_eval.report.room import LONGER, room
from sami_eval.report.table import Table

MOST_LISTED = 200  # judgments without a verdict; the reading room has all
MOST_READ = 25_000  # questions of all pairs in the reading room: a browser lists them in a second


@dataclass(frozen=True, slots=True)
class Run:
    """All that a run folder holds; of its answers and verdicts those on what there is `to_read`."""

    document: Document
    prompts: Sequence[Prompt]
    responses: Sequence[Response]
    verdicts: Sequence[Verdict]


def to_read(document: Document, prompts: Sequence[Prompt]) -> Sequence[Prompt]:
    """The questions of the reading room: the first, as many as a page of all pairs can list."""
    return prompts[: max(MOST_READ // max(len(document["comparisons"]), 1), 1)]


def comparison_page(run: Run) -> str:
    """The report. Every text of a model or a judge is escaped."""
    document = run.document
    several, against = len(document["comparisons"]) > 1, document["against"]
    first = document["comparisons"][0]
    rule: Rule = "average" if document["rule"] == "average" else "conservative"
    read = to_read(document, run.prompts)
    all_read = len(read) == len(run.prompts)
    index, texts = room(document, read, run.responses, run.verdicts)
    kept = packed(texts)
    index |= {"starts": kept.starts, "kept": kept.kept, **ALLOWED}
    unparsed = list(_unparsed(run.verdicts))
    parts: dict[str, Any] = {
        "several": several,
        "ranking": comparison.ranking(document) if several and not against else None,
        "matrix": comparison.matrix(document),
        "beside": comparison.pairs(document) if several and against else None,
        "against": against,
        "over": steps.rates(document) if document["curve"] else None,
        "over_chart": steps.rate_chart(document),
        "over_notes": list(steps.notes(document["curve"])),
        "results": list(_tables(document)),
        "facts": list(fact_rows(document)),
        "names": (first["a"], first["b"]),
        "strip": plots.strip(first, run.responses, run.verdicts, rule)
        if all_read and not several
        else None,
        "trainings": plots.trainings(document["contenders"]),
        "pairs": [(row["a"], row["b"]) for row in document["comparisons"]],
        "categories": list(dict.fromkeys(prompt.category for prompt in run.prompts)),
        "longer": LONGER,
        "unparsed": unparsed[:MOST_LISTED],
        "n_unparsed": len(unparsed)
        if all_read
        else sum(row["unparsed"] for row in document["comparisons"]),
        "n_verdicts": sum(row["n_verdicts"] for row in document["comparisons"]),
        "left_out": " ".join(_left_out(run, len(read), texts, kept)),
    }
    stored = pack(index), *kept.pieces
    return page(_frame(run), "comparison.html.jinja", parts, "read", stored)


def _left_out(run: Run, n_read: int, texts: Texts, kept: Packed) -> Iterator[str]:
    """What the page had no room for."""
    n, n_questions = sum(1 for _ in texts), len(run.prompts)
    if n_read < n_questions:
        yield (
            f"There is room for the first {n_read:,} of {n_questions:,} questions; every figure is "
            "of all."
        )
    if kept.kept < n:
        yield (
            f"The page is full: {n - kept.kept:,} of {n:,} texts are left out, judges' words on "
            "turns that are clear before any other."
        )
    if n_read < n_questions or kept.kept < n:
        yield f"sami-eval show {run.document['run']} --verdicts FILE writes them all."


def _frame(run: Run) -> Frame:
    document, found = run.document, comparison_glance.glance(run.document)
    several = len(document["comparisons"]) > 1  # what is said of each stands at its figures
    lines = comparison_words.of_all(document) if several else comparison_words.lines(document)
    return Frame(
        comparison.title(document),
        found.verdict,
        [*found.because, *lines],
        EMBEDDED if document["embedded"] else "",
        document["command"] or "sami_eval.compare(...) from Python",
        list(_provenance(run)),
        files("comparison", document, comparison.report(document)),
        found.figure,
        found.bars,
    )


def _tables(document: Document) -> Iterator[tuple[str, str, Table]]:
    """Heading, words and figures of every pair, and of the judges of an ensemble."""
    several = len(document["comparisons"]) > 1
    for row in document["comparisons"]:
        name = f"{row['a']} : {row['b']}" if several else ""
        verdict = comparison_glance.of_pair(document, row).verdict
        words = "; ".join((verdict, *comparison_words.of_one(document, row))) if several else ""
        yield name, words, comparison.categories(row)
        if row["judges"]:
            words = "the result above is what most of them say, turn by turn"
            alone: Document = {**document, "comparisons": [row]}
            yield "each judge alone", words, comparison.judges(alone)


def _unparsed(verdicts: Sequence[Verdict]) -> Iterator[dict[str, Any]]:
    for v in verdicts:
        if v.winner is None:
            yield {
                "prompt": v.prompt_id,
                "turn": v.turn + 1,
                "shown": f"{v.b} : {v.a}" if v.first == "b" else f"{v.a} : {v.b}",
                "reason": v.reason or "unknown",
                "link": "/".join(map(_quoted, ("read", v.prompt_id, v.a, v.b))),
            }


def _quoted(name: str) -> str:
    """As a browser's encodeURIComponent writes it."""
    return quote(visible(name), safe="!'()*")


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


def _data_hash(prompts: Sequence[Prompt]) -> str:
    rows = [(p.id, p.category, p.turns, p.reference, p.principles, *_more(p)) for p in prompts]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _more(prompt: Prompt) -> tuple[object, ...]:
    """What few prompts have; the hash of the others is as it was before they could."""
    some = prompt.history, prompt.checklist
    return some if any(some) else ()
