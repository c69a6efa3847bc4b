"""What a training's checkpoints say in JSON, a row a step."""

from __future__ import annotations

from typing import TypedDict


class EstimateRow(TypedDict):
    """A figure with its 95% interval."""

    value: float | None
    interval: list[float] | None


class MetRow(TypedDict):
    """Of the n checks of a model's turns, the share that is met; questions are the clusters."""

    share: float | None
    interval: list[float] | None
    n: int


class KlRow(TypedDict):
    """The KL divergence from where a training began, as its log has it; of seeds the mean."""

    value: float
    source: str


class StepRow(TypedDict):
    """A checkpoint against the baseline; figures as in its comparison. checks_met: of one seed."""

    training: str
    step: int
    contender: str
    win_rate: float | None
    interval: list[float] | None
    p_adjusted: float | None
    significant: bool
    n_questions: int
    checks_met: MetRow | None
    kl: KlRow | None


class PasskStepRow(TypedDict):
    """A checkpoint's figures by k, as the contender's."""

    training: str
    step: int
    contender: str
    pass_at_k: dict[str, EstimateRow]
    kl: KlRow | None
