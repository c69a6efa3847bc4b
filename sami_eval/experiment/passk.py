"""pass@k: contenders and problems in, samples drawn in one engine, figures out.

problems -> samples -> answers -> figures and paired differences -> PasskDocument. Every sample is
in the ledger the moment it exists: more samples, other k or a killed run ask only for the rest.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from sami_eval.align.adapters import ensure_in
from sami_eval.core.calls import Completion, Request, Sampling
from sami_eval.core.config import Config, find_config
from sami_eval.core.progress import Progress, silent
from sami_eval.core.settings import made
from sami_eval.core.stages import Stages
from sami_eval.core.types import Model
from sami_eval.core.versions import versions
from sami_eval.data import chat, gsm8k, unanswered
from sami_eval.data.gsm8k import Problem
from sami_eval.data.prompts import to_row
from sami_eval.data.unanswered import answers_of
from sami_eval.experiment import runs
from sami_eval.experiment.document import dump
from sami_eval.experiment.passk_document import (
    DOCUMENT,
    EXTRACTOR,
    SCHEMA,
    PasskDocument,
    contender_row,
    difference_row,
)
from sami_eval.experiment.passk_plan import Plan, make_plan, resolve
from sami_eval.experiment.run import shown
from sami_eval.experiment.samples import Attempts, any_of_k, attempts, figures, paired
from sami_eval.experiment.settings import PasskSettings
from sami_eval.generate import Engines, complete, format_of, models, seen
from sami_eval.generate.complete import by_key
from sami_eval.generate.kept import stored as stored_of
from sami_eval.generate.standing import on_embedded
from sami_eval.generate.tools import Tools
from sami_eval.ledger.store import Ledger, atomic_write

IDENTICAL = 0.5  # share of problems from which identical samples are warned of
PROMPTS = {
    "chat": "chat template",
    "completion": "Question/Answer text (no chat template)",
    "paper": "Q/A text of the paper",
}


def passk(
    *contenders: str,
    config: Config | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> PasskDocument:
    """Measure pass@k and return the result: `sami-eval passk` from Python.

    settings: fields of `PasskSettings`, e.g. ks=(1, 10), samples=32, base="...", limit=20.
    config: the nearest `sami-eval.toml` by default. progress: nothing is shown by default.
    Returns the document that `--json` prints (docs/formats.md); it is saved as a run, too.
    Raises UsageError for a wrong setting or file, KeyMissingError, and SamiEvalError where a
    server fails: the same call goes on from what is stored.
    """
    asked = made(PasskSettings, "passk", {"contenders": contenders, **settings})
    return run_passk(asked, config or find_config(Path.cwd()), progress or silent())


def run_passk(
    settings: PasskSettings,
    config: Config,
    progress: Progress,
    command: str = "",
    replace: bool = False,
) -> PasskDocument:
    """Sample, score and save; what is stored already is not drawn again.

    replace: a run of other settings in the folder that is named gives way.
    """
    plan, stages = make_plan(settings, config), Stages()
    # Nothing is spent where nothing could be saved.
    runs.claim(settings.out or config.root / "runs")
    for note in plan.notes:
        progress.say(note)
    with Ledger(config.ledger_path, say=progress.say) as ledger, ExitStack() as held:
        with stages.stage("adapters"):
            found = resolved(plan, ensure_in(Tools(config, ledger, progress), settings.train))
            for warning in seen.warnings(found, plan.prompts):
                progress.say(warning)
        settings_key = plan.key(found)
        folder = held.enter_context(_claimed(plan, settings_key, progress, replace))
        with stages.stage("sampling"), Engines(plan.engine, progress) as engines:
            requests = [requests_of(model, plan) for model in found]
            flat = [request for several in requests for request in several]
            keys = dict(by_key(flat, engines))
            stored = len(stored_of(keys, ledger))
            completions = complete(flat, ledger, engines, progress, "sampling")
            names = {model.name: engines.name_for(model) for model in found}
        with stages.stage("statistics"):
            tried = _by_contender(plan, found, completions)
            document = _document(plan, found, names, tried)
            for note in unanswered.notes(answers_of(document["contenders"])):
                progress.say(note)
        document |= {
            "settings_key": settings_key,
            "run": shown(folder, config),
            "command": command,
            "calls": {"made": len(keys) - stored, "from_ledger": stored},
            "cost_usd": plan.client.limits.budget.spent_usd,
            "cost_unseen_usd": plan.client.limits.budget.unseen_usd,
            "seconds": stages.seconds,
            "memory_mb": stages.memory_mb,
        }
        save(folder, document, plan.problems, tried)
    return document


def resolved(plan: Plan, ensure: models.Ensure) -> list[Model]:
    """The contenders, missing adapters made as `ensure` does."""
    return resolve(plan.settings, plan.base_spec, plan.client, plan.config, ensure)


def _claimed(
    plan: Plan, settings_key: str, progress: Progress, replace: bool
) -> AbstractContextManager[Path]:
    """The run's folder, this process's alone. Raises UsageError for another run's."""
    today, names = datetime.date.today().isoformat(), plan.settings.contenders
    task = f"{runs.slug(plan.task)}-passk"
    default = runs.default_folder(plan.config.root, today, task, names)
    return runs.claimed(plan.settings.out, default, settings_key, progress.say, replace)


