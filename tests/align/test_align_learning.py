"""What training teaches the embedded base, measured on contrasts it has not seen, over 3 seeds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sami_eval.align import loss
from sami_eval.align.collate import encode
from sami_eval.core.types import Contrast, Model
from tests.embedded_contrasts import base, load, train, write
from tests.plain_sami import plain_matrix

pytestmark = pytest.mark.slow
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("learning")


@pytest.fixture(scope="module")
def seen(folder: Path) -> list[Contrast]:
    return write(folder, "alignment", 240)


@pytest.fixture(scope="module")
def unseen(folder: Path) -> list[Contrast]:
    return write(folder, "development", 120)


def matrices(model: Model, contrasts: list[Contrast]) -> torch.Tensor:
    """(B, 2, 2) mean log-probabilities of every response under every constitution."""
    from transformers import AutoTokenizer

    words, network = AutoTokenizer.from_pretrained(model.base), load(model)
    encoded = [encode(words, contrast) for contrast in contrasts]
    with torch.no_grad():
        parts = [plain_matrix(network, encoded[i : i + 20], 0) for i in range(0, len(encoded), 20)]
    return torch.cat(parts)


@pytest.fixture(scope="module")
def before(unseen: list[Contrast]) -> torch.Tensor:
    """What the base makes of the unseen ones."""
    return matrices(base(), unseen)


def standard_error(share: float, n: int) -> float:
    return (share * (1 - share) / n) ** 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_sami_raises_the_held_out_information_bound_and_both_accuracies(
    folder: Path,
    seen: list[Contrast],
    unseen: list[Contrast],
    before: torch.Tensor,
    seed: int,
) -> None:
    after = matrices(train(folder, f"base+sami@{seed}", seen), unseen)
    bounds = [float(loss.information_bound(m)) for m in (before, after)]
    shares = [[float(share) for share in loss.accuracy(m)] for m in (before, after)]
    print(f"seed {seed}, n {len(unseen)}: bound {bounds}, row and column accuracy {shares}")
    assert bounds[1] > bounds[0] + 0.02
    for base_share, share in zip(*shares, strict=True):
        error = standard_error(share, 2 * len(unseen))
        assert share - 3 * error > 0.5
        assert share > base_share


@pytest.mark.parametrize("seed", SEEDS)
def test_dpo_rewards_held_out_own_responses_above_others(
    folder: Path,
    seen: list[Contrast],
    unseen: list[Contrast],
    before: torch.Tensor,
    seed: int,
) -> None:
    # DPO's reward of a response is its log-probability above the reference's, up to a factor.
    rewards = matrices(train(folder, f"base+dpo@{seed}", seen), unseen) - before
    own = rewards.diagonal(dim1=1, dim2=2)
    share = float((own > rewards.flip(2).diagonal(dim1=1, dim2=2)).float().mean())
    print(f"seed {seed}: reward accuracy {share:.3f} of {own.numel()}")
    # Before training all rewards are equal: chance is 0.5.
    assert share - 3 * standard_error(share, own.numel()) > 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_sft_lowers_the_held_out_loss(
    folder: Path,
    seen: list[Contrast],
    unseen: list[Contrast],
    before: torch.Tensor,
    seed: int,
) -> None:
    after = matrices(train(folder, f"sft@{seed}", seen), unseen)
    losses = [-float(m.diagonal(dim1=1, dim2=2).mean()) for m in (before, after)]
    print(f"seed {seed}: loss {losses} nats a token, n {2 * len(unseen)}")
    assert losses[1] < losses[0] - 0.004
