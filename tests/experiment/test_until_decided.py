"""`--until-decided`, through the command: it stops, says why, goes on, survives a kill."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sami_eval import cli
from sami_eval.core.config import Config
from sami_eval.core.types import Model, Prompt, Verdict
from sami_eval.experiment.compare_parts import Judgments, courses_of
from sami_eval.experiment.compare_plan import make_plan
from sami_eval.experiment.settings import CompareSettings
from sami_eval.experiment.stopping import Stopping, in_order
from sami_eval.generate.contenders import Contender
from sami_eval.stats.sequential import Points, follow, rule_of
from tests.loopback_batches import LoopbackBatches
from tests.loopback_judge import Behaviour, LoopbackJudge, completion
from tests.processes import at_least, count, finish, kill_when
from tests.records import vote, write_records, write_rows

JUDGE = """\
def compare(prompt, turn, a, b):
    x, y = (int(one.turns[turn].split()[0]) for one in (a, b))
    return ("a" if x > y else "b" if y > x else "tie"), f"{x} : {y}"
"""


def records(folder: Path, n: int, shares: Sequence[float]) -> None:
    """Questions of two turns; a contender wins about this share of the turns against "even"."""
    (folder / "judges").mkdir()
    (folder / "judges" / "most.py").write_text(JUDGE, encoding="utf-8")
    toml = 'name = "most"\nkind = "program"\nprogram = "most:compare"\n'
    (folder / "judges" / "most.toml").write_text(toml, encoding="utf-8")
    (folder / "sami-eval.toml").touch()
    ids = [f"q{i}" for i in range(n)]
    write_rows(
        folder / "q.jsonl",
        *(
            {"id": i, "category": "ab"[int(i[1:]) % 2], "turns": [f"Why {i}?", "And then?"]}
            for i in ids
        ),
    )
    rng = random.Random(3)
    for name, share in (("even", None), *((f"x{share}", share) for share in shares)):
        rows = [
            {
                "prompt_id": i,
                "model": name,
                "turns": [
                    f"{1 if share is None else 2 * (rng.random() < share)} points" for _ in range(2)
                ],
            }
            for i in ids
        ]
        write_rows(folder / f"{name}.jsonl", *rows)


def compare(*names: str, more: Sequence[str] = ("--until-decided",)) -> list[str]:
    files = [f"{name}.jsonl" for name in names]
    return ["compare", *files, "--prompts", "q.jsonl", "--judge", "most", "-q", *more]


def printed(capsys: pytest.CaptureFixture[str], command: Sequence[str]) -> Any:
    assert cli.run([*command, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    """The latest run as it is shown, in one line."""
    assert cli.run(["show"]) == 0
    return " ".join(capsys.readouterr().out.split())


def ids_of(run: Path) -> set[str]:
    return {json.loads(line)["id"] for line in (run / "prompts.jsonl").read_text().splitlines()}


def test_a_clear_comparison_stops_and_says_what_holds_wherever_it_stops(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records(folder, 80, [0.8])
    document = printed(capsys, compare("x0.8", "even"))
    (row,) = document["comparisons"]
    why = row["stopping"]
    assert (why["state"], why["questions"], why["block"], why["planned"]) == (
        *("decided", 80, 10),
        "until decided",
    )
    assert why["asked"] == row["n_questions"] < 60
    assert [n for n, _ in why["e_values"]] == list(range(10, why["asked"] + 1, 10))
    assert all(e < 20 for _, e in why["e_values"][:-1])
    assert row["p_value"] == pytest.approx(1 / why["e_values"][-1][1])
    assert row["p_value"] <= 0.05
    assert row["significant"]
    assert row["interval"] == why["interval"]
    assert 0.5 < row["interval"][0] < row["win_rate"] < row["interval"][1]
    # Nothing that needs a fixed number of questions is left.
    assert row["questions_needed"] is row["detectable"] is row["categories_p_value"] is None
    assert row["length"]["win_rate"] is None
    for one in row["by_category"].values():
        assert one["p_value"] is one["p_adjusted"] is None
        assert not one["significant"]
        assert one["interval"][0] < one["win_rate"] < one["interval"][1]
    run = folder / document["run"]
    asked = ids_of(run)
    assert asked == set(in_order([f"q{i}" for i in range(80)], 0)[: why["asked"]])
    assert len((run / "verdicts.jsonl").read_text().splitlines()) == 4 * why["asked"]
    told = shown(capsys)
    assert f"decided after {why['asked']} of 80 questions (e-value" in told
    assert "an e-value of 20 decides, a chance below 5% gives up" in told
    assert f"saved: {80 - why['asked']} of 80 questions; the same command without" in told
    assert "categories, judges alone and strengths describe what was asked" in told
    assert "if 80" not in told  # no questions needed


def test_another_seed_asks_in_another_order(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [f"q{i}" for i in range(80)]
    assert sorted(in_order(ids, 1)) == sorted(ids)
    assert in_order(ids, 1) == in_order(reversed(ids), 1) != in_order(ids, 2)
    records(folder, 30, [0.9])
    document = printed(capsys, compare("x0.9", "even", more=["--until-decided", "--seed", "1"]))
    run = folder / document["run"]
    asked = ids_of(run)
    assert asked == set(in_order(ids[:30], 1)[: len(asked)])


def test_an_even_comparison_is_given_up(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records(folder, 80, [0.5])
    (row,) = printed(capsys, compare("x0.5", "even"))["comparisons"]
    assert row["stopping"]["state"] == "hopeless"
    assert row["stopping"]["asked"] < 80
    assert not row["significant"]
    assert row["interval"][0] < 0.5 < row["interval"][1]
    assert "the chance of deciding by the last was below 5%" in shown(capsys)


def test_the_same_command_without_the_flag_goes_on_and_says_which_test_was_planned(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records(folder, 80, [0.8])
    stopped = printed(capsys, compare("x0.8", "even"))
    whole = printed(capsys, compare("x0.8", "even", more=[]))
    assert whole["run"] == stopped["run"]
    (before,), (row,) = stopped["comparisons"], whole["comparisons"]
    assert row["n_questions"] == 80
    assert row["stopping"] == {**before["stopping"], "main": False, "calls_saved": None}
    assert row["p_value"] < 0.001
    assert row["detectable"] is not None
    told = shown(capsys)
    assert "planned was --until-decided: decided after" in told
    assert "the test of all 80 questions is one that was added" in told
    # The fixed test is that of a run that was never stopped.
    alone = printed(capsys, compare("x0.8", "even", more=["--out", "alone"]))
    (plain,) = alone["comparisons"]
    assert {**plain, "stopping": None} == {**row, "stopping": None}


def test_a_rule_named_after_the_test_of_all_questions_was_seen_is_said_to_be_late(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records(folder, 80, [0.8])
    (plain,) = printed(capsys, compare("x0.8", "even", more=[]))["comparisons"]
    assert plain["stopping"] is None
    (row,) = printed(capsys, compare("x0.8", "even"))["comparisons"]
    assert row["stopping"]["planned"] == "all questions"
    assert "before this rule was named: that test was the one planned" in shown(capsys)


def test_undecided_by_all_questions_prints_the_fixed_test_beside_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records(folder, 80, [0.6])
    (row,) = printed(capsys, compare("x0.6", "even"))["comparisons"]
    assert row["stopping"]["state"] == "all asked"
    fixed = row["stopping"]["fixed"]
    (plain,) = printed(capsys, compare("x0.6", "even", more=["--out", "other"]))["comparisons"]
    assert fixed == {name: plain[name] for name in fixed}
    assert cli.run(compare("x0.6", "even", more=["--until-decided", "--out", "third"])) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "not decided by all 80 questions (e-value" in told
    assert "the test of all 80 questions, which was not planned: p " in told


def test_each_pair_of_a_round_robin_stops_by_itself_under_holm(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records(folder, 80, [0.9, 0.5])
    document = printed(capsys, compare("x0.9", "x0.5", "even"))
    rows = {(row["a"], row["b"]): row for row in document["comparisons"]}
    clear, even = rows["x0.9", "even"], rows["x0.5", "even"]
    assert clear["stopping"]["state"] == "decided"
    assert even["stopping"]["state"] == "hopeless"
    assert clear["stopping"]["asked"] < even["stopping"]["asked"]
    assert clear["n_questions"] == clear["stopping"]["asked"]
    assert clear["p_value"] < clear["p_adjusted"] <= 0.05
    # Neighbours of the ranking are told apart by their own pair.
    first, second, last = document["ranking"]
    assert (first["model"], first["interval"], last["p_next"]) == ("x0.9", None, None)
    own = next(p for pair, p in rows.items() if set(pair) == {first["model"], second["model"]})
    assert first["p_next"] == own["p_adjusted"]
    told = shown(capsys)
    assert "decided by Holm over all pairs" in told
    assert "x0.5 : even: given up after" in told
    assert "x0.9 : even: decided after" in told


PROMPTS = tuple(Prompt(f"q{i}", "a", ("?", "?")) for i in range(10))
ANSWERS = {"one": "strength 9", "two": "strength 1"}


def asked_of_servers(url: str, *more: str) -> list[str]:
    return [
        *("compare", "openai:one", "openai:two", "--prompts", "q.jsonl", "--base-url", url),
        *("--judge", "quality", "--judge-model", "openai:judge", "--json", "-q", *more),
    ]


def one_is_better(body: dict[str, Any]) -> Any:
    said = ANSWERS.get(body["model"])
    return None if said is None else (200, {}, completion(said))


def test_only_the_questions_that_are_asked_are_answered_and_judged(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    records(folder, 80, [])
    with LoopbackJudge(Behaviour(script=one_is_better)) as server:
        document = printed(capsys, asked_of_servers(server.url, "--until-decided"))
        (row,) = document["comparisons"]
        assert (row["stopping"]["state"], row["stopping"]["asked"]) == ("decided", 10)
        # Two turns of two contenders, and as many judgments: both orders of each turn.
        models = [call.body["model"] for call in server.calls]
        assert [models.count(name) for name in ("one", "two", "judge")] == [20, 20, 40]
        assert document["calls"] == {"made": 40, "from_ledger": 0}
        assert row["stopping"]["calls_saved"] == 280  # 70 questions of four
        printed(capsys, asked_of_servers(server.url))
        assert server.n_calls == 8 * 80


def test_batch_jobs_go_block_by_block_and_stop_where_calls_would(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(folder, 40, one=9, two=1)
    files = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]
    found, said = list[Any](), list[str]()
    for name, more in (("one", ["--batch"]), ("other", [])):
        with LoopbackBatches() as server:
            at = ["--judge-model", f"openai:{name}", "--base-url", server.url]
            assert cli.run([*files, *at, "--until-decided", "--json", *more]) == 0
        printed = capsys.readouterr()
        found.append(json.loads(printed.out)["comparisons"][0]["stopping"])
        said.append(printed.err)
        jobs = [len(job.rows) for job in server.jobs]
        assert jobs == ([40] * (found[0]["asked"] // 10) if more else [])
    assert found[0] == found[1] | {"cost_saved_usd": None}
    assert (found[0]["state"], found[0]["asked"]) == ("decided", 10)
    assert "; batch jobs go block by block, up to 4 one after another" in said[0]
    assert "batch" not in said[1]


def test_judges_of_an_ensemble_are_described_and_not_tested(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    records(folder, 40, [])
    with LoopbackJudge(Behaviour(script=one_is_better)) as server:
        more = ["--judge-model", "openai:other", "--until-decided"]
        document = printed(capsys, asked_of_servers(server.url, *more))
    (row,) = document["comparisons"]
    assert row["stopping"]["asked"] == 10
    assert [calls["calls"]["made"] for calls in document["judges"]] == [40, 40]
    for one in row["judges"]:
        assert (one["p_value"], one["significant"], one["n_turns"]) == (None, False, 20)
        assert one["interval"] == row["interval"]


def test_several_training_seeds_of_a_question_are_one_bet(folder: Path) -> None:
    """Three seeds against one model: six turns a question, all of them won."""
    records(folder, 10, [0.5])
    names = ("even.jsonl", "x0.5.jsonl")
    settings = CompareSettings(names, prompts=Path("q.jsonl"), judge="most")
    plan = make_plan(settings, Config(folder))
    models = [Model(name, "b", engine="recorded") for name in ("s@1", "s@2", "s@3", "even")]
    sides = [Contender("s@1,2,3", tuple(models[:3]), (1, 2, 3)), Contender("even", (models[3],))]
    won = {
        (model.name, "even"): [
            Verdict(prompt.id, turn, "j", model.name, "even", "a", 0, "a")
            for prompt in plan.prompts
            for turn in range(2)
        ]
        for model in models[:3]
    }
    stopping = Stopping("until decided", True, {("s@1,2,3", "even"): 10})
    (course,) = courses_of(plan, sides, Judgments(won, [], stopping))
    assert [course] == follow([Points(np.ones(10), np.ones(10), 1)], rule_of(10))


def test_a_graded_turn_is_a_bet_as_large_as_it_weighs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A>>B weighs 3: a question of two such turns is all that one can say, A>B a third of it."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    records(folder, 10, [0.5])
    names = ("even.jsonl", "x0.5.jsonl")
    settings = CompareSettings(
        names, prompts=Path("q.jsonl"), judge="graded", judge_model="openai:m", rule="average"
    )
    plan = replace(make_plan(settings, Config(folder)), prompts=PROMPTS)
    sides = [Contender(name, (Model(name, "b", engine="recorded"),)) for name in "ab"]
    stopping = Stopping("until decided", True, {("a", "b"): 10})
    for grade, gain in ((3, 1.0), (1, 1 / 3)):
        won = [
            Verdict(prompt.id, turn, "j", "a", "b", "a", 0, "a", grade=grade)
            for prompt in PROMPTS
            for turn in range(2)
        ]
        (course,) = courses_of(plan, sides, Judgments({("a", "b"): won}, [], stopping))
        same = Points(np.full(10, 0.5 + gain / 2), np.ones(10), 1)
        (alone,) = follow([same], rule_of(10))
        assert course.e_values[-1] == pytest.approx(alone.e_values[-1])


def test_votes_do_not_correct_a_run_that_stopped(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records(folder, 80, [0.8])
    printed(capsys, compare("x0.8", "even"))
    rows = [vote(question="q13", model_a="x0.8", model_b="even")]
    write_rows("votes.jsonl", *rows)
    assert cli.run(["show", "--votes", "votes.jsonl"]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "of 80 questions: `--votes` corrects the rate of all" in error


def test_sigkill_in_the_middle_ends_at_the_same_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        records(folder, 60, [])
    script = Behaviour(script=one_is_better, better_rate=0.8, seed=5, latency_s=0.02)
    more = ["--until-decided", "--concurrency", "4"]
    with LoopbackJudge(script) as server:
        job = asked_of_servers(server.url, *more)
        kill_when(killed, at_least(killed, 50), job)  # in the second block
        n = count(killed, "replies")
        found = finish(killed, job)
        assert found["calls"]["from_ledger"] >= n
        n_calls = server.n_calls
        same = finish(whole, job)
    (row,), (other,) = found["comparisons"], same["comparisons"]
    assert row["stopping"]["asked"] > 10
    assert row == other
    # Eight calls a question, and again those that were in flight.
    assert n_calls <= 8 * row["stopping"]["asked"] + 4
    assert count(killed, "replies") == count(whole, "replies") == 4 * row["stopping"]["asked"]


def problems(folder: Path, n: int) -> None:
    rows = [{"question": f"How much is {i} and 1?", "answer": f"#### {i + 1}"} for i in range(n)]
    write_rows(folder / "p.jsonl", *rows)


def good_and_bad(body: dict[str, Any]) -> Any:
    number = int(body["messages"][-1]["content"].split("How much is ")[1].split(" ")[0])
    wrong = body["model"] == "bad" and number % 4 > 0
    return 200, {}, completion(f"The answer is {0 if wrong else number + 1}.")


def test_passk_stops_when_a_difference_at_one_k_is_decided(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    problems(folder, 60)
    with LoopbackJudge(Behaviour(script=good_and_bad)) as server:
        job = [
            *("passk", "openai:good", "openai:bad", "--prompts", "p.jsonl", "--base-url"),
            *(server.url, "--k", "1", "--samples", "2", "-q", "--no-greedy"),
        ]
        document = printed(capsys, [*job, "--until-decided"])
        (row,) = document["differences"]
        why = row["stopping"]
        assert (why["state"], why["questions"]) == ("decided", 60)
        assert why["asked"] == document["n_problems"] < 60
        assert server.n_calls == 2 * 2 * why["asked"]
        assert 0 < row["interval"][0] < row["value"] < row["interval"][1]
        assert row["interval"] == [2 * end - 1 for end in why["interval"]]
        assert row["p_value"] == pytest.approx(1 / why["e_values"][-1][1])
        told = shown(capsys)
        assert f"decided after {why['asked']} of 60 problems (e-value" in told
        whole = printed(capsys, job)
        assert (whole["run"], whole["n_problems"]) == (document["run"], 60)
        assert server.n_calls == 2 * 2 * 60
        assert "planned was --until-decided: decided after" in shown(capsys)
        again = printed(capsys, [*job, "--until-decided", "--out", "again"])
        assert again["differences"][0]["value"] == row["value"]
        assert again["calls"]["made"] == 0


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (compare("x", "y", more=["--until-decided", "--votes", "v"]), "corrects the rate of all"),
        (["passk", "base", "sft", "--until-decided"], "decides at one k, not at `1,10,32`"),
        (["passk", "base", "--k", "1", "--until-decided"], "leaves nothing to decide"),
        (
            [
                "passk",
                "base",
                "sft",
                "--k",
                "1",
                "--until-decided",
                "--prompts",
                "p",
                "--cluster=c",
            ],
            "problem by problem, not by `--cluster c`",
        ),
    ],
)
def test_what_cannot_stop_is_one_clear_line(
    folder: Path, capsys: pytest.CaptureFixture[str], command: list[str], error: str
) -> None:
    records(folder, 2, [])
    assert cli.run(command) == 2
    assert error in capsys.readouterr().err
