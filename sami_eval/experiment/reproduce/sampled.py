"""Samples beside the paper's gains, unbiased and as it scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sami_eval.core.calls import Completion
from sami_eval.core.records import read_lines
from sami_eval.data.problem_sets import read_problems
from sami_eval.experiment.passk_document import KIND, PasskDocument, read_passk
from sami_eval.experiment.reproduce.audit import published
from sami_eval.experiment.reproduce.beside import words
from sami_eval.experiment.reproduce.checklist import Facts
from sami_eval.experiment.reproduce.document import GainRow, SampledResult
from sami_eval.experiment.reproduce.step import Trial
from sami_eval.experiment.samples import Attempts, as_paper_scored, attempts
from sami_eval.experiment.tallies import SIGNIFICANT
from sami_eval.stats.problems import Difference, difference
from sami_eval.stats.tests import holm


def facts(document: PasskDocument) -> Facts:
    """What the checklist shows of a pass@k run."""
    drawn = document["n_problems"] * document["samples"] * len(document["contenders"])
    return {"samples": drawn}


def beside(trial: Trial, folder: Path, seed: int) -> SampledResult:
    """A finished run beside the published figures."""
    document = read_passk(folder / KIND.file)
    return {
        "name": trial.title,
        "run": document["run"],
        "n_problems": document["n_problems"],
        "samples": document["samples"],
        "pass_at_k": {row["name"]: row["pass_at_k"] for row in document["contenders"]},
        "gains": _gains(
            read_attempts(folder, document["settings"]["marker"]),
            document["ks"],
            seed,
            trial.published,
        ),
    }


def read_attempts(folder: Path, marker: str) -> dict[str, list[Attempts]]:
    """The samples of a finished run, by contender and problem in the run's order.

    marker: as the run's document has it.
    """
    rows = read_problems(folder / "problems.jsonl", marker=marker.partition(" ")[0])
    problems = {one.prompt.id: one for one in rows}
    texts: dict[str, dict[str, list[Completion]]] = {}
    for _, row in read_lines(folder / "samples.jsonl", "sami-eval ls runs"):
        if row["sample"] is not None:
            of = texts.setdefault(row["model"], {}).setdefault(row["problem_id"], [])
            of.append(Completion(row["text"]))
    return {
        name: [attempts(problems[problem_id], samples) for problem_id, samples in by_id.items()]
        for name, by_id in texts.items()
    }


def _gains(
    tried: Mapping[str, Sequence[Attempts]], ks: Sequence[int], seed: int, beside: bool
) -> list[GainRow]:
    """The paper's claims: of one contender over another at each k; p by Holm over all of them.

    beside: with the paper's figures.
    """
    paper = published()
    claims = [
        (row["of"], row["over"], k, points.get(k) if beside else None)
        for row in paper["gain"]
        for points in [dict(zip(paper["attempts"], row["points"], strict=True))]
        for k in ks
        if {row["of"], row["over"]} <= tried.keys()
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
