"""What a shell is offered, asked as a shell asks; and what a start loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sami_eval import cli
from tests.records import write_rows

HEAVY = ("torch", "transformers", "trl", "peft", "lm_eval", "vllm", "datasets")


def offered(
    typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    """What bash is offered for the last word."""
    words = f"sami-eval {typed}"
    monkeypatch.setattr(sys, "argv", ["sami-eval"])
    monkeypatch.setenv("_SAMI_EVAL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    with pytest.raises(SystemExit):
        sys.exit(cli.run([]))
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("typed", "among"),
    [
        ("compare a b --judge ", {"quality", "rules", "mine"}),
        ("compare a b --judge q", {"quality"}),
        ("compare a b --constitutions ver", {"verifiable", "verifiable-few"}),
        ("compare a b --task mt", {"mtbench"}),
        ("compare a b --judge-model an", {"anthropic:"}),
        ("compare sa", {"sami"}),
        ("align d", {"dpo"}),
        ("ls ju", {"judges"}),
        ("show one", {"one-run"}),
        ("reproduce mtbench --scale lap", {"laptop"}),
        ("compare a b --ru", {"--rule"}),
        ("pow", {"power"}),
    ],
)
def test_values_are_offered(
    typed: str,
    among: set[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("judges", "runs/one-run"):
        Path(name).mkdir(parents=True)
    Path("judges/mine.toml").touch()
    assert among <= set(offered(typed, monkeypatch, capsys))


def test_a_broken_config_file_offers_nothing_and_says_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("sami-eval.toml").write_text("[models")
    assert offered("compare sa", monkeypatch, capsys) == []


def test_offering_and_judging_records_load_no_model_library(folder: Path) -> None:
    write_rows("q.jsonl", {"question_id": 1, "category": "writing", "turns": ["Write."]})
    for model in "ab":
        write_rows(f"{model}.jsonl", {"prompt_id": "1", "model": model, "turns": [f"{model}."]})
    job = ["compare", "a.jsonl", "b.jsonl", "--prompts", "q.jsonl", "--judge", "rules"]
    script = (
        "import os, sys\nfrom sami_eval import cli\n"
        f"assert cli.run({job}) == 0\n"
        "os.environ['_SAMI_EVAL_COMPLETE'] = 'complete_bash'\n"
        "os.environ |= {'COMP_WORDS': 'sami-eval compare --judge ', 'COMP_CWORD': '3'}\n"
        "try:\n    cli.run([])\nexcept SystemExit:\n    pass\n"
        f"print({{*{HEAVY}}} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.endswith("set()\n"), done.stderr
    assert done.stderr.startswith(
        "a.jsonl, b.jsonl: 1 prompt of q.jsonl; what is stored is not done"
    )
