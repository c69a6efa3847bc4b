"""lm-eval's tasks `mtbench_pairwise` and, for backends without chains, `mtbench_turn1`."""

from __future__ import annotations

from collections.abc import Sequence

from sami_eval.core.types import Prompt
from sami_eval.data.task_rows import opening
from sami_eval.harness import judging
from sami_eval.harness.pairwise import Doc, Pairwise


class MtBenchPairwise(Pairwise):
    """`tasks/mtbench_pairwise.yaml`."""

    NAME = "mtbench_pairwise"


class MtBenchTurn1(Pairwise):
    """The first turn alone, recorded; judged too where a baseline is named."""

    NAME = "mtbench_turn1"

    def _read_prompts(self) -> list[Prompt]:
        return [opening(prompt, 1) for prompt in super()._read_prompts()]

    def _judge(self) -> judging.BaselineJudge | None:
        return super()._judge() if self.given.get("baseline") else None

    def _metric_names(self) -> list[str]:
        return super()._metric_names() if self.given.get("baseline") else ["characters"]

    def process_results(self, doc: Doc, results: Sequence[str]) -> dict[str, float]:
        """The length of the answer where nothing is judged."""
        if self.against is None and "bypass" not in self._metric_fn_list:
            return {"characters": float(len(results[0]))}
        return super().process_results(doc, results)
