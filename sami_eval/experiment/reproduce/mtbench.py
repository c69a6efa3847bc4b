"""The paper's first experiment: SFT, then DPO and SAMI on top of it, compared on MT-Bench.

contrasts -> sft -> dpo, sami -> responses -> judging: three pairings a way of judging.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sami_eval.core.config import Config
from sami_eval.core.progress import Progress
from sami_eval.experiment import compare
from sami_eval.experiment.compare_plan import make_plan
from sami_eval.experiment.comparison_rows import ComparisonRow
from sami_eval.experiment.document import Document, read_document
from sami_eval.experiment.frame import draw
from sami_eval.experiment.reproduce import work
from sami_eval.experiment.reproduce.audit import DIGITS, published
from sami_eval.experiment.reproduce.beside import words
from sami_eval.experiment.reproduce.checklist import Facts, Stage
from sami_eval.experiment.reproduce.document import CategoryRow, JudgedResult, PairRow
from sami_eval.experiment.reproduce.scale import Judging, base_spec, constitution_file
from sami_eval.experiment.reproduce.work import Asked, Bench
from sami_eval.experiment.runs import DOCUMENT
from sami_eval.experiment.settings import CompareSettings
from sami_eval.generate.recipes import BASE

RECIPES = {"sft": "sft", "dpo": "sft+dpo", "sami": "sft+sami"}
# In the paper's names, and in the order of its pairings.
CONTENDERS = {"SAMI": "sft+sami", "DPO": "sft+dpo", "SFT": "sft"}


def bench(asked: Asked, progress: Progress) -> Bench:
    """Where this experiment's adapters are made."""
    of = asked.scale.mtbench
    return Bench(asked, of.base, of.contrasts, of.training, progress)


def stages(asked: Asked, progress: Progress, command: str) -> list[Stage]:
    """The stages of this experiment, in order."""
    place = bench(asked, progress)
    judging = asked.scale.mtbench.judging
    shown = {how.principles_shown for how in judging}
    how_shown = " and ".join("with principles" if one else "without" for one in sorted(shown)[::-1])
    answers = Stage(
        "responses",
        f"three models answer MT-Bench, {how_shown}",
        (asked.scale.mtbench.questions, asked.scale.mtbench.max_tokens, sorted(shown)),
        (),
        lambda: respond_all(asked, work.config_of(place, CONTENDERS), progress),
    )
    verdicts = Stage(
        "judging",
        f"three pairings, judged in {len(judging)} ways",
        (judging, asked.judge_model),
        (asked.runs,),
        lambda: judge_all(asked, work.config_of(place, CONTENDERS), progress, command),
    )
    return [*work.stages(place, RECIPES), answers, verdicts]


def settings_of(asked: Asked, how: Judging) -> CompareSettings:
    """What `compare` is asked for one way of judging."""
    of = asked.scale.mtbench
    constitution = {"own": None, "none": "none"}.get(how.constitution, how.constitution)
    if constitution not in (None, "none"):
        constitution = str(asked.settings.constitutions or constitution_file(how.constitution))
    return CompareSettings(
        tuple(CONTENDERS),
        task="mtbench",
        prompts=asked.settings.prompts,
        constitutions=constitution,
        generate_with_principles=how.principles_shown,
        base=base_spec(of.base),
        judge=how.judge,
        judge_model=(asked.judge_model or how.judge_model) if how.judge != "rules" else None,
        base_url=asked.settings.base_url,
        engine=asked.settings.engine,
        engine_args=asked.settings.engine_args,
        max_tokens=of.max_tokens,
        limit=of.questions,
        seed=asked.settings.seed,
        out=asked.run(how.name),
        concurrency=asked.settings.concurrency,
        max_cost=asked.settings.max_cost,
        rpm=asked.settings.rpm,
        tpm=asked.settings.tpm,
    )


