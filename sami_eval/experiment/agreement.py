"""How far a judge can be trusted: its outcomes beside people's votes. Pure.

Agreement, as MT-Bench has it (Zheng et al. 2023, arXiv 2306.05685, section 4.2): the chance that
two raters of different kinds, or two different people, say the same of an item (a turn of a
question and two models) both have rated. With ties, an inconsistent judge says "tie" and "tie" is
a third thing to say; without, only what both decided counts. Chance alone gives a third and a half.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from sami_eval.core.comparison import Estimate
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Winner
from sami_eval.data.votes import Item, Vote, by_item, pairs_text, turned
from sami_eval.experiment.judged import Judged

LABELS: tuple[Winner, ...] = ("a", "tie", "b")
Said = tuple[Winner, Winner]
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Figure:
    """An estimate with its n: pairs of ratings (items for people's kappa), and their questions."""

    estimate: Estimate
    n: int
    n_questions: int


@dataclass(frozen=True, slots=True)
class Raters:
    """Agreement of two kinds of raters; kappa with ties as a third label.

    both_ways: kappa with every item counted from either model's side, so that neither is first.
    """

    with_ties: Figure
    without_ties: Figure
    kappa: Figure
    both_ways: Figure


@dataclass(frozen=True, slots=True)
class Sides:
    """The judge with people, and people with each other: the ceiling.

    there: the judge with people on the items of the ceiling alone, those with several voters.
    """

    judge: Raters
    people: Raters
    there: Raters


@dataclass(frozen=True, slots=True)
class Agreement:
    """A judge beside people.

    a, b: the two models, or None where votes are on several pairs; then "a" in the confusion is
        the model of each pair that people prefer.
    confusion: (the judge's winner, a person's) -> votes.
    left_out: votes on items the judge has no outcome for.
    by_kind: where voters are of several kinds (expert_1, author_2), each kind's rows by turn.
    scores_unused: verdicts of the judge's with a score that does not count.
    """

    judge: str
    a: str | None
    b: str | None
    n_pairs: int
    n_voters: int
    left_out: int
    total: Sides
    by_category: Mapping[str, Sides]
    by_turn: Mapping[str, Sides]
    confusion: Mapping[Said, int]
    by_kind: Mapping[str, Mapping[str, Sides]] = field(default_factory=dict)
    scores_unused: int = 0


@dataclass(frozen=True, slots=True)
class _Rated:
    """One item: what the judge and each person say of it, seen from its pair's side a."""

    item: Item
    judge: Winner
    people: tuple[Winner, ...]


def agreement(judged: Judged, votes: Sequence[Vote]) -> Agreement:
    """Everything above. Raises UsageError where judge and people share no item."""
    items = by_item(votes)
    shared = {item: said for item, said in items.items() if item in judged.outcomes}
    if not shared:
        raise _nothing_shared(judged, votes)
    sides = _sides(judged, shared)
    rated = []
    for item, voters in shared.items():
        is_turned = sides[item[2:]] != item[2]
        said = [judged.outcomes[item], *voters.values()]
        judge, *people = map(turned, said) if is_turned else said
        rated.append(_Rated(item, judge, tuple(people)))
    a, b = _names(sides)
    return Agreement(
        judged.judge,
        a,
        b,
        len(sides),
        len({voter for voters in shared.values() for voter in voters}),
        sum(len(voters) for item, voters in items.items() if item not in shared),
        _row(rated),
        {name: _row(group) for name, group in _by_category(judged.category, rated).items()},
        {turn: _row(group) for turn, group in _by_turn(rated).items()},
        Counter((one.judge, person) for one in rated for person in one.people),
        _by_kind(judged, [vote for vote in votes if vote.item in shared]),
        judged.scores_unused,
    )


def _by_kind(judged: Judged, votes: Sequence[Vote]) -> dict[str, Mapping[str, Sides]]:
    """Rows by turn of each kind of voter, by the name before its number; none for one kind."""
    kinds: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        kinds[re.sub(r"[ _-]*[0-9]+$", "", vote.voter)].append(vote)
    # As many kinds as voters are names, not kinds.
    if not 1 < len(kinds) < len({vote.voter for vote in votes}):
        return {}
    return {kind: agreement(judged, several).by_turn for kind, several in kinds.items()}


def _nothing_shared(judged: Judged, votes: Sequence[Vote]) -> UsageError:
    theirs = ", ".join(f"{a} : {b}" for a, b in judged.pairs[:20])
    same = {tuple(sorted(pair)) for pair in judged.pairs} & {vote.item[2:] for vote in votes}
    what = "question or turn" if same else "pair of models"
    return UsageError(
        f"judge and votes share no {what}; the judge has {theirs}; "
        f"the votes hold {pairs_text(votes)}",
        "name a contender as the votes do: --as CONTENDER=NAME",
    )


def _sides(judged: Judged, items: Mapping[Item, Mapping[str, Winner]]) -> dict[Pair, str]:
    """Side a of each pair: the source's own where there is one pair, else whom people prefer.

    Two models' order is arbitrary, and how often raters agree by chance would hang on it.
    """
    leads: dict[Pair, list[int]] = defaultdict(lambda: [0, 0])
    for item, voters in items.items():
        of_people, of_judge = list(voters.values()), [judged.outcomes[item]]
        # Where people are even, the judge's own lead decides.
        for i, said in enumerate((of_people, of_judge)):
            leads[item[2:]][i] += said.count("a") - said.count("b")
    if len(leads) == 1:
        ((one, other),) = leads
        return {(one, other): one if (one, other) in judged.pairs else other}
    return {pair: pair[0] if lead >= [0, 0] else pair[1] for pair, lead in leads.items()}


def _names(sides: Mapping[Pair, str]) -> tuple[str | None, str | None]:
    if len(sides) > 1:
        return None, None
    ((pair, a),) = sides.items()
    return a, pair[0] if a == pair[1] else pair[1]


def _by_category(category: Mapping[str, str], rated: Sequence[_Rated]) -> dict[str, list[_Rated]]:
    groups: dict[str, list[_Rated]] = {name: [] for name in category.values()}
    for one in rated:
        if one.item[0] in category:
            groups[category[one.item[0]]].append(one)
    return {name: group for name, group in groups.items() if group}


def _by_turn(rated: Sequence[_Rated]) -> dict[str, list[_Rated]]:
    groups: dict[str, list[_Rated]] = defaultdict(list)
    for one in sorted(rated, key=lambda one: one.item[1]):
        groups[str(one.item[1] + 1)].append(one)
    return dict(groups)


def _row(rated: Sequence[_Rated]) -> Sides:
    from sami_eval.stats import fleiss_estimate

    ceiling = [one for one in rated if len(one.people) > 1]
    people: dict[str, list[Said]] = defaultdict(list)
    several: dict[str, list[Sequence[Winner]]] = defaultdict(list)
    for one in ceiling:
        people[one.item[0]] += combinations(one.people, 2)
        several[one.item[0]].append(one.people)
    kappas = [
        _figure(fleiss_estimate(labels), several) for labels in (several, _both_ways(several))
    ]
    return Sides(_judge(rated), Raters(*_shares(people), *kappas), _judge(ceiling))


def _judge(rated: Sequence[_Rated]) -> Raters:
    """The judge with each person on each item."""
    from sami_eval.stats import cohen_estimate

    said: dict[str, list[Said]] = defaultdict(list)
    for one in rated:
        said[one.item[0]] += [(one.judge, person) for person in one.people]
    turned_too = {
        question: [(first, second) for first, second in labels]
        for question, labels in _both_ways(said).items()
    }
    kappas = [_figure(cohen_estimate(labels), said) for labels in (said, turned_too)]
    return Raters(*_shares(said), *kappas)


def _both_ways(
    items: Mapping[str, Sequence[Sequence[Winner]]],
) -> dict[str, list[Sequence[Winner]]]:
    """Every item twice, from either model's side."""
    return {
        question: [*labels, *(tuple(map(turned, one)) for one in labels)]
        for question, labels in items.items()
    }


def _shares(pairs: Mapping[str, Sequence[Said]]) -> tuple[Figure, Figure]:
    """Share of pairs that agree: of all, and of those where both decided."""
    from sami_eval.stats import win_rate

    decided = {
        question: [pair for pair in several if "tie" not in pair]
        for question, several in pairs.items()
    }
    with_ties, without = (
        _figure(win_rate({q: [float(x == y) for x, y in p] for q, p in kept.items()}), kept)
        for kept in (pairs, decided)
    )
    return with_ties, without


def _figure(estimate: Estimate, groups: Mapping[str, Sequence[object]]) -> Figure:
    rows = [group for group in groups.values() if group]
    return Figure(estimate, sum(map(len, rows)), len(rows))
