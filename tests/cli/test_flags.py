"""Settings said once: a field is a flag, a key of `--config` and of a run's settings.toml."""

from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from sami_eval import cli
from sami_eval.cli import settings as of_commands
from sami_eval.cli.compare import compare
from sami_eval.cli.examples import EXAMPLES
from sami_eval.cli.passk import passk
from sami_eval.core.flags import Group
from sami_eval.core.settings import to_toml
from sami_eval.core.settings_file import from_file
from sami_eval.core.types import Response
from sami_eval.experiment.settings import CompareSettings, PasskSettings

TERMINALS = {"dry_run", "as_json", "quiet", "verbose", "html", "opened"}
GIVEN = ("a.jsonl", "b.jsonl")
JOB = ("compare", *GIVEN, "--prompts", "q.jsonl", "--judge", "rules", "-q")


def commands() -> dict[str, Any]:
    """Every command with flags of ours, by what is typed for it."""
    groups = [("", cli.app), ("reproduce ", cli.reproduce.app)]
    return {
        prefix + (one.name or one.callback.__name__): one.callback
        for prefix, app in groups
        for one in app.registered_commands
        if hasattr(one.callback, "settings")
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A question and two answers to it."""
    monkeypatch.chdir(tmp_path)
    Path("q.jsonl").write_text('{"question_id": 1, "category": "writing", "turns": ["Write."]}\n')
    for model in "ab":
        row = dataclasses.asdict(Response("1", model, (f"{model} writes",)))
        Path(f"{model}.jsonl").write_text(json.dumps(row) + "\n")
    return tmp_path


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", commands())
def test_help_names_every_setting_in_its_group(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert cli.run([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert all(len(line) <= width and line == line.rstrip() for line in text.splitlines())
    words = " ".join(text.split())
    sections = dict(part.partition(":\n")[::2] for part in text.split("\n\n") if ":\n" in part)
    for one in commands()[name].settings:
        assert " ".join(one.flag.help.split()) in words
        if not one.flag.positional:
            assert one.typed_name in sections[one.flag.group.value]
    assert set(sections) <= {*Group, "Examples"}
    assert f"sami-eval {name}" in sections["Examples"]


@pytest.mark.parametrize("name", commands())
def test_every_example_of_the_help_can_be_typed(name: str) -> None:
    context = typer.main.get_command(cli.app).make_context("sami-eval", name.split(), None)
    command: Any = context.command
    for word in name.split():
        command = command.commands[word]
    assert 1 <= len(EXAMPLES[name]) <= 3
    for line in EXAMPLES[name]:
        assert line.startswith(name)
        typed = shlex.split(line)[len(name.split()) :]
        assert command.make_context(name, typed).args == []


def test_every_option_of_compare_and_passk_is_one_field_with_a_flag() -> None:
    for command, kind in ((compare, CompareSettings), (passk, PasskSettings)):
        known = list(of_commands.settings_of(command))
        fields = [one.name for one in known if one.owner == "settings"]
        assert fields == [field.name for field in dataclasses.fields(kind)]
        assert {one.name for one in known if one.owner != "settings"} == TERMINALS
        assert [one.name for one in commands()[command.__name__].settings[:-1]] == [
            one.name for one in known
        ]


def config(text: str) -> None:
    Path("run.toml").write_text(text)


def settings_in(out: str) -> dict[str, Any]:
    (path,) = Path(out).glob("settings.toml")
    return tomllib.loads(path.read_text())


def test_a_file_says_what_flags_say_and_a_typed_flag_wins(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config(
        'contenders = ["a.jsonl", "b.jsonl"]\nprompts = "q.jsonl"\njudge = "rules"\n'
        'rule = "average"\nmax-unparsed = 1\nengine-arg = ["k=1"]\nrepeats = 2\nout = "file"\n'
    )
    assert (
        cli.run(["compare", "--config", "run.toml", "-q", "--repeats", "1", "--out", "typed"]) == 0
    )
    said = settings_in("typed")
    assert said["rule"] == "average"
    assert said["max_unparsed"] == 1.0
    assert said["engine_args"] == ["k=1"]
    assert "repeats" not in said  # typed, and the default
    assert not Path("file").exists()
    assert cli.run(["compare", "b.jsonl", "a.jsonl", "--config", "run.toml", "--json", "-q"]) == 0
    capsys.readouterr()
    assert settings_in("file")["contenders"] == ["b.jsonl", "a.jsonl"]


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ('jugde = "rules"', "compare has no setting `jugde`", "perhaps `judge`"),
        ("samples = 3", "compare has no setting `samples`", "sami-eval compare --help"),
        ('repeats = "2"', "`repeats` is `'2'`; it is a whole number, at least 1", "--help"),
        ("repeats = 0", "`repeats` is `0`; it is a whole number, at least 1", "--help"),
        ("temperature = 3", "`temperature` is `3.0`; it is a number, at least 0, at most 2", ""),
        ('orders = "two"', "`orders` is `'two'`; it is `both` or `one`", "--help"),
        ('engine-arg = "k=1"', "`engine-arg` is `'k=1'`; it is a list, each a text", "--help"),
        ("judge = ''", "`judge` is empty", "remove the line"),
        ("out = ''", "`out` is empty", "remove the line"),
        ("seed = 9007199254740993", "`seed` is 9007199254740993; it is at most 2**53", ""),
        ("max_unparsed = nan", "`max_unparsed` is `nan`", "--help"),
        ("engine-arg = []\nengine_args = []", "`engine_args` is given twice", "remove one"),
        ('command = "passk"', "these are settings of `passk`, not of `compare`", "sami-eval passk"),
        ("[judge]", "`judge` is `{}`; it is a text", "--help"),
        ("limit 3", "not TOML", ""),
    ],
)
def test_a_wrong_value_of_a_file_is_refused_with_its_line(
    line: str, said: str, hint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config(f'prompts = "q.jsonl"\n\n{line}\n')
    assert cli.run(["compare", *GIVEN, "--config", "run.toml"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert hint in error
    assert f"run.toml:{2 + len(line.splitlines())}" in error
    assert not Path("runs").exists()


def test_a_file_that_is_not_there_and_a_file_without_contenders(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["compare", *GIVEN, "--config", "no.toml"]) == 2
    assert "no file `no.toml`" in capsys.readouterr().err
    config('prompts = "q.jsonl"\n')
    assert cli.run(["compare", "--config", "run.toml"]) == 2
    assert "Missing argument 'contenders'" in capsys.readouterr().err


def test_a_file_that_is_named_wins_over_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    config('base_url = "http://127.0.0.1:2/v1"\n')
    assert cli.run([*JOB, "--config", "run.toml", "--out", "one"]) == 0
    assert settings_in("one")["base_url"] == "http://127.0.0.1:2/v1"
    assert cli.run([*JOB, "--out", "two"]) == 0
    assert settings_in("two")["base_url"] == "http://127.0.0.1:1/v1"


def test_no_secret_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:word@127.0.0.1:1/v1")
    assert cli.run([*JOB, "--engine-arg", "token=sk-0123456789abcdef", "--out", "one"]) == 0
    text = Path("one", "settings.toml").read_text()
    assert "word" not in text
    assert "sk-0123456789abcdef" not in text


def test_a_runs_settings_make_the_same_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--rule", "average", "--repeats", "2", "--seed", "3", "--timeout", "1.5", "--json")
    assert cli.run([*JOB, *given]) == 0
    first = json.loads(capsys.readouterr().out)
    assert cli.run(["compare", "--config", f"{first['run']}/settings.toml", "-q", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["settings"] == first["settings"]
    assert second["settings_key"] == first["settings_key"]
    assert second["run"] == first["run"]


def test_every_setting_goes_through_a_file_and_back(tmp_path: Path) -> None:
    odd = 'a "b" \\ \t # é \x7f'
    settings = CompareSettings(
        (odd, "b"), prompts=Path("q q.jsonl"), generate_with_principles=False, train=True,
        judge_model=("openai:a", "hf:b"), temperature=0.0, max_cost=1e-7, vote_names=("a=b",),
    )  # fmt: skip
    file = tmp_path / "settings.toml"
    file.write_text(to_toml(settings, tmp_path))
    said = from_file(file, "compare", list(of_commands.settings_of(compare)))
    assert CompareSettings(**said) == settings  # type: ignore[arg-type]


def test_a_finished_run_is_done_again_from_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["base", "--k", "2,1", "--samples", "2", "--limit", "2", "--no-greedy", "-q", "--json"]
    assert cli.run(["passk", *given]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["calls"]["made"] == 4
    Path("deeper").mkdir()
    monkeypatch.chdir("deeper")
    assert cli.run(["again", f"../{first['run']}", "-q", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["calls"] == {"made": 0, "from_ledger": 4}
    changing = ("calls", "date", "seconds", "memory_mb", "cost_usd")
    assert {**first, **dict.fromkeys(changing)} == {**second, **dict.fromkeys(changing)}
    assert cli.run(["again", "--dry-run"]) == 0  # the latest
    assert "at most 0 answers to draw; 4 of 4 stored" in capsys.readouterr().out


def test_a_comparison_is_done_again_where_it_was_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*JOB, "--out", "mine"]) == 0
    (elsewhere := folder / "else" / "where").mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    capsys.readouterr()
    assert cli.run(["again", str(folder / "mine"), "-q", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == "mine"
    assert not list(elsewhere.iterdir())


def test_files_that_changed_since_a_run_are_said_before_it_is_done_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "from measured import shorter\ndef compare(prompt, turn, a, b): return shorter(a, b)\n"
    task = {"kind": "pairwise", "questions": {"file": "../q.jsonl"}, "judge": "brief"}
    written = {
        "tasks/mine_pairwise.yaml": "task: mine_pairwise\n"
        "class: !function sami_eval.harness.pairwise.Pairwise\n"
        f"metadata: {json.dumps({'sami_eval': task})}\n",
        "judges/brief.toml": 'kind = "program"\nprogram = "brief:compare"\n',
        "judges/brief.py": code,
        "measured.py": 'def shorter(a, b): return "tie", "why"\n',
    }
    for name, text in written.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    sys.path.insert(0, str(folder))
    try:
        assert cli.run(["compare", *GIVEN, "--task", "mine", "--out", "mine", "-q"]) == 0
        capsys.readouterr()
        assert cli.run(["again", "mine", "-q", "--dry-run"]) == 0
        assert "not as they were" not in capsys.readouterr().err
        named = [*written, "q.jsonl", "a.jsonl"]
        for name in named:
            Path(name).write_text(Path(name).read_text() + "\n")
        assert cli.run(["again", "mine", "-q", "--dry-run"]) == 0
    finally:
        sys.path.remove(str(folder))
    said = capsys.readouterr().err
    listed = ", ".join(sorted(f"`{'tasks/../' * (name == 'q.jsonl')}{name}`" for name in named))
    assert said.splitlines()[0] == f"warning: not as they were for this run: {listed}"


def test_a_run_without_settings_tells_its_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*JOB, "--out", "old"]) == 0
    Path("old", "settings.toml").unlink()
    assert cli.run(["again", "old"]) == 2
    error = capsys.readouterr().err
    assert "`old` was made before runs kept their settings" in error
    assert "hint: what was typed for it: " in error
    assert cli.run(["again", "nothing"]) == 2
    assert "no run `nothing`" in capsys.readouterr().err


def test_settings_are_light() -> None:
    script = (
        "import sys, sami_eval.experiment.settings\n"
        "print({'torch', 'typer', 'transformers', 'datasets', 'json'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
