"""`judges/*.toml` -> Judge: found by name or path, every field checked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from sami_eval.core.errors import UsageError
from sami_eval.core.files import read_toml
from sami_eval.core.types import Judge
from sami_eval.judge.logprobs import DEFAULT_TOKENS, MOST, default_patterns, word
from sami_eval.judge.patterns import HINT, fault
from sami_eval.judge.rendering import placeholders
from sami_eval.ledger.store import key

KINDS = ("pairwise", "single", "rules")
VERDICTS = {"pairwise": ("a", "b", "tie"), "single": ("rating",)}
_ABOUT = ("name", "description", "kind", "principles")
_ASKED = ("model", "temperature", "max_tokens", "system", "templates", "patterns")
_WEIGHTED = ("logprobs", "top_logprobs", "tokens")
_TURN_1, _TURN_2 = ("question",), ("question_1", "question_2")
_ANSWERS = {
    "pairwise": (
        ("answer_a", "answer_b"),
        ("answer_a_1", "answer_a_2", "answer_b_1", "answer_b_2"),
    ),
    "single": (("answer",), ("answer_1", "answer_2")),
}
_REFERENCES = (("ref_answer_1",), ("ref_answer_1", "ref_answer_2"))
_EXPLAINED = "docs/judges.md shows a whole judge file"


def bundled_dir() -> Path:
    """The folder of our own judges: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "judges"
    return inside if inside.is_dir() else package.parent / "judges"


def judges_dirs() -> tuple[Path, ...]:
    """The folders judges are found in, the user's own `./judges` first."""
    here, own = Path("judges"), bundled_dir()
    return (here, own) if here.is_dir() and here.resolve() != own else (own,)


def judge_files() -> dict[str, Path]:
    """Every judge's file by its name; the first folder wins."""
    files: dict[str, Path] = {}
    for folder in judges_dirs():
        for path in sorted(folder.glob("*.toml")):
            files.setdefault(path.stem, path)
    return files


def listing() -> list[tuple[str, str, str, str]]:
    """Name, kind, description and file of every judge; of an unreadable one, what is wrong."""
    rows: list[tuple[str, str, str, str]] = []
    for name, path in judge_files().items():
        try:
            judge = _read(path)
            rows.append((name, judge.kind, judge.description, str(path)))
        except UsageError as error:
            rows.append((name, "?", error.message, error.where or str(path)))
    return rows


def read_judge(name_or_path: str) -> Judge:
    """The judge of this name, or in this file. Raises UsageError for a file with a bad field."""
    if name_or_path.endswith(".toml") or "/" in name_or_path:
        return _read(Path(name_or_path))
    files = judge_files()
    if name_or_path not in files:
        hint = f"{_did_you_mean(name_or_path, files)}; sami-eval ls judges"
        raise UsageError(f"no judge `{name_or_path}`", hint)
    return _read(files[name_or_path])


def replaced(judge: Judge, asked: str) -> str | None:
    """What to say where a file of the current folder stands in for our judge of that name."""
    found, own = Path(judge.source), bundled_dir() / f"{asked}.toml"
    if not own.is_file() or found.resolve() == own.resolve() or asked != found.stem:
        return None
    return f"judge `{asked}`: {found} is used, not the one that comes with sami-eval"


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean `{close[0]}`?" if close else f"known: {', '.join(known)}"


@dataclass(frozen=True, slots=True)
class _File:
    """A judge file being checked: knows on which line a field stands."""

    path: Path
    text: str

    def bad(self, field: str, message: str, hint: str = _EXPLAINED) -> NoReturn:
        """Raise UsageError at the field's line."""
        *table, name = field.split(".")
        text = self.text
        start = re.search(rf"^\s*\[\s*{table[0]}\s*\]", text, re.M) if table else None
        at = start.end() if start else 0
        quoted = rf"[\"']?{re.escape(name)}[\"']?"
        found = re.compile(rf"^[ \t]*(?:{quoted}\s*=|\[\s*{quoted}\s*\])", re.M).search(text, at)
        line = text.count("\n", 0, found.start()) + 1 if found else None
        raise UsageError(message, hint, f"{self.path}:{line}" if line else str(self.path))

    def known(self, row: Mapping[str, object], names: tuple[str, ...], table: str = "") -> None:
        """Refuse a field that is none of the names."""
        for name in row:
            if name not in names:
                field = f"{table}.{name}" if table else name
                self.bad(field, f"unknown field `{field}`", _did_you_mean(name, names))


