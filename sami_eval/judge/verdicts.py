"""What a judge's reply says. A verdict we cannot find is None with a reason, never a tie.

Counting it as a tie would pull every win rate to 50%.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate

from sami_eval.core.calls import Reply, TokenLogps
from sami_eval.core.thoughts import blanked
from sami_eval.core.types import Judge, Winner
from sami_eval.judge import reward
from sami_eval.judge.grades import GRADED
from sami_eval.judge.logprobs import LEAST, probabilities, winner_of
from sami_eval.judge.mentions import given
from sami_eval.judge.patterns import matches
from sami_eval.server import wire

WINNERS: dict[str, Winner] = {"a": "a", "b": "b", "tie": "tie"}
LOWEST, HIGHEST = 1.0, 10.0
TOO_LONG = "too long for the judge"

_REFUSAL = re.compile(
    r"\A\W*(i['’]?m (very )?sorry|i am (very )?sorry|sorry|i can(no|['’])t|i['’]m (not able|unable)"
    r"|i am (not able|unable)|as an ai)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reply says: a winner by position ("a" was shown first) or a rating, or why not.

    score: the probability that the first shown is better, where the judge's tokens tell.
    grade: how often a graded verdict counts.
    """

    winner: Winner | None = None
    rating: float | None = None
    reason: str | None = None
    score: float | None = None
    grade: int | None = None


def parse_verdict(text: str, judge: Judge) -> Winner | None:
    """The last explicit verdict outside <think>, by position: "a" is the response shown first.

    judge: its patterns, e.g. of `read_judge("quality")`.
    None without one, never a tie; for a single-answer judge too: see parse_rating.
    """
    found = _last_match(blanked(text), judge)
    return {**WINNERS, **GRADED}.get(found[0]) if found else None


def parse_rating(text: str, judge: Judge) -> float | None:
    """The last explicit rating outside <think>; None without one or outside 1-10."""
    found = _last_match(blanked(text), judge)
    return _in_range(found[1]) if found and found[0] == "rating" else None


def _last_match(text: str, judge: Judge) -> tuple[str, re.Match[str]] | None:
    """The last verdict the text gives; one that it only speaks of is none."""
    found = [
        (name, match)
        for name, patterns in judge.patterns.items()
        for pattern in patterns
        for match in matches(pattern, text)
    ]
    possible = 0 if judge.kind == "single" else len(judge.patterns)
    return next(reversed(given(text, found, possible)), None)


def _in_range(match: re.Match[str]) -> float | None:
    try:
        rating = float(match[1])
    except (TypeError, ValueError):
        return None
    return rating if LOWEST <= rating <= HIGHEST else None


def read_reply(reply: Reply, judge: Judge) -> Reading:
    """The verdict or rating in a reply, or the reason that there is none."""
    if reply.failure is not None:
        too_long = reply.failure == wire.TOO_LONG
        return Reading(reason=TOO_LONG if too_long else reply.failure)
    if judge.kind == "reward":
        score, reason = reward.score_of(reply, judge)
        return Reading(rating=score, reason=reason)
    token = _verdict_token(reply, judge) if judge.tokens else None
    return _read_words(reply, judge) if token is None else _by_probability(token, judge)


def _verdict_token(reply: Reply, judge: Judge) -> TokenLogps | None:
    """The token that decides: the only one, else the one inside the last verdict in words.

    None where the words have none, or the probabilities at its place are not known.
    """
    tokens = reply.token_logps
    if len(tokens) > 1 and _read_words(reply, judge).reason is None:
        tokens = _inside_verdict(reply, judge)
    return tokens[0] if len(tokens) == 1 and tokens[0].likeliest else None


def _inside_verdict(reply: Reply, judge: Judge) -> tuple[TokenLogps, ...]:
    said = "".join(token.text for token in reply.token_logps)
    # A server may count as tokens what it keeps out of the text: thoughts before, an end behind.
    at = said.rfind(reply.text)
    found = _last_match(blanked(reply.text if at >= 0 else said), judge)
    start, end = (max(at, 0) + place for place in found[1].span()) if found else (0, 0)
    ends = accumulate(len(token.text) for token in reply.token_logps)
    inside = [
        token
        for token, its_end in zip(reply.token_logps, ends, strict=True)
        if its_end > start and its_end - len(token.text) < end and winner_of(token.text, judge)
    ]
    return tuple(inside[-1:])


def _by_probability(token: TokenLogps, judge: Judge) -> Reading:
    of_a, of_b = probabilities(token, judge)
    if of_a + of_b < LEAST:
        return Reading(reason="no verdict token")
    score = of_a / (of_a + of_b)
    return Reading("a" if score > 0.5 else "b" if score < 0.5 else "tie", score=score)


def _read_words(reply: Reply, judge: Judge) -> Reading:
    said = blanked(reply.text)
    # A judge of one token is always cut there.
    cut = reply.finished is False and not (judge.tokens and judge.max_tokens == 1)
    found = _last_match(said, judge)
    if found is None:
        return Reading(reason="truncated" if cut else _silence(said, judge))
    name, match = found
    # Cut off in mid-sentence, an earlier verdict is not known to be the final one.
    if cut and said[match.end() :].strip(" \n*_.\"'`"):
        return Reading(reason="truncated")
    if name in GRADED:
        return Reading(winner=GRADED[name], grade=judge.weights[name])
    if name != "rating":
        return Reading(winner=WINNERS[name])
    rating = _in_range(match)
    return Reading(rating=rating, reason=None if rating is not None else "rating outside 1-10")


def _silence(said: str, judge: Judge) -> str:
    if not said.strip():
        return "empty"
    if _REFUSAL.search(said):
        return wire.REFUSED
    return "no rating" if judge.kind == "single" else "no verdict"
