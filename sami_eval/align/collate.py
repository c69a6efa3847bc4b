"""Contrasts to token ids and padded batches.

Each side is tokenised once: a prompt as the model will see it, and a response as the ids that were
generated. They are joined as ids, so no token can merge across the border.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from sami_eval.align.options import Options
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Contrast, Response
from sami_eval.data import chat

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A contrast as token ids: prompts[i] under constitution i, responses[j] written under j.

    principles[i]: signed names in constitution i, as in Contrast.
    """

    prompt_id: str
    prompts: tuple[Ids, ...]
    responses: tuple[Ids, ...]
    principles: tuple[tuple[str, ...], ...] = ()

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt and response."""
        return max(map(len, self.prompts)) + max(map(len, self.responses))

    @property
    def is_pair(self) -> bool:
        """Whether no constitution tells the responses apart: the first is the better one."""
        return len(set(self.prompts)) == 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of B contrasts, padded left, and where the response tokens are predicted in them.

    A row is a prompt without its last token, then a segment a response: the prompt's last token
    and the response without its last. What a segment's token predicts is the response's.

    n: constitutions of a contrast, N. shared: a row holds several segments, each blind to the
        others.
    input_ids, position_ids: (rows, T). Positions count from the prompt's start in each segment.
    segments: (rows, T), 0 in the prompt, 1 and up in the responses, -1 in the padding.
    width: K, the columns at the rows' end that hold every segment.
    places: (tokens,), where each response token is predicted, in the flattened (rows, K). Tokens
        of responses under their own constitutions come first.
    labels: (tokens,), the token itself. cells: (tokens,), the entry of the flattened (B, N, N)
        matrix it counts for.
    n_own: tokens of responses under their own constitutions.
    """

    n: int
    prompt_ids: tuple[str, ...]
    shared: bool
    input_ids: Tensor
    position_ids: Tensor
    segments: Tensor
    width: int
    places: Tensor
    labels: Tensor
    cells: Tensor
    n_own: int

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return replace(
            self,
            input_ids=self.input_ids.to(device),
            position_ids=self.position_ids.to(device),
            segments=self.segments.to(device),
            places=self.places.to(device),
            labels=self.labels.to(device),
            cells=self.cells.to(device),
        )

    def attention_mask(self) -> Tensor:
        """(rows, T) of 0 and 1; with shared rows (rows, 1, T, T), True where a token is seen."""
        import torch

        if not self.shared:
            return (self.segments >= 0).long()
        seen, sees = self.segments[:, None, :], self.segments[:, :, None]
        columns = torch.arange(self.segments.shape[1], device=self.segments.device)
        before = columns[None, :] <= columns[:, None]
        # Padding sees itself: a row of the mask without any True gives NaN, which spreads.
        itself = columns[None, :] == columns[:, None]
        return ((before & (seen >= 0) & ((seen == 0) | (seen == sees))) | itself)[:, None]


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
        messages = chat.conversation(
            asked, response.turns[:-1], constitution, contrast.prompt.history
        )
        return chat.render(tokenizer, messages, template)

    return Encoded(
        contrast.prompt.id,
        tuple(map(prompt, contrast.constitutions, contrast.responses)),
        tuple(
            response_ids(tokenizer, response, all_ends, train_eos)
            for response in contrast.responses
        ),
        contrast.principles,
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
        why = Counter(contrast.rejected for contrast in contrasts)
        reasons = "; ".join(f"{n} of them: {reason}" for reason, n in why.most_common())
        raise UsageError(
            f"no contrast to train on ({len(contrasts)} given, all of them rejected: {reasons})",
            "write contrasts again: sami-eval contrast --help lists the filters",
        )
    if not fitting:
        shortest = min(one.longest for one in encoded)
        raise UsageError(
            f"every contrast is longer than `{options.max_length}` tokens",
            f"the shortest has {shortest}: --max-length {shortest}, if the base can hold as many",
        )
    sizes = sorted({len(one.prompts) for one in fitting})
    if len(sizes) > 1 or sizes[0] < 2:
        raise UsageError(
            f"contrasts hold `{', '.join(map(str, sizes))}` constitutions",
            "every contrast of a file needs the same number of constitutions, at least 2",
        )
    n_pairs = sum(one.is_pair for one in fitting)
    if 0 < n_pairs < len(fitting):
        raise UsageError(
            f"`{n_pairs}` of {len(fitting)} contrasts are pairs without a constitution",
            "train on pairs and on contrasts one after the other, each from a file of its own",
        )


def own_rows(one: Encoded, positives_only: bool = False) -> list[tuple[Ids, Ids]]:
    """(prompt, response) of each response under its own constitution.

    positives_only: of constitutions that are known to hold no antithesis. Of a pair the better
    response alone.
    """
    rows = list(zip(one.prompts, one.responses, strict=True))
    if one.is_pair:
        return rows[:1]
    if not positives_only:
        return rows
    signed = zip(rows, one.principles, strict=False)
    return [row for row, signs in signed if signs and not any(s.startswith("-") for s in signs)]


def check_rows(rows: Sequence[object]) -> None:
    """Raise UsageError where no response of any contrast is under a positive constitution."""
    if not rows:
        raise UsageError(
            "`--positives-only`: no constitution of these contrasts is without an antithesis",
            "leave the flag out, or write more contrasts: sami-eval contrast",
        )


def preference_rows(one: Encoded) -> list[tuple[Ids, Ids, Ids]]:
    """(prompt, own response, other response) for every constitution and every other response.

    Of a pair once: the better response is preferred, never the other.
    """
    return [
        (one.prompts[i], one.responses[i], other)
        for i in range(1 if one.is_pair else len(one.prompts))
        for j, other in enumerate(one.responses)
        if j != i
    ]


def collate(encoded: Sequence[Encoded], pad: int, share: bool) -> Batch:
    """Every response of each contrast under every constitution.

    share: one row a constitution holds all responses; else each response has its own row.
    """
    n = len(encoded[0].prompts)
    groups = [tuple(range(n))] if share else [(j,) for j in range(n)]
    rows = [_Row(b, i, group) for b in range(len(encoded)) for i in range(n) for group in groups]
    return _batch(encoded, rows, pad)


def collate_own(encoded: Sequence[Encoded], pad: int) -> Batch:
    """Each response under its own constitution alone; its tokens are `collate`'s first ones."""
    n = len(encoded[0].prompts)
    return _batch(encoded, [_Row(b, i, (i,)) for b in range(len(encoded)) for i in range(n)], pad)


class _Row(NamedTuple):
    contrast: int
    constitution: int
    responses: tuple[int, ...]


def _batch(encoded: Sequence[Encoded], rows: Sequence[_Row], pad: int) -> Batch:
    import torch

    n = len(encoded[0].prompts)
    contents = [_contents(encoded[row.contrast], row) for row in rows]
    longest = max(len(ids) for ids, _, _ in contents)
    spans = [_spans(encoded[row.contrast], row) for row in rows]
    width = max(sum(map(len, span)) for span in spans)
    own: list[tuple[int, int, int]] = []  # (place, label, cell)
    others: list[tuple[int, int, int]] = []
    for r, (row, span) in enumerate(zip(rows, spans, strict=True)):
        place = (r + 1) * width - sum(map(len, span))
        for j, response in zip(row.responses, span, strict=True):
            cell = (row.contrast * n + row.constitution) * n + j
            tokens = [(place + t, label, cell) for t, label in enumerate(response)]
            (own if j == row.constitution else others).extend(tokens)
            place += len(response)
    places, labels, cells = torch.tensor([*own, *others]).unbind(dim=1)

    def padded(column: int, fill: int) -> Tensor:
        return torch.tensor(
            [[fill] * (longest - len(row[column])) + row[column] for row in contents]
        )

    return Batch(
        n=n,
        prompt_ids=tuple(one.prompt_id for one in encoded),
        shared=any(len(row.responses) > 1 for row in rows),
        input_ids=padded(0, pad),
        position_ids=padded(1, 0),
        segments=padded(2, -1),
        width=width,
        places=places,
        labels=labels,
        cells=cells,
        n_own=len(own),
    )


def _spans(one: Encoded, row: _Row) -> list[Ids]:
    return [one.responses[j] for j in row.responses]


def _contents(one: Encoded, row: _Row) -> tuple[list[int], list[int], list[int]]:
    """Ids, positions and segments of a row."""
    *prompt, last = one.prompts[row.constitution]
    ids, positions, segments = prompt, list(range(len(prompt))), [0] * len(prompt)
    for number, response in enumerate(_spans(one, row), 1):
        ids = [*ids, last, *response[:-1]]
        positions += range(len(prompt), len(prompt) + len(response))
        segments += [number] * len(response)
    return ids, positions, segments
