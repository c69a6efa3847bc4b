"""Every command takes the choices of `sami-eval.toml`, and a flag wins over each of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.errors import UsageError, report_error
from sami_eval.generate import EngineChoice
from tests.align.test_align_flags import write
from tests.align_models import CONTRASTS, save_base
from tests.records import write_rows

AT = "http://127.0.0.1:9/v1"
QUESTION = {"question_id": 1, "category": "writing", "turns": ["Why?"]}
PRINCIPLES = """
[[principle]]
id = "writing.1"
categories = ["writing"]
weak = "Be brief."
strong = "Be very brief."
antithesis = "Be long."
"""
SCALE = """
like = "embedded"
about = "its judge is named elsewhere"
[mtbench.compare]
judge = "quality"
"""
ASKED = {
    "compare": ["compare", "base", "base", "--prompts", "q.jsonl"],
    "passk": ["passk", "base", "--prompts", "p.jsonl"],
    "contrast": ["contrast", "--constitutions", "c.toml", "--prompts", "q.jsonl"],
    "align": ["align", "sft", "--contrasts", "contrasts.jsonl"],
    "iterations": [
        *("align", "base+sft", "--iterations", "1"),
        *("--constitutions", "c.toml", "--prompts", "q.jsonl"),
    ],
}


@pytest.fixture(autouse=True)
def folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Questions, problems, principles, contrasts and a model of one's own."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    write(CONTRASTS)
    write_rows("q.jsonl", QUESTION)
    Path("p.jsonl").write_text('{"question": "One and one?", "answer": "#### 2"}\n')
    Path("c.toml").write_text(PRINCIPLES)
    write_rows("baseline.jsonl", {"prompt_id": "1", "model": "old", "turns": ["So."]})
    save_base(Path("own").absolute())
    return folder


def lm_eval_model(*flags: str) -> int:
    """`sami-eval lm-eval --model sami-eval`, up to where lm-eval starts to work."""
    from sami_eval.harness.model import SamiEvalLM

    names = dict(zip((flag.removeprefix("--") for flag in flags[::2]), flags[1::2], strict=True))
    try:
        SamiEvalLM(**names)
    except UsageError as error:
        report_error(error)
        return error.exit_code
    return 0


def lm_eval_task(*flags: str) -> int:
    """`sami-eval lm-eval --tasks mtbench_pairwise`, up to where lm-eval starts to work."""
    from sami_eval.harness.mtbench import MtBenchPairwise

    given = {"baseline": "baseline.jsonl", "questions": "q.jsonl"}
    for flag, value in zip(flags[::2], flags[1::2], strict=True):
        given[flag.removeprefix("--").replace("-", "_")] = value
    try:
        MtBenchPairwise(config={"metadata": given})
    except UsageError as error:
        report_error(error)
        return error.exit_code
    return 0


def asked(name: str, *flags: str) -> int:
    """The exit code of a command's dry run, or of its nearest where it has none."""
    others: dict[str, Callable[..., int]] = {"lm-eval": lm_eval_model, "lm-eval task": lm_eval_task}
    if name in others:
        return others[name](*flags)
    if name == "reproduce":
        Path("scale.toml").write_text(SCALE)
        return cli.run(["reproduce", "mtbench", "--scale", "scale.toml", *flags])
    return cli.run([*ASKED[name], "--dry-run", *flags])


def set_file(**choices: str) -> None:
    lines = [f'{name.replace("_", "-")} = "{value}"\n' for name, value in choices.items()]
    Path("sami-eval.toml").write_text("".join(lines))


@pytest.mark.parametrize("name", [*ASKED, "lm-eval"])
def test_base(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_file(base="no/such-base")
    assert asked(name) == 2
    assert "unknown model `no/such-base`" in capsys.readouterr().err
    assert asked(name, "--base", "own") == 0
    capsys.readouterr()
    set_file(base="own")
    assert asked(name) == 0
    if name != "lm-eval":
        assert "own" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["compare", "passk", "contrast", "iterations", "lm-eval"])
