"""What a shell offers for a value, by the setting it is of; nothing of it loads a model library."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from sami_eval.core.errors import SamiEvalError
from sami_eval.core.flags import Setting

_CHOICES = re.compile(r"[\w+-]+(?: \| [\w+-]+)+")
Offer = Callable[[], Iterable[str]]


def completion(setting: Setting) -> Callable[[str], list[str]] | None:
    """What completes the values of a setting; None leaves it to the shell, which offers files."""
    choices = _CHOICES.match(setting.flag.help)
    offer = OFFERS.get(setting.name)
    if choices is None and offer is None:
        return None

    def offered(incomplete: str) -> list[str]:
        try:
            found = offer() if offer else choices[0].split(" | ") if choices else ()
            return [one for one in dict.fromkeys(found) if one.startswith(incomplete)]
        except (SamiEvalError, OSError):  # a broken file: the command itself says what is wrong
            return []

    return offered


def _files(folder: str) -> Offer:
    """Names of TOML files, the current folder's and ours."""

    def offer() -> Iterable[str]:
        from sami_eval.core.files import bundled

        several = (Path(folder), bundled(folder))
        return [path.stem for one in several for path in sorted(one.glob("*.toml"))]

    return offer


def _markers() -> Iterable[str]:
    from sami_eval.data.marker import find_markers

    return find_markers()


def _tasks() -> Iterable[str]:
    from sami_eval.core.task_files import names

    return names()


def _models() -> Iterable[str]:
    """Names of the config file, recipes, and the adapters and files of answers that lie here."""
    from sami_eval.core.config import find_config

    named = find_config(Path.cwd(), quiet=True).models
    adapters = [one.parent.as_posix() for one in Path().glob("*/*/adapter_config.json")]
    files = [path.name for path in sorted(Path().glob("*.jsonl"))]
    return (*named, "base", "sft", "dpo", "sami", "base+sami", "base+dpo", *adapters, *files)


def _judge_models() -> Iterable[str]:
    from sami_eval.core.config import find_config
    from sami_eval.core.servers import BUILT_IN

    config = find_config(Path.cwd(), quiet=True)
    return (*config.models, *(f"{one}:" for one in (*BUILT_IN, *config.servers, "vllm", "hf")))


def _runs() -> Iterable[str]:
    """Runs and reproductions, the latest first."""
    from sami_eval.core.config import find_config

    root = find_config(Path.cwd(), quiet=True).root
    several = [*(root / "runs").glob("*/"), *(root / "reproductions").glob("*/")]
    return [folder.name for folder in sorted(several, key=lambda one: -one.stat().st_mtime)]


OFFERS: Mapping[str, Offer] = {
    "judge": _files("judges"),
    "constitutions": _files("constitutions"),
    "marker": _markers,
    "task": _tasks,
    "contenders": _models,
    "against": _models,
    "model": _models,
    "judge_model": _judge_models,
    "run": _runs,
    "runs": lambda: (*_runs(), *(path.as_posix() for path in sorted(Path().glob("logs/*.eval")))),
    "judged": _runs,
}
