"""What a real vLLM does with an adapter that nothing has looked at before: one start."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from sami_eval.core.config import Config
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.progress import silent
from sami_eval.generate import EngineChoice, Engines
from sami_eval.generate.models import resolve_all
from tests.adapter_kinds import changed, made
from tests.tiny_llama import save_base


@pytest.mark.vllm
@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")
@pytest.mark.filterwarnings("ignore")
def test_layers_that_vllm_would_pass_over_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = save_base(tmp_path / "base", head_size=32)  # the least that its CPU attention takes
    good, bad = made(tmp_path / "good", base), made(tmp_path / "bad", base, r=8)
    changed(bad, lambda rows: {k.replace("layers.1.", "layers.7."): rows[k] for k in rows})
    models = resolve_all([str(base), str(good), str(bad)], config=Config(tmp_path))
    with Engines(EngineChoice("vllm", {"max_model_len": "256"}), silent()) as engines:
        with pytest.raises(SamiEvalError, match="14 of 28 weights fit nothing"):
            engines.open(models)  # before anything is started
        monkeypatch.setattr("sami_eval.generate.engines.check_fit", lambda models: [])
        with pytest.raises(SamiEvalError, match=r"cannot serve .*bad`: 7 layers fit nothing") as no:
            engines.open(models)
    assert "`model.layers.7.mlp.down_proj`" in str(no.value)
