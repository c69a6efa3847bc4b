"""Samples of problems to figures: pass@k, maj@k and their kin, paired differences.

Pure: `passk.py` has the samples drawn and the figures saved.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product

from sami_eval.core.calls import Completion
from sami_eval.core.comparison import Estimate
from sami_eval.data.marking import mark
from sami_eval.data.problem_sets import Problem
from sami_eval.data.unanswered import Answer, AnswersRow, answers_row
from sami_eval.stats.intervals import win_rate
from sami_eval.stats.passk import (
    best_of_k,
    g_pass_at_k,
    maj_at_k,
    mg_pass_at_k,
    pass_at_k,
    pass_hat_k,
)
from sami_eval.stats.problems import Difference, difference, mean_amount, mean_score
from sami_eval.stats.tests import holm

NONE = Estimate(None, None)


@dataclass(frozen=True, slots=True)
class Attempts:
    """What one contender answered to one problem.

    answers: the value each sample gives, as its marker shows it; None where it gives none.
    greedy: the single attempt at temperature 0, where there was one, and the value it gives.
    n_ended: samples, the greedy one too, that took too long to mark: their value is not known.
    rewards: each sample's score by a reward model; None where it has none, or none was asked.
    """

    problem: Problem
    samples: tuple[Completion, ...]
    answers: tuple[str | None, ...]
    greedy: Completion | None = None
    greedy_answer: str | None = None
    n_ended: int = 0
    rewards: tuple[float | None, ...] | None = None

    @property
    def known_rewards(self) -> list[float] | None:
        """The rewards where every sample has one."""
        known = [one for one in self.rewards or () if one is not None]
        return known if self.rewards is not None and len(known) == len(self.answers) else None

    @property
    def right(self) -> list[bool]:
        """Whether each sample gives the gold answer."""
        return [answer == self.problem.gold for answer in self.answers]

    def best_of(self, k: int) -> float | None:
        """Expected accuracy of the sample with the highest reward among k; None without rewards."""
        rewards = self.known_rewards
        return None if rewards is None else best_of_k(rewards, self.right, k)

    @property
    def n_right(self) -> int:
        """Samples that give the gold answer."""
        return self.answers.count(self.problem.gold)

    @property
    def identical(self) -> bool:
        """Whether several samples are all one and the same text."""
        return len(self.samples) > 1 and len({sample.text for sample in self.samples}) == 1

    def pass_at(self, k: int) -> float:
        """Unbiased pass@k of this problem."""
        return pass_at_k(len(self.answers), self.n_right, k)

    def maj_at(self, k: int) -> float:
        """Expected credit of the majority among k samples; answers vote by value."""
        return maj_at_k(self.answers, self.problem.gold, k)

    def all_of(self, k: int) -> float:
        """Unbiased pass^k of this problem."""
        return pass_hat_k(len(self.answers), self.n_right, k)

    def half_of(self, k: int) -> float:
        """Unbiased G-Pass@k of this problem, at least half of k samples right."""
        return g_pass_at_k(len(self.answers), self.n_right, k)

    def from_half_of(self, k: int) -> float:
        """mG-Pass@k of this problem."""
        return mg_pass_at_k(len(self.answers), self.n_right, k)


# What is found at each k, by its name in a document. How steadily a problem is solved is another
# question from two samples on: at k = 1 all of these are pass@1, or nothing.
AT_K: Mapping[str, Callable[[Attempts, int], float]] = {
    "pass_at_k": Attempts.pass_at,
    "maj_at_k": Attempts.maj_at,
    "pass_hat_k": Attempts.all_of,
    "g_pass_at_k": Attempts.half_of,
    "mg_pass_at_k": Attempts.from_half_of,
}
STEADY = ("pass_hat_k", "g_pass_at_k", "mg_pass_at_k")


def attempts(
    problem: Problem, samples: Sequence[Completion], greedy: Completion | None = None
) -> Attempts:
    """A problem's samples with their answers read."""
    texts = [one.text for one in (*samples, *([greedy] if greedy else []))]
    marked = mark(problem.marker, problem.gold_text, texts)
    answers, once = marked.values[: len(samples)], marked.values[len(samples) :]
    last = once[0] if once else None
    return Attempts(problem, tuple(samples), answers, greedy, last, sum(marked.ended))


