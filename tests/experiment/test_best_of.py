"""The best of k samples: each scored once, under a reward verdict's key, and none made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.config import find_config
from sami_eval.core.progress import silent
from sami_eval.experiment import best_of
from sami_eval.experiment.every_k import curves
from sami_eval.experiment.samples import Attempts, figures, paired
from sami_eval.generate import EngineChoice
from sami_eval.generate.tools import Tools
from sami_eval.ledger.store import Ledger
from tests.experiment.test_samples import tried
from tests.tiny_classifier import save_classifier

CHOICE = EngineChoice("hf")


@pytest.fixture(scope="module")
def rm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that likes answers whose last character comes late."""
    return save_classifier(tmp_path_factory.mktemp("models") / "rm")


def rated(folder: Path, rm: Path, *of: Attempts) -> best_of.Rated:
    config = find_config(folder)
    by = best_of.chosen(f"reward:{rm}", config, CHOICE)
    assert by is not None
    with Ledger(folder / "ledger.sqlite") as ledger:
        return best_of.rated(by, CHOICE, {"x": of}, Tools(config, ledger, silent()))


def test_each_sample_is_scored_once_and_never_again(folder: Path, rm: Path) -> None:
    first = tried(8, "7", "8", "8", "6", identity="a")
    found = rated(folder, rm, first)
    assert found.row["calls"] == {"made": 3, "from_ledger": 0}  # two samples are one text
    (one,) = found.attempts["x"]
    assert one.known_rewards is not None
    seven, eight, again, six = one.known_rewards
    assert eight == again > seven > six
    # The best of two is an 8 but in the draw of 7 and 6: 5 of 6 draws.
    assert one.best_of(2) == pytest.approx(5 / 6)
    later = rated(folder, rm, first, tried(8, "9", "8", "8", "8", identity="b"))
    assert later.row["calls"] == {"made": 1, "from_ledger": 3}  # the question is one, so 8 is known
    assert later.attempts["x"][1].best_of(4) == 0  # the 9 is liked best, and wrong
    assert set(curves(later.attempts["x"])) >= {"pass_at_k", "best_of_k"}


def test_a_problem_with_an_unscored_sample_is_left_out_and_counted(folder: Path, rm: Path) -> None:
    whole, long = tried(8, "7", "8", identity="a"), tried(8, "x" * 300, "8", identity="b")
    of = rated(folder, rm, whole, long).attempts["x"]
    assert of[1].known_rewards is None
    assert of[1].best_of(2) is None
    found = figures(of, [1, 2])
    assert found.n_unrated == 1
    assert list(found.at_k["best_of_k"]) == [2]
    assert found.at_k["best_of_k"][2].value == 1.0
    assert len({k for k, *_ in curves(of)["best_of_k"]}) == 2


def test_differences_are_of_the_problems_that_both_have_scores_of() -> None:
    a = [tried(5, "5", "6", identity=i) for i in "pqr"]
    better = [replace(one, rewards=(1.0, 0.0)) for one in a]
    worse = [replace(one, rewards=(0.0, 1.0)) for one in a[:2]] + [
        replace(a[2], rewards=(0.0, None))
    ]
    (row,) = paired({"a": better, "b": worse}, [2], 0, figure=Attempts.best_of)
    assert (row.gain.value, row.gain.n_problems) == (1.0, 2)
    assert paired({"a": a, "b": a}, [2], 0, figure=Attempts.best_of) == []
    assert figures(a, [2]).at_k["best_of_k"] == {}
    assert "best_of_k" not in curves(a)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--best-of", "quality"], "`--best-of quality` is a judge of the kind pairwise"),
        (["--best-of", "reward"], "the judge's file names no model"),
        (["--best-of", "reward:"], "names none"),
        (["--best-of", "reward:nowhere/x/y"], "nowhere/x/y"),
        (["--best-of", "reward:x", "--k", "1"], "the only k is 1"),
        (["--best-of", "reward:x", "--k", "2", "--until-decided"], "looks at pass@k"),
    ],
)
def test_what_cannot_choose_is_refused_before_anything_is_drawn(
    folder: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    k = [] if "--k" in flags else ["--k", "1,2"]
    assert cli.run(["passk", "base", *k, "--samples", "2", *flags]) == 2
    assert said in capsys.readouterr().err
