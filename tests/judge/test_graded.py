"""Graded verdicts: read from a judge file, scored as Arena-Hard scores them, winners alone else."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Verdict
from sami_eval.experiment.fold import by_question, fold
from sami_eval.experiment.tallies import compare
from sami_eval.judge import parse_verdict, read_judge
from sami_eval.stats.intervals import win_rate
from tests.judgments import prompts, responses, verdict
from tests.loopback_judge import Answer, Behaviour, LoopbackJudge, completion
from tests.records import write_records

# Arena-Hard's own table: what a game adds to the list whose mean is the rate.
GAMES = {"A>>B": [1.0] * 3, "A>B": [1.0], "A=B": [0.5], "B>A": [0.0], "B>>A": [0.0] * 3}
WINNER: dict[str, Any] = {"A>>B": "a", "A>B": "a", "A=B": "tie", "B>A": "b", "B>>A": "b"}
WEIGHT = {"A>>B": 3, "A>B": 1, "A=B": 1, "B>A": 1, "B>>A": 3}


def games(question: str, *grades: str | None) -> list[Verdict]:
    """The two games of a question, each as a is seen from: "A>>B" is a far ahead."""
    return [
        replace(
            verdict(WINNER[grade] if grade else None, first, question),
            grade=WEIGHT[grade] if grade else None,
        )
        for grade, first in zip(grades, ("a", "b"), strict=True)
    ]


def rate(verdicts: list[Verdict]) -> float | None:
    return win_rate(by_question(fold(verdicts, "average"))).value


def test_a_strong_verdict_counts_three_times() -> None:
    # Nine questions b is somewhat ahead in, one a is far ahead in: 6 of 24 games, not 2 of 20.
    several = [one for i in range(9) for one in games(f"q{i}", "B>A", "B>A")]
    several += games("q9", "A>>B", "A>>B")
    assert rate(several) == pytest.approx(6 / 24)
    plain = [replace(one, grade=None) for one in several]
    assert rate(plain) == pytest.approx(2 / 20)


def test_the_rate_is_the_mean_of_arena_hards_list_of_games() -> None:
    rng = random.Random(1)
    said = {f"q{i}": tuple(rng.choices(list(GAMES), k=2)) for i in range(60)}
    verdicts = [one for question, pair in said.items() for one in games(question, *pair)]
    expected = fmean(game for pair in said.values() for grade in pair for game in GAMES[grade])
    assert rate(verdicts) == pytest.approx(expected)
    # A question without one of its games is left out, as there.
    assert rate([*verdicts, *games("lost", "A>>B", None)]) == pytest.approx(expected)


def test_winners_alone_count_under_the_conservative_rule() -> None:
    verdicts = [*games("q1", "A>>B", "A>B"), *games("q2", "A>>B", "B>A")]
    assert [(one.score, one.weight) for one in fold(verdicts)] == [(1.0, 1.0), (0.5, 1.0)]


def test_repeats_and_orders_are_averaged_by_their_weights() -> None:
    first, second = games("q1", "A>>B", "B>A")
    again = replace(games("q1", "A=B", "B>A")[0], repeat=1)
    # The first order: 3 games won and a tie, 3.5/4 at a mean weight of 2; the second 0 at 1.
    (outcome,) = fold([first, again, second], "average")
    assert outcome.score == pytest.approx((3.5 / 4 * 2 + 0) / 3)
    assert outcome.weight == pytest.approx(1.5)
    scores = by_question([outcome])["q1"]
    assert (len(scores), fmean(scores)) == (3, pytest.approx(outcome.score))


def test_question_means_stay_between_nought_and_one_and_intervals_cover() -> None:
    rng = np.random.default_rng(3)
    grades, shares = list(GAMES), [0.1, 0.3, 0.2, 0.25, 0.15]
    truth = sum(p * WEIGHT[g] * GAMES[g][0] for p, g in zip(shares, grades, strict=True))
    truth /= sum(p * WEIGHT[g] for p, g in zip(shares, grades, strict=True))
    covered = 0
    for _ in range(300):
        drawn = rng.choice(grades, size=80, p=shares)
        verdicts = [one for i, g in enumerate(drawn) for one in games(f"q{i}", g, g)]
        scores = by_question(fold(verdicts, "average"))
        assert all(0 <= fmean(several) <= 1 for several in scores.values())
        low, high = win_rate(scores).interval or (0, 0)
        covered += low <= truth <= high
    assert covered >= 0.91 * 300  # 95% but for chance: three standard errors are 3.8%


def test_all_that_a_comparison_says_follows_the_weights() -> None:
    verdicts = [one for i in range(1, 9) for one in games(f"q{i}", "B>A", "B>A")]
    verdicts += [one for i in range(9, 13) for one in games(f"q{i}", "A>>B", "A>>B")]
    asked, pair = prompts(*["x"] * 6, *["y"] * 6), (responses("sami", 12), responses("dpo", 12))
    found = compare(asked, *pair, verdicts, rule="average")
    total = found.total
    assert total.win_rate == pytest.approx(12 / 20)
    assert (total.wins, total.losses, total.strong) == (4, 8, (8, 0))
    assert total.p_value is not None
    assert total.p_value > 0.05  # not 4 of 12: the sums are +6, the sign of each at random
    assert found.by_category["y"].win_rate == pytest.approx(12 / 14)
    assert found.length.controlled.value == pytest.approx(12 / 20, abs=0.03)
    plain = compare(asked, *pair, verdicts)
    assert plain.total.win_rate == pytest.approx(4 / 12)


@pytest.mark.parametrize(
    ("text", "winner", "weight"),
    [
        ("One is right. [[A>>B]]", "a", 3),
        ("One might say [[A>B]], but my verdict: [[ B >> A ]]", "b", 3),
        ("[[B<A]]", "a", 1),
        ("My final verdict is tie: [[A=B]]", "tie", 1),
        ("[[A>>B]], [[A>B]], [[A=B]], [[B>A]] and [[B>>A]] were the choices.", None, None),
    ],
)
def test_a_grade_is_read_from_the_last_verdict(
    text: str, winner: str | None, weight: int | None
) -> None:
    judge = read_judge("graded")
    assert parse_verdict(text, judge) == winner
    from sami_eval.core.calls import Reply
    from sami_eval.judge import read_reply

    assert read_reply(Reply(text, finished=True), judge).grade == weight


GOOD = Path(__file__).parents[2].joinpath("judges", "graded.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"B>>A" =', '"B>>>A" =', "unknown field `patterns.B>>>A`"),
        ('"A=B" = [', '#"A=B" = [', "`patterns.A=B` is missing"),
        ('">>" = 3', '">>" = 0', "`weights.>>` is `0`"),
        ('">>" = 3', '">>" = 2.5', "`weights.>>` is `2.5`"),
        ('">>" = 3', '">>>" = 3', "unknown field `weights.>>>`"),
        ("max_tokens = 2048", "logprobs = true", "`patterns.A>>B` beside `logprobs`"),
    ],
)
def test_a_bad_grade_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "graded.toml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_judge(str(path))
    assert message in caught.value.message
    assert (caught.value.where or "").startswith(f"{path}:")


def test_weights_without_grades_are_refused(tmp_path: Path) -> None:
    text = Path(__file__).parents[2].joinpath("judges", "quality.toml").read_text("utf-8")
    path = tmp_path / "quality.toml"
    path.write_text(f'{text}\n[weights]\n">>" = 3\n', encoding="utf-8")
    with pytest.raises(UsageError, match="without grades"):
        read_judge(str(path))


def grading(body: dict[str, Any]) -> Answer:
    """Far ahead by nine points of strength, ahead by fewer."""
    text = body["messages"][-1]["content"]
    shown = {side: text.partition(f"<<<answer {side}")[2] for side in "AB"}
    points = [int(shown[side].partition("strength ")[2].split("\n")[0]) for side in "AB"]
    ahead, behind = "AB" if points[0] > points[1] else "BA"
    sign = "=" if points[0] == points[1] else ">>" if abs(points[0] - points[1]) > 5 else ">"
    return 200, {}, json.dumps(json.loads(completion(f"[[{ahead}{sign}{behind}]]"))).encode()


def test_grades_count_under_the_average_rule_and_it_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(folder, 6, one=9, two=1)
    lines = Path("two.jsonl").read_text().splitlines()
    # On two of six questions `two` is somewhat better, on four far worse.
    stronger = [line.replace("strength 1", "strength 12") for line in lines[:2]]
    Path("two.jsonl").write_text("\n".join([*stronger, *lines[2:]]) + "\n")
    job = ["compare", "one.jsonl", "two.jsonl", "--prompts", "q.jsonl", "--judge", "graded"]
    with LoopbackJudge(Behaviour(script=grading)) as server:
        job += ["--judge-model", "openai:x", "--base-url", server.url, "--json"]
        assert cli.run(job) == 0
        plain = capsys.readouterr()
        assert cli.run([*job, "--rule", "average"]) == 0
        weighed = capsys.readouterr()
    assert "winners alone count; --rule average weighs its grades" in plain.err
    assert "winners alone" not in weighed.err
    rows = [json.loads(one.out)["comparisons"][0] for one in (plain, weighed)]
    assert rows[0]["win_rate"] == pytest.approx(4 / 6)
    assert rows[1]["win_rate"] == pytest.approx(12 / 14)
    assert rows[1]["strong"] == [16, 0]  # 4 questions, two turns, both orders
    assert cli.run(["show"]) == 0
    assert "one far ahead in 16 of 24, two in 0" in capsys.readouterr().out
    assert cli.run(["show", "--verdicts", "v.jsonl"]) == 0
    assert cli.run(["show", "v.jsonl"]) == 0  # what it wrote, it reads
