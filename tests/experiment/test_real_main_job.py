"""The paths that a user of an 8B model takes, on the smallest real one: train, compare, sample."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sami_eval.align.checkpoints import FOLDER
from tests.align_models import there
from tests.loopback_judge import Behaviour, LoopbackJudge
from tests.processes import COMMAND, kill_when
from tests.real_model import NAME, QUICK, by_peft, converted, furnish, real, typed
from tests.records import write_rows

pytestmark = real
STEM = NAME.removesuffix(".gguf")
CONSTITUTION = """
[[principle]]
id = "all.1"
categories = ["*"]
weak = "The answer should be short."
strong = "Answer in at most five words."
antithesis = "Answer at great length, with every detail you can think of."
"""
ASKED = ("Name a fruit.", "What is rain?", "Greet me.", "What do bees make?")
TRAINED = ("sft", "dpo", "sami", "base+sami")
STEPS = {"base+sami": 6}  # past the first checkpoint, which is written after 5


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the base, contrasts by it, and an adapter of each method."""
    folder = furnish(tmp_path_factory.mktemp("real"))
    (folder / "constitution.toml").write_text(CONSTITUTION)
    rows = [{"id": f"p{i}", "category": "all", "turns": [text]} for i, text in enumerate(ASKED)]
    write_rows(folder / "prompts.jsonl", *rows)
    questions = [
        {"question_id": 81, "category": "writing", "turns": ["Name a colour.", "And another?"]},
        {"question_id": 101, "category": "math", "turns": ["What is 2 + 2?", "And plus 3?"]},
        {"question_id": 121, "category": "stem", "turns": ["What is ice?", "Is it cold?"]},
    ]
    write_rows(folder / "question.jsonl", *questions)
    sums = [(f"Tom has {i} pens and buys 3 more. How many has he?", i + 3) for i in (2, 4)]
    problems = [{"question": text, "answer": f"It is {n}.\n#### {n}"} for text, n in sums]
    write_rows(folder / "problems.jsonl", *problems)
    with contextlib.chdir(folder):
        write = ["contrast", "--constitutions", "constitution.toml", "--prompts", "prompts.jsonl"]
        typed(*write, "--max-tokens", "16", "--unfinished", "--out", "contrasts.jsonl", "-q")
        for recipe in TRAINED:
            typed(*training(recipe))
    return folder


