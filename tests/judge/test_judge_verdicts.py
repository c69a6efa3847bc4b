"""What counts as a verdict, and what is said of a reply that has none."""

from __future__ import annotations

import time

import pytest

from sami_eval.core.calls import Reply
from sami_eval.core.types import Winner
from sami_eval.judge import parse_rating, parse_verdict, patterns, read_judge, read_reply

QUALITY, SINGLE = read_judge("quality"), read_judge("single")


@pytest.mark.parametrize(
    ("text", "winner"),
    [
        ("[[A]]", "a"),
        ("B is wrong.\n\n[[B]]", "b"),
        ("Both fail. **[[C]]**", "tie"),
        ("[[ A ]].", "a"),
        ("One might say [[A]] at first, but the final verdict is: [[B]]", "b"),
        ("[[A]] if A is better, [[B]] if B is. Mine: [[A]]", "a"),
        ("<think>clearly [[A]]</think>On reflection: [[B]]", "b"),
        ("clearly [[A]]</think>\n[[B]]", "b"),
        ("[[B]] <think>or was it [[A]]", "b"),
        ("<THINKING>[[A]]</THINKING>[[C]]", "tie"),
        ("<think>a</think>[[A]]<think>[[B]]</think>", "a"),
        ("<think>it is [[A]]", None),
        ("<think>it is [[A]]</think>", None),
        ("", None),
        ("A", None),
        ("[A]", None),
        ("[[D]]", None),
        ("[[a]]", None),
        ("[[A/B]]", None),
        ("[[A or B]]", None),
        ("[[Assistant A]]", None),
        ("Final Response: B", None),
        ("I prefer answer A", None),
        ("[[7]]", None),
    ],
)
def test_the_last_explicit_verdict_outside_thinking_wins(text: str, winner: Winner | None) -> None:
    assert parse_verdict(text, QUALITY) == winner


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("[[7]]", 7.0),
        ("[[ 7.5 ]]", 7.5),
        ("[[8/10]]", 8.0),
        ("A [[3]] at first sight, but [[9]]", 9.0),
        ("<think>[[3]]</think>[[4]]", 4.0),
        ("[[11]]", None),
        ("[[0]]", None),
        ("[[7]] no, [[70]]", None),
        ("[[-3]]", None),
        ("[[seven]]", None),
        ("7", None),
        ("[[A]]", None),
    ],
)
def test_the_last_explicit_rating_counts(text: str, rating: float | None) -> None:
    assert parse_rating(text, SINGLE) == rating
    assert parse_verdict(text, SINGLE) is None


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("Both are good."), "no verdict"),
        (Reply("Both are", finished=False), "truncated"),
        (Reply("One might say [[A]], yet when I look", finished=False), "truncated"),
        (Reply("<think>[[A]]", finished=False), "truncated"),
        (Reply(""), "empty"),
        (Reply("  \n"), "empty"),
        (Reply("<think>hm</think>"), "empty"),
        (Reply("I'm sorry, but I can't help with that."), "refused"),
        (Reply("I cannot compare these."), "refused"),
        (Reply("No.", failure="refused"), "refused"),
        (Reply("", failure="content filter"), "content filter"),
        (Reply("", failure="too long for the model"), "too long for the judge"),
        (Reply("", failure="API failure: 500: x"), "API failure: 500: x"),
        (Reply("[[A]]", failure="content filter"), "content filter"),
    ],
)
def test_a_reply_without_verdict_has_a_reason(reply: Reply, reason: str) -> None:
    reading = read_reply(reply, QUALITY)
    assert (reading.winner, reading.reason) == (None, reason)


@pytest.mark.parametrize("ending", ["[[B]]", "[[B]].", "**[[B]]**\n"])
def test_a_verdict_at_the_very_end_of_a_cut_reply_counts(ending: str) -> None:
    reading = read_reply(Reply(f"So {ending}", finished=False), QUALITY)
    assert (reading.winner, reading.reason) == ("b", None)


def test_a_refusing_tone_with_a_verdict_is_a_verdict() -> None:
    assert read_reply(Reply("Sorry, neither convinces. [[C]]"), QUALITY).winner == "tie"


@pytest.mark.parametrize(
    ("text", "reason"), [("[[12]]", "rating outside 1-10"), ("x", "no rating")]
)
def test_a_reply_without_rating_has_a_reason(text: str, reason: str) -> None:
    reading = read_reply(Reply(text), SINGLE)
    assert (reading.rating, reading.reason) == (None, reason)


@pytest.mark.parametrize(
    ("text", "winner"),
    [
        ("[[B]]" + "<think>" * 100_000, "b"),
        ("[[B]]" + "<think>[[A]]</thinking " * 50_000, "b"),
        ("</think>" * 100_000 + "[[B]]", "b"),
        ("<think>[[A]]</think>" * 50_000 + "[[B]]", "b"),
        ("<" * 500_000, None),
    ],
    ids=["opened", "half closed", "closed", "many", "brackets"],
)
def test_thoughts_are_found_in_linear_time(text: str, winner: Winner | None) -> None:
    start = time.process_time()
    assert parse_verdict(text, QUALITY) == winner
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "text",
    ["<thought>[[A]]</thought>[[B]]", "[THINK][[A]][/THINK][[B]]", "◁think▷[[A]]◁/think▷[[B]]"],
)
def test_thoughts_are_known_in_other_tags(text: str) -> None:
    assert parse_verdict(text, QUALITY) == "b"


@pytest.mark.parametrize(
    ("pattern", "begins"),
    [
        (r"\[\[A\]\]", "[["),
        (r"\[\[\s*A", "[["),
        (r"\[\[?A", "["),
        (r"\[{2}A", ""),
        (r"\[+\[A", "["),
        (r"\[A\]|B", ""),
        (r"\[\\\[A", "[\\["),
        (r"(?i)\[A", ""),
        (r"Verdict: A", ""),
    ],
)
def test_what_a_pattern_begins_with_is_seen_at_a_glance(pattern: str, begins: str) -> None:
    assert patterns.opening(pattern) == begins
    assert [found[0] for found in patterns.matches(r"\[\\\[A", "[[A [\\[A")] == ["[\\[A"]
