"""How a real chat model is read and spoken to: its tokens, its turns, its ends, its adapters."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.calls import Completion, Request, Sampling
from sami_eval.core.config import find_config
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.progress import silent
from sami_eval.core.types import Model
from sami_eval.generate import EngineChoice, Engines, complete, format_of
from sami_eval.generate.loading import load_network
from sami_eval.generate.models import resolve, resolve_base
from sami_eval.ledger.store import Ledger
from tests import SHARED
from tests.loopback_judge import Behaviour, LoopbackJudge, completion
from tests.real_model import MODELS, NAME, by_peft, converted, furnish, real, save_adapter, typed
from tests.records import write_rows

pytestmark = real
OWN = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
GREEDY = Sampling(max_tokens=24)
CASES = SHARED / "cases" / "adapters.py"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return furnish(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    with Engines(EngineChoice("hf"), silent()) as opened:
        yield opened


@pytest.fixture
def base(work: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "SAMI_EVAL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    with contextlib.chdir(work):
        yield resolve_base(NAME, find_config(work))


def say(
    model: Model, engines: Engines, texts: Sequence[str], sampling: Sampling = GREEDY
) -> list[Completion]:
    requests = []
    for text in texts:
        messages = (("user", text),)
        requests.append(Request(model, messages, format_of(model).render(messages), sampling))
    with Ledger(Path(".sami-eval", "ledger.db")) as ledger:
        return complete(requests, ledger, engines, silent())


def test_its_words_are_those_it_was_trained_on(base: Model) -> None:
    form = format_of(base)
    spell = form.tokenizer.tokenize
    assert spell("in 2024") == ["in", "Ġ", "2", "0", "2", "4"]
    assert spell("steps:\n\n1. go") == ["steps", ":", "ĊĊ", "1", ".", "Ġgo"]
    assert form.ends == {2}
    assert form.tokenizer.convert_ids_to_tokens(2) == "<|im_end|>"
    assert form.context == 8192


def test_its_template_adds_a_system_turn_only_where_there_is_none(base: Model) -> None:
    form = format_of(base)
    alone = form.tokenizer.decode(form.render((("user", "Hi"),)))
    assert alone == (
        f"<|im_start|>system\n{OWN}<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    told = form.tokenizer.decode(form.render((("system", "Be kind."), ("user", "Hi"))))
    assert told.startswith("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi")
    assert OWN not in told


def test_its_weights_are_the_numbers_in_the_file() -> None:
    import torch
    from gguf import GGUFReader, dequantize
    from safetensors.torch import load_file

    tensors = {tensor.name: tensor for tensor in GGUFReader(MODELS / NAME).tensors}
    network = load_file(converted() / "model.safetensors")
    for ours, theirs in (
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("model.layers.7.mlp.down_proj.weight", "blk.7.ffn_down.weight"),
    ):
        found = dequantize(tensors[theirs].data, tensors[theirs].tensor_type)
        assert torch.equal(network[ours], torch.tensor(found))


def test_it_answers_sensibly_and_ends_by_itself(base: Model, engines: Engines) -> None:
    asked = ["What is the capital of France? Answer in one word.", "Say only: hello"]
    capital, hello = say(base, engines, asked)
    assert "Paris" in capital.text
    assert capital.finished
    assert capital.token_ids[-1] == 2
    assert hello.text.lower().startswith("hello")


def test_an_answer_stops_at_its_length_or_at_a_text(base: Model, engines: Engines) -> None:
    asked = "What is the capital of France? Answer in one word."
    (whole,) = say(base, engines, [asked])
    (cut,) = say(base, engines, [asked], Sampling(max_tokens=5))
    assert (cut.finished, len(cut.token_ids)) == (False, 5)
    stop = whole.text[4:7]
    (stopped,) = say(base, engines, [asked], Sampling(max_tokens=24, stop=(stop,)))
    assert stopped.finished
    assert stopped.text == whole.text[: whole.text.index(stop)].strip()


def test_a_full_context_cuts_an_answer_and_refuses_a_prompt(
    base: Model, engines: Engines, capsys: pytest.CaptureFixture[str]
) -> None:
    small = Path("small")
    small.mkdir()
    for file in converted().iterdir():
        (small / file.name).symlink_to(file)
    stated = json.loads((converted() / "config.json").read_text())
    (small / "config.json").unlink()
    asked = "Write a long story."
    n_prompt = len(format_of(base).render((("user", asked),)))
    stated["max_position_embeddings"] = n_prompt + 3
    (small / "config.json").write_text(json.dumps(stated))
    (narrow,) = resolve("small", config=find_config(Path.cwd()))
    (answer,) = say(narrow, engines, [asked])
    assert (answer.finished, len(answer.token_ids)) == (False, 3)
    write_rows("long.jsonl", {"question_id": 1, "category": "math", "turns": [asked * 9]})
    job = ["compare", "small", "small", "--prompts", "long.jsonl", "--judge", "quality"]
    with LoopbackJudge(Behaviour()) as server:
        judge = ["--judge-model", "openai:judge", "--base-url", server.url]
        assert cli.run([*job, *judge, "-q"]) == 1
    assert f"the context of `small` is {n_prompt + 3}" in capsys.readouterr().err


def test_a_served_copy_is_the_same_contender_and_may_judge(
    base: Model, engines: Engines, capsys: pytest.CaptureFixture[str]
) -> None:
    form = format_of(base)
    network = load_network(base, dtype="float32").eval()

    def serve(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        import torch

        messages = tuple((one["role"], one["content"]) for one in body["messages"])
        ids = torch.tensor([form.render(messages)])
        room = min(body.get("max_completion_tokens") or body.get("max_tokens") or 8, 12)
        with torch.no_grad():
            said = network.generate(input_ids=ids, max_new_tokens=room, do_sample=False)
        said = said[0, ids.shape[1] :].tolist()
        ended = "stop" if said[-1] in form.ends else "length"
        return 200, {}, completion(form.tokenizer.decode(said, skip_special_tokens=True), ended)

    turns = ["Name a colour.", "And another?"]
    write_rows("served.jsonl", {"question_id": 81, "category": "writing", "turns": turns})
    job = ["compare", "openai:smol", "base", "--prompts", "served.jsonl", "--temperature", "0"]
    job += ["--judge", "quality", "--judge-model", "openai:smol", "--max-tokens", "12"]
    with LoopbackJudge(Behaviour(script=serve)) as server:
        typed(*job, "--base-url", server.url, "--json", "-q", "--out", "served")
        found = json.loads(capsys.readouterr().out)
        assert found["comparisons"][0]["ties"] == 2  # both said the same: nobody is asked
        other = ["openai:smol", "answers.jsonl"]
        words = [*turns, "Blue, as the sea."]
        write_rows("answers.jsonl", {"prompt_id": "81", "model": "other", "turns": words[1:]})
        job = [*job[:1], *other, *job[3:], "--max-unparsed", "1"]
        typed(*job, "--base-url", server.url, "--json", "-q", "--out", "judged")
    row = json.loads(capsys.readouterr().out)
    assert row["judges"][0]["calls"]["made"] == 4  # two turns in two orders, whatever it said


@pytest.fixture(scope="module")
def foreign(work: Path) -> list[Path]:
    """An adapter by PEFT alone, and one that TRL's own trainer made; no word of ours in either."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    lora = LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy, sailor!"}]
    trainer = SFTTrainer(
        model=str(converted()),
        train_dataset=Dataset.from_list([{"messages": said}] * 4),
        peft_config=lora,
        args=SFTConfig(
            str(work / "trl"),
            max_steps=3,
            per_device_train_batch_size=2,
            learning_rate=2e-3,
            use_cpu=True,
            bf16=False,
            report_to="none",
            save_strategy="no",
        ),
    )
    trainer.train()
    trainer.save_model(str(work / "by-trl"))
    return [save_adapter(work / "by-peft", seed=0), work / "by-trl"]


