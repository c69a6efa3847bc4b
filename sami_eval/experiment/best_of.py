"""The best of k samples: which of them a reward model scores highest, from samples drawn anyway.

A score is in the ledger the moment it exists, under the key that it has for a reward judge, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypedDict

from sami_eval.align.chain import existing
from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Response
from sami_eval.experiment.envelope import Calls
from sami_eval.experiment.samples import Attempts
from sami_eval.generate import EngineChoice
from sami_eval.generate.tools import Tools
from sami_eval.judge import Counted, engines_of, rate_all, read_judge
from sami_eval.judge.reward import ENGINE
from sami_eval.judge.seats import Seat, seat

HINT: Final = "--best-of reward:FOLDER, reward:ID, or a judge file of the kind reward"


class BestOfRow(TypedDict):
    """Who chose the best of k. judge: its file's name; model: the classifier."""

    judge: str
    model: str
    calls: Calls


@dataclass(frozen=True, slots=True)
class Rated:
    """Attempts with their rewards, by contender and problem."""

    attempts: Mapping[str, Sequence[Attempts]]
    row: BestOfRow


def chosen(spec: str | None, config: Config, engine: EngineChoice) -> Seat | None:
    """Who is to choose; None where nobody is. Raises UsageError for what is no reward model."""
    if spec is None:
        return None
    if spec.startswith(f"{ENGINE}:"):
        judge = replace(read_judge(ENGINE), model=spec)
    else:
        judge = read_judge(spec)
        if judge.kind != "reward":
            raise UsageError(f"`--best-of {spec}` is a judge of the kind {judge.kind}", HINT)
        if judge.model is None:
            raise UsageError(f"`--best-of {spec}`: the judge's file names no model", HINT)
    return seat(judge, config, None, existing(config)).run_by(engine)


def rated(
    by: Seat, engine: EngineChoice, tried: Mapping[str, Sequence[Attempts]], tools: Tools
) -> Rated:
    """The attempts with a score of every sample; what the ledger holds is not scored again."""
    counted, arguments = Counted(), by.arguments(engine)
    every = [one for of in tried.values() for one in of]
    answers = [
        (one.problem.prompt, Response(one.problem.prompt.id, name, (sample.text,)))
        for name, of in tried.items()
        for one in of
        for sample in one.samples
    ]
    with engines_of(by.judge, arguments, tools.progress) as engines:
        scores = iter(
            rate_all(by.judge, answers, tools=tools, model=by.at, engines=engines, counted=counted)
        )
    found = iter([replace(one, rewards=tuple(next(scores) for _ in one.samples)) for one in every])
    attempts = {name: [next(found) for _ in of] for name, of in tried.items()}
    return Rated(attempts, _row(by, counted))


def _row(by: Seat, counted: Counted) -> BestOfRow:
    calls: Calls = {"made": len(counted.made), "from_ledger": len(counted.stored)}
    return {
        "judge": by.judge.name,
        "model": "" if by.at is None else by.at.named,
        "calls": calls,
    }
