"""pass@k: samples drawn in one engine, marked by a program, figures and paired differences.

problems -> samples -> answers -> figures. Every sample is in the ledger the moment it exists: more
samples, other k or a killed run ask only for the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Final

from sami_eval.core.calls import Completion, Request, Sampling
from sami_eval.core.progress import Advance, silent
from sami_eval.core.types import Model
from sami_eval.data import chat, problem_sets, unanswered
from sami_eval.data.problem_sets import Problem
from sami_eval.data.prompts import to_row
from sami_eval.data.unanswered import answers_of
from sami_eval.experiment import best_of, warned
from sami_eval.experiment.curve import meeting, passes
from sami_eval.experiment.every_k import curves
from sami_eval.experiment.forecast import EXPECTED, Bound, Forecast, bound_of
from sami_eval.experiment.frame import Result
from sami_eval.experiment.likely import of_completions, of_texts
from sami_eval.experiment.passk_document import KIND as KIND
from sami_eval.experiment.passk_document import contender_row, difference_row
from sami_eval.experiment.passk_parts import Samples, Tried, stopped
from sami_eval.experiment.passk_parts import parts as parts
from sami_eval.experiment.passk_plan import PasskPlan
from sami_eval.experiment.passk_plan import make_plan as make_plan
from sami_eval.experiment.plan import models_of, settings_row
from sami_eval.experiment.samples import Attempts, any_of_k, attempts, figures, paired
from sami_eval.generate import Engines, format_of, seen
from sami_eval.generate.complete import by_key, completed
from sami_eval.generate.contenders import Contender
from sami_eval.generate.kept import stored as stored_of
from sami_eval.generate.standing import on_embedded
from sami_eval.generate.tools import Tools
from sami_eval.ledger.store import Ledger

STAGES: Final = ("sampling", "statistics")
FORECAST: Final = "sami-eval/passk-forecast/1"
FIELDS: Final = (
    "name",
    "what",
    "base",
    "address",
    "calls",
    "stored",
    "cost_usd",
    *EXPECTED,
    "warnings",
)
PROMPTS: Final = {
    "chat": "chat template",
    "completion": "Question/Answer text (no chat template)",
    "paper": "Q/A text of the paper",
}


# Token ids by the tokenizer's path and the text. Of one run: a path may mean another in the next.
Tokens = dict[tuple[str, str], tuple[int, ...]]


def draw(plan: PasskPlan, sides: Sequence[Contender], tools: Tools) -> Samples:
    """Every sample of every contender, in one engine."""
    found, made = models_of(sides), partial(Engines, plan.engine, tools.progress)
    with tools.kept.use("samples", made) if plan.settings.until_decided else made() as engines:
        tokens = Tokens()
        requests = [request for model in found for request in requests_of(model, plan, tokens)]
        done = completed(requests, tools.ledger, engines, tools.progress, "sampling", ids=False)
        names = {model.name: engines.name_for(model) for model in found}
    return Samples(done.completions, names, {"made": done.made, "from_ledger": done.stored})


def style_of(model: Model, plan: PasskPlan) -> str:
    """How a contender is asked: a key of PROMPTS."""
    if model.engine != "local":
        return "chat"
    if plan.is_papers:
        return "paper"
    form = format_of(model)
    return "chat" if form.template or form.tokenizer.chat_template else "completion"


def requests_of(model: Model, plan: PasskPlan, tokens: Tokens) -> list[Request]:
    """A contender's requests: all samples of a problem side by side, greedy attempts behind.

    tokens: of the run's texts so far; each is tokenised once a tokenizer.
    """
    style = style_of(model, plan)
    stop = {"completion": problem_sets.COMPLETION_STOP, "paper": problem_sets.PAPER_STOP}.get(
        style, ()
    )
    if model.engine == "local":  # said here, the samples of a problem share one `Sampling`
        stop = stop or format_of(model).stop
    drawn = Sampling(plan.temperature, plan.top_p, plan.max_tokens, stop, plan.settings.seed)
    prompts = [_prompt(model, problem, plan, style, tokens) for problem in plan.problems]
    requests = [
        Request(model, messages, ids, drawn, sample)
        for messages, ids in prompts
        for sample in range(plan.samples)
    ]
    if plan.settings.greedy:
        greedy = Sampling(0.0, 1.0, plan.max_tokens, stop)
        requests += [Request(model, messages, ids, greedy) for messages, ids in prompts]
    return requests


def _prompt(
    model: Model, problem: Problem, plan: PasskPlan, style: str, tokens: Tokens
) -> tuple[chat.Messages, tuple[int, ...]]:
    """A problem as messages and token ids."""
    messages = problem_sets.messages(problem, plan.examples)
    if model.engine != "local":
        return messages, ()
    form = format_of(model)
    if style == "chat":
        text = chat.render_text(form.tokenizer, messages, form.template)
    else:
        write = problem_sets.paper_text if style == "paper" else problem_sets.completion_text
        text = (form.tokenizer.bos_token or "") + write(problem, plan.examples)
        messages = (("user", text),)
    name = (str(form.tokenizer.name_or_path), text)
    if name not in tokens:
        tokens[name] = tuple(form.tokenizer(text, add_special_tokens=False)["input_ids"])
    return messages, tokens[name]


def foresee(plan: PasskPlan, sides: Sequence[Contender], ledger: Ledger) -> Forecast:
    """What a run that starts now draws at most."""
    engines, tokens = Engines(plan.engine, silent()), Tokens()
    split = f", split {plan.split}" if plan.split else ""
    greedy = " and a greedy one" if plan.settings.greedy else ""
    drawn = f"T {plan.temperature:g}, top_p {plan.top_p:g}, {len(plan.examples)} shots"
    each = f"{plan.samples} samples a problem{greedy}, of up to {plan.max_tokens} tokens"
    return Forecast(
        (
            ("task", f"{plan.task}: {len(plan.problems)} problems of {plan.source}{split}"),
            ("sampling", drawn),
            ("answers", each),
            ("marker", plan.marker.said),
            *([("best of k", f"{plan.settings.best_of} scores each")] * bool(plan.best_of)),
        ),
        {"contenders": tuple(_yet(one, plan, engines, tokens, ledger) for one in models_of(sides))},
        {"contenders": "answers to draw"},
        {
            "schema": FORECAST,
            "task": plan.task,
            "problems": plan.source,
            "split": plan.split,
            "embedded": plan.embedded,
            "n_problems": len(plan.problems),
            "samples": plan.samples,
            "greedy": plan.settings.greedy,
            "shots": len(plan.examples),
            "temperature": plan.temperature,
            "top_p": plan.top_p,
            "max_tokens": plan.max_tokens,
            "marker": plan.marker.said,
            "best_of": plan.settings.best_of,
        },
        FIELDS,
        plan.settings.max_cost,
        plan.notes,
        plan.settings.rpm,
        plan.settings.tpm,
    )


def _yet(model: Model, plan: PasskPlan, engines: Engines, tokens: Tokens, ledger: Ledger) -> Bound:
    """The samples of one contender yet to be drawn."""
    keyed = dict(by_key(requests_of(model, plan, tokens), engines))
    stored = stored_of(keyed, ledger)
    missing = [request for name, request in keyed.items() if name not in stored]
    length = of_texts("sample", of_completions(stored.values()))
    found = bound_of(model, missing, len(stored), plan.client, length)
    return replace(found, warnings=(*found.warnings, *seen.warnings([model], plan.prompts)))


def score(plan: PasskPlan, sides: Sequence[Contender], drawn: Samples, tools: Tools) -> Tried:
    """The samples with their answers read, by contender and problem; a program marks them."""
    n_problems, n, one_by_one = len(plan.problems), plan.samples, iter(drawn.completions)
    names, tried = [model.name for model in models_of(sides)], dict[str, list[Attempts]]()
    with _marking(plan, n_problems * len(names), tools) as advance:
        for name in names:
            samples = [[next(one_by_one) for _ in range(n)] for _ in range(n_problems)]
            greedy = [next(one_by_one) if plan.settings.greedy else None for _ in range(n_problems)]
            tried[name] = []
            for row in zip(plan.problems, samples, greedy, strict=True):
                tried[name].append(attempts(*row))
                advance(1)
    if plan.best_of is None:
        return Tried(tried)
    found = best_of.rated(plan.best_of, plan.engine, tried, tools)
    return Tried(found.attempts, best_of=found.row)


def _marking(plan: PasskPlan, total: int, tools: Tools) -> AbstractContextManager[Advance]:
    """Shows how far marking is, where a marker takes its time."""
    shown = silent() if plan.marker.timeout_s is None else tools.progress
    return shown.track("marking", total)


def estimate(
    plan: PasskPlan,
    sides: Sequence[Contender],
    drawn: Samples,
    scores: Tried,
) -> Result:
    """pass@k and maj@k of every contender, and what every two differ by."""
    ks, found, tried = plan.settings.ks, models_of(sides), scores.attempts
    contenders = [
        contender_row(
            model,
            drawn.engines[model.name],
            PROMPTS[style_of(model, plan)],
            figures(tried[model.name], ks),
            curves(tried[model.name]),
            {k: any_of_k(tried[model.name], k) for k in ks} if plan.is_papers else {},
            seen.trained_on(model, plan.prompts),
        )
        for model in found
    ]
    met, above = meeting(found), [k for k in ks if k > 1]
    differences = [difference_row(one) for one in paired(tried, ks, plan.settings.seed, met)]
    chosen = paired(tried, above, plan.settings.seed, met, Attempts.best_of)
    if scores.stopping is not None:
        contenders, differences = stopped(plan, scores, contenders, differences)
    asked = next(iter(tried.values()))
    own = {
        "task": plan.task,
        "n_problems": len(asked),
        "samples": plan.samples,
        "ks": list(ks),
        "settings": _settings_row(plan, found, drawn.engines),
        "embedded": any(map(on_embedded, found)),
        "contenders": contenders,
        "differences": differences,
        "steps": passes(found, contenders),
        "best_of": scores.best_of,
        "best_of_differences": [difference_row(one) for one in chosen],
    }
    files = {
        "problems.jsonl": (to_row(one.problem.prompt) for one in asked),
        "samples.jsonl": sample_rows(tried),
    }
    notes = unanswered.notes(answers_of(contenders))
    doubts = warned.of_answers(found, plan.client.limits.reported)
    return Result(own, drawn.calls, files, tuple(notes), tuple(doubts))


def _settings_row(
    plan: PasskPlan, found: Sequence[Model], engines: Mapping[str, str]
) -> dict[str, object]:
    styles = sorted({style_of(model, plan) for model in found})
    chosen = {
        "base": plan.base.named,
        "source": plan.source,
        "split": plan.split,
        "samples": plan.samples,
        "temperature": plan.temperature,
        "top_p": plan.top_p,
        "max_tokens": plan.max_tokens,
        "shots": len(plan.examples),
        "cluster": plan.cluster,
        "n_clusters": plan.n_clusters,
        "prompt": ", ".join(PROMPTS[style] for style in styles),
        "marker": plan.marker.said,
        "marker_sha256": plan.marker.sha256,
        "engine": ", ".join(sorted(set(engines.values()))),
    }
    return settings_row(plan.settings, chosen)


def sample_rows(tried: Mapping[str, Sequence[Attempts]]) -> Iterator[dict[str, object]]:
    """A line a sample: its text, the answer read from it, whether it is right; greedy is null."""
    for name, of in tried.items():
        for one in of:
            rewards = one.rewards or (None,) * len(one.samples)
            for i, row in enumerate(zip(one.samples, one.answers, rewards, strict=True)):
                yield _sample_row(name, one, i, *row)
            if one.greedy is not None:
                yield _sample_row(name, one, None, one.greedy, one.greedy_answer)


def _sample_row(
    name: str,
    one: Attempts,
    i: int | None,
    sample: Completion,
    answer: str | None,
    reward: float | None = None,
) -> dict[str, object]:
    return {
        "problem_id": one.problem.prompt.id,
        "model": name,
        "sample": i,
        "answer": answer,
        "right": answer == one.problem.gold,
        "n_tokens": sample.n_tokens,
        "finished": sample.finished,
        "text": sample.text,
        **({"reward": reward} if one.rewards is not None and i is not None else {}),
        **({"thoughts": sample.thoughts} if sample.thoughts else {}),
    }
