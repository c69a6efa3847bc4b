"""A finished comparison in words, below its verdict: what was tested, what an interval covers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sami_eval.experiment.tallies import SIGNIFICANT
from sami_eval.generate.recipes import BASE
from sami_eval.report import comparison_glance, stopping
from sami_eval.report.figures import p_text, percent

if TYPE_CHECKING:
    from sami_eval.experiment.comparison_rows import ComparisonRow, SeedsRow
    from sami_eval.experiment.document import ContenderRow, Document
    from sami_eval.experiment.stopping import StoppingRow


def lines(document: Document) -> Iterator[str]:
    """What the figures mean, line by line, below what is said at a glance."""
    if len(document["comparisons"]) == 1:
        yield from _of_pair(document)
        return
    for row in document["comparisons"]:
        yield from (f"{row['a']} : {row['b']}: {line}" for line in of_one(document, row))
    yield from of_all(document)


def of_one(document: Document, row: ComparisonRow) -> Iterator[str]:
    """What one of several pairs rests on, and what limits it."""
    yield from comparison_glance.because(document, row)
    if row["stopping"] is not None:
        yield from stopping.beside(row["stopping"])


def of_all(document: Document) -> Iterator[str]:
    """What holds for every one of several pairs."""
    against = document["against"]
    yield from stopping.rule_lines(_stopping(document))
    over = f"the {len(document['comparisons'])} against {against}" if against else "pairs"
    if stopping.is_main(_stopping(document)):
        yield f"{stopping.DESCRIPTIVE}; {stopping.THESE_SEEDS}"
        return
    covered = "not training seeds"
    if any(row["seeds"] is not None for row in document["comparisons"]):
        strengths = "" if against else "; those of strengths do not"
        covered = f"and training seeds where a contender has several{strengths}"
    yield f"intervals cover the choice of questions, {covered}; p by Holm over {over}"
    if not against and any(row.get("step") is not None for row in document["contenders"]):
        yield "over the training: --against NAME draws every step's win rate against one contender"
    if any(comparison_glance.word(row).startswith("needs") for row in document["comparisons"]):
        yield "needs: questions that find a rate like the one seen with 80% power, before Holm"


def _of_pair(document: Document) -> Iterator[str]:
    row = document["comparisons"][0]
    if row["stopping"] is not None:
        yield from stopping.beside(row["stopping"])
        yield from stopping.rule_lines(_stopping(document))
    if row["categories_p_value"] is not None:
        differ = "differ" if row["categories_p_value"] <= SIGNIFICANT else "do not differ"
        chance = p_text(row["categories_p_value"])
        yield f"categories {differ} beyond chance ({chance}); their own p by Holm"
    if row["detectable"] is not None:
        yield (
            f"{row['n_questions']} questions find a rate beyond "
            f"{percent(0.5 + row['detectable'])} with 80% power"
        )
    if stopping.is_main(_stopping(document)):
        yield stopping.DESCRIPTIVE
    yield _coverage(row, document)


def _stopping(document: Document) -> list[StoppingRow]:
    return [row["stopping"] for row in document["comparisons"] if row["stopping"] is not None]


def _coverage(row: ComparisonRow, document: Document) -> str:
    """What the interval of a comparison covers, and the command by which it covers more."""
    seeds = row["seeds"]
    if seeds is None:
        return "interval covers the choice of questions, not training seeds" + _hint(row, document)
    if stopping.is_main(_stopping(document)):
        return stopping.THESE_SEEDS
    if seeds["paired"]:
        return (
            f"interval covers the choice of questions and {len(seeds['a'])} training seeds "
            "(the first of one against the first of the other, and so on)"
        )
    sides = [f"{len(of)} of {row[side]}" for side, of in _sides(seeds)]
    return (
        f"interval covers the choice of questions and training seeds ({', '.join(sides)}; "
        "every model of one against every model of the other)"
    )


def _sides(seeds: SeedsRow) -> Iterator[tuple[Literal["a", "b"], list[int]]]:
    if seeds["a"]:
        yield "a", seeds["a"]
    if seeds["b"]:
        yield "b", seeds["b"]


def _hint(row: ComparisonRow, document: Document) -> str:
    """The same pair with three seeds each, where both are recipes, which alone have seeds."""
    rows = {one["contender"]: one for one in document["contenders"]}
    names = [_recipe(rows[row[side]]) for side in ("a", "b") if row[side] in rows]
    bases = {rows[row[side]]["base"] for side in ("a", "b") if row[side] in rows}
    if len(names) < 2 or None in names or set(names) == {BASE} or len(bases) > 1:
        return ""
    seeded = " ".join(str(name) if name == BASE else f"{name}@1,2,3" for name in names)
    more = "" if document["embedded"] else f"\n    --base {bases.pop()} --train"
    return f"\n  (both: sami-eval compare {seeded}{more})"


def _recipe(row: ContenderRow) -> str | None:
    """The recipe a contender is, by its name and the folder its adapter lies in; else None."""
    name = row["name"].partition("@")[0]
    if name == BASE and row["adapter"] is None and row["engine"] == "local":
        return name
    folder = Path(row["adapter"] or "").name
    return name if folder.partition("@")[0] == name and "@" in folder else None
