"""The vLLM engine on a real vLLM: one start, a base and two adapters in it."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sami_eval.core.calls import Completion, Request, Sampling
from sami_eval.core.config import Config
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.progress import Advance, silent
from sami_eval.core.types import Model
from sami_eval.generate import EngineChoice, Engines, complete, format_of
from sami_eval.generate.complete import by_key
from sami_eval.generate.kept import stored as stored_of
from sami_eval.generate.models import resolve_all
from sami_eval.generate.serve import ServeEngine
from sami_eval.generate.vllm import has_bfloat16, max_rank
from sami_eval.ledger.store import Ledger
from tests.adapter_kinds import made
from tests.tiny_llama import save_adapter, save_base

HAS_VLLM = importlib.util.find_spec("vllm") is not None
real = [
    pytest.mark.vllm,
    pytest.mark.skipif(not HAS_VLLM, reason="vLLM is not installed"),
    # What vLLM and its own dependencies warn of at import is theirs.
    pytest.mark.filterwarnings("ignore"),
]
GREEDY = Sampling(max_tokens=16)
TEXTS = [f"{word} {i}" for i in range(8) for word in ("Tell", "Why", "Describe the sea in")]


def adapter_config(folder: Path, **fields: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"r": 8, **fields}))
    return folder


def test_the_engine_rank_holds_every_adapter(tmp_path: Path) -> None:
    folders = [adapter_config(tmp_path / str(r), r=r) for r in (4, 12)]
    assert max_rank(folders) == 16
    patterned = adapter_config(tmp_path / "patterned", r=8, rank_pattern={"q_proj": 40})
    assert max_rank([patterned]) == 64
    assert max_rank([]) == 1


def test_units_for_bfloat16_are_read_off_the_processor() -> None:
    assert has_bfloat16("flags : fpu avx512f avx512_bf16 amx_tile")
    assert has_bfloat16("Features : fp asimd bf16 i8mm")
    assert not has_bfloat16("flags : fpu avx2 avx512f avx512_vnni")
    assert not has_bfloat16("")


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"r": 1024}, "rank 1024"),
        ({"bias": "all"}, "trained biases"),
        ({"trainable_token_indices": [5]}, "trained tokens"),
        ({"peft_type": "IA3", "r": None}, "IA3, no LoRA"),
    ],
)
def test_what_vllm_cannot_serve_is_refused_in_one_line(
    tmp_path: Path, fields: dict[str, object], what: str
) -> None:
    folder = adapter_config(tmp_path / "adapter", **fields)
    with pytest.raises(SamiEvalError, match=f"cannot serve adapter .*: {what}") as caught:
        max_rank([folder])
    assert "--engine hf" in caught.value.hint


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Model]:
    root = tmp_path_factory.mktemp("models")
    base = save_base(root / "base", head_size=32)  # the least that vLLM's CPU attention takes
    patterns: dict[str, Any] = {"rank_pattern": {"q_proj": 7}, "alpha_pattern": {"v_proj": 64}}
    adapters = (
        save_adapter(root / "adapter1", base, 1),
        made(root / "patterned", base, use_rslora=True, **patterns),
    )
    return resolve_all([str(path) for path in (base, *adapters)], config=Config(root))


@pytest.fixture(scope="module")
def engines(models: list[Model]) -> Iterator[Engines]:
    """One started engine for all tests of this file, in processes of its own as of a real model."""
    with (
        pytest.MonkeyPatch.context() as said,
        Engines(EngineChoice("vllm", {"max_model_len": "256"}), silent()) as engines,
    ):
        said.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
        engines.open(models)
        yield engines
        contexts = open_contexts()
    # Closed by the engine, not by whichever thread happens to drop the last reference.
    assert contexts
    assert open_contexts() == []


def open_contexts() -> list[object]:
    """The zmq contexts of this process that nobody has closed."""
    gc.unfreeze()  # what was there when a test ended is not listed else
    zmq = importlib.import_module("zmq")
    contexts = (one for one in gc.get_objects() if isinstance(one, zmq.Context))
    return [one for one in contexts if not one.closed and one is not zmq.Context._instance]


def requests_for(model: Model, sampling: Sampling = GREEDY) -> list[Request]:
    form = format_of(model)
    asked = [(("user", text),) for text in TEXTS]
    return [Request(model, messages, form.render(messages), sampling) for messages in asked]


def run(requests: list[Request], ledger: Path, engines: Engines) -> list[Completion]:
    with Ledger(ledger) as open_ledger:
        return complete(requests, open_ledger, engines, silent())


@pytest.mark.usefixtures("engines")
class TestRealVllm:
    pytestmark = real

    def test_greedy_answers_agree_with_transformers(
        self, models: list[Model], engines: Engines, tmp_path: Path
    ) -> None:
        requests = [request for model in models for request in requests_for(model)]
        mine = run(requests, tmp_path / "vllm.db", engines)
        with Engines(EngineChoice("hf"), silent()) as others:
            theirs = run(requests, tmp_path / "hf.db", others)
        # vLLM rounds otherwise: a near-tie may fall the other way, and the rest follows it.
        first = sum(a.token_ids[0] == b.token_ids[0] for a, b in zip(mine, theirs, strict=True))
        whole = sum(a.token_ids == b.token_ids for a, b in zip(mine, theirs, strict=True))
        assert first >= 0.95 * len(requests)
        assert whole >= 0.8 * len(requests)

    def test_adapters_of_one_batch_stay_apart(
        self, models: list[Model], engines: Engines, tmp_path: Path
    ) -> None:
        each = [requests_for(model) for model in models]
        mixed = [request for several in zip(*each, strict=True) for request in several]
        texts = [completion.text for completion in run(mixed, tmp_path / "l.db", engines)]
        base, one, two = texts[::3], texts[1::3], texts[2::3]
        assert base != one
        assert base != two
        assert one != two

    def test_what_is_stored_is_not_asked_again(
        self, models: list[Model], engines: Engines, tmp_path: Path
    ) -> None:
        hot = replace(GREEDY, temperature=1.0, top_p=0.9)
        requests = requests_for(models[1], hot)
        # On CPU vLLM draws without a seed, so equal texts come from the ledger.
        first = run(requests[:5], tmp_path / "l.db", engines)
        assert run(requests, tmp_path / "l.db", engines)[:5] == first

    def test_a_stop_string_ends_an_answer_as_in_transformers(
        self, models: list[Model], engines: Engines, tmp_path: Path
    ) -> None:
        whole = run(requests_for(models[0])[:1], tmp_path / "l.db", engines)[0]
        stop = whole.text[2:4]
        requests = requests_for(models[0], replace(GREEDY, stop=(stop,)))[:1]
        stopped = run(requests, tmp_path / "l.db", engines)[0]
        assert stopped.text == whole.text[: whole.text.index(stop)].strip()
        assert stopped.finished

    def test_an_answer_cut_at_the_limit_is_not_finished(
        self, models: list[Model], engines: Engines, tmp_path: Path
    ) -> None:
        completions = run(
            requests_for(models[0], replace(GREEDY, max_tokens=2)), tmp_path / "l.db", engines
        )
        assert any(completion.finished is False for completion in completions)
        assert all(len(completion.token_ids) <= 2 for completion in completions)

    def test_its_server_gives_the_same_tokens_and_may_be_killed_on_the_way(
        self, models: list[Model], engines: Engines, tmp_path: Path
    ) -> None:
        requests = [request for model in models for request in requests_for(model)]
        mine = run(requests, tmp_path / "here.db", engines)
        hot = replace(GREEDY, temperature=1.0, max_tokens=100)
        more = [request for model in models for request in requests_for(model, hot)]
        with Engines(EngineChoice("serve", {"max_model_len": "256"}), silent()) as others:
            theirs = run(requests, tmp_path / "there.db", others)
            assert [one.token_ids for one in theirs] == [one.token_ids for one in mine]
            engine = others.open(models)
            assert isinstance(engine, ServeEngine)
            server = child_of(engine.server.guard.pid)
            with (
                Ledger(tmp_path / "there.db") as ledger,
                pytest.raises(SamiEvalError, match="`vllm serve` has ended"),
            ):
                complete(more, ledger, others, KillsAtOnce(server))
        with pytest.raises(ProcessLookupError):
            os.killpg(server, 0)
        with Ledger(tmp_path / "there.db") as ledger:
            kept = stored_of(dict(by_key(more, engines)), ledger)
        assert 0 < len(kept) < len(more)
        # The same keys: what is missing is generated here.
        whole = run(more, tmp_path / "there.db", engines)
        assert len(whole) == len(more)
        assert all(one in whole for one in kept.values())


class KillsAtOnce:
    """Ends a process as soon as the first answer is there."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def say(self, text: str) -> None:
        pass

    @contextmanager
    def track(self, description: str, total: int, note: object = None) -> Iterator[Advance]:
        def advance(n: int) -> None:
            if n:
                with suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGKILL)

        yield advance


