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
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sami_eval.errors import UsageError

FILE_NAME = "sami-eval.toml"
MODEL_FIELDS = ("base", "adapter", "revision", "engine", "chat_template", "base_url")
DEFAULT_FIELDS = ("base", "judge", "judge-model", "base-url", "engine", "task")


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
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read the config: {error}", "mend the file", str(path)) from None
    _known(data, (*DEFAULT_FIELDS, "models", "prices"), "", path)
    return Config(
        root=path.parent,
        path=path,
        models={
            name: _texts(row, MODEL_FIELDS, f"models.{name}", path)
            for name, row in _table(data, "models", path).items()
        },
        prices={
            name: _price(row, f"prices.{name}", path)
            for name, row in _table(data, "prices", path).items()
        },
        defaults=_texts(
            {k: v for k, v in data.items() if k in DEFAULT_FIELDS}, DEFAULT_FIELDS, "", path
        ),
    )


def _table(data: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    table = data.get(name, {})
    if not isinstance(table, dict):
        raise UsageError(f"`{name}` is `{table!r}`, not a table", f"write [{name}.NAME]", str(path))
    return table


def _known(row: Mapping[str, Any], fields: tuple[str, ...], where: str, path: Path) -> None:
    for key in row:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"known: {', '.join(fields)}"
            prefix = f"{where}." if where else ""
            raise UsageError(f"unknown key `{prefix}{key}`", hint, str(path))


def _texts(row: Any, fields: tuple[str, ...], where: str, path: Path) -> Mapping[str, str]:
    if not isinstance(row, dict):
        raise UsageError(f"`{where}` is `{row!r}`, not a table", f"write [{where}]", str(path))
    _known(row, fields, where, path)
    for key, value in row.items():
        if not isinstance(value, str) or not value:
            prefix = f"{where}." if where else ""
            raise UsageError(
                f"`{prefix}{key}` is `{value!r}`, not a text", f'write {key} = "..."', str(path)
            )
    return row


def _price(row: Any, where: str, path: Path) -> Price:
    hint = "write input = 2.5 and output = 10.0, in USD per million tokens"
    if not isinstance(row, dict):
        raise UsageError(f"`{where}` is `{row!r}`, not a table", hint, str(path))
    _known(row, ("input", "output"), where, path)
    for key in ("input", "output"):
        value = row.get(key)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= float(value or 0) < float("inf"):
            raise UsageError(f"`{where}.{key}` is `{value!r}`", hint, str(path))
    return Price(float(row["input"]), float(row["output"]))