def test_engine(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(choice: EngineChoice) -> None:
        if choice.name == "vllm":
            raise UsageError("engine `vllm` is chosen")

    monkeypatch.setattr(EngineChoice, "__post_init__", choose)
    if name == "iterations":  # a dry run of theirs needs no engine
        monkeypatch.setitem(ASKED, name, [*ASKED[name], "-q"])
    base = ["--base", "own"]
    set_file(engine="vllm")
    assert asked(name, *base) == 2
    assert "engine `vllm` is chosen" in capsys.readouterr().err
    assert asked(name, *base, "--engine", "hf") == 0


@pytest.mark.parametrize("name", ["compare", "lm-eval task"])
def test_judge(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_file(judge="nobody")
    assert asked(name) == 2
    assert "no judge `nobody`" in capsys.readouterr().err
    set_file(judge="nobody", base_url=AT, judge_model="openai:j")
    assert asked(name, "--judge", "quality") == 0


@pytest.mark.parametrize("name", ["compare", "lm-eval task", "reproduce"])
def test_judge_model(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_file(judge_model="openai:")
    assert asked(name, *(["--prompts", "q.jsonl"] if name == "reproduce" else [])) == 2
    assert "`openai:` names no model" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["compare", "passk", "contrast"])
def test_base_url(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_file(base_url=AT, judge_model="openai:j")
    Path("sami-eval.toml").write_text(
        Path("sami-eval.toml").read_text() + '[models.m]\nbase = "openai:m"\n'
    )
    named = [one if one != "base" else "m" for one in ASKED[name]]
    named += ["--model", "m"] if name == "contrast" else []
    assert cli.run([*named, "--dry-run", "--json"]) == 0
    row: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert {one["address"] for one in row.get("contenders", [row])} == {AT}


@pytest.mark.parametrize("name", [*ASKED, "lm-eval", "lm-eval task", "reproduce"])
@pytest.mark.parametrize("key", ["task", "engine"])
def test_a_choice_that_is_none_is_refused_by_all(
    name: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    set_file(**{"base": "own", key: "nonsense"})
    assert asked(name) == 2
    captured = capsys.readouterr().err
    assert f"unknown {key} `nonsense`" in captured
    assert "sami-eval.toml:2" in captured


def test_a_task_of_pass_at_k_is_passed_over_by_compare_aloud(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_file(task="gsm8k", base_url=AT)
    assert asked("compare") == 0
    assert "task `gsm8k`" in capsys.readouterr().err
    set_file(task="mtbench")
    assert asked("compare", "--base-url", AT) == 0
    assert "task `" not in capsys.readouterr().err
    set_file(task="gsm8k")
    assert asked("passk") == 0


def test_what_a_scale_decides_is_not_the_files_to_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["reproduce", "mtbench", "--dry-run", "--json"]) == 0
    before = capsys.readouterr().out
    set_file(base="no/such-base", judge="nobody", task="gsm8k")
    assert cli.run(["reproduce", "mtbench", "--dry-run", "--json"]) == 0
    assert capsys.readouterr().out == before


def test_a_model_that_nobody_named_is_said_to_be_the_toy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert asked("lm-eval") == 0
    assert "no model is named: the embedded base answers, a toy" in capsys.readouterr().err
    assert asked("lm-eval", "--base", "own") == 0
    set_file(base="own")
    assert asked("lm-eval") == 0
    assert "toy" not in capsys.readouterr().err


def test_engine_of_a_reproduction(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(EngineChoice, "__post_init__", lambda one: chosen.append(one.name))
    monkeypatch.setattr("sami_eval.align.adapters.contrasts_of", lambda *_: sys.exit(3))
    set_file(engine="vllm")
    with pytest.raises(SystemExit):
        asked("reproduce", "--prompts", "q.jsonl", "--only", "contrasts", "-q")
    assert chosen[-1] == "vllm"
