"""Bases and adapters with a peculiarity: each works in training and generation, or is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sami_eval import cli
from sami_eval.align.adapters import ContrastPlan, drafts_of
from sami_eval.align.collate import encode
from sami_eval.core.calls import Request, Sampling
from sami_eval.core.config import Config
from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.progress import silent
from sami_eval.core.types import Model, Principle
from sami_eval.data import chat
from sami_eval.experiment import passk
from sami_eval.experiment.passk_plan import make_plan
from sami_eval.experiment.settings import PasskSettings
from sami_eval.generate import EngineChoice, Engines, complete, format_of
from sami_eval.ledger.store import Ledger
from tests.align_models import CHAT, CONTRASTS, contrast, fit, losses, save_base, tokenizer

# Gemma's way, and a template that does not look at other roles at all.
REFUSES = "{% for m in messages %}{% if m['role'] == 'system' %}" + (
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<assistant>"
)
IGNORES = (
    "{% for m in messages %}{% if m['role'] != 'system' %}<{{ m['role'] }}>{{ m['content'] }}"
    "{% endif %}{% endfor %}<assistant>"
)
FOLDED = "<user>{system}\n\nquestion 1?<assistant>"
USUAL = "<system>{system}<user>question 1?<assistant>"
PLAIN = "<bos>Instructions: {system}\n\nHuman: question 1?\n\nAssistant:"
TEMPLATES = {
    "chat": (CHAT, USUAL),
    "none": (None, PLAIN),
    "refuses": (REFUSES, FOLDED),
    "ignores": (IGNORES, FOLDED),
    "with bos": ("{{ bos_token }}" + CHAT, "<bos>" + USUAL),
}


@pytest.fixture(scope="module")
def plain_base(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return save_base(tmp_path_factory.mktemp("models") / "plain")


def dressed(folder: Path, template: str | None, adds_bos: bool = True) -> Model:
    """A base whose tokenizer has this template, and adds a BOS where it is not told not to."""
    from tokenizers.processors import TemplateProcessing

    base = save_base(folder)
    words = tokenizer(template)
    if adds_bos:
        words.backend_tokenizer.post_processor = TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", words.bos_token_id)]
        )
        assert words("x")["input_ids"][0] == words.bos_token_id
    (folder / "chat_template.jinja").unlink()
    words.save_pretrained(folder)
    return base


def said(models: Sequence[Model], ledger: Path, n: int = 16) -> list[tuple[int, ...]]:
    """What each model answers greedily to one question."""
    messages = (("system", "1. say aaa"), ("user", "question 1?"))
    sampling = Sampling(max_tokens=n)
    requests = [Request(m, messages, format_of(m).render(messages), sampling) for m in models]
    with Ledger(ledger) as store, Engines(EngineChoice("hf"), silent()) as engines:
        return [one.token_ids for one in complete(requests, store, engines, silent())]


@pytest.mark.parametrize("kind", TEMPLATES)
def test_contrasts_training_and_answers_see_one_prompt_with_at_most_one_bos(
    kind: str, tmp_path: Path
) -> None:
    template, expected = TEMPLATES[kind]
    model = dressed(tmp_path / "base", template)
    form, one = format_of(model), contrast(1)
    words = form.tokenizer
    for i, constitution in enumerate(one.constitutions):
        trained = encode(words, one).prompts[i]
        assert words.decode(trained) == expected.format(system=constitution)
        assert trained == form.render(chat.conversation(("question 1?",), (), constitution))
        assert trained.count(words.bos_token_id) == expected.count("<bos>")
        assert encode(words, one).responses[i].count(words.bos_token_id) == 0
    principles = [Principle("p", ("writing",), "say a", "say aaa", "say bbb")]
    (draft,) = drafts_of(model, [one.prompt], principles, ContrastPlan(engine=EngineChoice("hf")))
    for request, of in zip(draft.requests, draft.constitutions, strict=True):
        assert words.decode(request.token_ids) == expected.format(system=chat.insist(of.text))
        assert request.token_ids.count(words.bos_token_id) == expected.count("<bos>")


@pytest.mark.parametrize("kind", ["none", "with bos"])
@pytest.mark.parametrize("protocol", ["default", "paper"])
def test_passk_asks_with_one_bos(kind: str, protocol: Any, tmp_path: Path) -> None:
    model = dressed(tmp_path / "base", TEMPLATES[kind][0])
    (tmp_path / "p.jsonl").write_text('{"question": "One and one?", "answer": "#### 2"}\n')
    settings = PasskSettings(
        (model.base,), ks=(1,), samples=1, prompts=tmp_path / "p.jsonl", protocol=protocol
    )
    plan = make_plan(settings, Config(tmp_path))
    requests = passk.requests_of(model, plan, passk.Tokens())
    bos = format_of(model).tokenizer.bos_token_id
    assert {(one.token_ids[0], one.token_ids.count(bos)) for one in requests} == {(bos, 1)}


@pytest.mark.parametrize("kind", TEMPLATES)
def test_every_kind_of_base_learns_what_it_is_then_asked(kind: str, tmp_path: Path) -> None:
    model = dressed(tmp_path / "base", TEMPLATES[kind][0])
    adapter = fit("sft", model, tmp_path / "sft", [contrast(1)], steps=40, lr=2e-2)
    tuned = replace(model, adapter=adapter.adapter, fingerprint="tuned")
    (answer,) = said([tuned], tmp_path / "l.db")
    text = format_of(tuned).tokenizer.decode(answer)
    # It says the response and ends by itself, after a space in our plain format.
    assert text.strip() == "aaa1<eos>"


def test_a_template_that_fails_is_one_clear_line(tmp_path: Path) -> None:
    fails = "{{ raise_exception('roles must alternate') }}"
    for template, why in ((fails, "roles must alternate"), ("{% for %}", "expected an expression")):
        words = tokenizer(template)
        for system in ("", "1. say aaa"):
            with pytest.raises(UsageError, match=r"the chat template of .* fails: ") as caught:
                chat.render(words, chat.conversation(("x",), (), system))
            assert why in caught.value.message.lower()


@pytest.mark.parametrize("method", ["sft", "dpo", "sami"])
def test_padding_with_the_end_token_trains_the_same_as_padding_of_its_own(
    method: str, tmp_path: Path
) -> None:
    # Of unequal lengths, so that rows are padded.
    given = [contrast(number, "a" * number, "b" * (9 - number)) for number in (1, 3, 7)]
    own, end = (
        fit(method, save_base(tmp_path / name, pad=pad), tmp_path / f"{name}-{method}", given)
        for name, pad in (("own", "<pad>"), ("end", "<eos>"))
    )
    assert losses(own) == pytest.approx(losses(end), rel=1e-5)
    two = [replace(model, fingerprint=model.base) for model in (own, end)]
    ids = said(two, tmp_path / "l.db")
    assert ids[0] == ids[1]


def saved(
    folder: Path, base: Model, change: Callable[[Any], None] | None = None, **lora: Any
) -> Model:
    """A model with a random adapter of this kind, large enough to change what the base says."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(len(folder.name))
    config = LoraConfig(
        **{"r": 4, "lora_alpha": 16, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
        | lora
    )
    plain = AutoModelForCausalLM.from_pretrained(base.base)
    if change is not None:
        change(plain)
    network = get_peft_model(plain, config)
    for name, weight in network.named_parameters():
        if "lora_B" in name or "modules_to_save" in name:
            torch.nn.init.normal_(weight, std=0.3)
    network.save_pretrained(folder)
    return replace(base, name=folder.name, adapter=str(folder), fingerprint=folder.name)


def greedy(model: Model, n: int = 16) -> tuple[int, ...]:
    """What PEFT's own model says, token by token, without our engine."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    form = format_of(model)
    network = AutoModelForCausalLM.from_pretrained(model.base)
    if model.adapter is not None:
        network = PeftModel.from_pretrained(network, model.adapter)
    ids = list(form.render((("system", "1. say aaa"), ("user", "question 1?"))))
    answer: list[int] = []
    with torch.no_grad():
        while len(answer) < n and not (answer and answer[-1] in form.ends):
            logits = network.eval()(input_ids=torch.tensor([[*ids, *answer]])).logits
            answer.append(int(logits[0, -1].argmax()))
    return tuple(answer)


@pytest.mark.filterwarnings("ignore:.*tie_word_embeddings")
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_adapters_of_all_kinds_share_an_engine_and_say_what_they_say_alone(
    turn: int, plain_base: Model, tmp_path: Path
) -> None:
    models = [
        plain_base,
        saved(tmp_path / "lora", plain_base),
        saved(tmp_path / "dora!", plain_base, use_dora=True),
        saved(tmp_path / "saving", plain_base, modules_to_save=["lm_head"]),
    ]
    models = models[turn:] + models[:turn]  # whichever is loaded first
    answers = said(models, tmp_path / "l.db")
    assert answers == [greedy(model) for model in models]
    assert len(set(answers)) == 4


@pytest.mark.parametrize("init", ["pissa", "olora", "pissa_niter_4", "corda"])
def test_an_adapter_that_changes_its_base_when_loaded_is_refused(
    init: str, plain_base: Model, tmp_path: Path
) -> None:
    model = saved(tmp_path / "adapter", plain_base)
    path = tmp_path / "adapter" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "init_lora_weights": init}))
    with pytest.raises(SamiEvalError, match=f"begins by `{init}`, which changes its base"):
        said([plain_base, model], tmp_path / "l.db")
    gaussian = saved(tmp_path / "gaussian", plain_base, init_lora_weights="gaussian")
    assert said([gaussian], tmp_path / "l.db") == [greedy(gaussian)]


@pytest.mark.filterwarnings("ignore:.*tie_word_embeddings", "ignore:.*save_embedding_layers")
def test_an_adapter_with_more_tokens_than_its_base_is_refused(
    plain_base: Model, tmp_path: Path
) -> None:
    words = tokenizer()
    words.add_tokens(["<extra>"])

    def grow(network: Any) -> None:
        network.resize_token_embeddings(len(words))

    with_words = saved(tmp_path / "words", plain_base)
    words.save_pretrained(tmp_path / "words")
    with pytest.raises(SamiEvalError, match="has 261 tokens, its base only 260") as caught:
        said([with_words], tmp_path / "l.db")
    assert "merge it into its base" in caught.value.hint
    grown = saved(tmp_path / "grown", plain_base, grow, modules_to_save=["embed_tokens"])
    with pytest.raises(SamiEvalError, match="does not fit its base"):
        said([grown], tmp_path / "l.db")


def test_an_adapters_new_token_in_a_spare_row_of_the_base_works(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    words = tokenizer()
    words.save_pretrained(base.base)
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(base.base)
    network.resize_token_embeddings(len(words) + 8)  # rounded up, as large bases are
    network.save_pretrained(base.base)
    model = saved(tmp_path / "adapter", base)
    words.add_tokens(["<extra>"])
    words.save_pretrained(tmp_path / "adapter")
    ids = format_of(model).render((("user", "say <extra>"),))
    assert words.convert_tokens_to_ids("<extra>") in ids
    assert said([model], tmp_path / "l.db") == [greedy(model)]


@pytest.fixture
def quantised(tmp_path: Path) -> Model:
    model = save_base(tmp_path / "quantised")
    path = tmp_path / "quantised" / "config.json"
    config = {
        **json.loads(path.read_text()),
        "quantization_config": {"quant_method": "gptq", "bits": 4},
    }
    path.write_text(json.dumps(config))
    return model


@pytest.mark.parametrize("flag", [(), ("--full",)])
def test_a_quantised_base_is_not_trained_here(
    flag: tuple[str, ...], quantised: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sami_eval.data.contrasts import contrasts_to_jsonl

    (tmp_path / "c.jsonl").write_text(contrasts_to_jsonl(CONTRASTS))
    asked = ["align", "sft", "--base", quantised.base, "--contrasts", str(tmp_path / "c.jsonl")]
    assert cli.run([*asked, "--out", str(tmp_path / "out"), "-q", *flag]) == 2
    error = capsys.readouterr().err
    assert f"error: base `{quantised.base}` is quantised (gptq): a GPU can train a LoRA" in error
    assert "hint: name the base it was made from" in error


def test_a_quantised_base_that_cannot_be_run_here_says_what_it_lacks(
    quantised: Model, tmp_path: Path
) -> None:
    with pytest.raises(SamiEvalError, match=r"cannot load .*: .*") as caught:
        said([quantised], tmp_path / "l.db")
    assert "\n" not in caught.value.message
    assert "its weights are quantised" in caught.value.hint
