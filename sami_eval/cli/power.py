"""`sami-eval power`: how many questions for an effect, or which effect for so many."""

from __future__ import annotations

from typing import Annotated

from sami_eval.cli.flags import Json
from sami_eval.core.errors import UsageError
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
    from sami_eval.report.figures import interval_text
    from sami_eval.stats import detectable, questions_needed
    from sami_eval.stats.power import Gains, pilot_interval, range_of

    if win_rate is None and questions is None:
        raise UsageError("nothing to compute", "sami-eval power --win-rate 0.57 --questions 80")
    if not 0 <= ties < 1:
        raise UsageError(f"`--ties` is `{ties}`", "a share from 0 to below 1")
    if win_rate is not None and not (0 < win_rate < 1 and ties / 2 <= win_rate <= 1 - ties / 2):
        raise UsageError(
            f"`--win-rate` is `{win_rate}`", f"a share between {ties / 2:g} and {1 - ties / 2:g}"
        )
    needed = None if win_rate is None else questions_needed(win_rate, ties=ties)
    smallest = None if questions is None else detectable(questions, ties=ties)
    seen = allows = None
    if win_rate is not None and questions is not None:
        seen = pilot_interval(win_rate, ties, questions)
        allows = range_of(seen, Gains((1 - ties) / 4), (1 - ties) / 2)
    if as_json:
        print_json(
            {
                "schema": "sami-eval/power/1",
                "win_rate": win_rate,
                "questions": questions,
                "ties": ties,
                "questions_needed": needed,
                "detectable": smallest,
                "pilot_interval": None if seen is None else list(seen),
                "needed_range": None if allows is None else list(allows),
            }
        )
        return
    at = "one verdict a question, 80% power, 5% two-sided"
    if ties:
        at = f"one verdict a question, {ties:.0%} ties, 80% power, 5% two-sided"
    if win_rate is not None and needed is None:
        print("a win rate of 50% is no effect: no number of questions finds it")
    elif win_rate is not None:
        print(f"a true win rate of {win_rate:.1%} needs {needed:,} questions or more ({at})")
    if smallest is not None:
        low, high = 0.5 - smallest, 0.5 + smallest
        print(f"{questions:,} questions find a win rate beyond {low:.1%} or {high:.1%} ({at})")
    elif questions is not None:
        print(f"{questions:,} questions find no win rate with 80% power ({at})")
    if seen is not None and allows is not None:
        fewest, most = allows
        span = f"more than {fewest:,}" if most is None else f"{fewest:,} to {most:,}"
        print(
            f"were {win_rate:.1%} what {questions:,} questions showed, the true rate could be "
            f"anywhere in {interval_text(seen)}%: {span} questions"
        )
