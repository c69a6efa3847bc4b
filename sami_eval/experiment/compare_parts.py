"""What a comparison draws and scores at once: all of it, or block by block until it is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from sami_eval.core.types import Prompt, Response, Verdict
from sami_eval.experiment import runs
from sami_eval.experiment.compare_plan import ComparePlan, Pair
from sami_eval.experiment.document import KIND
from sami_eval.experiment.fold import fold
from sami_eval.experiment.frame import Parts
from sami_eval.experiment.plan import models_of
from sami_eval.experiment.stopping import Stopping, given, in_order, points, said
from sami_eval.generate.contenders import Contender, games, seed_of
from sami_eval.generate.tools import Tools
from sami_eval.judge import Counted
from sami_eval.judge.words import Words
from sami_eval.server.budget import whole_cost

if TYPE_CHECKING:
    from sami_eval.stats.sequential import Course


@dataclass(frozen=True, slots=True)
class Answers:
    """What was answered. prompts: with as many turns as every contender answered."""

    prompts: tuple[Prompt, ...]
    responses: Mapping[str, Sequence[Response]]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a judge took: its calls, and USD, None where a price or a usage is not known."""

    calls: Counted
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Judgments:
    """Verdicts by pair of models, judge after judge, and what each judge took.

    stopping: of a run that stops when it is decided, or goes on where one stopped.
    words: the verdicts', where they were put aside.
    """

    by_pair: Mapping[Pair, Sequence[Verdict]]
    taken: Sequence[Taken]
    stopping: Stopping | None = None
    words: Words | None = None


Found = tuple[Answers, Judgments]


def parts(
    plan: ComparePlan, sides: Sequence[Contender], tools: Tools
) -> Parts[ComparePlan, Answers, Judgments]:
    """All questions; or the next block to the pairs that are open, until none is."""
    from sami_eval.stats.sequential import rule_of

    before = runs.planned(KIND.file, plan.settings.out, tools.config.root, plan.key(sides))
    meeting = [(a.name, b.name) for a, b in plan.pairs(sides)]
    if not plan.settings.until_decided:
        drawn, scores = yield plan
        if before != "until decided":
            return drawn, scores
        asked = dict.fromkeys(meeting, len(plan.prompts))
        return drawn, replace(scores, stopping=Stopping(before, False, asked))
    part = plan
    if _answered_first(plan, sides):
        drawn, _ = yield replace(plan, seats=())
        part = replace(plan, answers=drawn.responses)
    rule, order = rule_of(len(plan.prompts)), order_of(plan)
    stopping = Stopping(before or "until decided", True, dict.fromkeys(meeting, 0))
    still, found = set(meeting), list[Found]()
    for start, end in pairwise([0, *rule.looks]):
        block = frozenset(order[start:end])
        prompts = tuple(prompt for prompt in plan.prompts if prompt.id in block)
        found.append((yield replace(part, prompts=prompts, meeting=frozenset(still))))
        asked = {pair: end if pair in still else n for pair, n in stopping.asked.items()}
        stopping = replace(stopping, asked=asked)
        drawn, scores = _joined(plan, found, stopping)
        courses = dict(zip(meeting, courses_of(plan, sides, scores), strict=True))
        tools.progress.say(said(list(courses.values()), rule))
        still = {pair for pair, course in courses.items() if course.state == "open"}
        if not still:
            break
    return drawn, scores


def order_of(plan: ComparePlan) -> list[str]:
    """The questions in the order in which they are asked."""
    return in_order([prompt.id for prompt in plan.prompts], plan.settings.seed)


def most_turns(plan: ComparePlan, a: Contender, b: Contender) -> int:
    """How many turns a question can have between two sides, every pair of seeds its own.

    A graded turn can count as often as its judge's largest weight.
    """
    weighs = plan.rule == "average" and plan.judge.weights
    largest = max(plan.judge.weights.values()) if weighs else 1
    return max(len(prompt.turns) for prompt in plan.prompts) * len(games(a, b)) * largest


def courses_of(plan: ComparePlan, sides: Sequence[Contender], scores: Judgments) -> list[Course]:
    """How far each pair has come."""
    from sami_eval.stats.sequential import follow, rule_of

    assert scores.stopping is not None
    order, every = order_of(plan), []
    for a, b in plan.pairs(sides):
        judged = [verdict for x, y in games(a, b) for verdict in scores.by_pair[x.name, y.name]]
        outcomes = fold(judged, plan.rule, seed_of=seed_of(a, b))
        asked = order[: scores.stopping.asked[a.name, b.name]]
        every.append(points(asked, given(outcomes), most_turns(plan, a, b)))
    return follow(every, rule_of(len(plan.prompts)))


def _answered_first(plan: ComparePlan, sides: Sequence[Contender]) -> bool:
    """Whether all answers come before the first verdict.

    Records cost nothing, and lack what they lack at once. A contender and a judge in this process
    would be loaded anew for every block, or together.
    """
    engines = {model.engine for model in models_of(sides)}
    judges = {seat.at.engine for seat in plan.seats if seat.at is not None}
    return engines == {"recorded"} or "local" in engines & judges


def _joined(plan: ComparePlan, found: Sequence[Found], stopping: Stopping) -> Found:
    """The parts as one, questions in the order of the plan."""
    place = {prompt.id: i for i, prompt in enumerate(plan.prompts)}
    prompts = sorted((p for drawn, _ in found for p in drawn.prompts), key=lambda p: place[p.id])
    responses: dict[str, list[Response]] = {}
    by_pair: dict[Pair, list[Verdict]] = {}
    for drawn, scores in found:
        for name, several in drawn.responses.items():
            responses.setdefault(name, []).extend(several)
        for pair, verdicts in scores.by_pair.items():
            by_pair.setdefault(pair, []).extend(verdicts)
    for answers in responses.values():
        answers.sort(key=lambda response: place[response.prompt_id])
    taken = [_together(several) for several in zip(*(one.taken for _, one in found), strict=True)]
    return Answers(tuple(prompts), responses), Judgments(by_pair, taken, stopping)


def _together(several: Iterable[Taken]) -> Taken:
    """What a judge took in all parts."""
    calls, costs = Counted(), list[float | None]()
    for one in several:
        calls.made |= one.calls.made
        calls.stored |= one.calls.stored
        calls.failed |= one.calls.failed
        costs.append(one.cost_usd)
    calls.stored -= calls.made.keys()
    return Taken(calls, whole_cost(costs))
