"""What Python is given is held to what the command line is held to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest
from typer.models import OptionInfo

import sami_eval
from sami_eval import cli
from sami_eval.align import adapters
from sami_eval.core.errors import UsageError
from sami_eval.core.settings import made
from sami_eval.data.contrasts import contrasts_to_jsonl
from sami_eval.experiment.reproduce import work
from tests.align_models import CONTRASTS, save_base

FACES: dict[str, Callable[..., object]] = {
    "compare": lambda **given: sami_eval.compare("base", "sft", **given),
    "passk": lambda **given: sami_eval.passk("base", **given),
    "align": lambda seed=0, **given: sami_eval.align(
        "dpo" if "beta" in given else "sami", CONTRASTS, seed=seed, changes=given
    ),
    "contrast": lambda **given: made(adapters.ContrastPlan, "contrast", given),
}
NO_SETTING = {"max_unparsed", "iterations", "write_principles", "n"}


def flags(command: str) -> Iterator[tuple[str, Any, OptionInfo]]:
    """Name, type and typer's facts of each flag."""
    callbacks = [one.callback for one in cli.app.registered_commands if one.callback]
    (callback,) = [one for one in callbacks if one.__name__ == command]
    for name, kind in get_type_hints(callback, include_extras=True).items():
        given = next((k for k in (kind, *get_args(kind)) if get_origin(k) is Annotated), None)
        if given is not None and isinstance(get_args(given)[1], OptionInfo):
            yield name, get_args(given)[0], get_args(given)[1]


def outside(kind: Any, flag: OptionInfo) -> Iterator[object]:
    """Values that a flag of this type does not take."""
    kinds = [k for k in get_args(kind) or (kind,) if k is not type(None)]
    if Literal in (get_origin(kind), get_origin(kinds[0])):
        yield "nothing of the kind"
    elif kinds[0] in (int, float):
        yield from ("1", True, float("nan"))
        yield from () if flag.min is None else (flag.min - 1,)
        yield from () if flag.max is None else (flag.max + 1,)


CASES = [
    (command, name, value)
    for command in FACES
    for name, kind, flag in flags(command)
    if name not in NO_SETTING and (command != "contrast" or name in ("limit", "seed"))
    for value in outside(kind, flag)
]


@pytest.mark.parametrize(("command", "name", "value"), CASES)
def test_what_a_flag_refuses_python_refuses(
    command: str, name: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        FACES[command](**{name: value})
    assert f"`{name}` is `" in caught.value.message
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


def test_the_cases_are_those_of_the_commands() -> None:
    named = {(command, name) for command, name, _ in CASES}
    assert {("compare", "orders"), ("compare", "rule"), ("passk", "protocol")} <= named
    assert {("align", "held_out"), ("align", "lr"), ("contrast", "limit")} <= named
    assert len(CASES) > 80


@pytest.mark.parametrize(
    ("face", "given", "said"),
    [
        ("compare", {"orders": "two"}, "`orders` is `'two'`; it is `both` or `one`"),
        ("compare", {"ordres": "one"}, "compare has no setting `ordres`"),
        ("compare", {"train": "no"}, "`train` is `'no'`; it is True or False"),
        ("compare", {"vote_names": "a=b"}, "`vote_names` is `'a=b'`; it is a list, each a text"),
        ("compare", {"judge": "quality", "judge_model": []}, "`--judge-model` is empty"),
        ("compare", {"engine": "cuda"}, "unknown engine `cuda`"),
        ("passk", {"ks": 10}, "`ks` is `10`; it is a list"),
        ("passk", {"ks": (1, 0)}, "`ks` is `0`"),
        ("passk", {"ks": ()}, "no k is given"),
        ("align", {"lr": "1e-4"}, "option `lr` is `'1e-4'`; it is a number, above 0"),
        ("align", {"prefix_sharing": "of"}, "it is `auto` or `on` or `off`"),
        ("align", {"seed": -1}, "setting `seed` is `-1`"),
        ("align", {"full": 1}, "option `full` is `1`; it is True or False"),
        ("contrast", {"n": 1}, "`n` is `1`; it is a whole number, at least 2"),
    ],
)
def test_a_wrong_setting_is_said_with_what_it_is(
    face: str, given: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        FACES[face](**given)
    assert said in caught.value.message


def test_a_seed_among_the_changes_is_not_passed_over() -> None:
    with pytest.raises(UsageError, match="`seed` is among the changes"):
        sami_eval.align("sami", CONTRASTS, changes={"seed": 3})


@pytest.mark.parametrize("given", [{"seed": -1}, {"resume": "no"}, {"out": 3}, {"preset": 1}])
def test_what_align_itself_is_given_is_checked(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"setting `{next(iter(given))}` is"):
        sami_eval.align("sami", CONTRASTS, **given)


def test_the_sampling_of_contrasts_and_a_reproduction_are_checked_alike() -> None:
    from sami_eval.core.calls import Sampling

    with pytest.raises(UsageError, match="`temperature` is `3`"):
        adapters.ContrastPlan(sampling=Sampling(temperature=3))
    with pytest.raises(UsageError, match="`scale` is"):
        work.Asked("laptop", "mtbench", None, Path("x"))  # type: ignore[arg-type]


def test_paths_as_texts_and_lists_for_tuples_are_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"ks": [2, 1, 2], "samples": 2, "limit": 2, "greedy": False, "out": "run"}
    document = sami_eval.passk("base", **given)
    assert document["run"] == "run"
    assert list(document["contenders"][0]["pass_at_k"]) == ["1", "2"]


def test_align_takes_names_as_the_command_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    base = save_base(tmp_path / "tiny")
    Path("c.jsonl").write_text(contrasts_to_jsonl(CONTRASTS))
    model = sami_eval.align("sft", "c.jsonl", base.base, out="mine", changes={"steps": 1})
    assert model.adapter == "mine"
    assert Path("mine", "adapter_config.json").is_file()


@pytest.mark.parametrize("first", ["import sami_eval.experiment.passk, sami_eval.align", "pass"])
def test_the_faces_can_be_called_whatever_was_imported_before(first: str) -> None:
    ask = "import sami_eval; print(callable(sami_eval.passk), callable(sami_eval.align))"
    told = subprocess.run([sys.executable, "-c", f"{first}; {ask}"], capture_output=True, text=True)
    assert told.stdout == "True True\n", told.stderr
