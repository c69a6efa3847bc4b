"""Which of the judges at hand agrees best with people, and what that costs.

Every judge is held to the same votes. The one that is recommended is the cheapest of those that the
votes do not tell from the best: a judge may agree more and be no better than chance at it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sami_eval.core.comparison import Estimate
from sami_eval.core.config import Price
from sami_eval.core.types import Verdict, Winner
from sami_eval.data.votes import Item, Vote, by_item
from sami_eval.experiment import runs
from sami_eval.experiment.agreement import Raters, agreement
from sami_eval.experiment.document import JudgeRow, read_document
from sami_eval.experiment.judged import Judged, Names, of_run, read_judged, run_of
from sami_eval.server.budget import cost_usd, total, whole_cost


@dataclass(frozen=True, slots=True)
class Candidate:
    """A judge at hand. usd_a_turn: of one turn of one pair, in all orders; None: not known."""

    name: str
    source: str
    judged: Judged
    usd_a_turn: float | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate beside people, on the votes that all candidates have an outcome for.

    behind: share of these votes on which the best says what people say and this one does not,
        ties of the two at a half; above .5 the best is ahead. None: it is the best.
    """

    candidate: Candidate
    raters: Raters
    behind: Estimate | None

    @property
    def is_worse(self) -> bool:
        """Whether the votes tell it from the best."""
        interval = None if self.behind is None else self.behind.interval
        return interval is not None and interval[0] > 0.5

    @property
    def agreed_per_usd(self) -> float | None:
        """Turns on which it says what people say, for a dollar; None where that is not known."""
        share, usd = self.raters.with_ties.estimate.value, self.candidate.usd_a_turn
        return share / usd if share is not None and usd else None


def candidates(
    sources: Sequence[str], names: Names, root: Path, prices: Mapping[str, Price]
) -> list[Candidate]:
    """The judges of runs, files and votes; of an ensemble each of its judges, and all of them.

    prices: the user's, for runs that do not hold what their judges cost.
    """
    found: list[Candidate] = []
    for source in sources:
        folder = run_of(source, root)
        if folder is None:
            judged = read_judged(source, names, root)
            found.append(Candidate(judged.judge, source, judged, None))
            continue
        document, verdicts = read_document(folder / runs.DOCUMENT), runs.read_verdicts(folder)
        rows = {row["name"]: row for row in document["judges"]}
        alone = list(dict.fromkeys(verdict.judge for verdict in verdicts))
        several = [[name] for name in alone] + ([alone] if len(alone) > 1 else [])
        for judges in several:
            theirs = [verdict for verdict in verdicts if verdict.judge in judges]
            cost = whole_cost(_usd(theirs, name, rows.get(name), prices) for name in judges)
            n = len({(v.prompt_id, v.turn, v.a, v.b) for v in theirs})
            judged = of_run(folder, names, theirs)
            usd = None if cost is None or not n else cost / n
            found.append(Candidate(_called(judges, rows), source, judged, usd))
    return found


def _called(judges: Sequence[str], rows: Mapping[str, JudgeRow]) -> str:
    if len(judges) > 1:
        return f"{len(judges)} judges by majority"
    (name,) = judges
    model = rows[name]["model"] if name in rows else None
    return name if model is None or model in name else f"{name} ({model})"


def _usd(
    verdicts: Sequence[Verdict], name: str, row: JudgeRow | None, prices: Mapping[str, Price]
) -> float | None:
    """What all verdicts of a judge take at its price, those of the ledger too."""
    if row is None or row["model"] is None:
        return 0.0 if row is not None else None
    said = row["price"]
    price = prices.get(row["model"]) if said is None else Price(said["input"], said["output"])
    asked = [v.usage for v in verdicts if v.judge == name and (v.usage or v.model_reported)]
    if price is None or None in asked:
        return None
    return cost_usd(replace(total(filter(None, asked)), cached_tokens=0), price)


def ranked(found: Sequence[Candidate], votes: Sequence[Vote]) -> list[Ranked]:
    """The candidates on the votes that all of them have an outcome for, the best first.

    Empty where there are none.
    """
    common = set.intersection(*(set(one.judged.outcomes) for one in found))
    kept = [vote for vote in votes if vote.item in common]
    if not kept:
        return []
    people = by_item(kept)
    raters = [agreement(one.judged, kept).total.judge for one in found]
    order = sorted(range(len(found)), key=lambda i: -(raters[i].with_ties.estimate.value or 0.0))
    best = found[order[0]].judged.outcomes
    return [
        Ranked(
            found[i],
            raters[i],
            None if i == order[0] else _ahead(best, found[i].judged.outcomes, people),
        )
        for i in order
    ]


def _ahead(
    best: Mapping[Item, Winner],
    other: Mapping[Item, Winner],
    people: Mapping[Item, Mapping[str, Winner]],
) -> Estimate:
    """How often one judge is right where the other is not, vote by vote; questions are clusters."""
    from sami_eval.stats import win_rate

    scores: dict[str, list[float]] = defaultdict(list)
    for item, voters in people.items():
        for said in voters.values():
            scores[item[0]].append((1 + (best[item] == said) - (other[item] == said)) / 2)
    return win_rate(scores)


def recommended(rows: Sequence[Ranked]) -> Ranked | None:
    """The cheapest of those not worse than the best, whatever it costs where it is the only one.

    None where several are not worse and no cost of theirs is known.
    """
    good = [row for row in rows if not row.is_worse]
    if len(good) == 1:
        return good[0]
    priced = [row for row in good if row.candidate.usd_a_turn is not None]
    return min(priced, key=lambda row: row.candidate.usd_a_turn or 0.0, default=None)
