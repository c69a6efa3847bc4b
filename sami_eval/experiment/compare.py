"""The main job: contenders answer, judges compare the answers, one honest comparison comes out.

prompts -> responses -> verdicts -> comparisons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Final

from sami_eval.core.comparison import Comparison
from sami_eval.core.errors import UsageError
from sami_eval.core.types import SERVED, Judge, Model, Prompt, Response, Verdict
from sami_eval.data import unanswered
from sami_eval.data.prompts import to_row
from sami_eval.experiment import ahead, warned
from sami_eval.experiment.compare_forecast import foresee as foresee
from sami_eval.experiment.compare_parts import Answers, Judgments, Taken
from sami_eval.experiment.compare_parts import parts as parts
from sami_eval.experiment.compare_plan import ComparePlan, Pair, answered
from sami_eval.experiment.compare_plan import make_plan as make_plan
from sami_eval.experiment.compare_stopped import rank_at_any_time, stopped
from sami_eval.experiment.comparison_rows import comparison_row, rank_rows
from sami_eval.experiment.corrected import with_corrected
from sami_eval.experiment.curve import win_rates
from sami_eval.experiment.document import KIND as KIND
from sami_eval.experiment.document import (
    ContenderRow,
    FailedMore,
    JudgeRow,
    Measures,
    MetRow,
    PriceRow,
)
from sami_eval.experiment.ensemble import with_judges
from sami_eval.experiment.envelope import Calls, asked_row
from sami_eval.experiment.frame import Result
from sami_eval.experiment.plan import models_of, settings_row
from sami_eval.experiment.tallies import compare, correct_pairs, round_robin
from sami_eval.generate import respond, seen
from sami_eval.generate.contenders import Contender, games, seed_of
from sami_eval.generate.standing import on_embedded
from sami_eval.generate.tools import Tools
from sami_eval.judge import Counted, checks, engines_of, judge_all, read_in_words
from sami_eval.judge.seats import Seat
from sami_eval.judge.words import Words
from sami_eval.server.prices import Prices
from sami_eval.stats.intervals import win_rate

if TYPE_CHECKING:
    from sami_eval.generate import Engines
    from sami_eval.judge.reward import Scorer

    Made = Callable[[], AbstractContextManager[Engines | Scorer]]

STAGES: Final = ("generating", "judging")
TOKENS: Final = ("prompt", "completion")


def draw(plan: ComparePlan, sides: Sequence[Contender], tools: Tools) -> Answers:
    """One answer to every turn by every contender that is still compared."""
    if plan.answers is not None:
        responses = _of(plan.prompts, plan.answers)
        return Answers(answered(plan.prompts, responses), responses)
    named = {side.name for pair in plan.pairs(sides) for side in pair}
    if not named:
        typed = " ".join(plan.settings.contenders)
        said = f"`{typed}` is `{plan.against}` itself: nothing to compare it with"
        raise UsageError(said, "name other checkpoints, or another baseline: --against NAME")
    models = models_of([side for side in sides if side.name in named])
    kept = None if plan.meeting is None else tools.kept
    responses = respond(plan.prompts, models, plan.generate, tools.ledger, tools.progress, kept)
    counted = {name: unanswered.of_responses(several) for name, several in responses.items()}
    for note in unanswered.notes(counted):
        tools.progress.say(note)
    return Answers(answered(plan.prompts, responses), responses)


def _of(
    prompts: Sequence[Prompt], responses: Mapping[str, Sequence[Response]]
) -> dict[str, list[Response]]:
    """The responses to some of the prompts."""
    ids = {prompt.id for prompt in prompts}
    return {
        name: [response for response in several if response.prompt_id in ids]
        for name, several in responses.items()
    }


def score(plan: ComparePlan, sides: Sequence[Contender], drawn: Answers, tools: Tools) -> Judgments:
    """Every judge's verdicts on every pair."""
    every = [game for pair in plan.pairs(sides) for game in games(*pair)]
    verdicts: dict[Pair, list[Verdict]] = {(a.name, b.name): [] for a, b in every}
    taken: list[Taken] = []
    # What is asked in parts is seldom much.
    words = Words(tools.ledger.path.parent) if plan.meeting is None else None
    ahead.hand_in(plan, every, drawn.prompts, drawn.responses, tools)
    # Only one judge in this process stays between parts: two may not fit beside each other.
    in_process = sum(seat.at is not None and seat.at.engine == "local" for seat in plan.seats)
    stays = plan.meeting is not None and in_process == 1
    for seat in plan.seats:
        before, calls = plan.client.limits.budget.mark(), Counted()
        arguments = seat.arguments(plan.generate.engine)
        # A judge in this process is loaded once for all pairs.
        made: Made = partial(engines_of, seat.judge, arguments, tools.progress)
        with tools.kept.use(seat.judge.name, made) if stays else made() as engines:
            for a, b in every:
                verdicts[a.name, b.name] += judge_all(
                    seat.judge,
                    drawn.prompts,
                    drawn.responses[a.name],
                    drawn.responses[b.name],
                    plan.orders,
                    plan.settings.repeats,
                    tools=tools,
                    retry_unparsed=plan.settings.retry_unparsed,
                    model=seat.at,
                    engines=engines,
                    counted=calls,
                    put=words.put if words else str,
                )
        taken.append(Taken(calls, plan.client.limits.budget.since(before)))
    return Judgments(verdicts, taken, words=words)


