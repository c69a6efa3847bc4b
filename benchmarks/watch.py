"""What a command and all its processes have spent of the processor, at any moment of its run."""

from __future__ import annotations

import threading
import time

LOOK_S = 0.1


class Watch:
    """CPU seconds of a process and its descendants, looked at again and again."""

    def __init__(self, pid: int) -> None:
        import psutil  # vLLM brings it

        self._gone, self._root = psutil.Error, psutil.Process(pid)
        self._of: dict[int, float] = {}  # what each had spent when last seen, ended ones too
        self.seen = [(time.time(), 0.0)]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def _live(self) -> None:
        while not self._ended.wait(LOOK_S):
            try:
                for one in (self._root, *self._root.children(recursive=True)):
                    self._of[one.pid] = sum(one.cpu_times()[:2])
            except self._gone:
                continue
            self.seen.append((time.time(), sum(self._of.values())))

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def spent(self, start: float, end: float) -> float:
        """Between two moments of the clock."""
        at = [
            max((cpu for when, cpu in self.seen if when <= one), default=0.0)
            for one in (start, end)
        ]
        return at[1] - at[0]
