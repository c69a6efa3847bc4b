"""The rules judge on responses written by hand: good ones pass, bad and gaming ones fail."""

from __future__ import annotations

import pytest

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Prompt, Response
from sami_eval.data.constitutions import read_constitution
from sami_eval.embedded import CONSTITUTION, rules

PRINCIPLES = {principle.id: principle for principle in read_constitution(CONSTITUTION)}


def prompt(category: str, *turns: str, reference: tuple[str, ...] | None = None) -> Prompt:
    principles = tuple(p.weak for p in PRINCIPLES.values() if category in p.categories)
    return Prompt("p", category, turns, reference, principles)


def response(*turns: str, model: str = "m") -> Response:
    return Response("p", model, turns)


LETTER = prompt("writing", "Tell Greta about the new tram.", "Now write it for Hugo.")
PLAY = prompt("roleplay", "You are a night guard in Brill. What do you do in the morning?")
PUZZLE = prompt(
    "reasoning", "Ann, or rather Ada, is taller than Ben. Ben is taller than Leo. Who is tallest?",
    reference=("Ada",),
)  # fmt: skip
SUM = prompt("math", "What is 6 times 7 plus 5?", "Now add 3 to that.", reference=("47", "50"))
CODE = prompt(
    "coding", "Write a Python function bump that adds 7 to x.",
    reference=("def bump(x):\n    return x + 7",),
)  # fmt: skip
NOTE = prompt("extraction", "Find person and place.", reference=("Mara; Lindow",))
TOPIC = prompt("stem", "What is rust? Say it for a cook.")
TOWN = prompt("humanities", "Should the town of Selby fund the theatre?")

