"""A file of the current folder under a name of ours is said, and a method's code before it runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.judge import judge_files
from tests.align.test_align_flags import write
from tests.align_models import CONTRASTS, save_base
from tests.records import write_rows

COMPARE = ["compare", "base", "base", "--dry-run", "--json"]
METHOD = '''"""Trains nothing."""
import sys
print("it runs", file=sys.stderr)
def train(contrasts, base, options, out, progress):
    sys.exit(0)
'''


@pytest.fixture(autouse=True)
def folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    write_rows("q.jsonl", {"question_id": 1, "category": "writing", "turns": ["Why?"]})
    return folder


@pytest.mark.parametrize(
    ("name", "more"), [("rules", []), ("quality", ["--prompts", "q.jsonl"])], ids=str
)
def test_a_judge_in_the_place_of_ours_is_said(
    name: str, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = f"judge `{name}`: judges/{name}.toml is used, not the one that comes with sami-eval"
    assert cli.run([*COMPARE, *more]) == 0
    assert said not in json.loads(capsys.readouterr().out)["notes"]
    ours = judge_files()[name]
    Path("judges").mkdir()
    shutil.copy(ours, "judges")
    for by_name in ([], ["--judge", name]):
        assert cli.run([*COMPARE, *more, *by_name]) == 0
        assert said in json.loads(capsys.readouterr().out)["notes"]
    # By its path it is meant, and a name that is not one of ours stands in for nothing.
    shutil.move(f"judges/{name}.toml", "judges/mine.toml")
    text = Path("judges/mine.toml").read_text().replace(f'name = "{name}"', 'name = "mine"')
    Path("judges/mine.toml").write_text(text)
    for judge in ("judges/mine.toml", "mine"):
        assert cli.run([*COMPARE, *more, "--judge", judge]) == 0
        notes = json.loads(capsys.readouterr().out)["notes"]
        assert not [note for note in notes if "not the one" in note]


@pytest.mark.parametrize(
    ("recipe", "file", "instead"),
    [
        ("sft", "methods/sft.py", ", not the one that comes with sami-eval"),
        ("base+mine", "methods/mine.py", ""),
        ("base+elsewhere/mine.py", "elsewhere/mine.py", ""),
    ],
)
def test_a_methods_code_is_said_before_it_runs_even_when_quiet(
    recipe: str, file: str, instead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(CONTRASTS)
    base = save_base(Path("own").absolute()).base
    Path(file).parent.mkdir()
    Path(file).write_text(METHOD)
    given = ["align", recipe, "--base", base, "--contrasts", "contrasts.jsonl", "-q"]
    assert cli.run([*given, "--dry-run"]) in (0, 2)
    assert "it runs" not in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.run(given)
    lines = capsys.readouterr().err.splitlines()
    said = f"method `{Path(file).stem}`: the code of {file} is run{instead}"
    assert lines.index(said) == lines.index("it runs") - 1
