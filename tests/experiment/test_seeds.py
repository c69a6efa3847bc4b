"""Training seeds of one recipe as one contender."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.config import Config, find_config
from sami_eval.core.types import Model, Order, Prompt, Response, Verdict, Winner
from sami_eval.experiment.comparison_rows import comparison_row
from sami_eval.experiment.tallies import compare
from sami_eval.generate.contenders import Contender, contenders, games, seed_of
from tests.documents import document
from tests.report.test_console import printed

PROMPTS = [Prompt(f"q{i}", "writing", ("?",)) for i in range(6)]
ORDERS: tuple[Order, ...] = ("a", "b")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return find_config(tmp_path)


def side(recipe: str, *seeds: int) -> Contender:
    models = [Model(f"{recipe}@{seed}", "base") for seed in seeds] or [Model(recipe, "base")]
    name = f"{recipe}@{','.join(map(str, seeds))}" if seeds else recipe
    return Contender(name, tuple(models), seeds)


SAMI, DPO, BASE = side("sft+sami", 1, 2, 3), side("sft+dpo", 4, 5, 6), side("base")


def test_seeds_of_a_recipe_are_one_contender_and_a_single_seed_is_a_model(config: Config) -> None:
    each = [SAMI.models, [Model("sft@7", "base")], BASE.models]
    sides = contenders(["sami@1,2,3", "sft@7", "base"], each, config)
    assert [one.name for one in sides] == ["sft+sami@1,2,3", "sft@7", "base"]
    assert [one.seeds for one in sides] == [(1, 2, 3), (), ()]


def test_the_same_seeds_twice_are_two_contenders(config: Config) -> None:
    again = [Model(f"{model.name} (2)", "base") for model in SAMI.models]
    first, second = contenders(["sami@1,2,3"] * 2, [SAMI.models, again], config)
    assert (first.name, second.name) == ("sft+sami@1,2,3", "sft+sami@1,2,3 (2)")


def test_models_of_one_file_stay_contenders_of_their_own(config: Config) -> None:
    found = [Model("x", "r.jsonl", engine="recorded"), Model("y", "r.jsonl", engine="recorded")]
    assert [one.name for one in contenders(["r.jsonl"], [found], config)] == ["x", "y"]


def test_equal_numbers_of_seeds_meet_one_to_one_and_others_all() -> None:
    met = [(a.name, b.name) for a, b in games(SAMI, DPO)]
    assert met == [(f"sft+sami@{i}", f"sft+dpo@{i + 3}") for i in (1, 2, 3)]
    assert len(games(SAMI, side("sft+dpo", 1, 2))) == 6
    assert len(games(SAMI, BASE)) == 3


def verdicts(a: Contender, b: Contender, winners: dict[str, Winner]) -> list[Verdict]:
    """Each game's turns all go to the same winner, by the name of a's model."""
    return [
        Verdict(prompt.id, 0, "quality", x.name, y.name, first, 0, winners[x.name])
        for x, y in games(a, b)
        for prompt in PROMPTS
        for first in ORDERS
    ]


def responses(side: Contender, words: int) -> list[Response]:
    return [
        Response(prompt.id, model.name, ("x" * words * number,), n_tokens=(words * number,))
        for number, model in enumerate(side.models, 1)
        for prompt in PROMPTS
    ]


WINNERS: dict[str, Winner] = {"sft+sami@1": "a", "sft+sami@2": "a", "sft+sami@3": "b"}


def test_every_seed_counts_its_turns_and_reports_its_own_rate() -> None:
    found = compare(
        PROMPTS,
        responses(SAMI, 2),
        responses(DPO, 3),
        verdicts(SAMI, DPO, WINNERS),
        names=(SAMI.name, DPO.name),
        seed_of=seed_of(SAMI, DPO),
    )
    assert (found.total.wins, found.total.losses) == (12, 6)  # 2 seeds x 6 questions, 1 x 6
    assert found.total.n_questions == 6
    assert found.seeds is not None
    assert found.seeds.paired
    rates = {seeds: rate.value for seeds, rate in found.seeds.win_rates.items()}
    assert rates == {(1, 4): 1.0, (2, 5): 1.0, (3, 6): 0.0}
    assert (found.length.mean_a, found.length.mean_b) == (4.0, 6.0)  # mean of 2, 4, 6; of 3, 6, 9
    assert found.total.consistency.value == 1.0
    # Questions alone see no spread at all; seeds do.
    alone = found.seeds.questions_only.interval
    assert found.total.interval is not None
    assert alone is not None
    assert found.total.interval[0] < alone[0] < alone[1] < found.total.interval[1]
    assert not found.total.significant


def test_seeds_against_one_model_are_seeds_of_one_side() -> None:
    found = compare(
        PROMPTS,
        responses(SAMI, 2),
        responses(BASE, 3),
        verdicts(SAMI, BASE, WINNERS),
        names=(SAMI.name, BASE.name),
        seed_of=seed_of(SAMI, BASE),
    )
    row = comparison_row(found)
    assert row["seeds"] is not None
    assert (row["seeds"]["a"], row["seeds"]["b"]) == ([1, 2, 3], [])
    assert [one["b"] for one in row["seeds"]["win_rates"]] == [None] * 3
    text = " ".join(printed(document(row)).split())
    assert "choice of questions and training seeds (3 of sft+sami@1,2,3; every model" in text
    assert "win rate by seed 1 100.0%, 2 100.0%, 3 0.0%" in text
    assert "not training seeds" not in text


def test_the_table_says_which_seeds_met() -> None:
    found = compare(
        PROMPTS,
        [],
        [],
        verdicts(SAMI, DPO, WINNERS),
        names=(SAMI.name, DPO.name),
        seed_of=seed_of(SAMI, DPO),
    )
    text = " ".join(printed(document(comparison_row(found))).split())
    assert "interval covers the choice of questions and 3 training seeds (the first of" in text
    assert "1:4 100.0%, 2:5 100.0%, 3:6 0.0%" in text


@pytest.mark.slow
def test_seeds_are_trained_and_compared_from_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["compare", "sft@1,2", "base", "--task", "mtbench", "--limit", "16", "-q", "--json"]
    assert cli.run(asked) == 0
    shown = json.loads(capsys.readouterr().out)
    row = shown["comparisons"][0]
    assert (row["a"], row["b"]) == ("sft@1,2", "base")
    assert (row["seeds"]["a"], row["seeds"]["b"]) == ([1, 2], [])
    assert [one["contender"] for one in shown["contenders"]] == ["sft@1,2", "sft@1,2", "base"]
    low, high = row["seeds"]["questions_interval"]
    assert row["interval"][0] <= low
    assert high <= row["interval"][1]
