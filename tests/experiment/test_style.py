"""`--control length,style`: what dress does to a verdict, and the win rate without it."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sami_eval import cli
from sami_eval.data.style import style_of
from sami_eval.stats.length import Controlled, controlled, length_controlled
from tests.loopback_judge import Answer, Behaviour, LoopbackJudge, completion
from tests.records import write_rows


def test_features_are_counted_outside_of_code() -> None:
    text = (
        "# One\n###### Six\n#no space\n  # not at the line's beginning\n"
        "- a\n* b\n  + c\n1. d\n 22. e\n-f\n"
        "**bold** and __bold__, **not\nover lines**\n"
        "```python\n# comment\n- x\n**y**\n```\n```open\n# still counted\n"
    )
    assert style_of(text) == {"headings": 3, "lists": 5, "bold": 2, "code": 1}
    assert style_of("") == {"headings": 0, "lists": 0, "bold": 0, "code": 0}


def arenas(text: str) -> dict[str, int]:
    """Level by level and kind by kind, as Arena-Hard's control is reckoned."""
    text = re.sub("```([^`]*)```", "``````", text)  # what stands in a block is taken out
    levels = [len(re.findall(rf"^#{{{n}}}\s", text, re.MULTILINE)) for n in range(1, 7)]
    ordered = len(re.findall(r"^\s*\d+\.\s", text, re.MULTILINE))
    unordered = len(re.findall(r"^\s*[-*+]\s", text, re.MULTILINE))
    bold = len(re.findall(r"\*\*[^*\n]+\*\*", text)) + len(re.findall(r"__[^_\n]+__", text))
    return {"headings": sum(levels), "lists": ordered + unordered, "bold": bold}


def test_counts_are_arena_hards() -> None:
    rng = random.Random(0)
    pieces = [
        "# ",
        "### ",
        "#######",
        "- ",
        "* ",
        "1. ",
        "**",
        "__",
        "x",
        "\n",
        "```",
        " ",
        "`",
        "_",
    ]
    for _ in range(300):
        text = "".join(rng.choices(pieces, k=30))
        found = style_of(text)
        assert {name: found[name] for name in ("headings", "lists", "bold")} == arenas(text)


