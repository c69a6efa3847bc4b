"""Checks, one by one, on answers written by hand: what meets them, what misses, and the edges."""

from __future__ import annotations

import itertools
import time

import pytest

from sami_eval.core.errors import UsageError
from sami_eval.data import ifeval
from sami_eval.data.checks import COUNTS, NAMES, TEXTS, YES_OR_NO, meets, read_check
from sami_eval.data.passages import copied, sentences

CODE = "```python\nx = 1, 2\n```"
LONG_FENCE = "````\n```\nnot yet closed\n````"
ASKED = "Why does ice float on water?"

# check, answers that meet it, answers that miss it
CASES = [
    ("words = 3", ["one two three", "well-known and/or", "a — b c", "- one\n2. two\n# three",
                   f"one two three\n{CODE}", "東京 x", "हिन्दी भाषा है", "Step 1: one two three"],
     ["one two", "1. two three", "— — —"]),
    ("words <= 60", ["word " * 60, CODE], ["word " * 61]),
    ("sentences = 2", ["Mr. Smith met J. Doe. He left.", "It is 3.14 m. Good?", "Wait... No!",
                       "At 5 p.m. we ate etc. and left. So?", "- one\n- two", "# Head\nText",
                       "“Is it?” “No.”", "第一句。第二句。", "One.\n\nTwo",
                       f"One.\n{CODE}\nTwo."],
     ["One.", "One. Two. Three.", "e.g. this one", CODE, "We ate at 5 p.m. Then we left. So."]),
    ("longest-sentence <= 3", ["One two three. Four five.", CODE], ["One two three four."]),
    ("paragraphs = 2", ["one\n\ntwo", "one\nstill one\n \n\n\ntwo\n", f"one\n\n{CODE}",
                        "a\n\n```\nb\n\nc\n```"],
     ["one", "one\ntwo", "a\n\nb\n\nc", CODE]),
    ("lines = 2", ["one\n\n two ", "a\r\nb"], ["one", CODE]),
    ("characters 2..4", ["ab", " abcd\n", "日本語"], ["a", "abcde"]),
    ("bullets 2..3", ["- a\n- b", "* a\n+ b\n• c", "  - a\n    - b"],
     ["- a", "-a\n-b", "**a**\n**b**", "- \n- ", "---\n- a", "```\n- a\n- b\n```", "- - -\n* * *"]),
    ("steps = 2", ["1. a\n2. b", "1) a\ntext\n2) b", "Step 1: a\nStep 2: b", "**1.** a\n**2.** b",
                   "1. a\n1. b\n2. c\n4. d"],
     ["1. a\n3. b", "2. a\n3. b", "1.5 a\n2.5 b", "1. a", "```\n1. a\n2. b\n```",
      "1. a\n2. b\n3. c"]),
    ("headings >= 1", ["# A", "x\n### B"], ["#A", "a # b", "```\n# A\n```", "#"]),
    ("code-blocks = 1", [CODE, "~~~\nx\n~~~", LONG_FENCE, f"So:\n{CODE}\nDone."],
     ["x = 1", "```\n\n```", "```\nx = 1", f"{CODE}\n{CODE}", "`x`"]),
    ("comments >= 1", ["```\n# why\nx\n```", "```js\n  // why\nx\n```", "```sql\n-- why\n```"],
     ["# why", "```c\n#include <a>\n```", "```\nx = 1  # why\n```", "```\nx\n```"]),
    ("commas = 0", ["no comma", CODE], ["a, b", "1,000", "一，二"]),
    ("questions >= 1", ["Is it? Yes.", "Yes.\n\n**Is it?**", "是吗？"],
      ["Yes?no", "Yes.", "```\na?\n```"]),
    ("exclamations = 0", ["Calm.", "```\n!x\n```"], ["Oh!", "哦！"]),
    ("numbers = 2", ["3 and 4.5", "1. 10 of 1,000", "a1 b2"], ["one 1", "1. one 2"]),
    ("capitals = 1", ["This is NASA", "A BC"], ["A b", "NASA ESA", "Äa"]),
    ("bold = 1", ["a **b c** d", "__b__"], ["** b**", "a*b*", "**a** **b**", "snake__case__x"]),
    ("equations >= 1", ["3 + 4 = 7", "so x=7", "$x = \\frac{1}{2}$", "area = 5"],
     ["x == 7", "a >= b", "x != 7", "=", "```\nx = 1\n```"]),
    ("copied <= 2", ["Ice is light.", "ICE FLOATS"],
     ["You ask why does ice float.", "Why, does *ice* float"]),
    ("begins 'Dear' 'Hello'", ["Dear Ann", "**Hello!**", '"dear"', "\n# Hello"],
     ["Dearest", "My dear", "x Hello"]),
    ("ends 'for now' 'bye!'", ["That is it for now.", "for  now", "Bye!", "**Bye!**"],
     ["for now and then", "bye", "before now", "for now\n```\nx\n```"]),
    ("last-line 'In short'", ["a\nIn short: b", "**In short**, b\n", "In short"],
     ["In short\nb", f"In short\n{CODE}", "in shorter"]),
    ("contains 'sea' \"salt\"", ["Salt of the SEA", "sea-salt", "```\nsea salt\n```"],
     ["sea", "seal salty", "salt"]),
    ("contains-any '東' 'for example'", ["東京です", "For  example, x", "for\nexample"],
      ["京", "forexample"]),
    ("avoids 'very' \"don't\"", ["every day"], ["Very good", "I don’t"]),
    ("lower-case", ["all small, 3.", "```\nBig\n```", "日本", "42"], ["Big", "éÉ", "ǅ"]),
    ("upper-case", ["ALL BIG 3", "É"], ["Big", "42", "BIg"]),
    ("title", ["# A\nb", "**A b**\n\nc", "<<A>>\nb", "Title: A\nb", "**Title: A**\nb"],
     ["A\n\nb", "# A", "**A** b\nc", "#A\nb", "**\nb", "Title:\nb", "****\nb"]),
    ("question-first", ["Why? So.", "“Why?” So."], ["So. Why?", f"{CODE}\nWhy?", CODE]),
    ("question-last", ["So. Why?", "So?\n\n**Why?**", "そうですか？", "He asked, “Why?”"],
     ["Why? So.", f"Why?\n{CODE}", CODE, "Why"]),
    ("json", ['{"a": 1}', " [1, 2]\n", '```json\n{"a": 1}\n```', "[]"],
     ["1", '"a"', '{"a": NaN}', "{'a': 1}", 'So: {"a": 1}',
      '```\n{"a": 1}\n```\nDone.', "[" * 9**5]),
    ("table", ["|a|b|\n|---|---|\n|1|2|", "a | b\n:--- | ---:\n1 | 2"],
     ["a | b\n--- | ---", "a\n---\nb", "| a | b |"]),
    ("same-script", ["Because.", "Parce que.", "42", CODE], ["Потому что.", "因为。", "كذا"]),
    ("final-answer", ["So:\nAnswer: 7", "**Final answer:** 7 cm", "The answer is $7$.", "x\n#### 7",
                      "**Answer: no**"],
     ["Answer: 7\nGood luck", "7", "Answer:", "**Answer:** ***",
      f"Answer: 7\n{CODE}", "answers: 7"]),
    ("postscript", ["Hi.\n\nP.S. More", "Hi.\nPS: more"], ["Hi. P.S. more", "P.S.", "P.S. a\n\nb"]),
    ("first-person", ["I go", "It is **my** day", "Well, I’m here", "i am"],
      ["It is mine-free", "Is it?"]),
    ("not title", ["A\n\nb"], ["# A\nb"]),
    ("words >= 2 and not json and ends 'and'", ["this and", "that and."], ["and", "this or"]),
]  # fmt: skip
FLAT = [
    (check, good, answer) for check, *both in CASES for good, several in
    zip((True, False), both, strict=True) for answer in several
]  # fmt: skip