def style_of(model: Model, plan: Plan) -> str:
    """How a contender is asked: a key of PROMPTS."""
    if model.engine != "local":
        return "chat"
    if plan.settings.protocol == "paper":
        return "paper"
    form = format_of(model)
    return "chat" if form.template or form.tokenizer.chat_template else "completion"


def requests_of(model: Model, plan: Plan) -> list[Request]:
    """A contender's requests: all samples of a problem side by side, greedy attempts behind."""
    style = style_of(model, plan)
    stop = {"completion": gsm8k.COMPLETION_STOP, "paper": gsm8k.PAPER_STOP}.get(style, ())
    drawn = Sampling(plan.temperature, plan.top_p, plan.max_tokens, stop, plan.settings.seed)
    prompts = [_prompt(model, problem, plan, style) for problem in plan.problems]
    requests = [
        Request(model, messages, ids, drawn, sample)
        for messages, ids in prompts
        for sample in range(plan.samples)
    ]
    if plan.settings.greedy:
        greedy = Sampling(0.0, 1.0, plan.max_tokens, stop)
        requests += [Request(model, messages, ids, greedy) for messages, ids in prompts]
    return requests


_TOKENS: dict[tuple[str, str], tuple[int, ...]] = {}


def _prompt(
    model: Model, problem: Problem, plan: Plan, style: str
) -> tuple[chat.Messages, tuple[int, ...]]:
    """A problem as messages and token ids; each text is tokenised once a tokenizer."""
    messages = gsm8k.messages(problem, plan.examples)
    if model.engine != "local":
        return messages, ()
    form = format_of(model)
    if style == "chat":
        text = chat.render_text(form.tokenizer, messages, form.template)
    else:
        write = gsm8k.paper_text if style == "paper" else gsm8k.completion_text
        text = (form.tokenizer.bos_token or "") + write(problem, plan.examples)
        messages = (("user", text),)
    name = (str(form.tokenizer.name_or_path), text)
    if name not in _TOKENS:
        _TOKENS[name] = tuple(form.tokenizer(text, add_special_tokens=False)["input_ids"])
    return messages, _TOKENS[name]


def _by_contender(
    plan: Plan, found: Sequence[Model], completions: Sequence[Completion]
) -> dict[str, list[Attempts]]:
    """Completions, in the order of `requests_of`, by contender and problem."""
    n_problems, n, one_by_one = len(plan.problems), plan.samples, iter(completions)
    tried: dict[str, list[Attempts]] = {}
    for model in found:
        drawn = [[next(one_by_one) for _ in range(n)] for _ in range(n_problems)]
        greedy = [next(one_by_one) if plan.settings.greedy else None for _ in range(n_problems)]
        each = zip(plan.problems, drawn, greedy, strict=True)
        tried[model.name] = [attempts(*row) for row in each]
    return tried


