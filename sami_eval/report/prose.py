"""A text that a model wrote as HTML that can do nothing: Markdown, with mathematics as MathML.

comrak parses (60 MB a second here, so that a page of 60,000 verdicts takes seconds), math-core
turns LaTeX into MathML, and nh3 lets pass what is named here and nothing else.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import math_core

# Without one of these a text is paragraphs, which the page makes of it by itself.
_MARK = re.compile(r"[*_`#|\\$<>\[~]|^(?:[ \t]*(?:[-+]|\d+[.)])[ \t]|    |\t)|---", re.MULTILINE)
MOST = 40_000  # characters: of a longer one some marks take a parser quadratic time
GROWTH = 8  # times: what grows more has been nested to hurt whoever reads it
# What is put into a text and taken out of its HTML: two letters that no text may have.
_NOTHING, _STAR = "\ufdd0", "\ufdd1"
# Markdown takes "[1]: address" for a link's and shows nothing of it, in a list or quotation, too.
_DEFINED = re.compile(r"^([ \t>*+\-\d.)]*)(?=\[)", re.MULTILINE)
_TIMES = re.compile(r"(?<=[0-9A-Za-z])\*(?=[0-9A-Za-z])|(?<=[0-9)])\*{1,2}(?=[0-9(])")
_CELL = re.compile(r"(?<!\\)\|")
_MOST_COLUMNS = 50  # that are added: of thousands a parser takes quadratic time
_RULER = re.compile(r"[ \t|:-]*-[ \t|:-]*")
_GROUP = re.compile(r"\{[^{}]*\}")
# What stands between the marks of two prices: "5. She paid 6".
_SENTENCE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}[,.;:]? +[A-Za-z]+[,.;:]? ")
_FORMULA = re.compile(r'<span data-math-style="(inline|display)">([^<]*)</span>')
_MOST_FORMULA = 4000  # characters
_LINK = re.compile(r'<a href="([^"]*)"(?: title="[^"]*")?>(.*?)</a>', re.DOTALL)
_IMAGE = re.compile(r'<img src="([^"]*)" alt="([^"]*)"[^>]*>')
_HEADING = re.compile(r"<(/?)h([1-6])>")
# An inline style would be blocked; the page's style sheet has these two.
_ALIGNED = re.compile(r'style="text-align: (left|right);[^"]*"')

_WORDS = "p br hr strong em del code pre blockquote ul ol li table thead tbody tr th td b i"
_MATHS = (
    "math mi mn mo ms mtext mspace mrow mfrac msqrt mroot mstyle merror mpadded mphantom menclose "
    "msub msup msubsup munder mover munderover mmultiscripts mprescripts mtable mtr mtd"
)
_ATTRIBUTES = {
    "ol": "start",
    "math": "display",
    "mi": "mathvariant",
    "mo": "accent fence form largeop lspace maxsize minsize movablelimits rspace separator stretchy"
    " symmetric",
    "mspace": "width height depth",
    "mpadded": "width height depth lspace voffset",
    "mfrac": "displaystyle linethickness",
    "mrow": "displaystyle scriptlevel",
    "mstyle": "displaystyle scriptlevel",
    "mtable": "displaystyle scriptlevel",
    "mtd": "columnspan rowspan",
    "munder": "accentunder",
    "mover": "accent",
    "munderover": "accent accentunder",
    "menclose": "notation",
}
# What a page's script builds anew of such HTML, and nothing else.
ALLOWED = {
    "tags": sorted({*_WORDS.split(), *_MATHS.split()}),
    "attributes": sorted({"class", *" ".join(_ATTRIBUTES.values()).split()}),
}
# Of text and plain elements alone there is nothing to be cleaned; that is most of what is written.
_PLAIN = re.compile(rf"(?:[^<]|<(?:/?(?:{'|'.join(_WORDS.split())})|[bh]r /)>)*+")
_CLASSES = {"p": {"h"}, "mtd": {"left", "right"}, "mrow": {"menclose-updiagonalstrike"}}


def prose(text: str) -> str | None:
    """The text as harmless HTML; None where it is paragraphs alone, or is better left as written.

    Raw HTML in it, addresses of links and pictures, and a formula that cannot be read are shown as
    the model wrote them.
    """
    if len(text) > MOST or not _MARK.search(text):
        return None
    shown = _DEFINED.sub(rf"\1{_NOTHING}", _TIMES.sub(lambda m: _STAR * len(m[0]), _widened(text)))
    found = _markdown()(shown).replace(_NOTHING, "").replace(_STAR, "*")
    if len(found) > GROWTH * len(text) + 1000:
        return None
    found = _IMAGE.sub(r"\2 <code>\1</code>", found)
    found = _HEADING.sub(lambda m: "</p>" if m[1] else '<p class="h">', _LINK.sub(_link, found))
    found = _FORMULA.sub(lambda m: _formula(m, text), found)
    return found if _PLAIN.fullmatch(found) else _clean()(found)


def _widened(text: str) -> str:
    """The text, each table with as many columns as its longest row: others would not be shown."""
    if "|" not in text or "```" in text or "~~~" in text:
        return text
    lines, at = text.split("\n"), 1
    while at < len(lines):
        head = at - 1
        if not ("|" in lines[head] and _RULER.fullmatch(lines[at])):
            at += 1
            continue
        while at < len(lines) and "|" in lines[at]:
            at += 1
        more = max(map(_cells, lines[head:at])) - _cells(lines[head])
        if 0 < more <= _MOST_COLUMNS and _cells(lines[head]) == _cells(lines[head + 1]):
            lines[head] = lines[head].rstrip(" \t|") + " |" * (more + 1)
            lines[head + 1] = lines[head + 1].rstrip(" \t|") + "|-" * more + "|"
        at += 1
    return "\n".join(lines)


def _cells(line: str) -> int:
    return len(_CELL.findall(line.strip(" \t").removeprefix("|").removesuffix("|"))) + 1


@cache
def _markdown() -> Callable[[str], str]:
    import comrak

    extensions, parsing = comrak.ExtensionOptions(), comrak.ParseOptions()
    extensions.table = extensions.strikethrough = True
    extensions.math_dollars = extensions.math_latex = True
    parsing.ignore_setext = True  # a line of dashes under words is a line
    rendering = comrak.RenderOptions()
    rendering.escape = rendering.hardbreaks = rendering.compact_html = True
    rendering.unsafe_ = True  # addresses stay in sight; none of them remains a link
    return lambda text: comrak.render_markdown(text, extensions, parsing, rendering)


def _link(found: re.Match[str]) -> str:
    address, words = found.groups()
    return words if words == address.removeprefix("mailto:") else f"{words} <code>{address}</code>"


def _formula(found: re.Match[str], text: str) -> str:
    source = html.unescape(found[2])
    if f"${source}$" in text and _SENTENCE.search(_GROUP.sub("", source)):
        return f"${found[2]}$"
    source = source.strip()
    return _mathml(source, found[1] == "display") or f"<code>{found[2]}</code>"


@lru_cache(4096)
def _mathml(source: str, display: bool) -> str:
    """MathML; empty for what cannot be read."""
    import math_core

    if len(source) > _MOST_FORMULA:
        return ""
    try:
        found = _latex().convert_with_local_state(source, displaystyle=display)
    except math_core.LatexError:
        return ""
    return _ALIGNED.sub(r'class="\1"', found)


@cache
def _latex() -> math_core.LatexToMathML:
    import math_core

    return math_core.LatexToMathML(fancy_error=False)


@cache
def _clean() -> Callable[[str], str]:
    import nh3

    attributes = {tag: set(names.split()) for tag, names in _ATTRIBUTES.items()}
    return nh3.Cleaner(
        tags=set(ALLOWED["tags"]), attributes=attributes, allowed_classes=_CLASSES
    ).clean