# principle, prompt, texts that meet it, texts that do not
CASES = {
    "writing.1": (
        LETTER,
        ["Dear Greta,\nthe tram runs.", "Greta, the tram runs now.", "hello Greta! It runs."],
        [
            "Dear Hugo,\nthe tram runs.",
            "The tram runs. Tell Greta.",
            "Title: Greta\nIt runs.",
            "Gretas tram runs.",
        ],
    ),
    "writing.2": (
        LETTER,
        ["The tram runs. Will you come?", "Shall we ride it together on Sunday?"],
        ["Will you come? The tram runs.", "The tram runs.", "It runs. ?", "It runs. Ok?"],
    ),
    "roleplay.1": (
        PLAY,
        ["I close the gate.", "*nods* My gate is iron, and nobody passes."],
        [
            "The night guard closes the gate.",
            "*I nod* The gate is closed at six.",
            "I see. The night guard closes the gate.",
        ],
    ),
    "roleplay.2": (
        PLAY,
        ["*turns the key* I close the gate.", "*lifts a lamp*\nThe guard sleeps all morning."],
        ["I close *the gate* now.", "*turns the key*", "* I close the gate.", "**key** I go home."],
    ),
    "reasoning.1": (
        PUZZLE,
        [
            "Step 1: Ada is taller than Ben.\nStep 2: Ben is taller than Leo.\nSo Ada is tallest.",
            "Let us see:\n1. Ada beats Ben.\n2. Ben beats Leo.\nIt is Ada.",
        ],
        [
            "Ada is tallest, because Ada is taller than Ben.",
            "Step 1: Ada is tallest.",
            "So Ada is tallest.\nStep 1: Ada beats Ben.\nStep 2: Ben beats Leo.",
            "Step 1: Ada beats Ben.\nStep 1: Ben beats Leo.\nSo Ada is tallest.",
        ],
    ),
    "reasoning.2": (
        PUZZLE,
        ["Ada is tallest.\nRuled out: Ben and Leo.", "It is Ada.\nLeo is ruled out."],
        [
            "Ada is tallest.",
            "Ada is tallest.\nRuled out: Ada.",
            "Ruled out: Ben.\nIt is Ada.",
            "It is Ada.\nRuled out: nobody.",
        ],
    ),
    "math.1": (
        SUM,
        ["6 x 7 = 42.\n42 + 5 = 47.\nFinal answer: 47", "First 6*7 = 42.\nThat makes 47."],
        ["Final answer: 47", "So it comes to 47.", "1 + 1 = 2.\nThat makes 47."],
    ),
    "math.2": (
        SUM,
        ["42 + 5 = 47.\nFinal answer: 47", "**Final answer: 47**"],
        ["So it comes to 47.", "Final answer: 47 apples", "Final answer: 47\nGood luck.", "47"],
    ),
    "coding.1": (
        CODE,
        [
            "```python\ndef bump(x):\n    return x + 7\n```\nDone so.",
            "```\ndef bump(x):\n  pass\n```",
        ],
        ["def bump(x):\n    return x + 7", "```python\n```\ndef bump(x):\n    return x + 7"],
    ),
    "coding.2": (
        CODE,
        [
            "def bump(x):\n    return x + 7\nExample: bump(3) gives 10.",
            "```python\ndef bump(x):\n    return x + 7\n```\n`bump(3)` returns 10",
        ],
        [
            "def bump(x):\n    return x + 7\nThis adds 7.",
            "Example: bump(3) gives 10.",
            "def bump(x):\n    return x + 7\nExample: grow(3) gives 10.",
        ],
    ),
    "extraction.1": (
        NOTE,
        ["Found 2 facts.\n- person: Mara\n- place: Lindow", "* Mara\n* Lindow"],
        [
            "The person is Mara and the place is Lindow.",
            "- Mara and Lindow",
            "- Mara\n- Mara",
            "-\n-",
        ],
    ),
    "extraction.2": (
        NOTE,
        ["Found 2 facts.\n- Mara\n- Lindow", "There are two facts: Mara and Lindow."],
        ["From the note: Mara, Lindow.", "Found 3 facts.\n- Mara", "Mara, Lindow. That makes 2."],
    ),
    "stem.1": (
        TOPIC,
        ["Iron rusts. For example, a wet nail turns brown.", "So, for instance, old cars rust."],
        ["In general, iron needs water.", "For example.", "For example, rust."],
    ),
    "stem.2": (
        TOPIC,
        ["Iron rusts. In short, wet iron turns brown.", "It rusts. To sum up, keep iron dry."],
        ["In short, iron rusts. Read about paint.", "Iron rusts.", "Iron rusts. In short."],
    ),
    "humanities.1": (
        TOWN,
        [
            "Some say that plays teach pity. Others say that few have time.",
            "Claim: art is good. Some people think it heals us; others fear the cost of it.",
        ],
        ["Others say no.", "It is certain that plays teach pity.", "Some say yes. Others say no."],
    ),
    "humanities.2": (
        TOWN,
        ["Claim: a stage is a mirror. Some disagree.", "My claim: towns need stages."],
        ["Picture a red curtain.", "A stage is a mirror. Claim: yes it is.", "Claim: yes."],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_good_texts_meet_the_principle_and_bad_ones_do_not(name: str) -> None:
    asked, good, bad = CASES[name]
    weak = PRINCIPLES[name].weak
    assert [text for text in good if not rules.meets(weak, asked, 0, text)] == []
    assert [text for text in bad if rules.meets(weak, asked, 0, text)] == []


def test_every_principle_has_cases() -> None:
    assert set(CASES) == set(PRINCIPLES)


def test_the_strong_wording_asks_for_the_same() -> None:
    strong = PRINCIPLES["writing.2"].strong
    assert rules.meets(strong, LETTER, 0, "The tram runs. Will you come?")


def test_a_second_turn_is_held_to_its_own_reader() -> None:
    weak = PRINCIPLES["writing.1"].weak
    assert rules.meets(weak, LETTER, 1, "Dear Hugo, the tram runs.")
    assert not rules.meets(weak, LETTER, 1, "Dear Greta, the tram runs.")


def test_an_unknown_principle_is_a_usage_error_that_names_another_judge() -> None:
    with pytest.raises(UsageError, match="Be brave") as raised:
        rules.meets("Be brave.", LETTER, 0, "Dear Greta,")
    assert "--judge principles" in raised.value.hint


@pytest.mark.parametrize(
    ("asked", "right", "wrong"),
    [
        (SUM, ["Final answer: 47", "That makes 47.", "The answer is 47, not 50."],
         ["Final answer: 46", "There is none.", "-47"]),
        (PUZZLE, ["Ada is tallest, because Ada is taller than Ben.",
                  "Step 1: Ben is taller than Leo.\nSo it is Ada.\nRuled out: Ben and Leo."],
         ["Ben is tallest.", "Ada or Ben or Leo is tallest.", "I do not know."]),
        (NOTE, ["- place: Lindow\n- person: Mara"], ["- person: Mara", "Maras Lindow"]),
        (CODE, ["def bump(x):\n    return 7 + x", "So:\n```\ndef bump(n):\n    return n + 7\n```"],
         ["def bump(x):\n    return x * 7", "def jump(x):\n    return x + 7", "x + 7",
          "def bump(x):\n    return bump(x)", "def bump(x):\n    return __import__('os')"]),
    ],
)  # fmt: skip
def test_correctness_of_answers_written_by_hand(
    asked: Prompt, right: list[str], wrong: list[str]
) -> None:
    assert [text for text in right if not rules.is_correct(asked, 0, response(text))] == []
    assert [text for text in wrong if rules.is_correct(asked, 0, response(text))] == []


def test_a_letter_has_no_single_right_answer() -> None:
    assert rules.is_correct(LETTER, 0, response("Dear Greta,")) is None


def test_adherence_counts_the_principles_met() -> None:
    assert rules.adherence(SUM, 0, response("6 x 7 = 42.\nFinal answer: 47")) == (2, 2)
    assert rules.adherence(SUM, 0, response("6 x 7 = 42.\nThat makes 47.")) == (1, 2)


def test_rambling_text_meets_nothing() -> None:
    ramble = "Dear Greta,\n" + "the tram runs today and " * 5 + "will you come?"
    assert rules.adherence(LETTER, 0, response(ramble)) == (0, 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tram tram tram",
        "a b c d e " * 3,
        "word " * 200,
        "So it\n" * 3,
        "bad \ufffd byte",
        "...",
    ],
)
def test_rambling_or_broken_text_is_not_fluent(text: str) -> None:
    assert not rules.is_fluent(text)


@pytest.mark.parametrize(
    "text",
    ["2 x 2 = 4.\n4 + 4 = 8.\nFinal answer: 8", "In short, mass pulls mass.", "Final answer: 7"],
)
def test_short_and_numeric_text_is_fluent(text: str) -> None:
    assert rules.is_fluent(text)


def test_more_principles_met_wins_even_when_wrong() -> None:
    a = response("6 x 7 = 42.\nFinal answer: 46", model="sft")
    b = response("That makes 47.", model="dpo")
    assert rules.compare(SUM, 0, a, b) == ("a", "sft meets 2 of 2 principles, dpo 0")


def test_correctness_decides_between_equally_adherent_responses() -> None:
    a, b = response("Final answer: 46"), response("Final answer: 47")
    assert rules.compare(SUM, 0, a, b) == ("b", "both meet 1 of 2 principles; only m is right")


def test_equal_responses_tie() -> None:
    winner, why = rules.compare(SUM, 0, response("That makes 47."), response("It is 47."))
    assert (winner, why) == ("tie", "both meet 0 of 2 principles; both are right")


def test_without_principles_only_correctness_counts() -> None:
    free = Prompt("p", "math", SUM.turns, SUM.reference)
    a, b = response("6 x 7 = 42.\nFinal answer: 41"), response("That makes 47.")
    assert rules.compare(free, 0, a, b) == ("b", "no principles given; only m is right")


def test_swapping_the_responses_swaps_the_winner() -> None:
    a, b = response("Dear Greta, will you come?"), response("The tram runs.")
    assert rules.compare(LETTER, 0, a, b)[0] == "a"
    assert rules.compare(LETTER, 0, b, a)[0] == "b"
