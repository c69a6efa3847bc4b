"""Adapters on demand: a base writes contrasts, a recipe is trained on them.

constitutions x prompts --contrast--> contrasts --align--> adapter
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from sami_eval.align import chain
from sami_eval.align.contrast import Draft, draft, redraft, write_contrasts
from sami_eval.align.filters import Filters
from sami_eval.align.options import preset_name
from sami_eval.align.origin import SAMPLING, filters_of
from sami_eval.core.calls import Completion, Request, Sampling
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import Progress, silent
from sami_eval.core.settings import Amount, Count, Temperature, TopP, check
from sami_eval.core.shape import Within
from sami_eval.core.types import Contrast, Model, Principle, Prompt
from sami_eval.data.checks import try_out
from sami_eval.data.contrasts import contrasts_to_jsonl, read_contrasts
from sami_eval.generate.engine import EngineChoice
from sami_eval.generate.models import Ensure
from sami_eval.generate.recipes import ADAPTERS, Recipe
from sami_eval.generate.tools import Tools
from sami_eval.ledger.store import Ledger, atomic_write

FILE_NAME = "contrasts.jsonl"
EMBEDDED_SAMPLING = Sampling(temperature=0.4, top_p=0.9, max_tokens=160)


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What a person says of a sampling."""

    temperature: Temperature
    top_p: TopP
    max_tokens: Count


@dataclass(frozen=True, slots=True)
class ContrastPlan:
    """How contrasts are written. n: constitutions a prompt; limit: prompts drawn at most."""

    n: Annotated[int, Within(least=2)] = 2
    limit: Count | None = None
    sampling: Sampling = SAMPLING
    seed: Amount = 0
    engine: EngineChoice = field(default_factory=EngineChoice)
    filters: Filters = field(default_factory=Filters)

    def __post_init__(self) -> None:
        check(self, hint="sami-eval contrast --help")
        drawn = self.sampling
        drawing = _Drawing(drawn.temperature, drawn.top_p, drawn.max_tokens)
        check(drawing, hint="sami-eval contrast --help")


def drafts_of(
    model: Model, prompts: Sequence[Prompt], principles: Sequence[Principle], how: ContrastPlan
) -> list[Draft]:
    """What a model is asked to write; nothing is generated."""
    from sami_eval.generate.formats import format_of

    if model.engine == "recorded":
        raise UsageError(f"`{model.name}` is a record: it writes nothing", "name a model")
    if how.filters.min_heeded is not None:
        checks = [one.check for one in principles if one.check]
        if not checks:
            raise UsageError(
                "`--min-heeded`: no principle has a `check`",
                "leave it out, or --constitutions verifiable; docs/judges.md lists checks",
            )
        try_out(checks)
    form = format_of(model) if model.engine == "local" else None
    return draft(
        prompts,
        principles,
        model,
        form.tokenizer if form else None,
        n=how.n,
        limit=how.limit,
        sampling=how.sampling,
        seed=how.seed,
        context=form.context if form else None,
    )


def contrasts_of(
    model: Model,
    prompts: Sequence[Prompt],
    principles: Sequence[Principle],
    settings: ContrastPlan,
    tools: Tools,
) -> list[Contrast]:
    """Contrasts written by a model; what the ledger holds is not generated again."""
    drafts = drafts_of(model, prompts, principles, settings)
    return _written(drafts, model, settings.filters, settings.engine, tools)


def rewritten(
    contrasts: Sequence[Contrast],
    model: Model,
    engine: EngineChoice,
    tools: Tools,
) -> list[Contrast]:
    """The same prompts under the same constitutions, sampled and filtered as before, by a model."""
    from sami_eval.generate.formats import format_of

    form = format_of(model)
    drafts = redraft(contrasts, model, form.tokenizer, form.context)
    return _written(drafts, model, filters_of(contrasts), engine, tools)


def _written(
    drafts: Sequence[Draft],
    model: Model,
    filters: Filters,
    engine: EngineChoice,
    tools: Tools,
) -> list[Contrast]:
    from sami_eval.generate import Engines, complete

    with Engines(engine, tools.progress) as engines:

        def write(requests: Sequence[Request]) -> list[Completion]:
            return complete(requests, tools.ledger, engines, tools.progress, "writing contrasts")

        return write_contrasts(drafts, model, write, filters)


def yet_to_write(
    requests: Sequence[Request], choice: EngineChoice, ledger: Ledger
) -> tuple[list[Completion], list[Request]]:
    """The responses that the ledger holds, and the requests for the rest."""
    from sami_eval.generate import Engines
    from sami_eval.generate.complete import by_key
    from sami_eval.generate.kept import stored

    keyed = dict(by_key(requests, Engines(choice, silent())))
    done = stored(keyed, ledger)
    return list(done.values()), [request for key, request in keyed.items() if key not in done]


def embedded_contrasts(model: Model, tools: Tools) -> list[Contrast]:
    """The contrasts that the embedded recipes are trained on."""
    from sami_eval import embedded
    from sami_eval.data.constitutions import read_constitution

    return contrasts_of(
        model,
        embedded.prompts("alignment"),
        read_constitution(embedded.CONSTITUTION),
        # Always by transformers, which can seed: the adapters are then the same for every engine.
        ContrastPlan(sampling=EMBEDDED_SAMPLING, engine=EngineChoice("hf")),
        tools,
    )


def contrasts_for(base: Model, tools: Tools) -> list[Contrast]:
    """Contrasts to train a base on: the embedded world's, or the file beside its adapters.

    Raises UsageError where there is no such file.
    """
    path = contrasts_path(base, tools.config.root)
    if preset_name(base) == "embedded":
        contrasts = embedded_contrasts(base, tools)
        keep_beside(path, contrasts, tools.progress)
        return contrasts
    if not path.is_file():
        raise UsageError(
            f"no contrasts of `{base.named}` to train on",
            f"sami-eval contrast --model {base.named} --constitutions FILE --prompts FILE "
            f"--out {path}",
        )
    return read_contrasts(path)


def keep_beside(path: Path, contrasts: Sequence[Contrast], progress: Progress) -> None:
    """Write contrasts beside a base's adapters; others that lie there are kept under their hash."""
    text, before = contrasts_to_jsonl(contrasts), path.read_bytes() if path.is_file() else None
    if before is not None and before != text.encode():
        kept = path.with_name(f"{path.stem}-{hashlib.sha256(before).hexdigest()[:8]}{path.suffix}")
        shutil.copy2(path, kept)
        progress.say(f"`{path}` held other contrasts: they are kept as `{kept}` (--contrasts)")
    atomic_write(path, text)


def contrasts_path(base: Model, root: Path) -> Path:
    """Where a base's contrasts lie: beside its adapters."""
    return chain.folder(Recipe(()), base, root / ADAPTERS, 0).with_name(FILE_NAME)


def ensure_in(tools: Tools, train: bool = False) -> Ensure:
    """What `models.resolve` calls for a recipe: its adapter, trained on the spot where allowed.

    train: make a missing adapter of any base, not of the embedded one alone.
    """

    def ensure(spec: str, base: Model) -> Model:
        embedded = preset_name(base) == "embedded"
        setup = chain.Setup(base, tools.config.root / ADAPTERS, 0, None, tools.progress)
        return chain.ensure(
            spec, lambda: contrasts_for(base, tools), setup, train=embedded or train
        )

    return ensure
