"""GSM8K and problems like it: read, rendered with or without worked examples, marked.

A problem comes from the hub, from a JSONL file in GSM8K's format or ours, or from the embedded
world. Its gold answer is an exact number.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, TypedDict

from sami_eval import embedded
from sami_eval.core.errors import UsageError, shown
from sami_eval.core.records import read_lines, record
from sami_eval.core.shape import Id, MisfitError, Text, Whole, fit
from sami_eval.core.types import Prompt
from sami_eval.data import chat, hub
from sami_eval.data.prompts import to_prompt
from sami_eval.stats.extract import extract_answer

HUB_ID = "openai/gsm8k"
HUB_SPLITS = ("train", "test")
EMBEDDED = "embedded"
EMBEDDED_SPLITS = ("development", "evaluation")
FORMAT = (
    'a line looks like {"question": "...", "answer": "... #### 18"} (GSM8K\'s format), or '
    '{"id": "1", "category": "math", "turns": ["..."], "reference": ["18"]} (ours)'
)
INSTRUCTION = (
    "Solve the following problem. Show your reasoning step by step, then finish with one line that "
    "says: The answer is NUMBER."
)
COMPLETION_STOP = ("\nQuestion:", "\nProblem:", "\nQ:")
PAPER_STOP = ("\nQ:",)
_CALCULATOR = re.compile(r"<<[^<>\n]*>>")


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: what is asked, and the exact number that answers it.

    prompt: its reference is the worked solution, or the bare answer where there is none.
    cluster: what it shares with others, such as the template they are made from; None: nothing.
    """

    prompt: Prompt
    gold: Fraction
    cluster: str | None = None

    @property
    def question(self) -> str:
        """The problem's text."""
        return self.prompt.turns[0]

    @property
    def solution(self) -> str:
        """The worked solution as an example shows it, its last line saying the answer."""
        reference = (self.prompt.reference or ("",))[0]
        worked = _CALCULATOR.sub("", reference.partition("####")[0]).strip()
        said = f"The answer is {number_text(self.gold)}."
        return f"{worked}\n{said}" if "####" in reference and worked else said


def number_text(value: Fraction) -> str:
    """A number as a person writes it: 18, 2.5, 1/3."""
    if value.denominator == 1:
        return str(value.numerator)
    decimal = f"{float(value):.6f}".rstrip("0")
    return decimal if Fraction(decimal) == value else f"{value.numerator}/{value.denominator}"


def read_problems(
    source: str | Path | None = None, split: str | None = None, cluster: str | None = None
) -> list[Problem]:
    """The problems of a source, in its order.

    source: a JSONL file, a hub id, or "embedded"; None is GSM8K on the hub.
    split: of the hub's (train, test; test by default) or the embedded world's (development,
        evaluation; evaluation by default). A file has none.
    cluster: the field of a file's rows that says which problems belong together.
    Raises UsageError with file and line for a bad row.
    """
    if source == EMBEDDED:
        return _embedded(split or "evaluation")
    if source is not None and (isinstance(source, Path) or _is_file_name(source)):
        if split is not None:
            raise UsageError(
                f"`{source}` is a file: it has no split `{split}`", "leave --split out"
            )
        return _of_file(Path(source).expanduser(), cluster)
    return _of_hub(str(source or HUB_ID), split or "test")


def _is_file_name(source: str) -> bool:
    return source.endswith((".json", ".jsonl")) or Path(source).expanduser().exists()


def _embedded(split: str) -> list[Problem]:
    if split not in EMBEDDED_SPLITS:
        raise _unknown_split(split, EMBEDDED_SPLITS, "the embedded word problems")
    return [_of_prompt(prompt, prompt.id) for prompt in embedded.word_problems(split)]


def _unknown_split(split: str, known: Collection[str], what: str) -> UsageError:
    return UsageError(f"{what} have no split `{split}`", f"known: {', '.join(known)}")


