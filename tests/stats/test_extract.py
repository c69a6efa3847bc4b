"""Numbers out of answers: forms by hand, any common way of writing one, junk of any kind."""

from __future__ import annotations

import json
import random
import time
from fractions import Fraction as F

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sami_eval.stats.extract import extract_answer
from tests import SHARED

GSM8K = SHARED / "data" / "gsm8k" / "test.jsonl"

FORMS: list[tuple[str, int | F | None]] = [
    # The last number, where nothing marks the answer.
    ("18", 18),
    ("She makes 18 dollars.", 18),
    ("16 - 3 - 4 = 9, and 9 * 2 = 18", 18),
    ("First 9 eggs, then 18 dollars", 18),
    ("It takes 3 bolts.\n", 3),
    ("<<9*2=18>>18", 18),
    ("x=5", 5),
    ("x = 5", 5),
    ("print(18)", 18),
    ("`18`", 18),
    ("**18**", 18),
    ("_18_", 18),
    ("1. Eggs: 9\n2. Dollars: 18", 18),
    ("18 dollars in 7 days", 18),
    ("It's 5 x 3", 3),
    ("7/0", None),
    ("The answer is 18/0.", None),
    ("\\boxed{18/0}", None),
    ("\\boxed{\\frac{18}{0}}", None),
    ("It was 4, and then \\boxed{2\\sqrt{3}}", None),
    ("\\boxed{x = 5\\pi}", None),
    ("\\boxed{2√3}", None),
    ("\\boxed{\\sqrt{16} = 4}", 4),
    ("12/25/2020", None),
    ("between 5-10", 10),
    ("1,2,3", 3),
    ("1, 2", 2),
    # No number.
    ("", None),
    ("...", None),
    ("I do not know.", None),
    ("\\boxed{}", None),
    ("####", None),
    ("H", None),
    ("9" * 5000, None),
    ("1e999999999", None),
    # Full stops, zeros.
    ("18.", 18),
    ("18.0", 18),
    ("18.00.", 18),
    ("$18.00.", 18),
    ("018", 18),
    ("007.50", F(15, 2)),
    ("18...", 18),
    (".5", F(1, 2)),
    ("0.125", F(1, 8)),
    ("5.", 5),
    # Signs.
    ("-10", -10),
    ("+10", 10),
    ("is -4.32", F(-432, 100)),
    ("\u221210", -10),
    ("is \u22124.32", F(-432, 100)),
    ("\u201310", -10),
    ("a loss of \uff0d7", -7),
    ("-$5", -5),
    ("$-5", -5),
    ("- $5", -5),
    ("(-7)", -7),
    ("= - 3", -3),
    ("negative 5", -5),
    ("it is minus 4 degrees", -4),
    ("10 minus 4", 4),
    ("16 - 3", 3),
    ("16-3", 3),
    ("3 - 5 = -2", -2),
    ("- 10 apples\n- 20 apples", 20),
    ("the total\u201418", 18),
    # Thousands.
    ("1,000", 1000),
    ("1,234,567", 1234567),
    ("$80,000.00", 80000),
    ("1,234.5", F(12345, 10)),
    ("12,34,567", 1234567),
    ("1{,}234", 1234),
    ("1\\,234", 1234),
    ("1\u202f000\u202f000", 1000000),
    ("1\u00a0234", 1234),
    ("1'234", 1234),
    ("1_000", 1000),
    ("1.234,56", F(123456, 100)),
    ("3,50", F(7, 2)),
    # Currency, percent, units.
    ("$18", 18),
    ("$ 18", 18),
    ("18$", 18),
    ("€18", 18),
    ("18 €", 18),
    ("£3.50", F(7, 2)),
    ("US$18", 18),
    ("USD18", 18),
    ("18 USD", 18),
    ("Rs.500", 500),
    ("\\$18", 18),
    ("25%", 25),
    ("25 %", 25),
    ("25\\%", 25),
    ("25 percent", 25),
    ("18kg", 18),
    ("18 km/h", 18),
    ("$18/day", 18),
    ("18°", 18),
    ("18^\\circ", 18),
    ("18 cm^2", 18),
    ("18 m²", 18),
    ("18 \\text{ m}^2", 18),
    ("18 H2O", 18),
    ("18 in column x_1", 18),
    ("$1.5 million", 1500000),
    ("2 thousand", 2000),
    ("$80k", 80000),
    ("a 5k run", 5),
    # Fractions.
    ("3/4", F(3, 4)),
    ("-3/4", F(-3, 4)),
    ("3 / 4", F(3, 4)),
    ("3⁄4", F(3, 4)),
    ("1 3/4 cups", F(7, 4)),
    ("1 and 3/4", F(7, 4)),
    ("-1 1/2", F(-3, 2)),
    ("½", F(1, 2)),
    ("2½", F(5, 2)),
    ("2 ¾", F(11, 4)),
    ("⅓", F(1, 3)),
    ("16/4 = 4", 4),
    ("1,000/8", 125),
    ("0.5/2", F(1, 4)),
    # LaTeX.
    ("\\frac{3}{4}", F(3, 4)),
    ("\\dfrac{3}{4}", F(3, 4)),
    ("\\tfrac34", F(3, 4)),
    ("-\\frac{1}{2}", F(-1, 2)),
    ("\\frac{-1}{2}", F(-1, 2)),
    ("\\frac12", F(1, 2)),
    ("3\\frac{1}{2}", F(7, 2)),
    ("3 \\frac{1}{2}", F(7, 2)),
    ("\\frac{1,000}{8}", 125),
    ("\\text{18}", 18),
    ("\\mathrm{18}", 18),
    ("\\(18\\)", 18),
    ("\\[18\\]", 18),
    ("$$18$$", 18),
    ("$18$", 18),
    ("\\boxed{18}", 18),
    ("\\boxed 18", 18),
    ("\\fbox{18}", 18),
    ("\\boxed{\\$18}", 18),
    ("\\boxed{18\\%}", 18),
    ("\\boxed{18 \\text{ dollars}}", 18),
    ("\\boxed{\\text{18 dollars in 7 days}}", 18),
    ("\\boxed{x = 18}", 18),
    ("\\boxed{9 \\times 2 = 18}", 18),
    ("\\boxed{\\frac{3}{4}}", F(3, 4)),
    ("\\boxed{3\\frac{1}{2}}", F(7, 2)),
    ("\\boxed{-5}", -5),
    ("\\boxed{\\$1{,}234.50}", F(123450, 100)),
    ("\\boxed{\\mathbf{18}}", 18),
    ("We get \\boxed{18}. Check: 9 * 2 = 18, and 7 days pass.", 18),
    ("\\boxed{9} is wrong, so \\boxed{18}", 18),
    # Powers of ten.
    ("1.8e3", 1800),
    ("1.8E+03", 1800),
    ("5e-1", F(1, 2)),
    ("1.8 × 10^3", 1800),
    ("1.8 x 10^3", 1800),
    ("1.8*10**3", 1800),
    ("1.8 \\times 10^{3}", 1800),
    ("1.8 \\cdot 10^{-1}", F(18, 100)),
    ("1.8×10³", 1800),
    ("10^3", 1000),
    ("10³", 1000),
    # Marked, prose behind it.
    ("#### 18", 18),
    ("####18", 18),
    ("####\n18", 18),
    ("#### $18", 18),
    ("#### 1,000", 1000),
    ("#### -5", -5),
    ("#### - 5", -5),
    ("#### 18.", 18),
    ("#### 018", 18),
    ("#### 3/4", F(3, 4)),
    ("#### 18 dollars in 7 days", 18),
    ("#### 18\nThat is 9 eggs for 2 dollars each.", 18),
    ("#### 1. Eggs\n16 - 7 = 9\n#### 2. Money\n9 * 2 = 18", 18),
    ("The answer is 18.", 18),
    ("The answer is 18. There are 7 days in a week.", 18),
    ("The answer is 18 dollars in 7 days.", 18),
    ("The answer is **18**, as 9 * 2 shows.", 18),
    ("The answer is $18.00.", 18),
    ("The answer is: 18", 18),
    ("The answer is:\n\n$18$", 18),
    ("The answer is 9 * 2 = 18 dollars, 126 in a week.", 18),
    ("The answer is 9 eggs x $2 = $18 for 7 days.", 18),
    ("The answer is that she makes 18 dollars. 7 days have passed.", 18),
    ("The answer is therefore about 18; 20 would be too much.", 18),
    ("the answer would be \u22124 and not 4", -4),
    ("The answer to the question is 18, not 9.", 18),
    ("The correct answer (in dollars) is 18, or 2 per egg.", 18),
    ("The answer is not 12 but 14", 14),
    ("The answer is found by 3 times 6, which makes 18", 18),
    ("The answer is 9. Wait: the answer is 18, for 9 eggs.", 18),
    ("Answer: 18", 18),
    ("ANSWER: 18 (9 eggs)", 18),
    ("Answer = 18 for 9 eggs", 18),
    ("Answer:\n18\n\n(9 eggs)", 18),
    ("**Answer:** 18 eggs. A week has 7 days.", 18),
    ("**Final Answer**\n\n$18$, since 9 * 2", 18),
    ("Final answer: she makes $18 a day, 7 days a week.", 18),
    ("The final answer is $\\boxed{18}$. I hope it is correct.", 18),
    ("Answer: She sells 16 - 3 - 4 = 9 eggs. She makes 9 * 2 = 18", 18),
    ("A: 18", 18),
    ("A: 18 dollars a day for 9 eggs", 18),
    ("A: She sells 9 eggs at 2 dollars, so 18.", 18),
    ("<answer>18</answer> for 9 eggs", 18),
    ("The answer is unknown, but 18 may do", 18),
    # What is said is no one number: its first digits are no answer.
    *((text, None) for text in ("\\boxed{(3, 4)}", "\\boxed{3, 4}", "\\boxed{x=3, y=4}")),
    *(
        (text, None)
        for text in ("\\boxed{[1,5]}", "\\boxed{2x+3}", "\\boxed{101_2}", "\\boxed{2:3}")
    ),
    *((text, None) for text in ("Answer: 5\u201310", "The answer is 5 or 6", "Answer: $18 to $20")),
    *((text, None) for text in ("The answer is between 5 and 10.", "Answer: 2 hours 30 minutes")),
    *(
        (text, None)
        for text in ("The answer is 9 * 2.", "Answer: 2√3", "#### 2π", "Answer: 3:30 pm")
    ),
    *((text, None) for text in ("So 5. Answer: N/A", "5 left. The answer is unknown.", "at 10:45")),
    ("5 apples. The answer cannot be determined from what is given.", None),
    ("5 apples. Die Antwort ist unbekannt.", None),
    ("The answer cannot be 5. It is 20.", 20),
    # A sentence of prose: what its equation comes to.
    ("**Final Answer:** In 3 years, her brother will be 18 + 3 = 21 years old.", 21),
    ("The answer is that, of 44 balloons, she has 44-10-6=28 for 2 children", 28),
    ("The answer is that she needs 5 boxes, because 5 * 4 = 20", 5),
    ("The answer is 18 and 7 days have passed", 18),
    ("Answer: 1/2 or 0.5", F(1, 2)),
    ("She has 18 at noon, 10:45 is no answer: 18", 18),
    ("\\boxed{12 m^2}", 12),
    ("\\boxed{1,\\!000}", 1000),
    # In words, where it is announced; a sentence that begins so is none.
    ("The answer is eighteen. There were 16 eggs.", 18),
    ("**Final Answer:** two hundred and five", 205),
    ("The answer is minus forty-two thousand dollars", -42000),
    ("The answer is three quarters.", None),
    ("Answer: five or six", None),
    ("A: Five springs make 7 each, so 35", 35),
    ("The answer is 200 hours * $50/hour = $10000 a day", 10000),
    ('{"final_answer": 18, "confidence": 0.9}', 18),
    ("Answer: $2bn", 2 * 10**9),
    ("The answer is 2 500 dollars.", 2500),
    ("Antwort: 1.200 €", 1200),
    ("Die Antwort lautet 1.200.", 1200),
    ("It costs $1.200", F(6, 5)),
]


