"""`sami-eval lm-eval`: lm_eval with our tasks and our model class."""

from __future__ import annotations

import typer

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def lm_eval(context: typer.Context) -> None:
    """Run lm_eval with our tasks and --model sami-eval; every argument is passed on.

    sami-eval lm-eval --model sami-eval --model_args models=[base,sft] --tasks gsm8k_passk
    """
    from sami_eval.harness.command import run

    run(context.args)