@pytest.mark.parametrize(("check", "good", "answer"), FLAT, ids=range(len(FLAT)))
def test_a_check_is_met_or_missed(check: str, good: bool, answer: str) -> None:
    assert meets(check, ASKED, answer) is good, (check, answer[:80])


def test_every_check_has_cases() -> None:
    named = {check.removeprefix("not ").split()[0] for check, *_ in CASES}
    assert set(NAMES) <= named


@pytest.mark.parametrize("check", ["words <= 9", "not title", "commas = 0", "lower-case"])
@pytest.mark.parametrize("empty", ["", " \n\t"])
def test_an_empty_answer_meets_no_check(check: str, empty: str) -> None:
    assert not meets(check, ASKED, empty)


def test_the_scripts_letters_decide_not_the_language() -> None:
    assert meets("same-script", "これは何ですか", "東京です")
    assert meets("same-script", "12 + 3 = ?", "fifteen")
    assert not meets("same-script", "Что это?", "This is tea.")


def test_accents_are_one_letter_however_they_are_encoded() -> None:
    assert meets("characters = 1", ASKED, "e\u0301")


def test_the_longest_copied_run_is_that_of_a_plain_search() -> None:
    texts = [" ".join(words) for n in range(5) for words in itertools.product("abc", repeat=n)]
    for text, source in itertools.product(texts[::3], texts[::2]):
        mine, theirs = text.split(), f" {source} "
        runs = (mine[i:j] for i in range(len(mine)) for j in range(i, len(mine) + 1))
        plain = max((len(run) for run in runs if f" {' '.join(run)} " in theirs), default=0)
        assert copied(text, source) == plain, (text, source)


