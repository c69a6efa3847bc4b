"""The fast way gives what N x N padded rows and full logits give, and knows where it would not."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

from sami_eval.align.body import spare
from sami_eval.align.collate import Encoded, collate, collate_own
from sami_eval.align.scores import bare, objective, plain_head, reference_states
from sami_eval.align.sharing import Shortcuts, attention_window, shortcuts, unsafe
from sami_eval.core.errors import UsageError
from tests.align_models import QUICK
from tests.plain_sami import plain_objective

PAD, VOCABULARY = 0, 97
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "pad_token_id": None,
}
FAMILIES = ("llama", "mistral", "qwen3", "gemma", "gemma3_text", "gpt2")


def network(family, dtype=torch.float32, **changes):
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {**SIZES, **changes}
    if family == "falcon":
        del sizes["head_dim"]
    if family == "gpt2":
        sizes = {
            "vocab_size": VOCABULARY,
            "n_embd": 32,
            "n_layer": 3,
            "n_head": 4,
            "n_positions": 256,
            "initializer_range": 0.2,
            **dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.0),
            **changes,
        }
    if family == "mistral":
        sizes = {"sliding_window": 200, **sizes}
    attention = sizes.pop("attn_implementation", None)
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **sizes)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).to(dtype)
    if dtype == torch.float64:
        _normalise_in_float64(model)
    return model


def _normalise_in_float64(model):
    """RMSNorm rounds to float32 whatever it is given, which would hide errors below 1e-7."""
    for module in model.modules():
        if "RMSNorm" in type(module).__name__:
            shift = 1.0 if "Gemma" in type(module).__name__ else 0.0
            epsilon = module.eps if shift else module.variance_epsilon

            def forward(x, weight=module.weight, shift=shift, epsilon=epsilon):
                return x * (x.pow(2).mean(-1, keepdim=True) + epsilon).rsqrt() * (shift + weight)

            module.forward = forward


def with_lora(model):
    import peft

    settings = peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    wrapped = peft.get_peft_model(model, settings)
    return wrapped.to(next(model.parameters()).dtype)


def contrasts(n, how_many=3, seed=0):
    """Ragged prompts of 3 to 20 tokens and responses of 1 to 12."""
    rng = random.Random(seed)

    def tokens(low, high):
        return tuple(rng.randrange(1, VOCABULARY) for _ in range(rng.randint(low, high)))

    return [
        Encoded(
            f"p{k}",
            tuple(tokens(3, 20) for _ in range(n)),
            tuple(tokens(1, 12) for _ in range(n)),
        )
        for k in range(how_many)
    ]


def fast_objective(model, encoded, kl=0.0, share=True, fused=True, **changes):
    reference, device = None, next(model.parameters()).device
    if kl:
        with torch.no_grad(), model.disable_adapter():
            reference = reference_states(model, collate_own(encoded, PAD).to(device), fused)
    options = replace(QUICK, kl=kl, **changes)
    batch = collate(encoded, PAD, share).to(device)
    return objective(model, batch, reference, options, fused).total


def gradient(model, total):
    model.zero_grad(set_to_none=True)
    total.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def off(model, encoded, kl=0.0, length_normalize=True, **ways):
    """The distance of the fast way from the plain one; with a KL, to the disabled adapter."""
    reference = {"reference": model.disable_adapter} if kl else {}
    return distance(
        model,
        lambda: fast_objective(model, encoded, kl, length_normalize=length_normalize, **ways),
        lambda: plain_objective(model, encoded, PAD, kl, length_normalize, **reference),
    )


def distance(model, fast, plain):
    """How far loss and gradient are from the plain ones, relative to their norms."""
    ours, theirs = gradient(model, fast()), gradient(model, plain())
    values = abs(fast().item() / plain().item() - 1)
    return max(values, ((ours - theirs).norm() / theirs.norm()).item())


LIMITS = [(torch.float32, 5e-6), (torch.float64, 1e-9)]


@pytest.mark.parametrize(("dtype", "limit"), LIMITS)
@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("family", FAMILIES)
def test_shared_rows_and_a_fused_head_are_exact(family, n, dtype, limit):
    model, encoded = network(family, dtype), contrasts(n)
    assert unsafe(model) is None
    assert plain_head(model) is not None
    assert off(model, encoded) < limit


@pytest.mark.parametrize(("dtype", "limit"), LIMITS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore:.*fan_in_fan_out:UserWarning")
def test_a_lora_and_its_kl_to_the_disabled_adapter_are_exact(family, dtype, limit):
    model, encoded = with_lora(network(family, dtype)), contrasts(3)
    assert off(model, encoded, kl=0.7, length_normalize=False) < limit


@pytest.mark.parametrize(("dtype", "limit"), LIMITS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore:.*fan_in_fan_out:UserWarning")
def test_a_spared_body_gives_the_plain_loss_and_gradient(family, dtype, limit):
    model, encoded = with_lora(network(family, dtype)), contrasts(3)
    undo = spare(bare(model))
    spared = fast_objective(model, encoded, kl=0.7)
    found = gradient(model, spared)
    undo()
    plain = plain_objective(model, encoded, PAD, 0.7, reference=model.disable_adapter)
    wanted = gradient(model, plain)
    assert abs(spared.item() / plain.item() - 1) < limit
    assert ((found - wanted).norm() / wanted.norm()).item() < limit


def kept_bytes(model, encoded):
    """Of what autograd keeps for the backward pass, the weights apart."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept = {}

    def see(tensor):
        place = tensor.untyped_storage()
        kept[place.data_ptr()] = place.nbytes() * (place.data_ptr() not in weights)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(see, lambda tensor: tensor):
        fast_objective(model, encoded)
    return sum(kept.values())


