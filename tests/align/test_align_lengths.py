"""What is too long to train on is left out and counted; what is trained is never cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval.align.collate import encode_all
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model
from sami_eval.generate import format_of
from tests.align_models import CONTRASTS, QUICK, Said, contrast, fit, log, tokenizer


@pytest.mark.parametrize("method", ["sft", "dpo", "sami"])
def test_contrasts_longer_than_the_bases_context_are_left_out_and_counted(
    method: str, tmp_path: Path
) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    # Learnt positions: a row past the context would be an index out of range.
    words, context = tokenizer(), 80
    config = GPT2Config(vocab_size=len(words), n_positions=context, n_embd=32, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    words.save_pretrained(tmp_path / "gpt2")
    base = Model("base", str(tmp_path / "gpt2"), fingerprint="gpt2")
    prompt = len("<system>1. say aaa<user>question 1?<assistant>")
    room = context - prompt - 2  # its number and the end stand behind the text
    exact, long = (
        replace(contrast(i, "aaa", "c" * n), constitutions=("1. say aaa", "1. say ccc"))
        for i, n in ((1, room), (2, room + 1))
    )
    said = Said()
    given = [exact, long, *CONTRASTS[3:]]
    fit(method, base, tmp_path / "out", given, said, targets="c_attn")
    assert said.lines[0] == f"1 of 5 contrasts are longer than {context} tokens: left out"
    with pytest.raises(UsageError, match=f"every contrast is longer than `{context}` tokens"):
        fit(method, base, tmp_path / "none", [long], targets="c_attn")


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_a_contrast_that_just_fits_is_trained_to_its_end(
    method: str, base: Model, tmp_path: Path
) -> None:
    one = contrast(1, "aaa", "c" * 40)
    encoded = encode_all(format_of(base).tokenizer, [one], QUICK)[0]
    end = format_of(base).tokenizer.eos_token_id
    assert [response[-1] for response in encoded.responses] == [end, end]
    model = fit(method, base, tmp_path / "out", [one], steps=1, max_length=encoded.longest)
    every = sum(map(len, (*encoded.prompts, *encoded.responses)))
    assert log(Path(model.adapter or ""))[0]["num_tokens"] == every * (1 + (method == "dpo"))
    with pytest.raises(UsageError, match="every contrast is longer"):
        fit(method, base, tmp_path / "no", [one], max_length=encoded.longest - 1)
