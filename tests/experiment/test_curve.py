"""Over the training: a figure a step, from checkpoints that were trained elsewhere."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli, embedded
from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model
from sami_eval.experiment import curve
from sami_eval.generate.contenders import Contender, contenders
from sami_eval.report.finished import read_finished, report_of
from sami_eval.report.formats.csv import csv as as_csv
from sami_eval.report.steps import over_k
from tests.adapter_kinds import made

STEPS = (5, 10)


@pytest.fixture
def run(folder: Path) -> Path:
    """Two checkpoints by PEFT alone on the embedded base, the second with the louder noise."""
    for step in STEPS:
        made(Path(f"run/checkpoint-{step}"), embedded.BASE_DIR, noise=step / 50)
        log = [{"step": 3, "objective/kl": 0.5}, {"step": step, "objective/kl": step / 10}]
        state = {"global_step": step, "log_history": log}
        Path(f"run/checkpoint-{step}/trainer_state.json").write_text(json.dumps(state))
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.run([*words]) == 0
    return capsys.readouterr().out


def test_a_folder_of_checkpoints_gives_a_curve_of_win_rates(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = ("compare", "./run:all", "--against", "base", "--limit", "8", "--max-tokens", "8", "-q")
    document: dict[str, Any] = json.loads(said(capsys, *job, "--json"))
    of = {row["a"]: row for row in document["comparisons"]}
    assert [row["contender"] for row in document["curve"]] == list(of) == ["run:5", "run:10"]
    for row, step in zip(document["curve"], STEPS, strict=True):
        assert (row["training"], row["step"]) == ("run", step)
        for name in ("win_rate", "interval", "p_adjusted", "significant", "n_questions"):
            assert row[name] == of[row["contender"]][name]
        source = f"trainer_state.json, objective/kl of step {step}"
        assert row["kl"] == {"value": step / 10, "source": source}
    screen = said(capsys, "show")
    assert max(map(len, screen.splitlines())) <= 80
    assert "        step 5" in screen
    assert "p by Holm over the\n2 against base" in screen
    assert "the best step is chosen by what was asked here" in screen
    (path,) = run.glob("runs/*/comparison.json")
    found = read_finished(path)
    assert found is not None
    rows = list(csv.reader(io.StringIO(as_csv(report_of(found)))))
    (head,) = (i for i, row in enumerate(rows) if row[:2] == ["training", "step"])
    assert [row[1] for row in rows[head + 1 : head + 3]] == ["5", "10"]
    said(capsys, "show", "--html")
    page = next(run.rglob("report.html")).read_text("utf-8")
    assert '<h2 id="over">Over the training</h2>' in page


def test_a_checkpoint_that_is_named_twice_is_refused(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["compare", "run:all", "run:10", "--against", "base", "--limit", "1"]) == 2
    assert "step 10 of `run:10` stands in `run:all` already" in capsys.readouterr().err


def test_a_step_that_is_the_baseline_itself_counts_in_no_correction(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree("run/checkpoint-10", "ended")
    asked = ["--against", "ended", "--limit", "2", "--max-tokens", "4", "-q"]
    document = json.loads(said(capsys, "compare", "run:all", *asked, "--json"))
    (row,) = document["comparisons"]
    assert (row["a"], row["b"], row["p_adjusted"]) == ("run:5", "ended", row["p_value"])
    assert "run:5" in said(capsys, "show")
    assert cli.run(["compare", "run:10", *asked]) == 2
    assert "`run:10 ended` is `ended` itself: nothing to compare" in capsys.readouterr().err
    drawn = ("--k", "1", "--samples", "2", "--limit", "2", "--max-tokens", "4", "-q", "--json")
    pairs = json.loads(said(capsys, "passk", "ended", "run:all", *drawn))["differences"]
    assert [(one["a"], one["b"]) for one in pairs] == [("ended", "run:5"), ("run:5", "run:10")]


def test_pass_at_k_is_drawn_over_the_steps_beside_the_level_of_the_base(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--k", "1,2", "--samples", "2", "--limit", "3", "--max-tokens", "4", "-q")
    document: dict[str, Any] = json.loads(
        said(capsys, "passk", "base", "run:all", *asked, "--json")
    )
    figures = {row["name"]: row["pass_at_k"] for row in document["contenders"]}
    assert [row["pass_at_k"] for row in document["steps"]] == [figures["run:5"], figures["run:10"]]
    assert [row["name"] for row in over_k(document)] == ["base", "run:10"]  # type: ignore[arg-type]
    screen = said(capsys, "show")
    assert "pass@1  ● run  ╌ base" in screen
    assert max(map(len, screen.splitlines())) <= 80


def test_seeds_are_one_side_at_each_step_that_all_of_them_keep() -> None:
    models = [
        Model(f"sft+sami@{seed}:{step}", "b", adapter=f"{seed}/checkpoint-{step}", step=step)
        for seed in (1, 2)
        for step in (5, 10)
    ]
    found = contenders(["sami@1,2:all"], [models], Config(Path()))
    assert [(one.name, one.step, one.seeds) for one in found] == [
        ("sft+sami@1,2:5", 5, (1, 2)),
        ("sft+sami@1,2:10", 10, (1, 2)),
    ]
    with pytest.raises(UsageError, match="1 of 2 seeds keep step `10`"):
        contenders(["sami@1,2:all"], [models[:3]], Config(Path()))


def test_a_step_is_set_against_the_last_of_its_training_and_against_all_others() -> None:
    models = [Model("base", "b"), Model("x", "b", adapter="x")]
    models += [
        Model(f"run:{step}", "b", adapter=f"run/checkpoint-{step}", step=step)
        for step in (5, 10, 15)
    ]
    assert curve.meeting(models) == [
        *[("base", "x"), ("base", "run:5"), ("base", "run:10"), ("base", "run:15")],
        *[("x", "run:5"), ("x", "run:10"), ("x", "run:15")],
        *[("run:5", "run:15"), ("run:10", "run:15")],
    ]
    alone = [Contender(one.name, (one,)) for one in models[:3]]
    assert curve.win_rates(alone, [], []) == []
