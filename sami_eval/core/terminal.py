"""Texts of others on a terminal: shown as they are, never acted on, in any encoding.

Escapes, other control characters and the marks that turn the direction of writing round are written
out, as `\\x1b` and `\\u202e`, in a form that JSON takes for the same character. Every stream of a
command passes through here; only our own colours and progress bars go by.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_ACTED_ON = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb"
    "\ud800-\udfff]"
)
# What progress bars of libraries write by itself: back to the line's beginning, or lines up.
_BAR = re.compile(r"\r|\n*(?:\x1b\[A)+\Z")
_IN_ASCII = str.maketrans(
    {"–": "-", "—": "-", "−": "-", "·": "-", "×": "x", "≤": "<=", "≥": ">=", "…": "...", "─": "-"}
)


def visible(text: str) -> str:
    """The text with what a terminal would act on written out; tabs and line ends stay."""
    return _ACTED_ON.sub(_written_out, text.replace("\r\n", "\n"))


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x20 else f"\\u{code:04x}"


class _Shown:
    """A stream of ours that shows what it is given; trusted, it lets our own escapes through.

    lasting: goes on in silence where nobody reads any longer, as the messages of a run do.
    """

    def __init__(self, inner: TextIO, trusted: bool = False, lasting: bool = False) -> None:
        self.inner = inner
        self._trusted, self._lasting = trusted, lasting

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def write(self, text: str) -> int:
        """Write the text as it is to be seen."""
        bar = _BAR.match(text) if self._lasting and not self._trusted else None
        start = bar.end() if bar else 0
        shown = text if self._trusted else text[:start] + visible(text[start:])
        with self._for_nobody():
            self.inner.write(_encodable(shown, self.inner.encoding))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        with self._for_nobody():
            self.inner.flush()

    @contextlib.contextmanager
    def _for_nobody(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):  # closed at the other end, or at ours
            if not self._lasting:
                raise
            self.inner = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _encodable(text: str, encoding: str | None) -> str:
    """The text with what the encoding lacks written out."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return "".join(_encoded(character, encoding or "utf-8") for character in text)
    except LookupError:
        pass
    return text


def _encoded(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        units = character.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
    return character


@contextlib.contextmanager
def shown_streams() -> Iterator[None]:
    """Everything written to stdout and stderr is shown; a closed one takes all in silence."""
    before = sys.stdout, sys.stderr
    for number in (0, 1, 2):  # else the next file that is opened would be the stream
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    out, err = (stream or open(os.devnull, "w", encoding="utf-8") for stream in before)  # noqa: SIM115
    sys.stdout = cast(TextIO, _Shown(out))
    sys.stderr = cast(TextIO, _Shown(err, lasting=True))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def trusted(stream: TextIO) -> TextIO:
    """The stream for texts whose escapes are our own."""
    if isinstance(stream, _Shown):
        return cast(TextIO, _Shown(stream.inner, trusted=True, lasting=stream._lasting))
    return stream


def is_utf(stream: TextIO) -> bool:
    """Whether the stream can be written any character."""
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "").startswith("utf")


def in_ascii(text: str) -> str:
    """Our own signs of tables and intervals in plain letters, for a stream that lacks them."""
    return text.translate(_IN_ASCII)


class Paper(io.StringIO):
    """A text to be printed later, with the encoding of the stream it is for."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._of = getattr(stream, "encoding", None) or "utf-8"

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What rich chooses its lines by."""
        return self._of


def console(file: TextIO, **settings: Any) -> Console:
    """A rich console whose every text is shown, its own styles and cursor moves apart."""
    made: Console = _console_class()(
        file=file, force_jupyter=False, highlight=False, markup=False, emoji=False, **settings
    )
    return made


@cache
def _console_class() -> type[Console]:
    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment
    from rich.text import Text

    class Shown(Console):
        def render_str(self, text: str, **settings: Any) -> Text:
            return super().render_str(visible(text), **settings)

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                told = segment.control or segment.text.isprintable()
                yield segment if told else segment._replace(text=visible(segment.text))

    return Shown


def plain_text(shown: RenderableType, width: int = 80) -> str:
    """What a rich renderable says, without colour and trailing blanks, in stdout's letters."""
    paper = Paper(sys.stdout)
    console(paper, width=width, color_system=None).print(shown)
    text = "\n".join(line.rstrip() for line in paper.getvalue().rstrip("\n").split("\n"))
    return text if is_utf(sys.stdout) else in_ascii(text)
