"""A forecast of many judgments: measured, not written; and what it says of time and disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import laid
from sami_eval import cli
from sami_eval.core.calls import Reply
from sami_eval.experiment import disk, forecast
from sami_eval.ledger.store import Ledger
from tests.records import write_records, write_rows

ASKED = ["compare", "one.jsonl", "two.jsonl", "three.jsonl", "--prompts", "q.jsonl", "--dry-run"]
AT = ["--judge-model", "openai:gpt-4o", "--base-url", "http://127.0.0.1:9/v1"]


@pytest.fixture
def records(folder: Path) -> None:
    """Three records, the third in part as the first, in part silent, all in two alphabets."""
    write_records(folder, 6, one=1, two=2)
    said = [["one strength 1"] * 2, ["", ""], ["[[A]] größer, <answer_b>", "one strength 1"]]
    rows = [{"prompt_id": str(i), "model": "three", "turns": said[i % 3]} for i in range(1, 7)]
    write_rows(folder / "three.jsonl", *rows)
    Path("sami-eval.toml").write_text("")


@pytest.mark.parametrize("judge", ["quality", "single", "graded"])
@pytest.mark.parametrize("more", [(), ("--repeats", "2"), ("--against", "two.jsonl")])
def test_what_is_measured_is_what_would_be_written(
    judge: str, more: tuple[str, ...], records: None, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*ASKED, "--judge", judge, *AT, *more, "--json"]
    assert cli.run(words) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["judges"][0]["calls"] > 20
    with Ledger(Path(".sami-eval/ledger.db")) as ledger:  # now each prompt is written for its key
        ledger.add_replies([("of something else", "quality", Reply("[[A]]", "m"))])
    assert cli.run(words) == 0
    assert json.loads(capsys.readouterr().out) == measured


def test_limits_a_minute_say_the_least_time(
    records: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*ASKED, "--judge", "quality", *AT, "--rpm", "0.1", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["least_minutes"] == pytest.approx(row["judges"][0]["calls"] / 0.1)
    assert cli.run([*ASKED, "--judge", "quality", *AT, "--rpm", "0.1"]) == 0
    assert f"at least {row['least_minutes'] / 60:.1f} hours by --rpm 0.1" in capsys.readouterr().out


def test_the_disk_that_is_foreseen_is_about_what_rows_take() -> None:
    for kind, tokens, ids, measured in (
        ("reply", 300, 0, laid.of_replies(400, 300)),
        ("sample", 200, 200, laid.of_samples(400, 200)),
    ):
        found = disk.room(kind, 400, 0, 4 * tokens, ids)
        assert found.ledger / 400 == pytest.approx(measured.row, rel=0.2)
        assert found.run / 400 == pytest.approx(measured.line, rel=0.1)


def test_a_disk_with_too_little_room_is_warned_of() -> None:
    much = forecast.Bound("a", "a", "a", None, None, 1, 0, None, 0.0, disk=disk.Disk(2e9, 1.25e9))
    found = forecast.Forecast((), {"judges": (much,)}, free=10**9)
    said = forecast.describe(found)
    assert "about 2.0 GB in the ledger, 1.2 GB in the run's folder" in said
    assert "warning: 1.0 GB are free there" in said
    assert "disk" not in forecast.describe(forecast.Forecast((), {"judges": ()}, free=10**9))
