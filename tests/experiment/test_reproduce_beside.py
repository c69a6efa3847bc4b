"""What our figure says of the published one, and what a reproduction would take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval.core.config import Config, Price
from sami_eval.experiment.reproduce.beside import words
from sami_eval.experiment.reproduce.expect import Need, accepted, needs
from sami_eval.experiment.reproduce.scale import Scale, read_scale

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
    # turn 180 + 350 more. Judged, 3 times: 3 pairs x 160 turns x 2 orders = 960 calls of
    # 500 + 1.5 x (180 + 2 x 350) = 1,820 tokens.
    n = 17_697
    assert by_stage("mtbench") == {
        "contrasts": (39_326, 39_326 * 310, 39_326 * 300),
        "sft": (277, n * 2 * 610, 0),
        "dpo": (277, n * 4 * 610, 0),
        "sami": (277, n * 2 * 910, 0),
        "responses": (960, 960 * 180 + 480 * 530, 960 * 350),
        **dict.fromkeys(("shown", "shown-plain", "plain"), (960, 960 * 1_820, 960 * 300)),
    }


def test_the_papers_second_experiment_by_hand() -> None:
    # 7,500 prompts; 60% accepted is 4,500, of which 4,000 are kept: 62.5 -> 63 steps.
    # SFT learns from worked answers alone: 1 row of 610 a contrast. Sampled twice: 4 models,
    # 1,319 problems, 32 samples and a greedy one: 174,108 answers of 200.
    assert by_stage("gsm8k") == {
        "contrasts": (15_000, 15_000 * 310, 15_000 * 300),
        "sft": (63, 4_000 * 610, 0),
        "sami": (63, 4_000 * 2 * 910, 0),
        "sft+sami": (63, 4_000 * 2 * 910, 0),
        "samples": (174_108, 174_108 * 180, 174_108 * 200),
        "as-paper": (174_108, 174_108 * 180, 174_108 * 200),
    }
    assert accepted(read_scale("paper").gsm8k.writings[0], 0.6) == 4_000


def judging(scale: Scale, config: Config, judge: str | None) -> list[Need]:
    """The needs of the comparisons."""
    names = {step.name for step in scale.mtbench.steps if step.do == "compare"}
    return [need for need in needs("mtbench", scale, config, judge) if need.stage in names]


def test_judging_costs_what_the_price_table_says() -> None:
    # Three times 1,747,200 tokens in at $2.5 and 288,000 out at $10 a million: $4.368 + $2.88.
    scale = read_scale("paper")
    assert [need.cost_usd for need in judging(scale, NOTHING, None)] == [pytest.approx(7.248)] * 3
    cheap = replace(NOTHING, prices={"gpt-4o": Price(0.25, 1.0)})  # the user's own table wins
    assert [need.cost_usd for need in judging(scale, cheap, None)] == [pytest.approx(0.7248)] * 3
    assert judging(scale, NOTHING, "openai:unheard-of")[-1].cost_usd is None


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
        course = scale.course(experiment)
        first = replace(course.steps[0], of=replace(course.writings[0], writer=name))
        written = replace(course, steps=(first, *course.steps[1:]))
        return needs(experiment, replace(scale, **{experiment: written}), config, None)[0]

    need = contrasts(writer)
    # At $2.5 and $10 a million; sixteen calls at a time, ten seconds each.
    assert need.cost_usd == pytest.approx(need.calls * (310 * 2.5 + 300 * 10) / 1e6)
    assert need.seconds == pytest.approx(need.calls / 1.6)
    assert contrasts("unpriced").cost_usd is None
    assert contrasts("base").cost_usd == contrasts("some/hub-model").cost_usd == 0.0


def test_a_judge_in_this_process_costs_nothing() -> None:
    scale = read_scale("paper")
    assert judging(scale, NOTHING, "vllm:some/judge")[-1].cost_usd == 0.0
    assert judging(scale, NOTHING, "gpt-4o")[-1].cost_usd is None  # will be refused


def test_a_program_judges_for_nothing() -> None:
    found = judging(read_scale("embedded"), NOTHING, None)
    assert [(need.calls, need.cost_usd) for need in found] == [(0, 0.0)] * 3


def test_answers_that_no_step_drew_before_are_of_the_step_that_is_the_first_to_need_them(
    tmp_path: Path,
) -> None:
    gone = 'like = "embedded"\n[[mtbench.steps]]\nname = "responses"\nskip = true\n'
    (tmp_path / "mine.toml").write_text(gone)
    found = needs("mtbench", read_scale(str(tmp_path / "mine.toml")), NOTHING, None)
    # 3 models, 240 questions of 2 turns; those of `plain` are those of `hidden`.
    asked = [(need.stage, need.calls, need.unit) for need in found[-3:]]
    assert asked == [("shown", 1_440, "answers"), ("hidden", 1_440, "answers"),
                     ("plain", 0, "calls")]  # fmt: skip


def test_pairs_orders_and_repeats_are_those_of_the_step(tmp_path: Path) -> None:
    more = """like = "paper"
[mtbench.compare]
contenders = { SAMI = "sft+sami", DPO = "sft+dpo", SFT = "sft", base = "base" }
orders = "one"
repeats = 3
"""
    (tmp_path / "mine.toml").write_text(more)
    found = judging(read_scale(str(tmp_path / "mine.toml")), NOTHING, None)
    assert found[0].calls == 6 * 160 * 1 * 3  # four contenders are six pairs


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
