"""Texts of models as HTML: what they meant is shown, and none of it can do anything."""

from __future__ import annotations

import re

import pytest

from sami_eval.core.terminal import visible
from sami_eval.report.packed import packed, unpack
from sami_eval.report.plots import round_ticks
from sami_eval.report.prose import ALLOWED, MOST, prose
from tests.evil import TEXTS


def test_markdown_and_mathematics_are_rendered() -> None:
    found = prose(r"**So** $\sum_{i=1}^n i$ and \(x < y\)") or ""
    assert "<strong>So</strong>" in found
    assert "<munderover><mo" in found
    assert "<mo>&lt;</mo>" in found


@pytest.mark.parametrize("text", [r"$\sum_{i=1}$", r"\[\frac{1}{2}\]", "$$\nx^2\n$$"])
def test_every_way_to_write_a_formula_is_read(text: str) -> None:
    assert "<math" in (prose(text) or "")


def test_a_formula_that_cannot_be_read_is_shown_as_its_source() -> None:
    assert prose(r"$\frac{1$ $\nosuch{<b>}$") == (
        r"<p><code>\frac{1</code> <code>\nosuch{&lt;b&gt;}</code></p>"
    )


@pytest.mark.parametrize(
    "text", ["it costs $5 and $10", "He paid $5. She paid 6$ more.", "A $20 bill and a 30$ bill"]
)
def test_prices_are_no_formulas(text: str) -> None:
    assert prose(text) == f"<p>{text}</p>"


@pytest.mark.parametrize("text", [r"$x \text{ if the sum is even, else } y$", r"\(the mean of x\)"])
def test_words_in_a_formula_leave_it_a_formula(text: str) -> None:
    assert "<math" in (prose(text) or "")


@pytest.mark.parametrize(
    "text", ["20*3*4 = 240", "2**3**2", "(1+2)*(3+4)*5", "x*y*z", "`5*6*7`", "```\n5*6*7\n```"]
)
def test_a_star_between_numbers_multiplies(text: str) -> None:
    assert text.strip("`\n") in (prose(text) or "")


def test_a_formula_may_multiply_and_a_word_may_be_stressed() -> None:
    found = prose("*so* $2*3$ **[bold](b)** *2*") or ""
    assert found.startswith("<p><em>so</em> <math><mn>2</mn><mo")
    assert found.endswith("<strong>bold <code>b</code></strong> <em>2</em></p>")


@pytest.mark.parametrize(
    "text",
    ["```\nx\n```\n\n[1]: kept", "> [1]: kept", "- [1]: kept", "[a\nb]: kept", r"[a\]b]: kept"],
)
def test_what_defines_a_link_is_shown_wherever_it_stands(text: str) -> None:
    assert "]: kept" in (prose(text) or "")


@pytest.mark.parametrize(
    "text", ["|a|\n|-|\n|1|2|kept|", "a | b\n--|--\n1 | 2 | 3 | kept", "|a|\n|-|\n| $|x|$ | kept |"]
)
def test_no_cell_of_a_table_is_lost(text: str) -> None:
    found = prose(text) or ""
    assert "<table>" in found
    assert "kept</td>" in found


def test_addresses_and_html_are_shown_and_lead_nowhere() -> None:
    found = prose("[a](javascript:x) ![b](data:y) <i>c</i>\n\n[d]: https://e")
    assert found == (
        "<p>a <code>javascript:x</code> b <code>data:y</code> &lt;i&gt;c&lt;/i&gt;</p>"
        "<p>[d]: https://e</p>"
    )


@pytest.mark.parametrize("text", ["two\n\nparagraphs & no mark", "*" * (MOST + 1), ">" * 20000])
def test_paragraphs_and_what_would_hurt_stay_as_written(text: str) -> None:
    assert prose(text) is None


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_of_hostile_texts_nothing_but_allowed_elements_remains(number: int) -> None:
    found = prose(visible(TEXTS[number])) or ""
    tags = re.findall(r"<\s*/?\s*([^\s>/]*)([^>]*)>", found)
    assert {name for name, _ in tags} <= set(ALLOWED["tags"])
    assert not [rest for _, rest in tags if re.search("on[a-z]+=|style=|href=|src=", rest)]


def test_texts_are_kept_as_long_as_there_is_room() -> None:
    texts = [f"{number} " * 300_000 for number in range(3)]
    all_of_them = packed(texts)
    assert [unpack(piece) for piece in all_of_them.pieces] == [[text] for text in texts]
    room_for = sum(map(len, all_of_them.pieces[:2]))
    assert packed(texts, room_for).kept == 2


@pytest.mark.parametrize(
    ("ends", "ticks"),
    [
        ((0.42, 1.0), [0.4, 0.6, 0.8, 1.0]),
        ((-37, 37), [-40, -20, 0, 20, 40]),
        ((1, 30), [0, 10, 20, 30]),
        ((3, 3), [2.6, 2.8, 3.0, 3.2, 3.4]),
        ((0, 0), [-1.0, -0.5, 0.0, 0.5, 1.0]),
    ],
)
def test_axes_count_in_round_steps(ends: tuple[float, float], ticks: list[float]) -> None:
    assert round_ticks(*ends) == ticks
