"""Constitution files: principles in three phrasings, in our TOML or the paper's two JSON formats.

| file            | a principle                                                         |
|-----------------|---------------------------------------------------------------------|
| TOML            | [[principle]] id, categories, weak, strong, antithesis, check       |
| JSON, MT-Bench  | "ID": {weak, strong, antithesis, relevant_for: [category, ...]}     |
| JSON, math      | "ID": {definition, paraphrases: [...], paraphrases_antithesis: ...} |

A principle without categories, as all in the math format, is relevant for every prompt. A `check`,
which a principle may do without, says how a program finds it met (`data/checks.py`). The folders
`./constitutions/` and ours are the registry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sami_eval.core.errors import UsageError, shown
from sami_eval.core.files import Toml, bundled, parse_json, read_text, read_toml
from sami_eval.core.records import record
from sami_eval.core.shape import Name, Text, Whole, is_name
from sami_eval.core.types import Principle
from sami_eval.data.checks import read_check

EXAMPLE = (
    'each [[principle]] needs id = "writing.1", weak = "...", strong = "...", antithesis = "..."; '
    'categories = ["writing"] where it is not for every prompt'
)
JSON_EXAMPLE = (
    '{"writing.1": {"weak": "...", "strong": "...", "antithesis": "...", "relevant_for": '
    '["writing"]}} or {"math.1": {"definition": "...", "paraphrases": ["..."], '
    '"paraphrases_antithesis": ["..."]}}'
)
EVERY = "*"
FOLDER = "constitutions"
_Texts = Annotated[tuple[Text, ...], Whole("a list of texts", filled=True)]


@dataclass(frozen=True, slots=True)
class _Table:
    id: Name
    weak: Text
    strong: Text
    antithesis: Text
    categories: Annotated[tuple[Name, ...], Whole("a list of names", filled=True)] = (EVERY,)
    check: Text | None = None


@dataclass(frozen=True, slots=True)
class ConstitutionFile:
    """A whole file of ours."""

    principle: Annotated[tuple[_Table, ...], Whole("a list of tables", filled=True)]


@dataclass(frozen=True, slots=True)
class _ByCategory:
    weak: Text
    strong: Text
    antithesis: Text
    relevant_for: _Texts


@dataclass(frozen=True, slots=True)
class _OfPhrasings:
    definition: Text
    paraphrases: _Texts
    paraphrases_antithesis: _Texts


def constitution_files() -> dict[str, Path]:
    """Every constitution's file by its name: those of `./constitutions`; a name of ours is ours."""
    folders = (Path(FOLDER), bundled(FOLDER))
    return {path.stem: path for one in folders for path in sorted(one.glob("*.toml"))}


def constitution_file(spec: Path | str) -> Path:
    """A constitution by its name, without the ending; else the path itself."""
    path = Path(spec).expanduser()
    return path if path.is_file() else constitution_files().get(str(path), path)


def read_constitution(spec: Path | str) -> tuple[Principle, ...]:
    """Principles of a file, in file order; a name that ends in .json is read as the paper's.

    spec: a file, or the name of one of `constitution_files`.
    Raises UsageError for a file that cannot be read or a principle with a bad field.
    """
    path = constitution_file(spec)
    if path.suffix == ".json":
        return _read_json(path)
    known = f"a TOML file, or one of: {', '.join(constitution_files())}"
    file = read_toml(path, EXAMPLE if path.suffix else known)
    for name in file.data:
        if name != "principle":
            file.bad((name,), f"unknown key `{name}`", EXAMPLE)
    rows = file.data.get("principle")
    if not isinstance(rows, list) or not rows:
        file.bad(("principle",), "the constitution has no `[[principle]]`", EXAMPLE)
    principles: dict[str, Principle] = {}
    for number, row in enumerate(rows, 1):
        principle = _principle(row, number, file)
        if principle.id in principles:
            said = f"principle id `{principle.id}` occurs twice"
            file.bad(("principle", "id"), said, EXAMPLE, number)
        principles[principle.id] = principle
    return tuple(principles.values())


def _principle(row: object, number: int, file: Toml) -> Principle:
    def where(field: str) -> str:
        return file.where(("principle", field) if field else ("principle",), number)

    said = f"principle {number}: "
    found = record(row, _Table, where, EXAMPLE, said)
    weak, strong, antithesis = _stripped((found.weak, found.strong, found.antithesis))
    try:
        if found.check is not None:
            read_check(found.check)
    except UsageError as error:
        said = f"principle `{found.id.strip()}`: {error.message}"
        raise UsageError(said, error.hint, where("check")) from None
    return Principle(
        found.id.strip(), found.categories, weak, strong, antithesis, check=found.check
    )


def _read_json(path: Path) -> tuple[Principle, ...]:
    text = read_text(path, JSON_EXAMPLE)
    data = parse_json(text, JSON_EXAMPLE, path)
    if not isinstance(data, dict) or not data:
        raise UsageError("not an object of principles", JSON_EXAMPLE, f"{path}:1")
    return tuple(_json_principle(name, row, text, path) for name, row in data.items())


def _json_principle(name: str, row: object, text: str, path: Path) -> Principle:
    def where(field: str) -> str:
        return _line(text, name, field, path)

    said = f"principle `{name}`: "
    if not is_name(name):
        raise UsageError(f"principle {shown(name)} needs a name", JSON_EXAMPLE, where(""))
    categories: tuple[str, ...] = (EVERY,)
    if isinstance(row, dict) and row.keys() & _OfPhrasings.__dataclass_fields__.keys():
        of = record(row, _OfPhrasings, where, JSON_EXAMPLE, said)
        strong, antitheses = _stripped(of.paraphrases), _stripped(of.paraphrases_antithesis)
        weak = of.definition
    else:
        by = record(row, _ByCategory, where, JSON_EXAMPLE, said)
        strong, antitheses = _stripped((by.strong,)), _stripped((by.antithesis,))
        weak, categories = by.weak, _stripped(by.relevant_for)
    return Principle(
        name, categories, weak.strip(), strong[0], antitheses[0], strong[1:], antitheses[1:]
    )


def _stripped(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text.strip() for text in texts)


def _line(text: str, name: str, field: str, path: Path) -> str:
    """ "FILE:LINE" of a principle, or of one of its fields where it has that."""
    found = re.search(rf'"{re.escape(name)}"\s*:', text)
    start = found.end() if found else 0
    if found and field:
        end = text.find("}", start)
        inside = re.compile(rf'"{re.escape(field)}"\s*:').search(text, start, max(end, start))
        start = inside.start() if inside else start
    return f"{path}:{text.count(chr(10), 0, start) + 1}"


def principles_for(category: str, principles: tuple[Principle, ...]) -> tuple[Principle, ...]:
    """The principles that are relevant for a prompt category."""
    return tuple(one for one in principles if {category, EVERY} & set(one.categories))
