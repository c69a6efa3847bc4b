"""Money and pace: nothing is sent that could pass the limit, and nothing sooner than allowed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from sami_eval.core.calls import Reply, Request, Sampling
from sami_eval.core.config import Price
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import silent
from sami_eval.core.types import Model, Usage
from sami_eval.server.budget import (
    Budget,
    BudgetError,
    Purse,
    cost_usd,
    dollars,
    most_tokens,
)
from sami_eval.server.client import ClientSettings, complete_all
from sami_eval.server.limits import Limits, Pace
from tests.loopback_judge import Behaviour, LoopbackJudge, completion

JUDGE = Model("judge", "judge-1", engine="openai")
UNPRICED = Model("x", "gpt-x", engine="openai")
PRICES = {"judge-1": Price(input=1.0, output=10.0)}


def request(text: str = "x" * 84, max_tokens: int = 100) -> Request:
    # "user" and 84 bytes are 44 tokens at 2 bytes each, and 8 for the message: 52.
    return Request(JUDGE, (("user", text),), (), Sampling(max_tokens=max_tokens))


MOST = (52 * 1.0 + 100 * 10.0) / 1e6  # USD the request above could cost
REPORTED = (100 * 1.0 + 10 * 10.0) / 1e6  # what the loopback judge says every reply took


def test_prompt_tokens_are_estimated_from_bytes() -> None:
    assert most_tokens(request()) == Usage(52, 100)
    assert most_tokens(request("é" * 42)) == Usage(52, 100)  # two bytes each


def test_a_cost_is_tokens_times_price() -> None:
    assert cost_usd(Usage(1_000_000, 2_000_000), Price(2.5, 10.0)) == 22.5
    assert cost_usd(Usage(), Price(2.5, 10.0)) == 0.0


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "$0.00"), (0.00124, "$0.0012"), (1234.5, "$1,234.50")]
)
def test_small_amounts_keep_their_digits(amount: float, text: str) -> None:
    assert dollars(amount) == text


def test_what_is_reserved_and_not_used_is_free_again() -> None:
    budget = Budget(PRICES, limit_usd=2.5 * MOST)
    assert budget.reserve(request())
    assert budget.reserve(request())
    assert not budget.reserve(request())  # two in flight could cost all but half of a third
    budget.settle(request(), Usage(10, 1))
    assert budget.reserve(request())
    assert budget.spent_usd == pytest.approx(20e-6)


def test_the_call_that_could_pass_the_limit_is_not_made() -> None:
    budget = Budget(PRICES, limit_usd=1.5 * MOST)
    assert budget.reserve(request())
    budget.settle(request(), Usage(52, 100))
    with pytest.raises(BudgetError, match="max-cost") as caught:
        budget.reserve(request())
    assert caught.value.exit_code == 1
    assert "what is done is kept" in caught.value.hint


def test_budgets_of_one_purse_share_its_limit() -> None:
    purse = Purse()
    first, second = (Budget(PRICES, 2.5 * MOST, purse) for _ in range(2))
    for usage in (Usage(52, 100), None):
        assert first.reserve(request())
        first.settle(request(), usage)
    first.unmetered[JUDGE] += 1  # what was spent is not known, and counts at what is known
    assert first.spent_usd is None
    assert purse.spent_usd == pytest.approx(2 * MOST)
    with pytest.raises(BudgetError, match="max-cost"):
        second.reserve(request())
    assert second.spent_usd == 0.0


def test_a_call_whose_end_was_not_seen_counts_whole() -> None:
    budget = Budget(PRICES, limit_usd=1.5 * MOST)
    assert budget.reserve(request())
    budget.settle(request(), None)
    with pytest.raises(BudgetError):
        budget.reserve(request())
    assert budget.spent_usd == 0  # not known to have been billed


def test_a_call_that_is_not_billed_costs_nothing() -> None:
    budget = Budget(PRICES, limit_usd=MOST)
    for _ in range(5):
        assert budget.reserve(request())
        budget.settle(request(), Usage())
    assert budget.used == {}


def test_a_limit_needs_every_price() -> None:
    with pytest.raises(UsageError, match="`gpt-x`") as caught:
        Budget(PRICES, 1.0).check([JUDGE, UNPRICED])
    assert '[prices."gpt-x"]' in caught.value.hint
    Budget(PRICES).check([UNPRICED])


def test_an_unknown_price_is_an_unknown_cost() -> None:
    budget = Budget()
    assert budget.spent_usd == 0
    assert budget.reserve(request())
    budget.settle(request(), Usage(1, 1))
    assert budget.spent_usd is None
    assert budget.note() == ""


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_pace_spaces_what_comes_too_soon() -> None:
    clock = Clock()
    pace = Pace(30, clock)  # one every two seconds
    assert [pace.take(1) for _ in range(3)] == [0, 2, 4]
    clock.now += 5
    assert pace.take(1) == 1  # the fourth second after the last
    clock.now += 60
    assert [pace.take(1), pace.take(1)] == [0, 2]  # a quiet minute saves up nothing


def test_no_minute_holds_more_than_the_pace() -> None:
    clock, starts = Clock(), []
    pace = Pace(100, clock)
    for i in range(500):
        clock.now += (i % 7) * 0.2
        starts.append(clock.now + pace.take(1))
    assert all(sum(s <= t < s + 59.99 for t in starts) <= 100 for s in starts)


def test_tokens_that_were_not_needed_are_given_back() -> None:
    clock = Clock()
    limits = Limits(tokens=Pace(152 * 6, clock))  # one request of 152 tokens in ten seconds
    assert limits.budget.reserve(request())
    assert limits.wait_s(request()) == 0
    limits.settle(request(), Usage(52, 24))  # half of it
    assert limits.wait_s(request()) == pytest.approx(5)


def test_the_slower_of_both_paces_holds() -> None:
    clock = Clock()
    limits = Limits(requests=Pace(60, clock), tokens=Pace(152 * 6, clock))
    assert limits.wait_s(request()) == 0
    assert limits.wait_s(request()) == pytest.approx(10)


def ask(server: LoopbackJudge, n: int, limits: Limits) -> dict[int, Reply]:
    replies: dict[int, Reply] = {}
    settings = ClientSettings(server.url, backoff_s=0.001, max_backoff_s=0.002, limits=limits)
    # All different: equal ones would share the server's count of faults in a row.
    requests = [request(f"{i:084d}") for i in range(n)]
    complete_all(requests, settings, replies.__setitem__, silent())
    return replies


def test_a_run_stops_before_the_limit_and_keeps_what_it_has() -> None:
    limits = Limits(Budget(PRICES, limit_usd=20 * REPORTED + MOST / 2))
    replies: dict[int, Reply] = {}
    with LoopbackJudge() as server:
        settings = ClientSettings(server.url, limits=limits)
        with pytest.raises(BudgetError):
            complete_all([request()] * 50, settings, replies.__setitem__, silent())
    spent = limits.budget.spent_usd
    assert spent is not None
    assert spent == pytest.approx(len(replies) * REPORTED)
    assert spent <= 20 * REPORTED + MOST / 2
    assert spent + MOST > 20 * REPORTED + MOST / 2  # not one call too early either
    assert server.n_calls == len(replies) == 18


def test_a_budget_that_suffices_changes_nothing() -> None:
    limits = Limits(Budget(PRICES, limit_usd=50 * MOST))
    with LoopbackJudge() as server:
        assert len(ask(server, 40, limits)) == 40
    assert limits.budget.used == {JUDGE: Usage(4000, 400)}


def test_errors_of_the_server_are_not_billed() -> None:
    limits = Limits(Budget(PRICES, limit_usd=20 * MOST))
    behaviour = Behaviour(fault_rate=1.0, faults=("500", "429"), faults_in_a_row=2)
    with LoopbackJudge(behaviour) as server:
        assert len(ask(server, 10, limits)) == 10
    assert limits.budget.used == {JUDGE: Usage(1000, 100)}


def test_a_server_that_reports_no_usage_is_billed_at_the_most() -> None:
    bare = completion("fine").replace(b'"usage"', b'"unused"')
    limits = Limits(Budget(PRICES, limit_usd=3.5 * MOST))
    with (
        LoopbackJudge(Behaviour(script=lambda _: (200, {}, bare))) as server,
        pytest.raises(BudgetError),
    ):
        ask(server, 10, limits)
    assert server.n_calls == 3


def test_requests_wait_their_turn() -> None:
    # 6,000 a minute is one every 10 ms: the last of 11 is sent 100 ms after the first.
    start = time.monotonic()
    with LoopbackJudge() as server:
        ask(server, 11, replace(Limits(), requests=Pace(6000)))
    assert time.monotonic() - start >= 0.1


def test_asking_works_inside_a_running_loop() -> None:
    async def cell() -> dict[int, Reply]:
        return ask(server, 3, Limits())

    with LoopbackJudge() as server:
        assert len(asyncio.run(cell())) == 3