@pytest.mark.parametrize(("text", "value"), FORMS, ids=lambda value: str(value)[:40])
def test_a_form_has_its_value(text: str, value: int | F | None) -> None:
    assert extract_answer(text) == value


def test_the_table_is_long_enough() -> None:
    assert len({text for text, _ in FORMS}) == len(FORMS) >= 120


@pytest.mark.skipif(not GSM8K.is_file(), reason="GSM8K is not here")
def test_every_gold_answer_of_gsm8k_is_read() -> None:
    answers = [json.loads(line)["answer"] for line in GSM8K.read_text().splitlines()]
    golds = [F(answer.split("####")[1].strip().replace(",", "")) for answer in answers]
    assert [extract_answer(answer) for answer in answers] == golds
    assert len(golds) == 1319


def spaced(value: int) -> str:
    return f"{value:,}".replace(",", "\u202f")


def in_devanagari(value: int) -> str:
    return str(value).translate({ord("0") + i: 0x966 + i for i in range(10)})


def grouped(value: int) -> str:
    return f"{value:,}"


WHOLE = (str, grouped, "{}.0".format, "{}.".format, "0{}".format, "{} apples".format)
WHOLE += (spaced, in_devanagari, "{}円".format, "{}บาท".format, "{}₫".format)
WHOLE += ("${}".format, "{}%".format, "\\${}".format, "{}kg".format, "€{}".format)
AROUND = ("{}", "So it is {}.", "#### {}", "The answer is {}.", "\\boxed{{{}}}", "**{}**")
AROUND += ("合計{}です", "ราคา{}", "#### {}。")
AROUND += ("The answer is {}, after 3 days.", "A: {}", "Answer: {}", "We had 7 and now ${}$")


