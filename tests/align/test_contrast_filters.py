"""The filters of contrasts, one sentence each."""

from __future__ import annotations

import pytest

from sami_eval.align import filters
from sami_eval.align.filters import Filters, reason_to_reject, without_near_prompts
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Response
from tests.align_models import contrast

MATH = filters.PRESETS["paper-math"]
SHORT = "The answer is forty two, as anyone can see at a glance"  # 54 characters
LONG = "First we add the numbers one by one, then we carry. " * 4  # 208, opening unlike SHORT


def reason(texts: list[str], given: Filters, finished: bool | None = True) -> str | None:
    return reason_to_reject([Response("q", "m", (t,), finished=(finished,)) for t in texts], given)


def test_the_papers_math_contrasts_are_a_short_and_a_three_times_longer_response() -> None:
    assert reason([SHORT, LONG], MATH) is None
    assert reason([LONG, SHORT], MATH) is None


def test_a_short_response_under_fifty_characters_is_rejected() -> None:
    assert reason([SHORT[:50], LONG], MATH) is None
    assert reason([SHORT[:49], LONG], MATH) == "a response has fewer than 50 characters"


def test_three_times_as_long_is_long_enough_and_less_is_not() -> None:
    assert reason([SHORT, LONG[: 3 * 54 - 1] + "!"], MATH) is None
    said = reason([SHORT, LONG[: 3 * 54 - 2] + "!"], MATH)
    assert said == "the longest response is less than 3 times the shortest"


def test_an_edit_distance_of_half_the_short_response_is_too_alike() -> None:
    # Of 60 characters the opening shares all but the first k: k substitutions.
    short = "a" * 60
    for k, accepted in ((31, True), (30, False)):
        long = "b" * k + "a" * (60 - k) + "c" * 140
        assert (reason([short, long], MATH) is None) == accepted


def test_a_banned_fragment_is_found_in_any_case() -> None:
    given = Filters(banned=("as an AI",))
    assert reason(["AS AN AI I can not.", "Sure."], given) == "a response holds `as an AI`"
    assert reason(["As a poet I can.", "Sure."], given) is None


def test_a_length_ratio_can_be_bounded_above() -> None:
    given = Filters(max_ratio=2)
    assert reason(["abcd", "abcdefgh"], given) is None
    said = reason(["abcd", "abcdefghi"], given)
    assert said == "the longest response is more than 2 times the shortest"


def test_an_unfinished_response_is_rejected_unless_the_filter_is_off() -> None:
    assert reason(["a", "b"], Filters(), finished=False) == "a response did not end by itself"
    assert reason(["a", "b"], Filters(finished=False), finished=False) is None


def test_responses_that_differ_in_a_letter_are_near_duplicates() -> None:
    # One character of 20 replaced: 1 insertion + 1 deletion of 40 characters, alike to 0.95.
    texts = ["a" * 20, "a" * 19 + "b"]
    assert reason(texts, Filters(near=0.95)) == "two responses are nearly the same"
    assert reason(texts, Filters(near=0.96)) is None


def test_a_prompt_that_is_nearly_an_earlier_one_is_rejected_and_names_it() -> None:
    # "question 1?\nagain" and "question 2?\nagain": one of 17 characters, alike to 1 - 2/34.
    first, second = without_near_prompts([contrast(1), contrast(2)], Filters(near=0.9))
    assert first.rejected is None
    assert second.rejected == "the prompt is nearly an earlier one's"
    assert second.metadata["near"] == "p1"
    kept = without_near_prompts([contrast(1), contrast(2)], Filters(near=0.95))
    assert [one.rejected for one in kept] == [None, None]


def test_a_rejected_contrast_takes_no_prompt_away() -> None:
    several = [contrast(1, rejected="a response is empty"), contrast(2)]
    assert without_near_prompts(several, Filters(near=0.9))[1].rejected is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
@pytest.mark.parametrize("field", ["min_ratio", "max_ratio", "opening", "near"])
def test_a_number_no_filter_can_have_is_refused(field: str, value: float) -> None:
    with pytest.raises(UsageError, match="must be a number"):
        filters.check(Filters(**{field: value}))


def test_contradicting_ratios_empty_bans_and_unknown_presets_are_refused() -> None:
    with pytest.raises(UsageError, match="above `--max-ratio 2`"):
        filters.check(Filters(min_ratio=3, max_ratio=2))
    with pytest.raises(UsageError, match="empty text"):
        filters.check(Filters(banned=(" ",)))
    with pytest.raises(UsageError, match="no filters `paper`"):
        filters.preset("paper")
