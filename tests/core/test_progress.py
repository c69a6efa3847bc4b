"""What long work shows while it runs: on a terminal, and where stderr is a pipe or a file."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from sami_eval import cli
from sami_eval.core import progress
from tests.loopback_judge import Behaviour, LoopbackJudge
from tests.processes import COMMAND
from tests.records import write_records

RECORDS = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]
JUDGE = ["--judge-model", "openai:loopback", "--concurrency", "4"]
PRICE = '[prices."loopback"]\ninput = 2.0\noutput = 10.0\n'
BILL = (100 * 2.0 + 10 * 10.0) / 1e6  # USD of a call of the loopback judge
N_CALLS = 80


@pytest.fixture
def folder(folder: Path) -> Path:
    write_records(folder, 20)
    Path("sami-eval.toml").write_text(PRICE)
    return folder


def on_a_terminal(arguments: list[str]) -> tuple[int, str]:
    """Exit code and all that was written to stderr, which is a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=theirs, env=environment
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            written += (block := os.read(ours, 65536))
        except OSError:  # the other end is closed
            break
        if not block:
            break
    os.close(ours)
    return process.wait(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode())


def test_a_terminal_shows_calls_time_left_and_cost_so_far(folder: Path) -> None:
    with LoopbackJudge(Behaviour(latency_s=0.05)) as server:
        code, shown = on_a_terminal([*RECORDS, *JUDGE, "--base-url", server.url])
    assert code == 0, shown
    frames = [frame.rstrip() for frame in re.split(r"[\r\n]+", shown) if "judging" in frame]
    found = re.compile(r"judging .* (\d+)/80 0:00:\d\d left (0:00:\d\d|-:--:--) +\$([\d.]+)$")
    seen = [match for frame in frames if (match := found.match(frame))]
    done, cost = [int(match[1]) for match in seen], [float(match[3]) for match in seen]
    assert done == sorted(done)
    assert cost == sorted(cost)
    assert 0 < done[0] < done[-1] == N_CALLS
    assert any(match[2].startswith("0:") for match in seen)
    # In a frame the cost may be that of replies which arrived since they were counted.
    assert all(usd >= n * BILL - 5e-5 for n, usd in zip(done, cost, strict=True))
    assert cost[-1] == pytest.approx(N_CALLS * BILL, abs=5e-5)
    assert max(map(len, frames)) <= 80


def test_elsewhere_there_is_a_line_every_few_seconds_and_one_at_the_end(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.2)
    with LoopbackJudge(Behaviour(latency_s=0.05)) as server:
        assert cli.run([*RECORDS, *JUDGE, "--base-url", server.url]) == 0
    lines = [line for line in capsys.readouterr().err.split("\n") if line.startswith("judging")]
    *during, last = lines
    assert len(during) >= 2  # it takes a second or more
    for line in during:
        assert re.fullmatch(r"judging  \d+/80(, \d+ s left)?, \$0\.\d{4}", line)
    assert re.fullmatch(r"judging  80/80 in \d+\.\d s, \$0\.0240", last)


def test_no_time_left_is_said_before_there_is_ground_for_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with progress.terminal().track("writing", 100) as advance:
        for now[0], n in ((19, 1), (25, 2), (31, 10), (37, 87)):  # a model was loaded for 18 s
            advance(n)
    # 12 since the first in 12 s: 87 are left. From the start on it had been 31 / 13 * 87 = 207 s.
    said = ["1/100", "3/100", "13/100, 87 s left", "100/100 in 37.0 s"]
    assert capsys.readouterr().err.splitlines() == [f"writing  {one}" for one in said]


def test_without_a_price_no_cost_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("sami-eval.toml").write_text("")
    with LoopbackJudge() as server:
        assert cli.run([*RECORDS, *JUDGE, "--base-url", server.url]) == 0
    assert re.search(r"^judging  80/80 in \d+\.\d s$", capsys.readouterr().err, re.M)


def test_answers_of_a_server_show_their_cost_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["compare", "openai:loopback", "one.jsonl", "--prompts", "q.jsonl", "--judge", "rules"]
    with LoopbackJudge() as server:
        assert cli.run([*asked, "--base-url", server.url]) == 0
    assert "generating turn 2  20/20" in (shown := capsys.readouterr().err)
    assert f", ${40 * BILL:.4f}" in shown


def test_quiet_shows_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackJudge() as server:
        assert cli.run([*RECORDS, *JUDGE, "--base-url", server.url, "-q"]) == 0
    assert capsys.readouterr().err == ""
