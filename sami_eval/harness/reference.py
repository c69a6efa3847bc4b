"""A task of lm-eval's own: its filters and its exact match, as the installed version states them.

name: "gsm8k" for gsm8k/gsm8k.yaml, or a path of that form; None for no task.
"""

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
def _stated(name: str) -> Mapping[str, Any]:
    path = lm_eval_tasks() / (name if name.endswith(".yaml") else f"{name}/{name}.yaml")
    return dict(load_yaml(path, resolve_func=False)) if path.is_file() else {}


def filters(name: str | None) -> list[dict[str, Any]]:
    """Its filters by name, over all samples; none where the installed lm-eval has no such task."""
    return [
        {**one, "filter": [step for step in one["filter"] if step["function"] != _FIRST]}
        for one in (_stated(name).get("filter_list", []) if name else [])
    ]


def right(name: str, answer: str, doc: Mapping[str, Any]) -> bool:
    """Whether its exact match takes a filtered answer for the right one."""
    (stated,) = _stated(name)["metric_list"]
    known = ("metric", "aggregation", "higher_is_better")
    options = {name: value for name, value in stated.items() if name not in known}
    scores = get_metric("exact_match")(
        references=[str(doc["answer"])], predictions=[answer], **options
    )
    return bool(scores["exact_match"])
