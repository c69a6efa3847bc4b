"""Where a training writes: a guarded folder beside the adapter's, whose place it takes when whole.

out/llama-3                            the adapter: complete or absent
out/.llama-3.lock, out/.llama-3.lease  held by the one process that trains it
out/.llama-3.unfinished/TRAINING.2     what this training wrote so far, taken over once
out/.llama-3.unfinished/old            the earlier adapter, while the new one takes its place
out/llama-3-1a2b3c4d                   then, where it was trained otherwise (earlier.py)
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLease, Timeout

from sami_eval.align import earlier, launch
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.progress import Progress
from sami_eval.ledger.store import disk_error

CHECKPOINTS = "checkpoints"  # as in checkpoints.FOLDER, whose module imports torch
LEASE_S = 20.0  # without a heartbeat, after which another machine takes a training over
LOOK_S = 0.25
SEEN_S = 60.0  # in which the processes of a launch see the folder that one of them makes
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # a file system without flock


@contextmanager
def alone(out: Path, progress: Progress) -> Iterator[Callable[[], bool]]:
    """Wait until no other process trains into `out`, then keep every other one waiting.

    Gives a function that says whether others still do.

    Two locks. The kernel's ends with its process, however that ends, and holds over containers of
    one machine; over machines only where the file system passes it on. The lease holds wherever
    the folder is seen: its owner touches it, others watch whether it still changes, by their own
    clocks; one of this machine whose process is gone is free at once.
    """
    lease: SoftFileLease | None = None
    with ExitStack() as held:
        if launch.is_main():
            try:
                out.parent.mkdir(parents=True, exist_ok=True)
                lease = _hold(out, progress, held)
            except OSError as error:
                raise disk_error(out, error) from error
        launch.wait_for_everyone()
        yield lambda: lease is None or lease.compromise is None


def _hold(out: Path, progress: Progress, held: ExitStack) -> SoftFileLease:
    kernel = FileLock(out.with_name(f".{out.name}.lock"), fallback_to_soft=False)
    if _acquire(kernel, out, progress):
        held.callback(_free, kernel)
    lease = SoftFileLease(out.with_name(f".{out.name}.lease"), lease_duration=LEASE_S)
    _acquire(lease, out, progress)
    held.callback(lease.release)
    return lease


def _acquire(lock: BaseFileLock, out: Path, progress: Progress) -> bool:
    """Whether it is held now; False where the file system knows no such lock."""
    patience = 4 * LOOK_S
    while True:
        try:
            lock.acquire(timeout=patience, poll_interval=LOOK_S)
            return True
        except Timeout:
            progress.say(f"waiting: another process trains `{out}`")
            patience = -1
        except OSError as error:
            if error.errno in NO_LOCKS:
                return False
            # A network's file that its last owner has deleted while we had it open.
            if error.errno != errno.ESTALE:
                raise


def _free(kernel: BaseFileLock) -> None:
    """Delete the file while the lock is held: who waits for it sees that, and makes a new one."""
    Path(kernel.lock_file).unlink(missing_ok=True)
    kernel.release()


@contextmanager
def unfinished(
    out: Path, training: str, resume: bool, is_ours: Callable[[], bool]
) -> Iterator[Path]:
    """A folder that takes the place of `out` when the block ends well; inside `alone` only.

    training: hash of what is trained. is_ours: as `alone` gives it. The folder is empty, or what a
    process that is gone left of the same training, with a checkpoint in it. It is renamed when
    taken over: an owner that was only stopped, and wakes, finds it gone and ends.
    """
    beside = out.with_name(f".{out.name}.unfinished")
    if launch.is_main():
        try:
            _prepare(out, beside, training[:16], resume)
        except OSError as error:
            raise disk_error(out, error) from error
    launch.wait_for_everyone()
    folder = _prepared(beside, training[:16])
    keep = True
    try:
        yield folder
        launch.wait_for_everyone()
        if not is_ours():
            raise _taken_over(out)
        if launch.is_main():
            _take_place(folder, out, beside / "old")
        launch.wait_for_everyone()
    except OSError as error:
        if folder.is_dir():
            raise
        raise _taken_over(out) from error
    except SamiEvalError:
        keep = False  # it would go the same way again from its checkpoint
        raise
    finally:
        if launch.is_main():
            _leave(folder, beside, keep)


def _prepare(out: Path, beside: Path, training: str, resume: bool) -> None:
    """Make the folder, or take over the last owner's; all other leftovers go."""
    beside.mkdir(exist_ok=True)
    if (beside / "old").exists():  # killed between two renames
        if out.exists():
            earlier.keep(beside / "old", out)
        else:
            os.replace(beside / "old", out)
    left = max(beside.glob(f"{training}.*"), key=_times_taken, default=None)
    number = 1 if left is None else _times_taken(left) + 1
    folder = beside / f"{training}.{number}"
    if left is not None and resume and (left / CHECKPOINTS).exists():
        os.rename(left, folder)
    for other in beside.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    folder.mkdir(exist_ok=True)


def _prepared(beside: Path, training: str) -> Path:
    """The folder that the main process has made; a launch on CPUs alone has no barrier yet."""
    give_up = time.monotonic() + SEEN_S
    while True:
        found = max(beside.glob(f"{training}.*"), key=_times_taken, default=None)
        if found is not None:
            return found
        if time.monotonic() > give_up:
            raise SamiEvalError(f"no process of this launch has made a folder in `{beside}`")
        time.sleep(0.05)


def _times_taken(folder: Path) -> int:
    number = folder.name.rpartition(".")[2]
    return int(number) if number.isdecimal() else 0


def _take_place(folder: Path, out: Path, old: Path) -> None:
    try:
        if out.exists():
            os.replace(out, old)
        os.replace(folder, out)
    except OSError as error:
        if not folder.is_dir():
            raise
        raise disk_error(out, error) from error
    if old.exists():
        earlier.keep(old, out)


def _taken_over(out: Path) -> SamiEvalError:
    return SamiEvalError(
        f"another process has taken over the training of `{out}`: this one was stopped too long",
        "leave it to the other, or end that and run the same command again: it resumes",
    )


def _leave(folder: Path, beside: Path, keep: bool) -> None:
    """Nothing stays behind a training that ended but a checkpoint to go on from."""
    if not (keep and (folder / CHECKPOINTS).exists()):
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # it is not empty
        beside.rmdir()
