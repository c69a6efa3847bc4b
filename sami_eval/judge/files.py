"""`judges/*.toml` -> Judge: found by name or path, every field checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypedDict

from sami_eval.core.described import Says
from sami_eval.core.errors import UsageError, did_you_mean
from sami_eval.core.files import Toml, bundled, read_toml
from sami_eval.core.request_fields import MOST_THOUGHTS, read_request
from sami_eval.core.settings import Temperature
from sami_eval.core.shape import MisfitError, Whole, Within, fit
from sami_eval.core.types import Judge
from sami_eval.judge import grades
from sami_eval.judge.logprobs import DEFAULT_TOKENS, MOST, default_patterns, word
from sami_eval.judge.patterns import HINT, fault
from sami_eval.judge.program import HINT as PROGRAM
from sami_eval.judge.program import source_of
from sami_eval.judge.templates import (
    EXPLAINED,
    check_known,
    read_sections,
    read_templates,
    table_of,
)
from sami_eval.ledger.store import key

MOST_TOKENS = 10**6
KINDS = ("pairwise", "single", "program", "reward")
VERDICTS = {"pairwise": ("a", "b", "tie"), "single": ("rating",)}
_ABOUT = ("name", "description", "kind")
_RUN: Mapping[str, tuple[str, ...]] = {
    "program": ("principles", "program"),
    "reward": ("model", "label"),
}
_ASKED = ("principles", "model", "temperature", "max_tokens", "thoughts", "system")
_TABLES = ("templates", "sections", "patterns", "weights", "request")
_WEIGHTED = ("logprobs", "top_logprobs", "tokens")


def bundled_dir() -> Path:
    """The folder of our own judges."""
    return bundled("judges")


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
        hint = f"{did_you_mean(name_or_path, files)}; sami-eval ls judges"
        raise UsageError(f"no judge `{name_or_path}`", hint)
    return _read(files[name_or_path])


def replaced(judge: Judge, asked: str) -> str | None:
    """What to say where a file of the current folder stands in for our judge of that name."""
    found, own = Path(judge.source), bundled_dir() / f"{asked}.toml"
    if not own.is_file() or found.resolve() == own.resolve() or asked != found.stem:
        return None
    return f"judge `{asked}`: {found} is used, not the one that comes with sami-eval"


_Words = Annotated[str, Whole("a text", filled=True)]
_TEXTS = ("name", "description", "model", "system", "label")
_HINTS = {
    "temperature": "a number from 0 to 2",
    "max_tokens": f"a whole number from 1 to {MOST_TOKENS:,}",
    "thoughts": f"a whole number of tokens from 0 to {MOST_THOUGHTS:,}",
    "top_logprobs": f"a whole number from 1 to {MOST}",
    **{name: f"write {name} = true or {name} = false" for name in ("principles", "logprobs")},
    **{name: f'write {name} = "..."' for name in _TEXTS},
    "program": PROGRAM,
}


class _Row(TypedDict, total=False):
    """What a judge file says beside its tables."""

    name: _Words
    description: _Words
    kind: Annotated[_Words, Says("pairwise, single, program or reward.", "pairwise")]
    principles: Annotated[bool, Says("Templates show {constitution}.", False)]
    program: _Words
    model: _Words
    temperature: Temperature
    max_tokens: Annotated[int, Within(least=1, most=MOST_TOKENS)]
    thoughts: Annotated[int, Within(least=0, most=MOST_THOUGHTS)]
    system: _Words
    logprobs: bool
    top_logprobs: Annotated[int, Within(least=1, most=MOST)]
    label: _Words


_Templates = TypedDict(
    "_Templates",
    {
        "one": str,
        "two": str,
        "more": str,
        "one-reference": str,
        "two-reference": str,
        "more-reference": str,
    },
    total=False,
)


class _Sections(TypedDict, total=False):
    history: str
    checklist: str


class _Tokens(TypedDict):
    a: tuple[str, ...]
    b: tuple[str, ...]


class JudgeKeys(_Row, total=False):
    """All that a judge file may say; its tables are read by `_read`."""

    templates: _Templates
    sections: _Sections
    patterns: Mapping[str, tuple[str, ...]]
    weights: Mapping[str, int]
    tokens: _Tokens
    request: Mapping[str, Any]


def _read(path: Path) -> Judge:
    if not path.exists():
        raise UsageError(f"no judge file `{path}`", "sami-eval ls judges")
    file = read_toml(path, EXPLAINED)
    row, kind = _row(file), _kind(file)
    asked = _RUN.get(kind, (*_ASKED, *_TABLES, *_WEIGHTED))
    check_known(file, file.data, (*_ABOUT, *asked))
    if row.get("name", path.stem) != path.stem:
        hint = f'write name = "{path.stem}"'
        file.bad(("name",), f"`{row['name']}` lies in `{path.name}`", hint)
    about: dict[str, Any] = {
        "name": path.stem,
        "kind": kind,
        "description": row.get("description", ""),
        "principles": row.get("principles", False),
        "source": str(path),
    }
    if kind == "program":
        sha256 = source_of(file)
        return Judge(**_NOT_ASKED, **about, sha256=sha256, program=file.data["program"])
    if kind == "reward":
        own = {"model": row.get("model"), "label": row.get("label")}
        return Judge(**{**_NOT_ASKED, **about, **own}, sha256=key("judge", kind))
    return Judge(**about, **_asked(file, row, kind, about["principles"]))


def _row(file: Toml) -> _Row:
    try:
        return fit(file.data, _Row)
    except MisfitError as error:
        hint = _HINTS.get(error.name, EXPLAINED)
        file.bad(error.path, f"`{error.name}` is {error.what}", hint)


def _kind(file: Toml) -> str:
    kind = file.data.get("kind")
    if kind not in KINDS:
        said = "missing" if kind is None else f"`{kind}`"
        file.bad(("kind",), f"`kind` is {said}", f"one of: {', '.join(KINDS)}")
    return str(kind)


_NOT_ASKED: dict[str, Any] = {
    "model": None,
    "system": "",
    "templates": {},
    "patterns": {},
    "temperature": 0.0,
    "max_tokens": 0,
}


def _asked(file: Toml, row: _Row, kind: str, principles: bool) -> dict[str, Any]:
    """The fields of a judge that is a language model."""
    weighted = _weighted(file, row, kind)
    system, temperature = row.get("system", "").strip(), float(row.get("temperature", 0.0))
    templates, sections = read_templates(file, kind, principles), read_sections(file)
    max_tokens = row.get("max_tokens", 1 if weighted else 2048)
    request = read_request(file, file.data.get("request", {}), ("request",))
    asked = (kind, system, templates, temperature, max_tokens)
    said: list[tuple[str, object]] = [("request", request)] if request else []
    said += [("thoughts", row["thoughts"])] if "thoughts" in row else []
    said += [("sections", sections)] if sections else []
    return {
        "model": row.get("model"),
        "system": system,
        "templates": templates,
        "sections": sections,
        "patterns": (patterns := _patterns(file, kind, weighted.get("tokens"))),
        "weights": grades.weights(file, patterns),
        "temperature": temperature,
        "max_tokens": max_tokens,
        "request": request,
        "thoughts": row.get("thoughts"),
        "sha256": key("judge", *asked, *([weighted["top_logprobs"]] if weighted else ()), *said),
        **weighted,
    }


def _weighted(file: Toml, row: _Row, kind: str) -> dict[str, Any]:
    """The fields of a judge whose verdict is the probability of its token; empty for others."""
    if not row.get("logprobs", False):
        for name in _WEIGHTED[1:]:
            if name in file.data:
                hint = "write logprobs = true above it"
                file.bad((name,), f"`{name}` without `logprobs`", hint)
        return {}
    if kind != "pairwise":
        said = f"`logprobs` for a judge of kind `{kind}`"
        file.bad(("logprobs",), said, "it compares: pairwise")
    tokens = _tokens(file) if "tokens" in file.data else DEFAULT_TOKENS
    return {"tokens": tokens, "top_logprobs": row.get("top_logprobs", MOST)}


def _tokens(file: Toml) -> dict[str, tuple[str, ...]]:
    table, hint = table_of(file, "tokens"), 'write a = ["A"] and b = ["B"]'
    check_known(file, table, ("a", "b"), "tokens")
    found: dict[str, tuple[str, ...]] = {}
    for name in ("a", "b"):
        value = _texts(file, table, ("tokens", name), hint)
        for text in value:
            if not word(text) or word(text) in found.get("a", ()):
                said = f"`{text}` is no token of this verdict alone"
                file.bad(("tokens", name), said, hint)
        found[name] = tuple(map(word, value))
    return found


def _texts(file: Toml, table: Mapping[str, Any], at: tuple[str, str], hint: str) -> tuple[str, ...]:
    """The list of texts a table has under a name."""
    value, field = table.get(at[1]), ".".join(at)
    if value is None:
        file.bad(at[:1], f"`{field}` is missing", hint)
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        file.bad(at, f"`{field}` is `{value!r}`", hint)
    return tuple(value)


def _patterns(
    file: Toml, kind: str, tokens: Mapping[str, tuple[str, ...]] | None
) -> dict[str, tuple[str, ...]]:
    """The regular expressions of every verdict of this kind; a rating's has one group.

    tokens: of a judge that gives its verdict by them: it can do without, and without a tie. A
        reply that is nothing but the token is a verdict besides.
    """
    bare = default_patterns(tokens or {})
    if tokens and "patterns" not in file.data:
        return bare
    table = table_of(file, "patterns")
    graded = kind == "pairwise" and grades.are_in(file, table, bool(tokens))
    verdicts = tuple(grades.GRADED) if graded else VERDICTS[kind]
    check_known(file, table, verdicts, "patterns")
    needed = [name for name in verdicts if name in table or not (tokens and name == "tie")]
    return {
        name: _expressions(file, table, name, bool(tokens)) + bare.get(name, ()) for name in needed
    }


def _expressions(
    file: Toml, table: Mapping[str, Any], name: str, bare_letters: bool
) -> tuple[str, ...]:
    at = ("patterns", name)
    texts = _texts(file, table, at, "write a list of regular expressions")
    for text in texts:
        if wrong := fault(text, bare_letters or name == "rating"):
            file.bad(at, f"`{text}` {wrong}", HINT)
        if name == "rating" and (n := re.compile(text).groups) != 1:
            file.bad(at, f"`{text}` has {n} groups", "one group: the number")
    return texts
