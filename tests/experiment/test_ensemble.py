"""Several judges: each is asked everything; what they say together, alone, and of each other."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import sami_eval
from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Prompt, Verdict, Winner
from sami_eval.experiment.ensemble import with_judges
from sami_eval.experiment.fold import fold
from sami_eval.experiment.tallies import compare
from tests.judgments import prompts, responses, verdict
from tests.loopback_judge import Answer, Behaviour, LoopbackJudge, completion, draw, reply_text
from tests.records import write_records

RECORDS = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--judge", "quality", "-q"]
N_CALLS = 80  # of each judge: 20 questions x 2 turns x 2 orders
PRICES = {"right": (2.0, 10.0), "wrong": (1.0, 1.0), "fickle": (0.5, 2.0)}
BILL = {name: (100 * price[0] + 10 * price[1]) / 1e6 for name, price in PRICES.items()}


@pytest.fixture
def folder(folder: Path) -> Path:
    """Two records over 20 questions of two turns, and a price for each judge."""
    write_records(folder, 20, one=9, two=1)
    Path("sami-eval.toml").write_text(
        "".join(
            f'[prices."{name}"]\ninput = {price[0]}\noutput = {price[1]}\n'
            for name, price in PRICES.items()
        )
    )
    return folder


def each_as_named(body: dict[str, Any]) -> Answer:
    """`right` prefers the better answer, `wrong` the worse, `fickle` now one and now the other."""
    rates = {"right": 1.0, "wrong": 0.0, "fickle": 0.75}
    # Fickle by the question, so that it says the same in both orders.
    question = re.findall(r"a\d+\?", body["messages"][-1]["content"])[0]
    rate = float(draw(body["model"], question) < rates[body["model"]])
    return 200, {}, completion(reply_text(body["messages"], Behaviour(better_rate=rate)))


def judges(*names: str) -> list[str]:
    return [word for name in names for word in ("--judge-model", f"openai:{name}")]


def judged(server: LoopbackJudge, *more: str) -> int:
    return cli.run([*RECORDS, "--base-url", server.url, *more])


def document(capsys: pytest.CaptureFixture[str], *names: str, more: tuple[str, ...] = ()) -> Any:
    with LoopbackJudge(Behaviour(script=each_as_named)) as server:
        assert judged(server, *judges(*names), "--json", *more) == 0
    return json.loads(capsys.readouterr().out)


def test_every_judgment_is_asked_of_each_judge_and_most_of_them_decide(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(script=each_as_named)) as server:
        assert judged(server, *judges("right", "wrong", "fickle"), "--json") == 0
        asked = Counter(call.body["model"] for call in server.calls)
    found = json.loads(capsys.readouterr().out)
    assert asked == {"right": N_CALLS, "wrong": N_CALLS, "fickle": N_CALLS}
    row = found["comparisons"][0]
    right, wrong, fickle = row["judges"]
    assert right["judge"] == "quality (openai:right)"
    assert (right["wins"], wrong["losses"]) == (40, 40)
    # Two against one: the third judge decides every turn.
    assert 0 < fickle["losses"] < 20
    for key in ("wins", "ties", "losses", "win_rate", "interval"):
        assert row[key] == fickle[key]
    assert found["judge"] == "quality"
    assert found["judge_model"] == "right, wrong, fickle"


def test_agreement_is_shown_for_all_and_for_every_two(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kappa = document(capsys, "right", "wrong", "fickle")["comparisons"][0]["kappa"]
    assert len(kappa["pairs"]) == 3
    of = {tuple(re.findall(r":(\w+)", " ".join(p["judges"]))): p for p in kappa["pairs"]}
    # Each of the first two always says one word: they never agree, just as chance has it.
    assert of["right", "wrong"]["value"] == 0
    assert of["right", "fickle"]["value"] == 0
    assert -0.5 < kappa["overall"]["value"] < 0
    for one in (kappa["overall"], *kappa["pairs"]):
        assert (one["n_questions"], one["n_turns"]) == (20, 40)
        assert one["interval"][0] <= one["value"] <= one["interval"][1]


def test_one_judge_is_asked_counted_and_written_as_ever(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(capsys, "right", more=("--out", "run"))
    row = found["comparisons"][0]
    assert (row["judges"], row["kappa"]) == ([], None)
    assert (found["judge"], found["judge_model"]) == ("quality", "right")
    assert found["settings"]["judge_model"] == "openai:right"
    first = json.loads(Path("run/verdicts.jsonl").read_text().split("\n")[0])
    assert first["judge"] == "quality"


def test_an_ensemble_asks_only_what_its_judges_were_not_asked_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(script=each_as_named)) as server:
        assert judged(server, *judges("right")) == 0
        assert judged(server, *judges("right", "fickle")) == 0
        assert Counter(c.body["model"] for c in server.calls) == {"right": 80, "fickle": 80}
        capsys.readouterr()
        assert judged(server, *judges("right", "fickle"), "--json") == 0
        assert len(server.calls) == 160
    assert json.loads(capsys.readouterr().out)["calls"] == {"made": 0, "from_ledger": 160}


def test_cost_calls_and_tokens_are_given_for_each_judge(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(capsys, "right", "fickle")
    for row, name in zip(found["judges"], ("right", "fickle"), strict=True):
        assert (row["model"], row["calls"]["made"]) == (name, N_CALLS)
        assert row["tokens"] == {"prompt": 8000, "completion": 800}
        assert row["cost_usd"] == pytest.approx(N_CALLS * BILL[name])
    assert found["cost_usd"] == pytest.approx(N_CALLS * (BILL["right"] + BILL["fickle"]))


def test_a_dry_run_bounds_each_judge(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackJudge(Behaviour(script=each_as_named)) as server:
        assert judged(server, *judges("right")) == 0
        capsys.readouterr()
        assert judged(server, *judges("right", "fickle"), "--dry-run", "--json") == 0
        assert len(server.calls) == N_CALLS
    rows = json.loads(capsys.readouterr().out)["judges"]
    assert [(r["name"], r["calls"], r["stored"]) for r in rows] == [
        ("quality (openai:right)", 0, N_CALLS),
        ("quality (openai:fickle)", N_CALLS, 0),
    ]
    assert rows[0]["cost_usd"] == 0 < rows[1]["cost_usd"]


def test_the_table_shows_each_judge_and_their_kappa_in_80_columns(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(script=each_as_named)) as server:
        assert judged(server, *judges("right", "fickle")) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.split("\n"))) <= 80
    assert re.search(r"^openai:right +40 +40 +0 +0 +100\.0% +[\d.]+–100\.0$", text, re.M)
    plain, kappa = " ".join(text.split()), r"-?0\.\d\d \[-?\d\.\d\d, -?\d\.\d\d\], 40 turns"
    assert re.search(rf"judges agree Fleiss' kappa {kappa} of 20 questions", plain)
    assert re.search(rf"openai:right : openai:fickle {kappa}", plain)
    assert cli.run(["show"]) == 0
    assert capsys.readouterr().out == text


def test_exports_tell_the_judges_apart(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = document(capsys, "right", "wrong", "fickle")["comparisons"]
    assert cli.run(["show", "--verdicts", "v.jsonl", "--fastchat", "fc", "--csv", "c.csv"]) == 0
    rows = [json.loads(line) for line in Path("v.jsonl").read_text().splitlines()]
    names = {f"quality (openai:{name})" for name in ("right", "wrong", "fickle")}
    assert Counter(row["judge"] for row in rows) == dict.fromkeys(names, N_CALLS)
    files = {path.name: path.read_text() for path in Path("fc/model_judgment").iterdir()}
    assert set(files) == {f"{name}_pair.jsonl" for name in ("right", "wrong", "fickle")}
    winners = [json.loads(line)["g1_winner"] for line in files["wrong_pair.jsonl"].splitlines()]
    assert winners == ["model_2"] * 40
    capsys.readouterr()
    # Verdicts that were written are an ensemble again when they are read.
    assert cli.run(["show", "v.jsonl", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["comparisons"]
    for key in ("wins", "ties", "losses", "win_rate", "judges", "kappa"):
        assert row[key] == shown[0][key]
    for option in ("--markdown", "--latex"):
        assert cli.run(["show", option]) == 0
        assert "all by openai:wrong" in capsys.readouterr().out.replace("\\", "")
    assert cli.run(["show", "--html"]) == 0


def test_more_than_two_contenders_have_their_judges_by_pair(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    third = Path("one.jsonl").read_text().replace("one strength 9", "third strength 5")
    Path("third.jsonl").write_text(third.replace('"one"', '"third"'))
    asked = [RECORDS[0], "third.jsonl", *RECORDS[1:]]
    with LoopbackJudge(Behaviour(script=each_as_named)) as server:
        at = ["--base-url", server.url, *judges("right", "wrong")]
        assert cli.run([*asked, *at]) == 0
        text = capsys.readouterr().out
        assert cli.run([*asked, *at, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["comparisons"]
    assert [len(row["judges"]) for row in rows] == [2, 2, 2]
    assert all(row["ties"] == 40 for row in rows)
    assert text.count("openai:wrong ") >= 3
    assert max(map(len, text.split("\n"))) <= 80


def test_a_judge_without_a_verdict_leaves_the_turn_to_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def mute(body: dict[str, Any]) -> Answer | None:
        return (200, {}, completion("Hm.")) if body["model"] == "wrong" else each_as_named(body)

    with LoopbackJudge(Behaviour(script=mute)) as server:
        asked = [*judges("right", "wrong"), "--max-unparsed", "0.5", "--json"]
        assert judged(server, *asked) == 0
    row = json.loads(capsys.readouterr().out)["comparisons"][0]
    assert (row["wins"], row["unparsed"]) == (40, N_CALLS)
    assert cli.run(["show", "--unparsed"]) == 0
    assert capsys.readouterr().out.count(", quality (openai:wrong), one : two shown") == 40
    assert row["judges"][1]["n_turns"] == 0
    assert row["judges"][1]["win_rate"] is None
    assert row["kappa"]["overall"] == {
        "judges": ["quality (openai:right)", "quality (openai:wrong)"],
        "value": None,
        "interval": None,
        "n_questions": 0,
        "n_turns": 0,
    }


def test_a_judge_named_under_models_is_asked_at_its_own_address(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        LoopbackJudge(Behaviour(script=each_as_named)) as near,
        LoopbackJudge(Behaviour(script=each_as_named)) as far,
    ):
        table = f'[models.mine]\nbase = "wrong"\nengine = "openai"\nbase_url = "{far.url}"\n'
        Path("sami-eval.toml").write_text(table)
        assert judged(near, *judges("right"), "--judge-model", "mine", "--json") == 0
        assert {call.body["model"] for call in near.calls} == {"right"}
        assert {call.body["model"] for call in far.calls} == {"wrong"}
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["judges"]] == ["quality (openai:right)", "quality (mine)"]


def test_the_same_model_twice_is_no_ensemble(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge() as server:
        assert judged(server, *judges("right", "right")) == 2
        assert judged(server, *judges("right"), "--judge-model", "gpt") == 2
        assert server.calls == []
    error = capsys.readouterr().err
    assert "`--judge-model openai:right` is asked already" in error
    assert "`gpt`" in error


def test_python_takes_several_judges_too(folder: Path) -> None:
    asked: dict[str, Any] = {"prompts": Path("q.jsonl"), "judge": "quality"}
    with LoopbackJudge(Behaviour(script=each_as_named)) as server:
        at = {"base_url": server.url, "judge_model": ["openai:right", "openai:wrong"]}
        found = sami_eval.compare("one.jsonl", "two.jsonl", **asked, **at)
    assert len(found["comparisons"][0]["judges"]) == 2
    with pytest.raises(UsageError, match="asked already"):
        sami_eval.compare("one.jsonl", "two.jsonl", **asked, judge_model=["openai:x", "openai:x"])


def test_a_rating_that_decides_several_pairs_is_one_call(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    third = Path("one.jsonl").read_text().replace("one strength 9", "third strength 5")
    Path("third.jsonl").write_text(third.replace('"one"', '"third"'))
    asked = ["compare", "one.jsonl", "two.jsonl", "third.jsonl", "--prompts", "q.jsonl", "-q"]
    asked += ["--judge", "single", *judges("right"), "--json"]
    with LoopbackJudge() as server:
        asked += ["--base-url", server.url]
        assert cli.run([*asked, "--dry-run"]) == 0
        bound = json.loads(capsys.readouterr().out)
        assert cli.run(asked) == 0
        n_calls = len(server.calls)
        found = json.loads(capsys.readouterr().out)
        assert cli.run(asked) == 0
        again = json.loads(capsys.readouterr().out)
    assert n_calls == 3 * 40 == bound["judges"][0]["calls"]
    assert found["calls"] == {"made": n_calls, "from_ledger": 0}
    assert found["tokens"] == {"prompt": n_calls * 100, "completion": n_calls * 10}
    assert found["cost_usd"] == pytest.approx(n_calls * BILL["right"])
    assert again["calls"] == {"made": 0, "from_ledger": n_calls}


def said(judge: str, *winners: Winner | None) -> list[Verdict]:
    """One judge's verdict on the first turn of q1, q2, ..., in one order."""
    return [verdict(winner, question=f"q{i}", judge=judge) for i, winner in enumerate(winners, 1)]


