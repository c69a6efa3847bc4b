"""pass@k on a real vLLM: samples of a prompt in one request, four contenders in one engine."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from sami_eval import cli
from sami_eval.core.calls import Request, Sampling
from sami_eval.core.types import Model
from sami_eval.generate.vllm import request_seed, sample_groups
from sami_eval.generate.vllm_here import VARIABLE, in_this_process

HAS_VLLM = importlib.util.find_spec("vllm") is not None
real = [
    pytest.mark.vllm,
    pytest.mark.skipif(not HAS_VLLM, reason="vLLM is not installed"),
    pytest.mark.filterwarnings("ignore"),
]
BASE = Model("base", "folder", fingerprint="1")
ASKED = Request(BASE, (("user", "?"),), (1, 2), Sampling(temperature=0.7))


def sample(i: int) -> Request:
    return replace(ASKED, sample=i)


def test_neighbouring_samples_of_one_prompt_are_one_group() -> None:
    other = replace(sample(3), token_ids=(1, 3))
    requests = [sample(0), sample(1), sample(3), other, replace(other, sample=4), sample(5)]
    assert sample_groups(requests) == [[0, 1], [2], [3, 4], [5]]
    assert sample_groups([]) == []


def test_another_model_or_temperature_is_another_group() -> None:
    adapter = replace(sample(1), model=replace(BASE, name="sft"))
    hot = replace(sample(2), sampling=Sampling(temperature=1.0))
    assert sample_groups([sample(0), adapter, hot]) == [[0], [1], [2]]


def test_a_sample_has_its_seed_in_any_group() -> None:
    assert [request_seed(sample(i)) - request_seed(sample(0)) for i in range(3)] == [0, 1, 2]
    assert request_seed(sample(0)) != request_seed(replace(sample(0), token_ids=(9,)))
    assert request_seed(sample(31)) < 2**63


def figures(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    asked = ["passk", "base", "sft", "base+sami", "sami", "--limit", "40", "--k", "1,8"]
    assert cli.run([*asked, "--samples", "8", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


class PretendedLlm:
    """As much of vLLM as an engine of ours calls; each request answers n times at once."""

    asked: ClassVar[list[int]] = []

    def __init__(self, **_: object) -> None:
        self.llm_engine = self
        self.engine_core = SimpleNamespace(shutdown=lambda: None)
        self._waiting: list[SimpleNamespace] = []

    def add_request(self, name: str, prompt: object, params: Any, lora_request: object) -> None:
        del prompt, lora_request
        PretendedLlm.asked.append(params.n)
        outputs = [SimpleNamespace(token_ids=[5, 6], logprobs=None)] * params.n
        self._waiting.append(SimpleNamespace(request_id=name, finished=True, outputs=outputs))

    def has_unfinished_requests(self) -> bool:
        return bool(self._waiting)

    def step(self) -> list[SimpleNamespace]:
        return [self._waiting.pop()]


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = SimpleNamespace(FINAL_ONLY=None)
    gpu = SimpleNamespace(is_cpu=lambda: False)
    modules = {
        "vllm": {"LLM": PretendedLlm, "SamplingParams": SimpleNamespace},
        "vllm.sampling_params": {"RequestOutputKind": kinds},
        "vllm.lora.request": {"LoRARequest": lambda *facts: facts},
        "vllm.platforms": {"current_platform": gpu},
    }
    for name, has in modules.items():
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**has))
    monkeypatch.setattr(PretendedLlm, "asked", [])


@pytest.mark.usefixtures("pretended")
def test_the_command_hands_the_samples_of_a_prompt_over_as_one_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["passk", "base", "--limit", "5", "--engine", "vllm", "--k", "1,8", "--json"]
    assert cli.run([*asked, "--samples", "8"]) == 0
    assert sorted(PretendedLlm.asked) == [1] * 5 + [8] * 5  # and one greedy attempt each
    PretendedLlm.asked.clear()
    assert cli.run([*asked, "--samples", "12"]) == 0
    assert PretendedLlm.asked == [4] * 5  # of those that are missing


def test_vllm_in_this_process_leaves_it_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    torch: Any = importlib.import_module("torch")
    cleaned: list[bool] = []
    parts = SimpleNamespace(cleanup_dist_env_and_memory=lambda: cleaned.append(True))
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(distributed=parts))
    monkeypatch.setitem(sys.modules, "vllm.distributed", parts)
    monkeypatch.delenv(VARIABLE, raising=False)

    def state() -> list[object]:
        drawn = random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()
        return [*drawn, torch.get_num_threads(), torch.set_num_threads, os.environ.get(VARIABLE)]

    before = state()
    with in_this_process():
        assert (os.environ[VARIABLE], torch.get_num_threads()) == ("0", 1)
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(7)
        torch.set_num_threads = lambda n: None  # as vLLM does on CPU
        assert not cleaned
    assert cleaned
    assert state() == before
    monkeypatch.setenv(VARIABLE, "1")
    with in_this_process():
        assert os.environ[VARIABLE] == "1"


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples each request to vLLM asks for, from now on."""
    from vllm.v1.engine.llm_engine import LLMEngine

    found: list[int] = []
    add = LLMEngine.add_request

    def adding(self: Any, name: str, prompt: Any, params: Any, *rest: Any, **more: Any) -> Any:
        found.append(params.n)
        return add(self, name, prompt, params, *rest, **more)

    monkeypatch.setattr(LLMEngine, "add_request", adding)
    return found


class TestRealVllm:
    pytestmark = real

    def test_samples_that_a_later_run_adds_are_new_draws(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        asked = ["passk", "base", "--limit", "4", "--engine", "vllm", "--k", "1,6"]
        asked += ["--temperature", "2", "--max-tokens", "1"]
        for n in ("6", "12"):  # on one ledger, each with an engine of its own
            assert cli.run([*asked, "--samples", n, "--out", n]) == 0
        rows = map(json.loads, Path("12", "samples.jsonl").read_text().splitlines())
        texts = {(r["problem_id"], r["sample"]): r["text"] for r in rows}
        drawn = [k for k in texts if k[1] is not None and k[1] < 6]
        same = sum(texts[problem, i] == texts[problem, i + 6] for problem, i in drawn)
        assert len(drawn) == 24
        assert same < 20  # by chance some 9

    def test_four_contenders_agree_between_vllm_and_transformers(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        ours = figures(tmp_path, capsys, "--engine", "hf")
        requests = counted(monkeypatch)
        theirs = figures(tmp_path, capsys, "--engine", "vllm")
        assert sorted(requests) == [1] * (4 * 40) + [8] * (4 * 40)
        assert theirs["calls"] == {"made": 4 * 40 * 9, "from_ledger": 0}
        again = figures(tmp_path, capsys, "--engine", "vllm")
        assert again["calls"]["made"] == 0
        for one, other in zip(ours["contenders"], theirs["contenders"], strict=True):
            assert one["name"] == other["name"]
            assert other["n_identical"] < 20
            for k in ("1", "8"):
                a, b = one["pass_at_k"][k], other["pass_at_k"][k]
                # Two samples of the same problems: well within the two intervals together.
                room = (
                    a["interval"][1] - a["interval"][0] + b["interval"][1] - b["interval"][0]
                ) / 2
                assert abs(a["value"] - b["value"]) < room
