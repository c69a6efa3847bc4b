"""Reward judges: a sequence classifier scores each answer, and the higher score wins.

A reply is the classifier's numbers by their labels, `{"LABEL_0": 1.25}`, stored before a label is
picked. Each answer is scored once, in its conversation: there is no order to swap, and nothing
drawn that a repeat could draw again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sami_eval.core.calls import Reply, Request
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Judge, Model, Prompt, Response, Usage
from sami_eval.data import chat
from sami_eval.data.chat import Messages
from sami_eval.generate.tools import Tools
from sami_eval.server import wire

if TYPE_CHECKING:
    from sami_eval.generate.classifier import Classifier

ENGINE: Final = "reward"  # `--judge-model reward:FOLDER`
NO_LABEL = "no score under the judge's label"
NO_NUMBER = "the score is no number"


def conversation(prompt: Prompt, turn: int, response: Response) -> Messages:
    """What is scored: the messages and answers up to a turn, as they are."""
    asked, said = prompt.turns[: turn + 1], response.turns[: turn + 1]
    return chat.conversation(asked, said, history=prompt.history)


def score_of(reply: Reply, judge: Judge) -> tuple[float | None, str | None]:
    """The score in a reply, or the reason that there is none."""
    scores: dict[str, float] = json.loads(reply.text)
    label = judge.label or (next(iter(scores)) if len(scores) == 1 else None)
    if label not in scores:
        return None, NO_LABEL
    score = scores[label]
    return (score, None) if math.isfinite(score) else (None, NO_NUMBER)


def check(judge: Judge, model: Model) -> None:
    """Raise UsageError for what is no classifier, or does not say which of its numbers counts."""
    from sami_eval.generate.formats import format_of

    labels, _ = labels_of(model)
    if judge.label is None and len(labels) > 1:
        raise UsageError(
            f"`{model.named}` gives {len(labels)} numbers, and which one is the reward is open: "
            f"{', '.join(labels[:6])}",
            f'a judge file with kind = "reward" and label = "{labels[0]}"; docs/judges.md',
        )
    if judge.label is not None and judge.label not in labels:
        known = ", ".join(labels[:6])
        raise UsageError(
            f"`{model.named}` has no label `{judge.label}`", f"its labels: {known}", judge.source
        )
    if not format_of(model).has_template:
        raise UsageError(
            f"`{model.named}` has no chat template, and a reward model scores a conversation",
            "give it one: chat_template under [models] in sami-eval.toml, then reward:NAME",
        )


def precision(arguments: Mapping[str, str]) -> str:
    """The dtype in which a classifier scores under these arguments, on this machine."""
    from sami_eval.generate.classifier import precision

    return precision(arguments)


def labels_of(model: Model) -> tuple[list[str], bool]:
    """A classifier's labels, and whether its base holds its last layer or its adapter does.

    Raises UsageError for a model that is none.
    """
    from sami_eval.generate.formats import read_model_json

    config = read_model_json(model.base, model.revision, "config.json")
    if _is_classifier(config):
        stated = config.get("id2label")
        # What a file does not say is transformers' default: two.
        names = stated if isinstance(stated, dict) and stated else {"0": "LABEL_0", "1": "LABEL_1"}
        return [str(names[i]) for i in sorted(names, key=int)], True
    n = _head_of(model.adapter)
    if n is None:
        kind = ", ".join(map(str, config.get("architectures") or ())) or "nothing"
        raise UsageError(
            f"`{model.named}` is no classifier: its config.json names {kind}",
            "a reward model is saved as ...ForSequenceClassification; a model that judges in words "
            "is hf:ID or vllm:ID",
        )
    return [f"LABEL_{i}" for i in range(n)], False


def _is_classifier(config: Mapping[str, Any]) -> bool:
    of_own_code = config.get("auto_map") or {}
    named = [*(config.get("architectures") or ()), *of_own_code]
    return any("SequenceClassification" in str(name) for name in named)


def _head_of(adapter: str | None) -> int | None:
    """How many numbers the last layer gives that an adapter brings; None where it brings none."""
    from sami_eval.generate import peft_folder
    from sami_eval.generate.loading import is_head

    if adapter is None:
        return None
    shapes = peft_folder.tensors(Path(adapter))
    heads = [shape for name, shape in shapes.items() if is_head(name) and "lora_" not in name]
    return heads[-1][0] if heads else None


class Scorer(AbstractContextManager["Scorer"]):
    """A classifier that is loaded where it is first needed, and stays until the block ends."""

    def __init__(self, arguments: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._classifier: Classifier | None = None

    def __exit__(self, *_: object) -> None:
        """Free it."""
        if self._classifier is not None:
            self._classifier.close()
            self._classifier = None

    def of(self, model: Model) -> Classifier:
        """The classifier, loaded."""
        if self._classifier is None or self._classifier.model != model:
            from sami_eval.generate.classifier import Classifier

            self.__exit__()
            labels, head = labels_of(model)
            self._classifier = Classifier(model, len(labels), head, self._arguments)
        return self._classifier


def score_here(
    judge: Judge,
    missing: Mapping[str, Request],
    tools: Tools,
    scorer: Scorer,
    again: Callable[[str], bool],
) -> dict[str, Reply]:
    """Replies to what is missing, stored batch by batch; too long a conversation is a failure.

    again: whether a key's reply may take the place of a stored one.
    """
    from sami_eval.generate.formats import format_of

    keys, requests = list(missing), list(missing.values())
    model = requests[0].model
    form, labels = format_of(model), labels_of(model)[0]
    rows = [form.render(one.messages, literal=True, answered=True) for one in requests]
    replies: dict[str, Reply] = {}
    with tools.progress.track("scoring", len(rows)) as advance:

        def keep(several: Mapping[str, Reply]) -> None:
            for k, reply in several.items():
                tools.ledger.add_replies([(k, judge.name, reply)], replace=again(k))
            replies.update(several)
            advance(len(several))

        fitting = [i for i, row in enumerate(rows) if not form.context or len(row) <= form.context]
        keep({keys[i]: _too_long() for i in set(range(len(rows))) - set(fitting)})

        def done(places: Sequence[int], found: Sequence[Sequence[float]]) -> None:
            at = [fitting[place] for place in places]
            several = zip(at, found, strict=True)
            keep({keys[i]: _reply(labels, one, model, len(rows[i])) for i, one in several})

        if fitting:
            scorer.of(model).score([rows[i] for i in fitting], done)
    return replies


def _too_long() -> Reply:
    return Reply("", failure=wire.TOO_LONG)


def _reply(labels: Sequence[str], scores: Sequence[float], model: Model, n_tokens: int) -> Reply:
    text = json.dumps(dict(zip(labels, scores, strict=True)))
    return Reply(text, model.named, Usage(n_tokens, 0), True)
