"""Contrasts to token ids and padded batches.

Each side is tokenised once: a prompt as the model will see it, and a response as the ids that were
generated. They are joined as ids, so no token can merge across the border.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sami_eval import chat
from sami_eval.align.options import Options
from sami_eval.errors import UsageError
from sami_eval.types import Contrast, Response

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A contrast as token ids: prompts[i] under constitution i, responses[j] written under j."""

    prompt_id: str
    prompts: tuple[Ids, ...]
    responses: tuple[Ids, ...]

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt and response."""
        return max(map(len, self.prompts)) + max(map(len, self.responses))


@dataclass(frozen=True, slots=True)
class Batch:
    """All N x N rows of B contrasts: row (b * N + i) * N + j is response j under constitution i.

    input_ids, attention_mask, position_ids: (rows, T), prompts padded left and responses right,
        so that every response begins in the same column.
    labels: (rows, R), the responses alone, padded with -100.
    """

    n: int
    prompt_ids: tuple[str, ...]
    input_ids: Tensor
    attention_mask: Tensor
    position_ids: Tensor
    labels: Tensor

    @property
    def own(self) -> list[int]:
        """Indices of the rows that hold a response under its own constitution."""
        return [row for row in range(len(self.labels)) if row // self.n % self.n == row % self.n]

    def own_rows(self) -> Batch:
        """The rows that hold a response under its own constitution, alone."""
        return self._map(lambda rows: rows[self.own])

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return self._map(lambda rows: rows.to(device))

    def _map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return replace(
            self,
            input_ids=change(self.input_ids),
            attention_mask=change(self.attention_mask),
            position_ids=change(self.position_ids),
            labels=change(self.labels),
        )


def response_ids(
    tokenizer: PreTrainedTokenizerBase, response: Response, ends: frozenset[int], train_eos: bool
) -> Ids:
    """The ids to train on: those generated, with or without the token that ends the response.

    ends: ids that end a response. Text stands in where ids are missing or say more than the text
    (a stop string was cut off).
    """
    text = response.turns[-1]
    ids = tuple(response.token_ids[-1]) if response.token_ids else ()
    if ids and ids[-1] in ends:
        body, end = ids[:-1], ids[-1:]
    else:
        finished = response.finished[-1] if response.finished else None
        ended = finished or (finished is None and not ids)
        body, end = ids, (int(tokenizer.eos_token_id),) if ended else ()
    if not body or tokenizer.decode(body, skip_special_tokens=True).strip() != text.strip():
        # Our plain format ends in "Assistant:", after which a model writes a space.
        spaced = f" {text.strip()}" if tokenizer.chat_template is None else text
        body = tuple(tokenizer(spaced, add_special_tokens=False)["input_ids"])
    return (*body, *end) if train_eos else body


def encode(
    tokenizer: PreTrainedTokenizerBase,
    contrast: Contrast,
    train_eos: bool = True,
    template: str | None = None,
    ends: frozenset[int] = frozenset(),
) -> Encoded:
    """A contrast as token ids, its prompts under the bare constitutions.

    template: replaces the tokenizer's chat template. ends: ids that end a response besides the
    tokenizer's own.
    """
    asked = contrast.prompt.turns[: len(contrast.responses[0].turns)]
    all_ends = ends | {int(tokenizer.eos_token_id)}

    def prompt(constitution: str, response: Response) -> Ids:
        messages = chat.conversation(asked, response.turns[:-1], constitution)
        return chat.render(tokenizer, messages, template)

    return Encoded(
        contrast.prompt.id,
        tuple(map(prompt, contrast.constitutions, contrast.responses)),
        tuple(
            response_ids(tokenizer, response, all_ends, train_eos)
            for response in contrast.responses
        ),
    )


def encode_all(
    tokenizer: PreTrainedTokenizerBase,
    contrasts: Sequence[Contrast],
    options: Options,
    template: str | None = None,
    ends: frozenset[int] = frozenset(),
    say: Callable[[str], None] = lambda text: None,
) -> list[Encoded]:
    """The accepted contrasts that fit into `options.max_length`, as token ids.

    Raises UsageError when nothing is left to train on, or N differs between contrasts.
    """
    accepted = [contrast for contrast in contrasts if contrast.rejected is None]
    encoded = [encode(tokenizer, c, options.train_eos, template, ends) for c in accepted]
    fitting = [one for one in encoded if one.longest <= options.max_length]
    if len(fitting) < len(encoded):
        n, limit = len(encoded) - len(fitting), options.max_length
        say(f"{n} of {len(encoded)} contrasts are longer than {limit} tokens: left out")
    _check_sizes(contrasts, encoded, fitting, options)
    return fitting


def _check_sizes(
    contrasts: Sequence[Contrast],
    encoded: Sequence[Encoded],
    fitting: Sequence[Encoded],
    options: Options,
) -> None:
    if not encoded:
        raise UsageError(
            f"no contrast to train on ({len(contrasts)} given, all of them rejected)",
            "look at the reasons `sami-eval contrast` prints",
        )
    if not fitting:
        shortest = min(one.longest for one in encoded)
        raise UsageError(
            f"every contrast is longer than `{options.max_length}` tokens",
            f"the shortest needs --max-length {shortest}",
        )
    sizes = sorted({len(one.prompts) for one in fitting})
    if len(sizes) > 1 or sizes[0] < 2:
        raise UsageError(
            f"contrasts hold `{', '.join(map(str, sizes))}` constitutions",
            "every contrast of a file needs the same number of constitutions, at least 2",
        )


def own_rows(encoded: Sequence[Encoded]) -> list[tuple[Ids, Ids]]:
    """(prompt, response) of each response under its own constitution."""
    return [pair for one in encoded for pair in zip(one.prompts, one.responses, strict=True)]


def preference_rows(encoded: Sequence[Encoded]) -> list[tuple[Ids, Ids, Ids]]:
    """(prompt, own response, other response) for every constitution and every other response."""
    return [
        (one.prompts[i], one.responses[i], other)
        for one in encoded
        for i in range(len(one.prompts))
        for j, other in enumerate(one.responses)
        if j != i
    ]


def collate(encoded: Sequence[Encoded], pad: int) -> Batch:
    """The N x N rows of every contrast as one padded batch."""
    import torch

    rows = [(p, r) for one in encoded for p in one.prompts for r in one.responses]
    left, right = max(len(p) for p, _ in rows), max(len(r) for _, r in rows)

    def padded(prompt: Sequence[int], response: Sequence[int], fill: int) -> list[int]:
        before, after = left - len(prompt), right - len(response)
        return [fill] * before + [*prompt, *response] + [fill] * after

    mask = torch.tensor([padded([1] * len(p), [1] * len(r), 0) for p, r in rows])
    return Batch(
        n=len(encoded[0].prompts),
        prompt_ids=tuple(one.prompt_id for one in encoded),
        input_ids=torch.tensor([padded(p, r, pad) for p, r in rows]),
        attention_mask=mask,
        position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
        labels=torch.tensor([[*r, *[-100] * (right - len(r))] for _, r in rows]),
    )
