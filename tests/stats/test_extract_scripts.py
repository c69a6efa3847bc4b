"""Numbers out of answers in any script: its letters, digits, separators, signs and marks."""

from __future__ import annotations

import json
import random
import time
from fractions import Fraction as F

import pytest

from sami_eval.core.thoughts import parted
from sami_eval.stats.extract import _MARKER, _markers, extract_answer
from tests import SHARED

CASES = SHARED / "cases" / "numbers.jsonl"

FORMS: list[tuple[str, int | F | None]] = [
    ("答案是18。一周有7天。", 18),
    ("答案：18", 18),
    ("答えは18です。1週間は7日です。", 18),
    ("答え：１８ドル", 18),
    ("총18달러를 벌어요.", 18),
    ("정답은 18입니다. 일주일은 7일이에요.", 18),
    ("ค\u0e33ตอบคือ18บาท", 18),
    ("ผลรวม1,200บาท", 1200),
    ("共有３个，合计１，２００元", 1200),
    ("第3天她赚了18元", 18),
    ("一共18", 18),
    ("她每天赚$18。", 18),
    ("٤٢", 42),
    ("الجواب هو ١٨", 18),
    ("الجواب ۱۸ دلار", 18),
    ("उत्तर १८ है", 18),
    ("উত্তর ১৮", 18),
    ("ค\u0e33ตอบ ๑๘", 18),
    ("𝟏𝟖", 18),
    ("١٬٢٠٠", 1200),
    ("٣٫٥", F(7, 2)),
    ("१,२००", 1200),
    ("18€", 18),
    ("€ 18", 18),
    ("₿0.5", F(1, 2)),
    ("18₫", 18),
    ("₫18", 18),
    ("R$ 18", 18),
    ("R$18", 18),
    ("¥1,200", 1200),
    ("￥1,200", 1200),
    ("18円", 18),
    ("kr 18", 18),
    ("₴18", 18),
    ("₺18", 18),
    ("1½", F(3, 2)),
    ("1 ½", F(3, 2)),
    ("1 ½ cups", F(3, 2)),
    ("-½", F(-1, 2)),
    ("The answer is 2½.", F(5, 2)),
    ("#### ¾", F(3, 4)),
    ("答えは½です", F(1, 2)),
    ("\\boxed{½}", F(1, 2)),
    ("Answer: ⅜", F(3, 8)),
    ("The answer is ½ of it", F(1, 2)),
    ("1 and ½", F(3, 2)),
    ("1-½", F(3, 2)),
    ("¹⁄₂", F(1, 2)),
    ("5 and a half... ½", F(1, 2)),
    ("1 000 000", 1000000),
    ("1\u00a0000", 1000),
    ("#### 1 000 000", 1000000),
    ("#### 12 345", 12345),
    ("The answer is 12 345.", 12345),
    ("It costs 1 000 dollars", 1000),
    ("#### 1 234,50", F(2469, 2)),
    ("1 000,5", F(2001, 2)),
    ("\\boxed{12 345}", 12345),
    ("#### $1 000", 1000),
    ("100 200 300", 300),
    ("He has 3 100 ml bottles", 100),
    ("1 2 3", 3),
    ("5 100-dollar bills", 100),
    ("−18", -18),
    ("－18", -18),
    ("﹣18", -18),
    ("The answer is −½", F(-1, 2)),
    ("25％", 25),
    ("٢٥٪", 25),
    ("25 per cent", 25),
    ("answer is 3/4 of 20 = 15", 15),
    ("The answer is 25% of 80 = 20", 20),
    ("The answer is 3/4 of the 20 apples = 15 apples", 15),
    ("The answer is 1 1/2 of 20 = 30", 30),
    ("The answer is half of 30 = 15", 15),
    ("The answer is ¾ of 20 = 15", 15),
    ("The answer is 9 for x = 3", 9),
    ("The answer is 5 when x = 2", 5),
    ("The answer is 18 if she has 9 eggs", 18),
    ("The answer is 9 * 2 = 18", 18),
    ("answer is 20 × 3/4 = 15", 15),
    ("<thinking>#### 7</thinking>The answer is 18", 18),
    ("so 7</think>#### 18", 18),
    ("18 <think>or 7", 18),
    ("<think>7</think>", None),
    ("<think>7", None),
    ("[THINK]7[/THINK] 18", 18),
    ("<THINK>a 7</THINK>18", 18),
    ("1.8 ⋅ 10^3", 1800),
    ("1.8×10⁻³", F(9, 5000)),
    ("6.02E23", 602000000000000000000000),
    ("1.5万", 15000),
    ("3億円", 300000000),
    ("18千克", 18),
    ("5 lakh", 500000),
    ("1万2千円", 12000),
    ("\u200f18\u200f", 18),
    ("1\ufe0f\u20e38\ufe0f\u20e3", 18),
    ("**答案：18**", 18),
    ("answer是18，不是7", 18),
    ("Answer：18", 18),
    ("最终答案：\\boxed{18}", 18),
    ("H2O と 18", 18),
    ("x1 = 18", 18),
    ("3／4", F(3, 4)),
    ("Ответ: 18 рублей. В неделе 7 дней.", 18),
    ("Antwort: 18. Das sind 7 Tage.", 18),
    ("La respuesta es 18. Hay 7 días.", 18),
    ("La réponse est 18, en 7 jours.", 18),
    ("於2020年，她賺了18元", 18),
    ("她有18個，不是20個", 20),
    ("18\u2060", 18),
    ("18,", 18),
    ("ans:18", 18),
    ("1.000", 1),
    ("2024-03-15", None),
    ("5′", 5),
    ("18℃", 18),
    ("−5 °C", -5),
    ("18㎏", 18),
    ("㎏18", 18),
    ("①8", 8),
    ("+½", F(1, 2)),
    ("3 ½ × 2 = 7", 7),
    ("1\u2009½", F(3, 2)),
    ("1\u00a0½", F(3, 2)),
    ("½ million", 500000),
    ("½%", F(1, 2)),
    ("$½", F(1, 2)),
    ("½ cup", F(1, 2)),
    ("x½", F(1, 2)),
    ("the answer is½", F(1, 2)),
]


