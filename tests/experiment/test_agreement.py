"""A judge beside people: counts by hand, every source of verdicts, and what does not fit."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Winner
from sami_eval.data.votes import Item, Vote
from sami_eval.experiment.agreement import Agreement, agreement
from sami_eval.experiment.judged import Judged, parse_names, read_judged
from sami_eval.stats import cohen_kappa, fleiss_kappa, win_rate
from tests import SHARED
from tests.records import fastchat_pair, vote, write_rows


def votes(said: dict[tuple[str, int], str]) -> list[Vote]:
    """Votes on x against y, a letter a voter: a, b or t."""
    names: dict[str, Winner] = {"a": "a", "b": "b", "t": "tie"}
    return [
        Vote(question, turn, "x", "y", names[one], f"voter {i}")
        for (question, turn), several in said.items()
        for i, one in enumerate(several)
    ]


def judged(said: dict[tuple[str, int], Winner], **category: str) -> Judged:
    outcomes: dict[Item, Winner] = {(q, t, "x", "y"): winner for (q, t), winner in said.items()}
    return Judged("judge", outcomes, (("x", "y"),), category)


# Judge and people: q1 a:aab, turn 2 tie:tb; q2 b:bb; q3 a:b. Votes 3 + 2 + 2 + 1 = 8.
PEOPLE = {("q1", 0): "aab", ("q1", 1): "tb", ("q2", 0): "bb", ("q3", 0): "b"}
JUDGE: dict[tuple[str, int], Winner] = {
    ("q1", 0): "a",
    ("q1", 1): "tie",
    ("q2", 0): "b",
    ("q3", 0): "a",
}


def both() -> Agreement:
    return agreement(judged(JUDGE, q1="math", q2="math", q3="stem"), votes(PEOPLE))


def test_agreement_with_ties_counts_every_vote() -> None:
    # q1: a agrees with 2 of aab, tie with 1 of tb; q2: 2 of 2; q3: 0 of 1. 5 of 8.
    found = both().total.judge.with_ties
    assert found.estimate == win_rate([[1, 1, 0, 1, 0], [1, 1], [0]])
    assert found.estimate.value == 5 / 8
    assert (found.n, found.n_questions) == (8, 3)


def test_without_ties_only_what_both_decided_counts() -> None:
    # The judge's tie on q1's second turn leaves with both its votes: 4 of 6.
    found = both().total.judge.without_ties
    assert found.estimate.value == 4 / 6
    assert (found.n, found.n_questions) == (6, 3)


def test_people_agree_by_pairs_of_different_voters_on_a_turn() -> None:
    # aab: 1 of 3 pairs; tb: 0 of 1; bb: 1 of 1. With ties 2 of 5, without 2 of 4.
    found = both().total.people
    assert found.with_ties.estimate.value == 2 / 5
    assert (found.with_ties.n, found.with_ties.n_questions) == (5, 2)
    assert found.without_ties.estimate.value == 2 / 4


def test_kappas_are_those_of_the_votes() -> None:
    pairs = [("a", "a"), ("a", "a"), ("a", "b"), ("tie", "tie"), ("tie", "b")]
    pairs += [("b", "b"), ("b", "b"), ("a", "b")]
    assert both().total.judge.kappa.estimate.value == pytest.approx(cohen_kappa(pairs))
    several = [("a", "a", "b"), ("tie", "b"), ("b", "b")]
    assert both().total.people.kappa.estimate.value == pytest.approx(fleiss_kappa(several))
    assert both().total.people.kappa.n == 3


def test_categories_and_turns_are_parts_of_the_whole() -> None:
    found = both()
    assert {name: row.judge.with_ties.n for name, row in found.by_category.items()} == {
        "math": 7,
        "stem": 1,
    }
    assert {turn: row.judge.with_ties.n for turn, row in found.by_turn.items()} == {"1": 6, "2": 2}


def test_the_confusion_counts_votes_by_judge_and_person() -> None:
    expected = {("a", "a"): 2, ("a", "b"): 2, ("tie", "tie"): 1, ("tie", "b"): 1, ("b", "b"): 2}
    assert both().confusion == expected


def test_a_vote_on_what_was_not_judged_is_left_out_and_counted() -> None:
    found = agreement(judged({("q1", 0): "a"}), votes(PEOPLE))
    assert found.total.judge.with_ties.n == 3
    assert found.left_out == 5


def test_full_agreement_of_few_questions_is_no_certainty() -> None:
    found = agreement(judged({("q1", 0): "a"}), votes({("q1", 0): "aaa"})).total.judge
    assert found.with_ties.estimate.value == 1
    assert found.with_ties.estimate.interval is not None
    assert found.with_ties.estimate.interval[0] < 0.5
    assert found.kappa.estimate.value is None  # chance alone agrees on everything


def test_the_order_of_models_changes_nothing() -> None:
    names = ("x", "y", "z")
    people = [
        Vote(str(q), 0, *pair, winner, voter)
        for q, pair, winner, voter in [
            (1, ("x", "y"), "a", "u"),
            (2, ("x", "y"), "b", "u"),
            (3, ("x", "y"), "a", "v"),
            (1, ("y", "z"), "b", "u"),
            (2, ("x", "z"), "tie", "v"),
            (3, ("y", "z"), "b", "v"),
        ]
    ]
    judge: dict[Item, Winner] = {vote.item: "a" for vote in people}
    results = []
    for order in itertools.permutations(("m", "n", "o")):
        new = dict(zip(names, order, strict=True))
        moved = [Vote(v.prompt_id, 0, new[v.a], new[v.b], v.winner, v.voter) for v in people]
        outcomes: dict[Item, Winner] = {}
        for old, cast in zip(people, moved, strict=True):
            same = new[old.item[2]] == cast.item[2]
            outcomes[cast.item] = judge[old.item] if same else "b"
        results.append(agreement(Judged("j", outcomes, (), {}), moved))
    assert len({result.total.judge.kappa.estimate.value for result in results}) == 1
    assert all(result.confusion == results[0].confusion for result in results)
    assert results[0].a is None


PAIR = fastchat_pair(model_1="mine")


def test_fastchat_judgments_fold_to_one_outcome_and_match_turned_votes(tmp_path: Path) -> None:
    judgments = write_rows(
        tmp_path / "pair.jsonl", PAIR, {**PAIR, "question_id": 82, "g2_winner": "model_2"}
    )
    found = read_judged(str(judgments), {"mine": "z"}, tmp_path)  # z stands behind y
    assert found.outcomes == {("81", 0, "y", "z"): "b", ("82", 0, "y", "z"): "tie"}
    assert found.category == {"81": "writing", "82": "writing"}


def test_votes_of_a_judge_are_a_source_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = write_rows(
        tmp_path / "human.jsonl", vote(81, "model_a"), vote(81, "model_a", "v"), vote(91, "model_b")
    )
    judge = write_rows(
        tmp_path / "gpt4.jsonl",
        vote(81, "model_a", "gpt4_pair"),
        vote(91, "tie (inconsistent)", "gpt4_pair"),
    )
    assert cli.run(["agreement", "--votes", str(people), str(judge), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "sami-eval/agreement/1"
    assert (found["judge"], found["n_votes"], found["n_questions"]) == ("gpt4_pair", 3, 2)
    assert found["judge_with_people"]["with_ties"]["agreement"] == 2 / 3
    assert found["judge_with_people"]["without_ties"]["agreement"] == 1
    assert found["people"]["with_ties"]["n"] == 1
    assert found["confusion"]["a"] == {"a": 2, "tie": 0, "b": 0}
    assert found["confusion"]["tie"] == {"a": 0, "tie": 0, "b": 1}
    assert list(found["by_category"]) == ["writing", "roleplay"]


def test_the_table_is_80_columns_wide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        vote(q, winner, voter)
        for q in range(81, 161)
        for voter, winner in (("u", ("model_a", "tie", "model_b")[q % 3]), ("v", "model_a"))
    ]
    people = write_rows(tmp_path / "human.jsonl", *rows)
    assert cli.run(["agreement", "--votes", str(people), str(people)]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.split("\n"))) <= 80
    assert "…" not in out
    assert "people with each other on the same turns: the ceiling" in out
    assert "humanities" in out


def test_nothing_in_common_says_what_both_sides_hold(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="share no pair of models") as caught:
        agreement(Judged("j", {("q1", 0, "m", "n"): "a"}, (("m", "n"),), {}), votes(PEOPLE))
    assert "m : n" in caught.value.message
    assert "x : y (8)" in caught.value.message
    assert "--as" in caught.value.hint
    with pytest.raises(UsageError, match="share no question or turn"):
        agreement(judged({("q9", 0): "a"}), votes(PEOPLE))


@pytest.mark.parametrize("names", [["x"], ["=y"], ["x="], ["x=y", "x=z"], ["x=z", "y=z"]])
def test_a_bad_name_is_refused(names: list[str]) -> None:
    with pytest.raises(UsageError, match="--as"):
        parse_names(names)


def test_an_unknown_contender_is_named_beside_the_known(tmp_path: Path) -> None:
    judgments = write_rows(tmp_path / "pair.jsonl", PAIR)
    with pytest.raises(UsageError, match="no contender `other`") as caught:
        read_judged(str(judgments), {"other": "x"}, tmp_path)
    assert "mine, y" in caught.value.hint
    with pytest.raises(UsageError, match="another contender has that name"):
        read_judged(str(judgments), {"mine": "y"}, tmp_path)
    exchanged = read_judged(str(judgments), {"mine": "y", "y": "mine"}, tmp_path)
    assert exchanged.outcomes == {("81", 0, "mine", "y"): "b"}


def test_without_votes_the_command_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["agreement"]) == 2
    assert "`--votes` is missing" in capsys.readouterr().err


VOTES = SHARED / "data/votes"


@pytest.mark.skipif(not VOTES.is_dir(), reason="MT-Bench's votes are not at ../shared/data/votes")
def test_the_eight_figures_of_mt_benchs_table_5_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    judge, people = str(VOTES / "gpt4_pair.jsonl"), str(VOTES / "human.jsonl")
    assert cli.run(["agreement", judge, "--votes", people]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    # Its people are the experts; with ties and their pairs, without ties and theirs.
    found = [
        (row[2], row[3], round(float(row[4].rstrip("%"))), row[6], round(float(row[7].rstrip("%"))))
        for row in rows
        if row[:2] == ["expert,", "turn"]
    ]
    assert found == [
        ("1", "1343", 66, "859", 85),
        ("2", "1325", 66, "864", 85),
        ("1", "721", 63, "479", 81),
        ("2", "707", 67, "474", 82),
    ]


@pytest.mark.skipif(not VOTES.is_dir(), reason="MT-Bench's votes are not at ../shared/data/votes")
def test_a_category_of_hundreds_of_votes_has_an_interval_of_hundreds_of_votes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    judge, people = str(VOTES / "gpt4_pair.jsonl"), str(VOTES / "human.jsonl")
    assert cli.run(["agreement", judge, "--votes", people, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["by_category"]["coding"]["judge_with_people"]
    low, high = row["with_ties"]["interval"]  # 396 votes on ten questions; of one turn: .096
    assert 0.09 < high - low < 0.16


def test_the_judge_is_measured_on_the_turns_of_the_ceiling_too() -> None:
    # Without q3, which has one voter: a with 2 of aab, tie with 1 of tb, b with 2 of bb.
    there = both().total.there
    assert there.with_ties.estimate.value == 5 / 7
    assert there.with_ties.n == 7


def test_kappa_counted_both_ways_hangs_on_no_models_place() -> None:
    found = both().total.judge
    pairs = [("a", "a"), ("a", "a"), ("a", "b"), ("tie", "tie"), ("tie", "b")]
    pairs += [("b", "b"), ("b", "b"), ("a", "b")]
    other = {"a": "b", "b": "a", "tie": "tie"}
    twice = pairs + [(other[x], other[y]) for x, y in pairs]
    assert found.both_ways.estimate.value == pytest.approx(cohen_kappa(twice))
    assert found.both_ways.n == found.kappa.n


def test_kinds_of_voters_have_rows_of_their_own() -> None:
    people = [
        Vote("q1", 0, "x", "y", winner, voter)
        for voter, winner in (("expert_1", "a"), ("expert_2", "b"), ("author_1", "a"))
    ]
    found = agreement(judged({("q1", 0): "a"}), people)  # type: ignore[arg-type]
    rates = {kind: rows["1"].judge.with_ties.estimate.value for kind, rows in found.by_kind.items()}
    assert rates == {"expert": 1 / 2, "author": 1}
    assert agreement(judged({("q1", 0): "a"}), people[:2]).by_kind == {}  # type: ignore[arg-type]