@pytest.fixture(autouse=True)
def _there(work: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "SAMI_EVAL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    with contextlib.chdir(work):
        yield


def training(recipe: str) -> list[str]:
    steps = str(STEPS.get(recipe, 2))
    return ["align", recipe, "--contrasts", "contrasts.jsonl", "--steps", steps, *QUICK]


def adapter(recipe: str) -> Path:
    name = recipe if recipe in ("sft", "base+sami") else f"sft+{recipe}"
    return Path("adapters", STEM, f"{name}@0")


def rows_of(path: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_the_base_writes_under_each_constitution_and_is_named_as_the_user_named_it() -> None:
    rows = rows_of("contrasts.jsonl")
    assert len(rows) == len(ASKED)
    assert {row["metadata"]["base"] for row in rows} == {NAME}
    for row in rows:
        one, other = (response["turns"][0] for response in row["responses"])
        assert one != other
        assert all(response["token_ids"] for response in row["responses"])


@pytest.mark.parametrize("recipe", TRAINED)
def test_each_method_trains_an_adapter_that_peft_can_load(recipe: str) -> None:
    from safetensors.torch import load_file

    card = json.loads((adapter(recipe) / "sami_eval.json").read_text())
    assert card["base"]["id"] == NAME
    stated = json.loads((adapter(recipe) / "adapter_config.json").read_text())
    assert Path(stated["base_model_name_or_path"]).resolve() == converted()
    weights = load_file(adapter(recipe) / "adapter_model.safetensors")
    assert all(float(one.abs().max()) > 0 for name, one in weights.items() if "lora_B" in name)


def test_a_training_that_is_killed_ends_in_the_same_weights() -> None:
    job = [*training("base+sami"), "--out", "resumed"]

    def kept() -> bool:
        return bool(there(Path.cwd(), f".resumed.unfinished*/**/{FOLDER}/step-*"))

    kill_when(Path.cwd(), kept, job)
    done = subprocess.run(
        [*COMMAND, *(word for word in job if word != "-q")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "goes on after step 5 of 6" in done.stderr
    weights = "adapter_model.safetensors"
    losses = [row["loss"] for row in rows_of("resumed/training.jsonl")]
    assert losses[-1] < losses[0] / 1.5
    assert Path("resumed", weights).read_bytes() == (adapter("base+sami") / weights).read_bytes()


def test_adapters_are_compared_on_questions_of_two_turns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = ["compare", "sft", "base+sami", "--prompts", "question.jsonl", "--temperature", "0"]
    job += ["--judge", "quality", "--judge-model", "openai:judge", "--max-tokens", "12", "--json"]
    with LoopbackJudge(Behaviour()) as server:
        typed(*job, "--base-url", server.url, "-q", "--out", "compared")
        found = json.loads(capsys.readouterr().out)
        n_calls = server.n_calls
        typed(*job, "--base-url", server.url, "-q", "--out", "again")
        assert server.n_calls == n_calls > 0  # the ledger has it all
    assert found["settings"]["base"] == NAME
    assert [row["base"] for row in found["contenders"]] == [NAME, NAME]
    assert found["comparisons"][0]["n_turns"] == 6
    answers = rows_of("compared/responses.jsonl")
    assert all(len(row["turns"]) == 2 and all(row["turns"]) for row in answers)
    assert any(False in row["finished"] for row in answers)  # cut at twelve tokens
    check_by_peft(answers)


def check_by_peft(answers: list[dict[str, Any]]) -> None:
    """Of two adapters in one engine each says what PEFT says with it alone."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(converted())
    asked = {str(row["question_id"]): row["turns"][0] for row in rows_of("question.jsonl")}
    for recipe in ("sft", "base+sami"):
        rows = [row for row in answers if row["model"] == recipe]
        assert {row["prompt_id"] for row in rows} == set(asked)
        prompts = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": asked[row["prompt_id"]]}],
                add_generation_prompt=True,
                return_dict=False,
            )
            for row in rows
        ]
        said = by_peft(adapter(recipe), prompts, 12)
        texts = [tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in said]
        assert [row["turns"][0].strip() for row in rows] == texts


def test_problems_are_sampled(capsys: pytest.CaptureFixture[str]) -> None:
    job = ["passk", "base", "sft", "--k", "1,4", "--samples", "4", "--max-tokens", "24"]
    typed(*job, "--prompts", "problems.jsonl", "--json", "-q")
    found = json.loads(capsys.readouterr().out)
    assert [row["base"] for row in found["contenders"]] == [NAME, NAME]
    assert all(0 <= row["pass_at_k"]["4"]["value"] <= 1 for row in found["contenders"])
    assert rows_of(Path(found["run"], "samples.jsonl"))


def test_lm_eval_runs_our_task_on_it() -> None:
    words = f"lm-eval --model sami-eval --model_args base={NAME},engine=hf --tasks gsm8k_passk"
    words += " --metadata n=4 k=[1,4] problems=problems.jsonl --apply_chat_template"
    words += " --gen_kwargs max_gen_toks=24 --log_samples --output_path lm"
    done = subprocess.run([*COMMAND, *words.split()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (samples,) = Path("lm").rglob("samples_gsm8k_passk_*.jsonl")
    rows = [row for row in rows_of(samples) if row["filter"] == "value"]
    assert [len(row["resps"][0]) for row in rows] == [4, 4]
    assert all("<|im_start|>user" in row["arguments"]["gen_args_0"]["arg_0"] for row in rows)