def test_adapters_of_other_tools_say_here_what_they_say_there(
    base: Model, engines: Engines, foreign: list[Path]
) -> None:
    texts = ["Hi", "Name a colour."]
    for folder in foreign:
        (model,) = resolve(str(folder), NAME, config=find_config(Path.cwd()))
        assert model.fingerprint != base.fingerprint
        answers = say(model, engines, texts, Sampling(max_tokens=8))
        prompts = [format_of(model).render((("user", text),)) for text in texts]
        theirs = by_peft(folder, prompts, 8)
        assert [list(answer.token_ids) for answer in answers] == theirs
    assert [a.text for a in say(base, engines, texts, Sampling(max_tokens=8))] != [
        a.text for a in answers
    ]


REFUSED = {
    "wrong-keys": "fit nothing",
    "no-weights": "weights",
    "prompt-tuning": "PROMPT_TUNING",
    "pickled": "plain tensors",
}


@pytest.mark.skipif(not CASES.is_file(), reason="no ../shared/cases")
def test_adapters_as_other_tools_leave_them_work_whole_or_are_refused(
    base: Model, engines: Engines, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, str(CASES), str(converted()), str(tmp_path)], check=True)
    config, texts, few = find_config(Path.cwd()), ["Name a colour."], Sampling(max_tokens=4)
    for folder in sorted(tmp_path.iterdir()):
        if folder.name in REFUSED:
            with pytest.raises(SamiEvalError, match=REFUSED[folder.name]):
                say(resolve(str(folder), NAME, config=config)[0], engines, texts, few)
            continue
        (model,) = resolve(str(folder), NAME, config=config)
        (answer,) = say(model, engines, texts, few)
        assert answer.text, folder.name
        if folder.name == "good":
            prompt = format_of(model).render((("user", texts[0]),))
            assert [list(answer.token_ids)] == by_peft(folder, [prompt], 4)
