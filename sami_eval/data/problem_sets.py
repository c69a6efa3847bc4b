"""Problems with a right answer: read, and rendered with or without worked examples.

A problem comes from a JSONL file in GSM8K's format or ours, from the embedded world, or from the
rows that a task names (`task_rows.py`). Its gold answer is what its marker reads (marker.py).
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

from sami_eval import embedded
from sami_eval.core.errors import UsageError, shown
from sami_eval.core.records import read_lines, record
from sami_eval.core.shape import Id, MisfitError, Text, Whole, fit
from sami_eval.core.types import Prompt
from sami_eval.data import chat, marking
from sami_eval.data.marker import DEFAULT, Marker, read_marker
from sami_eval.data.markers.number import INSTRUCTION as INSTRUCTION
from sami_eval.data.prompts import to_prompt

EMBEDDED = "embedded"
EMBEDDED_SPLITS = ("development", "evaluation")
FORMAT = (
    'a line looks like {"question": "...", "answer": "... #### 18"} (GSM8K\'s format), or '
    '{"id": "1", "category": "math", "turns": ["..."], "reference": ["18"]} (ours)'
)
QUESTIONS = ("question", "problem")  # a row's fields, the first that is there
GOLDS = ("answer", "target", "solution")
COMPLETION_STOP = ("\nQuestion:", "\nProblem:", "\nQ:")
PAPER_STOP = ("\nQ:",)
_CALCULATOR = re.compile(r"<<[^<>\n]*>>")


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: what is asked, and what answers it.

    prompt: its reference is the gold text, a worked solution or the bare answer.
    gold: what the marker reads from that, as it shows it.
    cluster: what it shares with others, such as the template they are made from; None: nothing.
    """

    prompt: Prompt
    gold: str
    marker: Marker
    cluster: str | None = None

    @property
    def question(self) -> str:
        """The problem's text."""
        return self.prompt.turns[0]

    @property
    def gold_text(self) -> str:
        """What the gold answer is read from."""
        return (self.prompt.reference or ("",))[0]

    @property
    def solution(self) -> str:
        """The worked solution as an example shows it, its last line saying the answer."""
        worked = _CALCULATOR.sub("", self.gold_text.partition("####")[0]).strip()
        said = marking.example_of(self.marker, self.gold_text)
        return f"{worked}\n{said}" if "####" in self.gold_text and worked else said


def read_problems(
    source: str | Path,
    split: str | None = None,
    cluster: str | None = None,
    marker: str | None = None,
) -> list[Problem]:
    """The problems of a source, in its order.

    source: a JSONL file, or "embedded".
    split: of the embedded world's (development, or evaluation, the default). A file has none.
    cluster: the field of a file's rows that says which problems belong together.
    marker: name or file of what reads the gold answers; a number by default.
    Raises UsageError with file and line for a bad row.
    """
    marked = read_marker(marker)
    if source == EMBEDDED:
        return _embedded(split or "evaluation", marked)
    if split is not None:
        raise UsageError(f"`{source}` is a file: it has no split `{split}`", "leave --split out")
    return _of_file(Path(source).expanduser(), cluster, marked)


def _embedded(split: str, marker: Marker) -> list[Problem]:
    if split not in EMBEDDED_SPLITS:
        known = f"known: {', '.join(EMBEDDED_SPLITS)}"
        raise UsageError(f"the embedded word problems have no split `{split}`", known)
    return [problem_of(prompt, prompt.id, marker) for prompt in embedded.word_problems(split)]


def _of_file(path: Path, cluster: str | None, marker: Marker) -> list[Problem]:
    problems: dict[str, Problem] = {}
    stands: list[tuple[str, Prompt]] = []
    for where, row in read_lines(path, FORMAT):
        number = where.rpartition(":")[2]
        problem = _in_cluster(row, number, where, cluster, marker)
        if problem.prompt.id in problems:
            raise UsageError(f"problem `{problem.prompt.id}` occurs twice", "remove one", where)
        stands.append((where, problem.prompt))
        problems[problem.prompt.id] = problem
    if not problems:
        raise UsageError("no problems in the file", FORMAT, str(path))
    check_once(stands)
    if cluster is not None and len({problem.cluster for problem in problems.values()}) < 2:
        raise UsageError(
            f"`--cluster {cluster}`: all problems have the same, so there is no interval",
            "name the field that differs from template to template",
            str(path),
        )
    return list(problems.values())


def check_once(rows: Iterable[tuple[str, Prompt]]) -> None:
    """Refuse a problem that stands twice in a file. rows: where each stands, and what it asks."""
    asked: dict[tuple[str, tuple[str, ...]], str] = {}
    for where, prompt in rows:
        before = asked.setdefault((_plain(prompt.turns[0]), prompt.principles), where)
        if before != where:
            raise UsageError(
                f"problem `{prompt.id}` is the one at `{before}` again",
                "remove one: a problem that stands twice would count twice in every figure",
                where,
            )


