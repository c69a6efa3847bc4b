"""A user's files of text, JSON and TOML: read whole, or refused with the file and the line."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from sami_eval.core.errors import UsageError
from sami_eval.core.errors import shown as shown


def bundled(folder: str) -> Path:
    """A folder of files of ours by its name: inside the package in a wheel, beside it else."""
    package = Path(__file__).resolve().parents[1]
    inside = package / folder
    return inside if inside.is_dir() else package.parent / folder


def named(folder: str, spec: Path | str) -> Path:
    """A file of ours by its name, without the ending; else the path itself."""
    path = Path(spec).expanduser()
    ours = [one for one in bundled(folder).iterdir() if one.stem == str(path)]
    return ours[0] if ours and not path.is_file() else path


def read_text(path: Path, hint: str) -> str:
    """A file's text. Raises UsageError where there is none, or where it is not UTF-8.

    A byte-order mark, which some editors write, is no part of it.
    """
    with _readable(path, hint):
        return path.read_text(encoding="utf-8-sig")


def lines_of(path: Path, hint: str) -> Iterator[str]:
    """The lines of `read_text`, of which no more than one is held at a time."""
    with _readable(path, hint), path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise _not_utf_8(path, number) from None
            # A line may end as Windows ends it, or as old Macs did.
            yield from text.removesuffix("\n").removesuffix("\r").split("\r")


def _not_utf_8(path: Path, line: int) -> UsageError:
    how = "save it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE, or `Save as` of an editor"
    return UsageError("not UTF-8 text", how, f"{path}:{line}")


@contextmanager
def _readable(path: Path, hint: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UsageError(f"no file `{path}`", hint) from None
    except UnicodeDecodeError as error:
        raise _not_utf_8(path, error.object[: error.start].count(b"\n") + 1) from None
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {error.strerror}", hint) from None
    except ValueError as error:  # a name with a null byte
        raise UsageError(f"cannot read `{str(path)!r}`: {error}", hint) from None


class _TwiceError(ValueError):
    """A field that an object holds twice: JSON would keep the last without a word."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise _TwiceError(twice)
    return row


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)  # made once: a file has many lines


def parse_json(text: str, hint: str, path: Path, line: int | None = None) -> Any:
    """JSON in a file; line: where it stands alone on one, else the parser counts.

    Raises UsageError for what is no JSON, and for a field that an object holds twice. Half a
    surrogate pair, which no file could be written with, becomes a question mark.
    """
    where = f"{path}:{line}" if line else str(path)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = where if line else f"{path}:{error.lineno}"
        raise UsageError(f"not JSON: {error.msg}", hint, where) from None
    except _TwiceError as error:
        again = [m.start() for m in re.finditer(rf'"{re.escape(str(error))}"\s*:', text)][1:2]
        where = where if line else f"{path}:{text.count(chr(10), 0, *again) + 1}"
        raise UsageError(f"`{error}` occurs twice in one object", "remove one", where) from None
    except RecursionError:
        raise UsageError("not JSON: nested too deeply", hint, where) from None
    except ValueError:  # Python reads no number of more than some thousand digits
        raise UsageError("not JSON: a number is too long", hint, where) from None
    if "\\ud" in text or "\\uD" in text:
        value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return value


def read_json(path: Path, hint: str) -> Any:
    """The JSON of a whole file."""
    return parse_json(read_text(path, hint), hint, path)


@dataclass(frozen=True, slots=True)
class Toml:
    """A TOML file and what it holds; knows on which line a field stands.

    line: where it begins, of a table that is looked at as a file of its own.
    """

    path: Path
    text: str
    data: dict[str, Any]
    line: int | None = None

    def where(self, names: Sequence[str], number: int = 1) -> str:
        """ "FILE:LINE" of a field by its tables' names, the file's where it is not to be found.

        number: which one of several [[tables]] of that name.
        """
        *tables, name = names
        at = _end_of_header(self.text, tables, number) if tables else 0
        if at is None:  # its table has no header of its own; the field may be a table that has
            at = _end_of_header(self.text, names, number)
            return self._whole if at is None else self._at(at)
        body = self.text[at:]
        following = re.search(r"^[ \t]*\[", body, re.M)
        own = body[: following.start()] if following else body
        field = re.search(rf"^[ \t]*{_quoted(name)}[ \t]*[.=]", own, re.M)
        if field is None:  # missing, or a table itself
            start = _end_of_header(self.text, names, number)
            start = at if start is None and tables else start
            return self._whole if start is None else self._at(start)
        return self._at(at + field.start())

    def table(self, names: Sequence[str], data: dict[str, Any], number: int = 1) -> Toml:
        """A table as a file of its own, its fields' lines still counted in this one.

        number: which one of several [[tables]] of that name. data: what it holds.
        """
        begin = _end_of_header(self.text, names, number)
        if begin is None:  # written in one line, as a value
            line = self.where(names).removeprefix(f"{self.path}:")
            return Toml(self.path, "", data, int(line) if line.isdigit() else self.line)
        dotted = r"[ \t]*\.[ \t]*".join(map(_quoted, names))
        body = self.text[begin:]
        ends = re.search(rf"^[ \t]*\[(?!\[?[ \t]*{dotted}[ \t]*\.)", body, re.M)
        own = body[: ends.start()] if ends else body
        own = re.sub(rf"^([ \t]*\[{{1,2}}[ \t]*){dotted}[ \t]*\.", r"\1", own, flags=re.M)
        n_lines = self.text.count("\n", 0, begin)
        return Toml(self.path, "\n" * n_lines + own, data, n_lines + 1)

    @property
    def _whole(self) -> str:
        return f"{self.path}:{self.line}" if self.line else str(self.path)

    def _at(self, position: int) -> str:
        return f"{self.path}:{self.text.count(chr(10), 0, position) + 1}"

    def bad(self, names: Sequence[str], message: str, hint: str, number: int = 1) -> NoReturn:
        """Raise UsageError at a field's line."""
        raise UsageError(message, hint, self.where(names, number))


def _quoted(name: str) -> str:
    return rf"[\"']?{re.escape(name)}[\"']?"


def _end_of_header(text: str, tables: Sequence[str], number: int) -> int | None:
    """Where the header of a table ends; the number-th of several."""
    dotted = r"[ \t]*\.[ \t]*".join(map(_quoted, tables))
    headers = re.finditer(rf"^[ \t]*\[{{1,2}}[ \t]*{dotted}[ \t]*\]", text, re.M)
    found = [header.end() for header in headers]
    return found[number - 1] if len(found) >= number else None


def read_toml(path: Path, hint: str) -> Toml:
    """A TOML file. Raises UsageError with file and line for what is none."""
    text = read_text(path, hint)
    try:
        return Toml(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise UsageError(f"not TOML: {error}", hint, f"{path}:{line}") from None
    except RecursionError:
        raise UsageError("not TOML: nested too deeply", hint, str(path)) from None
    except ValueError:  # Python reads no number of more than some thousand digits
        raise UsageError("not TOML: a number is too long", hint, str(path)) from None
