"""`--dry-run`: what it says a run makes and costs at most, the run then does not pass."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.calls import Completion, Request, Sampling
from sami_eval.core.types import Model
from sami_eval.generate.expected import LONGEST_TOKEN
from sami_eval.ledger.store import Ledger
from sami_eval.server import prices
from sami_eval.server.budget import BYTES_A_TOKEN, most_tokens
from tests.loopback_judge import Answer, Behaviour, LoopbackJudge, completion, reply_text
from tests.records import write_records

INPUT, OUTPUT = 2.0, 10.0  # USD per million tokens
PRICES = "".join(
    f'[prices."{name}"]\ninput = {INPUT}\noutput = {OUTPUT}\n' for name in ("loopback", "chatty")
)
JUDGE = ["--judge", "quality", "--judge-model", "openai:loopback"]
QUESTIONS = ["--prompts", "q.jsonl"]
RECORDS = ["compare", "one.jsonl", "two.jsonl", *QUESTIONS, *JUDGE]
CHATTY = ["compare", "openai:chatty", "one.jsonl", *QUESTIONS, *JUDGE, "--max-tokens", "50"]
N_CALLS = 40  # 10 questions x 2 turns x 2 orders


@pytest.fixture
def folder(folder: Path) -> Path:
    """Two records over 10 questions of two turns, and prices."""
    write_records(folder, 10, one=9, two=1)
    Path("sami-eval.toml").write_text(PRICES)
    return folder


def usd(prompt_tokens: int, completion_tokens: int) -> float:
    return (prompt_tokens * INPUT + completion_tokens * OUTPUT) / 1e6


class Greedy:
    """A server whose answers are as long, and whose bills as high, as any can be."""

    def __init__(self) -> None:
        self.usd = 0.0

    def __call__(self, body: dict[str, Any]) -> Answer:
        prompt = sum(len(m["content"].encode()) for m in body["messages"]) // BYTES_A_TOKEN
        self.usd += usd(prompt, body["max_tokens"])
        judging = body["model"] == "loopback"
        text = reply_text(body["messages"], Behaviour()) if judging else "y" * LONGEST_TOKEN * 50
        row = json.loads(completion(text))
        row["usage"] = {"prompt_tokens": prompt, "completion_tokens": body["max_tokens"]}
        return 200, {}, json.dumps(row).encode()


def foreseen(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What a dry run says in JSON; it must leave the folder as it is."""
    before = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()}
    assert cli.run([*arguments, "--dry-run", "--json"]) == 0
    assert {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()} == before
    row: dict[str, Any] = json.loads(capsys.readouterr().out)
    return row


def run(*arguments: str) -> int:
    return cli.run([*arguments, "-q", "--json"])


