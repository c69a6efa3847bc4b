"""`sami-eval judge new` and `constitution new`: a file of one's own that works as it is written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from sami_eval.cli.flags import Command
from sami_eval.cli.help import Grouped, Listing
from sami_eval.core.errors import UsageError
from sami_eval.core.flags import Flag, Group

JUDGE = r"""# A judge: a model is asked in both orders which of two answers is better.
# Try it: sami-eval compare A B --judge {name} --dry-run
name = "{name}"
description = "which answer is better, in my own words"  # for `sami-eval ls judges`
kind = "pairwise"
principles = false             # true: the templates show {{constitution}}, a prompt's principles
model = "openai:gpt-4o"        # --judge-model wins over it
temperature = 0.0
max_tokens = 2048

system = '''
You compare two answers to the same request and decide which serves the person who asked better.
Look at whether it does what was asked, and at whether what it says is true. Neither the order of
the answers nor their length is a merit. Say in a few sentences what separates them. Then end with
[[A]] if A is better, [[B]] if B is better, or [[C]] if neither is.
'''

# The user's message. Of a prompt with two turns, the second is judged by the template `two`.
[templates]
one = '''
<<<request>>>
{{question}}
<<<answer A>>>
{{answer_a}}
<<<end of answer A>>>
<<<answer B>>>
{{answer_b}}
<<<end of answer B>>>
'''
two = '''
Judge the answers to the second message alone.
<<<first message>>>
{{question_1}}
<<<second message>>>
{{question_2}}
<<<answer A to message 1>>>
{{answer_a_1}}
<<<end of answer A to message 1>>>
<<<answer A to message 2>>>
{{answer_a_2}}
<<<end of answer A to message 2>>>
<<<answer B to message 1>>>
{{answer_b_1}}
<<<end of answer B to message 1>>>
<<<answer B to message 2>>>
{{answer_b_2}}
<<<end of answer B to message 2>>>
'''
# Third and later turns: more = '''{{questions}} {{answers_a}} {{answers_b}}''' (docs/judges.md)

# What stands above a template, of a prompt that continues a conversation or has a checklist.
# [sections]
# history = '''What was said before, and is nobody's to answer:
# {{history}}'''
# checklist = '''What to look at in the answers:
# {{checklist}}'''

# Regular expressions over the reply; the last match is the verdict.
[patterns]
a = ['\[\[A\]\]']
b = ['\[\[B\]\]']
tie = ['\[\[C\]\]']
"""
CONSTITUTION = """\
# A constitution: principles for answers. Contrasts are written under `strong` and `antithesis`;
# `weak` is what a model and a judge are shown in a comparison.
# Try it: sami-eval compare A B --constitutions {name} --dry-run

[[principle]]
id = "brief.1"
categories = ["*"]             # of the prompts it is for, as ["writing", "math"]; "*": all
weak = "A short answer often says enough."
strong = "Write no more than 80 words in all."
antithesis = "Write at length, with no fewer than 120 words."
check = "words <= 80"          # optional: a program sees by it whether it is met

[[principle]]
id = "closing.1"
categories = ["*"]
weak = "An answer may close by asking its reader something."
strong = "End with a question to the reader."
antithesis = "End with a statement, and ask the reader nothing at the end."
check = "question-last"
"""
judge_app = typer.Typer(help="A judge file of your own.", cls=Listing, rich_markup_mode=None)
constitution_app = typer.Typer(
    help="A constitution file of your own.", cls=Listing, rich_markup_mode=None
)
NewName = Annotated[
    str, Flag("The file's name, without its ending.", Group.OUTPUT, positional=True)
]
Force = Annotated[bool, Flag("Replace the one that is there.", Group.OUTPUT)]


@judge_app.callback()
def _judge() -> None:
    """A judge file of your own."""


@constitution_app.callback()
def _constitution() -> None:
    """A constitution file of your own."""


@judge_app.command("new", cls=Grouped)
@Command
def judge(name: NewName, force: Force = False) -> None:
    """Write ./judges/NAME.toml, a small judge to change; it works at once."""
    from sami_eval.judge.files import bundled_dir

    ours = (one.stem for one in bundled_dir().glob("*.toml"))
    written("judge", "judges", name, {".toml": JUDGE.format(name=name)}, ours, force)


@constitution_app.command("new", cls=Grouped)
@Command
def constitution(name: NewName, force: Force = False) -> None:
    """Write ./constitutions/NAME.toml, two principles to change; it works at once."""
    from sami_eval.core.files import bundled
    from sami_eval.data.constitutions import FOLDER

    ours = (one.stem for one in bundled(FOLDER).glob("*.toml"))
    written("constitution", FOLDER, name, {".toml": CONSTITUTION.format(name=name)}, ours, force)


def written(
    what: str, folder: str, name: str, texts: Mapping[str, str], ours: Iterable[str], force: bool
) -> None:
    """Write files of a new thing by their endings, the first with its schema's line above.

    Raises UsageError for a name that is none or ours, and where one of the files is here already.
    """
    from sami_eval.cli.output import write
    from sami_eval.cli.schema import write_schema

    if not re.fullmatch(r"\w[\w.-]*", name, re.ASCII) or name.endswith(tuple(texts)):
        hint = f"letters, digits, - and _: sami-eval {what} new {EXAMPLE[what]}"
        raise UsageError(f"`{name}` is no name for a {what}", hint)
    if name in ours:
        raise UsageError(f"{what} `{name}` comes with sami-eval", "a name of your own")
    paths = [Path(folder) / f"{name}{ending}" for ending in texts]
    for path in paths:
        if os.path.lexists(path) and not force:
            raise UsageError(f"`{path}` is here already", f"sami-eval {what} new {name} --force")
    schema = f"../{write_schema(what).as_posix()}"
    lines = [SCHEMA_LINE[next(iter(texts))].format(schema), *("" for _ in paths[1:])]
    for path, line, text in zip(paths, lines, texts.values(), strict=True):
        write(path, line + text)


SCHEMA_LINE = {".toml": "#:schema {}\n", ".yaml": "# yaml-language-server: $schema={}\n"}
EXAMPLE = {"judge": "strict", "constitution": "mine", "task": "mine_pairwise"}
