"""How an answer is dressed: what style control counts, beside its length.

Counted as lmarena/arena-hard-auto counts (utils/add_markdown_info.py, `count_markdown_elements`):
headings of all six levels, items of ordered and unordered lists and bold spans, outside of closed
blocks of code; the blocks themselves are a feature of our own. Two of its rules are stricter than
they look: a block that holds a backtick is no block, and a heading begins its line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

FEATURES: Final = ("headings", "lists", "bold", "code")
_BLOCK = re.compile(r"```[^`]*```")
# Each pattern counts by itself: a span of both kinds is two.
_COUNTED: Mapping[str, tuple[re.Pattern[str], ...]] = {
    "headings": (re.compile(r"^#{1,6}\s", re.M),),
    "lists": (re.compile(r"^\s*\d+\.\s", re.M), re.compile(r"^\s*[-*+]\s", re.M)),
    "bold": (re.compile(r"\*\*[^*\n]+\*\*"), re.compile(r"__[^_\n]+__")),
}


def style_of(text: str) -> dict[str, int]:
    """How many of each feature an answer has."""
    prose, n_blocks = _BLOCK.subn("``````", text)
    counts = {
        name: sum(len(pattern.findall(prose)) for pattern in patterns)
        for name, patterns in _COUNTED.items()
    }
    return {**counts, "code": n_blocks}
