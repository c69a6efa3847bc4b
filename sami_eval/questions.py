"""Which questions a comparison asks, where none were given as a file.

Records know best: the paper's carry their questions, others belong to MT-Bench or to the embedded
world by their ids. Without records it is the base that decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sami_eval import prompts
from sami_eval.answers import read_answers
from sami_eval.config import Config
from sami_eval.errors import UsageError
from sami_eval.files import read_json
from sami_eval.types import Prompt


def load(
    task: str, file: Path | None, embedded: bool, contenders: Sequence[str], config: Config
) -> tuple[list[Prompt], bool, tuple[str, ...]]:
    """The questions, whether they are the embedded world's, and what to say about the choice.

    file: of --prompts; it wins. embedded: whether the base's own questions are the embedded ones.
    Raises UsageError where the records' questions cannot be had, naming both ways to get them.
    """
    records = [] if file else _records(contenders, config)
    for record in records:
        if _carries_questions(record):
            note = f"questions: those that `{record}` carries (others: --prompts FILE)"
            return prompts.load_prompts(task, record, False), False, (note,)
    asked = prompts.load_prompts(task, file, embedded) if file or embedded or not records else []
    if file or not records:
        return asked, embedded, ()
    answered = {response.prompt_id for response in read_answers(records[0])}
    if embedded and answered & {prompt.id for prompt in asked}:
        return asked, True, ()
    return _mtbench(task, records[0]), False, ()


def _records(contenders: Sequence[str], config: Config) -> list[Path]:
    """The contenders that are files of answers."""
    paths = [Path(spec).expanduser() for spec in contenders if spec not in config.models]
    return [path for path in paths if path.suffix in (".json", ".jsonl") and path.is_file()]


def _carries_questions(record: Path) -> bool:
    if record.suffix != ".json":
        return False
    try:
        columns = read_json(record, "")
    except UsageError:
        return False  # reading it as answers says what is wrong
    return isinstance(columns, dict) and {"question", "category"} <= columns.keys()


def _mtbench(task: str, record: Path) -> list[Prompt]:
    try:
        return prompts.load_prompts(task, None, False)
    except UsageError as error:
        said = f"`{record}` holds answers, not questions: {error.message}"
        raise UsageError(said, error.hint) from None