@dataclass(frozen=True, slots=True)
class Figures:
    """One contender's figures, each with its 95% interval over problems.

    at_k: by a name of AT_K and k. curve: (k, pass@k) from 1 to all samples, for a plot.
    greedy: accuracy at temperature 0.
    mean_tokens: of a sample, where every sample's count is known.
    n_cut: samples cut at the token limit. n_ended: samples that took too long to mark.
    n_identical: problems whose samples are all one text.
    answers: how many samples there are, the greedy ones too, and what of them is no answer.
    n_unrated: problems of which a sample has no reward, where rewards were asked for.
    by_category: how many problems, and pass@k at each k; empty where all are of one.
    """

    at_k: Mapping[str, Mapping[int, Estimate]]
    curve: tuple[tuple[int, float], ...]
    no_answer: Estimate
    mean_tokens: Estimate
    greedy: Estimate
    n_cut: int
    n_ended: int
    n_identical: int
    answers: AnswersRow
    n_unrated: int
    by_category: Mapping[str, tuple[int, Mapping[int, Estimate]]]


def figures(of: Sequence[Attempts], ks: Sequence[int]) -> Figures:
    """The figures of one contender's attempts at all problems."""
    groups = clusters_of(of)
    rated = [one for one in of if one.known_rewards is not None]
    return Figures(
        {name: _at_each(of, ks, name, groups) for name in AT_K}
        | {"best_of_k": _best_at_each(rated, ks)},
        _curve(of),
        _no_answer(of),
        _mean_tokens(of),
        _greedy(of),
        sum(sample.finished is False for one in of for sample in one.samples),
        sum(one.n_ended for one in of),
        sum(one.identical for one in of),
        answers_row([Answer(one.text, one.thoughts) for one in _completions(of)]),
        sum(one.rewards is not None and one.known_rewards is None for one in of),
        _by_category(of, ks),
    )


def _by_category(
    of: Sequence[Attempts], ks: Sequence[int]
) -> dict[str, tuple[int, Mapping[int, Estimate]]]:
    parts: dict[str, list[Attempts]] = {}
    for one in of:
        parts.setdefault(one.problem.prompt.category, []).append(one)
    if len(parts) < 2:
        return {}
    return {
        name: (len(part), _at_each(part, ks, "pass_at_k", clusters_of(part)))
        for name, part in parts.items()
    }


def _at_each(
    of: Sequence[Attempts], ks: Sequence[int], name: str, groups: Sequence[str] | None
) -> dict[int, Estimate]:
    each = [k for k in ks if k > 1 or name not in STEADY]
    return {k: mean_score([AT_K[name](one, k) for one in of], groups) for k in each}


def _best_at_each(rated: Sequence[Attempts], ks: Sequence[int]) -> dict[int, Estimate]:
    """Of the problems whose samples all have a reward; nothing where there is none."""
    groups = clusters_of(rated)
    every = [k for k in ks if k > 1]  # at one sample there is nothing to choose
    scores = {k: [x for one in rated if (x := one.best_of(k)) is not None] for k in every}
    return {k: mean_score(several, groups) for k, several in scores.items() if several}


def _completions(of: Sequence[Attempts]) -> Iterator[Completion]:
    for one in of:
        yield from one.samples
        yield from [one.greedy] if one.greedy is not None else []


def clusters_of(of: Sequence[Attempts]) -> list[str] | None:
    """The cluster of each problem; None where every problem is one of its own."""
    named = [one.problem.cluster for one in of]
    known = [name for name in named if name is not None]
    return known if known and len(known) == len(named) else None


