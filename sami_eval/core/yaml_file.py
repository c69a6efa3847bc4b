"""A user's YAML file: read whole, or refused with file and line; knows where a field stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from sami_eval.core.errors import UsageError
from sami_eval.core.files import read_text

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Yaml:
    """A YAML file and what it holds. lines: on which a field stands, by its names from outside."""

    path: Path
    data: dict[str, Any]
    lines: Mapping[Names, int]

    def where(self, names: Sequence[str]) -> str:
        """ "FILE:LINE" of a field, of what would hold it where it is missing, else the file's."""
        for n in range(len(names), 0, -1):
            line = self.lines.get(tuple(names[:n]))
            if line is not None:
                return f"{self.path}:{line}"
        return str(self.path)

    def bad(self, names: Sequence[str], message: str, hint: str) -> NoReturn:
        """Raise UsageError at a field's line."""
        raise UsageError(message, hint, self.where(names))


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Safe: a tag such as lm-eval's `!function` stands for its text, and nothing is imported."""


def _text_of(loader: _Loader, tag: str, node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    raise yaml.constructor.ConstructorError(None, None, f"`!{tag}` of no text", node.start_mark)


_Loader.add_multi_constructor("!", _text_of)


def read_yaml(path: Path, hint: str) -> Yaml:
    """A YAML file whose whole is a mapping. Raises UsageError with file and line for what is none.

    A field that stands twice in one mapping is refused: YAML would keep the last without a word.
    """
    text = read_text(path, hint)
    try:
        node = yaml.compose(text, Loader=_Loader)
        data = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        said = getattr(error, "problem", None) or "a letter that no YAML may hold"
        raise UsageError(f"not YAML: {said}", hint, _at(path, mark)) from None
    except RecursionError:
        raise UsageError("not YAML: nested too deeply", hint, str(path)) from None
    except ValueError as error:  # a date or a number that there is not
        raise UsageError(f"not YAML: {error}", hint, str(path)) from None
    if not isinstance(data, dict):
        raise UsageError("not a mapping of names to values", hint, f"{path}:1")
    lines: dict[Names, int] = {}
    _note(node, (), lines, path)
    return Yaml(path, data, lines)


def _at(path: Path, mark: yaml.Mark | None) -> str:
    return str(path) if mark is None else f"{path}:{mark.line + 1}"


def _note(node: yaml.Node, names: Names, lines: dict[Names, int], path: Path) -> None:
    """Note the line of each field of a mapping, and of those inside; no deeper than eight."""
    if not isinstance(node, yaml.MappingNode) or len(names) > 8:
        return
    for key, value in node.value:
        at = (*names, str(key.value))
        if at in lines and key.value != "<<":
            said = f"`{'.'.join(at)}` stands twice"
            raise UsageError(said, f"the first is on line {lines[at]}", _at(path, key.start_mark))
        lines[at] = key.start_mark.line + 1
        _note(value, at, lines, path)
