"""Stages of an experiment: each done once, on record, and skipped when its command is typed again.

A stage's key is the hash of what it depends on and of the key before it: changed settings take that
stage and all behind it up again, and nothing else. What a stage itself leaves half done, the ledger
and the checkpoints of a training hold, so that it goes on where it was killed.
"""

from __future__ import annotations

import datetime
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sami_eval.align import launch
from sami_eval.core.errors import UsageError
from sami_eval.core.files import read_json
from sami_eval.core.progress import Progress
from sami_eval.core.records import record
from sami_eval.ledger.store import atomic_write, disk_error, key

FILE = "stages.json"
Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of an experiment.

    name: as --from and --only take it. title: what it does. settings: what its result depends on
    besides the stages before it. made: what it writes, taken away by --from.
    run: does it, and returns what the checklist shows.
    """

    name: str
    title: str
    settings: object
    made: tuple[Path, ...]
    run: Callable[[], Facts]


@dataclass(frozen=True, slots=True)
class Record:
    """A stage that was done. seconds: of its last, finished run."""

    name: str
    key: str
    seconds: float
    facts: dict[str, Any]
    date: str


def keys(stages: Sequence[Stage]) -> dict[str, str]:
    """The key of each stage by its name."""
    found: dict[str, str] = {}
    before = ""
    for stage in stages:
        before = key("stage", before, stage.name, stage.settings)
        found[stage.name] = before
    return found


def done(stages: Sequence[Stage], folder: Path) -> dict[str, Record]:
    """The records of stages done as they are asked for now, up to the first that is not."""
    records = _read(folder / FILE)
    found: dict[str, Record] = {}
    for name, wanted in keys(stages).items():
        record = records.get(name)
        if record is None or record.key != wanted:
            break
        found[name] = record
    return found


def _read(path: Path) -> dict[str, Record]:
    if not path.is_file():
        return {}
    hint = "remove the file: stages are then looked at anew, and what is stored is not done again"
    rows = read_json(path, hint)
    return {one.name: one for one in record(rows, list[Record], str(path), hint)}


def run_stages(
    stages: Sequence[Stage],
    folder: Path,
    progress: Progress,
    *,
    start: str | None = None,
    only: str | None = None,
) -> dict[str, Record]:
    """Do what is not done yet; returns the records of the stages that are done, in order.

    start: this stage and all behind it are done again; only: no other stage is done.
    Raises UsageError for an unknown stage, and for one whose earlier stages are not done.
    """
    names = [stage.name for stage in stages]
    _check(names, "--from", start)
    _check(names, "--only", only)
    records, wanted = done(stages, folder), keys(stages)
    again = (
        [stage for stage in stages[names.index(start) :] if only in (None, stage.name)]
        if start
        else []
    )
    _need(names, records, start or only or names[0])
    for stage in again:
        _take_away(stage.made)
        records.pop(stage.name, None)
    for stage in stages:
        progress.say(line(stage, records.get(stage.name)))
    for stage in stages:
        if stage.name not in records and only in (None, stage.name):
            # What is done now may change all behind it: only earlier records stand.
            records = {one: records[one] for one in names[: names.index(stage.name)]}
            records[stage.name] = _do(stage, wanted[stage.name], progress)
            _save(folder, records)
            progress.say(line(stage, records[stage.name]))
    return records


def _check(names: Sequence[str], flag: str, given: str | None) -> None:
    if given is not None and given not in names:
        raise UsageError(f"`{flag} {given}`: no such stage", f"stages: {', '.join(names)}")


def _need(names: Sequence[str], records: Mapping[str, Record], first: str) -> None:
    for name in names[: names.index(first)]:
        if name not in records:
            raise UsageError(
                f"stage `{first}` needs `{name}`, which is not done",
                f"--only {name} first, or leave --from and --only out",
            )


def _take_away(made: Sequence[Path]) -> None:
    for path in made if launch.is_main() else ():
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(path, error) from None
    launch.wait_for_everyone()


def _save(folder: Path, records: Mapping[str, Record]) -> None:
    if launch.is_main():
        rows = [asdict(record) for record in records.values()]
        atomic_write(folder / FILE, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def _do(stage: Stage, wanted: str, progress: Progress) -> Record:
    progress.say(f"▸ {stage.name:<11} {stage.title}")
    begun = time.monotonic()
    facts = dict(stage.run())
    date = datetime.datetime.now().isoformat(timespec="seconds")
    return Record(stage.name, wanted, round(time.monotonic() - begun, 1), facts, date)


def line(stage: Stage, record: Record | None) -> str:
    """A stage as the checklist shows it: done, how long it took, what came of it."""
    if record is None:
        return f"· {stage.name:<11} {stage.title}"
    return f"✓ {stage.name:<11} {record.seconds:>7.1f} s  {facts_text(record.facts)}"


def facts_text(facts: Facts) -> str:
    """What came of a stage: "480 prompts, 477 contrasts by base"."""
    return ", ".join(f"{value} {name}" for name, value in facts.items())
