"""Verdicts become one honest comparison: tallies, categories, length, round robin.

Pure: what it returns depends on its arguments alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sami_eval.core.comparison import Comparison, Estimate, Outcome, Seeds, Tally
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Prompt, Response, Verdict
from sami_eval.experiment.fold import (
    Rule,
    SeedOf,
    Turns,
    by_question,
    by_seeds,
    by_turn,
    fold,
    majority,
    turns_of,
    unit,
)
from sami_eval.experiment.lengths import length, style
from sami_eval.judge import IDENTICAL, TOO_LONG

if TYPE_CHECKING:
    from sami_eval.stats import Standing


SIGNIFICANT = 0.05


def compare(
    prompts: Sequence[Prompt],
    responses_a: Sequence[Response],
    responses_b: Sequence[Response],
    verdicts: Sequence[Verdict],
    *,
    names: tuple[str, str] | None = None,
    rule: Rule = "conservative",
    seed: int = 0,
    cost_usd: float | None = None,
    seed_of: SeedOf | None = None,
    control_style: bool = False,
) -> Comparison:
    """Everything that verdicts on a and b say, with intervals; see `fold` for rule.

    names: of a and b; taken from the verdicts where not given.
    seed: of the permutation test of categories and of the bootstrap behind the length control.
    seed_of: training seeds by model name, where verdicts are on several seeds of a or b.
    control_style: whether to reckon the win rate at equal length and style, too.
    Raises UsageError where verdicts are of other contenders or prompts.
    """
    a, b = names or _names(responses_a, responses_b, verdicts)
    seed_of = seed_of or {}
    _check(prompts, verdicts, {a, b, *seed_of})
    category = {prompt.id: prompt.category for prompt in prompts}
    outcomes = fold(verdicts, rule, seed_of=seed_of)
    groups = _by_category(category, verdicts, outcomes)
    whole, itself = _agreements(verdicts, seed_of)
    same: dict[str, dict[str, list[float]]] = {name: {} for name in groups}
    for question, both in whole.items():
        same[category[question]][question] = both
    answered = category, (responses_a, responses_b), outcomes, seed, seed_of
    return Comparison(
        a,
        b,
        ", ".join(dict.fromkeys(verdict.judge for verdict in verdicts)),
        tally(verdicts, outcomes, seed, seed_of, whole),
        correct({name: tally(*of, seed, seed_of, same[name]) for name, of in groups.items()}),
        _categories_p({name: group[1] for name, group in groups.items()}, seed),
        length(*answered),
        cost_usd,
        outcomes,
        _seeds(outcomes),
        itself,
        style=style(*answered) if control_style else None,
    )


def _names(
    responses_a: Sequence[Response], responses_b: Sequence[Response], verdicts: Sequence[Verdict]
) -> tuple[str, str]:
    if verdicts:
        return verdicts[0].a, verdicts[0].b
    return (
        responses_a[0].model if responses_a else "a",
        responses_b[0].model if responses_b else "b",
    )


def _check(prompts: Sequence[Prompt], verdicts: Iterable[Verdict], names: Container[str]) -> None:
    known = {prompt.id for prompt in prompts}
    for verdict in verdicts:
        if verdict.a not in names or verdict.b not in names:
            raise UsageError(
                f"a verdict on `{verdict.a}` and `{verdict.b}` among those on other contenders",
                "compare one pair at a time",
            )
        if verdict.prompt_id not in known:
            raise UsageError(
                f"a verdict on prompt `{verdict.prompt_id}`, which is not among the prompts",
                "give the prompts that were judged",
            )


Group = tuple[list[Verdict], list[Outcome]]


def _by_category(
    category: Mapping[str, str], verdicts: Iterable[Verdict], outcomes: Iterable[Outcome]
) -> dict[str, Group]:
    """Verdicts and outcomes of each category that has a verdict, in the order of the prompts."""
    groups: dict[str, Group] = {name: ([], []) for name in category.values()}
    for verdict in verdicts:
        groups[category[verdict.prompt_id]][0].append(verdict)
    for outcome in outcomes:
        groups[category[outcome.prompt_id]][1].append(outcome)
    return {name: group for name, group in groups.items() if group[0]}


def _rate(
    outcomes: Sequence[Outcome], scores: Mapping[str, Sequence[float]], seed: int
) -> tuple[Estimate, float | None]:
    """Win rate and p-value over questions, and over training seeds where there are several."""
    from sami_eval.stats.intervals import win_rate
    from sami_eval.stats.seeds import win_rate_over_seeds
    from sami_eval.stats.tests import sign_flip_p

    if len({outcome.seeds for outcome in outcomes}) > 1:
        return win_rate_over_seeds(by_seeds(outcomes), seed)
    return win_rate(scores), sign_flip_p(scores, seed)


def _seeds(outcomes: Sequence[Outcome]) -> Seeds | None:
    from sami_eval.stats.intervals import win_rate
    from sami_eval.stats.seeds import is_paired

    if len({outcome.seeds for outcome in outcomes}) < 2:
        return None
    scores = by_seeds(outcomes)
    of_a, of_b = (tuple(dict.fromkeys(side)) for side in zip(*scores, strict=True))
    rates = {seeds: win_rate(rows) for seeds, rows in scores.items()}
    total = win_rate(by_question(outcomes))
    return Seeds(_several(of_a), _several(of_b), is_paired(scores), rates, total)


def _several(seeds: tuple[int, ...]) -> tuple[int, ...]:
    return () if seeds == (0,) else seeds


def tally(
    verdicts: Sequence[Verdict],
    outcomes: Sequence[Outcome],
    seed: int = 0,
    seed_of: SeedOf | None = None,
    same: Mapping[str, Sequence[float]] | None = None,
) -> Tally:
    """Counts of one family of turns with all that follows from them.

    same: of each question, which of its turns had the same winner in both orders, where known.
    """
    from sami_eval.stats.intervals import win_rate
    from sami_eval.stats.power import needed_range, power_of

    scores = by_question(outcomes)
    rate, p_value = _rate(outcomes, scores, seed)
    needed, smallest = power_of(scores)
    return Tally(
        n_questions=len(scores),
        n_turns=len(outcomes),
        wins=sum(outcome.score > 0.5 for outcome in outcomes),
        ties=sum(outcome.score == 0.5 for outcome in outcomes),
        losses=sum(outcome.score < 0.5 for outcome in outcomes),
        win_rate=rate.value,
        interval=rate.interval,
        p_value=p_value,
        p_adjusted=p_value,
        significant=p_value is not None and p_value <= SIGNIFICANT,
        questions_needed=needed,
        needed_range=needed_range(scores, rate.interval),
        detectable=smallest,
        consistency=consistency(verdicts, seed_of) if same is None else win_rate(same),
        first_position_rate=first_position_rate(verdicts),
        unparsed=sum(verdict.winner is None for verdict in verdicts),
        n_verdicts=len(verdicts),
        too_long=sum(verdict.reason == TOO_LONG for verdict in verdicts),
        left_out=(left_out := len(turns_of(verdicts, seed_of or {})) - len(outcomes)),
        win_rate_range=_range(verdicts, outcomes, left_out),
        strong=_strong(verdicts),
    )


def _range(
    verdicts: Sequence[Verdict], outcomes: Sequence[Outcome], left_out: int
) -> tuple[float, float] | None:
    """The mean score with all turns left out as losses, and as wins: no verdict is assumed.

    Where outcomes have weights, one left out weighs as much as any verdict.
    """
    if not left_out:
        return None
    weighed = any(outcome.weight != 1 for outcome in outcomes)
    out = left_out * (max(verdict.grade or 1 for verdict in verdicts) if weighed else 1)
    won = sum(outcome.score * outcome.weight for outcome in outcomes)
    n = sum(outcome.weight for outcome in outcomes) + out
    return won / n, (won + out) / n


def _strong(verdicts: Iterable[Verdict]) -> tuple[int, int] | None:
    """Graded verdicts that count more than once, for a and for b; None where none is graded."""
    graded = [verdict for verdict in verdicts if verdict.grade is not None]
    strong = Counter(verdict.winner for verdict in graded if verdict.grade != 1)
    return (strong["a"], strong["b"]) if graded else None


def consistency(verdicts: Iterable[Verdict], seed_of: SeedOf | None = None) -> Estimate:
    """Share of turns with a verdict in both orders that have the same one in both; by question.

    Each judge's turn counts; repeats by majority; identical responses, which are not asked, do
    not count. None where no turn has both orders.
    """
    from sami_eval.stats.intervals import win_rate

    asked = (verdict for verdict in verdicts if verdict.text != IDENTICAL)
    return win_rate(_same(by_turn(asked, seed_of or {})))


def _agreements(
    verdicts: Iterable[Verdict], seed_of: SeedOf
) -> tuple[dict[str, list[float]], Estimate]:
    """What `consistency` is the mean of, by question, and the self-agreement."""
    asked = by_turn((one for one in verdicts if one.text != IDENTICAL), seed_of)
    return _same(asked), _self_agreement(asked)


def _same(asked: Turns) -> dict[str, list[float]]:
    same: dict[str, list[float]] = defaultdict(list)
    for (prompt_id, _, _), judges in asked.items():
        for orders in judges.values():
            scores = [majority(repeats) for repeats in orders.values()]
            if len(scores) == 2 and None not in scores:
                same[prompt_id].append(float(scores[0] == scores[1]))
    return same


def self_agreement(verdicts: Iterable[Verdict], seed_of: SeedOf | None = None) -> Estimate:
    """Share of the repeats of a judgment that have its most frequent verdict; by question.

    Repeats without a verdict and identical responses do not count. None where nothing has two.
    """
    asked = (verdict for verdict in verdicts if verdict.text != IDENTICAL)
    return _self_agreement(by_turn(asked, seed_of or {}))


def _self_agreement(asked: Turns) -> Estimate:
    from sami_eval.stats.intervals import win_rate

    agree: dict[str, list[float]] = defaultdict(list)
    for (prompt_id, _, _), judges in asked.items():
        several = (many for orders in judges.values() for many in orders.values() if len(many) > 1)
        for repeats in several:
            said = [one.winner for one in repeats if one.winner is not None]
            if len(said) > 1:
                winners = Counter(said)
                most = max(winners.values())
                agree[prompt_id] += [1.0] * most + [0.0] * (winners.total() - most)
    return win_rate(agree)


def first_position_rate(verdicts: Iterable[Verdict]) -> Estimate:
    """Share of decided verdicts won by the response shown first; 50% is no bias; by question.

    None for ratings, where each answer was alone, and where the order was not recorded.
    """
    from sami_eval.stats.intervals import win_rate

    first: dict[str, list[float]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.winner in ("a", "b") and verdict.ratings is None and verdict.first is not None:
            first[verdict.prompt_id].append(float(verdict.winner == verdict.first))
    return win_rate(first)


def correct(tallies: Mapping[str, Tally]) -> dict[str, Tally]:
    """Tallies with p_adjusted and significant corrected by Holm over those that have a p-value."""
    from sami_eval.stats.tests import holm

    tested = {name: t.p_value for name, t in tallies.items() if t.p_value is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return {
        name: replace(t, p_adjusted=p, significant=p is not None and p <= SIGNIFICANT)
        for name, t in tallies.items()
        for p in (adjusted.get(name),)
    }


def _categories_p(outcomes: Mapping[str, Sequence[Outcome]], seed: int) -> float | None:
    from sami_eval.stats.tests import categories_p

    parts = unit(outcome for group in outcomes.values() for outcome in group)
    scores = {name: by_question(group, parts) for name, group in outcomes.items()}
    return categories_p(scores, seed)


def correct_pairs(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons of a round robin with their totals' p-values corrected by Holm over pairs."""
    totals = correct({str(i): comparison.total for i, comparison in enumerate(comparisons)})
    return tuple(replace(c, total=totals[str(i)]) for i, c in enumerate(comparisons))


def round_robin(comparisons: Sequence[Comparison], seed: int = 0) -> tuple[Standing, ...]:
    """The contenders of all comparisons, strongest first (stats/ranking.py)."""
    from sami_eval.stats.ranking import bradley_terry

    parts = unit(outcome for c in comparisons for outcome in c.outcomes)
    return bradley_terry({(c.a, c.b): by_question(c.outcomes, parts) for c in comparisons}, seed)
