"""The paper's own SFT and DPO responses, judged by a loopback judge under its constitutions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.data.answers import read_answers
from sami_eval.data.prompts import read_prompts
from tests import SHARED
from tests.loopback_judge import Behaviour, LoopbackJudge

PAPER = SHARED / "data" / "paper"
DPO, SFT = PAPER / "DPO_responses.json", PAPER / "SFT_responses.json"
pytestmark = pytest.mark.skipif(not DPO.is_file(), reason="the paper's files are not here")


def test_dpo_against_sft_under_the_papers_constitutions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    answers = [[one.turns for one in read_answers(path)] for path in (DPO, SFT)]
    n_calls = 2 * sum(one != other for one, other in zip(*answers, strict=True))  # in both orders
    # The judge prefers the longer answer nine times in ten and tends to the first.
    behaviour = Behaviour(better_rate=0.9, first_rate=0.2)
    with LoopbackJudge(behaviour) as server:
        asked = ["compare", str(DPO), str(SFT), "--judge-model", "openai:gpt-4o"]
        command = [*asked, "--base-url", server.url, "--json", "--out", "run"]
        assert cli.run(command) == 0
        printed = capsys.readouterr()
        assert cli.run(command) == 0
        assert len(server.calls) == n_calls
        sent = [call.body["messages"][-1]["content"] for call in server.calls]
    document = json.loads(printed.out)
    assert "judge `principles`: the prompts carry principles" in printed.err
    assert document["calls"] == {"made": n_calls, "from_ledger": 0}
    assert json.loads(capsys.readouterr().out)["calls"] == {"made": 0, "from_ledger": n_calls}
    row = document["comparisons"][0]
    assert (row["n_questions"], row["n_verdicts"], row["unparsed"]) == (80, 160, 0)
    assert row["wins"] + row["ties"] + row["losses"] == 80
    assert (row["a"], row["b"]) == ("DPO_responses", "SFT_responses")
    assert len(row["by_category"]) == 8
    low, high = row["first_position_interval"]
    assert low <= (1 + behaviour.first_rate) / 2 <= high
    shown = [all(one in text for one in p.principles) for p in read_prompts(DPO) for text in sent]
    assert sum(shown) >= n_calls
    assert cli.run(["show", "run"]) == 0
    assert "all" in capsys.readouterr().out
