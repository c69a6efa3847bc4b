"""Votes: what people (or another judge) said of two models' answers.

The format is that of `lmsys/mt_bench_human_judgments`: a row a vote, with question_id, model_a,
model_b, winner, judge (the voter) and turn (from 1); conversation_a and conversation_b may stand
beside. Read from JSON lines, a JSON list, parquet, or the hub.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NotRequired, TypedDict

from sami_eval.core.errors import UsageError
from sami_eval.core.files import read_json
from sami_eval.core.records import read_lines, read_list, record
from sami_eval.core.shape import Id, Name, Whole
from sami_eval.core.types import Turn, Winner
from sami_eval.data import hub

HINT = (
    'a vote looks like {"question_id": 81, "model_a": "x", "model_b": "y", "winner": "model_a", '
    '"judge": "author_2", "turn": 1}; winner: model_a, model_b, tie or tie (inconsistent)'
)
SPLIT = "human"
_WINNERS: Mapping[str, Winner] = {
    "model_a": "a",
    "model_b": "b",
    "tie": "tie",
    "tie (inconsistent)": "tie",  # the two orders disagreed
}
_TURNED: Mapping[Winner, Winner] = {"a": "b", "b": "a", "tie": "tie"}
Item = tuple[str, int, str, str]  # question, turn from 0, the two models in alphabetical order


@dataclass(frozen=True, slots=True)
class Vote:
    """What one voter says of one turn; a, b: names of the models. turn: from 0.

    answers: what a and b answered in this turn, where the row has their conversations.
    """

    prompt_id: str
    turn: int
    a: str
    b: str
    winner: Winner
    voter: str
    answers: tuple[str | None, str | None] = (None, None)

    @property
    def item(self) -> Item:
        """What is voted on, whichever model stands first."""
        return (self.prompt_id, self.turn, min(self.a, self.b), max(self.a, self.b))


def read_votes(source: str) -> list[Vote]:
    """The votes of a file, or of a data set on the hub, in order.

    source: .jsonl, .json or .parquet, else a hub id; its split behind a colon, `human` by default.
    Raises UsageError with file and line for a bad field, and where there is no vote.
    """
    votes = [_vote(row, where) for where, row in _rows(source)]
    if not votes:
        raise UsageError("no votes in the file", HINT, source)
    return votes


def is_votes(path: Path) -> bool:
    """Whether a file holds votes, by its first row; other files hold verdicts."""
    if path.suffix == ".parquet":
        return True
    if path.suffix == ".json":
        data = read_json(path, HINT)
        first = data[0] if isinstance(data, list) and data else None
    else:
        first = next((row for _, row in read_lines(path, HINT)), None)
    return isinstance(first, dict) and ("model_a" in first or "model_b" in first)


def is_hub_id(source: str) -> bool:
    """Whether a source names a data set on the hub: no file, and owner/name."""
    owner, slash, name = source.partition("/")
    return bool(owner and slash and name) and "/" not in name and not Path(source).exists()


def _rows(source: str) -> Iterable[tuple[str, object]]:
    path = Path(source)
    if path.suffix not in (".json", ".jsonl", ".parquet") and is_hub_id(source):
        return _from_hub(source)
    if path.suffix == ".json":
        return read_list(path, HINT, "votes")
    return _from_parquet(path) if path.suffix == ".parquet" else read_lines(path, HINT)


def _numbered(rows: Iterable[object], source: str) -> Iterator[tuple[str, object]]:
    return ((f"{source}, vote {number}", row) for number, row in enumerate(rows, 1))


def _from_parquet(path: Path) -> Iterator[tuple[str, object]]:
    import pyarrow
    import pyarrow.parquet

    if not path.is_file():
        raise UsageError(f"no file `{path}`", HINT)
    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise UsageError(f"not parquet: {str(error)[:80]}", HINT, str(path)) from None
    return _numbered(rows, str(path))


def _from_hub(source: str) -> Iterator[tuple[str, object]]:
    name, _, split = source.partition(":")
    try:
        rows = hub.read_rows(name, split=split or SPLIT)
    except hub.HubError as error:
        raise UsageError(
            f"cannot read `{source}` from the hub: {error}",
            "save it as JSON lines and give the file; a split goes behind a colon: NAME:gpt4_pair",
        ) from None
    return _numbered(map(dict, rows), source)


class _Message(TypedDict):
    role: str
    content: str


_Messages = Annotated[list[_Message] | None, Whole("a list of messages")]


class _Row(TypedDict):
    question_id: Id
    model_a: Name
    model_b: Name
    winner: Literal["model_a", "model_b", "tie", "tie (inconsistent)"]
    judge: Name
    turn: Turn
    conversation_a: NotRequired[_Messages]
    conversation_b: NotRequired[_Messages]


def _vote(given: object, where: str) -> Vote:
    if isinstance(given, dict) and isinstance(given.get("judge"), list):
        given = {**given, "judge": next(iter(given["judge"]), None)}  # FastChat's: model, prompt
    row = record(given, _Row, where, HINT)
    a, b, turn = row["model_a"], row["model_b"], row["turn"]
    if a == b:
        raise UsageError(f"`{a}` is compared with itself", HINT, where)
    answers = _answer(row.get("conversation_a"), turn), _answer(row.get("conversation_b"), turn)
    return Vote(row["question_id"], turn - 1, a, b, _WINNERS[row["winner"]], row["judge"], answers)


def _answer(messages: list[_Message] | None, turn: int) -> str | None:
    """The assistant's message of this turn; None without a conversation."""
    said = [one["content"] for one in messages or () if one["role"] == "assistant"]
    return said[turn - 1] if turn <= len(said) else None


def by_item(votes: Iterable[Vote]) -> dict[Item, dict[str, Winner]]:
    """Each item's votes by voter, as seen from its first model.

    Several votes of one voter on one item are one vote: what they agree on, else a tie, as for a
    judge whose two orders disagree.
    """
    items: dict[Item, dict[str, Winner]] = {}
    for vote in votes:
        winner = vote.winner if vote.a == vote.item[2] else _TURNED[vote.winner]
        voters = items.setdefault(vote.item, {})
        voters[vote.voter] = winner if voters.get(vote.voter, winner) == winner else "tie"
    return items


def turned(winner: Winner) -> Winner:
    """The winner with the models' places exchanged."""
    return _TURNED[winner]


def outcome_of(voters: Mapping[str, Winner]) -> Winner:
    """What most voters say; a tie without a majority."""
    (winner, most), *others = Counter(voters.values()).most_common(2)
    return "tie" if others and others[0][1] == most else winner


def pairs_of(votes: Iterable[Vote]) -> dict[tuple[str, str], int]:
    """The unordered pairs of models the votes hold, with the number of votes, most first."""
    counts = Counter(vote.item[2:] for vote in votes)
    return dict(counts.most_common())


def pairs_text(votes: Sequence[Vote]) -> str:
    """The pairs the votes hold, for an error."""
    pairs = [f"{a} : {b} ({n})" for (a, b), n in pairs_of(votes).items()]
    more = f" and {len(pairs) - 20} more" if len(pairs) > 20 else ""
    return ", ".join(pairs[:20]) + more
