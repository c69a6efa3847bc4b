from __future__ import annotations

import math

import pytest
import torch

from sami_eval.align import loss, sami_loss


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


def test_padding_takes_no_part_in_a_response_log_probability():
    logits = torch.randn(1, 3, 5, generator=torch.manual_seed(0))
    labels = torch.tensor([[4, 2, -100]])
    logps = logits.log_softmax(-1)
    total = logps[0, 0, 4] + logps[0, 1, 2]
    assert loss.response_logps(logits, labels).item() == pytest.approx(total.item() / 2)
    assert loss.response_logps(logits, labels, False).item() == pytest.approx(total.item())


def test_divergence_of_two_coins_by_hand():
    # KL(1/2 || 1/4) = log(2)/2 + log(2/3)/2; the ignored token would have added to it.
    policy = torch.tensor([[[0.5, 0.5], [0.9, 0.1]]]).log()
    reference = torch.tensor([[[0.25, 0.75], [0.1, 0.9]]]).log()
    labels = torch.tensor([[0, -100]])
    expected = (math.log(2) + math.log(2 / 3)) / 2
    assert loss.divergence(policy, reference, labels).item() == pytest.approx(expected, rel=1e-5)
    assert loss.divergence(policy, policy, labels).item() == 0


def test_each_response_counts_once_in_the_divergence():
    # A response of one token at 1 nat and one of three tokens at 0 nats: 1/2, not 1/4.
    policy = torch.tensor([[1.0, 1e-30]]).log().expand(2, 3, 2).clone()
    reference = policy.clone()
    reference[0] = torch.tensor([math.exp(-1), 1 - math.exp(-1)]).log()
    labels = torch.tensor([[0, -100, -100], [0, 0, 0]])
    assert loss.divergence(policy, reference, labels).item() == pytest.approx(0.5, rel=1e-5)
