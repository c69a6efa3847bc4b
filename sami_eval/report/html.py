"""A page: one self-contained HTML file in one frame; each kind of result has its parts in it.

Plots are SVG drawn by the templates: they take the page's light or dark colours, their texts can be
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
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from sami_eval.core.terminal import visible
from sami_eval.core.versions import __version__

if TYPE_CHECKING:
    from sami_eval.experiment.document import Document
    from sami_eval.experiment.passk_document import PasskDocument

PAGE = Path(__file__).parent / "page"
# What may not stand in a JSON block inside HTML, and a lone surrogate, which UTF-8 cannot hold.
# What would end a script or a line, and what would turn the page's writing round.
_UNSAFE = re.compile("[<>&\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands on every page: above, its answer; below, where it comes from."""

    title: str
    headline: str
    lines: Sequence[str]
    caveat: str
    command: str
    provenance: Sequence[tuple[str, str]]


def page(frame: Frame, template: str, parts: Mapping[str, Any], script: str = "") -> str:
    """A page with style and script inside it, and the policy that allows nothing else.

    parts: what the template shows; every text in it is escaped, save those marked as safe.
    """
    style = _inside("report.css")
    script = _inside(script) if script else ""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    html = environment.get_template(template).render(
        **parts,
        frame=frame,
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
