"""Every numeric flag of every command, given what is no number for it: one error, exit code 2."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import sami_eval
from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Contrast, Prompt, Response
from sami_eval.data.contrasts import contrasts_to_jsonl

# What each command is given beside the flag, so that it is the flag alone that is wrong.
GIVEN = {
    "compare": ["a.jsonl", "b.jsonl", "--prompts", "q.jsonl", "--judge", "rules", "-q"],
    "align": ["sft", "--contrasts", "contrasts.jsonl", "--dry-run", "-q"],
    "contrast": ["-q"],
    "power": ["--questions=80"],
    "passk": ["openai:m", "--base-url", "http://127.0.0.1:9/v1", "--dry-run", "-q"],
}
NOT_NUMBERS = ("x", "", "nan", "inf", "-inf", "-1", "-0.5", "1e400", "9" * 30)
MAY_BE_ZERO = {
    "--held-out",
    "--seed",
    "--temperature",
    "--max-unparsed",
    "--beta",
    "--kl",
    "--ties",
    "--num-fewshot",
    "--keep-checkpoints",
}


def numeric_flags() -> Iterator[tuple[str, str]]:
    """(command, flag) of every option that takes a number."""
    for info in cli.app.registered_commands:
        assert info.callback is not None
        for name, kind in get_type_hints(info.callback).items():
            if {int, float} & {kind, *get_args(kind)}:
                yield info.callback.__name__, "--" + name.replace("_", "-")


FLAGS = [(command, flag) for command, flag in numeric_flags() if command in GIVEN]


@pytest.fixture(autouse=True)
def folder(folder: Path) -> Path:
    prompt = Prompt("1", "writing", ("Write.",))
    Path("q.jsonl").write_text('{"question_id": 1, "category": "writing", "turns": ["Write."]}\n')
    for model in "ab":
        response = Response("1", model, (f"{model} writes",))
        Path(f"{model}.jsonl").write_text(json.dumps(dataclasses.asdict(response)) + "\n")
    contrast = Contrast(
        prompt, ("Be brief.", "Be long."), (Response("1", "m", ("x",)), Response("1", "m", ("y",)))
    )
    Path("contrasts.jsonl").write_text(contrasts_to_jsonl([contrast]))
    return folder


def test_the_walk_finds_the_flags() -> None:
    assert ("compare", "--limit") in FLAGS
    assert ("align", "--lr") in FLAGS
    assert len(FLAGS) > 25


BAD = [
    (command, flag, bad)
    for command, flag in FLAGS
    for bad in [*NOT_NUMBERS, *([] if flag in MAY_BE_ZERO else ["0"])]
]
# More than any machine has room for, or any figure shows.
BAD += [("compare", "--repeats", "1001"), ("passk", "--samples", "100001")]
BAD += [("power", "--questions", "1000000001"), ("compare", "--as", "a=x")]


@pytest.mark.parametrize(("command", "flag", "bad"), BAD)
def test_a_flag_without_a_number_for_it_is_named_with_its_value(
    folder: Path, command: str, flag: str, bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    given = [one for one in GIVEN[command] if not one.startswith(flag)]
    assert cli.run([command, *given, f"{flag}={bad}"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "hint: " in captured.err
    assert flag in captured.err or f"`{flag[2:].replace('-', '_')}`" in captured.err
    assert "Traceback" not in captured.err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(("command", "flag"), FLAGS)
def test_a_flag_without_a_value_is_named(
    command: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([command, *GIVEN[command], flag]) == 2
    assert flag in capsys.readouterr().err


@pytest.mark.parametrize("targets", [" ,", "q_proj,,v_proj", "nosuch"])
def test_targets_that_the_base_has_not_are_named(
    targets: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["align", "sft", "--contrasts", "contrasts.jsonl", "-q", f"--targets={targets}"]
    assert cli.run(given) == 2
    captured = capsys.readouterr().err
    assert f"`targets` is `{targets}`" in captured
    assert "hint: " in captured


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 0
    assert "compare" in capsys.readouterr().out


@pytest.mark.parametrize(
    "typed",
    [
        "compare base sft --base",
        "compare base sft --judge",
        "compare base sft --base-url",
        "compare base sft --judge-model",
        "compare base sft --engine-arg",
        "compare base sft --out",
        "compare base sft --config",
        "contrast --constitutions",
        "show --csv",
        "passk base --split",
        "contrast --model",
        "align sft --preset",
        "align sft --targets",
        "reproduce mtbench --judge-model",
    ],
)
def test_an_empty_text_is_no_leave_to_take_the_default(
    typed: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--base "$NOT_SET"` asked the embedded base, `--out "$NOT_SET"` wrote into this folder."""
    flag, before = typed.split()[-1], sorted(folder.iterdir())
    assert cli.run([*typed.split(), ""]) == 2
    error, _, hint = capsys.readouterr().err.strip().splitlines()
    assert error == f"error: `{flag}` is empty"
    assert hint.startswith("hint: ")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("name", ["base", "out", "prompts"])
def test_an_empty_text_from_python_is_no_default_either(name: str) -> None:
    given: dict[str, Any] = {name: ""}
    with pytest.raises(UsageError, match=f"setting `{name}` is empty"):
        sami_eval.compare("base", "sft", **given)


def test_a_seed_that_no_library_takes_is_refused_from_python_too() -> None:
    with pytest.raises(UsageError, match=r"setting `seed` is 1\d+; it is at most 2\*\*53"):
        sami_eval.compare("base", "sft", seed=10**20)


def test_two_files_of_settings_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        Path(f"{name}.toml").write_text("limit = 1\n")
    assert cli.run(["compare", "--config", "one.toml", "--config=two.toml"]) == 2
    assert "error: `--config` is given twice\n" in capsys.readouterr().err


def test_an_address_that_nobody_is_asked_at_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    Path("sami-eval.toml").write_text(
        '[models.own]\nbase = "openai:m"\nbase_url = "http://127.0.0.1:9/v1"\n'
    )
    for given, judge, said in (
        ([], "openai:j", False),
        (["--base-url", "http://127.0.0.1:8/v1/"], "openai:j", False),
        (["--base-url", "http://127.0.0.1:8/v1/"], "own", True),
    ):
        job = ["compare", "own", "a.jsonl", "--judge-model", judge, "--prompts", "q.jsonl", *given]
        assert cli.run([*job, "--dry-run", "--json"]) == 0
        notes = json.loads(capsys.readouterr().out)["notes"]
        one = "`own` is at http://127.0.0.1:9/v1"
        line = f"`--base-url http://127.0.0.1:8/v1/` is not used: {one}, {one}"
        assert (line in notes) is said


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("q.jsonl", "cannot write `q.jsonl`: `q.jsonl` is no folder"),
        ("q.jsonl/deep/er", "cannot write `q.jsonl/deep/er`: `q.jsonl` is no folder"),
    ],
)
def test_a_file_where_a_folder_is_to_be_written_is_named(
    out: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    assert cli.run(["compare", *GIVEN["compare"], "--out", out]) == 2
    captured = capsys.readouterr()
    assert f"error: {said}" in captured.err
    assert captured.err.count("hint: ") == 1
    assert sorted(folder.rglob("*")) == before


def test_a_folder_that_is_gone_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert cli.run(["ls", "runs"]) == 2
    assert capsys.readouterr().err.startswith("error: the folder you are in is gone\n")
