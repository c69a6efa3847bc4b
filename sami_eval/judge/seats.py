"""Who judges: one judge by its file, asked at one model or, in an ensemble, at several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Judge, Model, Prompt
from sami_eval.generate import EngineChoice, models
from sami_eval.generate.engine import WEIGHTY
from sami_eval.judge import (
    IN_PROCESS,
    judge_model,
    program,
    read_judge,
    read_published,
    replaced,
    reward,
)
from sami_eval.judge.rendering import check_prompts
from sami_eval.ledger.store import key
from sami_eval.server.named import asked_so, nearest, served

ALONE = "a reward model scores each answer by itself, once: one order is enough for it"


@dataclass(frozen=True, slots=True)
class Seat:
    """One judge and the model it is asked at, None where a program judges.

    In an ensemble its name tells it from the others: "quality (openai:gpt-4o)".
    """

    judge: Judge
    at: Model | None

    @property
    def identity(self) -> str | None:
        """What the verdicts depend on besides the judge's file."""
        if self.at is None:
            return None
        engine = (self.judge.model or "").partition(":")[0]
        local = self.at.engine == "local"
        return f"{engine if local else self.at.engine}:{self.at.fingerprint}"

    def run_by(self, choice: EngineChoice) -> Seat:
        """The seat of a judge in this process as it is run.

        Arguments that change what it says are a part of who says it; a reward judge's precision
        is, also where the device decides it. In float32 it is the model itself.
        """
        if self.at is None or self.at.engine != "local":
            return self
        given = {k: text for k, text in self.arguments(choice).items() if k in WEIGHTY}
        if self.judge.kind == "reward":
            dtype = reward.precision(self.arguments(choice))
            given = {"dtype": dtype} if dtype != "float32" else {}
        if not given:
            return self
        return replace(self, at=replace(self.at, fingerprint=key(self.at.fingerprint, given)))

    def arguments(self, choice: EngineChoice) -> Mapping[str, str]:
        """`--engine-arg` for a judge in this process, where the contenders' engine is its own."""
        engine = (self.judge.model or "").partition(":")[0]
        runs_in = "hf" if engine == reward.ENGINE else engine
        return choice.arguments if choice.name == runs_in else {}


@dataclass(frozen=True, slots=True)
class JudgeChoice:
    """The judge as it was named; None leaves it to the config and to the prompts.

    model: what judges; several are an ensemble. prompts: a file of its authors' (published.py).
    ensure: gives a recipe's adapter, where a recipe is to judge.
    """

    name: str | None
    model: str | Sequence[str] | None
    prompts: Path | None
    base_url: str | None
    ensure: models.Ensure | None = None


def take_seats(
    wanted: JudgeChoice, config: Config, embedded: bool, asked: Sequence[Prompt]
) -> tuple[Judge, tuple[Seat, ...], tuple[str, ...]]:
    """The judge, who judges by it, and what to tell the user.

    Raises UsageError for a judge that does not fit the prompts, and for a model named twice.
    """
    given = config.defaults.get("judge-model") or () if wanted.model is None else wanted.model
    specs = (given,) if isinstance(given, str) else tuple(given)
    if wanted.model is not None and not all(specs or ("",)):  # `--judge-model "$NOT_SET"`
        raise UsageError("`--judge-model` is empty", "name one, or leave it out: the judge's own")
    if specs and wanted.name is None and all(map(_is_reward, specs)):
        wanted = replace(wanted, name="reward")
    judge, notes = _judge(wanted, config, embedded, not specs, asked)
    if judge.kind == "program":
        unasked = f"judge `{judge.name}` is a program: {', '.join(specs)} is not asked"
        notes += (unasked,) * bool(wanted.model)
        return judge, (Seat(judge, None),), (*notes, *program.notes(judge, asked))
    if wanted.model is None:
        config.tell("judge-model")
    if not specs and judge.model is None:
        # The toy's program is no way out where the questions are not the toy's.
        hint = "--judge-model openai:gpt-4o" + (", or --judge rules" if embedded else "")
        hint = "--judge-model reward:FOLDER, or a hub id" if judge.kind == "reward" else hint
        raise UsageError(f"judge `{judge.name}` needs a model", hint)
    seats = [
        seat(replace(judge, model=spec), config, wanted.base_url, wanted.ensure)
        for spec in specs or (judge.model,)
    ]
    notes += tuple(dict.fromkeys(ALONE for one in seats if one.judge.kind == "reward"))
    if len(seats) == 1:
        return seats[0].judge, tuple(seats), notes
    _check_all_different(specs, seats)
    several = tuple(
        Seat(replace(seat.judge, name=f"{judge.name} ({spec})"), seat.at)
        for spec, seat in zip(specs, seats, strict=True)
    )
    return judge, several, notes