def judged(seed: int, ability: float, judge: float, n: int = 160) -> Controlled:
    """a writes more lists, and what it says is worth `ability`; the judge likes lists."""
    rng = np.random.default_rng(seed)
    lists, headings = rng.normal(0.5, 1, n), rng.normal(0, 1, n)
    lengths = 0.5 * lists + rng.normal(0, 1, n)
    odds = ability + judge * np.tanh(lists)
    scores = (rng.random(n) < 1 / (1 + np.exp(-odds))) * 1.0
    columns = [list(one) for one in (lengths, headings, lists)]
    return controlled(list(scores), [i // 2 for i in range(n)], columns, ["x"] * n, seed, 100)


@pytest.mark.parametrize(("ability", "truth"), [(0.0, 0.5), (0.6, 0.646)])
def test_a_judge_swayed_by_lists_is_shown_and_the_truth_recovered(
    ability: float, truth: float
) -> None:
    found = [judged(seed, ability, 1.5) for seed in range(30)]
    rates = [one.rate.value for one in found]
    assert np.mean(np.array(rates, float)) == pytest.approx(
        truth, abs=0.035
    )  # spread .06 / sqrt(30)
    inside = [low <= truth <= high for one in found for low, high in [one.rate.interval or (0, 0)]]
    assert np.mean(inside) >= 0.83  # .95 less three standard errors of .04
    _, headings, lists = zip(*(one.effects for one in found), strict=True)
    assert np.mean([(one.interval or (0, 0))[0] > 0 for one in lists]) >= 0.9
    swayed = [not low <= 0 <= high for one in headings for low, high in [one.interval or (0, 0)]]
    assert np.mean(swayed) <= 0.17


def test_one_column_is_the_length_control() -> None:
    rng = random.Random(2)
    differences = [rng.gauss(1, 2) for _ in range(60)]
    scores = [float(rng.random() < 0.6) for _ in range(60)]
    questions, categories = [i // 2 for i in range(60)], ["x", "y"] * 30
    alone = length_controlled(scores, questions, differences, categories, 3, 100)
    assert controlled(scores, questions, [differences], categories, 3, 100).rate == alone
    flat = [0.0] * 60
    both = controlled(scores, questions, [differences, flat], categories, 3, 100)
    assert both.rate.value == pytest.approx(alone.value, abs=1e-6)
    assert both.effects[1].value is None


def dressed(folder: Path, share: float) -> None:
    """Answers of like length: `plain` never has a list, `lists` in a share of its turns."""
    rng = random.Random(1)
    numbers = range(1, 31)
    questions = [
        {"question_id": i, "category": "ab"[i % 2], "turns": ["x?", "y?"]} for i in numbers
    ]
    write_rows(folder / "q.jsonl", *questions)

    def answer(i: int, listed: bool) -> str:
        return "\n".join(f"{'- ' if listed else ''}point {i}{j}" for j in range(3))

    for name, p in (("lists", share), ("plain", 1 - share)):
        rows = [
            {
                "prompt_id": str(i),
                "model": name,
                "turns": [answer(i, rng.random() < p) for _ in "ab"],
            }
            for i in numbers
        ]
        write_rows(folder / f"{name}.jsonl", *rows)


def likes_lists(body: dict[str, Any]) -> Answer:
    text = body["messages"][-1]["content"]
    said = {s: text.rpartition(f"<<<answer {s}")[2].partition("<<<end")[0] for s in "AB"}
    a, b = (said[side].count("- ") for side in "AB")
    verdict = "A" if a > b else "B" if b > a else "C"
    return 200, {}, json.dumps(json.loads(completion(f"[[{verdict}]]"))).encode()


def test_the_command_shows_what_sways_and_leaves_the_rest_as_it_was(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dressed(folder, 0.65)
    job = ["compare", "lists.jsonl", "plain.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]
    with LoopbackJudge(Behaviour(script=likes_lists)) as server:
        job += ["--judge-model", "openai:x", "--base-url", server.url, "--json", "-q"]
        assert cli.run(job) == 0
        plain = json.loads(capsys.readouterr().out)["comparisons"][0]
        calls = server.n_calls
        assert cli.run([*job, "--control", "length,style"]) == 0
        row = json.loads(capsys.readouterr().out)["comparisons"][0]
        assert server.n_calls == calls
    assert plain["style"] is None
    assert {**row, "style": None} == plain
    assert row["win_rate"] > 0.6
    low, high = row["style"]["interval"]
    assert low < 0.5 < high
    features = {one["name"]: one for one in row["style"]["features"]}
    assert list(features) == ["length", "headings", "lists", "bold", "code"]
    assert features["lists"]["interval"][0] > 0
    assert features["lists"]["a"] > features["lists"]["b"]
    assert features["headings"]["effect"] is None
    assert all(one["supported"] for one in features.values())
    assert cli.run(["show"]) == 0
    screen = " ".join(capsys.readouterr().out.split())
    assert "at equal style win rate" in screen
    assert "lists: lists " in screen
    assert "sways the judge: +" in screen
    assert cli.run([*job, "--control", "style"]) == 2


def test_a_side_that_always_writes_lists_supports_no_rate_at_equal_style(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dressed(folder, 1.0)
    # One plain turn of `lists` wins nothing: a rate of exactly 100% cannot be fitted.
    rows = [json.loads(line) for line in Path("lists.jsonl").read_text().splitlines()]
    rows[0]["turns"][0] = "point"
    write_rows("lists.jsonl", *rows)
    job = ["compare", "lists.jsonl", "plain.jsonl", "--prompts", "q.jsonl", "--judge", "quality"]
    with LoopbackJudge(Behaviour(script=likes_lists)) as server:
        job += ["--judge-model", "openai:x", "--base-url", server.url, "-q"]
        assert cli.run([*job, "--control", "length,style"]) == 0
    screen = " ".join(capsys.readouterr().out.split())
    assert "an extrapolation: nearly always one side's are" in screen
