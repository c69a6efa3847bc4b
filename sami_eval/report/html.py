"""A page: one self-contained HTML file in one frame; each kind of result has its parts in it.

Plots are SVG drawn by the templates: they take the page's light or dark colours, their texts can be
read and searched, and one costs about a kilobyte; a plotting library's fixed-colour output does
none of that. No network: style and script stand inside, and the page's own policy allows only them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup, escape

from sami_eval.core.terminal import visible
from sami_eval.core.versions import __version__
from sami_eval.experiment.envelope import dump
from sami_eval.report.formats.csv import csv
from sami_eval.report.packed import pack
from sami_eval.report.prose import prose

if TYPE_CHECKING:
    from sami_eval.experiment.document import Document
    from sami_eval.experiment.passk_document import PasskDocument
    from sami_eval.report.table import Bar, Report

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("stored.js", "page.js", "room.js")


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands on every page: above, its answer; below, where it comes from.

    headline: the verdict. figure, bars: what it rests on, where there is such a thing. files: what
        can be taken away from the page, by name.
    """

    title: str
    headline: str
    lines: Sequence[str]
    caveat: str
    command: str
    provenance: Sequence[tuple[str, str]]
    files: Mapping[str, str]
    figure: str = ""
    bars: Sequence[Bar] = ()


def files(name: str, document: Mapping[str, Any], report: Report) -> dict[str, str]:
    """The whole result as JSON and its tables as CSV."""
    return {f"{name}.csv": csv(report), f"{name}.json": dump(document)}


def page(
    frame: Frame,
    template: str,
    parts: Mapping[str, Any],
    target: str = "main",
    stored: Iterable[str] = (),
) -> str:
    """A page with style and script inside it, and the policy that allows nothing else.

    parts: what the template shows; every text in it is escaped, save those marked as safe.
    target: where who uses no eyes may skip to. stored: what the script opens, the index first.
    """
    style = _inside("report.css")
    script = '"use strict";\n(() => {\n' + "".join(map(_inside, SCRIPTS)) + "})();\n"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["prose"] = _shown
    html = environment.get_template(template).render(
        **parts,
        frame=frame,
        target=target,
        kind=template.partition(".")[0],
        version=__version__,
        style=Markup(style),
        style_hash=_digest(style),
        script=Markup(script),
        script_hash=_digest(script),
    )
    head, end, tail = visible(re.sub("[\ud800-\udfff]", "\ufffd", html)).rpartition("</body>")
    return "".join([head, *_blocks(frame.files, stored), end, tail])


def _shown(text: str) -> Markup:
    found = prose(visible(text))
    return Markup(f'<div class="md">{found or f"<p>{escape(text)}</p>"}</div>')


def _blocks(files: Mapping[str, str], stored: Iterable[str]) -> Iterator[str]:
    """Letters of base64 in elements that no browser runs."""
    for name, text in files.items():
        yield f'<script type="text/plain" class="file" data-name="{name}">{pack(text)}</script>\n'
    for number, piece in enumerate(stored):
        which = 'class="piece"' if number else 'id="room-index"'
        yield f'<script type="text/plain" {which}>{piece}</script>\n'


def _inside(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


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
