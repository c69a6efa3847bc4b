"""`sami-eval power`: how many questions for an effect, or which effect for so many."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from sami_eval.cli.flags import Json
from sami_eval.core.flags import Flag, Group
from sami_eval.core.settings import Count


def power(
    win_rate: Annotated[
        float | None, Flag("True win rate to find, e.g. 0.57; ties count half.", Group.ASKED)
    ] = None,
    questions: Annotated[Count | None, Flag("Number of questions at hand.", Group.ASKED)] = None,
    ties: Annotated[float, Flag("Expected share of ties.", Group.ASKED)] = 0.0,
    as_json: Json = False,
) -> None:
    """Say how many questions find an effect, or which effect so many questions find."""
    from sami_eval.cli.output import print_json
    from sami_eval.report.power import reckon

    found = reckon(win_rate, questions, ties)
    if as_json:
        print_json(asdict(found))
    else:
        print(found)
