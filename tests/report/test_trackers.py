"""A result in trackers of experiments, read back from where they keep it on this disk."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from sami_eval.report import trackers
from sami_eval.report.finished import Finished
from sami_eval.report.tracked import figures_of, labels, tracked
from tests.cli.test_cli import folder, judged
from tests.loopback_judge import Behaviour, LoopbackJudge
from tests.report.test_forms import RESULTS, agreed

__all__ = ["folder"]

FILES = {"report.html", "table.md", "table.csv", "result.json", "settings.toml"}


@dataclass(frozen=True, slots=True)
class Kept:
    """The one run that a tracker has: what it was told last."""

    name: str
    figures: Mapping[str, float]
    parameters: Mapping[str, Any]
    files: set[str]


def in_trackio(project: str) -> Kept:
    trackio = pytest.importorskip("trackio", reason="trackio is not installed")
    from trackio.sqlite_storage import SQLiteStorage

    (run,) = trackio.Api().runs(project)
    logs = SQLiteStorage.get_logs(project, run.name)
    rows = SQLiteStorage.list_artifacts(project)
    names = {row["name"].partition("-")[2] for row in rows}
    return Kept(run.name, logs[-1], run.config, names)


def in_mlflow(project: str) -> Kept:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name(project).experiment_id])
    assert run.info.status == "FINISHED"
    names = {one.path for one in client.list_artifacts(run.info.run_id)}
    return Kept(run.info.run_name, run.data.metrics, {**run.data.params, **run.data.tags}, names)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what MLflow itself calls
@pytest.mark.parametrize(
    ("tracker", "read"),
    [
        pytest.param("trackio", in_trackio, id="trackio"),
        # Its first database takes some twenty migrations.
        pytest.param("mlflow", in_mlflow, id="mlflow", marks=pytest.mark.slow),
    ],
)
def test_a_comparison_is_one_run_there_however_often_it_is_run(
    tracker: str,
    read: Callable[[str], Kept],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip(tracker, reason=f"{tracker} is not installed")
    monkeypatch.setenv("TRACKIO_PROJECT", "ours")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ours")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    with LoopbackJudge(Behaviour(better_rate=0.7)) as server:
        assert judged(server, "--report-to", tracker, "--json", "--out", "a+b@1") == 0
        first = json.loads(capsys.readouterr().out)
        assert judged(server, "--report-to", tracker, "--concurrency", "3", "--json") == 0
    row, kept = first["comparisons"][0], read("ours")
    assert kept.name in ("a+b@1", f"{first['date'][:10]}-q-strong-weak")  # the first, the newest
    for name in ("win_rate", "p_value", "n_questions", "wins"):
        assert kept.figures[f"strong_vs_weak/{name}"] == row[name]
    ends = [kept.figures[f"strong_vs_weak/win_rate_{end}"] for end in ("low", "high")]
    assert ends == row["interval"]
    assert kept.parameters["judge_model"] == "loopback"
    assert str(kept.parameters["settings/concurrency"]) == "3"
    assert kept.files == FILES


def test_wandb_keeps_a_comparison_in_a_folder_when_it_is_offline(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    with LoopbackJudge(Behaviour(better_rate=1.0)) as server:
        assert judged(server, "--report-to", "wandb") == 0
    (file,) = (folder / "wandb").glob("offline-run-*/*.wandb")
    held = file.read_bytes()
    assert b"strong_vs_weak/win_rate_low" in held
    assert not [*(folder / "wandb").rglob("wandb-metadata.json")]  # of this machine and its user


@pytest.mark.parametrize(
    ("flag", "spec", "said"),
    [
        ("trackoi", None, "no such tracker\n\nhint: did you mean `trackio`?"),
        ("trackio", None, "trackio is not installed\n\nhint: pip install trackio"),
        # A folder of earlier runs in the current one is no package.
        ("wandb", ModuleSpec("wandb", None), "wandb is not installed\n\nhint: pip install wandb"),
    ],
)
def test_a_tracker_that_is_not_there_ends_the_run_before_anything_is_asked(
    flag: str,
    spec: ModuleSpec | None,
    said: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with LoopbackJudge(Behaviour(better_rate=1.0)) as server:
        assert judged(server, "--report-to", flag) == 2
        assert not server.calls
    assert capsys.readouterr().err == f"error: `--report-to {flag}`: {said}\n"


def test_what_a_tracker_refuses_is_an_error_and_the_run_is_saved(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Refuses:
        def errors(self) -> tuple[type[Exception], ...]:
            return (OSError,)

        def send(self, run: object, files: object) -> str:
            print("chatter")
            raise OSError("no\nroom")

    monkeypatch.setattr(trackers, "chosen", lambda names: {"trackio": Refuses()})
    with LoopbackJudge(Behaviour(better_rate=1.0)) as server:
        assert judged(server) == 1
    shown = capsys.readouterr()
    assert "error: `trackio` takes nothing: OSError: no room" in shown.err
    assert "chatter" not in shown.out
    assert "win rate of strong 100.0%" in shown.out
    assert len([*(folder / "runs").glob("*/comparison.json")]) == 1


@pytest.mark.parametrize("found", [one for one, _ in RESULTS.values()], ids=RESULTS)
def test_every_kind_of_result_has_figures_with_both_ends_of_their_intervals(
    found: Finished,
) -> None:
    named = [(name, value) for name, value in figures_of(found) if value is not None]
    figures = dict(named)
    assert len(figures) == len(named)
    assert all(re.fullmatch(r"[A-Za-z0-9._/-]+", name) for name in figures)  # MLflow's
    ends = [name.removesuffix("_low") for name in figures if name.endswith("_low")]
    assert ends
    for name in ends:
        assert figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"]


def test_two_names_never_become_one() -> None:
    made = labels(["a b", "a/b", "a-b-2", "sft+sami@1", "…", "a b"])
    assert len(set(made.values())) == len(made) == 5
    assert made["sft+sami@1"] == "sft_sami-1"


def test_no_key_goes_to_a_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    run = tracked({**agreed(), "votes": "https://x/?token=hf_secretsecret"}, Path())
    texts = [str(one) for one in (*run.parameters.values(), *run.files.values())]
    assert run.parameters["votes"] == "https://x/?token=***"
    assert not [text for text in texts if "secretsecret" in text]