class _Row(TypedDict):
    id: Id
    question: Text
    answer: Text
    category: NotRequired[Text]


class _Clustered(TypedDict):
    cluster: Annotated[int | str, Whole("a name", filled=True)]


def _in_cluster(
    row: dict[str, Any], number: str, where: str, cluster: str | None, marker: Marker
) -> Problem:
    """A row's problem with the value of its cluster's field, where one is named."""
    if cluster is None:
        return _of_row(row, number, where, marker)
    try:
        value = fit({"cluster": row.get(cluster)}, _Clustered)["cluster"]
    except MisfitError as error:
        raise UsageError(
            f"`{cluster}` is {shown(error.value)}: no name of a cluster",
            "--cluster names the field that says which problems belong together",
            where,
        ) from None
    # A field of the user's own is none of a prompt's.
    kept = {k: v for k, v in row.items() if k != cluster or k in ("category", "id", "question_id")}
    return dataclasses.replace(_of_row(kept, number, where, marker), cluster=str(value))


def _of_row(row: dict[str, Any], number: str, where: str, marker: Marker) -> Problem:
    """A row in GSM8K's format or one like it, or in ours, which has `turns`."""
    if "turns" in row:
        return problem_of(to_prompt(row, where), where, marker)
    asked, gold = _first(row, QUESTIONS), _first(row, GOLDS)
    given = {"id": number, **row, "question": row.get(asked), "answer": row.get(gold)}
    found = record(given, _Row, where, FORMAT)
    category = found.get("category", "math")
    prompt = Prompt(found["id"], category, (found["question"].strip(),), (found["answer"].strip(),))
    return problem_of(prompt, where, marker)


def _first(row: Collection[str], names: Sequence[str]) -> str:
    return next((name for name in names if name in row), names[0])


def problem_of(
    prompt: Prompt, where: str, marker: Marker | None = None, cluster: str | None = None
) -> Problem:
    """A prompt whose reference is a gold text, as a problem.

    marker: of a number by default. Raises UsageError where it reads no gold answer there.
    """
    marker = marker or read_marker(DEFAULT)
    if len(prompt.turns) != 1:
        raise UsageError(f"a problem has one turn, not {len(prompt.turns)}", FORMAT, where)
    text = (prompt.reference or ("",))[0]
    gold = marking.gold_of(marker, text)
    if gold is None:
        last = text.splitlines()[-1][:60] if text else ""
        if marker.name == DEFAULT:
            raise UsageError(f"no gold answer `#### n` in `{last}`", FORMAT, where)
        about = marker.about or "sami-eval ls markers says what it reads"
        said = f"no gold answer for the marker `{marker.name}` in `{last}`"
        raise UsageError(said, f"{about} Or take another: --marker NAME", where)
    return Problem(prompt, gold, marker, cluster)


def limited(problems: Sequence[Problem], limit: int | None) -> list[Problem]:
    """The first `limit` problems."""
    return list(problems if limit is None else problems[:limit])


def draw_examples(
    pool: Callable[[], Sequence[Problem]], n: int, seed: int, asked: Sequence[Problem]
) -> list[Problem]:
    """n worked examples from a pool, none of them among the problems asked.

    pool: read only where n > 0. Raises UsageError where it holds too few others.
    """
    if n < 1:
        return []
    taken = {_plain(problem.question) for problem in asked}
    others = [problem for problem in pool() if _plain(problem.question) not in taken]
    if len(others) < n:
        raise UsageError(
            f"`--num-fewshot {n}` needs {n} problems that are not evaluated; there are "
            f"{len(others)}",
            "name others with --fewshot FILE, or leave out --num-fewshot",
        )
    return random.Random(seed).sample(others, n)


def _plain(text: str) -> str:
    return " ".join(text.split()).lower()


def messages(problem: Problem, examples: Sequence[Problem] = ()) -> chat.Messages:
    """The problem as a conversation, worked examples as earlier turns.

    Principles of the problem's own (the embedded world's have some) are the system message and
    stand in the instruction's place.
    """
    system = chat.constitution_text(problem.prompt.principles)
    turns = [_asked(one, instructed=not system) for one in (*examples, problem)]
    return chat.conversation(turns, [one.solution for one in examples], system)


def _asked(problem: Problem, instructed: bool) -> str:
    instruction = problem.marker.instruction if instructed else ""
    return f"{instruction}\n\n{problem.question}" if instruction else problem.question


def completion_text(problem: Problem, examples: Sequence[Problem] = ()) -> str:
    """The problem as a text to be continued, for a base without a chat template."""
    solved = [f"Question: {one.question}\nAnswer: {one.solution}\n\n" for one in examples]
    return f"{''.join(solved)}Question: {problem.question}\nAnswer:"


def paper_text(problem: Problem, examples: Sequence[Problem] = ()) -> str:
    """The problem in the form the paper scored GSM8K in."""
    solved = [f"Q: {one.question}\nA: {one.solution}\n\n" for one in examples]
    return f"{''.join(solved)}Q: {problem.question}\nA:"
