"""`--max-cost`, `--rpm` and `--tpm` through the command line: what a run spends is never more."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

import sami_eval
from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.server.budget import BYTES_A_TOKEN
from tests.loopback_judge import Answer, Behaviour, LoopbackJudge, completion, draw, reply_text
from tests.records import write_records

INPUT, OUTPUT = 2.0, 10.0  # USD per million tokens
PRICES = f'[prices."loopback"]\ninput = {INPUT}\noutput = {OUTPUT}\n'
JUDGE = ["--judge", "quality", "--judge-model", "openai:loopback"]
RECORDS = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "-q"]
N_CALLS = 80  # 20 questions x 2 turns x 2 orders


@pytest.fixture
def folder(folder: Path) -> Path:
    """Two records over 20 questions of two turns, and the judge's price."""
    write_records(folder, 20, one=9, two=1)
    Path("sami-eval.toml").write_text(PRICES)
    return folder


class Meter:
    """A judge that bills each call near the most it may, and adds up its own bill."""

    def __init__(self) -> None:
        self.usd = 0.0
        self.verdicts = 0

    def __call__(self, body: dict[str, Any]) -> Answer:
        n_bytes = sum(len(m["content"].encode()) for m in body["messages"])
        share = draw("share", body["messages"])  # of its own limit that a reply takes
        prompt, said = n_bytes // BYTES_A_TOKEN, int(share * body["max_tokens"])
        self.usd += (prompt * INPUT + said * OUTPUT) / 1e6
        self.verdicts += 1
        row = json.loads(completion(reply_text(body["messages"], Behaviour())))
        row["usage"] = {"prompt_tokens": prompt, "completion_tokens": said}
        return 200, {}, json.dumps(row).encode()


def judged(server: LoopbackJudge, *more: str) -> int:
    return cli.run([*RECORDS, *JUDGE, "--base-url", server.url, "--json", *more])


@pytest.mark.parametrize("concurrency", [1, 64])
def test_spending_never_passes_the_limit_and_reruns_end_with_the_same_table(
    folder: Path, capsys: pytest.CaptureFixture[str], concurrency: int
) -> None:
    meter, limit, n_runs = Meter(), 0.2, 1
    more = ["--max-cost", str(limit), "--concurrency", str(concurrency)]
    with LoopbackJudge(Behaviour(script=meter, latency_s=0.005)) as server:
        before = 0.0
        while (code := judged(server, *more)) == 1:
            spent, before = meter.usd - before, meter.usd
            assert spent <= limit
            assert spent > limit / 2  # nor does it stop for fear of what it will not spend
            error = capsys.readouterr().err
            assert "stopped at $" in error
            assert "and pass `--max-cost 0.2`" in error
            n_runs += 1
        assert code == 0
        assert n_runs > 2
        assert len(server.calls) == meter.verdicts == N_CALLS  # nothing lost, nothing asked twice
    document = json.loads(capsys.readouterr().out)
    assert document["comparisons"][0]["wins"] == 40
    assert document["cost_usd"] == pytest.approx(meter.usd - before)
    assert document["calls"]["from_ledger"] == N_CALLS - document["calls"]["made"]


def test_a_judge_without_a_price_is_refused_before_anything_is_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("sami-eval.toml").write_text("")
    before = sorted(folder.rglob("*"))
    with LoopbackJudge() as server:
        assert judged(server, "--max-cost", "5") == 2
        assert server.calls == []
    error = capsys.readouterr().err
    assert "needs the price of `loopback`" in error
    assert '[prices."loopback"]' in error
    assert sorted(folder.rglob("*")) == before


def test_a_contender_at_a_server_needs_its_price_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["compare", "openai:dear", "one.jsonl", "--prompts", "q.jsonl", "--max-cost", "5"]
    with LoopbackJudge() as server:
        assert cli.run([*asked, *JUDGE, "--base-url", server.url]) == 2
        assert server.calls == []
    assert "`dear`" in capsys.readouterr().err


def test_a_judge_in_this_process_costs_nothing_and_needs_no_price(folder: Path) -> None:
    asked = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--judge", "rules"]
    assert cli.run([*asked, "--max-cost", "0.01", "-q"]) == 0


