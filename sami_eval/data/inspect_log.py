"""Logs of Inspect (inspect-ai): what every sample of a task scored, from a .eval or .json file.

A .json log is one object. A .eval log is a zip of the same in parts: header.json is the log without
its samples, summaries.json a short row a sample; of a run that was killed both are still in pieces
in _journal/. Its own reader would bring a hundred packages, and asks for other versions of ours.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypedDict
from zipfile import BadZipFile, ZipFile

from sami_eval.core.errors import UsageError
from sami_eval.core.files import parse_json, read_json
from sami_eval.core.records import record
from sami_eval.core.shape import Id, Name

HINT: Final = "a log as `inspect eval` writes it, .eval or .json, of a run whose samples are logged"
STARTED: Final = "started"  # and nobody knows whether it goes on
LONGEST = 5120  # characters of a sample's input that a summary keeps
# As Inspect's own accuracy counts what a scorer said.
GRADES: Mapping[str, float] = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
WORDS: Mapping[str, float] = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
ATTACHED: Final = "attachment://"
Scores = Mapping[str, float | None]  # by scorer; a scorer of several values is NAME.KEY


@dataclass(frozen=True, slots=True)
class Sample:
    """One epoch of one sample. asked: its input's text. failed: an error ended it: no scores."""

    id: str
    epoch: int
    asked: str
    scores: Scores
    failed: bool


@dataclass(frozen=True, slots=True)
class Log:
    """A log, its samples in order.

    status: success, error, cancelled or started. words: what scorers said that is no number.
    """

    path: Path
    task: str
    model: str
    created: str
    status: str
    samples: tuple[Sample, ...]
    words: Mapping[str, tuple[str, ...]]

    @property
    def scorers(self) -> list[str]:
        """Their names, as they come up; one that never gave a number only where it said a word."""
        names = dict.fromkeys(name for one in self.samples for name in one.scores)
        known = {n for one in self.samples for n, score in one.scores.items() if score is not None}
        return [name for name in names if name in known or name in self.words]


class _SpecMore(TypedDict, total=False):
    created: str
    config: dict[str, Any]


class _Spec(_SpecMore):
    task: Name
    model: Name


class _Header(TypedDict):
    status: str
    eval: _Spec


class _Score(TypedDict):
    value: Any


class _RowMore(TypedDict, total=False):
    scores: dict[str, _Score] | None
    error: Any
    attachments: dict[str, str]


class _Row(_RowMore):
    id: Id
    epoch: int
    input: Any


def is_log(path: Path) -> bool:
    """Whether a file is such a log: a zip by its name, or JSON that says which model was asked."""
    if path.suffix == ".eval":
        return True
    if path.suffix != ".json":
        return False
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False  # whoever reads it as something else says what is wrong
    return isinstance(data, dict) and {"status", "eval"} <= data.keys()


def read_log(path: Path) -> Log:
    """A log. Raises UsageError for what is none, and for one without samples."""
    if not path.is_file():
        raise UsageError(f"no file `{path}`", HINT)
    whole = _zipped(path) if path.suffix == ".eval" else read_json(path, HINT)
    header = record(whole, _Header, str(path), HINT)
    rows = whole.get("samples")
    if not isinstance(rows, list) or not rows:
        raise UsageError("the log holds no samples", HINT, str(path))
    words: dict[str, dict[str, None]] = {}
    on_error = bool(header["eval"].get("config", {}).get("score_on_error"))
    found: dict[tuple[str, int], Sample] = {}
    for i, row in enumerate(rows):
        read = record(row, _Row, f"{path} (sample {i + 1})", HINT)
        # A sample that was asked again stands twice: the later one counts.
        found[read["id"], read["epoch"]] = _sample(read, on_error, words)
    return Log(
        path,
        header["eval"]["task"],
        header["eval"]["model"],
        header["eval"].get("created", ""),
        header["status"],
        tuple(found.values()),
        {name: tuple(said) for name, said in words.items()},
    )


def _sample(row: _Row, on_error: bool, words: dict[str, dict[str, None]]) -> Sample:
    failed = row.get("error") is not None
    said = {} if failed and not on_error else row.get("scores") or {}
    scores: dict[str, float | None] = {}
    for name, value in _flat({name: score["value"] for name, score in said.items()}):
        scores[name] = _number(value)
        if isinstance(value, str) and scores[name] is None:
            words.setdefault(name, {})[value] = None
    asked = _text(row["input"], row.get("attachments", {}))
    return Sample(row["id"], row["epoch"], asked[:LONGEST], scores, failed)


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each value by its scorer's name, each part of a value that has several by NAME.KEY."""
    for name, value in values.items():
        parts = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(parts, dict):
            yield from ((f"{name}.{key}", part) for key, part in parts.items())
        else:
            yield name, value


def _number(value: Any) -> float | None:
    """A score as a number; None where there is none, and for NaN, by which Inspect says so."""
    if isinstance(value, str):
        known = GRADES.get(value, WORDS.get(value.lower()))
        if known is not None or not re.fullmatch(r"[+-]?[0-9.]{1,40}(e[+-]?[0-9]{1,3})?", value):
            return known
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _text(asked: Any, attached: Mapping[str, str]) -> str:
    """The text of an input, a text or messages, as far as a summary keeps it.

    attached: long texts by the address that stands for them in a message.
    """
    if not isinstance(asked, list):
        return str(asked)
    said = [one.get("content") if isinstance(one, dict) else one for one in asked]
    parts = [part for one in said for part in (one if isinstance(one, list) else [one])]
    return "\n".join(_said(part, attached)[:LONGEST] for part in parts)


def _said(part: Any, attached: Mapping[str, str]) -> str:
    if isinstance(part, dict) and part.get("type") != "text":
        return f"({str(part.get('type')).capitalize()})"
    text = str(part.get("text", "") if isinstance(part, dict) else part)
    return attached.get(text.removeprefix(ATTACHED), text)


def _zipped(path: Path) -> dict[str, Any]:
    """A .eval file as the object that a .json log is, its samples as short as they are kept."""
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdError
    else:
        import zipfile_zstd  # noqa: F401  by which zipfile reads how newer logs are packed
        from zstandard import ZstdError

    try:
        with ZipFile(path) as file:
            names = file.namelist()
            header = _part(path, file, "header.json" if "header.json" in names else None)
            rows = [_part(path, file, name) for name in _summaries(names)]
    except (BadZipFile, NotImplementedError, EOFError, OSError, ZstdError) as error:
        raise UsageError(f"not a whole log: {error}", HINT, str(path)) from None
    if not isinstance(header, dict):
        raise UsageError("a zip, but no log of Inspect", HINT, str(path))
    samples = [row for several in rows if isinstance(several, list) for row in several]
    return {"status": STARTED, **header, "samples": samples}


def _part(path: Path, file: ZipFile, name: str | None) -> Any:
    """The JSON of one part. name: None for the beginning of a log that has no end."""
    name = name or "_journal/start.json"
    if name not in file.namelist():
        return None
    text = file.read(name).decode("utf-8", "replace")
    return parse_json(text, HINT, path / name)


def _summaries(names: Sequence[str]) -> list[str]:
    """Where the samples' rows are: together, or in the pieces in which they were written."""
    if "summaries.json" in names:
        return ["summaries.json"]
    pieces = {int(m[1]): m[0] for m in map(_PIECE.fullmatch, names) if m}
    return [pieces[i] for i in sorted(pieces)]


_PIECE = re.compile(r"_journal/summaries/([0-9]{1,9})\.json")
