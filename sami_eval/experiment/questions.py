"""Which questions a comparison asks: those of the contenders that were named.

| contenders                                | without --prompts                         |
|-------------------------------------------|-------------------------------------------|
| all that run stand on the embedded base   | the embedded world's                      |
| any other runs                            | MT-Bench's own 80, from the hub           |
| records alone                             | those they carry, else those they answer  |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sami_eval.core.errors import UsageError
from sami_eval.core.files import read_json
from sami_eval.core.types import Model, Prompt
from sami_eval.data import prompts
from sami_eval.data.answers import read_answers
from sami_eval.generate import standing

WORLD = "the embedded world"


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked.

    title: the task, or the name of the file that stands in for it. source: where they come from,
    as a person reads it. embedded: they are the embedded world's. notes: what to say of the choice.
    """

    title: str
    source: str
    embedded: bool
    prompts: list[Prompt]
    notes: tuple[str, ...] = ()


def choose(task: str, file: Path | None, models: Sequence[Model]) -> Questions:
    """The questions for these models. file: of --prompts; it wins.

    Raises UsageError where they cannot be had, naming both ways to get them.
    """
    if file is not None:
        return Questions(file.name, str(file), False, prompts.load_prompts(task, file, False))
    records = list(dict.fromkeys(Path(m.base) for m in models if m.engine == "recorded"))
    for record in records:
        if _carries_questions(record):
            note = f"questions: those that `{record}` carries (others: --prompts FILE)"
            asked = prompts.load_prompts(task, record, False)
            return Questions(task, str(record), False, asked, (note,))
    world = standing.in_embedded_world(models)
    if records and (world or not standing.that_run(models)):
        asked = prompts.load_prompts(task, None, True)
        answered = {response.prompt_id for response in read_answers(records[0])}
        world = bool(answered & {prompt.id for prompt in asked})
    if world:
        return Questions(task, WORLD, True, prompts.load_prompts(task, None, True))
    return Questions(task, prompts.MTBENCH_HUB_ID, False, _mtbench(task, records))


def _carries_questions(record: Path) -> bool:
    if record.suffix != ".json":
        return False
    try:
        columns = read_json(record, "")
    except UsageError:
        return False  # reading it as answers says what is wrong
    return isinstance(columns, dict) and {"question", "category"} <= columns.keys()


def _mtbench(task: str, records: Sequence[Path]) -> list[Prompt]:
    try:
        return prompts.load_prompts(task, None, False)
    except UsageError as error:
        if not records:
            raise
        said = f"`{records[0]}` holds answers, not questions: {error.message}"
        raise UsageError(said, error.hint) from None
