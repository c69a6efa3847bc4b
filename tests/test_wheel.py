"""Wheel and sdist hold all they need: built, installed elsewhere, used without a network."""

from __future__ import annotations

import importlib.util
import json
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from tests import ROOT


def release_check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release_check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist of this checkout and the wheel made from it, without a network."""
    sdist, wheel = release_check().build(tmp_path_factory.mktemp("dist"))
    return sdist, wheel


@pytest.mark.slow
def test_the_wheel_carries_judges_tasks_and_the_embedded_base(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        names = set(archive.namelist())
        size = archive.getinfo("sami_eval/embedded/base/model.safetensors").file_size
    judges = {f"sami_eval/judges/{path.name}" for path in (ROOT / "judges").glob("*.toml")}
    assert judges <= names
    ours = [*(ROOT / "constitutions").iterdir(), *(ROOT / "prompts").iterdir()]
    assert {f"sami_eval/{path.parent.name}/{path.name}" for path in ours} <= names
    assert {f"sami_eval/tasks/{path.name}" for path in (ROOT / "tasks").glob("*.yaml")} <= names
    assert {"sami_eval/embedded/prompts.jsonl", "sami_eval/embedded/constitution.toml"} <= names
    assert "sami_eval/py.typed" in names
    assert size <= 4_000_000 + 100_000  # the header names every tensor
    assert not any(name.startswith("tests/") for name in names)


@pytest.mark.slow
def test_whoever_unpacks_the_sdist_can_build_and_test(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"Makefile", "constraints.txt", ".ci/environment.py", "tests/conftest.py"}
    assert needed | {"docs/judges.md", "benchmarks/coverage.py", "pyproject.toml"} <= names
    lacking, _ = release_check().differences(built[0])
    assert lacking == []


@pytest.mark.slow
def test_the_release_check_takes_its_steps_with_an_installed_wheel(
    built: tuple[Path, Path], tmp_path: Path
) -> None:
    script, elsewhere = release_check(), tmp_path / "elsewhere"
    elsewhere.mkdir()
    scripts = script.install(built[1], tmp_path / "environment")
    script.use(scripts, elsewhere, built[1].name.split("-")[1])
    (saved,) = elsewhere.glob("runs/*/comparison.json")
    document = json.loads(saved.read_text(encoding="utf-8"))
    assert document["comparisons"][0]["n_turns"] >= 160
    assert str(tmp_path / "environment") in document["contenders"][0]["base"]