def child_of(pid: int) -> int:
    psutil = importlib.import_module("psutil")  # vLLM's
    return int(psutil.Process(pid).children()[0].pid)


@pytest.mark.vllm
@pytest.mark.skipif(not HAS_VLLM, reason="vLLM is not installed")
@pytest.mark.filterwarnings("ignore")
def test_lm_evals_own_vllm_backend_runs_our_task_as_it_is_typed(tmp_path: Path) -> None:
    from tests.harness.test_harness_gsm8k import check_files, run_as_typed
    from tests.word_problems import write_problems

    done = run_as_typed("vllm", write_problems(tmp_path / "problems.jsonl"), tmp_path / "out")
    assert done.returncode == 0, done.stderr
    check_files(tmp_path / "out", done.stdout)


@pytest.mark.vllm
@pytest.mark.skipif(not HAS_VLLM, reason="vLLM is not installed")
@pytest.mark.filterwarnings("ignore")
def test_a_seed_on_lm_evals_own_vllm_backend_is_warned_of(tmp_path: Path) -> None:
    from tests.harness.test_harness_gsm8k import run_as_typed
    from tests.word_problems import write_problems

    problems = write_problems(tmp_path / "problems.jsonl", 4)
    words = ("--gen_kwargs", "seed=42,max_gen_toks=16")
    done = run_as_typed("vllm", problems, tmp_path / "out", *words)
    # vLLM on CPU may end on seeded requests; where it answers, every sample is the same.
    assert "gives every sample of a problem the same random numbers" in done.stderr
    if done.returncode == 0:
        assert "the 8 samples are all the same for" in done.stderr
