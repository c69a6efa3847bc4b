"""What long work shows while it runs: a rich bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from sami_eval.core.terminal import console, trusted, visible

Advance = Callable[[int], None]
Note = Callable[[], str]
LINE_EVERY_S = 5.0
REDRAW_EVERY_S = 0.25  # a bar takes some 2 ms: ten times a second would be 2% of a core
GROUND, GROUND_S = 0.05, 2.0  # of a stage, and seconds: what a time left is reckoned from


class Progress(Protocol):
    """Shows how far a stage is."""

    def track(
        self, description: str, total: int, note: Note | None = None
    ) -> AbstractContextManager[Advance]:
        """Show a stage of `total` steps; the value given counts steps done.

        note: what else to show, asked for whenever something is shown.
        """

    def say(self, text: str) -> None:
        """Print one line for the user."""


class _Silent:
    @contextmanager
    def track(self, description: str, total: int, note: Note | None = None) -> Iterator[Advance]:
        yield lambda n: None

    def say(self, text: str) -> None:
        pass


class _Pace:
    """How far a stage is, and how fast it goes from its first steps on: before them, models load.

    What was stored is done in one first step, and no ground for a pace either.
    """

    def __init__(self, total: int) -> None:
        self.start, self.done, self._total = time.monotonic(), 0, total
        self._from: tuple[float, int] | None = None

    def advance(self, n: int) -> float:
        """Count steps done; the time."""
        now = time.monotonic()
        self.done += n
        self._from = self._from or (now, self.done)
        return now

    def left(self) -> str:
        """ ", 31 s left"; nothing while there is no ground to say it on."""
        if self._from is None:
            return ""
        took, done = time.monotonic() - self._from[0], self.done - self._from[1]
        if took < GROUND_S or done < GROUND * self._total:
            return ""
        return f", {took / done * (self._total - self.done):.0f} s left"


class _Lines:
    """For pipes and log files: one line every few seconds, one at the end."""

    def say(self, text: str) -> None:
        print(visible(text), file=sys.stderr, flush=True)

    @contextmanager
    def track(self, description: str, total: int, note: Note | None = None) -> Iterator[Advance]:
        pace = _Pace(total)
        shown = pace.start

        def advance(n: int) -> None:
            nonlocal shown
            now = pace.advance(n)
            if now - shown >= LINE_EVERY_S and pace.done < total:
                shown = now
                self.say(f"{description}  {pace.done}/{total}{pace.left()}{_noted(note)}")

        yield advance
        took = time.monotonic() - pace.start
        self.say(f"{description}  {pace.done}/{total} in {took:.1f} s{_noted(note)}")


def _noted(note: Note | None) -> str:
    said = note() if note else ""
    return f", {said}" if said else ""


class _Bars:
    """For a terminal: one rich bar a stage, with rate and time left."""

    def __init__(self) -> None:
        self._console = console(trusted(sys.stderr))

    def say(self, text: str) -> None:
        self._console.print(visible(text))

    @contextmanager
    def track(self, description: str, total: int, note: Note | None = None) -> Iterator[Advance]:
        from rich import progress

        columns = (
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=24),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[note]}", markup=False),
        )
        # What others write meanwhile passes through our own stream, which shows it.
        with progress.Progress(
            *columns,
            console=self._console,
            redirect_stdout=False,
            redirect_stderr=False,
            refresh_per_second=1 / REDRAW_EVERY_S,
        ) as bars:
            task = bars.add_task(description, total=total, note="")

            def advance(n: int) -> None:
                bars.update(task, advance=n, note=note() if note else "")

            yield advance


class _Cell:
    """For a notebook: one output, written over; what was said, and a bar for each open stage."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._open: dict[object, tuple[str, int, int]] = {}
        self._handle: Any = None
        self._drawn = 0.0

    def say(self, text: str) -> None:
        self._said.append(text)
        self._draw()

    @contextmanager
    def track(self, description: str, total: int, note: Note | None = None) -> Iterator[Advance]:
        pace, stage = _Pace(total), object()

        def advance(n: int) -> None:
            now = pace.advance(n)
            text = f"{description} {pace.done:,}/{total:,}{pace.left()}{_noted(note)}"
            self._open[stage] = text, pace.done, total
            if now - self._drawn >= REDRAW_EVERY_S:
                self._draw()

        try:
            yield advance
        finally:  # a stage that is interrupted says how far it came
            self._open.pop(stage, None)
            took = time.monotonic() - pace.start
            self.say(f"{description} {pace.done:,}/{total:,} in {took:.1f} s{_noted(note)}")

    def _draw(self) -> None:
        from IPython.display import display

        self._drawn = time.monotonic()
        bars = list(self._open.values())
        texts = [*self._said, *(text for text, _, _ in bars)]
        lines = [_in_html(text) for text in self._said]
        lines += [f"{_in_html(text)} {_BAR.format(done, total)}" for text, done, total in bars]
        shown = {"text/plain": visible("\n".join(texts)), "text/html": "<br>".join(lines)}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(shown, raw=True)


_BAR = '<progress value="{}" max="{}" style="vertical-align:middle"></progress>'


def _in_html(text: str) -> str:
    return html.escape(visible(text))


def silent() -> Progress:
    """Shows nothing."""
    return _Silent()


def terminal(quiet: bool = False) -> Progress:
    """Bars where stderr is a terminal, lines where it is not, nothing when quiet."""
    if quiet:
        return _Silent()
    return _Bars() if sys.stderr.isatty() else _Lines()


def from_python() -> Progress:
    """One output written over in a notebook, bars in IPython on a terminal, nothing in a script."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    if shell is None:
        return _Silent()
    return _Cell() if hasattr(shell, "kernel") else terminal()
