"""What others wrote is shown, never acted on, in every stream, encoding and under any name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.data.contrasts import contrasts_to_jsonl
from tests import ROOT, SHARED
from tests.align_models import CONTRASTS
from tests.loopback_judge import Behaviour, LoopbackJudge, completion
from tests.records import write_rows

CASES = SHARED / "cases" / "injections.jsonl"
HOSTILE = (
    "\x1b[2J\x1b]8;;http://127.0.0.1/\x07here\x1b]8;;\x07 \x9b31mred \u202eabc\u2066 \r\x08x\x7f"
)
ACTED_ON = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f\ud800-\udfff]"
)


def records(folder: Path, name: str, text: str, file: str | None = None) -> str:
    row: dict[str, object] = {"question_id": 81, "model_id": name, "choices": [{"turns": [text]}]}
    return str(write_rows(folder / f"{file or name}.jsonl", row))


def question(folder: Path) -> list[str]:
    row: dict[str, object] = {"id": 81, "category": "coding", "turns": ["Write."]}
    return [
        "--prompts",
        str(write_rows(folder / "q.jsonl", {**row, "reference": ["def f(x):\n    return x"]})),
    ]


def judgments(folder: Path, text: str, name: str = "one") -> str:
    """FastChat's judgments, every word of which may be anybody's."""
    row: dict[str, object] = {
        "question_id": 81, "model_1": name, "model_2": "two", "turn": 1,
        "judge": [f"judge {name}", "pair-v2"], "g1_user_prompt": text, "g1_judgment": text,
        "g2_user_prompt": text, "g2_judgment": f"{text} error", "g1_winner": "error",
        "g2_winner": "model_2",
    }  # fmt: skip
    return str(write_rows(folder / "judged.jsonl", row))


def sami_eval(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    line = [sys.executable, "-m", "sami_eval", *words]
    return subprocess.run(line, cwd=folder, env=env, capture_output=True, timeout=120)


def printed(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    cli.run(words)
    found = capsys.readouterr()
    both = found.out + found.err
    assert not ACTED_ON.search(both), ACTED_ON.findall(both)
    assert "Traceback" not in both
    assert "bug in sami-eval" not in both
    return both


def judged_run(folder: Path, text: str) -> str:
    """A run whose judge said the text, and whose contenders did."""
    a, b = records(folder, "x", text), records(folder, "y", f"{text}!")
    with LoopbackJudge(Behaviour(script=lambda _: (200, {}, completion(text)))) as server:
        judge = ["--judge", "quality", "--judge-model", "openai:loopback", "--base-url", server.url]
        cli.run(["compare", a, b, *question(folder), *judge, "--out", "run"])
    return "run"


def test_answers_and_verdicts_of_others_are_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = judged_run(folder, HOSTILE)
    for more in ([], ["--json"], ["--markdown"], ["--latex"], ["-v"]):
        printed(capsys, ["show", run, *more])
    said = printed(capsys, ["show", run, "--unparsed"])
    assert r"\x1b[2J" in said
    assert r"\u202eabc" in said
    for name in (HOSTILE, "a\x1b[2J"):
        printed(capsys, ["show", judgments(folder, HOSTILE, name)])


@pytest.mark.parametrize("more", [[], ["--json"], ["--dry-run"], ["--dry-run", "--json"], ["-v"]])
def test_a_comparison_of_hostile_answers_is_shown(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    a, b = records(folder, "x", HOSTILE), records(folder, "y", "Fine.")
    asked = ["compare", a, b, *question(folder), "--judge", "rules", "--out", "run"]
    said = printed(capsys, [*asked, *more])
    if "--json" in more:
        json.loads(said[said.index("{") : said.rindex("}") + 1])
    for row in ("a\x1b[2Jb", "a\u202eb", "a\x9b31mb"):
        printed(capsys, ["compare", row, b, *question(folder), "--judge", "rules", *more])


@pytest.mark.parametrize(
    "words",
    [
        ["show", "{}"], ["compare", "{}", "b"], ["passk", "{}"], ["align", "{}"], ["ls", "{}"],
        ["power", "{}"], ["agreement", "r", "--votes", "{}"],
        ["compare", "base", "sft", "--judge", "{}"],
        ["compare", "base", "sft", "--judge-model", "{}"], ["--{}"], ["{}"],
        ["compare", "base", "sft", "--limit", "{}"], ["compare", "base", "sft", "--{}"],
        ["contrast", "--prompts", "{}", "--constitutions", "{}"],
        ["compare", "base", "sft", "--base", "{}", "--dry-run"],
        ["compare", "base", "sft", "--task", "{}"], ["reproduce", "{}"],
    ],
)  # fmt: skip
def test_an_error_shows_what_was_typed(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    typed = "x\x1b]0;title\x07\u202ey"
    said = printed(capsys, [word.format(typed) for word in words])
    assert r"\u202e" in said


def test_listings_show_names_of_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for sub, name in (("judges", "evil\x1b[2J\u202e.toml"), ("runs", "evil\x1b[2J\u202e")):
        (folder / sub).mkdir()
        (folder / sub / name).write_text('kind = "\\u202e"\n')
    for what in ("judges", "runs", "models", "tasks", "recipes", "methods"):
        printed(capsys, ["ls", what])
    printed(capsys, ["doctor"])


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16", "ascii:strict"])
@pytest.mark.parametrize("words", [["show", "judged.jsonl"], ["ls", "judges"], ["power", "--wat"]])
def test_output_in_other_encodings(folder: Path, encoding: str, words: list[str]) -> None:
    judgments(folder, "x", "naïve 好 ½ –")
    done = sami_eval(*words, folder=folder, PYTHONIOENCODING=encoding)
    assert done.returncode in (0, 1, 2)
    said = (done.stdout + done.stderr).decode(encoding.partition(":")[0])
    assert "Traceback" not in said
    assert "bug in" not in said
    assert len(said) > 60


def test_json_in_ascii_is_json(folder: Path) -> None:
    judgments(folder, f"{HOSTILE} \U0001f600", "naïve 好 \U0001f600 –")
    plain = sami_eval("show", "judged.jsonl", "--json", folder=folder, PYTHONIOENCODING="utf-8")
    ascii_ = sami_eval("show", "judged.jsonl", "--json", folder=folder, PYTHONIOENCODING="ascii")
    assert json.loads(plain.stdout)["judge"] == json.loads(ascii_.stdout)["judge"]
    assert ascii_.stdout.isascii()


@pytest.mark.parametrize(
    "shell",
    ["{} | head -1", "{} >&-", "{} 2>&-", "{} >&- 2>&-", "{} <&- >&- 2>&-", "{} 2>/dev/full"],
)
@pytest.mark.parametrize("words", ["show judged.jsonl", "ls judges", "show nothing.jsonl"])
def test_closed_streams_are_no_crash(folder: Path, shell: str, words: str) -> None:
    judgments(folder, "text " * 20_000)
    line = shell.format(f"{sys.executable} -m sami_eval {words}")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, shell=True, cwd=folder, env=env, capture_output=True, timeout=120)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode in (0, 1, 2)
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    assert "bug in" not in said


def test_a_full_device_is_one_line(folder: Path) -> None:
    judgments(folder, "x")
    line = f"{sys.executable} -m sami_eval show judged.jsonl > /dev/full"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, shell=True, cwd=folder, env=env, capture_output=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.decode().startswith("error: cannot write the disk")
    assert "Exception ignored" not in done.stderr.decode()


LONG = "n" * 300


@pytest.mark.parametrize(
    "words",
    [
        ["show", f"{LONG}.jsonl"], ["compare", LONG, "b"], ["compare", "x.jsonl", f"{LONG}.jsonl"],
        ["compare", "base", "sft", "--judge", f"{LONG}.toml"], ["passk", LONG],
        ["compare", "x.jsonl", "y.jsonl", "--prompts", f"{LONG}.jsonl"],
        ["compare", "x.jsonl", "y.jsonl", "--prompts", "q.jsonl", "--judge", "rules",
         "--out", LONG],
        ["compare", "base", "sft", "--base", LONG, "--dry-run"],
        ["align", "sft", "--contrasts", "c.jsonl", "--out", LONG],
        ["contrast", "--prompts", LONG], ["contrast", "--constitutions", LONG],
        ["show", "x/" * 3000], ["compare", "base", "sft", "--judge-model", f"hf:{LONG}"],
    ],
)  # fmt: skip
def test_a_name_that_is_too_long_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    question(folder)
    records(folder, "x", "a")
    records(folder, "y", "b")
    (folder / "c.jsonl").write_text(contrasts_to_jsonl(CONTRASTS))
    assert "error: " in printed(capsys, words)


def test_models_with_long_names_are_compared(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = records(folder, "x" * 300, "a", "x"), records(folder, "y" * 300, "b", "y")
    asked = ["compare", a, b, *question(folder), "--judge", "rules"]
    assert cli.run(asked) == 0
    (run,) = (folder / "runs").iterdir()
    assert len(run.name) < 256
    assert cli.run(["show", str(run)]) == 0


def test_names_of_files_need_not_be_utf8(folder: Path) -> None:
    question(folder)
    for name, text in (("x", "a"), ("y", "b")):
        records(folder, name, text)
        os.rename(f"{name}.jsonl".encode(), name.encode() + b"\xff.jsonl")
    files = ["x\udcff.jsonl", "y\udcff.jsonl"]
    asked = ["compare", *files, "--prompts", "q.jsonl", "--judge", "rules", "--out", "run\udcff"]
    for words in (
        asked,
        [*asked, "--json"],
        ["show", "run\udcff"],
        ["show", "no\udcff"],
        ["ls", "runs"],
    ):
        done = sami_eval(*words, folder=folder)
        said = (done.stdout + done.stderr).decode()
        assert "Traceback" not in said
        assert "bug in" not in said
        assert done.returncode == (2 if "no\udcff" in words else 0), said


@pytest.mark.skipif(not CASES.is_file(), reason="the cases are not here")
def test_the_cases_are_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = [json.loads(line)["text"] for line in CASES.read_text(encoding="utf-8").splitlines()]
    printed(capsys, ["show", judged_run(folder, "\n".join(texts)), "--unparsed"])