def _document(
    plan: Plan,
    found: Sequence[Model],
    engines: Mapping[str, str],
    tried: Mapping[str, Sequence[Attempts]],
) -> PasskDocument:
    ks, paper = plan.settings.ks, plan.settings.protocol == "paper"
    return {
        "schema": SCHEMA,
        "task": plan.task,
        "n_problems": len(plan.problems),
        "samples": plan.samples,
        "ks": list(ks),
        "settings": _settings_row(
            plan, sorted({style_of(model, plan) for model in found}), engines
        ),
        "settings_key": "",
        "embedded": any(map(on_embedded, found)),
        "contenders": [
            contender_row(
                model,
                engines[model.name],
                PROMPTS[style_of(model, plan)],
                figures(tried[model.name], ks),
                {k: any_of_k(tried[model.name], k) for k in ks} if paper else {},
                seen.trained_on(model, plan.prompts),
            )
            for model in found
        ],
        "differences": [difference_row(one) for one in paired(tried, ks, plan.settings.seed)],
        "run": "",
        "date": datetime.datetime.now().isoformat(timespec="seconds"),
        "calls": {},
        "cost_usd": None,
        "cost_unseen_usd": 0.0,
        "seconds": {},
        "memory_mb": {},
        "versions": versions(),
        "command": "",
    }


def _settings_row(
    plan: Plan, styles: Sequence[str], engines: Mapping[str, str]
) -> dict[str, object]:
    row = dataclasses.asdict(plan.settings)
    chosen = {
        "base": plan.base.base,
        "source": plan.source,
        "split": plan.split,
        "samples": plan.samples,
        "temperature": plan.temperature,
        "top_p": plan.top_p,
        "max_tokens": plan.max_tokens,
        "shots": len(plan.examples),
        "n_clusters": plan.n_clusters,
        "prompt": ", ".join(PROMPTS[style] for style in styles),
        "extractor": EXTRACTOR,
        "engine": ", ".join(sorted(set(engines.values()))),
    }
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in {**row, **chosen}.items()
        if name != "max_unparsed"  # of the exit code alone
    }


def save(
    folder: Path,
    document: PasskDocument,
    problems: Sequence[Problem],
    tried: Mapping[str, Sequence[Attempts]],
) -> None:
    """Write a run; the document last, so a folder that has it is complete."""
    runs.write_rows(folder / "problems.jsonl", (to_row(problem.prompt) for problem in problems))
    runs.write_rows(folder / "samples.jsonl", sample_rows(tried))
    atomic_write(folder / DOCUMENT, dump(document))


def sample_rows(tried: Mapping[str, Sequence[Attempts]]) -> Iterator[dict[str, object]]:
    """A line a sample: its text, the answer read from it, whether it is right; greedy is null."""
    for name, of in tried.items():
        for one in of:
            for i, (sample, answer) in enumerate(zip(one.samples, one.answers, strict=True)):
                yield _sample_row(name, one, i, sample, answer)
            if one.greedy is not None:
                answer = attempts(one.problem, [one.greedy]).answers[0]
                yield _sample_row(name, one, None, one.greedy, answer)


def _sample_row(
    name: str, one: Attempts, i: int | None, sample: Completion, answer: object
) -> dict[str, object]:
    return {
        "problem_id": one.problem.prompt.id,
        "model": name,
        "sample": i,
        "answer": None if answer is None else str(answer),
        "right": answer == one.problem.gold,
        "n_tokens": sample.n_tokens,
        "finished": sample.finished,
        "text": sample.text,
        **({"thoughts": sample.thoughts} if sample.thoughts else {}),
    }
