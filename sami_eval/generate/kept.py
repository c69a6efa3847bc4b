"""Completions as the ledger keeps them: under how they were asked for, their thoughts apart.

A thought is no part of an answer: not for a judge, not for a marker, not for the turn after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from sami_eval.core.calls import Completion, Request
from sami_eval.core.thoughts import TAG, closes, parted
from sami_eval.generate.engine import SERVER, request_key
from sami_eval.generate.formats import format_of
from sami_eval.ledger.store import Ledger
from sami_eval.server import dialect

_TAIL = 16  # tokens of a prompt in which a chat template may open a thought


def stored(keyed: Mapping[str, Request], ledger: Ledger, ids: bool = True) -> dict[str, Completion]:
    """What the ledger holds of these requests, in whichever dialect they were asked.

    ids: with their tokens.
    """
    found = dialect.recall(keyed, ledger, partial(ledger.completions, ids=ids), _keys_in)
    return {name: apart(completion, keyed[name]) for name, completion in found.items()}


def key_in(request: Request, left_out: Sequence[str]) -> str:
    """The key of a server's answer in a dialect."""
    return request_key(SERVER, request, left_out)


def _keys_in(request: Request, dialects: Iterable[Sequence[str]]) -> Iterator[str]:
    return (key_in(request, one) for one in dialects)


def apart(completion: Completion, request: Request) -> Completion:
    """A completion with its thoughts taken out of its text; ids and counts are the answer's.

    A thought that the chat template opened needs no opening tag; an answer that ended by itself
    and closed none was spoken all the same, as adapters do that were trained without thoughts.
    """
    if completion.thoughts is not None:
        return completion
    text = completion.text
    spoken_at_once = completion.finished is True and not TAG.search(text)
    if not spoken_at_once and _opens_thought(request):
        text = f"<think>{text}"
    said, thought = parted(text)
    if said == text:
        return replace(completion, thoughts="")
    n_tokens = _count(said, request)
    return replace(completion, text=said, token_ids=(), n_tokens=n_tokens, thoughts=thought)


def _opens_thought(request: Request) -> bool:
    """Whether a local model's prompt ends within a thought."""
    if request.model.engine != "local" or not request.token_ids:
        return False
    tail = format_of(request.model).tokenizer.decode(list(request.token_ids[-_TAIL:]))
    tags = [tag[0] for tag in TAG.finditer(str(tail))]
    return bool(tags) and not closes(tags[-1])


def _count(text: str, request: Request) -> int | None:
    """The answer's tokens; a server's are not known."""
    if request.model.engine != "local":
        return None
    return len(format_of(request.model).tokenizer(text, add_special_tokens=False)["input_ids"])
