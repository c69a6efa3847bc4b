"""People's votes beside a comparison: the win rate with the judge's errors taken out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sami_eval.core.comparison import Outcome
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Response, Verdict
from sami_eval.data.votes import Vote, by_item, pairs_text, read_votes, turned
from sami_eval.experiment.comparison_rows import ComparisonRow, CorrectedRow
from sami_eval.experiment.document import Document, of_pair
from sami_eval.experiment.fold import POINTS, Rule, fold
from sami_eval.experiment.judged import Names, check_names, parse_names

Pair = tuple[str, str]
Answers = Mapping[tuple[str, str], Sequence[str]]  # model, prompt id -> a text a turn


@dataclass(frozen=True, slots=True)
class People:
    """Votes, where they come from, and what they call the contenders."""

    source: str
    votes: Sequence[Vote]
    names: Names


def read_people(
    source: str, names: Sequence[str], pairs: Sequence[Pair], questions: Iterable[str]
) -> People:
    """The votes for these pairs of contenders and questions; names: CONTENDER=NAME.

    Raises UsageError where no vote is on any of them, and says what the votes hold.
    """
    people = People(source, read_votes(source), parse_names(names))
    check_names(people.names, (name for pair in pairs for name in pair))
    asked = {tuple(sorted(_renamed(pair, people.names))) for pair in pairs}
    of_pairs = [vote for vote in people.votes if vote.item[2:] in asked]
    if not of_pairs:
        theirs = ", ".join(f"{a} : {b}" for a, b in pairs)
        raise UsageError(
            f"`{source}` has no vote on {theirs}; it holds {pairs_text(people.votes)}",
            "name a contender as the votes do: --as CONTENDER=NAME",
        )
    known = set(questions)
    if not any(vote.prompt_id in known for vote in of_pairs):
        raise UsageError(
            f"`{source}` has no vote on the questions asked; its first is on question "
            f"`{of_pairs[0].prompt_id}`, the first asked is `{min(known, default='-')}`",
            "ask the questions that were voted on: --prompts FILE",
        )
    return people


def _renamed(pair: Pair, names: Names) -> Pair:
    return names.get(pair[0], pair[0]), names.get(pair[1], pair[1])


def with_votes(
    document: Document,
    verdicts: Sequence[Verdict],
    people: People,
    responses: Iterable[Response] = (),
) -> Document:
    """The document with every pair's corrected win rate, where there are votes on the pair."""
    for row in document["comparisons"]:
        if row["stopping"] is not None and row["stopping"]["main"]:
            raise UsageError(
                f"`{row['a']} : {row['b']}` stopped after {row['stopping']['asked']} of "
                f"{row['stopping']['questions']} questions: `--votes` corrects the rate of all",
                "run its command without --until-decided first: it goes on",
            )
    rule: Rule = "average" if document["rule"] == "average" else "conservative"
    answers = list(responses)
    rows = [
        with_corrected(row, fold(of_pair(document, row, verdicts), rule), people, answers)
        for row in document["comparisons"]
    ]
    return {**document, "comparisons": rows}


def with_corrected(
    row: ComparisonRow,
    outcomes: Sequence[Outcome],
    people: People,
    responses: Sequence[Response] = (),
) -> ComparisonRow:
    """A pair with its corrected win rate.

    Votes are on answers of one model a side: a pair of several training seeds has none.
    responses: what was judged, to count the votes that are on other answers.
    """
    if row["seeds"] is not None:
        return {**row, "corrected": None}
    from sami_eval.stats.ppi import TurnScores, corrected_win_rate

    said = _scores(_renamed((row["a"], row["b"]), people.names), people.votes)
    questions: dict[str, list[TurnScores]] = {}
    n_votes = 0
    for outcome in outcomes:
        scores = said.get((outcome.prompt_id, outcome.turn), [])
        n_votes += len(scores)
        turn = (outcome.score, fmean(scores) if scores else None)
        questions.setdefault(outcome.prompt_id, []).append(turn)
    found = corrected_win_rate(questions)
    if found.win_rate.value is None or found.weight is None or found.people.value is None:
        return {**row, "corrected": None}
    corrected: CorrectedRow = {
        "win_rate": found.win_rate.value,
        "interval": list(found.win_rate.interval or ()),
        "judge_weight": found.weight,
        "people_win_rate": found.people.value,
        "people_interval": list(found.people.interval or ()),
        "n_votes": n_votes,
        "n_questions": found.n_questions,
        "n_turns": found.n_turns,
        "n_other_answers": _n_other(row, outcomes, people, responses),
        "votes": people.source,
    }
    return {**row, "corrected": corrected}


def _scores(pair: Pair, votes: Sequence[Vote]) -> Mapping[tuple[str, int], list[float]]:
    """What each voter says of each turn of a pair, as a score of its first side."""
    scores: dict[tuple[str, int], list[float]] = {}
    for item, voters in by_item(votes).items():
        if item[2:] == tuple(sorted(pair)):
            said = [w if pair[0] == item[2] else turned(w) for w in voters.values()]
            scores[item[:2]] = [POINTS[winner] for winner in said]
    return scores


def _n_other(
    row: ComparisonRow,
    outcomes: Sequence[Outcome],
    people: People,
    responses: Sequence[Response],
) -> int | None:
    """Votes on the judged turns that are on other answers; None where no two can be compared."""
    judged = {(outcome.prompt_id, outcome.turn) for outcome in outcomes}
    answers = {(one.model, one.prompt_id): one.turns for one in responses if one.sample == 0}
    side = {people.names.get(name, name): name for name in (row["a"], row["b"])}
    same = [
        _is_same(vote, side, answers)
        for vote in people.votes
        if vote.item[:2] in judged and {vote.a, vote.b} == set(side)
    ]
    known = [one for one in same if one is not None]
    return known.count(False) if known else None


def _is_same(vote: Vote, side: Mapping[str, str], answers: Answers) -> bool | None:
    """Whether a vote is on the answers judged; None where either side's are not known."""
    compared = [
        said.strip() == turns[vote.turn].strip()
        for name, said in zip((vote.a, vote.b), vote.answers, strict=True)
        for turns in [answers.get((side[name], vote.prompt_id), ())]
        if said is not None and vote.turn < len(turns)
    ]
    return all(compared) if compared else None
