"""`sami-eval task new`: a task of one's own that is asked as it is written."""

from __future__ import annotations

import typer

from sami_eval.cli.flags import Command
from sami_eval.cli.help import Grouped, Listing
from sami_eval.cli.new import Force, NewName, written
from sami_eval.core.errors import UsageError
from sami_eval.core.files import bundled
from sami_eval.core.task_files import COMMAND, KINDS, Kind, kind_of

HEAD = """# A task: its name ends in its kind, and is lm-eval's too; docs/tasks.md has every key.
# Try it: sami-eval {command} {contenders} --task {name} --dry-run
task: {name}
class: !function {run_by}
metadata:
  version: 1
  sami_eval:
    kind: {kind}
    about: In my own words             # for `sami-eval ls tasks`
    questions:
      file: {name}.jsonl  # or hub: ID, with split: test
"""
BODY: dict[Kind, str] = {
    "pairwise": """      columns: {prompt: turns, id: key, category: topic}  # reference: too
    temperatures: {stories: 0.7}       # of answers by category; 0 for others
    judge: quality                     # --judge wins over it
""",
    "passk": """      columns: {prompt: problem, reference: answer}  # id, category and cluster: too
    marker: number                     # what reads the answers: `sami-eval ls markers`
""",
}
ROWS: dict[Kind, str] = {
    "pairwise": """{"key": "1", "topic": "stories", "turns": ["Tell of a lighthouse.", "Shorter."]}
{"key": "2", "topic": "plans", "turns": ["Plan a day by a lake."]}
""",
    "passk": """{"problem": "Of 3 boxes of 4 pens 2 are lost. How many are left?", "answer": "10"}
{"problem": "Half of 9 metres are cut off. How many are left?", "answer": "4.5"}
""",
}
app = typer.Typer(help="A task file of your own.", cls=Listing, rich_markup_mode=None)


@app.callback()
def _task() -> None:
    """A task file of your own."""


@app.command("new", cls=Grouped)
@Command
def task(name: NewName, force: Force = False) -> None:
    """Write ./tasks/NAME.yaml and two rows in NAME.jsonl, for NAME_pairwise or NAME_passk."""
    from sami_eval.data.tasks import CLASSES

    kind = kind_of(name)
    if kind is None:
        hint = f"sami-eval task new {name or 'mine'}_{KINDS[0]}, or {name or 'mine'}_{KINDS[1]}"
        raise UsageError(f"`{name}` is no name for a task: it ends in its kind", hint)
    ours = [one.stem for one in bundled("tasks").glob("*.yaml")]
    asked = "A B" if kind == "pairwise" else "A"
    about = {"name": name, "kind": kind, "run_by": CLASSES[kind], "command": COMMAND[kind]}
    text = HEAD.format(**about, contenders=asked) + BODY[kind]
    written("task", "tasks", name, {".yaml": text, ".jsonl": ROWS[kind]}, ours, force)
