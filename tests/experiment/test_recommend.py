"""Which judge agrees best with people for its money: all on the same votes, no luck rewarded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.types import Winner
from sami_eval.data.votes import Item, Vote
from sami_eval.experiment.judged import Judged
from sami_eval.experiment.recommend import Candidate, ranked, recommended
from tests.loopback_judge import Answer, Behaviour, LoopbackJudge, completion, reply_text
from tests.records import vote, write_records, write_rows

N = 40
PEOPLE = [Vote(str(i), 0, "x", "y", "a", "voter") for i in range(N)]


def candidate(name: str, n_right: int, usd: float | None, n: int = N) -> Candidate:
    """A judge of the first n questions that says what people say on n_right of them."""
    said: dict[Item, Winner] = {
        (str(i), 0, "x", "y"): "a" if i < n_right else "b" for i in range(n)
    }
    return Candidate(name, "run", Judged(name, said, (("x", "y"),), {}), usd)


def test_the_cheapest_of_those_not_worse_than_the_best_is_recommended() -> None:
    found = ranked(
        [candidate("dear", 36, 0.01), candidate("cheap", 35, 0.001), candidate("poor", 20, 0.0001)],
        PEOPLE,
    )
    assert [one.candidate.name for one in found] == ["dear", "cheap", "poor"]
    assert [one.is_worse for one in found] == [False, False, True]
    best = recommended(found)
    assert best is not None
    assert best.candidate.name == "cheap"
    # 35 of 40 turns for a tenth of a cent each.
    assert found[1].agreed_per_usd == pytest.approx(35 / 40 / 0.001)


def test_an_unknown_cost_is_no_zero_and_matters_only_where_there_is_a_choice() -> None:
    unknown, poor = candidate("unknown", 36, None), candidate("poor", 20, 0.0001)
    found = ranked([unknown, poor], PEOPLE)
    best = recommended(found)
    assert best is not None
    assert best.candidate.name == "unknown"  # all others are worse
    assert found[0].agreed_per_usd is None
    like = candidate("like it", 35, None)
    assert recommended(ranked([unknown, like, poor], PEOPLE)) is None
    priced = recommended(ranked([unknown, like, candidate("priced", 34, 1.0)], PEOPLE))
    assert priced is not None
    assert priced.candidate.name == "priced"


def test_real_votes_without_a_price_name_the_one_judge_that_is_not_worse(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = [vote(i, "model_a", judge="expert_0") for i in range(30)]
    right = [vote(i, "model_a", judge="gpt4_pair") for i in range(30)]
    coin = [vote(i, ("model_a", "model_b")[i % 2], judge="coin") for i in range(30)]
    for name, rows in (("people", people), ("right", right), ("coin", coin)):
        write_rows(folder / f"{name}.jsonl", *rows)
    asked = ["agreement", "--votes", "people.jsonl", "right.jsonl", "--beside"]
    assert cli.run([*asked, "coin.jsonl"]) == 0
    assert "recommended: gpt4_pair: the votes tell all others" in capsys.readouterr().out
    write_rows(folder / "same.jsonl", *({**row, "judge": "same"} for row in right))
    assert cli.run([*asked, "same.jsonl"]) == 0
    assert "recommended: none: 2 are not told from each other" in capsys.readouterr().out


def test_judges_are_held_to_the_votes_that_all_of_them_have_an_outcome_for() -> None:
    found = ranked([candidate("half", 20, 1.0, n=20), candidate("all", 36, 1.0)], PEOPLE)
    assert [one.raters.with_ties.n for one in found] == [20, 20]
    other = Judged("other", {("none", 0, "x", "y"): "a"}, (("x", "y"),), {})
    assert ranked([candidate("all", 36, 1.0), Candidate("o", "s", other, None)], PEOPLE) == []


def test_the_judges_of_an_ensemble_and_a_file_stand_in_one_table(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(folder, 10, one=9, two=1)
    Path("sami-eval.toml").write_text(
        "[prices.good]\ninput = 2.0\noutput = 10.0\n[prices.bad]\ninput = 1.0\noutput = 5.0\n"
    )
    names = {"model_a": "one", "model_b": "two"}
    said = [vote(q, "model_a", "v", turn=t, **names) for q in range(1, 11) for t in (1, 2)]
    people = write_rows("human.jsonl", *said)
    other = write_rows("other.jsonl", *({**row, "judge": "other"} for row in said))

    def script(body: dict[str, Any]) -> Answer:
        rate = 1.0 if body["model"] == "good" else 0.0
        return 200, {}, completion(reply_text(body["messages"], Behaviour(better_rate=rate)))

    with LoopbackJudge(Behaviour(script=script)) as server:
        job = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]
        judges = ["--judge-model", "openai:good", "--judge-model", "openai:bad"]
        assert cli.run([*job, *judges, "--base-url", server.url, "--out", "run", "-q"]) == 0
    capsys.readouterr()
    job = ["agreement", "run", "--votes", str(people), "--beside", str(other)]
    assert cli.run([*job, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {row["judge"]: row for row in found["judges"]}
    assert list(rows) == [
        "quality (openai:good)",
        "other",
        "quality (openai:bad)",
        "2 judges by majority",
    ]
    # 100 tokens in and 10 out a reply, two replies a turn.
    good, bad = rows["quality (openai:good)"], rows["quality (openai:bad)"]
    assert good["usd_per_1000"] == pytest.approx(1000 * 2 * (100 * 2.0 + 10 * 10.0) / 1e6)
    assert bad["usd_per_1000"] == pytest.approx(good["usd_per_1000"] / 2)
    assert rows["2 judges by majority"]["usd_per_1000"] == pytest.approx(1.5 * good["usd_per_1000"])
    assert rows["other"]["usd_per_1000"] is None
    assert (good["worse"], bad["worse"]) == (False, True)
    assert found["recommended"] == "quality (openai:good)"
    assert cli.run(job) == 0
    text = capsys.readouterr().out
    assert "recommended: quality (openai:good)" in text
    assert max(map(len, text.split("\n"))) <= 80