def estimate(
    plan: ComparePlan, sides: Sequence[Contender], drawn: Answers, scores: Judgments
) -> Result:
    """Every pair's comparison, and the ranking."""
    comparisons = correct_pairs(_compare(plan, sides, drawn, scores))
    rows = [comparison_row(comparison) for comparison in comparisons]
    ranking = rank_rows(round_robin(comparisons, plan.settings.seed))
    if scores.stopping is not None:
        found = stopped(plan, sides, scores, comparisons)
        rows = [comparison_row(*both) for both in found]
        ranking = rank_at_any_time(ranking, rows) if scores.stopping.main else ranking
    answers = [response for several in drawn.responses.values() for response in several]
    if plan.people is not None:
        rows = [
            with_corrected(row, comparison.outcomes, plan.people, answers)
            for row, comparison in zip(rows, comparisons, strict=True)
        ]
    contenders = [
        _contender_row(side, model, drawn.responses[model.name], drawn.prompts, plan.judge)
        for side in sides
        for model in side.models
        if model.name in drawn.responses  # else it is the baseline itself, under a step's name
    ]
    prices = plan.client.limits.budget.prices
    judges = [_judge_row(*both, prices) for both in zip(plan.seats, scores.taken, strict=True)]
    own = {
        "task": plan.task,
        "judge": plan.judge.name,
        "judge_model": plan.judge_models,
        "judges": judges,
        "measures": _measures(plan.judge),
        "orders": plan.settings.orders,
        "rule": plan.rule,
        "principles_shown": plan.principles_shown,
        "embedded": any(map(on_embedded, models_of(sides))),
        "settings": _settings_row(plan),
        "contenders": contenders,
        "comparisons": rows,
        "against": plan.against,
        # Of those that never met, only the baseline tells: no ranking of ours.
        "ranking": [] if plan.against else ranking,
        "curve": win_rates(sides, rows, contenders) if plan.against else [],
        "tokens": {kind: sum(row["tokens"][kind] for row in judges) for kind in TOKENS},
    }
    judged = [verdict for several in scores.by_pair.values() for verdict in several]
    said = scores.words.back(judged) if scores.words else judged
    files = files_of(drawn.prompts, answers, said)
    reported = plan.client.limits.reported
    about = plan.seats, models_of(sides), drawn.prompts, rows, judged, reported
    doubts = tuple(warned.of_comparison(*about))
    return Result(own, _all_calls(judges), files, tuple(_read_in_words(plan, judged)), doubts)


def files_of(
    prompts: Sequence[Prompt], responses: Sequence[Response], verdicts: Iterable[Verdict]
) -> dict[str, Iterable[object]]:
    """What a run's folder holds beside its document."""
    return {
        "prompts.jsonl": map(to_row, prompts),
        "responses.jsonl": responses,
        "verdicts.jsonl": verdicts,
    }


def _compare(
    plan: ComparePlan, sides: Sequence[Contender], drawn: Answers, scores: Judgments
) -> list[Comparison]:
    rule, seed = plan.rule, plan.settings.seed
    comparisons = []
    for a, b in plan.pairs(sides):
        judged = [verdict for x, y in games(a, b) for verdict in scores.by_pair[x.name, y.name]]
        seeds = seed_of(a, b)
        # A pair that stopped before others do was not asked all that its sides answered.
        met = {verdict.prompt_id for verdict in judged}
        asked = [one for one in drawn.prompts if one.id in met]
        responses = _of(asked, drawn.responses) if scores.stopping else drawn.responses
        found = compare(
            drawn.prompts,
            [response for model in a.models for response in responses[model.name]],
            [response for model in b.models for response in responses[model.name]],
            judged,
            names=(a.name, b.name),
            rule=rule,
            seed=seed,
            seed_of=seeds,
            control_style=plan.control == "length,style",
        )
        comparisons.append(with_judges(found, judged, rule, seed, seeds))
    return comparisons


