"""KTO, MIPO, SimPO, ORPO and DPO's losses beside plain loops, and one training of each."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sami_eval import cli
from sami_eval.align import loss, preference, training
from sami_eval.align.collate import Encoded, Ids, preference_rows
from sami_eval.align.falls import Falls
from sami_eval.align.methods import kto, mipo
from sami_eval.align.options import Options
from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.progress import silent
from sami_eval.core.types import Model
from sami_eval.data.contrasts import contrasts_to_jsonl
from tests.align_models import CONTRASTS, QUICK, Said, contrast, log

BETA = 0.3
THREE = [contrast(1, "a", "bbbb", "cc"), contrast(2, "x", "yyy", "zz")]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.fixture
def start(base: Model) -> Iterator[tuple[training.Start, list[Encoded], Options]]:
    options = replace(QUICK, beta=BETA, steps=1)
    with training.session(base, options) as made:
        yield made, made.encode(THREE, base, options, silent()), options


def disturb(trainer: Any) -> None:
    """Move the trained adapter off its reference: at the start every log-ratio is 0."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, weights in trainer.model.named_parameters():
            if ".default." in name:
                weights += 0.2 * torch.randn_like(weights)


def ratio(trainer: Any, prompt: Ids, response: Ids) -> float:
    """What a response has gained on the reference in nats, its tokens asked one by one."""
    total = 0.0
    for adapter, sign in (("default", 1), ("ref", -1)):
        trainer.model.set_adapter(adapter)
        for i, token in enumerate(response):
            with torch.no_grad():
                logits = trainer.model(input_ids=torch.tensor([[*prompt, *response[:i]]])).logits
            total += sign * logits[0, -1].log_softmax(-1)[token].item()
    trainer.model.set_adapter("default")
    return total


def loss_of(trainer: Any) -> float:
    """Of all rows as one batch."""
    batch = trainer.data_collator(list(trainer.train_dataset))
    batch.pop(training.NAMES)
    trainer.model.train()
    with torch.no_grad():
        return float(trainer.compute_loss(trainer.model, batch))


def logistic(own: float, other: float, _n: int, _m: int) -> float:
    return -math.log(sigmoid(BETA * (own - other)))


PLAIN: dict[str, Callable[[float, float, int, int], float]] = {
    "sigmoid": logistic,
    "ipo": lambda a, b, n, m: (a / n - b / m - 1 / (2 * BETA)) ** 2,
    "sigmoid_norm": lambda a, b, n, m: logistic(a / n, b / m, 1, 1),
    "apo_zero": lambda a, b, n, m: 1 - sigmoid(BETA * a) + sigmoid(BETA * b),
    "robust": lambda a, b, n, m: (0.9 * logistic(a, b, n, m) - 0.1 * logistic(b, a, n, m)) / 0.8,
    "nca_pair": lambda a, b, n, m: (
        -math.log(sigmoid(BETA * a))
        - (math.log(sigmoid(-BETA * a)) + math.log(sigmoid(-BETA * b))) / 2
    ),
}


def dpo_pairs(encoded: Sequence[Encoded]) -> list[preference.Pair]:
    return [(one.prompt_id, *row) for one in encoded for row in preference_rows(one)]


@pytest.mark.parametrize("pairs", [dpo_pairs, lambda some: mipo.other_prompts(some, 0)])
def test_losses_of_pairs_are_those_of_a_plain_loop(
    pairs: Callable[[Sequence[Encoded]], list[preference.Pair]], start: Any, tmp_path: Path
) -> None:
    made, encoded, options = start
    given = pairs(encoded)
    falls = Falls("DPO", replace(options, loss="robust"), silent())
    trainer = preference.pair_trainer(made, given, falls, 1, 1, tmp_path)
    assert trainer.loss_types == ["robust"]
    disturb(trainer)
    gains = [
        (ratio(trainer, prompt, own), ratio(trainer, prompt, other), len(own), len(other))
        for _, prompt, own, other in given
    ]
    assert max(abs(own) for own, *_ in gains) > 0.1
    for name, plain in PLAIN.items():
        trainer.loss_types = [name]
        expected = sum(plain(*one) for one in gains) / len(gains)
        assert loss_of(trainer) == pytest.approx(expected, rel=1e-4), name


def test_ktos_loss_is_that_of_a_plain_loop(start: Any, tmp_path: Path) -> None:
    made, encoded, options = start
    trainer: Any = kto.made(made, encoded, Falls("KTO", options, silent()), 1, tmp_path)
    disturb(trainer)
    rows = list(trainer.train_dataset)
    assert len(rows) == 2 * 9
    assert sum(row["label"] for row in rows) == 6
    mismatched = [ratio(trainer, row["prompt_ids"], row["KL_completion_ids"]) for row in rows]
    point = max(0.0, sum(mismatched) / len(mismatched))
    total = 0.0
    for row in rows:
        gain = ratio(trainer, row["prompt_ids"], row["completion_ids"]) - point
        # Two responses of three are bad: each weighs a half.
        total += 1 - sigmoid(BETA * gain) if row["label"] else (1 - sigmoid(-BETA * gain)) / 2
    assert loss_of(trainer) == pytest.approx(total / len(rows), rel=1e-4)


def test_ktos_mismatched_responses_are_those_of_the_batch(start: Any) -> None:
    _, encoded, _ = start
    rows = kto.rows(encoded, 0, 9)
    for batch in (rows[:9], rows[9:]):
        own = [row["completion_ids"] for row in batch]
        assert [row["KL_completion_ids"] for row in batch] == [own[-1], *own[:-1]]
    assert kto.rows(encoded, 1, 9) != rows