def _read(path: Path) -> Judge:
    file, data = _load(path)
    kind = _one_of(file, data, "kind", KINDS)
    file.known(data, _ABOUT if kind == "rules" else (*_ABOUT, *_ASKED, *_WEIGHTED))
    name = _text(file, data, "name", default=path.stem)
    if name != path.stem:
        file.bad("name", f"`{name}` lies in `{path.name}`", f'write name = "{path.stem}"')
    about: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "description": _text(file, data, "description", default=""),
        "principles": _flag(file, data, "principles"),
        "source": str(path),
    }
    if kind == "rules":
        return Judge(**_NOT_ASKED, **about, sha256=key("judge", kind, name))
    return Judge(**about, **_asked(file, data, kind, about["principles"]))


_NOT_ASKED: dict[str, Any] = {
    "model": None,
    "system": "",
    "templates": {},
    "patterns": {},
    "temperature": 0.0,
    "max_tokens": 0,
}


def _load(path: Path) -> tuple[_File, dict[str, Any]]:
    if not path.exists():
        raise UsageError(f"no judge file `{path}`", "sami-eval ls judges")
    file = read_toml(path, _EXPLAINED)
    return _File(path, file.text), file.data


def _asked(file: _File, data: Mapping[str, Any], kind: str, principles: bool) -> dict[str, Any]:
    """The fields of a judge that is a language model."""
    weighted = _weighted(file, data, kind)
    system = _text(file, data, "system", default="").strip()
    templates = _templates(file, data, kind, principles)
    temperature = _number(file, data, "temperature", 0.0, 0, 2)
    max_tokens = _whole(file, data, "max_tokens", 1 if weighted else 2048, 10**6)
    asked = (kind, system, templates, temperature, max_tokens)
    return {
        "model": _text(file, data, "model", default="") or None,
        "system": system,
        "templates": templates,
        "patterns": _patterns(file, data, kind, weighted.get("tokens")),
        "temperature": temperature,
        "max_tokens": max_tokens,
        "sha256": key("judge", *asked, *([weighted["top_logprobs"]] if weighted else ())),
        **weighted,
    }


