"""A hint names a command that is there, and what lm-eval refuses is no bug of ours."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sami_eval import cli, embedded
from sami_eval.data.prompts import to_row
from tests.align_models import save_base
from tests.records import write_rows


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


def test_no_seeds_are_proposed_for_what_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = embedded.prompts("evaluation")[:4]
    for name in ("sft", "dpo"):  # records, whatever they are called
        rows = [{"prompt_id": one.id, "model": name, "turns": [name] * 2} for one in asked]
        write_rows(f"{name}.jsonl", *rows)
    write_rows("q.jsonl", *map(to_row, asked))
    given = ["compare", "sft.jsonl", "dpo.jsonl", "--prompts", "q.jsonl", "--judge", "rules", "-q"]
    assert cli.run(given) == 0
    out = capsys.readouterr().out
    assert "not training seeds" in out
    assert "@1,2,3" not in out


def test_a_missing_adapter_is_trained_by_the_command_of_its_seed_and_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    save_base(Path("own").absolute())
    Path("q.jsonl").write_text('{"id": "1", "category": "c", "turns": ["?"]}\n')
    for spec, seed in (("sft@2", "@2"), ("sft", "")):
        given = ["compare", "base", spec, "--base", "own", "--prompts", "q.jsonl", "--dry-run"]
        assert cli.run(given) == 2
        assert f"hint: sami-eval align sft{seed} --base own" in capsys.readouterr().err
    assert cli.run(["contrast", "--model", "sft@2"]) == 2
    assert "hint: sami-eval align sft@2\n" in capsys.readouterr().err


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
