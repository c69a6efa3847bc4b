"""The paper's second experiment: SFT, SAMI and SFT+SAMI on GSM8K with 1, 10 and 32 attempts.

contrasts by the model itself -> sft, sami, sft+sami -> samples -> gains, unbiased and as scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sami_eval.core.calls import Completion
from sami_eval.core.config import Config
from sami_eval.core.progress import Progress
from sami_eval.core.records import read_lines
from sami_eval.data.gsm8k import read_problems
from sami_eval.experiment import passk
from sami_eval.experiment.passk_document import KIND, read_passk
from sami_eval.experiment.passk_plan import make_plan
from sami_eval.experiment.reproduce import work
from sami_eval.experiment.reproduce.audit import published
from sami_eval.experiment.reproduce.beside import words
from sami_eval.experiment.reproduce.checklist import Facts, Stage
from sami_eval.experiment.reproduce.document import GainRow, SampledResult
from sami_eval.experiment.reproduce.scale import PasskSampling, base_spec
from sami_eval.experiment.reproduce.work import Asked, Bench
from sami_eval.experiment.samples import Attempts, as_paper_scored, attempts
from sami_eval.experiment.settings import PasskSettings
from sami_eval.experiment.tallies import SIGNIFICANT
from sami_eval.stats.problems import Difference, difference
from sami_eval.stats.tests import holm

RECIPES = {"sft": "sft", "sami": "base+sami", "sft+sami": "sft+sami"}
CONTENDERS = {"SFT+SAMI": "sft+sami", "SFT": "sft", "SAMI": "base+sami"}
BASE = "base"


def bench(asked: Asked, progress: Progress) -> Bench:
    """Where this experiment's adapters are made."""
    of = asked.scale.gsm8k
    return Bench(asked, of.base, of.contrasts, of.training, progress)


def stages(asked: Asked, progress: Progress, command: str) -> list[Stage]:
    """The stages of this experiment, in order."""
    place, of = bench(asked, progress), asked.scale.gsm8k
    most = max(of.ks)
    samples = Stage(
        "samples",
        f"four models try every problem {most} times",
        (of.sampling, of.ks),
        (asked.runs,),
        lambda: sample_all(asked, work.config_of(place, CONTENDERS), progress, command),
    )
    return [*work.stages(place, RECIPES), samples]


def settings_of(asked: Asked, how: PasskSampling) -> PasskSettings:
    """What `passk` is asked for one way of sampling."""
    of = asked.scale.gsm8k
    return PasskSettings(
        (*CONTENDERS, BASE),
        ks=tuple(of.ks),
        samples=how.samples,
        max_tokens=how.max_tokens,
        limit=how.problems,
        prompts=asked.settings.prompts,
        protocol=how.protocol,
        base=base_spec(of.base),
        base_url=asked.settings.base_url,
        engine=asked.settings.engine,
        engine_args=asked.settings.engine_args,
        seed=asked.settings.seed,
        out=asked.run(how.name),
        concurrency=asked.settings.concurrency,
        max_cost=asked.settings.max_cost,
        rpm=asked.settings.rpm,
        tpm=asked.settings.tpm,
    )


def check(asked: Asked) -> None:
    """Refuse now what sampling would refuse hours later: problems that cannot be read."""
    for how in asked.scale.gsm8k.sampling:
        make_plan(replace(settings_of(asked, how), contenders=(BASE,)), asked.config)


def sample_all(asked: Asked, config: Config, progress: Progress, command: str) -> Facts:
    """Every way of sampling as a run of its own."""
    drawn = 0
    ways = {how.name: settings_of(asked, how) for how in asked.scale.gsm8k.sampling}
    for document in work.run_each(passk, "sampling", ways, asked, config, progress, command):
        drawn += document["n_problems"] * document["samples"] * len(document["contenders"])
    return {"samples": drawn}


def result(asked: Asked) -> list[SampledResult]:
    """Ours beside the published gains, a row a way of sampling; of finished runs."""
    return [_sampled(asked, how) for how in asked.scale.gsm8k.sampling]


def _sampled(asked: Asked, how: PasskSampling) -> SampledResult:
    folder = asked.run(how.name)
    document = read_passk(folder / KIND.file)
    tried = read_attempts(folder)
    ks = document["ks"]
    return {
        "name": how.name,
        "run": document["run"],
        "n_problems": document["n_problems"],
        "samples": document["samples"],
        "pass_at_k": {row["name"]: row["pass_at_k"] for row in document["contenders"]},
        "gains": _gains(tried, ks, asked.settings.seed),
    }


def read_attempts(folder: Path) -> dict[str, list[Attempts]]:
    """The samples of a finished run, by contender and problem in the run's order."""
    problems = {one.prompt.id: one for one in read_problems(folder / "problems.jsonl")}
    texts: dict[str, dict[str, list[Completion]]] = {}
    for _, row in read_lines(folder / "samples.jsonl", "sami-eval ls runs"):
        if row["sample"] is not None:
            of = texts.setdefault(row["model"], {}).setdefault(row["problem_id"], [])
            of.append(Completion(row["text"]))
    return {
        name: [attempts(problems[problem_id], samples) for problem_id, samples in by_id.items()]
        for name, by_id in texts.items()
    }


def _gains(tried: Mapping[str, Sequence[Attempts]], ks: Sequence[int], seed: int) -> list[GainRow]:
    """The paper's claims: of one contender over another at each k; p by Holm over all of them."""
    facts = published()
    claims = [
        (row["of"], row["over"], k, dict(zip(facts["attempts"], row["points"], strict=True)).get(k))
        for row in facts["gain"]
        for k in ks
    ]
    n = min(len(one.answers) for of in tried.values() for one in of)
    unbiased = [
        difference(_pass(tried[over], k), _pass(tried[of], k), n, seed) for of, over, k, _ in claims
    ]
    scored = [
        difference(as_paper_scored(tried[over], k), as_paper_scored(tried[of], k), 1, seed)
        for of, over, k, _ in claims
    ]
    adjusted = holm([one.p_value for one in unbiased])
    rows = zip(claims, unbiased, scored, adjusted, strict=True)
    return [_gain(*row) for row in rows]


def _pass(of: Sequence[Attempts], k: int) -> list[float]:
    return [one.pass_at(k) for one in of]


def _gain(
    claim: tuple[str, str, int, float | None],
    unbiased: Difference,
    scored: Difference,
    adjusted: float,
) -> GainRow:
    of, over, k, points = claim
    share = None if points is None else points / 100
    significant = adjusted <= SIGNIFICANT
    figure = (unbiased.value, unbiased.interval, significant)
    return {
        "a": of,
        "b": over,
        "k": k,
        "published": share,
        "gain": unbiased.value,
        "interval": list(unbiased.interval),
        "p_adjusted": adjusted,
        "significant": significant,
        "problems_needed": unbiased.problems_needed,
        "as_scored": {
            "gain": scored.value,
            "interval": list(scored.interval),
            "p_value": scored.p_value,
        },
        "words": words(of, over, *figure, share, 0.0),
    }
