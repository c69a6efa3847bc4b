"""Verdicts become one honest comparison: folding, tallies, categories, length, round robin.

Pure: what it returns depends on its arguments alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from sami_eval.errors import UsageError
from sami_eval.judge import IDENTICAL
from sami_eval.types import (
    Comparison,
    Estimate,
    Length,
    Outcome,
    Prompt,
    Response,
    Tally,
    Verdict,
    Winner,
)

if TYPE_CHECKING:
    from sami_eval.stats import Standing

Rule = Literal["conservative", "average"]
Turn = tuple[str, int]  # prompt id, turn

POINTS: Mapping[Winner, float] = {"a": 1.0, "tie": 0.5, "b": 0.0}
SIGNIFICANT = 0.05


def fold(
    verdicts: Iterable[Verdict], rule: Rule = "conservative", *, probabilities: bool = False
) -> tuple[Outcome, ...]:
    """One outcome a turn: repeats by majority, then the two orders by `rule`, then the judges.

    conservative: two orders that agree on a winner are a win; anything else is a tie (MT-Bench,
        arXiv 2306.05685, section 3.4). Judges by majority.
    average: the mean of the two orders, then the mean of the judges.
    probabilities: with "average", take each verdict's score (the probability of a) for its winner.
    An order without a verdict leaves a judge's turn out. A turn that was asked in one order only,
    when no turn was asked in both, counts by that order alone.
    """
    turns = _by_turn(verdicts)
    both = any(len(orders) == 2 for judges in turns.values() for orders in judges.values())
    outcomes = []
    for (prompt_id, turn), judges in turns.items():
        scores = [_of_judge(orders, both, rule, probabilities) for orders in judges.values()]
        known = [score for score in scores if score is not None]
        if known:
            score = fmean(known) if rule == "average" else _plurality(known, tie=0.5)
            outcomes.append(Outcome(prompt_id, turn, score))
    return tuple(outcomes)


Orders = dict[str, list[Verdict]]  # who was seen first -> repeats


def _by_turn(verdicts: Iterable[Verdict]) -> dict[Turn, dict[str, Orders]]:
    turns: dict[Turn, dict[str, Orders]] = defaultdict(lambda: defaultdict(dict))
    for verdict in verdicts:
        orders = turns[verdict.prompt_id, verdict.turn][verdict.judge]
        orders.setdefault(verdict.first, []).append(verdict)
    return turns


def _of_judge(orders: Orders, both: bool, rule: Rule, probabilities: bool) -> float | None:
    use_scores = probabilities and rule == "average"
    scores = [_of_order(repeats, use_scores) for repeats in orders.values()]
    known = [score for score in scores if score is not None]
    if len(known) < (2 if both else 1):
        return None
    if rule == "average":
        return fmean(known)
    return known[0] if len(set(known)) == 1 else 0.5


def _of_order(repeats: Sequence[Verdict], use_scores: bool = False) -> float | None:
    """Majority of the repeats that have a verdict; no majority is a tie."""
    parsed = [verdict for verdict in repeats if verdict.winner is not None]
    if not parsed:
        return None
    scores = [verdict.score for verdict in parsed if verdict.score is not None]
    if use_scores and len(scores) == len(parsed):
        return fmean(scores)
    return _plurality([POINTS[v.winner] for v in parsed if v.winner is not None], tie=0.5)


def _plurality(values: Sequence[float], tie: float) -> float:
    (value, most), *others = Counter(values).most_common(2)
    return tie if others and others[0][1] == most else value


def compare(
    prompts: Sequence[Prompt],
    responses_a: Sequence[Response],
    responses_b: Sequence[Response],
    verdicts: Sequence[Verdict],
    *,
    names: tuple[str, str] | None = None,
    rule: Rule = "conservative",
    probabilities: bool = False,
    seed: int = 0,
    cost_usd: float | None = None,
) -> Comparison:
    """Everything that verdicts on a and b say, with intervals; see `fold` for rule.

    names: of a and b; taken from the verdicts where not given.
    seed: of the permutation test of categories and of the bootstrap behind the length control.
    Raises UsageError where verdicts are of other contenders or prompts.
    """
    a, b = names or _names(responses_a, responses_b, verdicts)
    _check(prompts, verdicts, a, b)
    category = {prompt.id: prompt.category for prompt in prompts}
    outcomes = fold(verdicts, rule, probabilities=probabilities)
    groups = _by_category(category, verdicts, outcomes)
    return Comparison(
        a,
        b,
        ", ".join(dict.fromkeys(verdict.judge for verdict in verdicts)),
        tally(verdicts, outcomes, seed),
        correct({name: tally(*group, seed) for name, group in groups.items()}),
        _categories_p({name: group[1] for name, group in groups.items()}, seed),
        _length(prompts, responses_a, responses_b, outcomes, seed),
        cost_usd,
        outcomes,
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


def _check(prompts: Sequence[Prompt], verdicts: Iterable[Verdict], a: str, b: str) -> None:
    known = {prompt.id for prompt in prompts}
    for verdict in verdicts:
        if (verdict.a, verdict.b) != (a, b):
            raise UsageError(
                f"a verdict on `{verdict.a}` and `{verdict.b}` among those on `{a}` and `{b}`",
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


def by_question(outcomes: Iterable[Outcome]) -> dict[str, list[float]]:
    """Scores of each question, one a turn."""
    scores: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        scores[outcome.prompt_id].append(outcome.score)
    return dict(scores)


def tally(verdicts: Sequence[Verdict], outcomes: Sequence[Outcome], seed: int = 0) -> Tally:
    """Counts of one family of turns with all that follows from them."""
    from sami_eval.stats.intervals import win_rate
    from sami_eval.stats.power import power_of
    from sami_eval.stats.tests import sign_flip_p

    scores = by_question(outcomes)
    rate, p_value = win_rate(scores), sign_flip_p(scores, seed)
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
        detectable=smallest,
        consistency=consistency(verdicts),
        first_position_rate=first_position_rate(verdicts),
        unparsed=sum(verdict.winner is None for verdict in verdicts),
        n_verdicts=len(verdicts),
    )


def consistency(verdicts: Iterable[Verdict]) -> Estimate:
    """Share of turns with a verdict in both orders that have the same one in both; by question.

    Each judge's turn counts; repeats by majority; identical responses, which are not asked, do
    not count. None where no turn has both orders.
    """
    from sami_eval.stats.intervals import win_rate

    same: dict[str, list[float]] = defaultdict(list)
    asked = (verdict for verdict in verdicts if verdict.text != IDENTICAL)
    for (prompt_id, _), judges in _by_turn(asked).items():
        for orders in judges.values():
            scores = [_of_order(repeats) for repeats in orders.values()]
            if len(scores) == 2 and None not in scores:
                same[prompt_id].append(float(scores[0] == scores[1]))
    return win_rate(same)


def first_position_rate(verdicts: Iterable[Verdict]) -> Estimate:
    """Share of decided verdicts won by the response shown first; 50% is no bias; by question."""
    from sami_eval.stats.intervals import win_rate

    first: dict[str, list[float]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.winner in ("a", "b"):
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

    return categories_p({name: by_question(group) for name, group in outcomes.items()}, seed)


def _length(
    prompts: Sequence[Prompt],
    responses_a: Iterable[Response],
    responses_b: Iterable[Response],
    outcomes: Sequence[Outcome],
    seed: int,
) -> Length:
    from sami_eval.stats.length import length_controlled

    category = {prompt.id: prompt.category for prompt in prompts}
    sides = [
        [r for r in side if r.prompt_id in category and r.sample == 0]
        for side in (responses_a, responses_b)
    ]
    in_tokens = all(_knows_tokens(response) for side in sides for response in side)
    of_a, of_b = (_turn_lengths(side, in_tokens) for side in sides)
    measured = of_a.keys() & of_b.keys()
    rows = [o for o in outcomes if (o.prompt_id, o.turn) in measured]
    keys = [(row.prompt_id, row.turn) for row in rows]
    controlled = length_controlled(
        [row.score for row in rows],
        [row.prompt_id for row in rows],
        [of_a[key] - of_b[key] for key in keys],
        [category[row.prompt_id] for row in rows],
        seed,
    )
    mean_a, mean_b = (fmean(side.values()) if side else None for side in (of_a, of_b))
    return Length(mean_a, mean_b, "tokens" if in_tokens else "characters", controlled)


def _knows_tokens(response: Response) -> bool:
    return len(response.n_tokens) == len(response.turns) and None not in response.n_tokens


def _turn_lengths(responses: Iterable[Response], in_tokens: bool) -> dict[Turn, int]:
    lengths: dict[Turn, int] = {}
    for response in responses:
        for turn, text in enumerate(response.turns):
            n_tokens = response.n_tokens[turn] if in_tokens else None
            lengths[response.prompt_id, turn] = len(text) if n_tokens is None else n_tokens
    return lengths


def correct_pairs(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons of a round robin with their totals' p-values corrected by Holm over pairs."""
    totals = correct({str(i): comparison.total for i, comparison in enumerate(comparisons)})
    return tuple(replace(c, total=totals[str(i)]) for i, c in enumerate(comparisons))


def round_robin(comparisons: Sequence[Comparison], seed: int = 0) -> tuple[Standing, ...]:
    """The contenders of all comparisons, strongest first (stats/ranking.py)."""
    from sami_eval.stats.ranking import bradley_terry

    return bradley_terry({(c.a, c.b): by_question(c.outcomes) for c in comparisons}, seed)