def _check_all_different(specs: Sequence[str], seats: Sequence[Seat]) -> None:
    first: dict[str | None, str] = {}
    for spec, seat in zip(specs, seats, strict=True):
        if seat.identity in first:
            raise UsageError(
                f"`--judge-model {spec}` is asked already, as `{first[seat.identity]}`",
                "an ensemble is of different models; --repeats asks one of them again",
            )
        first[seat.identity] = spec


def _judge(
    wanted: JudgeChoice, config: Config, embedded: bool, free: bool, asked: Sequence[Prompt]
) -> tuple[Judge, tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    if wanted.prompts is not None:
        judge = read_published(wanted.prompts, wanted.name)
    else:
        name = config.choice("judge", wanted.name)
        judge, notes = _named_judge(name, embedded, free, asked)
    bare = [prompt for prompt in asked if not prompt.principles]
    if judge.principles and bare:
        raise UsageError(
            f"judge `{judge.name}` judges by principles, and {len(bare)} of {len(asked)} prompts "
            f"carry none, the first of them `{bare[0].id}` ({bare[0].category})",
            "--constitutions FILE gives them principles; --judge quality needs none",
        )
    return judge, (*notes, *check_prompts(judge, asked))


def _named_judge(
    name: str | None, embedded: bool, free: bool, asked: Sequence[Prompt]
) -> tuple[Judge, tuple[str, ...]]:
    """The judge of this name, else the one that fits the prompts, which is said."""
    notes = []
    if name is None:
        name, why = fitting(asked, embedded, free)
        notes += [f"judge `{name}`: {why}"] * bool(why)
    judge = read_judge(name)
    if instead := replaced(judge, name):
        notes.append(instead)
    return judge, tuple(notes)


def fitting(asked: Sequence[Prompt], embedded: bool, free: bool) -> tuple[str, str]:
    """The judge that fits the prompts where none is named, and why; "" where that needs no word.

    free: no model was named that is to judge.
    """
    if free and asked and all(prompt.checks and all(prompt.checks) for prompt in asked):
        return "checks", "a program checks every principle that the prompts carry"
    if free and embedded:
        return "rules", ""
    if any(prompt.principles for prompt in asked):
        return "principles", "the prompts carry principles"
    return "quality", "the prompts carry no principles"


def seat(
    judge: Judge, config: Config, base_url: str | None, ensure: models.Ensure | None = None
) -> Seat:
    """The judge at a server's model, a named one's, or one that runs in this process."""
    engine, _, spec = (judge.model or "").partition(":")
    if engine == reward.ENGINE or judge.kind == "reward":
        return _reward_seat(judge, config, ensure)
    at = served(judge.model or "", config, base_url)
    if at is not None:
        return Seat(judge, asked_so(at, judge.request, judge.thoughts))
    if judge.model in config.models:
        hint = f"--judge-model hf:{judge.model} or vllm:{judge.model}"
        raise UsageError(f"`{judge.model}` runs in this process, and by which engine is open", hint)
    if meant := nearest(judge.model or "", config):
        raise UsageError(f"no server `{engine}`", f"did you mean `{meant}`?")
    if judge.request:
        hint = "leave [request] out of its file, or name a server's model"
        raise UsageError(f"judge `{judge.name}` has a [request], and no server is asked", hint)
    if engine not in IN_PROCESS or not spec:
        return Seat(judge, judge_model(judge))
    return Seat(judge, _one_local(judge, config, ensure))


def _one_local(judge: Judge, config: Config, ensure: models.Ensure | None) -> Model:
    engine, _, spec = (judge.model or "").partition(":")
    found = models.resolve(spec, None, config=config, ensure=ensure)
    if len(found) != 1 or found[0].engine != "local":
        raise UsageError(
            f"`{judge.model}` is not one local model", f"{engine}: takes a folder or a hub id"
        )
    return found[0]


def _is_reward(spec: str) -> bool:
    return spec.startswith(f"{reward.ENGINE}:")


def _reward_seat(judge: Judge, config: Config, ensure: models.Ensure | None) -> Seat:
    """A classifier's seat, beside judges that read words too: it has a file of its own.

    Raises UsageError for what is no classifier, and beside principles, which it is not shown.
    """
    spec = judge.model or ""
    if not _is_reward(spec) or not spec.partition(":")[2]:
        raise UsageError(
            f"judge `{judge.name}` scores by a classifier, and `{spec}` names none",
            "--judge-model reward:FOLDER, or a hub id",
        )
    if judge.principles:
        raise UsageError(
            f"judge `{judge.name}` judges by principles, and `{spec}` is shown none",
            "--judge reward, or an ensemble under --judge quality",
        )
    own = judge if judge.kind == "reward" else replace(read_judge("reward"), model=spec)
    at = _one_local(judge, config, ensure)
    reward.check(own, at)
    return Seat(own, at)