@given(st.integers(0, 10**15), st.sampled_from(WHOLE), st.sampled_from(AROUND), st.booleans())
def test_a_whole_number_written_any_way_comes_back(
    value: int, write: object, around: str, unicode_minus: bool
) -> None:
    assert callable(write)
    assert extract_answer(around.format(write(value))) == value
    sign = "\u2212" if unicode_minus else "-"
    assert extract_answer(around.format(sign + write(value).lstrip("+"))) == -value


@given(st.decimals(-(10**9), 10**9, places=3), st.sampled_from(AROUND), st.booleans())
def test_a_decimal_comes_back(value: object, around: str, in_groups: bool) -> None:
    written = f"{value:,}" if in_groups else f"{value}"
    assert extract_answer(around.format(written)) == F(str(value))


@given(st.integers(-999, 999), st.integers(1, 999), st.sampled_from(AROUND), st.integers(0, 2))
def test_a_fraction_comes_back(top: int, low: int, around: str, kind: int) -> None:
    sign = "-" if top < 0 else ""
    written = (
        f"{top}/{low}",
        f"{sign}\\frac{{{abs(top)}}}{{{low}}}",
        f"{sign}\\dfrac{{{abs(top)}}}{{{low}}}",
    )[kind]
    assert extract_answer(around.format(written)) == F(top, low)


