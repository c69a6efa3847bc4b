"""A hint names a command that is there, and what lm-eval refuses is no bug of ours."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sami_eval import cli


@pytest.mark.parametrize(
    ("typed", "said", "hint"),
    [
        (["comapre", "a", "b"], "no command `comapre`", "did you mean `sami-eval compare`?"),
        (["xyz"], "no command `xyz`", "sami-eval --help"),
        (["reproduce", "mtbnch"], "no command `mtbnch`", "`sami-eval reproduce mtbench`?"),
        (["reproduce"], "Missing command.", "sami-eval reproduce --help"),
        (["--foo"], "No such option: --foo", "sami-eval --help"),
        (["reproduce", "mtbench", "--foo"], "--foo", "sami-eval reproduce mtbench --help"),
        (["compare", "a", "b", "--limit", "0"], "`--limit 0`", "sami-eval compare --help"),
    ],
    ids=" ".join,
)
def test_a_mistyped_command_is_answered_with_one_that_works(
    typed: list[str], said: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(typed) == 2
    error = capsys.readouterr().err
    assert said in error
    assert hint in error
    commands = re.findall(r"sami-eval ((?:[a-z-]+ )*)--help", error)
    for one in commands:
        assert cli.run([*one.split(), "--help"]) == 0


@pytest.mark.parametrize("spec", ["out/sami@1,2,3", "nobody@1,2"])
def test_seeds_behind_what_is_no_recipe(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["compare", spec, "base"]) == 2
    error = capsys.readouterr().err
    name, _, seeds = spec.partition("@")
    assert f"`{spec}`: `{name}` is no recipe, and nothing else has seeds" in error
    assert f"sami@{seeds}" in error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--tasks", "gsm8k_pask"], "error: no task `gsm8k_pask`"),
        (["--tasks", "there_is_no.yaml"], "error: lm_eval refuses: `Tasks not found"),
        (["--model", "nobody", "--tasks", "gsm8k_passk"], "error: lm_eval refuses: `Attempted"),
    ],
    ids=" ".join,
)
def test_what_lm_eval_refuses_is_no_bug(typed: list[str], said: str, tmp_path: Path) -> None:
    program = "import sys; from sami_eval import cli; sys.exit(cli.run(sys.argv[1:]))"
    model = [] if "--model" in typed else ["--model", "sami-eval"]
    given = ["lm-eval", *model, *typed, "--metadata", "problems=embedded"]
    done = subprocess.run(
        [sys.executable, "-c", program, *given], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "a bug" not in done.stderr
    assert "Traceback" not in done.stderr
