"""Several judges on one comparison: what each says alone, and how far they agree beyond chance.

The result of the ensemble is `comparison.fold`'s: each judge's two orders by the rule, then the
judges by majority. Here each judge's turns are counted by themselves, and their agreement is on
turns: win, tie or loss of a, as each judge's orders and repeats add up to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from sami_eval.core.comparison import Comparison, Kappa, Outcome
from sami_eval.core.types import Verdict
from sami_eval.experiment.fold import Rule, SeedOf, fold
from sami_eval.experiment.tallies import tally

Said = dict[tuple[int, tuple[int, int]], str]  # turn and training seeds -> win, tie or loss


def with_judges(
    comparison: Comparison,
    verdicts: Sequence[Verdict],
    rule: Rule = "conservative",
    seed: int = 0,
    seed_of: SeedOf | None = None,
) -> Comparison:
    """The comparison with each judge's own tally and their kappas; one judge leaves it as it is."""
    by_judge: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_judge[verdict.judge].append(verdict)
    if len(by_judge) < 2:
        return comparison
    outcomes = {name: fold(several, rule, seed_of=seed_of) for name, several in by_judge.items()}
    tallies = {
        name: tally(several, outcomes[name], seed, seed_of) for name, several in by_judge.items()
    }
    return replace(comparison, judges=tallies, kappas=kappas(outcomes))


def kappas(outcomes: Mapping[str, Sequence[Outcome]]) -> tuple[Kappa, ...]:
    """Agreement of all judges (Fleiss), then of every two (Cohen), by question.

    Turns that only one of the judges concerned has a verdict on do not count.
    """
    from sami_eval.stats.kappa import cohen_estimate, fleiss_estimate

    said = {name: _said(several) for name, several in outcomes.items()}
    items = _together(said)
    found = [Kappa(tuple(said), fleiss_estimate(items), *_counts(items))]
    for pair in combinations(said, 2):
        items = _together({name: said[name] for name in pair})
        pairs = {question: [(x, y) for x, y in several] for question, several in items.items()}
        found.append(Kappa(pair, cohen_estimate(pairs), *_counts(items)))
    return tuple(found)


def _said(outcomes: Sequence[Outcome]) -> dict[str, Said]:
    """A judge's word on every turn, by question."""
    said: dict[str, Said] = defaultdict(dict)
    for one in outcomes:
        word = "win" if one.score > 0.5 else "loss" if one.score < 0.5 else "tie"
        said[one.prompt_id][one.turn, one.seeds] = word
    return said


def _together(said: Mapping[str, Mapping[str, Said]]) -> dict[str, list[list[str]]]:
    """Words on the same turn side by side, of turns with two or more, by question."""
    items: dict[str, list[list[str]]] = {}
    for question in dict.fromkeys(question for judge in said.values() for question in judge):
        words: dict[object, list[str]] = defaultdict(list)
        for judge in said.values():
            for turn, word in judge.get(question, {}).items():
                words[turn].append(word)
        several = [together for together in words.values() if len(together) > 1]
        if several:
            items[question] = several
    return items


def _counts(items: Mapping[str, Sequence[object]]) -> tuple[int, int]:
    return len(items), sum(map(len, items.values()))
