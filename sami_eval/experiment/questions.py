"""Which task is asked, and which questions a comparison asks: the contenders have a say.

| contenders                                | a task with `embedded: true` asks, without --prompts |
|-------------------------------------------|------------------------------------------------------|
| all that run stand on the embedded base   | the embedded world's questions                       |
| any other runs                            | its own                                              |
| records alone                             | those they carry, else those they answer             |

Any other task asks its own, whoever answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sami_eval import embedded
from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.files import read_json
from sami_eval.core.task_files import COMMAND, DEFAULT, Kind, files_named, replaced
from sami_eval.core.types import Model, Prompt
from sami_eval.data.answers import read_answers
from sami_eval.data.prompts import read_prompts
from sami_eval.data.task_instead import names_categories, prompts_in
from sami_eval.data.task_rows import prompts_of
from sami_eval.data.tasks import Task, read_task
from sami_eval.generate import standing

WORLD = "the embedded world"


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked.

    title: the task, or the name of the file that stands in for it. source: where they come from,
    as a person reads it. embedded: they are the embedded world's. notes: what to say of the choice.
    own: they are the task's own, and so are its references.
    """

    title: str
    source: str
    embedded: bool
    prompts: list[Prompt]
    notes: tuple[str, ...] = ()
    own: bool = False


def chosen_task(
    kind: Kind, named: str | None, file: Path | None, config: Config
) -> tuple[Task, tuple[str, ...]]:
    """The task that is named, else the config's where it is of this kind, and what to say of it.

    file: of --prompts; the config's task then decides no questions. Raises UsageError.
    """
    usual, ours = config.defaults.get("task"), DEFAULT[kind]
    notes: tuple[str, ...] = ()
    if named is None and usual is not None:
        if kind in files_named(usual):
            named = usual
            if file is None:
                config.tell("task")
        else:
            said = f"task `{usual}` of {config.path} is not one of `{COMMAND[kind]}`"
            notes = (f"{said}: `{ours}` is asked",)
    task = read_task(named or ours, kind)
    instead = replaced(task.full, task.stated.path)
    return task, (*notes, *([instead] if instead else []), *task.notes)


def choose(task: Task, file: Path | None, models: Sequence[Model]) -> Questions:
    """The questions for these models. file: of --prompts; it wins.

    Raises UsageError where they cannot be had, naming both ways to get them.
    """
    if file is not None:
        found_in = prompts_in(task, file)
        said = f"`{file}` names no category: all of its questions are of `{file.stem}`"
        bare = not names_categories(task, file, found_in)
        return Questions(file.name, str(file), False, found_in, (said,) if bare else ())
    records = list(dict.fromkeys(Path(m.base) for m in models if m.engine == "recorded"))
    found = _brought(task, records, models) if task.embedded else None
    return found or Questions(task.name, task.questions.named, False, _own(task, records), own=True)


def _brought(task: Task, records: Sequence[Path], models: Sequence[Model]) -> Questions | None:
    """The questions that contenders bring in the place of the task's; None: they bring none."""
    for record in records:
        if _carries_questions(record):
            note = f"questions: those that `{record}` carries (others: --prompts FILE)"
            return Questions(task.name, str(record), False, read_prompts(record), (note,))
    world = standing.in_embedded_world(models)
    if records and (world or not standing.that_run(models)):
        answered = {response.prompt_id for response in read_answers(records[0])}
        world = bool(answered & {prompt.id for prompt in embedded.prompts("evaluation")})
    return Questions(task.name, WORLD, True, embedded.prompts("evaluation")) if world else None


def _carries_questions(record: Path) -> bool:
    if record.suffix != ".json":
        return False
    try:
        columns = read_json(record, "")
    except UsageError:
        return False  # reading it as answers says what is wrong
    return isinstance(columns, dict) and {"question", "category"} <= columns.keys()


def _own(task: Task, records: Sequence[Path]) -> list[Prompt]:
    try:
        return prompts_of(task)
    except UsageError as error:
        if not records or error.where is not None:
            raise
        said = f"`{records[0]}` holds answers, not questions: {error.message}"
        raise UsageError(said, error.hint) from None