def _weighted(file: _File, data: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The fields of a judge whose verdict is the probability of its token; empty for others."""
    if not _flag(file, data, "logprobs"):
        for name in _WEIGHTED[1:]:
            if name in data:
                file.bad(name, f"`{name}` without `logprobs`", "write logprobs = true above it")
        return {}
    if kind != "pairwise":
        file.bad("logprobs", f"`logprobs` for a judge of kind `{kind}`", "it compares: pairwise")
    tokens = _tokens(file, data) if "tokens" in data else DEFAULT_TOKENS
    return {"tokens": tokens, "top_logprobs": _whole(file, data, "top_logprobs", MOST, MOST)}


def _tokens(file: _File, data: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    table, hint = _table(file, data, "tokens"), 'write a = ["A"] and b = ["B"]'
    file.known(table, ("a", "b"), "tokens")
    found: dict[str, tuple[str, ...]] = {}
    for name in ("a", "b"):
        field, value = f"tokens.{name}", table.get(name)
        if value is None:
            file.bad("tokens", f"`{field}` is missing", hint)
        if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
            file.bad(field, f"`{field}` is `{value!r}`", hint)
        for text in value:
            if not word(text) or word(text) in found.get("a", ()):
                file.bad(field, f"`{text}` is no token of this verdict alone", hint)
        found[name] = tuple(map(word, value))
    return found


def _one_of(file: _File, row: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str:
    value = _text(file, row, name)
    if value not in known:
        file.bad(name, f"`{name}` is `{value}`", f"one of: {', '.join(known)}")
    return value


def _text(file: _File, row: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = row.get(name, default)
    if value is None:
        file.bad(name, f"`{name}` is missing")
    if not isinstance(value, str) or (name in row and not value.strip()):
        file.bad(name, f"`{name}` is `{value!r}`, not a text", f'write {name} = "..."')
    return value


def _flag(file: _File, row: Mapping[str, Any], name: str) -> bool:
    value = row.get(name, False)
    if not isinstance(value, bool):
        file.bad(name, f"`{name}` is `{value!r}`", f"write {name} = true or {name} = false")
    return value


def _number(
    file: _File, row: Mapping[str, Any], name: str, default: float, low: float, high: float
) -> float:
    value = row.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        file.bad(name, f"`{name}` is `{value!r}`", f"a number from {low} to {high}")
    return float(value)


def _whole(file: _File, row: Mapping[str, Any], name: str, default: int, high: int) -> int:
    value = _number(file, row, name, default, 1, high)
    if value != int(value):
        file.bad(name, f"`{name}` is `{value}`", "a whole number")
    return int(value)


def _table(file: _File, row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = row.get(name)
    if not isinstance(value, dict):
        file.bad(name, f"`[{name}]` is missing" if value is None else f"`{name}` is no table")
    return value


def needed_placeholders(kind: str, principles: bool) -> dict[str, set[str]]:
    """What each template of a kind of judge must show, and may."""
    one, two = (
        {*question, *answers, *(("constitution",) if principles else ())}
        for question, answers in zip((_TURN_1, _TURN_2), _ANSWERS[kind], strict=True)
    )
    return {
        "one": one,
        "two": two,
        "one-reference": one.union(_REFERENCES[0]),
        "two-reference": two.union(_REFERENCES[1]),
    }


def _templates(file: _File, data: Mapping[str, Any], kind: str, principles: bool) -> dict[str, str]:
    """The templates, each with the placeholders it cannot do without and no others."""
    needed = needed_placeholders(kind, principles)
    table = _table(file, data, "templates")
    file.known(table, tuple(needed), "templates")
    for name in ("one", "two"):
        if name not in table:
            file.bad("templates", f"`templates.{name}` is missing")
    return {name: _template(file, name, table[name], needed[name]) for name in table}


def _template(file: _File, name: str, text: object, needed: set[str]) -> str:
    field = f"templates.{name}"
    if not isinstance(text, str):
        file.bad(field, f"`{field}` is `{text!r}`, not a text")
    found = placeholders(text)
    if missing := sorted(needed - found):
        file.bad(field, f"`{field}` lacks `{{{missing[0]}}}`", "every answer must be shown")
    if unknown := sorted(found - needed):
        hint = _did_you_mean(unknown[0], sorted(needed))
        file.bad(field, f"`{field}` has an unknown `{{{unknown[0]}}}`", hint)
    return text.strip()


def _patterns(
    file: _File, data: Mapping[str, Any], kind: str, tokens: Mapping[str, tuple[str, ...]] | None
) -> dict[str, tuple[str, ...]]:
    """The regular expressions of every verdict of this kind; a rating's has one group.

    tokens: of a judge that gives its verdict by them: it can do without, and without a tie. A
        reply that is nothing but the token is a verdict besides.
    """
    bare = default_patterns(tokens or {})
    if tokens and "patterns" not in data:
        return bare
    table = _table(file, data, "patterns")
    file.known(table, VERDICTS[kind], "patterns")
    needed = [name for name in VERDICTS[kind] if name in table or not (tokens and name == "tie")]
    return {
        name: _expressions(file, f"patterns.{name}", table.get(name), bool(tokens))
        + bare.get(name, ())
        for name in needed
    }


def _expressions(file: _File, field: str, value: object, bare_letters: bool) -> tuple[str, ...]:
    if value is None:
        file.bad("patterns", f"`{field}` is missing")
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        file.bad(field, f"`{field}` is `{value!r}`", "write a list of regular expressions")
    rating = field == "patterns.rating"
    for text in value:
        if wrong := fault(text, bare_letters or rating):
            file.bad(field, f"`{text}` {wrong}", HINT)
        if rating and re.compile(text).groups != 1:
            file.bad(
                field, f"`{text}` has {re.compile(text).groups} groups", "one group: the number"
            )
    return tuple(value)
