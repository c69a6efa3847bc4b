"""What our figure says of the published one, and what a reproduction would take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval.core.config import Config, Price
from sami_eval.experiment.reproduce.beside import words
from sami_eval.experiment.reproduce.expect import Need, accepted, needs
from sami_eval.experiment.reproduce.scale import read_scale

NOTHING = Config(root=Path())


@pytest.mark.parametrize(
    ("value", "interval", "significant", "published", "said"),
    [
        (0.60, (0.55, 0.65), True, 0.5815, "as published: A ahead"),
        (0.40, (0.35, 0.45), True, 0.5815, "against the paper: B ahead"),
        (0.52, (0.45, 0.59), False, 0.5815, "inside our interval"),
        (0.51, (0.49, 0.53), False, 0.5815, "outside our interval"),
        (0.60, (0.55, 0.65), True, None, "A ahead"),
        (0.52, (0.45, 0.59), False, None, "no difference found"),
        (0.60, (0.55, 0.65), True, 0.5, "A ahead, where the paper had none"),
        (0.52, (0.45, 0.59), False, 0.5, "no difference found, as in the paper"),
        (None, None, False, 0.5815, "nothing can be said: no data"),
    ],
)
def test_words_follow_significance_and_direction(
    value: float | None,
    interval: tuple[float, float] | None,
    significant: bool,
    published: float | None,
    said: str,
) -> None:
    assert words("A", "B", value, interval, significant, published, 0.5).endswith(said)


def test_a_gain_is_even_at_zero() -> None:
    assert words("A", "B", 0.02, (0.01, 0.03), True, 0.011, 0.0) == "as published: A ahead"
    assert words("A", "B", -0.02, (-0.03, -0.01), True, 0.011, 0.0) == "against the paper: B ahead"


def by_stage(experiment: str) -> dict[str, tuple[int, int, int]]:
    found = needs(experiment, read_scale("paper"), NOTHING, None)
    return {need.stage: (need.calls, need.tokens_in, need.tokens_out) for need in found}


def test_the_papers_first_experiment_by_hand() -> None:
    # 19,663 prompts, 2 constitutions: 39,326 responses of 300 tokens to 150 + 160.
    # 90% accepted: 17,697 contrasts; 64 a step: 276.5 -> 277 steps.
    # SFT 2 rows of 610; DPO 2 x 2 rows of 610; SAMI 2 rows of 310 + 2 x 300 = 910.
    # Answers: 2 ways (shown, not) x 3 models x 80 x 2 turns = 960 of 350; 180 in, and the second
    # turn 180 + 350 more. Judged: 3 ways x 3 pairs x 160 turns x 2 orders = 2,880 calls of
    # 500 + 1.5 x (180 + 2 x 350) = 1,820 tokens.
    n = 17_697
    assert by_stage("mtbench") == {
        "contrasts": (39_326, 39_326 * 310, 39_326 * 300),
        "sft": (277, n * 2 * 610, 0),
        "dpo": (277, n * 4 * 610, 0),
        "sami": (277, n * 2 * 910, 0),
        "responses": (960, 960 * 180 + 480 * 530, 960 * 350),
        "judging": (2_880, 2_880 * 1_820, 2_880 * 300),
    }


def test_the_papers_second_experiment_by_hand() -> None:
    # 7,500 prompts; 60% accepted is 4,500, of which 4,000 are kept: 62.5 -> 63 steps.
    # SFT learns from worked answers alone: 1 row of 610 a contrast. Two ways of sampling, 4 models,
    # 1,319 problems, 32 samples and a greedy one: 348,216 answers of 200.
    assert by_stage("gsm8k") == {
        "contrasts": (15_000, 15_000 * 310, 15_000 * 300),
        "sft": (63, 4_000 * 610, 0),
        "sami": (63, 4_000 * 2 * 910, 0),
        "sft+sami": (63, 4_000 * 2 * 910, 0),
        "samples": (348_216, 348_216 * 180, 348_216 * 200),
    }
    assert accepted(read_scale("paper").gsm8k.contrasts, 0.6) == 4_000


def test_judging_costs_what_the_price_table_says() -> None:
    # 5,241,600 tokens in at $2.5 and 864,000 out at $10 a million: $13.104 + $8.64.
    scale = read_scale("paper")
    assert needs("mtbench", scale, NOTHING, None)[-1].cost_usd == pytest.approx(21.744)
    cheap = replace(NOTHING, prices={"gpt-4o": Price(0.25, 1.0)})  # the user's own table wins
    assert needs("mtbench", scale, cheap, None)[-1].cost_usd == pytest.approx(2.1744)
    assert needs("mtbench", scale, NOTHING, "openai:unheard-of")[-1].cost_usd is None


@pytest.mark.parametrize("experiment", ["mtbench", "gsm8k"])
@pytest.mark.parametrize("writer", ["openai:gpt-4o", "strong", "azure"])
def test_a_writer_at_a_server_is_paid(experiment: str, writer: str) -> None:
    named = {
        "strong": {"base": "openai:gpt-4o"},
        "azure": {"engine": "azure", "base": "gpt-4o"},
        "unpriced": {"base": "openai:mine"},
    }
    config, scale = replace(NOTHING, models=named), read_scale("paper")

    def contrasts(name: str) -> Need:
        of = getattr(scale, experiment)
        written = replace(of, contrasts=replace(of.contrasts, writer=name))
        return needs(experiment, replace(scale, **{experiment: written}), config, None)[0]

    need = contrasts(writer)
    # At $2.5 and $10 a million; sixteen calls at a time, ten seconds each.
    assert need.cost_usd == pytest.approx(need.calls * (310 * 2.5 + 300 * 10) / 1e6)
    assert need.seconds == pytest.approx(need.calls / 1.6)
    assert contrasts("unpriced").cost_usd is None
    assert contrasts("base").cost_usd == contrasts("some/hub-model").cost_usd == 0.0


def test_a_judge_in_this_process_costs_nothing() -> None:
    scale = read_scale("paper")
    assert needs("mtbench", scale, NOTHING, "vllm:some/judge")[-1].cost_usd == 0.0
    assert needs("mtbench", scale, NOTHING, "gpt-4o")[-1].cost_usd is None  # will be refused


def test_a_program_judges_for_nothing() -> None:
    judging = needs("mtbench", read_scale("embedded"), NOTHING, None)[-1]
    assert (judging.calls, judging.cost_usd) == (0, 0.0)


def test_time_is_tokens_over_the_scales_rate() -> None:
    scale = read_scale("paper")
    found = {need.stage: need.seconds for need in needs("mtbench", scale, NOTHING, None)}
    assert found["contrasts"] == pytest.approx(90 + 39_326 * 300 / 5_000)
    assert found["sami"] == pytest.approx(90 + 17_697 * 2 * 910 / 6_160)
    # The frozen reference reads DPO's rows too, forward alone: a third more.
    assert found["dpo"] == pytest.approx(90 + 17_697 * 4 * 610 * 4 / 3 / 6_160)


def test_figures_judged_without_principles_stand_beside_the_papers_range() -> None:
    even = words("SAMI", "DPO", 0.505, [0.47, 0.54], False, None, 0.5, between=(0.49, 0.51))
    assert even.endswith("the paper's pairings lie in 49% to 51%, and so does ours")
    apart = words("SAMI", "DPO", 0.7, [0.65, 0.75], True, None, 0.5, between=(0.49, 0.51))
    assert apart.endswith("outside our interval")
