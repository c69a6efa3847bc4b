"""`sami-eval contrast --write-principles`: a model drafts a constitution file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sami_eval.core.errors import UsageError

if TYPE_CHECKING:
    from sami_eval.core.alignment import ContrastSettings
    from sami_eval.core.calls import Completion, Request, Sampling
    from sami_eval.core.config import Config
    from sami_eval.core.progress import Progress
    from sami_eval.core.types import Model, Principle
    from sami_eval.generate import EngineChoice

OUT = Path("constitution.toml")
SCHEMA = "sami-eval/principles/1"


def check(settings: ContrastSettings) -> bool:
    """Whether principles are to be written.

    Raises UsageError for flags that do not go together.
    """
    flags = {
        "--principle-writer": settings.principle_writer,
        "--task-description": settings.task_description,
        "--principle-categories": settings.principle_categories,
    }
    if settings.write_principles is None:
        alone = next((flag for flag, value in flags.items() if value is not None), None)
        if alone is not None:
            raise UsageError(
                f"`{alone}` without `--write-principles`", "e.g. --write-principles 10"
            )
        return False
    for flag in ("--principle-writer", "--task-description"):
        if not (flags[flag] or "").strip():
            example = "openai:gpt-4o" if "writer" in flag else '"summaries of forum posts"'
            raise UsageError(f"`--write-principles` without `{flag}`", f"e.g. {flag} {example}")
    given = {"--constitutions": settings.constitutions, "--prompts": settings.prompts}
    foreign = next((flag for flag, value in given.items() if value), None)
    if foreign is not None:
        raise UsageError(
            f"`{foreign}` with `--write-principles`: contrasts are written afterwards",
            "draft the principles, edit them, then: sami-eval contrast --constitutions FILE",
        )
    return True


def write(
    settings: ContrastSettings,
    writer: Model,
    sampling: Sampling,
    choice: EngineChoice,
    config: Config,
    progress: Progress,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Have the principles drafted and save them, or say what that would cost."""
    from sami_eval.align import principle_writer
    from sami_eval.align.adapters import yet_to_write
    from sami_eval.generate import Engines, complete
    from sami_eval.ledger.store import Ledger, atomic_write

    out, n, task = (
        settings.out or OUT,
        settings.write_principles or 0,
        _task(settings.task_description or ""),
    )
    categories = _categories(settings)
    messages = principle_writer.render(task, n, categories)
    _refuse(out)
    request = principle_writer.request(writer, messages, sampling)
    if dry_run:
        with Ledger(config.ledger_path, read_only=True) as ledger:
            _, missing = yet_to_write([request], choice, ledger)
        _print_dry_run(request, missing, n, out, choice, as_json)
        return
    with Ledger(config.ledger_path, say=progress.say) as ledger:
        stored, _ = yet_to_write([request], choice, ledger)
        with Engines(choice, progress) as engines:
            (reply,) = complete([request], ledger, engines, progress, "writing principles")
    principles = _read(reply, n, categories, sampling, out)
    _refuse(out)
    atomic_write(out, principle_writer.to_toml(principles, writer.name, task))
    cost = choice.client.limits.budget.spent_usd
    _print(principles, writer, cost, bool(stored), out, as_json)


def _categories(settings: ContrastSettings) -> list[str]:
    given = settings.principle_categories
    return [name.strip() for name in given.split(",")] if given else []


def _task(text: str) -> str:
    """The description, from a file where it names one."""
    from sami_eval.core.files import read_text

    hint = "give a text, or a file with one"
    if not os.path.isfile(text):  # of a long text too, which Path.is_file refuses
        if text.endswith((".txt", ".md")) and " " not in text:
            raise UsageError(f"no file `{text}`", hint)
        return text.strip()
    said = read_text(Path(text), hint).strip()
    if not said:
        raise UsageError(f"`{text}` is empty", hint)
    return said


def _refuse(out: Path) -> None:
    if out.suffix == ".json":
        raise UsageError(f"`{out}`: principles are written as TOML", f"--out {OUT}")
    if out.exists():
        raise UsageError(
            f"`{out}` exists and may hold edits: it is not overwritten",
            "name another file with --out",
        )


def _read(
    reply: Completion, n: int, categories: list[str], sampling: Sampling, out: Path
) -> tuple[Principle, ...]:
    """The reply's principles. One that cannot be read is saved beside `out`, and that is said."""
    from sami_eval.align.principle_writer import ReplyError, parse
    from sami_eval.ledger.store import atomic_write

    kept = out.with_name(f"{out.name}.reply.txt")
    again = f"--seed {sampling.seed + 1} asks anew"
    saved = f"the reply as it came is in {kept}"
    if not reply.text.strip():
        raise ReplyError("the reply is empty", again)
    try:
        if reply.finished is False:
            limit = sampling.max_tokens
            more = f"{saved}; --max-tokens {2 * limit} asks anew"
            raise ReplyError(f"the reply was cut at {limit:,} tokens", more, str(kept))
        return parse(reply.text, n, categories, kept, f"{saved}; {again}")
    except ReplyError:
        atomic_write(kept, reply.text)
        raise


def _print_dry_run(
    request: Request,
    missing: list[Request],
    n: int,
    out: Path,
    choice: EngineChoice,
    as_json: bool,
) -> None:
    from sami_eval.cli.output import print_json
    from sami_eval.experiment.forecast import Forecast, bound_of, describe

    n_calls = len(missing)
    bound = bound_of(request.model, missing, 1 - n_calls, choice.client)
    if as_json:
        print_json(
            {
                "schema": "sami-eval/principles-forecast/1",
                "writer": bound.name,
                "principles": n,
                "calls": n_calls,
                "stored": bound.stored,
                "most_tokens": bound.completion_tokens,
                "cost_usd": bound.cost_usd,
            }
        )
        return
    said = (
        ("principles", f"{n}, to be saved in {out}"),
        ("calls", f"{n_calls} to make; {bound.stored} stored"),
        ("tokens", f"at most {bound.completion_tokens:,} written"),
    )
    print(describe(Forecast(said, {"writers": (bound,)})))


def _print(
    principles: tuple[Principle, ...],
    writer: Model,
    cost: float | None,
    stored: bool,
    out: Path,
    as_json: bool,
) -> None:
    from sami_eval.cli.output import print_json
    from sami_eval.server.budget import dollars

    if as_json:
        print_json(
            {
                "schema": SCHEMA,
                "file": str(out),
                "writer": writer.name,
                "principles": len(principles),
                "from_ledger": stored,
                "cost_usd": cost,
            }
        )
        return
    for one in principles:
        print(f"{one.id}\n  weak        {one.weak}\n  strong      {one.strong}")
        print(f"  antithesis  {one.antithesis}")
    said = "not known: its price is not in sami-eval.toml" if cost is None else dollars(cost)
    print(
        f"\ncost        {'nothing' if cost == 0 else said}{'; from the ledger' if stored else ''}"
    )
    print(f"saved       {out}")
    print("\na draft: read and edit it, then")
    print(f"sami-eval contrast --constitutions {out} --prompts FILE")
