from __future__ import annotations

import pytest
import torch

from sami_eval.generate.sampling import GROWTH, SHORTLIST, next_tokens, truncate

# Four tokens with probabilities 0.1, 0.4, 0.3, 0.2.
PROBABILITIES = torch.tensor([[0.1, 0.4, 0.3, 0.2]])
LOGITS = PROBABILITIES.log()


def draw(temperature: float, top_p: float, uniform: float) -> int:
    token = next_tokens(
        LOGITS,
        torch.tensor([temperature]),
        torch.tensor([top_p]),
        torch.tensor([uniform], dtype=torch.float64),
    )
    return int(token)


@pytest.mark.parametrize(
    ("uniform", "token"),
    # The CDF is 0.1, 0.5, 0.8, 1.
    [(0.0, 0), (0.09, 0), (0.11, 1), (0.49, 1), (0.51, 2), (0.79, 2), (0.81, 3), (1 - 2**-53, 3)],
)
def test_a_token_is_drawn_by_inverse_cdf(uniform: float, token: int) -> None:
    assert draw(1.0, 1.0, uniform) == token


@pytest.mark.parametrize(
    ("uniform", "token"),
    # 0.4 + 0.3 reach 0.7; 0.2 and 0.1 are cut; the CDF of the rest is 4/7, 1.
    [(0.0, 1), (0.57, 1), (0.58, 2), (1 - 2**-53, 2)],
)
def test_top_p_draws_from_the_likeliest_tokens_alone(uniform: float, token: int) -> None:
    assert draw(1.0, 0.65, uniform) == token


def test_temperature_zero_takes_the_likeliest_token() -> None:
    assert draw(0.0, 1.0, 0.99) == 1


def test_a_low_temperature_sharpens() -> None:
    # At 1/2 the probabilities are squared: 0.01, 0.16, 0.09, 0.04 of 0.30.
    assert draw(0.5, 1.0, 0.02) == 0
    assert draw(0.5, 1.0, 0.56) == 1
    assert draw(0.5, 1.0, 0.58) == 2


def test_rows_keep_their_own_settings() -> None:
    tokens = next_tokens(
        LOGITS.expand(3, -1),
        torch.tensor([0.0, 1.0, 1.0]),
        torch.tensor([1.0, 1.0, 0.1]),
        torch.tensor([0.9, 0.9, 0.9], dtype=torch.float64),
    )
    assert tokens.tolist() == [1, 3, 1]


@pytest.mark.parametrize("n_tokens", [SHORTLIST // 2, 4 * SHORTLIST, 2 * GROWTH * SHORTLIST])
def test_truncation_agrees_with_sorting_the_whole_vocabulary(n_tokens: int) -> None:
    generator = torch.Generator().manual_seed(0)
    flat = torch.rand(8, n_tokens, generator=generator).softmax(-1)  # past the shortlist
    steep = (9 * torch.randn(8, n_tokens, generator=generator)).softmax(-1)
    top_p = torch.tensor([0.1, 0.5, 0.9, 0.99, 1.0, 0.3, 0.7, 0.95])
    for probabilities in (flat, steep):
        kept = truncate(probabilities, top_p) > 0
        for row, p, mine in zip(probabilities, top_p, kept, strict=True):
            order = row.argsort(descending=True)
            n = int((row[order].cumsum(0) < p).sum()) + 1
            expected = {*order[:n].tolist()} if p < 1 else {*order.tolist()}
            assert {*mine.nonzero()[:, 0].tolist()} == expected


def test_draws_follow_the_distribution() -> None:
    n = 20_000
    uniforms = torch.linspace(0, 1, n + 1, dtype=torch.float64)[:-1]
    tokens = next_tokens(LOGITS.expand(n, -1), torch.ones(n), torch.ones(n), uniforms)
    shares = torch.bincount(tokens, minlength=4) / n
    assert torch.allclose(shares, PROBABILITIES[0], atol=1e-3)
