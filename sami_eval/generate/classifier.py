"""A sequence classifier of transformers in this process: a number a label for each conversation.

Imports torch and transformers: import it only where a model is run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count

import torch
from transformers import PreTrainedModel

from sami_eval.core import memory
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.types import Model
from sami_eval.generate.hf import check_arguments, fixed_threads, number
from sami_eval.generate.loading import add_adapter, load_network

CPU_ROWS, CUDA_ROWS = 16, 64
PADDED_TOKENS = 32_768  # of all rows of a batch
KIND = "AutoModelForSequenceClassification"

Tokens = Sequence[int]
OnDone = Callable[[Sequence[int], Sequence[Sequence[float]]], None]


def precision(arguments: Mapping[str, str]) -> str:
    """The dtype it computes in: as the arguments say, else by the device."""
    return arguments.get("dtype") or ("float32" if _device(arguments) == "cpu" else "bfloat16")


def _device(arguments: Mapping[str, str]) -> str:
    return arguments.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")


class Classifier:
    """One loaded classifier; equal conversations give equal scores but for rounding."""

    def __init__(self, model: Model, n_labels: int, head: bool, arguments: Mapping[str, str]):
        """n_labels: its outputs. head: whether its base holds its last layer, else its adapter."""
        check_arguments(arguments)
        self.model = model
        self._device = _device(arguments)
        rows = CPU_ROWS if self._device == "cpu" else CUDA_ROWS
        self._rows = number(arguments, "batch_rows", rows)
        self._threads = number(arguments, "threads", torch.get_num_threads())
        network = _loaded(model, n_labels, head, precision(arguments))
        self._network = network.to(self._device).eval()
        self._stated = network.config.get_text_config().pad_token_id

    def close(self) -> None:
        """Drop the weights."""
        del self._network
        memory.release()

    def score(self, rows: Sequence[Tokens], on_done: OnDone) -> None:
        """Score the rows, batch by batch of like lengths.

        on_done: gets the places of a batch and, of each, a number a label, the moment they exist.
        """
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        with fixed_threads(self._threads), torch.inference_mode():
            while order:
                longest = max(len(rows[order[min(self._rows, len(order)) - 1]]), 1)
                batch = order[: max(1, min(self._rows, PADDED_TOKENS // longest))]
                del order[: len(batch)]
                on_done(batch, self._logits([rows[place] for place in batch]))

    def _logits(self, rows: Sequence[Tokens]) -> list[list[float]]:
        pad, longest = self._pad(rows), max(map(len, rows))
        ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        try:
            found = self._network(
                input_ids=ids.to(self._device), attention_mask=mask.to(self._device)
            ).logits
        except torch.OutOfMemoryError:
            raise SamiEvalError(
                f"{self._rows} conversations at once do not fit the GPU's memory",
                f"run again with --engine-arg batch_rows={max(1, self._rows // 4)}: it resumes",
            ) from None
        return [[float(one) for one in row] for row in found.float().cpu()]

    def _pad(self, rows: Sequence[Tokens]) -> int:
        """What short rows are filled with: as the classifier was trained, where it says so.

        One that reads the last token before its padding, and names none, would stumble over a
        token that a row holds too: then it is told of one that none holds.
        """
        if self._stated is not None:
            return int(self._stated)
        held = {token for row in rows for token in row}
        pad = next(token for token in count() if token not in held)
        self._network.config.get_text_config().pad_token_id = pad
        return pad


def _loaded(model: Model, n_labels: int, head: bool, kind: str) -> PreTrainedModel:
    try:
        network = load_network(model, KIND, head=head, dtype=kind, num_labels=n_labels)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SamiEvalError(f"cannot load `{model.base}`: {reason}", "sami-eval doctor") from None
    if model.adapter is None:
        return network
    hint = "name the classifier it was trained on, or save the adapter again"
    return add_adapter(network, model.adapter, "adapter", hint)
