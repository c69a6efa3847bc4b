"""`sami-eval.toml`: named models, prices and defaults; flags win over the file.

base = "meta-llama/Llama-3.1-8B"          # what recipes like `sami` stand on
judge = "principles"
judge-model = "openai:gpt-4o"

[models.mine]                             # `sami-eval compare mine sft`
base = "meta-llama/Llama-3.1-8B"
adapter = "out/my-adapter"

[prices."gpt-4o"]                         # USD per million tokens
input = 2.5
output = 10.0
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sami_eval.files import Toml, read_toml, shown

FILE_NAME = "sami-eval.toml"
MODEL_FIELDS = ("base", "adapter", "revision", "engine", "chat_template", "base_url")
DEFAULT_FIELDS = ("base", "judge", "judge-model", "base-url", "engine", "task")
MOST_USD = 1e6  # a million tokens never cost more; a larger number is a slip


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    input: float
    output: float


@dataclass(frozen=True, slots=True)
class Config:
    """What the nearest `sami-eval.toml` says; empty without one.

    root: the folder that holds `.sami-eval/`, `adapters/` and `runs/`: the file's, else the
        current one.
    models: name -> fields of MODEL_FIELDS.
    """

    root: Path
    path: Path | None = None
    models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)

    @property
    def ledger_path(self) -> Path:
        """Where the ledger lies."""
        return self.root / ".sami-eval" / "ledger.db"


def find_config(start: Path) -> Config:
    """The nearest `sami-eval.toml` in the folder or above it, read."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return read_config(folder / FILE_NAME)
    return Config(root=start)


def read_config(path: Path) -> Config:
    """Read one file. Raises UsageError for unknown keys and wrong types."""
    file = read_toml(path, "mend the file")
    _known(file, file.data, (*DEFAULT_FIELDS, "models", "prices"))
    return Config(
        root=path.parent,
        path=path,
        models={
            name: _texts(file, row, MODEL_FIELDS, ("models", name))
            for name, row in _table(file, "models").items()
        },
        prices={
            name: _price(file, row, ("prices", name))
            for name, row in _table(file, "prices").items()
        },
        defaults=_texts(
            file, {k: v for k, v in file.data.items() if k in DEFAULT_FIELDS}, DEFAULT_FIELDS
        ),
    )


def _table(file: Toml, name: str) -> Mapping[str, Any]:
    table = file.data.get(name, {})
    if not isinstance(table, dict):
        file.bad((name,), f"`{name}` is {shown(table)}, not a table", f"write [{name}.NAME]")
    return table


def _known(
    file: Toml, row: Mapping[str, Any], fields: Sequence[str], table: tuple[str, ...] = ()
) -> None:
    for key in row:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"known: {', '.join(fields)}"
            file.bad((*table, key), f"unknown key `{'.'.join((*table, key))}`", hint)


def _texts(
    file: Toml, row: Any, fields: Sequence[str], table: tuple[str, ...] = ()
) -> Mapping[str, str]:
    name = ".".join(table)
    if not isinstance(row, dict):
        file.bad(table, f"`{name}` is {shown(row)}, not a table", f"write [{name}]")
    _known(file, row, fields, table)
    for key, value in row.items():
        if not isinstance(value, str) or not value.strip():
            said = f"`{'.'.join((*table, key))}` is {shown(value)}, not a text"
            file.bad((*table, key), said, f'write {key} = "..."')
    return row


def _price(file: Toml, row: Any, table: tuple[str, ...]) -> Price:
    hint = "write input = 2.5 and output = 10.0, in USD per million tokens"
    name = ".".join(table)
    if not isinstance(row, dict):
        file.bad(table, f"`{name}` is {shown(row)}, not a table", hint)
    _known(file, row, ("input", "output"), table)
    usd = []
    for key in ("input", "output"):
        value = row.get(key)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is None or not number or not 0 <= value <= MOST_USD:
            file.bad((*table, key), f"`{name}.{key}` is {shown(value)}", hint)
        usd.append(float(value))
    return Price(*usd)