def test_a_spared_body_keeps_a_third_less_until_it_is_undone():
    model, encoded = with_lora(network("llama", intermediate_size=128)), contrasts(3)
    before = kept_bytes(model, encoded)
    undo = spare(bare(model))
    assert kept_bytes(model, encoded) < before * 2 / 3
    undo()
    assert kept_bytes(model, encoded) == before


def test_a_dropout_on_the_lora_leaves_its_layers_as_they_are():
    import peft

    settings = peft.LoraConfig(r=4, target_modules="all-linear", lora_dropout=0.5)
    model = peft.get_peft_model(network("llama"), settings)
    undo = spare(bare(model))
    changed = {type(module).__name__ for module in model.modules() if "forward" in vars(module)}
    undo()
    assert changed == {"LlamaRMSNorm", "LlamaMLP"}  # the last MLP alone, for its columns


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("fused", [True, False])
def test_every_way_of_asking_gives_the_same(share, fused):
    model, encoded = with_lora(network("llama", torch.float64)), contrasts(4)
    assert off(model, encoded, kl=0.3, share=share, fused=fused) < 1e-9


def test_in_half_precision_the_fast_way_is_as_close_to_float32_as_the_plain_one():
    model = with_lora(network("llama", hidden_size=64, intermediate_size=96))
    base = [weights for weights in model.parameters() if not weights.requires_grad]
    for weights in base:
        weights.data = weights.data.bfloat16().float()
    batches = [contrasts(3, seed=seed) for seed in range(4)]
    exact = [gradient(model, plain_objective(model, one, PAD)) for one in batches]
    for weights in base:
        weights.data = weights.data.bfloat16()

    def error(way):
        with torch.autocast("cpu", torch.bfloat16):
            totals = [way(one) for one in batches]
        pairs = zip((gradient(model, total) for total in totals), exact, strict=True)
        return sum(((found - wanted).norm() / wanted.norm()).item() for found, wanted in pairs)

    plainly = error(lambda one: plain_objective(model, one, PAD))
    assert 0 < error(lambda one: fast_objective(model, one)) < 1.3 * plainly


def test_a_head_with_a_bias_is_exact_and_trained():
    model = network("llama", torch.float64, tie_word_embeddings=False)
    head = torch.nn.Linear(32, VOCABULARY, dtype=torch.float64)
    model.set_output_embeddings(head)
    encoded = contrasts(2)
    assert off(model, encoded) < 1e-9
    assert head.bias.grad.abs().sum() > 0
    assert "forward" not in head.__dict__


@pytest.mark.parametrize("tile", [1, 7, 96, 97, 500])
def test_the_width_of_a_tile_changes_nothing(tile, monkeypatch):
    monkeypatch.setattr("sami_eval.align.head.CPU_TILE", tile)
    model, encoded = with_lora(network("llama", torch.float64)), contrasts(2)
    assert off(model, encoded, kl=0.3) < 1e-9


def test_recomputed_activations_are_exact():
    model, encoded = with_lora(network("llama", torch.float64)), contrasts(3)
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    assert off(model, encoded, kl=0.3) < 1e-9


def test_bf16_autocast_is_as_near_to_fp32_as_the_plain_way():
    model, encoded = with_lora(network("llama")), contrasts(3)
    exact = gradient(model, plain_objective(model, encoded, PAD))
    with torch.autocast("cpu", torch.bfloat16):
        plain = plain_objective(model, encoded, PAD)
        fast = fast_objective(model, encoded)
    errors = [((gradient(model, x) - exact).norm() / exact.norm()).item() for x in (plain, fast)]
    assert 1e-4 < errors[1] < max(0.05, 1.5 * errors[0])
    assert all(p.dtype == torch.float32 for p in model.parameters())


def said_plan(model, encoded, mode="auto"):
    said = []
    chosen = shortcuts(model, encoded, replace(QUICK, prefix_sharing=mode), PAD, said.append)
    return chosen, said


@pytest.mark.parametrize(("kl", "fused"), [(0.1, False), (0.0, True)])
def test_a_head_that_is_trained_is_not_fused_with_a_reference(kl, fused):
    chosen = shortcuts(network("llama"), contrasts(2), replace(QUICK, kl=kl), PAD, print)
    assert (chosen.share, chosen.fused) == (True, fused)