def _of_hub(hub_id: str, split: str) -> list[Problem]:
    if split not in HUB_SPLITS:
        raise _unknown_split(split, HUB_SPLITS, f"the problems of `{hub_id}`")
    try:
        rows = list(hub.read_rows(hub_id, "main", split=split))
    except hub.HubError as error:
        raise UsageError(
            f"cannot read `{hub_id}` from the hub: {error}",
            "a GSM8K file works without a network: --prompts test.jsonl; the embedded base has "
            "problems of its own",
        ) from None
    return [_of_row(row, str(i), f"{hub_id} {split} row {i}") for i, row in enumerate(rows, 1)]


def _of_file(path: Path, cluster: str | None) -> list[Problem]:
    problems: dict[str, Problem] = {}
    asked: dict[tuple[str, tuple[str, ...]], str] = {}
    for where, row in read_lines(path, FORMAT):
        number = where.rpartition(":")[2]
        problem = _in_cluster(row, number, where, cluster)
        if problem.prompt.id in problems:
            raise UsageError(f"problem `{problem.prompt.id}` occurs twice", "remove one", where)
        text = _plain(problem.question), problem.prompt.principles
        before = asked.setdefault(text, where)
        if before != where:
            raise UsageError(
                f"problem `{problem.prompt.id}` is the one at `{before}` again",
                "remove one: a problem that stands twice would count twice in every figure",
                where,
            )
        problems[problem.prompt.id] = problem
    if not problems:
        raise UsageError("no problems in the file", FORMAT, str(path))
    if cluster is not None and len({problem.cluster for problem in problems.values()}) < 2:
        raise UsageError(
            f"`--cluster {cluster}`: all problems have the same, so there is no interval",
            "name the field that differs from template to template",
            str(path),
        )
    return list(problems.values())


class _Row(TypedDict):
    id: Id
    question: Text
    answer: Text


class _Clustered(TypedDict):
    cluster: Annotated[int | str, Whole("a name", filled=True)]


def _in_cluster(row: dict[str, Any], number: str, where: str, cluster: str | None) -> Problem:
    """A row's problem with the value of its cluster's field, where one is named."""
    if cluster is None:
        return _of_row(row, number, where)
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
    return dataclasses.replace(_of_row(kept, number, where), cluster=str(value))


def _of_row(row: dict[str, Any], number: str, where: str) -> Problem:
    """A row in GSM8K's format, or in ours, which has `turns`."""
    if "turns" in row:
        return _of_prompt(to_prompt(row, where), where)
    found = record({"id": number, **row}, _Row, where, FORMAT)
    prompt = Prompt(found["id"], "math", (found["question"].strip(),), (found["answer"].strip(),))
    return _of_prompt(prompt, where)


def _of_prompt(prompt: Prompt, where: str) -> Problem:
    if len(prompt.turns) != 1:
        raise UsageError(f"a problem has one turn, not {len(prompt.turns)}", FORMAT, where)
    reference = (prompt.reference or ("",))[0]
    _, marked, after = reference.rpartition("####")
    gold = extract_answer(f"#### {after.strip()}") if after.strip() else None
    if gold is None or not (marked or len(reference) <= 40):
        last = reference.splitlines()[-1][:60] if reference else ""
        raise UsageError(f"no gold answer `#### n` in `{last}`", FORMAT, where)
    return Problem(prompt, gold)


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
    return f"{INSTRUCTION}\n\n{problem.question}" if instructed else problem.question


def completion_text(problem: Problem, examples: Sequence[Problem] = ()) -> str:
    """The problem as a text to be continued, for a base without a chat template."""
    solved = [f"Question: {one.question}\nAnswer: {one.solution}\n\n" for one in examples]
    return f"{''.join(solved)}Question: {problem.question}\nAnswer:"


def paper_text(problem: Problem, examples: Sequence[Problem] = ()) -> str:
    """The problem in the form the paper scored GSM8K in."""
    solved = [f"Q: {one.question}\nA: {one.solution}\n\n" for one in examples]
    return f"{''.join(solved)}Q: {problem.question}\nA:"
