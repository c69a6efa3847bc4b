"""`--engine serve` on a stand-in for `vllm`: what it is told and asked, and how both of us end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.config import Config
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.progress import silent
from sami_eval.generate import EngineChoice, Engines, vllm_server
from sami_eval.generate.models import resolve_all
from tests import ROOT
from tests.tiny_llama import save_adapter, save_base

pytestmark = pytest.mark.skipif(find_spec("vllm") is not None, reason="the real one is installed")
ASKED = ["passk", "base", "--limit", "5", "--samples", "8", "--k", "1,8", "--no-greedy"]


@pytest.fixture
def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "bin" / "vllm"
    program.parent.mkdir()
    source = (ROOT / "tests" / "generate" / "stand_in_vllm.py").read_text(encoding="utf-8")
    program.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setattr(vllm_server, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))


def asked() -> list[dict[str, Any]]:
    lines = Path("asked.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.usefixtures("on_path")
def test_the_samples_of_a_prompt_are_one_call_of_its_token_ids(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = [*ASKED, "--engine", "serve", "--engine-arg", "data_parallel_size=8", "--json"]
    assert cli.run(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["calls"] == {"made": 40, "from_ledger": 0}
    given = json.loads(Path("argv.json").read_text(encoding="utf-8"))
    assert given[0] == "serve"
    assert {"--data-parallel-size=8", "--host=127.0.0.1", "--generation-config=vllm"} <= {*given}
    bodies = asked()
    assert [body["n"] for body in bodies] == [8] * 5
    assert all(isinstance(token, int) for body in bodies for token in body["prompt"])
    assert all(len(body["prompt"]) + body["max_tokens"] <= 256 for body in bodies)
    # What vLLM in this process would answer, this server has answered.
    assert cli.run([*ASKED, "--engine", "vllm", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["calls"] == {"made": 0, "from_ledger": 40}


@pytest.mark.usefixtures("on_path")
def test_a_server_that_ends_on_the_way_is_one_error_and_a_rerun_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANSWERS", "3")
    assert cli.run([*ASKED, "--engine", "serve"]) == 1
    error = capsys.readouterr().err.splitlines()
    said = [line for line in error if line.startswith("error: ")]
    assert len(said) == 1
    assert "`vllm serve` has ended (code 1): ValueError: no blocks left" in said[0]
    monkeypatch.delenv("ANSWERS")
    assert cli.run([*ASKED, "--engine", "serve"]) == 0
    assert len(asked()) == 5  # three, and the two that were missing


@pytest.mark.usefixtures("on_path")
def test_what_a_server_says_when_it_does_not_start_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAYS", "vllm serve: error: unrecognized arguments: --hull=3")
    assert cli.run([*ASKED, "--engine", "serve", "--engine-arg", "hull=3"]) == 1
    error = capsys.readouterr().err
    assert "vllm serve: error: unrecognized arguments: --hull=3" in error


@pytest.mark.slow  # of peft's import
@pytest.mark.usefixtures("on_path")
def test_an_adapter_that_is_not_used_whole_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = save_base(folder / "base")
    adapters = [save_adapter(folder / f"adapter{i}", base, i) for i in (1, 2)]
    models = resolve_all([str(one) for one in (base, *adapters)], config=Config(folder))
    with Engines(EngineChoice("serve"), silent()) as engines:
        monkeypatch.setenv("UNUSED", "[]")
        assert engines.open(models).serves(models[1:])
    with Engines(EngineChoice("serve"), silent()) as engines:
        monkeypatch.setenv("UNUSED", '["lm_head"]')
        with pytest.raises(SamiEvalError, match="adapter1`: 1 layers fit nothing: `lm_head`"):
            engines.open(models)
    assert not list(folder.glob("sami-eval-serve-*"))


def test_without_vllm_the_hint_says_how_it_is_installed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    assert cli.run([*ASKED, "--engine", "serve"]) == 2
    assert "pip install 'sami-eval[vllm]'" in capsys.readouterr().err
    assert cli.run([*ASKED, "--engine", "serve", "--engine-arg", "port=80"]) == 2
    assert "--engine-arg port=" in capsys.readouterr().err


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def test_nothing_is_left_where_whoever_started_it_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    deaf = "(trap '' TERM; exec sleep 100) & echo $! $$"
    shell = f"{deaf} > {pids}.new; mv {pids}.new {pids}; wait"
    ours = (
        "import subprocess, sys, time\n"
        f"sys.argv = ['guard.py', 'sh', '-c', {shell!r}]\n"
        f"subprocess.Popen([sys.executable, '-I', {str(vllm_server.HERE / 'guard.py')!r},"
        " *sys.argv[1:]], stdin=subprocess.PIPE)\n"
        "time.sleep(100)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", ours])
    until = time.monotonic() + 30
    while not pids.exists() and time.monotonic() < until:
        time.sleep(0.05)
    children = list(map(int, pids.read_text().split()))
    assert all(map(is_running, children))
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    while any(map(is_running, children)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(is_running, children))
