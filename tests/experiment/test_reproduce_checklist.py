"""Stages are done once, in order, and again where what they depend on has changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval.core.errors import UsageError
from sami_eval.core.progress import silent
from sami_eval.experiment.reproduce.checklist import FILE, Stage, done, run_stages
from tests.align_models import Said


class Kitchen:
    """Three stages that note when they run; `taste` fails while `burnt` is set."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ran, self.burnt = folder, list[str](), False

    def _run(self, name: str) -> dict[str, object]:
        if self.burnt and name == "cook":
            raise KeyboardInterrupt
        self.ran.append(name)
        (self.folder / name).write_text(name)
        return {"dishes": len(self.ran)}

    def stages(self, salt: int = 1) -> list[Stage]:
        settings = {"shop": 0, "cook": salt, "serve": 0}
        return [
            Stage(name, f"{name}s", of, (self.folder / name,), lambda name=name: self._run(name))  # type: ignore[misc]
            for name, of in settings.items()
        ]


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path)


def run(kitchen: Kitchen, salt: int = 1, **how: str) -> list[str]:
    """What ran this time."""
    kitchen.ran.clear()
    run_stages(kitchen.stages(salt), kitchen.folder, silent(), **how)
    return list(kitchen.ran)


def test_what_is_done_is_not_done_again(kitchen: Kitchen) -> None:
    assert run(kitchen) == ["shop", "cook", "serve"]
    assert run(kitchen) == []


def test_an_interrupted_run_goes_on_where_it_was(kitchen: Kitchen) -> None:
    kitchen.burnt = True
    with pytest.raises(KeyboardInterrupt):
        run(kitchen)
    kitchen.burnt = False
    assert run(kitchen) == ["cook", "serve"]


def test_changed_settings_do_that_stage_and_all_behind_it_again(kitchen: Kitchen) -> None:
    run(kitchen)
    assert run(kitchen, salt=2) == ["cook", "serve"]


def test_from_takes_away_what_was_made_and_does_it_again(kitchen: Kitchen) -> None:
    run(kitchen)
    (kitchen.folder / "serve").unlink()
    (kitchen.folder / "serve").mkdir()
    (kitchen.folder / "serve" / "leftover").write_text("")
    assert run(kitchen, start="cook") == ["cook", "serve"]
    assert (kitchen.folder / "serve").read_text() == "serve"


def test_only_does_one_stage(kitchen: Kitchen) -> None:
    assert run(kitchen, only="shop") == ["shop"]
    assert run(kitchen, only="shop") == []
    assert list(done(kitchen.stages(), kitchen.folder)) == ["shop"]
    assert run(kitchen) == ["cook", "serve"]


def test_from_and_only_together_do_one_stage_again_and_put_later_ones_in_doubt(
    kitchen: Kitchen,
) -> None:
    run(kitchen)
    assert run(kitchen, start="cook", only="cook") == ["cook"]
    assert run(kitchen) == ["serve"]


@pytest.mark.parametrize("flag", ["start", "only"])
def test_a_stage_needs_those_before_it(kitchen: Kitchen, flag: str) -> None:
    with pytest.raises(UsageError, match="stage `serve` needs `shop`, which is not done"):
        run(kitchen, **{flag: "serve"})
    assert kitchen.ran == []


@pytest.mark.parametrize(("flag", "typed"), [("start", "--from"), ("only", "--only")])
def test_an_unknown_stage_lists_the_known(kitchen: Kitchen, flag: str, typed: str) -> None:
    with pytest.raises(UsageError, match=f"`{typed} bake`: no such stage") as caught:
        run(kitchen, **{flag: "bake"})
    assert caught.value.hint == "stages: shop, cook, serve"


def test_the_checklist_is_shown_first_and_each_stage_as_it_begins_and_ends(
    kitchen: Kitchen,
) -> None:
    run(kitchen, only="shop")
    said = Said()
    run_stages(kitchen.stages(), kitchen.folder, said)
    assert [line[:7] for line in said.lines] == [
        "✓ shop ", "· cook ", "· serve", "▸ cook ", "✓ cook ", "▸ serve", "✓ serve",
    ]  # fmt: skip
    assert said.lines[0].split()[2:] == ["0.0", "s", "1", "dishes"]


def test_a_spoilt_record_is_refused_with_the_way_out(kitchen: Kitchen) -> None:
    run(kitchen)
    path = kitchen.folder / FILE
    rows = json.loads(path.read_text())
    path.write_text(json.dumps([{**rows[0], "seconds": "long"}]))
    with pytest.raises(UsageError, match=r"`0.seconds` is `'long'`") as caught:
        run(kitchen)
    assert "remove the file" in caught.value.hint


def test_a_stage_of_another_kitchen_counts_for_nothing(kitchen: Kitchen) -> None:
    run(kitchen)
    stages = kitchen.stages()
    renamed = [replace(stages[0], settings="other"), *stages[1:]]
    assert done(renamed, kitchen.folder) == {}