@pytest.mark.parametrize(
    "junk", ["a ", "!", "*", "\n", "- ", "**a", "_", "``` \n", "1. x\n", "J. ", "|---",
             "東", "<<a", "= "]
)  # fmt: skip
def test_no_answer_keeps_a_check_for_long(junk: str) -> None:
    text = (junk * 40_000)[:40_000] + "x"
    start = time.process_time()
    for name in NAMES:
        check = f"{name} <= 9" if name in COUNTS else f"{name} 'a b'" if name in TEXTS else name
        meets(check, text, text)
    assert time.process_time() - start < 8  # some 0.5 s; quadratic ones took minutes
    assert len(NAMES) == len(COUNTS) + len(TEXTS) + len(YES_OR_NO)


def test_sentences_come_in_order_with_their_marks() -> None:
    assert sentences("Did Dr. Lee go? Yes. (Late.) Done") == [
        "Did Dr. Lee go?", "Yes.", "(Late.)", "Done"]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "said", "hint"),
    [
        ("wrods <= 3", "no check `wrods`", "did you mean `words`?"),
        ("qqqqq", "no check `qqqqq`", "question-last"),
        ("words", "how many words?", "words 3..5"),
        ("words 5..3", "how many words?", "words 3..5"),
        ("words < 3", "how many words?", "words <= 3"),
        ("words <= many", "how many words?", "words <= 3"),
        ("words <= -1", "how many words?", "words <= 3"),
        ("begins", "which texts?", "begins"),
        ("begins Dear", "which texts?", 'begins "one"'),
        ("avoids ''", "which texts?", "avoids"),
        ("avoids 'a' b", "which texts?", "avoids"),
        ("title now", "`title` takes no `now`", "write title"),
        ("begins 'Dear", "a quote is left open", "'...'"),
        ("title and", "says nothing", "words"),
        ("not", "says nothing", "words"),
        (" ", "says nothing", "words"),
        ("ifeval:punctuation:no_coma", "no verifier `punctuation:no_coma`", "punctuation:no_comma"),
        ("ifeval:startend:end_checker", "lacks `end_phrase`", "IFEval would draw one"),
        ("ifeval:punctuation:no_comma a=1", "unknown `a`", "takes no argument"),
        ('ifeval:length_constraints:number_words num_words="3" relation="at least"',
         "`num_words` is", "a whole number"),
        ('ifeval:length_constraints:number_words num_words=3 relation="about"',
         "`relation` is", 'relation="at least"'),
        ('ifeval:keywords:existence keywords=["a",1]', "`keywords` is", '["one","two"]'),
    ],
)  # fmt: skip
def test_what_is_no_check_is_told_with_a_way_out(check: str, said: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_check(check)
    assert said in raised.value.message
    assert hint in raised.value.hint


def test_ifevals_verifiers_are_read_without_lm_evals_and_said_to_lack_when_used() -> None:
    check = 'ifeval:keywords:existence keywords=["sea","salt"] and ifeval:punctuation:no_comma'
    assert len(read_check(check)) == 2
    if not _can_import():
        with pytest.raises(UsageError, match="cannot be imported") as raised:
            meets(check, ASKED, "sea salt")
        assert "lm-eval[ifeval]" in raised.value.hint
    else:
        assert meets(check, ASKED, "sea salt")
        assert not meets(check, ASKED, "sea, salt")


def _can_import() -> bool:
    try:
        return bool(ifeval.registry())
    except UsageError:
        return False
