"""The intervals around a judge of known behaviour hold its true rates as often as they claim.

The judge says tie with probability t; else it takes the first answer with probability b, unread;
else it prefers the better answer with probability q. Where the better answer stands first, the
verdict is for the first with P = b + (1 - b) q; where it stands second, the verdict is for it with
R = (1 - b) q. A turn is judged in both orders, and anything but one winner in both is a tie, so

    the better answer wins a turn with     W = (1 - t)^2 P R
    it loses one with                      L = (1 - t)^2 (1 - P) (1 - R)
    both orders agree, ties included, with C = W + L + t^2
    the first answer is chosen among decided verdicts with (P + 1 - R) / 2 = (1 + b) / 2

Model a writes the better answer to a question with probability s, so that its win rate, ties
counting half, is 1/2 + (2 s - 1) (W - L) / 2.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from sami_eval.core.calls import Reply
from sami_eval.core.comparison import Comparison, Estimate
from sami_eval.core.config import Config
from sami_eval.core.progress import silent
from sami_eval.core.types import Order, Prompt, Response, Verdict, Winner
from sami_eval.experiment.tallies import compare
from sami_eval.generate.tools import Tools
from sami_eval.judge import BOTH, judge_all, read_judge, render
from sami_eval.judge.verdicts import read_reply
from sami_eval.ledger.store import Ledger
from sami_eval.server.client import ClientSettings
from tests.loopback_judge import Behaviour, LoopbackJudge, reply_text

N_QUESTIONS, N_SEEDS = 80, 200
QUALITY = read_judge("quality")
OTHER: dict[Winner | None, Winner | None] = {"a": "b", "b": "a", "tie": "tie", None: None}
PROMPTS = [Prompt(str(i), "x", (f"Say {i}.", "Again.")) for i in range(N_QUESTIONS)]


@dataclass(frozen=True)
class Known:
    """q, b and t of the judge, and how often model a is the better one."""

    better: float
    first: float
    tie: float
    share: float

    def true(self) -> tuple[float, float, float]:
        """Win rate of a, first-position rate, consistency."""
        p = self.first + (1 - self.first) * self.better
        r = (1 - self.first) * self.better
        won, lost = (1 - self.tie) ** 2 * p * r, (1 - self.tie) ** 2 * (1 - p) * (1 - r)
        win_rate = 0.5 + (2 * self.share - 1) * (won - lost) / 2
        return win_rate, (1 + self.first) / 2, won + lost + self.tie**2

    def behaviour(self, seed: int) -> Behaviour:
        return Behaviour(
            better_rate=self.better, first_rate=self.first, tie_rate=self.tie, seed=seed
        )


CASES = [
    Known(better=0.9, first=0.0, tie=0.0, share=1.0),
    Known(better=0.8, first=0.2, tie=0.1, share=0.7),
    Known(better=0.6, first=0.5, tie=0.0, share=0.5),
]


def test_the_true_rates_of_a_case_worked_out_by_hand() -> None:
    # q = .8, b = .5, t = .5: P = .5 + .5 x .8 = .9, R = .4; a quarter of turns has no tie verdict,
    # W = .36 / 4 = .09, L = .1 x .6 / 4 = .015, C = .09 + .015 + .25.
    win_rate, first, consistency = Known(0.8, 0.5, 0.5, 1.0).true()
    assert win_rate == pytest.approx(0.5 + (0.09 - 0.015) / 2)
    assert first == 0.75
    assert consistency == pytest.approx(0.355)


def answers(known: Known, seed: int) -> tuple[list[Response], list[Response]]:
    """Both models' answers; which of them is better is drawn question by question."""
    rng = random.Random(seed)
    stronger = [rng.random() < known.share for _ in PROMPTS]
    a, b = (
        [
            Response(p.id, name, tuple(f"{name} {t} strength {1 + (wins == up)}" for t in (1, 2)))
            for p, wins in zip(PROMPTS, stronger, strict=True)
        ]
        for name, up in (("a", True), ("b", False))
    )
    return a, b


def judged(known: Known, seed: int) -> Comparison:
    """The comparison of what the judge says to every conversation it would be sent."""
    a, b = answers(known, seed)
    verdicts = [
        Verdict(prompt.id, turn, "quality", "a", "b", first, 0, _winner(known, seed, said, first))
        for prompt, one, other in zip(PROMPTS, a, b, strict=True)
        for turn in (0, 1)
        for first in BOTH
        for said in [render(QUALITY, prompt, turn, one, other, first)]
    ]
    return compare(PROMPTS, a, b, verdicts, seed=seed)


def _winner(
    known: Known, seed: int, said: tuple[tuple[str, str], ...], first: Order
) -> Winner | None:
    messages = [{"role": role, "content": text} for role, text in said]
    text = reply_text(messages, known.behaviour(seed))
    winner = read_reply(Reply(text), QUALITY).winner
    return winner if first == "a" else OTHER[winner]


def estimates(comparison: Comparison) -> list[Estimate]:
    tally = comparison.total
    rate = Estimate(tally.win_rate, tally.interval)
    return [rate, tally.first_position_rate, tally.consistency]


@pytest.mark.slow
@pytest.mark.parametrize("known", CASES)
def test_intervals_cover_the_truth_as_often_as_they_claim(known: Known) -> None:
    covered = [0, 0, 0]
    for seed in range(N_SEEDS):
        for i, (found, true) in enumerate(
            zip(estimates(judged(known, seed)), known.true(), strict=True)
        ):
            assert found.interval is not None
            covered[i] += found.interval[0] <= true <= found.interval[1]
    assert all(0.9 <= n / N_SEEDS <= 0.99 for n in covered), covered


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_server_says_what_its_reply_function_says(seed: int, tmp_path: Path) -> None:
    known = CASES[1]
    a, b = answers(known, seed)
    with (
        LoopbackJudge(known.behaviour(seed)) as server,
        Ledger(tmp_path / "ledger.db") as ledger,
    ):
        settings = ClientSettings(server.url)
        verdicts = judge_all(
            QUALITY,
            PROMPTS,
            a,
            b,
            tools=Tools(Config(Path.cwd()), ledger, silent(), settings),
        )
    asked, drawn = compare(PROMPTS, a, b, verdicts, seed=seed), judged(known, seed)
    assert asked == drawn
