"""Run folders: everything one comparison was made of, as files a person can read.

runs/2026-11-23-mtbench-sami-dpo/
    comparison.json   the document (document.py)
    prompts.jsonl     the questions as asked
    responses.jsonl   every contender's answers
    verdicts.jsonl    every judgment with the judge's words
    settings.toml     what was asked for: `sami-eval again` does it again
    report.html       what `show --html` writes

A pass@k run has passk.json (passk_document.py), problems.jsonl and samples.jsonl instead.
"""

from __future__ import annotations

import errno
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sami_eval.core import address
from sami_eval.core.errors import UsageError
from sami_eval.core.files import read_json
from sami_eval.core.records import read_lines, record
from sami_eval.core.settings import to_toml
from sami_eval.core.types import Verdict
from sami_eval.experiment import document, passk_document
from sami_eval.experiment.document import Document
from sami_eval.experiment.envelope import Kind, dump, read
from sami_eval.experiment.passk_document import PasskDocument
from sami_eval.experiment.stopping import Planned
from sami_eval.ledger.store import atomic_write, disk_error, plain
from sami_eval.server import endpoint

if TYPE_CHECKING:
    from filelock import BaseFileLock

Say = Callable[[str], None]
D = TypeVar("D", bound=Mapping[str, Any])

DOCUMENT = document.KIND.file
PASSK = passk_document.KIND.file
REPORT = "report.html"
SETTINGS = "settings.toml"
REPRODUCTIONS = "reproductions"
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # a file system without flock
NAME_LIMIT = 80


def slug(text: str) -> str:
    """A text as part of a folder name."""
    name = re.sub(r"\.jsonl?$", "", Path(text).name or text)
    return re.sub(r"[^A-Za-z0-9.+@_-]+", "-", name).strip("-.") or "run"


def default_folder(root: Path, date: str, task: str, names: Sequence[str]) -> Path:
    """Where a run goes that no folder is named for, unless that one is taken."""
    name = "-".join([date, slug(task), *map(slug, names)])[:NAME_LIMIT]
    return root / "runs" / name


@contextmanager
def claimed(
    out: Path | None, default: Path, settings: str, say: Say, replace: bool = False
) -> Iterator[Path]:
    """The run's folder, for this process alone until the block ends.

    out: the one that is named. Without, `default`, or with a number behind it where that one is
        another run's: a run of the same settings has the same folder on the same day.
    settings: hash of all that decides the run's figures. replace: another's in `out` may go.
    Raises UsageError where `out` is another run's, finished or being written.
    """
    folder, lock = _named(out, settings, replace) if out else _first_free(default, settings, say)
    try:
        yield folder
    finally:
        # Deleted while it is held: who waits for it sees that, and makes a new one.
        if lock.is_locked:
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _named(out: Path, settings: str, replace: bool) -> tuple[Path, BaseFileLock]:
    hint = "name a new folder with --out"
    if not replace and is_another(out, settings):
        raise UsageError(f"`{out}` holds another run", hint)
    lock = _lock(out)
    if lock is None:
        raise UsageError(f"`{out}` is being written by another command", f"wait for it, or {hint}")
    return out, lock


def _first_free(default: Path, settings: str, say: Say) -> tuple[Path, BaseFileLock]:
    for number in itertools.count(1):
        folder = default if number == 1 else default.with_name(f"{default.name}-{number}")
        if is_another(folder, settings):
            continue
        lock = _lock(folder)
        if lock is None:
            say(f"`{folder.name}` is being written by another command: this run takes the next")
        elif is_another(folder, settings):  # by a run that ended between our look and our claim
            lock.release()
        else:
            return folder, lock
    raise AssertionError("numbers do not end")


