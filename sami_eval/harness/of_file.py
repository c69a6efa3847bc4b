"""What both kinds of lm-eval task share: they are told by one of our task files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lm_eval.api.task import ConfigurableTask

from sami_eval.harness import asked


class OfFile(ConfigurableTask):  # type: ignore[misc]
    """An lm-eval task that generates, and whose figures the class itself reckons.

    NAME: of a task of ours that stands for a file without `metadata.sami_eval`.
    """

    VERSION = 1
    NAME = ""

    def __init__(
        self,
        data_dir: str | None = None,
        cache_dir: str | None = None,
        download_mode: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        given = dict(config or {})
        self.task = asked.task_of(given, self.NAME)
        own = self._prepare(given)
        shared = {
            "task": given.get("task", self.task.full),
            "test_split": "test",
            "output_type": "generate_until",
            "process_results": "by the class",
        }
        super().__init__(config={**shared, **own})

    def _prepare(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Read what the task asks; the rest of lm-eval's config. given: the file's keys."""
        raise NotImplementedError


def means(names: Iterable[str], lower: str) -> list[dict[str, Any]]:
    """Each figure as the mean over documents; of the one named last, less is better."""
    return [
        {"metric": name, "aggregation": "mean", "higher_is_better": name != lower} for name in names
    ]