def _no_answer(of: Sequence[Attempts]) -> Estimate:
    silent: dict[str, list[float]] = {}
    for one, name in zip(of, clusters_of(of) or map(str, range(len(of))), strict=True):
        silent.setdefault(name, []).extend(float(answer is None) for answer in one.answers)
    return win_rate(silent)


def _curve(of: Sequence[Attempts]) -> tuple[tuple[int, float], ...]:
    """pass@k at 1, 2, 3, ... and, from 8 on, at steps of about a tenth."""
    n = min(len(one.answers) for one in of)
    places = sorted({1, n, *(round(1.1**i) for i in range(200) if 1.1**i <= n)})
    return tuple((k, sum(one.pass_at(k) for one in of) / len(of)) for k in places)


def _mean_tokens(of: Sequence[Attempts]) -> Estimate:
    counts = [[sample.n_tokens for sample in one.samples] for one in of]
    known = [[n for n in several if n is not None] for several in counts]
    if any(len(some) < len(every) for some, every in zip(known, counts, strict=True)):
        return NONE
    return mean_amount([sum(several) / len(several) for several in known], clusters_of(of))


def _greedy(of: Sequence[Attempts]) -> Estimate:
    tried = [one for one in of if one.greedy is not None]
    return mean_score([greedy_score(one) for one in tried], clusters_of(tried))


def greedy_score(one: Attempts) -> float:
    """1 where the single attempt at temperature 0 gives the gold answer, else 0."""
    return float(one.greedy_answer == one.problem.gold)


@dataclass(frozen=True, slots=True)
class Paired:
    """What contender a gains over b at one k, on the same problems; p_adjusted by Holm."""

    a: str
    b: str
    k: int
    gain: Difference
    p_adjusted: float


def paired(
    by_contender: Mapping[str, Sequence[Attempts]],
    ks: Sequence[int],
    seed: int,
    pairs: Iterable[tuple[str, str]] | None = None,
    figure: Callable[[Attempts, int], float | None] = Attempts.pass_at,
) -> list[Paired]:
    """These pairs of contenders, or every two, at every k; Holm's correction covers all of them.

    figure: of a problem at a k; problems of which one of both has none are left out.
    """
    scores = {
        (name, k): [figure(one, k) for one in of] for name, of in by_contender.items() for k in ks
    }
    n_samples = min(len(one.answers) for of in by_contender.values() for one in of)
    asked = next(iter(by_contender.values()))
    found = []
    several = combinations(by_contender, 2) if pairs is None else pairs
    for (a, b), k in product(several, ks):
        rows = zip(asked, scores[a, k], scores[b, k], strict=True)
        known = [(one, x, y) for one, x, y in rows if x is not None and y is not None]
        if known:
            of, of_a, of_b = zip(*known, strict=True)
            gain = difference(of_b, of_a, n_samples, seed, clusters=clusters_of(of))
            found.append((a, b, k, gain))
    adjusted = holm([gain.p_value for *_, gain in found])
    return [Paired(*row, p) for row, p in zip(found, adjusted, strict=True)]


_DIGITS = re.compile(r"[0-9]+")


def any_of_k(of: Sequence[Attempts], k: int) -> float:
    """Share of problems with a right one among the first k samples, as the paper counted."""
    return sum(as_paper_scored(of, k)) / len(of)


def as_paper_scored(of: Sequence[Attempts], k: int) -> list[float]:
    """1 for each problem with a right one among its first k samples, else 0.

    An answer is the last run of digits, read as a whole number: the paper's reading, restated.
    """
    return [float(any(_last_digits_right(one, each) for one in each.samples[:k])) for each in of]


def _last_digits_right(sample: Completion, one: Attempts) -> bool:
    digits = _DIGITS.findall(sample.text)
    return bool(digits) and len(digits[-1]) < 400 and int(digits[-1]) == Fraction(one.problem.gold)
