"""Principles drafted by a model: what it is asked, and how its reply becomes a constitution file.

task description --render--> request --complete--> reply --parse--> principles --to_toml--> a file

A person edits the file before it is used: a draft is where a constitution begins.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sami_eval.core.calls import Request, Sampling
from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.files import parse_json, shown
from sami_eval.core.shape import is_name
from sami_eval.core.thoughts import blanked
from sami_eval.core.types import Model, Principle
from sami_eval.data.chat import Messages
from sami_eval.data.constitutions import EVERY

TOKENS_A_PRINCIPLE, TOKENS_BESIDE = 200, 800

PHRASINGS = ("weak", "strong", "antithesis")
REORDERING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_FENCED = re.compile(r"^```(?:json)?[ \t]*\n(.*?)^```", re.S | re.M)

SYSTEM = "You set up experiments on how language models follow instructions about their answers."
ASKED = """\
A language model is about to answer prompts of this kind:

<task>
{task}
</task>

Draft {n} principles for its answers. A principle names one property that a reader can recognise in
the answer alone, that nearly every prompt of this kind allows to be there or not, and that can be
chosen freely whatever the other principles ask for. Both the property and its opposite must leave
room for a correct and helpful answer.

Phrase each principle in three ways, each one sentence on one line, complete in itself:
- "weak": mentions mildly that the property would be welcome, and commands nothing
- "strong": commands the property, to whoever writes the answer
- "antithesis": commands the opposite; it says what to do, not what to leave out
{categories}
Reply with JSON and nothing else: a list of {n} objects with these fields and no others.
[{{{fields}}}]"""
CATEGORIES = """
The prompts fall into these categories: {names}. Give every principle the one category it is for, \
written as here, and every category at least one principle.
"""


class ReplyError(SamiEvalError):
    """The model's reply is no list of principles."""


def max_tokens(n: int) -> int:
    """Room for a reply with n principles."""
    return n * TOKENS_A_PRINCIPLE + TOKENS_BESIDE


def render(task: str, n: int, categories: Sequence[str] = ()) -> Messages:
    """The messages that ask for n principles.

    Raises UsageError for what cannot be asked for.
    """
    twice = [name for name, count in Counter(categories).items() if count > 1]
    if twice or not all(map(is_name, categories)):
        raise UsageError(
            f"`--principle-categories {','.join(categories)}`: "
            + (f"`{twice[0]}` twice" if twice else "a name is empty"),
            "e.g. --principle-categories writing,math",
        )
    if len(categories) > n:
        raise UsageError(
            f"`--write-principles {n}` for {len(categories)} categories: each needs at least one",
            f"--write-principles {len(categories)}, or fewer categories",
        )
    fields = ", ".join(f'"{name}": "..."' for name in _fields(categories))
    listed = ", ".join(f'"{name}"' for name in categories)
    told = CATEGORIES.format(names=listed) if categories else ""
    asked = ASKED.format(task=task.strip(), n=n, categories=told, fields=fields)
    return (("system", SYSTEM), ("user", asked))


def _fields(categories: Sequence[str]) -> tuple[str, ...]:
    return ("category", *PHRASINGS) if categories else PHRASINGS


def request(writer: Model, messages: Messages, sampling: Sampling) -> Request:
    """What a writer is asked. Raises UsageError for one that cannot write."""
    from sami_eval.generate.formats import format_of

    if writer.engine == "recorded":
        raise UsageError(f"`{writer.name}` is a record: it writes nothing", "name a model")
    ids = format_of(writer).render(messages) if writer.engine == "local" else ()
    return Request(writer, messages, ids, sampling)


def parse(
    reply: str, n: int, categories: Sequence[str], kept: Path, hint: str
) -> tuple[Principle, ...]:
    """The principles of a reply: JSON alone, or in the one code block there is.

    kept: where the reply lies, for the error. Raises ReplyError for anything but n principles.
    """
    try:
        rows = parse_json(_json(reply), hint, kept)
    except UsageError as error:  # the file is the model's, not the user's
        raise ReplyError(f"the reply is {error.message}", hint, error.where) from None
    wrong = _wrong(rows, n, categories)
    if wrong is not None:
        raise ReplyError(f"the reply cannot be used: {wrong}", hint, str(kept))
    count: Counter[str] = Counter()
    principles = []
    for row in rows:
        category = row.get("category", EVERY)
        count[category] += 1
        name = "principle" if category == EVERY else category
        weak, strong, antithesis = (row[field].strip() for field in PHRASINGS)
        principles.append(
            Principle(f"{name}.{count[category]}", (category,), weak, strong, antithesis)
        )
    return tuple(principles)


def _json(reply: str) -> str:
    """The reply's JSON, on the lines it stands on there."""
    said = blanked(reply)
    blocks = list(_FENCED.finditer(said))
    if len(blocks) == 1:
        start, end = blocks[0].span(1)
    else:
        start, end = len(said) - len(said.lstrip()), len(said)
    return "\n" * reply.count("\n", 0, start) + said[start:end]


def _wrong(rows: Any, n: int, categories: Sequence[str]) -> str | None:
    """What keeps a reply from being n principles, or None."""
    if not isinstance(rows, list):
        return f"{shown(rows)} is no list"
    if len(rows) != n:
        return f"{len(rows)} principles came, {n} were asked for"
    for number, row in enumerate(rows, 1):
        wrong = _wrong_row(row, categories)
        if wrong is not None:
            return f"principle {number}: {wrong}"
    texts = Counter(row["strong"].strip() for row in rows)
    twice = next((text for text, count in texts.items() if count > 1), None)
    if twice is not None:
        return f"two principles say {shown(twice)}"
    given = {row.get("category") for row in rows}
    missing = next((name for name in categories if name not in given), None)
    return missing and f"no principle is for category `{missing}`"


def _wrong_row(row: Any, categories: Sequence[str]) -> str | None:
    if not isinstance(row, dict):
        return f"{shown(row)} is no object"
    fields = _fields(categories)
    for name in (*row, *fields):
        if name not in fields:
            return f"unknown field `{name}`"
        if name not in row:
            return f"`{name}` is missing"
        if not _is_line(row[name]):
            return f"`{name}` is {shown(row[name])}, not one line of text"
    if categories and row["category"] not in categories:
        return f"`category` is {shown(row['category'])}, none of {', '.join(categories)}"
    if len({row[name].strip() for name in PHRASINGS}) < len(PHRASINGS):
        return "two of its phrasings are the same"
    return None


def _is_line(value: Any) -> bool:
    """Text without line ends and control characters; spaces and joiners of any script may be in it.

    What reorders text on the screen may not: a person is to read it.
    """
    if not isinstance(value, str) or not value.strip():
        return False
    hidden = {"Cc", "Cs", "Zl", "Zp"}
    return not any(unicodedata.category(c) in hidden or c in REORDERING for c in value)


def to_toml(principles: Sequence[Principle], writer: str, task: str) -> str:
    """A constitution file that `read_constitution` reads, with where it came from on top."""
    lines = [f"A draft by {writer}, to be read and edited. The task it was drafted for:"]
    head = "".join(f"# {_printable(line)}".rstrip() + "\n" for line in [*lines, *task.split("\n")])
    return head + "".join(map(_table, principles))


def _printable(line: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in line)


def _table(principle: Principle) -> str:
    rows: Mapping[str, object] = {
        "id": principle.id,
        "categories": list(principle.categories),
        **{name: getattr(principle, name) for name in PHRASINGS},
    }
    # A JSON text of printable letters is a TOML text too.
    return "\n[[principle]]\n" + "".join(
        f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in rows.items()
    )
