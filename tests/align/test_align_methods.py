"""Real trainings of a random model of 30 thousand weights: seconds each."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from sami_eval.align import loss, training
from sami_eval.align.collate import collate, encode
from sami_eval.align.matrix import split
from sami_eval.align.scores import objective
from sami_eval.core.errors import SamiEvalError, UsageError
from tests.align_models import (
    CONTRASTS,
    QUICK,
    Said,
    contrast,
    fit,
    log,
    losses,
    same,
    save_base,
    weights,
)


@pytest.fixture(scope="module")
def sft(base, tmp_path_factory):
    """The base after a few steps of SFT: where chains start."""
    return fit("sft", base, tmp_path_factory.mktemp("sft"), steps=8)


def load(model):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(model.base)
    return PeftModel.from_pretrained(plain, model.adapter) if model.adapter else plain


def matrix(model, one=CONTRASTS[0]):
    """M of a contrast, row by row, each without padding: obviously right."""
    from transformers import AutoTokenizer

    encoded = encode(AutoTokenizer.from_pretrained(model.base), one)
    network = load(model).eval()

    def logp(prompt, response):
        ids = torch.tensor([[*prompt, *response]])
        logits = network(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        return logits[range(len(response)), list(response)].mean().item()

    return torch.tensor([[logp(p, r) for r in encoded.responses] for p in encoded.prompts])


@pytest.mark.parametrize("method", ["sft", "dpo", "sami"])
def test_the_same_seed_gives_the_same_weights(method, base, tmp_path):
    first = fit(method, base, tmp_path / "a")
    torch.manual_seed(99)  # what happened before does not matter
    again = fit(method, base, tmp_path / "b")
    other = fit(method, base, tmp_path / "c", seed=1)
    assert same(first, again)
    assert not same(first, other)


@pytest.mark.parametrize("method", ["sft", "dpo", "sami"])
def test_training_leaves_random_numbers_and_threads_alone(method, base, tmp_path):
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fit(method, base, tmp_path, steps=1)
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("method", ["sft", "dpo", "sami"])
def test_an_adapter_is_a_plain_peft_folder(method, base, tmp_path):
    model = fit(method, base, tmp_path, steps=1)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".md") == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "trained_on.json",  # for the card, which takes it away
        "training.jsonl",
    ]
    assert not any("ref" in name for name in weights(model))
    assert load(model).peft_config["default"].r == QUICK.rank


def test_sft_raises_own_log_probabilities(base, sft):
    assert (matrix(sft).diagonal() > matrix(base).diagonal()).all()
    assert log(sft)[-1]["loss"] < log(sft)[0]["loss"]


def test_sfts_first_loss_is_the_mean_over_own_response_tokens(base, tmp_path):
    one = contrast(1, "a", "bbbb")
    first = log(fit("sft", base, tmp_path, [one], steps=1, batch_size=1))[0]["loss"]
    own = matrix(base, one).diagonal()
    # "a1" and its end are 3 tokens, "bbbb1" and its end 6.
    assert first == pytest.approx(-(own[0] * 3 + own[1] * 6).item() / 9, rel=1e-4)


def test_samis_first_loss_is_that_of_the_plain_matrix(base, tmp_path):
    ragged = contrast(1, "a", "bbbb", "cc")
    model = fit("sami", base, tmp_path, [ragged, contrast(2, "x", "y", "zzz")], steps=1)
    expected = loss.sami_loss(
        torch.stack([matrix(base, ragged), matrix(base, contrast(2, "x", "y", "zzz"))])
    )
    assert log(model)[0]["loss"] == pytest.approx(expected.item(), rel=1e-4)
    assert log(model)[0]["kl"] == pytest.approx(0, abs=1e-6)


def test_samis_loss_is_the_mean_over_accumulated_batches(base, tmp_path):
    whole = fit("sami", base, tmp_path / "a", steps=1, batch_size=6)
    split = fit("sami", base, tmp_path / "b", steps=1, batch_size=2, accumulation=3)
    assert log(split)[0]["loss"] == pytest.approx(log(whole)[0]["loss"], rel=1e-5)
    assert log(split)[0]["grad_norm"] == pytest.approx(log(whole)[0]["grad_norm"], rel=1e-3)


@pytest.mark.parametrize("method", ["sft", "dpo", "sami"])
def test_recomputing_activations_changes_nothing(method, sft, tmp_path):
    stored = fit(method, sft, tmp_path / "stored")
    recomputed = fit(method, sft, tmp_path / "recomputed", checkpointing=True)
    assert losses(stored) == pytest.approx(losses(recomputed), rel=1e-5)


def test_sami_raises_the_information_bound(sft, tmp_path):
    model = fit("sami", sft, tmp_path, steps=12, lr=1e-2, kl=0.1)
    first, last = log(model)[0], log(model)[-1]
    assert last["information_bound"] > first["information_bound"] + 0.01
    assert loss.information_bound(matrix(model)) > loss.information_bound(matrix(sft))
    assert last["kl"] > 0
    assert last["own_logps"] < 0


def test_dpo_prefers_own_responses_more_than_its_start(sft, tmp_path):
    model = fit("dpo", sft, tmp_path, steps=20, lr=2e-2)
    assert log(model)[-1]["rewards/accuracies"] > 0.9

    def margin(of):
        return (of.diagonal().mean() - of.flip(1).diagonal().mean()).item()

    assert margin(matrix(model)) > margin(matrix(sft))


def test_dpos_reference_is_the_previous_link(sft, tmp_path):
    # At the first step policy and reference are equal: the loss is log 2 and rewards are 0. With
    # the disabled adapter as the reference they would not be.
    first = log(fit("dpo", sft, tmp_path, steps=1))[0]
    assert first["loss"] == pytest.approx(0.6931, abs=1e-4)
    assert first["rewards/chosen"] == pytest.approx(0, abs=1e-5)


def test_samis_reference_is_the_previous_link(sft, tmp_path):
    first, *_, last = log(fit("sami", sft, tmp_path, steps=3))
    assert first["kl"] == pytest.approx(0, abs=1e-6)
    assert first["fall"] == pytest.approx(0, abs=1e-6)
    assert last["kl"] > 1e-5


def test_held_out_contrasts_are_scored_and_never_trained_on(sft, tmp_path):
    # These are the two that chance holds out of the six; its choice is the same for every seed.
    options = replace(QUICK, held_out=2)
    from transformers import AutoTokenizer

    words = AutoTokenizer.from_pretrained(sft.base)
    trained, held_out = split([encode(words, c) for c in CONTRASTS], options)
    names = {one.prompt_id for one in held_out}
    assert (len(trained), len(held_out)) == (4, 2)
    assert names.isdisjoint(one.prompt_id for one in trained)
    model = fit("sami", sft, tmp_path / "all", steps=12, lr=1e-2, held_out=2)
    kept = [c for c in CONTRASTS if c.prompt.id not in names]
    alone = fit("sami", sft, tmp_path / "kept", kept, steps=12, lr=1e-2)
    assert same(model, alone)
    first, *_, last = log(model)
    out = [c for c in CONTRASTS if c.prompt.id in names]
    for row, of in ((first, sft), (last, model)):
        bound = loss.information_bound(torch.stack([matrix(of, one) for one in out]))
        assert row["held_out_information_bound"] == pytest.approx(bound.item(), abs=1e-5)
    assert last["held_out_row_accuracy"] >= 0.5
    assert last["tokens_per_second"] > 0


def test_something_is_left_to_train_on(sft, tmp_path):
    with pytest.raises(UsageError, match="`6` contrasts held out of 6 leave none"):
        fit("sami", sft, tmp_path, held_out=6)


def test_a_high_kl_weight_holds_the_model_at_its_start(sft, tmp_path):
    free = fit("sami", sft, tmp_path / "free", steps=10, kl=0.0)
    held = fit("sami", sft, tmp_path / "held", steps=10, kl=30.0)
    assert log(held)[-1]["kl"] < log(free)[-1]["kl"] / 3


def test_a_collapse_is_warned_of_and_stopped(sft, tmp_path):
    said = Said()
    with pytest.raises(SamiEvalError, match="SAMI collapses") as caught:
        fit("sami", sft, tmp_path, progress=said, steps=100, lr=5e-3, kl=0.0, max_fall=0.2)
    assert "--kl" in caught.value.hint
    assert "own responses lost" in said.lines[0]
    assert len(said.lines) == 1


@pytest.mark.parametrize("method", ["sft", "dpo", "sami"])
def test_a_loss_that_is_no_number_names_its_contrasts(method, tmp_path):
    broken = save_base(tmp_path / "broken")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    words = AutoTokenizer.from_pretrained(broken.base)
    (letter,) = words("z", add_special_tokens=False)["input_ids"]
    network = AutoModelForCausalLM.from_pretrained(broken.base)
    with torch.no_grad():
        network.model.embed_tokens.weight[letter] = float("nan")
        network.lm_head.weight = torch.nn.Parameter(network.model.embed_tokens.weight.nan_to_num())
    network.config.tie_word_embeddings = False
    network.save_pretrained(broken.base)
    contrasts = [*CONTRASTS, contrast(6, "zaa", "zbb")]  # no other holds the letter
    with pytest.raises(SamiEvalError, match=r"not a number at step \d, prompts `p") as caught:
        fit(method, broken, tmp_path / method, contrasts, batch_size=1, steps=7)
    found = re.findall(r"`(\w+)`", caught.value.message)
    # SFT and DPO draw a batch of two rows, which may be of two contrasts.
    assert "p6" in found
    assert len(found) <= (1 if method == "sami" else 2)
    assert "--lr" in caught.value.hint


@pytest.mark.parametrize(
    ("told", "what"), [({"loss": math.nan}, "loss"), ({"loss": 1.0, "grad_norm": math.inf}, "grad")]
)
def test_a_trainer_of_a_users_own_stops_at_what_is_no_number(told, what, tmp_path):
    watch = training.Watch(print, tmp_path / "training.jsonl")
    state = SimpleNamespace(is_world_process_zero=True, global_step=3)
    with pytest.raises(SamiEvalError, match=rf"the {what}\w* is not a number at step 3"):
        watch.on_log(None, state, None, told)


def test_sami_says_where_no_reference_watches_for_a_collapse(base, tmp_path):
    for name, changes, warned in (
        ("full", {"full": True, "kl": 0.0}, True),
        ("kl", {"full": True, "kl": 0.1}, False),
        ("lora", {"kl": 0.0}, False),
    ):
        said = Said()
        fit("sami", base, tmp_path / name, progress=said, steps=1, **changes)
        assert any("nothing stops a collapse" in line for line in said.lines) == warned


def test_a_matrix_of_shared_rows_is_that_of_single_ones(base):
    from transformers import AutoTokenizer

    one = encode(AutoTokenizer.from_pretrained(base.base), contrast(1, "a", "bbbb"))
    network = load(base).eval()
    found = objective(network, collate([one], pad=0, share=True), None, QUICK, fused=True)
    assert torch.allclose(found.matrix[0], matrix(base, contrast(1, "a", "bbbb")), atol=1e-5)


def test_prefix_sharing_trains_the_same_adapter(sft, tmp_path):
    said = Said()
    shared = fit("sami", sft, tmp_path / "on", prefix_sharing="on", progress=said)
    plain = fit("sami", sft, tmp_path / "off", prefix_sharing="off", progress=said)
    assert losses(shared) == pytest.approx(losses(plain), rel=1e-4)
    assert said.lines == []


def test_a_base_whose_padding_is_its_end_still_learns_to_stop(tmp_path):
    base = save_base(tmp_path / "base", pad="<eos>")
    model = fit("sft", base, tmp_path / "sft", steps=60, lr=2e-2)
    from transformers import AutoTokenizer

    words = AutoTokenizer.from_pretrained(base.base)
    one = encode(words, CONTRASTS[0])
    ids = torch.tensor([[*one.prompts[0], *one.responses[0][:-1]]])

    def end_probability(of):
        return load(of).eval()(input_ids=ids).logits[0, -1].softmax(-1)[words.eos_token_id].item()

    assert end_probability(model) > 5 * end_probability(base)


def test_a_base_without_an_end_token_is_refused(tmp_path):
    base = save_base(tmp_path / "base")
    file = tmp_path / "base" / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    del settings["eos_token"]
    file.write_text(json.dumps(settings))
    with pytest.raises(UsageError, match="no end-of-sequence token"):
        fit("sft", base, tmp_path / "out")
