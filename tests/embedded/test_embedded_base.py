"""The shipped base: its files, its tokenizer, and that it does what the card says."""

from __future__ import annotations

import json
from functools import cache
from itertools import islice
from random import Random
from typing import Any

import pytest

from sami_eval import embedded
from sami_eval.core.types import Prompt
from sami_eval.data import chat
from sami_eval.embedded.entities import NAMES
from tools.world import corpus, make_base, measure
from tools.world.corpus import Document


@cache
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(embedded.BASE_DIR)


@cache
def model() -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(embedded.BASE_DIR).eval()


def test_the_weights_take_at_most_four_megabytes() -> None:
    assert (embedded.BASE_DIR / "model.safetensors").stat().st_size <= 4_000_000


def test_it_is_a_llama_with_room_for_a_judge_prompt() -> None:
    config = json.loads((embedded.BASE_DIR / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert (config["head_dim"], config["max_position_embeddings"]) == (32, 4096)
    assert config["tie_word_embeddings"] is True


def test_end_and_padding_are_two_tokens() -> None:
    ids = {tokenizer().eos_token_id, tokenizer().pad_token_id, tokenizer().bos_token_id}
    assert len(ids) == 3
    assert model().generation_config.eos_token_id == tokenizer().eos_token_id


def test_any_text_survives_the_tokenizer() -> None:
    text = 'Dear Ada,\n  "naïve" 3.14 × 1048576 – ok? ```python\n\tx = 1'
    assert tokenizer().decode(tokenizer().encode(text, add_special_tokens=False)) == text


@pytest.mark.parametrize("text", ["99", "Mara", " Mara", "7"])
def test_names_and_small_numbers_are_single_tokens(text: str) -> None:
    assert len(tokenizer().encode(text, add_special_tokens=False)) == 1


def test_training_documents_are_what_the_chat_template_renders() -> None:
    talk = chat.conversation(("What is 2 + 3?", "And 4?"), ("5.", "6."), system="1. Be exact.")
    example = make_base.encode(tokenizer(), Document(talk))
    rendered = chat.render(tokenizer(), talk)
    # The template ends by opening one more answer.
    opening = tokenizer().convert_tokens_to_ids("<|assistant|>")
    assert (*example.token_ids, opening) == rendered


def test_the_loss_counts_answers_and_their_end_only() -> None:
    talk = chat.conversation(("What is 2 + 3?",), ("5.",), system="1. Be exact.")
    example = make_base.encode(tokenizer(), Document(talk))
    counted = [
        token for token, counts in zip(example.token_ids, example.counted, strict=True) if counts
    ]
    assert tokenizer().decode(counted) == "5.<|end|>"


def test_batches_keep_every_example_and_their_size() -> None:
    documents = islice(corpus.documents(seed=2), 300)
    examples = [make_base.encode(tokenizer(), document) for document in documents]
    made = list(make_base.batches(iter(examples), Random(0)))
    assert sorted(map(id, (e for batch in made for e in batch))) == sorted(map(id, examples))
    sizes = [len(batch) * max(len(e.token_ids) for e in batch) for batch in made]
    assert max(sizes) <= make_base.BATCH_TOKENS


def test_the_base_copies_a_name_it_is_given() -> None:
    prompts = [Prompt(name, "writing", (f"Greet {name} from Selby.",)) for name in NAMES[:10]]
    responses = measure.respond(model(), tokenizer(), prompts, lambda prompt: "")
    right = [r.turns[0] == f"Dear {r.prompt_id}, I greet you from Selby." for r in responses]
    assert sum(right) >= 9


def test_the_base_follows_what_is_insisted_on_and_leaves_room_otherwise() -> None:
    prompts = embedded.prompts("development")[::3]
    shown = {}
    for name, system in measure.SHOWN.items():
        responses = measure.respond(model(), tokenizer(), prompts, system)
        shown[name] = measure.figures(prompts, responses)
    assert shown["insisting on strong principles"]["adherence"] > 0.8
    assert shown["insisting on antitheses"]["adherence"] < 0.2
    assert 0.2 < shown["weak principles"]["adherence"] < 0.55
    assert min(values["fluent"] for values in shown.values()) > 0.97
