"""Agreement beyond chance: by hand, by brute force, and how often its interval is right."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from sami_eval.stats import cohen_estimate, cohen_kappa, fleiss_estimate, fleiss_kappa

# 20 items: both say a 8 times, both b 5; a against b 4 times, b against a 3.
TWENTY = [("a", "a")] * 8 + [("b", "b")] * 5 + [("a", "b")] * 4 + [("b", "a")] * 3


def test_cohens_kappa_by_hand() -> None:
    # o = 13/20; shares of a: 12/20 and 11/20; e = (12*11 + 8*9)/400 = 0.51
    assert cohen_kappa(TWENTY) == pytest.approx((0.65 - 0.51) / 0.49)


def test_fleiss_kappa_by_hand() -> None:
    # Pairs that agree: 3/3, 1/3, 3/3, 1/3, so o = 2/3; a 7, b 5 of 12, so e = (49 + 25)/144.
    items = ["aaa", "aab", "bbb", "aab"]
    expected = 74 / 144
    assert fleiss_kappa(items) == pytest.approx((2 / 3 - expected) / (1 - expected))


def test_full_agreement_is_1_and_full_disagreement_of_two_even_labels_is_minus_1() -> None:
    assert cohen_kappa([("a", "a"), ("b", "b")]) == 1
    assert cohen_kappa([("a", "b"), ("b", "a")]) == -1
    assert fleiss_kappa(["aa", "bb"]) == 1
    assert fleiss_kappa(["ab", "ba"]) == -1


def test_independent_raters_have_kappa_0() -> None:
    assert cohen_kappa(list(itertools.product("aab", "abb"))) == pytest.approx(0)


@pytest.mark.parametrize("pairs", [[], [("a", "a")], [("tie", "tie")] * 9])
def test_where_chance_agrees_on_everything_kappa_is_not_known(
    pairs: list[tuple[str, str]],
) -> None:
    assert cohen_kappa(pairs) is None
    assert fleiss_kappa(pairs) is None
    assert cohen_estimate({"q": pairs}).interval is None


def test_two_raters_who_never_say_the_same_label_are_no_better_than_chance() -> None:
    # Each always says a label of its own: o = e = 0.
    assert cohen_kappa([("a", "b")] * 5) == 0


def test_an_item_with_one_label_says_nothing_about_agreement() -> None:
    assert fleiss_kappa(["aa", "bb", "ab"]) == fleiss_kappa(["aa", "bb", "ab", "c"])
    one, other = (
        fleiss_estimate({"q": ["aa", "b"], "r": ["bb"]}),
        fleiss_estimate({"q": ["aa"], "r": ["bb"], "s": ["c"]}),
    )
    assert one == other


def brute_fleiss(items: Sequence[Sequence[str]]) -> float:
    """From every ordered pair of raters, and every ordered pair of items and raters."""
    agree = [
        sum(x == y for x, y in itertools.permutations(item, 2)) / (len(item) * (len(item) - 1))
        for item in items
    ]
    shares: Counter[str] = Counter()
    for item in items:
        for label in item:
            shares[label] += 1 / len(item) / len(items)  # type: ignore[assignment]
    chance = sum(share**2 for share in shares.values())
    return (sum(agree) / len(agree) - chance) / (1 - chance)


def brute_cohen(pairs: Sequence[tuple[str, str]]) -> float:
    """Chance as what all pairings of one rater's labels with the other's would agree on."""
    observed = sum(x == y for x, y in pairs) / len(pairs)
    crossed = list(itertools.product((x for x, _ in pairs), (y for _, y in pairs)))
    chance = sum(x == y for x, y in crossed) / len(crossed)
    return (observed - chance) / (1 - chance)


def test_any_labels_give_what_brute_force_gives() -> None:
    rng = random.Random(3)
    for _ in range(200):
        pairs = [(rng.choice("abc"), rng.choice("abc")) for _ in range(rng.randint(4, 15))]
        if len({label for pair in pairs for label in pair}) > 1:
            assert cohen_kappa(pairs) == pytest.approx(brute_cohen(pairs))
        items = ["".join(rng.choices("abc", k=rng.randint(2, 5))) for _ in range(8)]
        if len(set("".join(items))) > 1:
            assert fleiss_kappa(items) == pytest.approx(brute_fleiss(items))


def test_the_interval_is_about_the_one_a_bootstrap_of_questions_gives() -> None:
    rng = random.Random(1)
    questions = {str(i): _turns(rng, 0.6) for i in range(300)}
    drawn = []
    for _ in range(400):
        rows = rng.choices(list(questions.values()), k=len(questions))
        drawn.append(cohen_kappa([pair for row in rows for pair in row]))
    found = cohen_estimate(questions).interval
    assert found == pytest.approx(np.quantile(np.array(drawn, float), (0.025, 0.975)), abs=0.02)


def test_full_agreement_has_an_interval_that_shrinks_with_the_questions() -> None:
    few, many = (
        cohen_estimate({str(i): [("ab"[i % 2], "ab"[i % 2])] for i in range(n)}) for n in (10, 100)
    )
    assert few.value == many.value == 1
    assert few.interval is not None
    assert many.interval is not None
    assert few.interval[1] == many.interval[1] == 1
    assert 0 < few.interval[0] < many.interval[0] < 1


def test_turns_of_one_question_that_say_the_same_are_not_more_questions() -> None:
    once = {str(i): [pair] for i, pair in enumerate(TWENTY)}
    twice = {question: pairs * 2 for question, pairs in once.items()}
    assert cohen_estimate(once).value == cohen_estimate(twice).value
    one, two = cohen_estimate(once).interval, cohen_estimate(twice).interval
    assert one is not None
    assert two is not None
    assert two[1] - two[0] > 0.9 * (one[1] - one[0])


def _turns(rng: random.Random, right: float) -> list[tuple[str, str]]:
    """Two turns of a question of one truth, two raters who are right so often, else guess."""
    truth = rng.choice("abt")
    return [
        (
            truth if rng.random() < right else rng.choice("abt"),
            truth if rng.random() < right else rng.choice("abt"),
        )
        for _ in range(2)
    ]


@pytest.mark.parametrize("right", [0.3, 0.6, 0.9])
def test_the_interval_covers_the_true_kappa(right: float) -> None:
    # Both know the truth with right^2, and then agree; else they agree as often as chance: 1/3.
    true, rng, n_covered = right**2, random.Random(7), 0
    for _ in range(400):
        interval = cohen_estimate({str(i): _turns(rng, right) for i in range(60)}).interval
        assert interval is not None
        n_covered += interval[0] <= true <= interval[1]
    assert 0.92 <= n_covered / 400 <= 0.99
