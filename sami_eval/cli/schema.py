"""`sami-eval schema`: what a file may hold, as JSON Schema, made of what its reader goes by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from sami_eval.cli.flags import Command
from sami_eval.cli.settings import settings_of
from sami_eval.core.config_keys import COMMANDS
from sami_eval.core.errors import UsageError, did_you_mean
from sami_eval.core.flags import Flag, Group, Setting

if TYPE_CHECKING:
    from sami_eval.core.json_schema import Schema

FOLDER = Path(".sami-eval/schemas")


def schema(
    name: Annotated[
        str,
        Flag(
            "sami-eval | judge | constitution | task | scale, or a command, whose --config it is.",
            Group.ASKED,
            positional=True,
        ),
    ],
) -> None:
    """Print what a file may hold as JSON Schema, for an editor to check and complete it by."""
    print(json.dumps(schema_named(name), indent=1))


def write_schema(name: str) -> Path:
    """Write a schema beside the ledger, where files of this folder name it for their editors."""
    from sami_eval.ledger.store import atomic_write

    path = FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json.dumps(schema_named(name), indent=1) + "\n")
    return path


def schema_named(name: str) -> Schema:
    """The schema of a kind of file, or of a command's `--config`."""
    from sami_eval.core.json_schema import file_schema, flags_schema

    makers = {
        "sami-eval": _config,
        "judge": _judge,
        "constitution": _constitution,
        "task": _task,
        "scale": _scale,
    }
    command = name.replace(".", " ")
    if command in COMMANDS:
        flags = flags_schema(settings_named(command))
        about = {one: {"type": "string"} for one in ("command", "folder")}
        return file_schema(f"--config of sami-eval {command}", _with(flags, about))
    if name not in makers:
        known = (*makers, *COMMANDS)
        raise UsageError(f"no schema `{name}`", did_you_mean(name, known))
    return file_schema(name, makers[name]())


def settings_named(command: str) -> Iterable[Setting]:
    """The flags of a command, which lies in the module of its name."""
    module, _, function = command.partition(" ")
    run = getattr(import_module(f"sami_eval.cli.{module}"), function or module)
    return run.settings if isinstance(run, Command) else settings_of(run)


def _with(found: Schema, more: Mapping[str, Any]) -> Schema:
    return {**found, "properties": {**found["properties"], **more}}


def _config() -> Schema:
    from sami_eval.core.config import Price
    from sami_eval.core.config_keys import DefaultKeys, ModelKeys
    from sami_eval.core.json_schema import flags_schema, named, schema_of, table
    from sami_eval.core.servers import ServerKeys

    rows = {"models": ModelKeys, "servers": ServerKeys, "prices": Price}
    more: dict[str, Any] = {name: named(schema_of(row)) for name, row in rows.items()}
    for command in COMMANDS:
        first, _, then = command.partition(" ")
        flags = flags_schema(settings_named(command), but=("base_url",))
        if then:
            more.setdefault(first, table({}))["properties"][then] = flags
        else:
            more[first] = flags
    return _with(schema_of(DefaultKeys), more)


def _judge() -> Schema:
    from sami_eval.core.json_schema import schema_of
    from sami_eval.judge.files import KINDS, JudgeKeys

    return {**_with(schema_of(JudgeKeys), {"kind": {"enum": list(KINDS)}}), "required": ["kind"]}


def _constitution() -> Schema:
    from sami_eval.core.json_schema import schema_of
    from sami_eval.data.constitutions import ConstitutionFile

    return schema_of(ConstitutionFile)


def _task() -> Schema:
    """Of lm-eval's own keys those that the reader takes."""
    from sami_eval.core.json_schema import schema_of, table
    from sami_eval.data.task_keys import TASK_KEYS, TaskKeys
    from sami_eval.data.tasks import LM_EVALS, TOP

    text: Schema = {"type": "string"}
    whole = schema_of(TaskKeys)["properties"]
    ours = [
        table({name: whole[name] for name in names} | {"kind": {"const": kind}}, _NEEDED)
        for kind, names in TASK_KEYS.items()
    ]
    metadata = table({"version": {}, "sami_eval": {"anyOf": ours}})
    free: Schema = {name: {} for name in (*TOP, *(one for of in LM_EVALS.values() for one in of))}
    return table({**free, "task": text, "class": text, "metadata": metadata}, ("task",))


_NEEDED = ("kind", "questions")  # of a task


def _scale() -> Schema:
    """A file may be like another scale, and a step like those of its kind: all is said in part."""
    from sami_eval.core.flags import flags_of
    from sami_eval.core.json_schema import flags_schema, named, schema_of, table
    from sami_eval.experiment.reproduce.scale import EXPERIMENTS, Scale
    from sami_eval.experiment.reproduce.step import KINDS, TRIALS, Aligning, Writing

    text: Schema = {"type": "string"}
    own = {"title": text, "published": {"type": "boolean"}, "contenders": named(text)}
    by_kind: dict[str, Schema] = {
        "contrast": schema_of(Writing, partial=True),
        "align": schema_of(Aligning, partial=True),
        **{name: _with(flags_schema(flags_of("", kind)), own) for name, kind in TRIALS.items()},
    }
    step: dict[str, Schema] = {name: {} for one in by_kind.values() for name in one["properties"]}
    step |= {"name": text, "do": {"enum": list(KINDS)}, "skip": {"type": "boolean"}}
    steps = {"type": "array", "items": table(step, ("name",))}
    course = table({"base": text, "steps": steps, **by_kind})
    whole = schema_of(Scale, partial=True)
    return _with(whole, {"like": text, **dict.fromkeys(EXPERIMENTS, course)})
