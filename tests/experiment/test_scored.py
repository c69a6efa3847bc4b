"""Logs side by side: means by sample, differences on the samples of both, what is in one only."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import sami_eval
from sami_eval import cli
from sami_eval.data.inspect_log import Log, Sample
from sami_eval.experiment.scored import figures, gains, names_of
from sami_eval.experiment.scored_document import ScoredDocument, read_scored
from sami_eval.stats.problems import difference
from tests.data.test_inspect_log import HASTY, STEADY


def log(name: str, scores: dict[str, list[float | None]], scorer: str = "match") -> Log:
    """Of each sample the scores of its epochs."""
    samples = (
        Sample(one, epoch, one, {scorer: score}, False)
        for one, several in scores.items()
        for epoch, score in enumerate(several, 1)
    )
    return Log(Path(f"{name}.eval"), "task", name, "", "success", tuple(samples), {})


def test_a_sample_counts_once_however_many_epochs_it_has() -> None:
    # a: the mean of 1, 0 is .5; b: 1; c: not known. Over the samples .75, not 2/3 over the epochs.
    one, *_ = figures(log("x", {"a": [1, 0], "b": [1, None], "c": [None, None]}))
    assert (one.estimate.value, one.n, one.n_scores) == (0.75, 2, 3)


def test_pass_at_k_is_of_the_samples_that_have_all_epochs() -> None:
    _, passed = figures(log("x", {"a": [1, 0], "b": [0, 0], "c": [1, None]}))
    assert (passed.k, passed.estimate.value, passed.n) == (2, 0.5, 2)
    graded = figures(log("x", {"a": [1, 0.5], "b": [0, 0]}))
    assert [one.k for one in graded] == [None]


def test_a_difference_is_of_the_samples_that_both_have_a_score_of() -> None:
    a = log("a", {"1": [1, 1], "2": [1, 0], "3": [0, 0], "4": [1, 1], "5": [1, 1]})
    b = log("b", {"2": [0, 0], "1": [1, 0], "3": [0, 0], "4": [None, None], "6": [1, 1]})
    mean, passed = gains(["a", "b"], [a, b])
    assert mean.found == difference([0.5, 0, 0], [1, 0.5, 0], 2)
    assert (mean.found.value, mean.found.n_problems) == (pytest.approx(1 / 3), 3)
    assert (passed.k, passed.found.value) == (2, pytest.approx(1 / 3))
    # Two rows: the smaller p counts twice, the larger is not smaller than that.
    least = min(mean.found.p_value, passed.found.p_value)
    assert mean.p_adjusted == min(1, max(2 * least, mean.found.p_value))


def test_scores_beyond_0_to_1_keep_their_scale() -> None:
    a, b = ({"1": [3.0 * n], "2": [5.0 * n], "3": [10.0 * n]} for n in (1, 0.5))
    (found,) = gains(["a", "b"], [log("a", a), log("b", b)])
    assert (found.is_share, found.span, found.found.value) == (False, 8.5, 3.0)
    low, high = found.found.interval
    # Student's interval of 1.5, 2.5 and 5 with a quarter of the largest square added to theirs.
    half = 4.302653 * ((6.5 + 25 / 4) / 2 / 3) ** 0.5
    assert (low, high) == (pytest.approx(3 - half), pytest.approx(min(3 + half, 8.5)))


def test_several_logs_are_compared_pair_by_pair_or_beside_one() -> None:
    several = [log(name, {"1": [1], "2": [i]}) for i, name in enumerate("abc")]
    names = names_of(several)
    assert [(one.a, one.b) for one in gains(names, several)] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [(one.a, one.b) for one in gains(names, several, "b")] == [("a", "b"), ("c", "b")]


def test_logs_of_one_model_are_called_by_what_tells_them_apart() -> None:
    a, b = log("x", {"1": [1]}), log("x", {"1": [0]})
    assert names_of([a, b]) == ["x.eval", "x.eval"]
    again = replace(a, path=Path("again.eval"))
    assert names_of([a, again]) == ["x", "again"]
    dated = [
        replace(
            a, path=Path(f"2026-11-2{day}T20-51-48_task_a{day}.eval"), created=f"2026-11-2{day}"
        )
        for day in (1, 2)
    ]
    assert names_of(dated) == ["x · 2026-11-21", "x · 2026-11-22"]
    other = Log(Path("y.eval"), "other", "x", "", "success", a.samples, {})
    assert names_of([a, other]) == ["x · task", "x · other"]


def shown(capsys: pytest.CaptureFixture[str], *args: object) -> str:
    assert cli.run(["show", *map(str, args)]) == 0
    return capsys.readouterr().out


def test_show_compares_real_logs_and_drops_nothing_in_silence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found: ScoredDocument = json.loads(shown(capsys, STEADY, HASTY, "--json"))
    assert found == read_scored([STEADY, HASTY])
    (pair,) = found["pairs"]
    assert (pair["n_common"], pair["only_a"], pair["only_b"]) == (5, ["s1"], ["s7"])
    match = found["differences"][0]
    # s2, s3, s4 and s6; s5 broke in one of them.
    assert (match["scorer"], match["n_samples"], match["value"]) == ("match", 4, 0.25)
    text = shown(capsys, STEADY, HASTY)
    assert "in one only           1 sample of mockllm/steady, not mockllm/hasty: s1" in text
    assert "mockllm/hasty: 2 of 12 runs by an error" in text
    assert "said `short`: counted as" in text
    saved = tmp_path / "found.json"
    saved.write_text(json.dumps(found), encoding="utf-8")
    assert shown(capsys, saved) == text
    assert sami_eval.show(STEADY, HASTY).document == found
    assert "one a copy" not in text


def test_a_log_beside_its_copy_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    copy = tmp_path / f"copy{STEADY.suffix}"
    copy.write_bytes(STEADY.read_bytes())
    assert "is one a copy?" in " ".join(shown(capsys, STEADY, copy).split())


def test_samples_of_one_id_and_two_inputs_are_not_compared(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def written(name: str, *asked: str) -> Path:
        rows = [
            {"id": i, "epoch": 1, "input": text, "scores": {"match": {"value": "CI"[i % 2]}}}
            for i, text in enumerate(asked, 1)
        ]
        header = {"status": "success", "eval": {"task": name, "model": name}, "samples": rows}
        (file := tmp_path / f"{name}.json").write_text(json.dumps(header))
        return file

    sums, words = written("sums", "1+1?", "2+2?", "3+3?"), written("words", "Go?", "No?", "So?")
    assert cli.run(["show", str(sums), str(words)]) == 2
    said = "have no sample in common: 3 of one id, each with another input"
    assert said in capsys.readouterr().err
    rows = json.loads(sums.read_text())
    del rows["samples"][0]["scores"], rows["samples"][1:]
    (bare := tmp_path / "bare.json").write_text(json.dumps(rows))
    assert cli.run(["show", str(bare)]) == 2
    assert "none of 1 samples has a number as its score" in capsys.readouterr().err
    changed = written("changed", "1+1?", "2+2?", "3+4?")
    found: ScoredDocument = json.loads(shown(capsys, sums, changed, "--json"))
    assert (found["pairs"][0]["n_common"], found["pairs"][0]["n_other_input"]) == (3, 1)
    assert found["differences"][0]["n_samples"] == 2
    text = " ".join(shown(capsys, sums, changed).split())
    assert "1 of 3 samples left out: another input in sums than in changed" in text


def test_one_log_alone_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, STEADY).startswith("mockllm/steady scores 83.3% by match\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([STEADY, STEADY], "is named twice"),
        ([STEADY, HASTY, "--against", "nobody"], "`--against nobody` is none of the logs"),
        ([STEADY, "pyproject.toml"], "`pyproject.toml` is no log of Inspect"),
        ([STEADY, "nowhere.eval"], "no file `nowhere.eval`"),
        ([STEADY, HASTY, "--fastchat", "x"], "nothing was judged in it"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    capsys: pytest.CaptureFixture[str], args: list[object], said: str
) -> None:
    assert cli.run(["show", *map(str, args)]) == 2
    assert said in capsys.readouterr().err
