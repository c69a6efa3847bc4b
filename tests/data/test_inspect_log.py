"""Inspect's logs as they are read; the logs are real ones, made by inspect_logs/make.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from sami_eval.core.errors import UsageError
from sami_eval.data.inspect_log import is_log, read_log
from tests import ROOT

LOGS = ROOT / "tests" / "data" / "inspect_logs"
STEADY, HASTY = LOGS / "steady.eval", LOGS / "hasty.eval"


def parts(path: Path) -> dict[str, Any]:
    """What a .eval file holds, part by part."""
    read_log(path)  # by which zipfile learns how it is packed
    with ZipFile(path) as file:
        return {name: json.loads(file.read(name)) for name in file.namelist()}


def zipped(path: Path, several: dict[str, Any]) -> Path:
    with ZipFile(path, "w") as file:
        for name, part in several.items():
            file.writestr(name, json.dumps(part))
    return path


def as_json(path: Path, log: Path) -> Path:
    """The same log as Inspect writes it in JSON: one object, every sample in full."""
    found = parts(log)
    samples = [part for name, part in found.items() if name.startswith("samples/")]
    path.write_text(json.dumps({**found["header.json"], "samples": samples}), encoding="utf-8")
    return path


def test_scores_are_numbers_as_inspects_accuracy_counts_them() -> None:
    log = read_log(STEADY)
    assert (log.task, log.model, log.status) == ("sums", "mockllm/steady", "success")
    assert [(one.id, one.epoch) for one in log.samples[:3]] == [("s1", 1), ("s2", 1), ("s3", 1)]
    assert log.scorers == ["match", "graded", "several.length", "several.kind"]
    of = {one.id: one.scores for one in log.samples if one.epoch == 1}
    assert [of[name]["match"] for name in sorted(of)] == [1, 1, 1, 0, 1, 1]
    # P, I, N and C, by the number of the sample and the length of the answer.
    assert [of[name]["graded"] for name in sorted(of)] == [0.0, 0.0, 1.0, 0.5, 0.0, 1.0]
    assert of["s1"]["several.length"] == 10


def test_their_means_are_those_that_inspect_itself_found() -> None:
    theirs = {
        row["name"]: row["metrics"]["accuracy"]["value"]
        for row in parts(STEADY)["header.json"]["results"]["scores"]
        if "accuracy" in row["metrics"]
    }
    log = read_log(STEADY)
    for name in ("match", "graded"):
        scores = [one.scores[name] for one in log.samples]
        assert sum(filter(None, scores)) / len(scores) == pytest.approx(theirs[name])


def test_what_is_no_number_is_no_score_and_never_zero() -> None:
    log = read_log(HASTY)
    broken = [one for one in log.samples if one.failed]
    assert {one.id for one in broken} == {"s5"}
    assert all(one.scores == {} for one in broken)
    third = next(one for one in log.samples if one.id == "s3")
    assert third.scores["several"] is None  # NaN, by which Inspect says that it is unscored
    assert "several" not in log.scorers
    assert log.words == {"several.kind": ("short",)}


def test_a_log_in_json_says_the_same(tmp_path: Path) -> None:
    path = as_json(tmp_path / "log.json", HASTY)
    assert is_log(path)
    found, packed = read_log(path), read_log(HASTY)
    assert sorted(found.samples, key=repr) == sorted(packed.samples, key=repr)
    assert found.scorers == packed.scorers


def test_a_run_that_was_killed_has_the_samples_it_wrote(tmp_path: Path) -> None:
    several = parts(HASTY)
    left = {name: part for name, part in several.items() if name.startswith("_journal/")}
    assert {"_journal/start.json", "_journal/summaries/1.json"} <= left.keys()
    log = read_log(zipped(tmp_path / "killed.eval", left))
    assert log.status == "started"
    assert len(log.samples) == 12


def of(path: Path, *changed: tuple[Sequence[str | int], object]) -> Path:
    """A JSON log with something else at these places."""
    data = json.loads(path.read_text(encoding="utf-8"))
    for keys, value in changed:
        at = data
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = value
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_a_sample_that_was_run_again_counts_once(tmp_path: Path) -> None:
    path = as_json(tmp_path / "log.json", STEADY)
    rows = json.loads(path.read_text(encoding="utf-8"))["samples"]
    again = {**rows[0], "scores": {"match": {"value": "I"}}}
    found = read_log(of(path, (("samples",), [*rows, again]))).samples
    assert len(found) == len(rows)
    assert found[0].scores == {"match": 0.0}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ((("samples",), []), "the log holds no samples"),
        ((("samples", 0, "epoch"), "1"), "`epoch` is"),
        ((("samples", 0, "id"), None), "`id` is"),
        ((("eval", "model"), "a\nb"), "`eval.model` is"),
    ],
)
def test_a_broken_log_is_refused(
    tmp_path: Path, changed: tuple[Sequence[str | int], object], said: str
) -> None:
    path = of(as_json(tmp_path / "log.json", STEADY), changed)
    with pytest.raises(UsageError, match=said):
        read_log(path)


def test_a_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.eval"
    path.write_bytes(STEADY.read_bytes()[:9000])
    with pytest.raises(UsageError, match="not a whole log"):
        read_log(path)
    with pytest.raises(UsageError, match="no log of Inspect"):
        read_log(zipped(tmp_path / "other.eval", {"a.json": 1}))