def test_mipos_worse_response_is_one_to_another_prompt(start: Any) -> None:
    _, (first, second), _ = start
    pairs = mipo.other_prompts([first, second], 0)
    assert [pair[:3] for pair in pairs] == [
        (one.prompt_id, prompt, own)
        for one in (first, second)
        for prompt, own in zip(one.prompts, one.responses, strict=True)
    ]
    assert {pair[3] for pair in pairs[:3]} <= {*second.responses}
    assert {pair[3] for pair in pairs[3:]} <= {*first.responses}
    assert mipo.other_prompts([first, second], 0) == pairs
    with pytest.raises(UsageError, match="two prompts or more"):
        mipo.other_prompts([first, first], 0)


def test_of_pairs_the_better_response_alone_is_good() -> None:
    several = [Encoded(f"p{i}", ((i,), (i,)), ((i, 1), (i, 2))) for i in (5, 6)]
    rows = kto.rows(several, 0, 4)
    assert sorted((row["completion_ids"], row["label"]) for row in rows) == [
        *(([5, 1], True), ([5, 2], False), ([6, 1], True), ([6, 2], False)),
    ]
    pairs = mipo.other_prompts(several, 0)
    assert pairs == [("p5", (5,), (5, 1), (6, 1)), ("p6", (6,), (6, 1), (5, 1))]


def plain_pairs(matrices: torch.Tensor, of: Callable[[float, float], float]) -> float:
    """Mean over every constitution's (own, other) log-probabilities."""
    found = [
        of(m[i][i], m[i][j])
        for m in matrices.tolist()
        for i in range(len(m))
        for j in range(len(m))
        if i != j
    ]
    return sum(found) / len(found)


@pytest.mark.parametrize("n", [2, 3])
def test_simpo_and_orpo_are_those_of_a_plain_loop(n: int) -> None:
    matrices = -3 * torch.rand(4, n, n, generator=torch.Generator().manual_seed(n)) - 0.01

    def simpo(own: float, other: float) -> float:
        return -math.log(sigmoid(2 * own - 2 * other - 1))

    def odds(logp: float) -> float:
        return math.exp(logp) / (1 - math.exp(logp))

    def orpo(own: float, other: float) -> float:
        return -own - 0.1 * math.log(sigmoid(math.log(odds(own) / odds(other))))

    found = loss.simpo_loss(matrices, 2.0, 1.0).item()
    assert found == pytest.approx(plain_pairs(matrices, simpo), rel=1e-5)
    found = loss.orpo_loss(matrices, 0.1).item()
    assert found == pytest.approx(plain_pairs(matrices, orpo), rel=1e-5)


def test_simpo_and_orpo_at_their_edges() -> None:
    equal = torch.full((2, 2), -0.7)
    assert loss.simpo_loss(equal, 2.0, 1.0).item() == pytest.approx(math.log(1 + math.e))
    assert loss.orpo_loss(equal, 0.1).item() == pytest.approx(0.7 + 0.1 * math.log(2))
    certain = torch.zeros(2, 2, requires_grad=True)  # a likelihood of 1 has odds without end
    loss.orpo_loss(certain, 0.1).backward()  # type: ignore[no-untyped-call]
    assert certain.grad is not None
    assert certain.grad.isfinite().all()


@pytest.mark.parametrize("method", ["kto", "mipo", "simpo", "orpo"])
def test_align_trains_it_and_watches_for_collapse(
    method: str,
    base: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("contrasts.jsonl").write_text(contrasts_to_jsonl(CONTRASTS))
    given = ["align", f"base+{method}", "--base", base.base, "--contrasts", "contrasts.jsonl", "-q"]
    quick = ["--steps", "3", "--rank", "4", "--batch-size", "2", "--accumulation", "1"]
    assert cli.run([*given, *quick, "--lr", "1e-3"]) == 0
    out = Path(capsys.readouterr().out.strip())
    first, *_, last = log(out)
    assert first["fall"] == pytest.approx(0, abs=1e-3)
    assert last["loss"] != first["loss"]
    at_chance = {"kto": "rewards/margins", "mipo": "rewards/accuracies"}
    assert at_chance.get(method, "row_accuracy") in last
    card = json.loads((out / "sami_eval.json").read_text())
    assert card["recipe"] == f"base+{method}"
    said = (out / "README.md").read_text()
    assert ("our choice" in said) == (method != "orpo")


def test_a_collapse_is_warned_of_and_stopped() -> None:
    said = Said()
    falls = Falls("SimPO", replace(QUICK, max_fall=0.2), said, preference.REMEDY)
    for fall in (0.01, 0.1, 0.15):
        falls.see(fall, 7)
    assert said.lines == [
        "warning: own responses lost 0.10 nats a token at step 7; past 0.2 training stops"
    ]
    with pytest.raises(SamiEvalError, match=r"SimPO collapses: own responses lost `0\.30`") as no:
        falls.see(0.3, 8)
    assert "--beta" in no.value.hint


def test_preferences_that_lower_their_better_responses_are_warned_of_once() -> None:
    said = Said()
    falls = Falls("DPO", replace(QUICK, max_fall=0.2), said, preference.REMEDY, stops=False)
    for fall in (0.1, 0.3, 0.4):
        falls.see(fall, 7)
    assert said.lines == [
        "warning: own responses lost 0.30 nats a token at step 7; if it writes badly, "
        "train with a higher --beta or a lower --lr"
    ]
