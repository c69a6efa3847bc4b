"""Training seeds in words: what an interval covers, and how it would cover them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sami_eval.generate.recipes import BASE
from sami_eval.report.figures import percent

if TYPE_CHECKING:
    from sami_eval.experiment.document import ComparisonRow, ContenderRow, Document, SeedsRow


def coverage(row: ComparisonRow, document: Document) -> str:
    """What the interval of a comparison covers, and the command by which it covers more."""
    seeds = row["seeds"]
    if seeds is None:
        return "interval covers the choice of questions, not training seeds" + _hint(row, document)
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


def seed_rates(seeds: SeedsRow) -> str:
    """Win rates by seed, "1 55.0%, 2 61.2%"; by pair of seeds where seeds differ, "1:4 ..."."""
    return ", ".join(
        f"{':'.join(str(seed) for seed in dict.fromkeys((row['a'], row['b'])) if seed is not None)}"
        f" {percent(row['win_rate'])}"
        for row in seeds["win_rates"]
    )


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