def test_a_dry_run_counts_the_calls_a_run_makes_and_their_tokens(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        at = ["--base-url", server.url]
        row = foreseen(capsys, *RECORDS, *at)
        assert server.calls == []
        assert run(*RECORDS, *at) == 0
        asked = [call.body for call in server.calls]
    (judge,) = row["judges"]
    assert (judge["name"], judge["model"]) == ("quality", "loopback")
    assert (judge["calls"], judge["stored"]) == (len(asked), 0) == (N_CALLS, 0)
    model = Model("loopback", "loopback", engine="openai")
    sent = [
        Request(
            model,
            tuple((m["role"], m["content"]) for m in body["messages"]),
            (),
            Sampling(max_tokens=body["max_tokens"]),
        )
        for body in asked
    ]
    assert judge["prompt_tokens"] == sum(most_tokens(request).prompt_tokens for request in sent)
    assert judge["completion_tokens"] == N_CALLS * 2048
    bound = usd(judge["prompt_tokens"], judge["completion_tokens"])
    assert row["cost_usd"] == judge["cost_usd"] == pytest.approx(bound)


def test_no_run_costs_more_than_its_bound(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    greedy = Greedy()
    with LoopbackJudge(Behaviour(script=greedy)) as server:
        at = ["--base-url", server.url]
        row = foreseen(capsys, *CHATTY, *at)
        assert row["contenders"][0]["calls"] == 20
        assert row["judges"][0]["calls"] == N_CALLS
        assert run(*CHATTY, *at) == 0
        document = json.loads(capsys.readouterr().out)
        assert len(server.calls) == 20 + N_CALLS
        again = foreseen(capsys, *CHATTY, *at)
    assert 0.8 * row["cost_usd"] < greedy.usd <= row["cost_usd"]
    assert document["cost_usd"] == pytest.approx(greedy.usd)
    assert again["cost_usd"] == 0
    assert [again["contenders"][0][k] for k in ("calls", "stored")] == [0, 20]
    assert [again["judges"][0][k] for k in ("calls", "stored")] == [0, N_CALLS]


def test_what_is_stored_is_not_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackJudge() as server:
        at = ["--base-url", server.url]
        assert run(*RECORDS, *at, "--limit", "3") == 0
        capsys.readouterr()
        assert cli.run([*RECORDS, *at, "--dry-run"]) == 0
        text = capsys.readouterr().out
        row = foreseen(capsys, *RECORDS, *at)
        assert run(*RECORDS, *at) == 0
        assert len(server.calls) == N_CALLS
    assert row["judges"][0]["calls"] == N_CALLS - 12
    assert "at most 28 calls; 12 of 40 stored" in text
    assert re.search(r"\ncost +at most \$0\.\d+", text)
    assert max(map(len, text.split("\n"))) <= 80


def test_answers_without_a_verdict_are_counted_where_they_will_be_asked_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mute = completion("Hard to say.")
    with LoopbackJudge(Behaviour(script=lambda _: (200, {}, mute))) as server:
        at = ["--base-url", server.url]
        assert run(*RECORDS, *at) == 1
        capsys.readouterr()
        assert foreseen(capsys, *RECORDS, *at)["judges"][0]["calls"] == 0
        row = foreseen(capsys, *RECORDS, *at, "--retry-unparsed")
    assert row["judges"][0]["calls"] == N_CALLS


def test_a_first_answer_that_is_stored_makes_the_bound_of_the_second_tighter(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    n_left = 10  # the server answers so often, then refuses

    def short(body: dict[str, Any]) -> Answer:
        nonlocal n_left
        n_left -= 1
        return (200, {}, completion("Brief.")) if n_left >= 0 else (404, {}, b"{}")

    with LoopbackJudge(Behaviour(script=short)) as server:
        at = ["--base-url", server.url, "--concurrency", "1"]
        before = foreseen(capsys, *CHATTY, *at)["contenders"][0]
        assert run(*CHATTY, *at) == 1
        capsys.readouterr()
        after = foreseen(capsys, *CHATTY, *at)["contenders"][0]
    assert (after["calls"], after["stored"]) == (10, 10)
    assert after["completion_tokens"] == before["completion_tokens"] / 2
    assert after["prompt_tokens"] < before["prompt_tokens"] / 2


def test_a_price_that_is_not_known_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("sami-eval.toml").write_text("")
    at = ["--base-url", "http://127.0.0.1:1/v1"]
    assert foreseen(capsys, *RECORDS, *at)["cost_usd"] is None
    assert cli.run([*RECORDS, *at, "--dry-run"]) == 0
    assert 'sami-eval.toml has no [prices."loopback"]' in capsys.readouterr().out


def test_a_bound_above_the_limit_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--base-url", "http://127.0.0.1:1/v1", "--dry-run"]
    assert cli.run([*RECORDS, *at, "--max-cost", "0.1"]) == 0
    assert "could pass `--max-cost 0.1`" in capsys.readouterr().out
    assert cli.run([*RECORDS, *at, "--max-cost", "100"]) == 0
    assert "--max-cost" not in capsys.readouterr().out


def test_a_program_makes_no_calls(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = foreseen(capsys, *RECORDS[:5], "--judge", "rules")
    assert (row["judges"][0]["calls"], row["judges"][0]["model"], row["cost_usd"]) == (0, None, 0)


def test_the_embedded_base_is_counted_by_what_the_ledger_holds(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["compare", "base", "sami", "--limit", "2"]
    assert cli.run(["compare", "base", "base", "--limit", "1", "-q"]) == 0
    capsys.readouterr()
    base, sami = foreseen(capsys, *asked)["contenders"]
    assert (base["calls"], base["stored"]) == (2, 2)
    assert (sami["calls"], sami["stored"]) == (4, 0)
    assert "would be trained" in sami["what"]


BARE = """
import sys
from sami_eval import cli
assert cli.run(["compare", "sami", "dpo", "--task", "mtbench", "--dry-run"]) == 0
assert not {"torch", "transformers", "openai", "vllm"} & set(sys.modules)
"""


def test_a_dry_run_of_recipes_starts_and_trains_nothing(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("would be trained") == 2
    assert sorted(p.name for p in folder.iterdir()) == [
        "one.jsonl",
        "q.jsonl",
        "sami-eval.toml",
        "two.jsonl",
    ]


def test_a_ledger_in_use_is_read_with_its_log(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(path) as writing:
        writing.add_completions([("k", "m", Completion("text"))])
        with Ledger(path, read_only=True) as reading:
            assert reading.completions(["k"])["k"].text == "text"
            with pytest.raises(sqlite3.OperationalError):
                reading._db.execute("DELETE FROM completions")


def test_an_older_ledger_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(path) as ledger:
        ledger.add_completions([("k", "m", Completion("text"))])
        ledger._db.executescript(
            "DROP TABLE leases; DROP TABLE owners; PRAGMA user_version = 1;"
            "ALTER TABLE replies DROP COLUMN token_logps;"
        )
    before = path.read_bytes()
    with Ledger(path, read_only=True) as reading:
        assert reading.has_completions()
        assert reading.replies(["k"]) == {}
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_no_ledger_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".sami-eval").mkdir()
    Path(".sami-eval/ledger.db").write_text("a shopping list " * 100)
    assert cli.run([*RECORDS, "--base-url", "http://127.0.0.1:1/v1", "--dry-run"]) == 2
    assert "is not a ledger" in capsys.readouterr().err


def test_an_expected_cost_needs_no_key_and_stands_below_the_bound(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    judge = ["--judge", "quality", "--judge-model", "openai:gpt-4o"]
    records = ["compare", "one.jsonl", "two.jsonl", *QUESTIONS, *judge]
    row = foreseen(capsys, *records)
    (found,) = row["judges"]
    assert 0 < row["expected_cost_usd"] < row["cost_usd"]
    assert found["expected_completion_tokens"] == N_CALLS * 300  # the usual reply
    (said,) = found["lengths"]  # the answers are there
    assert said == "300 tokens a reply, as usual (scale `paper`)"
    read, written = (found[f"expected_{kind}_tokens"] for kind in ("prompt", "completion"))
    assert found["expected_cost_usd"] == pytest.approx((read * 2.5 + written * 10.0) / 1e6)
    assert cli.run([*records, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"\ncost +at most \$0\.\d+.*\n +expected \$0\.\d+\n", text)
    assert cli.run([*records, "-q"]) == 4  # the run itself needs one
    assert "OPENAI_API_KEY" in capsys.readouterr().err


def test_what_is_stored_says_how_long_the_rest_will_probably_be(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def short(body: dict[str, Any]) -> Answer:
        judging = body["model"] == "loopback"
        row = json.loads(completion(reply_text(body["messages"], Behaviour()) if judging else "y"))
        row["usage"] = {"prompt_tokens": 7, "completion_tokens": 11 if judging else 5}
        return 200, {}, json.dumps(row).encode()

    with LoopbackJudge(Behaviour(script=short)) as server:
        at = ["--base-url", server.url]
        before = foreseen(capsys, *CHATTY, *at)
        assert run(*CHATTY, *at, "--limit", "2") == 0
        capsys.readouterr()
        after = foreseen(capsys, *CHATTY, *at)
    # As long as what the record has answered, else as what this contender has.
    assert "stored answers" in before["contenders"][0]["lengths"][0]
    assert before["judges"][0]["expected_completion_tokens"] == N_CALLS * 300
    (contender,), (judge,) = after["contenders"][:1], after["judges"]
    assert contender["expected_completion_tokens"] == 16 * 5
    assert contender["lengths"] == ["5 tokens as in 4 stored answers"]
    assert judge["expected_completion_tokens"] == 32 * 11
    assert judge["lengths"][0] == "11 tokens as in 8 stored replies"
    assert judge["lengths"][1] == contender["lengths"][0]
    assert after["expected_cost_usd"] < before["expected_cost_usd"]


@pytest.mark.parametrize(
    ("command", "kind", "tokens"),
    [
        (["passk", "openai:gpt-4o", "--prompts", "problems.jsonl", "--k", "1"], "sample", 200),
        (
            [
                *("contrast", "--model", "openai:gpt-4o"),
                *("--constitutions", "c.toml", "--prompts", "q.jsonl"),
            ],
            "response",
            300,
        ),
    ],
)
def test_samples_and_contrasts_have_an_expected_cost_without_a_key(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    kind: str,
    tokens: int,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    Path("problems.jsonl").write_text('{"question": "1 + 1?", "answer": "#### 2"}\n')
    Path("c.toml").write_text(
        '[[principle]]\nid = "brief"\ncategories = ["*"]\nweak = "Be brief."\n'
        'strong = "Be brief."\nantithesis = "Be long."\n'
    )
    row = foreseen(capsys, *command)
    found = row["contenders"][0] if kind == "sample" else row
    assert found["expected_cost_usd"] > 0
    assert found["lengths"] == [f"{tokens} tokens a {kind}, as usual (scale `paper`)"]
    assert cli.run([*command, "--dry-run"]) == 0
    assert "expected $" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_a_listed_price_that_is_old_is_said_before_it_is_spent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "OLD_DAYS", -1)
    asked = [*RECORDS[:-1], "openai:gpt-4o", "--dry-run"]
    assert cli.run(asked) == 0
    assert "the price of `gpt-4o` is of 20" in " ".join(capsys.readouterr().out.split())
    Path("sami-eval.toml").write_text('[prices."gpt-4o"]\ninput = 1.0\noutput = 2.0\n')
    assert cli.run(asked) == 0
    assert "the price of" not in capsys.readouterr().out