def _lock(folder: Path) -> BaseFileLock | None:
    """The folder's lock, held; not held where the file system knows none; None: another has it."""
    from filelock import FileLock, Timeout

    claim(folder)
    lock = FileLock(folder / ".lock", timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        return None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise disk_error(folder, error) from None
    return lock


def is_another(folder: Path, settings: str) -> bool:
    """Whether the folder holds a finished run of other settings, of whatever kind."""
    found = map(_settings_of, folder.glob("*.json"))
    return any(key not in (None, settings) for key in found)


def is_passk(folder: Path) -> bool:
    """Whether the folder holds a finished pass@k run."""
    return (folder / PASSK).is_file()


def _settings_of(path: Path) -> object:
    """The settings key of a run's document; "" for one that cannot be read, None for no run's."""
    try:
        held = read_json(path, "")
    except UsageError:
        held = {}
    ours = isinstance(held, dict) and (path.name in (DOCUMENT, PASSK) or "settings_key" in held)
    return held.get("settings_key", "") if ours else None


def claim(folder: Path) -> None:
    """Make the folder and prove that it can be written, before anything is spent."""
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise disk_error(folder, error) from None


def save(
    folder: Path,
    name: str,
    document: Mapping[str, Any],
    files: Mapping[str, Iterable[object]],
) -> None:
    """Write a run; the document last, so a folder that has it is complete."""
    for file, rows in files.items():
        _write_rows(folder / file, rows)
    atomic_write(folder / name, dump(document))


def save_settings(folder: Path, settings: Any, files: Mapping[str, str]) -> None:
    """Write what was asked for, without what may be a secret; files: SHA-256 of those it names."""
    url = settings.base_url
    if url is not None and address.fault_of(url):  # nobody was asked there, or it had been refused
        settings = replace(settings, base_url=None)
    text = to_toml(settings, Path.cwd(), files)
    atomic_write(folder / SETTINGS, endpoint.masked(text))


_ROW = json.JSONEncoder(default=plain, ensure_ascii=False)


def _write_rows(path: Path, rows: Iterable[object]) -> None:
    """One JSON object a line, in the file's place at once; of a dataclass its fields."""
    atomic_write(path, (_ROW.encode(row) + "\n" for row in rows))


def read_verdicts(folder: Path) -> list[Verdict]:
    """The verdicts of a run."""
    return list(verdicts(folder))


def verdicts(folder: Path) -> Iterator[Verdict]:
    """The verdicts of a run, one after the other. Raises UsageError where there is none."""
    path, hint, verdict = folder / "verdicts.jsonl", "sami-eval ls runs", None
    for where, row in read_lines(path, hint):
        verdict = to_verdict(row, where)
        yield verdict
    if verdict is None:
        raise UsageError("no verdicts in the file", hint, str(path))


def to_verdict(row: dict[str, Any], where: str) -> Verdict:
    """A line of verdicts.jsonl. Raises UsageError for a field that is none of a verdict's."""
    hint = "verdicts are written by sami-eval show RUN --verdicts FILE"
    return record({"repeat": 0, **row}, Verdict, where, hint, "not a verdict: ")


def planned(file: str, out: Path | None, root: Path, settings: str) -> Planned | None:
    """What the first finished run of these settings was to ask; None where there is none.

    file: the document's name. out: a folder that is no run's of the default kind.
    """
    folders = [out] if out else []
    for path in [*(one / file for one in folders), *sorted((root / "runs").glob(f"*/{file}"))]:
        if path.is_file() and _settings_of(path) == settings:
            rows = read_json(path, "")
            every = [*rows.get("comparisons", ()), *rows.get("differences", ())]
            stopped = [row["stopping"] for row in every if row.get("stopping")]
            return stopped[0]["planned"] if stopped else "all questions"
    return None


def _finished(root: Path, kind: Kind[D]) -> Iterator[tuple[Path, D]]:
    """Runs of their own, and those that a reproduction is made of."""
    alone = (root / "runs").glob(f"*/{kind.file}")
    of_reproductions = (root / REPRODUCTIONS).glob(f"*/runs/*/{kind.file}")
    for path in itertools.chain(alone, of_reproductions):
        try:
            yield path.parent, read(kind, path)
        except UsageError:
            continue  # not ours, or of another version; `show` on it says so


def list_runs(root: Path) -> list[tuple[Path, Document]]:
    """Finished comparisons, oldest first."""
    return sorted(_finished(root, document.KIND), key=lambda run: (run[1]["date"], run[0].name))


def list_passk(root: Path) -> list[tuple[Path, PasskDocument]]:
    """Finished pass@k runs, oldest first."""
    kind = passk_document.KIND
    return sorted(_finished(root, kind), key=lambda run: (run[1]["date"], run[0].name))


def _latest(root: Path) -> Path | None:
    several = [(found["date"], folder) for folder, found in _finished(root, document.KIND)]
    several += [(found["date"], folder) for folder, found in _finished(root, passk_document.KIND)]
    return max(several)[1] if several else None


def find_run(spec: str | None, root: Path) -> Path:
    """The folder of a run: a path, a name under runs/, or the latest."""
    if spec is None:
        latest = _latest(root)
        if latest is None:
            raise UsageError("there is no run yet", "sami-eval compare sami dpo --task mtbench")
        return latest
    for folder in (Path(spec), root / "runs" / spec, root / spec):
        if (folder / DOCUMENT).is_file() or is_passk(folder):
            return folder
        if folder.is_dir() and (folder / "responses.jsonl").is_file():
            raise UsageError(f"run `{spec}` is not finished", "run its command again: it resumes")
    raise UsageError(f"no run `{spec}`", "sami-eval ls runs")
