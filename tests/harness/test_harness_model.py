"""lm-eval under our model class, and `sami-eval lm-eval`."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import lm_eval
import pytest
from lm_eval.api.instance import Instance

from sami_eval.core.calls import Sampling
from sami_eval.core.errors import UsageError
from sami_eval.embedded import BASE_DIR
from sami_eval.generate import hf
from sami_eval.harness import command as harness_command
from sami_eval.harness.command import TaskManager
from sami_eval.harness.model import SamiEvalLM, labels_of, sampling_asked, specs_of
from tests import ROOT
from tests.tiny_llama import save_adapter
from tests.word_problems import write_problems

pytestmark = pytest.mark.filterwarnings("ignore")  # lm-eval's own
NAME = "gsm8k_passk"


@pytest.fixture(autouse=True)
def folder(folder: Path) -> Path:
    """An empty folder to work in, with a file of problems."""
    write_problems(folder / "problems.jsonl", 6)
    return folder


def evaluate(lm: SamiEvalLM, **metadata: Any) -> dict[str, Any]:
    found = TaskManager(metadata={"problems": "problems.jsonl", **metadata})
    results = lm_eval.simple_evaluate(
        model=lm, tasks=[NAME], task_manager=found, gen_kwargs={"max_gen_toks": 32}
    )
    assert results is not None
    return dict(results)


def texts_of(results: dict[str, Any], name: str = NAME) -> list[list[str]]:
    return [row["resps"][0] for row in results["samples"][name] if row["filter"] == "value"]


def test_samples_of_a_problem_are_distinct_draws_and_come_back(folder: Path) -> None:
    first = texts_of(evaluate(SamiEvalLM(engine="hf"), n=4, k=1))
    assert sum(len(set(texts)) > 1 for texts in first) >= 5
    # Another process of the same command finds them in the ledger; more samples keep the first.
    assert texts_of(evaluate(SamiEvalLM(engine="hf"), n=4, k=1)) == first
    more = texts_of(evaluate(SamiEvalLM(engine="hf"), n=6, k=1))
    assert [texts[:4] for texts in more] == first


def test_a_prompt_is_tokenised_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lm = SamiEvalLM(engine="hf")
    encoded: list[str] = []
    encode = lm._encode
    monkeypatch.setattr(lm, "_encode", lambda m, c: encoded.append(c) or encode(m, c))
    evaluate(lm, n=8, k=1)
    assert len(encoded) == 6


def test_each_of_several_models_runs_every_task_in_one_engine(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters = [str(save_adapter(folder / f"adapter{i}", BASE_DIR, seed=i)) for i in (1, 2)]
    specs = ["base", *adapters]
    loads: list[object] = []
    load = hf._load_base
    monkeypatch.setattr(hf, "_load_base", lambda *given: loads.append(given) or load(*given))
    results = evaluate(SamiEvalLM(engine="hf", models=specs), n=2, k=1, models=specs)
    names = [f"{NAME}@base", f"{NAME}@adapter1", f"{NAME}@adapter2"]
    assert sorted(results["results"]) == sorted(names)
    base, one, two = (texts_of(results, name) for name in names)
    assert base != one
    assert base != two
    assert one != two
    assert len(loads) == 1
    alone = evaluate(SamiEvalLM(engine="hf", model=adapters[1]), n=2, k=1)
    assert texts_of(alone) == two


def test_specs_are_read_as_lm_eval_hands_them_over() -> None:
    assert specs_of({}) == ["base"]
    assert specs_of({"model": "sft+sami"}) == ["sft+sami"]
    assert specs_of({"models": "[base,sft,sami]"}) == ["base", "sft", "sami"]
    assert specs_of({"models": ["base", "sft"]}) == ["base", "sft"]
    with pytest.raises(UsageError, match="names one twice or none"):
        specs_of({"models": "[base,base]"})
    assert labels_of(["base", "out/sami", "/a/dpo/"]) == ["base", "sami", "dpo"]
    assert labels_of(["a/sami", "b/sami"]) == ["a-sami", "b-sami"]


def test_generation_arguments_become_ours() -> None:
    asked = {"until": ["X"], "do_sample": True, "temperature": 0.8, "top_p": 0.9, "seed": 3}
    assert sampling_asked({**asked, "max_gen_toks": 7}) == Sampling(0.8, 0.9, 7, ("X",), 3)
    assert sampling_asked({"temperature": 0.8, "do_sample": False}).temperature == 0
    assert sampling_asked({"until": "X"}) == Sampling(0.0, 1.0, 256, ("X",), 0)
    with pytest.raises(UsageError, match="no generation argument `top_k`"):
        sampling_asked({"top_k": 3})


@pytest.mark.parametrize(
    "bad",
    [
        {"temperature": -1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"temperature": "hot"},
        {"top_p": 0},
        {"top_p": 1.5},
        {"top_p": math.nan},
        {"max_gen_toks": 0},
        {"max_gen_toks": -3},
        {"max_gen_toks": math.inf},
        {"seed": math.nan},
    ],
)
def test_generation_arguments_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    name, value = next(iter(bad.items()))
    with pytest.raises(UsageError, match=f"`{name}={value}`"):
        sampling_asked(bad)


def test_scoring_given_texts_is_refused() -> None:
    instance = Instance("loglikelihood", {}, ("a", "b"), 0, ("arc_easy", 0, 1))
    with pytest.raises(UsageError, match="`arc_easy` scores given texts"):
        SamiEvalLM(engine="hf").loglikelihood([instance])


def test_several_bases_are_refused(folder: Path) -> None:
    import shutil

    shutil.copytree(BASE_DIR, folder / "other")
    with pytest.raises(UsageError, match="stand on several bases"):
        SamiEvalLM(models=["base", "other"])


def test_only_our_tasks_are_indexed_where_only_ours_are_named() -> None:
    manager = TaskManager(metadata={})
    ours = {path.stem for path in (ROOT / "tasks").glob("*.yaml")}
    assert NAME in ours
    assert set(manager.all_tasks) == ours
    assert manager.match_tasks([NAME]) == [NAME]
    assert set(manager.all_tasks) == ours


def test_lm_evals_own_backends_stay_known() -> None:
    # Its registry fills itself with them only while it is empty.
    code = "import sami_eval.harness.command as c; from lm_eval.api.registry import get_model as g"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(g('hf').__name__)"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "HFLM"


@pytest.mark.slow
def test_other_tasks_are_found_too() -> None:
    manager = TaskManager(metadata={})
    assert set(manager.match_tasks([NAME, "arc_easy"])) == {NAME, "arc_easy"}
    assert "gsm8k" in manager.match_tasks(["gsm8k*"])


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("sami-eval")), "lm-eval", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "SAMI_EVAL_GSM8K": "problems.jsonl"},
    )


@pytest.mark.parametrize(
    ("words", "added"),
    [
        (["--model_args", "model=base"], ["--model", "sami-eval"]),
        (["--model", "vllm"], []),
        (["-M", "vllm"], []),
        (["--model_args", "pretrained=ID"], []),
    ],
)
def test_a_model_of_ours_runs_where_no_other_is_named(
    words: list[str], added: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lm_eval.tasks, "TaskManager", lm_eval.tasks.TaskManager)
    monkeypatch.setattr("sys.argv", [])
    monkeypatch.setattr(harness_command, "cli_evaluate", lambda: None)
    harness_command.run(["--tasks", NAME, *words])
    assert sys.argv == ["sami-eval lm-eval", "--tasks", NAME, *words, *added]


@pytest.mark.slow
def test_the_command_passes_every_argument_on(folder: Path) -> None:
    done = command(
        *("--model", "sami-eval", "--model_args", "engine=hf", "--tasks", NAME, "--limit", "3"),
        *("--metadata", "n=4", "k=[1,4]", "--output_path", "out", "--log_samples"),
        *("--apply_chat_template", "--gen_kwargs", "max_gen_toks=24"),
    )
    assert done.returncode == 0, done.stderr
    assert "|pass@4" in done.stdout.replace(" ", "")
    (samples,) = folder.glob("out/*/samples_*.jsonl")
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    assert {row["doc_id"] for row in rows} == {0, 1, 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metadata", "n=4", "k=[1,8]"], "error: k is `8` but a problem gets `4` samples"),
        (["--model_args", "model=nobody"], "error: unknown model `nobody`"),
        (["--gen_kwargs", "top_k=5"], "error: --model sami-eval has no generation argument"),
    ],
)
def test_a_mistake_ends_in_one_line(words: list[str], said: str) -> None:
    done = command("--model", "sami-eval", "--tasks", NAME, "--limit", "2", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