def _read_in_words(plan: ComparePlan, judged: Sequence[Verdict]) -> Iterator[str]:
    for judge in (seat.judge for seat in plan.seats):
        if n := read_in_words(judge, judged):
            of = sum(verdict.judge == judge.name for verdict in judged)
            yield (
                f"judge `{judge.name}`: {n} of {of} judgments came without "
                "log-probabilities: what it says is the verdict"
            )


def _all_calls(judges: Sequence[JudgeRow]) -> Calls:
    return _calls(
        sum(row["calls"]["made"] for row in judges),
        sum(row["calls"]["from_ledger"] for row in judges),
        sum(row["calls"].get("failed", 0) for row in judges),
    )


def _calls(made: int, stored: int, failed: int) -> Calls:
    if failed:
        return {"made": made, "from_ledger": stored, "failed": failed}
    return {"made": made, "from_ledger": stored}


def _price_row(seat: Seat, prices: Prices) -> PriceRow | None:
    """What a judge's tokens cost; nothing where no server is asked."""
    if seat.at is None or seat.at.engine not in SERVED:
        return {"input": 0.0, "output": 0.0, "source": None, "date": None}
    price, listed = prices.of(seat.at), prices.entry(seat.at)
    if price is None:
        return None
    return {
        "input": price.input,
        "output": price.output,
        "source": None if listed is None else listed.source,
        "date": None if listed is None else listed.date.isoformat(),
    }


def _judge_row(seat: Seat, taken: Taken, prices: Prices) -> JudgeRow:
    tokens, calls = taken.calls.tokens, taken.calls
    return {
        "name": seat.judge.name,
        "kind": seat.judge.kind,
        "model": seat.at.named if seat.at is not None else None,
        "calls": _calls(len(calls.made), len(calls.stored), len(calls.failed)),
        "tokens": {"prompt": tokens.prompt_tokens, "completion": tokens.completion_tokens},
        "cost_usd": taken.cost_usd,
        **asked_row(seat.at),
        **_failed(calls),
        "price": _price_row(seat, prices),
    }


def _failed(calls: Counted) -> FailedMore:
    if not calls.failed:
        return {}
    ((why, _),) = Counter(calls.failed.values()).most_common(1)
    return {"failed_because": why}


def _measures(judge: Judge) -> Measures | None:
    """What a judge looks at; of a program that is not told principles, its author knows."""
    if judge.principles:
        return "principle adherence"
    return None if judge.kind in ("program", "reward") else "quality"


def _settings_row(plan: ComparePlan) -> dict[str, object]:
    chosen = {
        "base": plan.base.named,
        "judge": plan.judge.source,
        "judge_sha256": plan.judge.sha256,
        "max_tokens": plan.generate.max_tokens,
        "engine": plan.generate.engine.name,
        "rule": plan.rule,
        "control": plan.control,
    }
    return settings_row(plan.settings, chosen)


def _contender_row(
    side: Contender,
    model: Model,
    responses: Sequence[Response],
    prompts: Sequence[Prompt],
    judge: Judge,
) -> ContenderRow:
    return {
        "name": model.name,
        "contender": side.name,
        "base": model.named,
        "adapter": model.adapter,
        "engine": model.engine,
        "fingerprint": model.fingerprint,
        "n_cut": sum(ended is False for response in responses for ended in response.finished),
        "answers": unanswered.of_responses(responses),
        "trained_on": seen.trained_on(model, prompts),
        "checks_met": _checks_met(responses, prompts) if judge.program == checks.PROGRAM else None,
        "step": model.step,
        **asked_row(model),
    }


def _checks_met(responses: Sequence[Response], prompts: Sequence[Prompt]) -> MetRow:
    met = checks.met_by_question(prompts, responses)
    found, n = win_rate(met), sum(map(len, met.values()))
    return {"share": found.value, "interval": found.interval and list(found.interval), "n": n}
