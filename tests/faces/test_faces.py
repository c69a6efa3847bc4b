"""The faces of the commands in Python: they take what the commands take, to the letter."""

from __future__ import annotations

import dataclasses
import inspect
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

import sami_eval
from sami_eval import cli
from sami_eval.align import align
from sami_eval.core.alignment import AlignSettings, ContrastSettings, Options
from sami_eval.core.errors import UsageError
from sami_eval.core.flags import flags_of
from sami_eval.core.settings import hints
from sami_eval.experiment.settings import AgreementSettings, CompareSettings, PasskSettings
from tests.records import write_records

FACES: dict[str, tuple[Callable[..., object], type]] = {
    "agreement": (sami_eval.agreement, AgreementSettings),
    "compare": (sami_eval.compare, CompareSettings),
    "contrast": (sami_eval.contrast, ContrastSettings),
    "passk": (sami_eval.passk, PasskSettings),
}
KINDS = {
    **{name: (run, (kind,)) for name, (run, kind) in FACES.items()},
    "align": (align, (AlignSettings, Options)),
}
# A draft is for a person to read and edit: the command line writes one.
NOT_IN_PYTHON = {f"principle_{one}" for one in ("writer", "categories")}
NOT_IN_PYTHON |= {"write_principles", "task_description"}
OURS = {"config", "progress"}  # of Python alone


def plain(kind: Any) -> set[Any]:
    """A type's alternatives without their bounds; a list and a tuple are one."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return plain(parts[0])
    if origin in (Union, UnionType):
        return {one for part in parts for one in plain(part)}
    if origin in (list, tuple, Sequence):
        return {("several", frozenset(plain(parts[0])))}
    return {("one of", parts)} if origin is Literal else {kind}


def allowed(kind: Any) -> list[set[Any]]:
    """What a face may say for a setting's type: a text stands for a path, and a path for a text."""
    found = plain(kind)
    return (
        [found | {Path, str}, *([found] if Path not in found else [])]
        if ({Path, str} & found)
        else [found]
    )


@pytest.mark.parametrize(("run", "kind"), FACES.values(), ids=FACES)
def test_a_face_takes_the_settings_of_its_command_by_name_type_and_default(
    run: Callable[..., object], kind: type
) -> None:
    taken = dict(inspect.signature(run).parameters)
    types, wanted = get_type_hints(run), hints(kind)
    own = [field for field in dataclasses.fields(kind) if field.name not in NOT_IN_PYTHON]
    assert [one.name for one in own] == [name for name in taken if name not in OURS]
    for field in own:
        one = taken[field.name]
        if one.kind is not inspect.Parameter.VAR_POSITIONAL:
            assert one.default == field.default, field.name
            assert plain(types[field.name]) in allowed(wanted[field.name]), field.name
            assert one.kind is inspect.Parameter.KEYWORD_ONLY or field.name == "judged"


def test_align_takes_its_settings_and_every_knob_with_none_for_what_the_preset_says() -> None:
    taken, types = inspect.signature(align).parameters, get_type_hints(align)
    for field in dataclasses.fields(AlignSettings):
        if field.name not in ("recipe", "contrasts", "base", "changes"):
            assert taken[field.name].default == field.default, field.name
            wanted = hints(AlignSettings)[field.name]
            assert plain(types[field.name]) in allowed(wanted), field.name
    for field in dataclasses.fields(Options):
        if field.name != "seed":
            assert taken[field.name].default is None
            wanted = plain(hints(Options)[field.name]) | {type(None)}
            assert plain(types[field.name]) == wanted, field.name
    assert inspect.signature(sami_eval.align) == inspect.signature(align)


@pytest.mark.parametrize(("run", "kinds"), KINDS.values(), ids=KINDS)
def test_a_face_says_what_each_setting_is_as_the_help_does(
    run: Callable[..., object], kinds: tuple[type, ...]
) -> None:
    said = " ".join((inspect.getdoc(run) or "").split())
    for one in (one for kind in kinds for one in flags_of("", kind)):
        if one.name not in NOT_IN_PYTHON:
            assert f"{one.name}: {' '.join(one.flag.help.split())}" in said


def test_the_package_lists_its_faces() -> None:
    assert {*sami_eval.__all__} <= {*dir(sami_eval)}
    for name in sami_eval.__all__:
        assert getattr(sami_eval, name) is not None


def test_an_error_says_in_python_what_it_says_on_a_terminal(folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        sami_eval.compare("base", "dpo", limt=3)  # type: ignore[call-arg]
    said = ["UsageError: compare has no setting `limt`", "", "hint: did you mean `limit`?"]
    assert caught.value._render_traceback_() == said
    written = "".join(traceback.format_exception_only(caught.value)).splitlines()
    assert written == [f"sami_eval.core.errors.{said[0]}", *said[1:]]


def test_an_error_in_a_file_names_its_line_and_acts_on_no_terminal(folder: Path) -> None:
    write_records(folder, 1)
    Path("q.jsonl").write_text('{"question_id": 1, "turns": ["\x1b[31m", 7]}\n')
    with pytest.raises(UsageError) as caught:
        sami_eval.compare("one.jsonl", "two.jsonl", prompts="q.jsonl")
    lines = caught.value._render_traceback_()
    assert "  --> q.jsonl:1" in lines
    assert "\x1b" not in "".join(lines)


def test_align_refuses_what_the_command_refuses(folder: Path) -> None:
    with pytest.raises(UsageError, match="has no setting `epoch`") as caught:
        sami_eval.align("sft", epoch=2)  # type: ignore[call-arg]
    assert caught.value.hint == "did you mean `epochs`?"
    with pytest.raises(UsageError, match="without `--iterations`"):
        sami_eval.align("sft", prompts="p.jsonl")
    with pytest.raises(UsageError, match="from a file"):
        sami_eval.align("sami", [], iterations=2)


@pytest.mark.parametrize(
    "given", [{"win_rate": "57%"}, {"questions": 80.5}, {"win_rate": 0.57, "ties": "a"}]
)
def test_power_refuses_what_is_no_number(given: dict[str, Any]) -> None:
    with pytest.raises(sami_eval.UsageError, match=f"`{list(given)[-1]}` is"):
        sami_eval.power(**given)


def test_power_prints_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["power", "--win-rate", "0.57", "--questions", "80"]) == 0
    assert capsys.readouterr().out == f"{sami_eval.power(win_rate=0.57, questions=80)}\n"
