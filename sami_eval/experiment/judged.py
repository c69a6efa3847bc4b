"""What a judge said, in the names the votes use: from a run, a file of verdicts, or votes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Verdict, Winner
from sami_eval.data import votes
from sami_eval.data.paper import mtbench_categories
from sami_eval.data.prompts import read_prompts
from sami_eval.data.votes import Item, Vote
from sami_eval.experiment import runs
from sami_eval.experiment.document import read_document
from sami_eval.experiment.fold import Rule, fold
from sami_eval.experiment.imports import scores_unused, verdicts_in

HINT = "sami-eval agreement --votes FILE RUN, a run of sami-eval compare"
Names = Mapping[str, str]  # a contender's name -> its name in the votes


@dataclass(frozen=True, slots=True)
class Judged:
    """A judge's outcomes, as seen from each item's first model.

    pairs: as the source orders them. category: of question ids; others have none.
    scores_unused: verdicts with a score that does not count under the conservative rule.
    """

    judge: str
    outcomes: Mapping[Item, Winner]
    pairs: tuple[tuple[str, str], ...]
    category: Mapping[str, str]
    scores_unused: int = 0


def parse_names(pairs: Sequence[str]) -> dict[str, str]:
    """`--as CONTENDER=NAME`, given any number of times."""
    names: dict[str, str] = {}
    for pair in pairs:
        contender, equals, name = pair.partition("=")
        if not (equals and contender and name):
            raise UsageError(f"`--as {pair}` is not CONTENDER=NAME", "--as sami=vicuna-13b-v1.2")
        if contender in names or name in names.values():
            raise UsageError(f"`--as {pair}` names one side twice", "one --as a contender")
        names[contender] = name
    return names


def check_votes(pairs: Sequence[str], votes: str | None) -> None:
    """Raise UsageError for names in votes that nobody gave."""
    if pairs and votes is None:
        raise UsageError(
            f"`--as {pairs[0]}` without `--votes`", "add --votes FILE, or leave it out"
        )


def check_names(names: Names, contenders: Iterable[str]) -> None:
    """Raise UsageError for a contender that is not there, or a name that is another's already."""
    known = list(dict.fromkeys(contenders))
    for contender in names:
        if contender not in known:
            raise UsageError(
                f"`--as {contender}={names[contender]}`: no contender `{contender}`",
                f"contenders: {', '.join(known)}",
            )
        if names[contender] in known and names[contender] not in names:
            raise UsageError(
                f"`--as {contender}={names[contender]}`: another contender has that name",
                f"name it too: --as {names[contender]}=NAME",
            )


def read_judged(source: str, names: Names, root: Path) -> Judged:
    """A judge's outcomes from a run, a file of verdicts or votes, or votes on the hub."""
    folder = run_of(source, root)
    if folder is not None:
        return of_run(folder, names, runs.read_verdicts(folder))
    path = Path(source)
    if path.is_file() and not votes.is_votes(path):
        return _of_verdicts(verdicts_in(path), "conservative", names, {})
    return _of_votes(votes.read_votes(source), names)


def run_of(source: str, root: Path) -> Path | None:
    """The folder of a run of `compare`; None where a file or the hub is named."""
    path = Path(source)
    if path.is_file() and path.name != runs.DOCUMENT:
        return None
    if votes.is_hub_id(source.partition(":")[0]) and not (root / source).exists():
        return None
    folder = runs.find_run(str(path.parent) if path.is_file() else source, root)
    if runs.is_passk(folder):
        raise UsageError(f"`{folder}` holds pass@k figures: nothing was judged in it", HINT)
    return folder


def of_run(folder: Path, names: Names, verdicts: Sequence[Verdict]) -> Judged:
    """The outcomes of these verdicts of a run, by its rule."""
    averaged = read_document(folder / runs.DOCUMENT)["rule"] == "average"
    rule: Rule = "average" if averaged else "conservative"
    category = {prompt.id: prompt.category for prompt in read_prompts(folder / "prompts.jsonl")}
    return _of_verdicts(verdicts, rule, names, category)


def _of_verdicts(
    verdicts: Sequence[Verdict], rule: Rule, names: Names, category: Mapping[str, str]
) -> Judged:
    check_names(names, (name for verdict in verdicts for name in (verdict.a, verdict.b)))
    pairs: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        pair = names.get(verdict.a, verdict.a), names.get(verdict.b, verdict.b)
        pairs.setdefault(pair, []).append(verdict)
    outcomes: dict[Item, Winner] = {}
    for (a, b), several in pairs.items():
        for outcome in fold(several, rule):
            winner: Winner = "tie" if outcome.score == 0.5 else "a" if outcome.score > 0.5 else "b"
            vote = Vote(outcome.prompt_id, outcome.turn, a, b, winner, "")
            outcomes[vote.item] = winner if a == vote.item[2] else votes.turned(winner)
    judge = ", ".join(dict.fromkeys(verdict.judge for verdict in verdicts))
    unused = 0 if rule == "average" else scores_unused(verdicts)
    return Judged(judge, outcomes, tuple(pairs), _categories(category, outcomes), unused)


def _of_votes(several: Sequence[Vote], names: Names) -> Judged:
    check_names(names, (name for vote in several for name in (vote.a, vote.b)))
    renamed = [
        Vote(v.prompt_id, v.turn, names.get(v.a, v.a), names.get(v.b, v.b), v.winner, v.voter)
        for v in several
    ]
    outcomes = {item: votes.outcome_of(said) for item, said in votes.by_item(renamed).items()}
    judge = ", ".join(dict.fromkeys(vote.voter for vote in several))
    return Judged(judge, outcomes, tuple(votes.pairs_of(renamed)), _categories({}, outcomes))


def _categories(known: Mapping[str, str], items: Iterable[Item]) -> dict[str, str]:
    """Categories of the questions: the run's own, else MT-Bench's for its ids."""
    found = dict(known)
    for question in dict.fromkeys(item[0] for item in items):
        if not known and question in mtbench_categories():
            found[question] = mtbench_categories()[question]
    return found