@pytest.mark.parametrize("family", FAMILIES)
def test_sharing_is_the_default_where_it_is_safe(family):
    model = network(family).requires_grad_(False)  # as under an adapter
    for mode in ("auto", "on"):
        chosen, said = said_plan(model, contrasts(2), mode)
        assert (chosen.share, chosen.fused) == (True, True)
        assert said == []


def test_off_is_off_without_a_word():
    frozen = network("llama").requires_grad_(False)  # as under an adapter
    chosen, said = said_plan(frozen, contrasts(2), "off")
    assert (chosen.share, chosen.fused, said) == (False, True, [])


@pytest.mark.parametrize(
    ("family", "changes", "reason"),
    [
        ("llama", {"attn_implementation": "eager"}, "attention is `eager`"),
        ("bloom", {"n_layer": 2, "n_head": 4}, "takes no position ids"),
        ("mamba", {"num_hidden_layers": 2}, "takes no position ids"),
        ("falcon", {"alibi": True, "num_kv_heads": 2}, "ALiBi"),
        (
            "qwen3_next",
            {
                "layer_types": ["linear_attention", "full_attention", "full_attention"],
                "num_experts": 2,
                "num_experts_per_tok": 1,
                "moe_intermediate_size": 8,
                "shared_expert_intermediate_size": 8,
                "linear_num_key_heads": 2,
                "linear_num_value_heads": 2,
                "linear_key_head_dim": 8,
                "linear_value_head_dim": 8,
            },
            "layers of kind `linear_attention`",
        ),
    ],
)
def test_an_unsafe_model_gets_plain_rows_and_is_told_why(family, changes, reason):
    model, encoded = network(family, **changes), contrasts(2)
    chosen, said = said_plan(model, encoded)
    assert not chosen.share
    assert not chosen.shares(encoded)
    assert len(said) == 1
    assert "prefix sharing is off" in said[0]
    assert reason in said[0]
    assert (
        off(model, encoded, share=False, fused=chosen.fused) < 5e-5
    )  # a recurrent layer rounds by where its row starts
    with pytest.raises(UsageError, match=reason) as caught:
        said_plan(model, encoded, "on")
    assert "--prefix-sharing auto" in caught.value.hint


@pytest.mark.parametrize("family", ["mistral", "gemma3_text"])
def test_a_row_past_the_sliding_window_gets_plain_rows(family):
    window = 16
    model = network(family, torch.float64, sliding_window=window)
    short = Encoded("short", ((5, 6, 7), (8, 9)), ((1, 2, 3), (4,)))
    long = Encoded("long", (tuple(range(1, 16)), (8, 9)), ((1, 2, 3), (4,)))
    assert attention_window(model) == window
    chosen, said = said_plan(model, [short, long])
    assert chosen.shares([short])
    assert not chosen.shares([long])
    assert not chosen.shares([short, long])
    assert "1 of 2 contrasts are longer than the attention window of 16 tokens" in said[0]
    for encoded in ([short], [long], [short, long]):
        assert off(model, encoded, share=chosen.shares(encoded)) < 1e-9
    # What the guard is there for: shared rows would be silently wrong.
    assert off(model, [long], share=True) > 1e-3
    with pytest.raises(UsageError, match="attention window"):
        said_plan(model, [short, long], "on")


def test_a_sliding_window_that_is_switched_off_does_not_count():
    model = network("qwen3", sliding_window=16, use_sliding_window=False)
    assert attention_window(model) is None


def test_capped_logits_are_not_fused():
    model, encoded = network("gemma2", torch.float64, final_logit_softcapping=2.0), contrasts(2)
    chosen, said = said_plan(model, encoded)
    assert (chosen.share, chosen.fused, said) == (True, False, [])
    assert off(model, encoded, fused=chosen.fused) < 1e-9


def test_a_model_whose_rows_leak_is_found_by_trying():
    model = network("llama")
    for layer in model.model.layers:
        layer.self_attn.forward = _blind_to_masks(layer.self_attn.forward)
    chosen, said = said_plan(model, contrasts(2))
    assert not chosen.share
    assert "other log-probabilities" in said[0]


def _blind_to_masks(forward):
    def ignoring(*args, **kwargs):
        mask = kwargs.get("attention_mask")
        kwargs["attention_mask"] = None if mask is None or len(mask) == 2 else mask
        return forward(*args, **kwargs)

    return ignoring


def test_all_contrasts_of_a_batch_fit_or_none_is_shared():
    near, far = contrasts(2, 1)[0], Encoded("far", ((1,) * 40,) * 2, ((1,) * 9,) * 2)
    chosen = Shortcuts(share=True, fused=True, window=48)
    assert chosen.shares([near, far])
    assert not replace(chosen, window=47).shares([near, far])
