"""The command line as a user meets it: exit codes, one clear error, nothing lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sami_eval import cli
from tests.loopback_judge import Behaviour, LoopbackJudge
from tests.records import write_rows

QUESTIONS = [
    {"question_id": i, "category": c, "turns": [f"Say {i}.", "Again."]}
    for i, c in enumerate(["writing", "math"] * 10, 81)
]


def answers(model: str, strength: int) -> list[dict[str, object]]:
    """Recorded answers; the loopback judge prefers the greater number after "strength"."""
    return [
        {
            "question_id": row["question_id"],
            "model_id": model,
            "choices": [{"index": 0, "turns": [f"{model} strength {strength}"] * 2}],
        }
        for row in QUESTIONS
    ]


@pytest.fixture
def folder(folder: Path) -> Path:
    write_rows(folder / "q.jsonl", *QUESTIONS)
    write_rows(folder / "strong.jsonl", *answers("strong", 9))
    write_rows(folder / "weak.jsonl", *answers("weak", 1))
    return folder


RECORDS = ["compare", "strong.jsonl", "weak.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]


def judged(server: LoopbackJudge, *more: str) -> int:
    asked = ["--judge-model", "openai:loopback", "--base-url", server.url, "-q", *more]
    return cli.run([*RECORDS, *asked])


def test_two_records_are_compared_by_a_judge_behind_a_url(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(better_rate=1.0)) as server:
        assert judged(server, "--json") == 0
        n_calls = len(server.calls)
    document = json.loads(capsys.readouterr().out)
    row = document["comparisons"][0]
    assert (row["wins"], row["ties"], row["losses"]) == (40, 0, 0)
    assert row["significant"]
    assert row["interval"][1] == 1.0
    assert row["interval"][0] < 0.95
    assert n_calls == document["calls"]["made"] == 80  # 20 questions x 2 turns x 2 orders


def test_a_rerun_asks_nothing_and_shows_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(better_rate=0.7)) as server:
        assert judged(server, "--json") == 0
        first = json.loads(capsys.readouterr().out)
        n_calls = len(server.calls)
        assert judged(server, "--json") == 0
        assert len(server.calls) == n_calls
    second = json.loads(capsys.readouterr().out)
    assert second["comparisons"] == first["comparisons"]
    assert second["calls"] == {"made": 0, "from_ledger": 80}
    assert second["run"] == first["run"]


def test_a_judge_that_always_takes_the_first_answer_makes_ties(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(first_rate=1.0)) as server:
        assert judged(server, "--json") == 0
    row = json.loads(capsys.readouterr().out)["comparisons"][0]
    assert row["ties"] == row["n_turns"] == 40
    assert row["consistency"] == 0.0
    assert row["first_position_rate"] == 1.0
    assert not row["significant"]


def test_unparsed_verdicts_are_left_out_and_end_with_code_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def mute(body: dict[str, object]) -> tuple[int, dict[str, str], bytes]:
        choice = {"index": 0, "finish_reason": "stop", "message": {"content": "Hard to say."}}
        return 200, {}, json.dumps({"model": "loopback", "choices": [choice]}).encode()

    with LoopbackJudge(Behaviour(script=mute)) as server:
        assert judged(server) == 1
    captured = capsys.readouterr()
    assert "80 of 80 judgments have no verdict" in captured.err
    assert "none of 80 judgments has a verdict" in captured.out
    assert cli.run(["show", "--unparsed"]) == 0
    assert "80 judgments without a verdict" in capsys.readouterr().out


def test_show_prints_what_compare_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackJudge(Behaviour(better_rate=0.8)) as server:
        assert judged(server) == 0
    shown = capsys.readouterr().out
    assert cli.run(["show"]) == 0
    assert capsys.readouterr().out == shown
    assert cli.run(["ls", "runs"]) == 0
    assert "-q-strong-weak" in capsys.readouterr().out


def test_a_dry_run_calls_nothing_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    with LoopbackJudge(Behaviour()) as server:
        assert judged(server, "--dry-run") == 0
        assert server.calls == []
    assert "at most 80 calls" in capsys.readouterr().out
    assert sorted(folder.rglob("*")) == before


WRONG = [
    (["compare", "strong.jsonl"], 2, "at least two"),
    (["compare", "sami", "dpoo"], 2, "`dpoo`"),
    (["compare", "sami", "dpo", "--task", "mtbanch"], 2, "`mtbanch`"),
    (["compare", "sami", "dpo", "--orders", "three"], 2, "three"),
    (["compare", "sami", "dpo", "--engine", "warp"], 2, "`warp`"),
    (["compare", "sami", "dpo", "--engine-arg", "x"], 2, "`--engine-arg x`"),
    (["compare", "sami", "dpo", "--judge", "qualty"], 2, "`qualty`"),
    (["compare", "sami", "dpo", "--judge", "quality"], 4, "needs a key"),
    (["compare", "sami", "dpo", "--judge", "q.jsonl"], 2, "q.jsonl"),
    (["compare", "sami", "dpo", "--constitutions", "absent.toml"], 2, "`absent.toml`"),
    (["compare", "sami", "dpo", "--prompts", "absent.jsonl"], 2, "`absent.jsonl`"),
    (["compare", "sami", "dpo", "--base", "no/such-base"], 2, "`no/such-base`"),
    (["show", "absent"], 2, "`absent`"),
    (["show"], 2, "no run yet"),
    (["ls", "things"], 2, "`things`"),
    (["power"], 2, "nothing to compute"),
    (["power", "--win-rate", "1.2"], 2, "`1.2`"),
    (["power", "--win-rate", "0.9", "--ties", "0.5"], 2, "`0.9`"),
    (["align", "nothing"], 2, "`nothing`"),
    (["align", "base"], 2, "`base` trains nothing"),
    (["align", "sami", "--contrasts", "absent.jsonl"], 2, "absent.jsonl"),
    (["contrast", "--prompts", "q.jsonl"], 2, "`--prompts` without `--constitutions`"),
    (["contrast", "--n", "1"], 2, "--n"),
    (["frobnicate"], 2, "frobnicate"),
]


@pytest.mark.parametrize(("arguments", "code", "named"), WRONG, ids=lambda v: str(v)[:60])
def test_wrong_input_is_one_clear_error(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    named: str,
) -> None:
    before = sorted(folder.rglob("*"))
    assert cli.run([*arguments]) == code
    assert sorted(folder.rglob("*")) == before
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert named in captured.err.split("\n\nhint:")[0]
    assert "\nhint: " in captured.err
    assert "Traceback" not in captured.err


def test_no_key_ends_with_code_4_before_anything_is_spent(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    assert cli.run([*RECORDS, "--judge-model", "openai:gpt-4o"]) == 4
    assert "OPENAI_API_KEY" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_a_refused_key_ends_with_code_4_and_is_not_shown(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "sk-verysecretverysecretverysecret"
    monkeypatch.setenv("OPENAI_API_KEY", secret)

    def refuse(body: dict[str, object]) -> tuple[int, dict[str, str], bytes]:
        text = {"error": {"message": f"Incorrect API key provided: {secret}", "code": "bad"}}
        return 401, {}, json.dumps(text).encode()

    with LoopbackJudge(Behaviour(script=refuse)) as server:
        assert judged(server) == 4
    captured = capsys.readouterr()
    assert "refused" in captured.err
    assert secret not in captured.err + captured.out
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert not any(secret.encode() in content for content in written)


def test_a_run_folder_that_cannot_be_written_is_said_before_anything_is_spent(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "runs").write_text("a file where a folder should be")
    with LoopbackJudge(Behaviour()) as server:
        assert judged(server) == 2
        assert server.calls == []
    assert "cannot write" in capsys.readouterr().err


def test_another_run_s_folder_is_not_overwritten(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour()) as server:
        assert judged(server, "--out", "here") == 0
        kept = (folder / "here" / "comparison.json").read_bytes()
        assert judged(server, "--out", "here", "--limit", "4") == 2
    assert "holds another run" in capsys.readouterr().err
    assert (folder / "here" / "comparison.json").read_bytes() == kept


def test_a_judge_by_principles_needs_them_on_every_prompt(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*RECORDS[:-1], "principles", "--judge-model", "openai:x"]
    assert cli.run([*arguments, "--base-url", "http://127.0.0.1:1/v1"]) == 2
    assert "20 of 20 prompts carry none" in capsys.readouterr().err


def test_power_answers_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["power", "--win-rate", "0.57", "--questions", "80"]) == 0
    text = capsys.readouterr().out
    assert "needs 422 questions or more" in text
    assert "80 questions find a win rate beyond 33.7% or 66.3%" in text
    assert "anywhere in 46.1–67.3%: more than 72 questions" in text
    assert cli.run(["power", "--win-rate", "0.7", "--questions", "80", "--ties", "0.1"]) == 0
    assert "22 to 188 questions" in capsys.readouterr().out
    assert cli.run(["power", "--questions", "5"]) == 0
    assert "find no win rate" in capsys.readouterr().out
    assert cli.run(["power", "--win-rate", "0.5"]) == 0
    assert "no effect" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["models", "judges", "tasks", "methods", "scales", "runs"])
def test_every_listing_has_text_and_json(
    folder: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    assert cli.run(["ls", what]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.split("\n"))) <= 80
    assert cli.run(["ls", what, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)[what]
    assert all(rows[0]) if rows else what == "runs"


def test_ctrl_c_says_that_the_same_command_resumes(folder: Path) -> None:
    program = "import sys; from sami_eval import cli; sys.exit(cli.run(sys.argv[1:]))"
    with LoopbackJudge(Behaviour(latency_s=0.1)) as server:
        asked = ["--judge-model", "openai:loopback", "--base-url", server.url]
        process = subprocess.Popen(
            [sys.executable, "-c", program, *RECORDS, *asked, "--concurrency", "1"],
            stderr=subprocess.PIPE,
            text=True,
        )
        while len(server.calls) < 5:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.02)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
        assert process.returncode == 130
        assert "the same command resumes" in error
        assert len(server.calls) < 80
        assert judged(server) == 0
    assert len(server.calls) <= 80 + 1  # at most the one in flight was asked again


LIGHT = """
import sys
from sami_eval import cli
try:
    cli.run(["--help"])
finally:
    heavy = {"torch", "numpy", "scipy", "transformers", "openai", "vllm", "trl"} & set(sys.modules)
    assert not heavy, heavy
"""


def test_help_imports_nothing_heavy() -> None:
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "compare" in done.stdout


def test_a_bug_is_one_line_without_v_and_a_traceback_with_it() -> None:
    script = (
        "import sys, sami_eval.core.config, sami_eval.cli as cli\n"
        "def broken(*of, **them): raise ZeroDivisionError('so it is')\n"
        "sami_eval.core.config.find_config = broken\n"
        "sys.argv = ['sami-eval', 'ls', 'runs', *sys.argv[1:]]\n"
        "cli.main()\n"
    )
    quiet = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert quiet.returncode == 1
    assert "error: this is a bug in sami-eval: ZeroDivisionError: so it is" in quiet.stderr
    assert "Traceback" not in quiet.stderr


def test_no_argument_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 0
    assert "compare" in capsys.readouterr().out