def check(asked: Asked) -> None:
    """Refuse now what judging would refuse hours later: questions, judge, its key, its price."""
    for how in asked.scale.mtbench.judging:
        # The base stands in for the models that are to be trained on it.
        make_plan(replace(settings_of(asked, how), contenders=(BASE, BASE)), asked.config)


def respond_all(asked: Asked, config: Config, progress: Progress) -> Facts:
    """Every answer the pairings need, into the ledger."""
    answers = tokens = 0
    seen = set()
    for how in asked.scale.mtbench.judging:
        if how.principles_shown in seen:
            continue
        seen.add(how.principles_shown)
        drawn = draw(compare, settings_of(asked, how), config, progress, asked.purse)
        for response in (one for each in drawn.responses.values() for one in each):
            answers += len(response.turns)
            tokens += sum(n or 0 for n in response.n_tokens)
    return {"answers": answers, "tokens each": round(tokens / max(answers, 1))}


def judge_all(asked: Asked, config: Config, progress: Progress, command: str) -> Facts:
    """Every way of judging as a run of its own; with all before it they stay below --max-cost."""
    before, turns = asked.purse.spent_usd, 0
    ways = {how.name: settings_of(asked, how) for how in asked.scale.mtbench.judging}
    for document in work.run_each(compare, "judging", ways, asked, config, progress, command):
        turns += sum(row["n_turns"] for row in document["comparisons"])
    spent = asked.purse.spent_usd - before
    return {"turns judged": turns, "USD": round(spent, 2)} if spent else {"turns judged": turns}


def result(asked: Asked) -> list[JudgedResult]:
    """Ours beside the published figures, a row a way of judging; of finished runs."""
    return [
        _judged(how, read_document(asked.run(how.name) / DOCUMENT))
        for how in asked.scale.mtbench.judging
    ]


def _judged(how: Judging, document: Document) -> JudgedResult:
    known = _published() if how.published else {}
    between = _between() if how.judge == "quality" or how.constitution == "none" else None
    return {
        "name": how.name,
        "run": document["run"],
        "judge": document["judge"],
        "judge_model": document["judge_model"],
        "principles_shown": document["principles_shown"],
        "cost_usd": document["cost_usd"],
        "pairs": [_pair(row, known, between) for row in document["comparisons"]],
    }


def _published() -> Mapping[tuple[str, str], Mapping[str, Any]]:
    return {(row["a"], row["b"]): row for row in published()["win_rate"]}


def _between() -> list[float]:
    """Where the paper's pairings lie when they are judged without the principles."""
    found = published()["without_principles"]
    return [found["low"], found["high"]]


def _pair(
    row: ComparisonRow,
    rates: Mapping[tuple[str, str], Mapping[str, Any]],
    between: list[float] | None,
) -> PairRow:
    known = rates.get((row["a"], row["b"]), {})
    figure = (row["win_rate"], row["interval"], row["significant"])
    categories: dict[str, CategoryRow] = {
        name: {
            "win_rate": tally["win_rate"],
            "interval": tally["interval"],
            "significant": tally["significant"],
            "n_turns": tally["n_turns"],
        }
        for name, tally in row["by_category"].items()
    }
    return {
        "a": row["a"],
        "b": row["b"],
        "published": known.get("value"),
        "published_digits": known.get("digits", DIGITS),
        "published_range": between,
        "categories_vary": known.get("categories_vary", False),
        "win_rate": row["win_rate"],
        "interval": row["interval"],
        "p_adjusted": row["p_adjusted"],
        "significant": row["significant"],
        "n_questions": row["n_questions"],
        "n_turns": row["n_turns"],
        "ties": row["ties"],
        "unparsed": row["unparsed"],
        "questions_needed": row["questions_needed"],
        "words": words(row["a"], row["b"], *figure, known.get("value"), 0.5, between=between),
        "categories_p_value": row["categories_p_value"],
        "by_category": categories,
    }
