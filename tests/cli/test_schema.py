"""An editor and the reader of a file agree: on every file of ours, and on a key that is wrong."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from sami_eval import cli
from sami_eval.core.config import FILE_NAME
from sami_eval.core.config_keys import COMMANDS
from sami_eval.data.constitutions import read_constitution
from sami_eval.experiment.reproduce.scale import listing, read_scale
from sami_eval.judge import read_judge
from tests import ROOT

BUNDLED = [
    *(("judge", path) for path in sorted((ROOT / "judges").glob("*.toml"))),
    *(("constitution", path) for path in sorted((ROOT / "constitutions").glob("*.toml"))),
    *(("constitution", path) for path in [ROOT / "sami_eval/embedded/constitution.toml"]),
    *(("scale", path) for path in listing().values()),
]


def schema(name: str, capsys: pytest.CaptureFixture[str]) -> Any:
    assert cli.run(["schema", name]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def faults(text: str, by: Any) -> list[str]:
    return [error.message for error in by.iter_errors(tomllib.loads(text))]


@pytest.mark.parametrize(("kind", "path"), BUNDLED, ids=lambda one: getattr(one, "stem", one))
def test_every_file_of_ours_fits(kind: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert faults(path.read_text(), schema(kind, capsys)) == []


@pytest.mark.parametrize(
    ("kind", "text", "read"),
    [
        ("judge", (ROOT / "judges/quality.toml").read_text(), read_judge),
        ("constitution", (ROOT / "constitutions/math.toml").read_text(), read_constitution),
        ("scale", 'like = "embedded"\nabout = "mine"\n', read_scale),
    ],
)
def test_a_wrong_key_is_refused_by_both(
    kind: str, text: str, read: Any, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong, by = folder / "quality.toml", schema(kind, capsys)
    for line, name in (("wrong = 1", "wrong"), ("about_it = 'x'", "about_it")):
        wrong.write_text(f"{line}\n{text}")
        assert any(f"'{name}' was unexpected" in one for one in faults(wrong.read_text(), by))
        with pytest.raises(Exception, match=name):
            read(str(wrong))


@pytest.mark.parametrize("path", sorted((ROOT / "tasks").glob("*.yaml")), ids=lambda one: one.stem)
def test_every_task_fits_and_none_with_a_wrong_key(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by, text = schema("task", capsys), path.read_text()
    row = yaml.safe_load(text.replace("!function ", ""))
    assert [error.message for error in by.iter_errors(row)] == []
    own = row.get("metadata", {}).get("sami_eval", {})
    for wrong in ({"kind": "pairwise"}, {**own, "wrong": 1}):
        assert list(by.iter_errors({**row, "metadata": {"sami_eval": wrong}}))
    assert list(by.iter_errors({**row, "judeg": "x"}))
    assert list(by.iter_errors({**row, "metadata": {**row.get("metadata", {}), "n": 8}}))


def test_the_file_of_init_fits_with_every_key_in_force(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["init"]) == 0
    text = re.sub(r"^#(?=[\w\[])", "", Path(FILE_NAME).read_text(), flags=re.M)
    by = schema("sami-eval", capsys)
    assert faults(text, by) == []
    named = re.match(r"#:schema (\S+)\n", text)
    assert named is not None
    assert json.loads(Path(named[1]).read_text()) == by.schema
    for wrong in ("bas = 1", "[compare]\nlimit = 0", "[compair]\n", "[models.a]\nbas = 'x'"):
        assert faults(wrong, by), wrong
        Path(FILE_NAME).write_text(wrong)
        assert cli.run(["compare", "a", "b", "--dry-run"]) == 2


def test_a_command_has_the_schema_of_its_config_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in COMMANDS:
        schema(name, capsys)
    by = schema("compare", capsys)
    assert faults('contenders = ["a", "b"]\njudge-model = ["x", "y"]\nengine_args = []', by) == []
    assert faults("repeats = 0", by)
    assert faults("jugde = 'x'", by)
    assert cli.run(["schema", "jugde"]) == 2
    assert "`judge`" in capsys.readouterr().err