@pytest.mark.parametrize(("text", "value"), FORMS, ids=lambda value: ascii(value)[:40])
def test_a_form_has_its_value(text: str, value: int | F | None) -> None:
    assert extract_answer(text) == value


@pytest.mark.skipif(not CASES.is_file(), reason="the cases are not here")
def test_every_case_has_its_value() -> None:
    rows = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    wanted = {row["text"]: row["value"] and F(row["value"]) for row in rows}
    assert {text: extract_answer(text) for text in wanted} == wanted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,0000", 10_000),
        ("1000,000", 1_000_000),
        ("18..20", 20),
        ("每天18，20天", 20),
        ("10^{-2}", F(1, 100)),
        ("1\U000e00328", 18),
        ("2^99999999999", None),
        ("10^9999999", None),
        ("1e9999999999", None),
        ("1e" + "9" * 5000, None),
    ],
)
def test_a_run_of_digits_is_one_number_or_none(text: str, value: F | int | None) -> None:
    assert extract_answer(text) == value


@pytest.mark.parametrize(
    "thought",
    [
        "<mm:think>{}</mm:think>",
        "<longcat_think>{}</longcat_think>",
        "< think >{}</ think >",
        "&lt;think&gt;{}&lt;/think&gt;",
        "<reasoning>{}</reasoning>",
        "<scratchpad>{}</scratchpad>",
        "<|START_THINKING|>{}<|END_THINKING|>",
        "<|begin_of_thought|>{}<|end_of_thought|>",
        "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>",
        "<|channel>thought\n{}<channel|>",
        "<unused94>thought\n{}<unused95>",
    ],
)
def test_a_number_that_was_only_thought_is_none(thought: str) -> None:
    assert extract_answer(thought.format("#### 7") + "\nSo 18.") == 18
    assert extract_answer(thought.partition("{}")[0] + "#### 7") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<analysis>#### 7</analysis>\nSo 18.", 18),
        ("<analysis>#### 7</analysis> <reflection>#### 8</reflection>\nSo 18.", 18),
        ("<analysis>#### 7</analysis>", 7),  # nothing behind it: the answer itself
        ("So 18. <analysis>#### 7</analysis> It is right.", 7),
        ("<analysis>#### 7", 7),
    ],
)
def test_an_analysis_is_thought_where_it_is_closed_and_leads(text: str, value: int) -> None:
    assert extract_answer(text) == value


def test_an_analysis_and_the_answer_behind_it_are_parted() -> None:
    assert parted("<analysis>hm</analysis>\nFinal 18") == ("Final 18", "hm")


def test_a_marker_is_found_wherever_its_pattern_matches() -> None:
    words = [
        *(
            "####",
            "#",
            "\\boxed",
            "\\FBOX",
            "<Answer>",
            "answer is",
            "aNswer",
            "final ans: ",
            "ans ",
        ),
        *(
            "Fınal answer=",
            "答案是",
            "答え:",
            "정답은",
            "답:",
            "คำตอบ:",
            "Antwort:",
            "RESPUESTA es",
        ),
        *("Réponse :", "risposta è", "Resposta: ", "ᲂтвет:", "ответ:", "A:", "**A** :", "_A:"),
        *("\n", "   ", "7"),
    ]
    rng = random.Random(0)
    for _ in range(2_000):
        text = "".join(rng.choices(words, k=6))
        assert [one.span() for one in _markers(text)] == [
            one.span() for one in _MARKER.finditer(text)
        ], text


def test_many_markers_cost_no_more_than_the_last_ones() -> None:
    start = time.process_time()
    extract_answer("answer is (" * 90_000)
    assert extract_answer("answer is unknown " * 9_000 + "5") == 5
    assert time.process_time() - start < 5
