"""What a run would do and cost at most: nothing is started, asked or written."""

from __future__ import annotations

from sami_eval import models
from sami_eval.config import Config
from sami_eval.contenders import n_games, seeds_of
from sami_eval.errors import UsageError
from sami_eval.plan import Plan, Settings, make_plan


def describe(settings: Settings, config: Config) -> str:
    """What a run would do, as text; nothing is done."""
    plan = make_plan(settings, config)
    n_turns = sum(len(prompt.turns) for prompt in plan.prompts)
    n = sum(max(1, len(seeds_of(spec, config))) for spec in settings.contenders)
    calls = n_games(settings.contenders, config) * n_turns * len(plan.orders) * settings.repeats
    lines = [
        f"task        {plan.task}: {len(plan.prompts)} questions, {n_turns} turns",
        f"base        {plan.base.base}",
        *(f"contender   {spec}: {_state(spec, plan)}" for spec in settings.contenders),
        f"principles  {'shown' if plan.principles_shown else 'not shown'} to the contenders",
        f"answers     at most {n * n_turns} of up to {plan.generate.max_tokens} tokens",
        _judge_line(plan, calls),
    ]
    return "\n".join(lines)


def _state(spec: str, plan: Plan) -> str:
    try:
        found = models.resolve_all([spec], plan.base_spec, config=plan.config)
    except UsageError as error:
        # A missing adapter can be made; anything else is the user's error.
        if "sami-eval align" in error.hint and (plan.embedded or plan.settings.train):
            return "its adapter is missing and would be trained"
        raise
    return ", ".join(model.adapter or model.base for model in found)


def _judge_line(plan: Plan, calls: int) -> str:
    if plan.judge_at is None:
        return f"judge       {plan.judge.name}, a program: {calls} verdicts, no calls"
    model = plan.judge_at.base
    return f"judge       {plan.judge.name} ({model}): at most {calls} calls"