@given(st.integers(1, 99), st.integers(1, 8), st.sampled_from(AROUND), st.booleans())
def test_a_mixed_number_comes_back(whole: int, top: int, around: str, latex: bool) -> None:
    written = f"{whole}\\frac{{{top}}}{{9}}" if latex else f"{whole} {top}/9"
    assert extract_answer(around.format(written)) == whole + F(top, 9)


@given(st.integers(1, 999), st.integers(-9, 20), st.sampled_from(AROUND), st.integers(0, 3))
def test_scientific_notation_comes_back(digits: int, ten: int, around: str, kind: int) -> None:
    value = F(digits, 100) * F(10) ** ten
    head = f"{digits / 100:.2f}"
    written = (
        f"{head}e{ten}",
        f"{head} × 10^{ten}",
        f"{head} \\times 10^{{{ten}}}",
        f"{head}E{ten:+03d}",
    )[kind]
    assert extract_answer(around.format(written)) == value


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert extract_answer(text) is None or isinstance(extract_answer(text), F)


PIECES = [
    "9",
    "1 ",
    "1,",
    "1/",
    "-",
    "- ",
    "$",
    " ",
    "\n",
    "\\boxed{",
    "\\frac{",
    "}",
    "answer is ",
]
PIECES += ["#### ", "A:\n", "answer: (", "answer to ", "1 and ", "1.1e", "1 x 10^", "½", "½ ", "*"]
PIECES += [
    "_",
    ".",
    "1'1'",
    "1 = ",
    "answer is 1 = ",
    "answer is\n",
    "(",
    "~",
    "{,}",
    "\\text",
    "\\",
]


@settings(max_examples=25)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4))
def test_junk_is_read_in_linear_time(pieces: list[str]) -> None:
    unit = "".join(pieces)

    def seconds(n: int) -> float:
        text = (unit * (n // len(unit) + 1))[:n]
        start = time.process_time()
        extract_answer(text)
        return time.process_time() - start

    # Ten times the text takes some ten times as long, where a quadratic pattern takes a hundred.
    assert seconds(100_000) < max(40 * seconds(10_000), 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_junk_is_read_in_seconds(seed: int) -> None:
    draw = random.Random(seed)
    text = "".join(draw.choice(PIECES) for _ in range(60_000))[:100_000]
    start = time.process_time()
    extract_answer(text)
    assert time.process_time() - start < 5