def test_kappas_by_hand() -> None:
    # 4 questions. x: a a b tie; y: a b b b. They agree on 2 of 4; labels of x 2,1,1, of y 1,3,0.
    verdicts = said("x", "a", "a", "b", "tie") + said("y", "a", "b", "b", "b")
    asked: list[Prompt] = prompts("w", "w", "w", "w")
    pair = compare(asked, responses("sami", 4), responses("dpo", 4), verdicts)
    found = with_judges(pair, verdicts)
    overall, cohen = found.kappas
    by_chance = (2 * 1 + 1 * 3 + 1 * 0) / 16
    assert cohen.estimate.value == pytest.approx((0.5 - by_chance) / (1 - by_chance))
    pooled = (3 / 8) ** 2 + (4 / 8) ** 2 + (1 / 8) ** 2
    assert overall.estimate.value == pytest.approx((0.5 - pooled) / (1 - pooled))
    assert (overall.n_questions, overall.n_turns) == (4, 4)
    assert found.judges["x"].win_rate == (1 + 1 + 0 + 0.5) / 4
    # Together: a; a against b is a tie; b; tie against b is one vote each, so a tie.
    assert [one.score for one in fold(verdicts)] == [1.0, 0.5, 0.0, 0.5]


def test_one_judges_comparison_is_left_as_it_is() -> None:
    verdicts = said("x", "a", "b")
    pair = compare(prompts("w", "w"), responses("sami", 2), responses("dpo", 2), verdicts)
    assert with_judges(pair, verdicts) is pair
