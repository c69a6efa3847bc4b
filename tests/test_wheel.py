"""The wheel holds all it needs: built, installed in a clean environment, run from elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without a network."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    return next(out.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_carries_judges_tasks_and_the_embedded_base(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        size = archive.getinfo("sami_eval/embedded/base/model.safetensors").file_size
    judges = {f"sami_eval/judges/{path.name}" for path in (ROOT / "judges").glob("*.toml")}
    assert judges <= names
    assert {f"sami_eval/tasks/{path.name}" for path in (ROOT / "tasks").glob("*.yaml")} <= names
    assert {"sami_eval/embedded/prompts.jsonl", "sami_eval/embedded/constitution.toml"} <= names
    assert "sami_eval/py.typed" in names
    assert size <= 4_000_000 + 100_000  # the header names every tensor
    assert not any(name.startswith("tests/") for name in names)


@pytest.mark.slow
def test_the_main_job_runs_from_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt")]
    subprocess.run([*install, str(wheel)], check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(environment / "bin" / "sami-eval"), "compare", "sami", "dpo", "--json"],
        cwd=elsewhere,
        env={**clean, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["comparisons"][0]["n_turns"] >= 160
    assert str(environment) in document["contenders"][0]["base"]
    assert (elsewhere / document["run"] / "comparison.json").is_file()
    plain_lm_eval_finds_our_tasks(environment / "bin", elsewhere, clean)


def plain_lm_eval_finds_our_tasks(scripts: Path, folder: Path, clean: dict[str, str]) -> None:
    subprocess.run([str(scripts / "sami-eval"), "tasks", "install"], check=True, env=clean)
    base = next(scripts.parent.glob("lib/*/site-packages/sami_eval/embedded/base"))
    command = f"lm_eval --model hf --model_args pretrained={base} --tasks gsm8k_passk --limit 2"
    command += " --metadata n=2 k=[1,2] problems=embedded"
    done = subprocess.run(
        [str(scripts / command.split()[0]), *command.split()[1:]],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "pass@2" in done.stdout
    subprocess.run([str(scripts / "sami-eval"), "tasks", "remove"], check=True, env=clean)
