"""What a model costs: by the user's table, else by its vendor's list, else nobody knows."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.config import Price
from sami_eval.core.types import Model, Usage
from sami_eval.server.budget import Budget, BudgetError, cost_usd, most_tokens, most_usd
from sami_eval.server.prices import OLD_DAYS, Listed, Prices, listed
from sami_eval.server.wire import read_usage
from tests.loopback_judge import LoopbackJudge
from tests.records import write_records
from tests.server.test_budget import request

TODAY = datetime.date(2026, 11, 29)
OPENAI = "https://api.openai.com/v1"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai/"


def at(base: str, url: str | None = OPENAI) -> Model:
    return Model(base, base, engine="openai", base_url=url)


def prices(**own: Price) -> Prices:
    return Prices(own, today=TODAY)


def test_every_entry_of_the_list_has_its_source_and_a_date_that_has_been() -> None:
    assert len(listed()) >= 30
    for one in listed():
        assert one.source.startswith("https://"), one.models
        assert datetime.date(2026, 1, 1) <= one.date <= datetime.date.today(), one.models
        assert one.price.cached is None or one.price.cached < one.price.input < one.price.output


def test_no_two_entries_hold_for_one_name_on_one_day() -> None:
    for day in (TODAY, datetime.date(2026, 12, 31), datetime.date(2027, 1, 1)):
        names = [(one.at, name) for one in listed() if one.holds(day) for name in one.models]
        assert len(names) == len(set(names))


def test_flex_costs_what_a_batch_does_and_a_dearer_tier_has_no_price() -> None:
    def tier(name: str) -> Model:
        return replace(at("gpt-5"), request=f'{{"service_tier": "{name}"}}')

    # Half of 1.25 and of 10, and the batch's own price of what is in a cache.
    assert prices().of(tier("flex")) == Price(0.625, 5.0, cached=0.0625)
    assert prices().of(tier("default")) == prices().of(at("gpt-5"))
    assert prices().of(tier("priority")) is None
    assert prices(**{"gpt-5": Price(1.0, 2.0)}).of(tier("flex")) == Price(1.0, 2.0)


def test_a_price_holds_at_the_vendors_own_address_alone() -> None:
    assert prices().of(at("gpt-4o")) == Price(2.5, 10.0, cached=1.25, batch=0.5)
    for url in (
        "http://api.openai.com/v1",  # not by https
        "https://eu.api.openai.com/v1",  # a region costs more
        "https://api.openai.com.example.org/v1",
        "https://api.openai.com:8443/v1",
        "http://127.0.0.1:8000/v1",
        "https://openrouter.ai/api/v1",
    ):
        assert prices().of(at("gpt-4o", url)) is None
    assert prices().of(at("openai/gpt-4o", "https://openrouter.ai/api/v1")) is not None
    assert prices().of(at("openai/gpt-4o")) is None
    assert prices().of(Model("d", "gpt-4o", engine="azure", base_url="https://x.azure.com")) is None
    assert prices().of(Model("gpt-4o", "gpt-4o")) is None  # a folder of that name


def test_only_a_snapshot_that_is_listed_costs_what_its_model_does() -> None:
    assert prices().of(at("gpt-4o-2024-08-06")) == prices().of(at("gpt-4o"))
    for other in ("gpt-4o-2024-05-13", "gpt-4o-latest", "GPT-4o", "gpt-4o ", "ft:gpt-4o:me"):
        assert prices().of(at(other)) is None


def test_the_users_table_wins_at_every_address() -> None:
    mine = Price(1.0, 2.0)
    table = Prices({"gpt-4o": mine}, "http://127.0.0.1:1/v1", TODAY)
    assert table.of(at("gpt-4o")) == table.of(at("gpt-4o", None)) == mine
    assert table.entry(at("gpt-4o")) is None


def test_a_model_without_an_address_is_priced_where_it_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert prices().of(at("gpt-4o", None)) is not None
    assert Prices({}, "http://127.0.0.1:1/v1").of(at("gpt-4o", None)) is None
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert prices().of(at("gpt-4o", None)) is None


def test_an_announced_change_comes_on_its_day() -> None:
    flash = at("gemini-3.8-flash", GEMINI)
    cost = [Prices(today=datetime.date(*day)).of(flash) for day in ((2026, 12, 31), (2027, 1, 1))]
    assert [price and price.input for price in cost] == [0.75, 1.5]


def test_an_old_price_is_said_in_one_line_and_a_users_own_never_is() -> None:
    asked = [at("gpt-4o"), at("gpt-4o"), at("unheard-of")]
    (date,) = {one.date for one in listed() if "gpt-4o" in one.models}
    of_age, too_old = (date + datetime.timedelta(OLD_DAYS + more) for more in (0, 1))
    assert Prices(today=of_age).aged(asked) == []
    (line,) = Prices(today=too_old).aged(asked)
    assert str(date) in line
    assert "https://" in line
    assert '[prices."gpt-4o"]' in line
    assert Prices({"gpt-4o": Price(1.0, 2.0)}, today=too_old).aged(asked) == []


def test_cached_tokens_cost_what_the_vendor_asks_for_them() -> None:
    usage = Usage(1_000_000, 0, cached_tokens=400_000)
    assert cost_usd(usage, Price(2.5, 10.0, cached=1.25)) == pytest.approx(0.6 * 2.5 + 0.4 * 1.25)
    assert cost_usd(usage, Price(2.5, 10.0)) == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("row", "usage"),
    [
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 8}}, Usage(9, 1, 8)),
        ({"prompt_tokens": 9, "prompt_tokens_details": None}, Usage(9, 1)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": "x"}}, Usage(9, 1)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 10}}, Usage(9, 1, 9)),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}, Usage(9, 1, 4)),
        ({"prompt_tokens": 9, "cached_content_token_count": 4}, Usage(9, 1, 4)),
        # Anthropic counts them beside the others.
        (
            {"input_tokens": 2, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 1},
            Usage(8, 1, 5, 1),
        ),
    ],
)
def test_cached_tokens_are_read_in_every_vendors_names(
    row: dict[str, object], usage: Usage
) -> None:
    assert read_usage({**row, "completion_tokens": 1}) == usage


def test_tokens_put_into_a_cache_cost_what_the_table_says_else_an_unknown_amount() -> None:
    usage = Usage(1000, 10, written_tokens=400)
    known = {"gpt-5": Price(2.0, 10.0, cache_write=2.5)}
    budget, asked = Budget(known, limit_usd=1.0), replace(request(), model=at("gpt-5"))
    assert budget.reserve(asked)
    budget.settle(asked, usage)
    assert budget.spent_usd == pytest.approx((600 * 2 + 400 * 2.5 + 10 * 10) / 1e6)
    assert Price(2.0, 10.0, cache_write=2.5, batch=0.5).in_batch() == Price(1, 5, 1, 1.25)
    most, plain = most_tokens(asked), Price(2.0, 10.0)
    assert most_usd(most, known["gpt-5"]) > most_usd(most, plain) == cost_usd(most, plain)
    unknown = Budget({"gpt-5": Price(2.0, 10.0)}, limit_usd=1.0)
    assert unknown.reserve(asked)
    unknown.settle(asked, usage)
    assert unknown.spent_usd is None
    # The limit counts the dearest write there is: twice the input's price.
    assert unknown.gone_usd == pytest.approx((600 * 2 + 400 * 4 + 10 * 10) / 1e6)


def test_a_batch_costs_its_share_and_is_not_known_where_none_is_listed() -> None:
    assert Price(2.0, 8.0, cached=0.5, batch=0.5).in_batch() == Price(1.0, 4.0, cached=0.5)
    assert Price(2.0, 8.0, batch=0.5).in_batch() == Price(1.0, 4.0, cached=1.0)
    listed_so = Price(2.0, 8.0, cached=0.2, batch=0.5, batch_cached=0.1)
    assert listed_so.in_batch() == Price(1.0, 4.0, cached=0.1)
    assert Price(2.0, 8.0).in_batch() is None


def test_a_prompt_longer_than_its_price_holds_for_has_an_unknown_cost() -> None:
    asked = replace(request(), model=at("gpt-6-luna"))  # up to 272,000 tokens
    budget = Budget()
    assert budget.reserve(asked)
    budget.settle(asked, Usage(272_000, 1))
    assert budget.spent_usd == pytest.approx((272_000 * 0.1 + 0.5) / 1e6)
    assert budget.reserve(asked)
    budget.settle(asked, Usage(272_001, 1))
    assert budget.spent_usd is None
    long = replace(asked, messages=(("user", "x" * 600_000),))
    with pytest.raises(BudgetError, match="272,000 tokens"):
        Budget(limit_usd=100.0).reserve(long)


def test_one_name_at_two_addresses_is_two_prices() -> None:
    budget = Budget()
    for url in (OPENAI, GEMINI):
        asked = replace(request(), model=at("gpt-4o", url))
        assert budget.reserve(asked)
        budget.settle(asked, Usage(1_000_000, 0))
    assert budget.spent_usd is None  # of the second nothing is known
    assert budget.gone_usd == pytest.approx(2.5)


@pytest.mark.parametrize("command", ["compare", "contrast"])
def test_every_command_says_an_old_price_before_the_first_call_and_once(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    long_ago = Listed("h", ("x",), Price(1.0, 2.0), "https://h/prices", datetime.date(2020, 1, 1))
    monkeypatch.setattr(Prices, "entry", lambda self, model: long_ago)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
    write_records(folder, 4)
    asked = {
        "compare": ["one.jsonl", "two.jsonl", "--judge", "quality", "--judge-model", "openai:x"],
        "contrast": ["--constitutions", "verifiable-math", "--model", "openai:x", "--out", "c"],
    }
    with LoopbackJudge() as server:
        line = [command, *asked[command], "--prompts", "q.jsonl", "--base-url", server.url]
        cli.run(line)
        assert server.n_calls > 1
    said = capsys.readouterr().err
    assert said.count("the price of `x` is of 2020-01-01") == 1
