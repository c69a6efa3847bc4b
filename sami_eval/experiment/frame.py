"""One experiment, whatever its kind: plan, draw, score, estimate, save; each stage resumable.

prompts -> responses -> scores -> estimates -> document. Everything expensive is in the ledger the
moment it exists: a killed run goes on, and asks only for what is missing.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sami_eval.align.adapters import ensure_in
from sami_eval.align.chain import existing
from sami_eval.core.config import Config
from sami_eval.core.progress import Progress
from sami_eval.core.stages import Stages
from sami_eval.core.versions import versions
from sami_eval.experiment import runs
from sami_eval.experiment.envelope import Calls, Envelope, Kind, assembled
from sami_eval.experiment.forecast import Forecast, as_it_is
from sami_eval.experiment.named_files import files_of
from sami_eval.experiment.plan import Plan, Settings, models_of, resolved
from sami_eval.generate import seen, standing
from sami_eval.generate.contenders import Contender
from sami_eval.generate.engines import Kept
from sami_eval.generate.tools import Tools
from sami_eval.ledger.store import Ledger
from sami_eval.server.budget import Purse

T_contra = TypeVar("T_contra", bound=Settings, contravariant=True)
T = TypeVar("T", bound=Settings)
P = TypeVar("P", bound=Plan)
A = TypeVar("A")
S = TypeVar("S")
D = TypeVar("D", bound=Mapping[str, Any])
# The plan of each part, one after the other, each answered with what that part drew and scored;
# returns all of it.
Parts = Generator[P, tuple[A, S], tuple[A, S]]


@dataclass(frozen=True, slots=True)
class Result:
    """What an experiment found.

    own: what its document holds besides the envelope. files: the rows of each file beside it.
    notes: what to say of it. warnings: what makes it doubtful, to say and to keep.
    """

    own: Mapping[str, object]
    calls: Calls
    files: Mapping[str, Iterable[object]]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Experiment(Protocol[T_contra, P, A, S, D]):
    """A kind of experiment: what the frame does not know of it. A module can be one."""

    @property
    def KIND(self) -> Kind[D]:
        """Of its document."""

    @property
    def STAGES(self) -> tuple[str, str]:
        """What its drawing and its scoring are called."""

    def make_plan(self, settings: T_contra, config: Config, purse: Purse | None, /) -> P:
        """Decide and check everything that costs nothing. Raises UsageError, KeyMissingError."""

    def parts(self, plan: P, sides: Sequence[Contender], tools: Tools, /) -> Parts[P, A, S]:
        """What is drawn and scored at once, and then what next; `whole` where it is all of it."""

    def draw(self, plan: P, sides: Sequence[Contender], tools: Tools, /) -> A:
        """What the contenders answer; what is stored is not asked again."""

    def score(self, plan: P, sides: Sequence[Contender], drawn: A, tools: Tools, /) -> S:
        """What the answers are worth; this may spend, too."""

    def estimate(self, plan: P, sides: Sequence[Contender], drawn: A, scores: S, /) -> Result:
        """What the scores say. Pure."""

    def foresee(self, plan: P, sides: Sequence[Contender], ledger: Ledger, /) -> Forecast:
        """What would be drawn and scored at most: counted, not asked."""


def whole(plan: P, sides: Sequence[Contender], tools: Tools) -> Parts[P, A, S]:
    """All at once."""
    return (yield plan)


def draw(
    kind: Experiment[T, P, A, S, D],
    settings: T,
    config: Config,
    progress: Progress,
    purse: Purse | None = None,
) -> A:
    """What a run draws, into the ledger alone; no adapter is trained for it."""
    plan = kind.make_plan(settings, config, purse)
    with Ledger(config.ledger_path, say=progress.say) as ledger:
        sides = resolved(plan, existing(config))
        return kind.draw(plan, sides, Tools(config, ledger, progress, plan.client))


def forecast(kind: Experiment[T, P, A, S, D], settings: T, config: Config) -> Forecast:
    """What a run would do and cost. Raises UsageError as the run would; it needs no key."""
    plan = kind.make_plan(settings, config, Purse(closed=True))
    sides = resolved(plan, as_it_is(plan))
    with Ledger(config.ledger_path, read_only=True) as ledger:
        found = kind.foresee(plan, sides, ledger)
    free = shutil.disk_usage(config.root).free
    return replace(found, free=free)


def run(
    kind: Experiment[T, P, A, S, D],
    settings: T,
    config: Config,
    progress: Progress,
    *,
    command: str = "",
    purse: Purse | None = None,
    replace: bool = False,
) -> D:
    """Do an experiment and save it; what is stored already is not done again.

    command: the line to type for it again. purse: of runs below one `max_cost` together.
    replace: a run of other settings in the folder that is named gives way.
    """
    plan, stages = kind.make_plan(settings, config, purse), Stages()
    files = files_of(settings, config)
    # Nothing is spent where nothing could be saved.
    runs.claim(settings.out or config.root / "runs")
    _say((_first(plan), *plan.notes), progress)
    with Ledger(config.ledger_path, say=progress.say) as ledger, ExitStack() as held:
        tools = Tools(config, ledger, progress, plan.client, held.enter_context(Kept()))
        with stages.stage("adapters"):
            sides = resolved(plan, ensure_in(tools, settings.train))
            models = models_of(sides)
            _say((*standing.alike(models), *seen.warnings(models, plan.prompts)), progress)
        settings_key = plan.key(sides)
        folder = held.enter_context(_claimed(plan, settings_key, progress, replace))
        drawn, scores = _part_by_part(kind, plan, sides, tools, stages)
        with stages.stage("statistics"):
            result = kind.estimate(plan, sides, drawn, scores)
        _say((*result.notes, *(f"warning: {one}" for one in result.warnings)), progress)
        about = _envelope(plan, settings_key, shown(folder, config), result, stages, command)
        document = assembled(kind.KIND, result.own, about)
        runs.save_settings(folder, settings, files)
        runs.save(folder, kind.KIND.file, document, result.files)
    return document


def _first(plan: Plan) -> str:
    """What is about to be done, said before anything slow begins."""
    n, names = len(plan.prompts), ", ".join(plan.settings.contenders)
    asked = f"{n:,} prompt{'s' * (n != 1)} of {plan.title}"
    return f"{names}: {asked}; what is stored is not done again"


def _part_by_part(
    kind: Experiment[T, P, A, S, D],
    plan: P,
    sides: Sequence[Contender],
    tools: Tools,
    stages: Stages,
) -> tuple[A, S]:
    drawing, scoring = kind.STAGES
    parts = kind.parts(plan, sides, tools)
    part = next(parts)
    while True:
        with stages.stage(drawing):
            drawn = kind.draw(part, sides, tools)
        with stages.stage(scoring):
            scores = kind.score(part, sides, drawn, tools)
        try:
            part = parts.send((drawn, scores))
        except StopIteration as last:
            all_of_it: tuple[A, S] = last.value
            return all_of_it


def _say(notes: Iterable[str], progress: Progress) -> None:
    for note in notes:
        progress.say(note)


def _claimed(
    plan: Plan, settings_key: str, progress: Progress, replace: bool
) -> AbstractContextManager[Path]:
    """The run's folder, this process's alone. Raises UsageError for another run's."""
    today, names = datetime.date.today().isoformat(), plan.settings.contenders
    default = runs.default_folder(plan.config.root, today, plan.title, names)
    return runs.claimed(plan.settings.out, default, settings_key, progress.say, replace)


def shown(folder: Path, config: Config) -> str:
    """A run's folder as a person names it: beside sami-eval.toml without the path to it."""
    inside = folder.is_relative_to(config.root)
    return str(folder.relative_to(config.root) if inside else folder)


def _envelope(
    plan: Plan, settings_key: str, run: str, result: Result, stages: Stages, command: str
) -> Envelope:
    budget = plan.client.limits.budget
    return {
        "settings_key": settings_key,
        "run": run,
        "date": datetime.datetime.now().isoformat(timespec="seconds"),
        "calls": result.calls,
        "cost_usd": budget.spent_usd,
        "cost_unseen_usd": budget.unseen_usd,
        "warnings": list(result.warnings),
        "seconds": stages.seconds,
        "memory_mb": stages.memory_mb,
        "versions": versions(),
        "command": command,
    }