def test_what_contenders_cost_is_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("sami-eval.toml").write_text(PRICES + PRICES.replace("loopback", "chatty"))
    asked = ["compare", "openai:chatty", "one.jsonl", "--prompts", "q.jsonl", "-q", "--json"]
    with LoopbackJudge() as server:
        assert cli.run([*asked, *JUDGE, "--base-url", server.url]) == 0
        n_calls = len(server.calls)
    document = json.loads(capsys.readouterr().out)
    assert n_calls == 40 + N_CALLS
    # The loopback judge reports 100 tokens in and 10 out for every call.
    assert document["cost_usd"] == pytest.approx(n_calls * (100 * INPUT + 10 * OUTPUT) / 1e6)


def test_contenders_stop_at_the_limit_too_and_go_on_from_there(
    folder: Path,
) -> None:
    Path("sami-eval.toml").write_text(PRICES + PRICES.replace("loopback", "chatty"))
    meter, limit, codes = Meter(), 0.1, []
    asked = ["compare", "openai:chatty", "one.jsonl", "--prompts", "q.jsonl", "-q", "--json"]
    asked += [*JUDGE, "--max-tokens", "1000", "--max-cost", str(limit), "--concurrency", "8"]
    with LoopbackJudge(Behaviour(script=meter)) as server:
        while not codes or codes[-1] == 1:
            before = meter.usd
            codes.append(cli.run([*asked, "--base-url", server.url]))
            assert meter.usd - before <= limit
        asked_of = [call.body["model"] for call in server.calls]
    assert len(codes) > 3
    assert codes[-1] == 0
    assert asked_of.index("loopback") == 40  # the first runs ended among the answers
    assert (asked_of.count("chatty"), asked_of.count("loopback")) == (40, N_CALLS)


def test_a_price_that_is_not_known_is_an_unknown_cost(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("sami-eval.toml").write_text("")
    with LoopbackJudge() as server:
        assert judged(server) == 0
    assert json.loads(capsys.readouterr().out)["cost_usd"] is None


def test_answers_without_usage_are_an_unknown_cost_and_count_whole_against_the_limit(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def bare(body: dict[str, Any]) -> Answer:
        row = json.loads(completion(reply_text(body["messages"], Behaviour())))
        del row["usage"]
        return 200, {}, json.dumps(row).encode()

    with LoopbackJudge(Behaviour(script=bare)) as server:
        assert judged(server, "--limit", "1", "--max-cost", "1") == 0
        document = json.loads(capsys.readouterr().out)
        assert document["cost_usd"] is None
        assert 4 * 2048 * OUTPUT / 1e6 < document["cost_unseen_usd"] < 1
        assert judged(server, "--max-cost", "0.5") == 1
        assert len(server.calls) < N_CALLS


@pytest.mark.parametrize(("flag", "value"), [("max-cost", "nan"), ("rpm", "0"), ("tpm", "x")])
def test_a_limit_that_is_none_is_wrong_usage(
    folder: Path, capsys: pytest.CaptureFixture[str], flag: str, value: str
) -> None:
    before = sorted(folder.rglob("*"))
    assert cli.run([*RECORDS, "--judge", "rules", f"--{flag}", value]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: `--{flag} {value}`: ")
    assert "\nhint: " in error
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("value", [math.nan, math.inf, 0, -1, True, "5"])
def test_python_refuses_it_too(folder: Path, value: object) -> None:
    # Out of bounds is said as on the command line; no number at all, as a setting.
    with pytest.raises(UsageError, match=f"`(--max-cost |max_cost` is `?'?){value}"):
        sami_eval.compare(
            "one.jsonl",
            "two.jsonl",
            task="mtbench",
            prompts=Path("q.jsonl"),
            judge="rules",
            max_cost=value,
        )


def test_requests_a_minute_are_kept(folder: Path) -> None:
    start = time.monotonic()
    with LoopbackJudge() as server:
        assert judged(server, "--limit", "2", "--rpm", "1200") == 0
        assert len(server.calls) == 8
    assert time.monotonic() - start >= 7 * 0.05  # one every 50 ms


def test_tokens_a_minute_are_kept(folder: Path) -> None:
    start = time.monotonic()
    with LoopbackJudge() as server:
        # Each call takes 110 tokens by the server's report, 100 ms; more while it is in flight.
        assert judged(server, "--limit", "2", "--tpm", "66000", "--concurrency", "1") == 0
    assert time.monotonic() - start >= 7 * 0.1


def test_limits_are_not_part_of_what_a_run_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = set()
    with LoopbackJudge() as server:
        for more in ([], ["--max-cost", "9"], ["--rpm", "1e6", "--tpm", "1e9"]):
            assert judged(server, *more) == 0
            runs.add(json.loads(capsys.readouterr().out)["run"])
        assert len(server.calls) == N_CALLS
    assert len(runs) == 1
