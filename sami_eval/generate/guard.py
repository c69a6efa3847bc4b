"""Runs a command that is to end with whoever asked for it, however that one ends.

    python guard.py COMMAND ...

Whoever asks holds the other end of our stdin and writes nothing: an end, by SIGKILL too, closes it.
The command and all that it has started is then ended. A script: it imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

LOOK_EVERY_S = 0.25
GRACE_S = 10.0


def _is_left(owner: int) -> bool:
    """Whether whoever asked is gone; a fork of it may hold the pipe open."""
    return bool(select.select([sys.stdin], [], [], LOOK_EVERY_S)[0]) or os.getppid() != owner


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ask the command to end, then end it and all that it has started."""
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(GRACE_S)
    until = time.monotonic() + GRACE_S
    while _has_members(server.pid) and time.monotonic() < until:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.poll()
        time.sleep(LOOK_EVERY_S / 5)


def main() -> None:
    """Run the command in a group of its own; exit with its code."""
    owner = os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # What ends us would leave the command alone. A handler, since children inherit SIG_IGN.
        signal.signal(number, lambda *_: None)
    server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        while server.poll() is None and not _is_left(owner):
            pass
    finally:
        _end(server)
    code = server.wait()
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
