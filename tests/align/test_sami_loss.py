from __future__ import annotations

import math

import pytest
import torch

from sami_eval.align import loss, sami_loss
from sami_eval.align.head import token_scores


def brute_force(matrix):
    """Both cross-entropies, entry by entry."""
    n = len(matrix)
    rows = [math.log(sum(math.exp(v) for v in matrix[i])) - matrix[i][i] for i in range(n)]
    columns = [
        math.log(sum(math.exp(matrix[i][j]) for i in range(n))) - matrix[j][j] for j in range(n)
    ]
    return (sum(rows) + sum(columns)) / (2 * n)


def test_two_by_two_by_hand():
    # rows: log(1 + e^-1) and log(1 + e^-2); columns: log(1 + e^-2) and log(1 + e^-1)
    matrix = torch.tensor([[0.0, -1.0], [-2.0, 0.0]], dtype=torch.float64)
    expected = (math.log1p(math.exp(-1)) + math.log1p(math.exp(-2))) / 2
    assert sami_loss(matrix).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_equal_entries_give_log_n_and_no_information(n):
    matrix = torch.full((n, n), -3.0, dtype=torch.float64)
    assert sami_loss(matrix).item() == pytest.approx(math.log(n), abs=1e-12)
    assert loss.information_bound(matrix).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_batch_is_the_mean_of_its_matrices(n):
    matrices = torch.randn(5, n, n, dtype=torch.float64, generator=torch.manual_seed(n))
    expected = sum(brute_force(matrix.tolist()) for matrix in matrices) / 5
    assert sami_loss(matrices).item() == pytest.approx(expected, abs=1e-12)
    assert sami_loss(matrices[0]).item() == pytest.approx(brute_force(matrices[0].tolist()))


def test_a_certain_diagonal_costs_nothing():
    assert sami_loss(torch.eye(3) * 1000).item() == 0


@pytest.mark.parametrize("shape", [(2, 3), (4,), (5, 2, 3), (1, 2, 2, 2), ()])
def test_what_is_not_square_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(N, N\)"):
        sami_loss(torch.zeros(shape))


def test_accuracy_by_rows_and_by_columns():
    # Row 0 and row 1 both prefer response 0; column 0 prefers constitution 0, column 1 the second.
    rows, columns = loss.accuracy(torch.tensor([[-1.0, -9.0], [-2.0, -3.0]]))
    assert (rows.item(), columns.item()) == (0.5, 1.0)


def test_a_cell_is_the_mean_or_the_sum_of_its_tokens():
    values, cells = torch.tensor([1.0, 5.0, 3.0]), torch.tensor([0, 2, 0])
    assert loss.by_cell(values, cells, 4).tolist() == [2, 0, 5, 0]
    assert loss.by_cell(values, cells, 4, mean=False).tolist() == [4, 0, 5, 0]


def test_divergence_of_two_coins_by_hand():
    # KL(1/2 || 1/4) = log(2)/2 + log(2/3)/2
    policy = torch.tensor([[0.5, 0.5]]).log()
    reference = torch.tensor([[0.25, 0.75]]).log()
    expected = (math.log(2) + math.log(2 / 3)) / 2
    assert loss.token_divergence(policy, reference).item() == pytest.approx(expected, rel=1e-5)
    assert loss.token_divergence(policy, policy).item() == 0


@pytest.mark.parametrize("spread", [1.0, 30.0, 1000.0])
def test_the_fused_head_gives_what_logits_give(spread):
    # Logits up to thousands: exponentials have to be taken relative to the largest one so far.
    torch.manual_seed(0)
    head = torch.nn.Linear(8, 2500, dtype=torch.float64).requires_grad_(False)
    hidden, other = (torch.randn(2, 6, 8, dtype=torch.float64) * spread).requires_grad_()
    labels = torch.randint(2500, (6,))
    logits, reference = head(hidden), head(other)[:4]
    logps, kl, reference_logps = token_scores(hidden, head, labels, other[:4])
    assert torch.allclose(logps, loss.token_logps(logits, labels))
    assert torch.allclose(kl, loss.token_divergence(logits[:4], reference))
    assert torch.allclose(reference_logps, loss.token_logps(reference, labels[:4]))
    assert not reference_logps.requires_grad


def test_the_fused_heads_gradients_are_those_of_its_values():
    torch.manual_seed(0)
    head = torch.nn.Linear(3, 7, dtype=torch.float64).requires_grad_(False)
    hidden, other = torch.randn(2, 4, 3, dtype=torch.float64)
    labels = torch.tensor([0, 6, 3, 3])
    assert torch.autograd.gradcheck(
        lambda states: token_scores(states, head, labels, other[:2])[:2], hidden.requires_grad_()
    )


def test_the_gradients_of_a_trained_head_are_those_of_logits():
    torch.manual_seed(0)
    head, hidden = torch.nn.Linear(3, 7, dtype=torch.float64), torch.randn(4, 3).double()
    labels, weights = torch.tensor([0, 6, 3, 3]), torch.tensor([1.0, -2.0, 0.5, 0.0])
    (token_scores(hidden, head, labels)[0] * weights).sum().backward()
    found = head.weight.grad.clone(), head.bias.grad.clone()
    head.zero_grad()
    (loss.token_logps(head(hidden), labels) * weights).sum().backward()
    assert torch.allclose(found[0], head.weight.grad)
    assert torch.allclose(found[1], head.bias.grad)


def test_a_trained_head_cannot_stand_in_for_the_references():
    head, hidden = torch.nn.Linear(3, 7), torch.randn(2, 3)
    with pytest.raises(ValueError, match="frozen head"):
        token_scores(hidden, head, torch.tensor([0, 1]), hidden)
