"""lm-eval's own two filters and its exact match for GSM8K, as the installed version states them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from lm_eval.api.registry import get_metric
from lm_eval.tasks._yaml_loader import load_yaml

from sami_eval.harness.install import lm_eval_tasks

NONE = "[invalid]"  # what its regex filter gives where nothing matches
_FIRST = "take_first"  # would throw away all samples but one


@functools.cache
def _stated() -> Mapping[str, Any]:
    path = lm_eval_tasks() / "gsm8k" / "gsm8k.yaml"
    return dict(load_yaml(path, resolve_func=False)) if path.is_file() else {}


def filters() -> list[dict[str, Any]]:
    """Its filters by name, over all samples; none where the installed lm-eval has no `gsm8k`."""
    return [
        {**one, "filter": [step for step in one["filter"] if step["function"] != _FIRST]}
        for one in _stated().get("filter_list", [])
    ]


def right(answer: str, doc: Mapping[str, Any]) -> bool:
    """Whether its exact match takes a filtered answer for the right one."""
    (stated,) = _stated()["metric_list"]
    known = ("metric", "aggregation", "higher_is_better")
    options = {name: value for name, value in stated.items() if name not in known}
    scores = get_metric("exact_match")(
        references=[str(doc["answer"])], predictions=[answer], **options
    )
    return bool(scores["exact_match"])
