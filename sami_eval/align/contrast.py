"""Constitutions x prompts -> contrasts: one prompt answered under N different constitutions.

Each constitution takes, for every principle relevant to the prompt's category, its strong phrasing
or its antithesis (SAMI, arXiv 2404.14313).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sami_eval.align.filters import (
    TOO_LONG,
    Filters,
    reason_by_checks,
    reason_to_reject,
    without_near_prompts,
)
from sami_eval.align.origin import SAMPLING, checks_of, how, origin, sampling_of
from sami_eval.core.calls import Completion, Request, Sampling
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Contrast, Model, Principle, Prompt, Response
from sami_eval.data import chat
from sami_eval.data.checks import meets
from sami_eval.data.constitutions import principles_for
from sami_eval.ledger.store import key

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Complete = Callable[[Sequence[Request]], Sequence[Completion]]


@dataclass(frozen=True, slots=True)
class Constitution:
    """A constitution's text and its signed principle ids, "+writing.1" or "-writing.1".

    checks: of each of them, "" where a program cannot find it met; empty where it never can.
    """

    text: str
    signs: tuple[str, ...]
    checks: tuple[str, ...] = ()

    def heeded(self, asked: str, answer: str) -> float | None:
        """The share of the checks that an answer to a message heeds; None where there are none."""
        found = [meets(check, asked, answer) == (sign[0] == "+") for sign, check in self.checked()]
        return sum(found) / len(found) if found else None

    def checked(self) -> list[tuple[str, str]]:
        """The signed principles that have a check, and that."""
        each = zip(self.signs, self.checks, strict=True) if self.checks else ()
        return [(sign, check) for sign, check in each if check]


@dataclass(frozen=True, slots=True)
class Draft:
    """A contrast before its responses.

    requests: one a constitution; none where it cannot fit. sampling: as asked for, before the
        model's own stop strings.
    """

    prompt: Prompt
    constitutions: tuple[Constitution, ...]
    requests: tuple[Request, ...]
    sampling: Sampling = SAMPLING


def choose_prompts(prompts: Sequence[Prompt], limit: int | None, seed: int) -> list[Prompt]:
    """Prompts drawn without replacement, in an order that depends on the seed and their ids."""
    ids = Counter(prompt.id for prompt in prompts)
    twice = next((prompt_id for prompt_id, count in ids.items() if count > 1), None)
    if twice is not None:
        raise UsageError(f"prompt id `{twice}` occurs twice", "give every prompt its own id")
    return sorted(prompts, key=lambda prompt: key("prompt order", seed, prompt.id))[:limit]


def constitutions(
    prompt: Prompt, principles: Sequence[Principle], n: int, seed: int
) -> tuple[Constitution, ...]:
    """N constitutions for a prompt, no two of them asking for the same.

    The draw depends on the seed and the prompt's id, not on the other prompts.
    Raises UsageError where the category has too few principles for N different ones.
    """
    relevant = principles_for(prompt.category, tuple(principles))
    if n < 2 or 2 ** len(relevant) < n:
        raise UsageError(
            f"category `{prompt.category}` has {len(relevant)} principles: "
            f"no `{n}` different constitutions",
            "a contrast needs at least 2, and no more than 2 to the number of principles",
        )
    rng = random.Random(key("constitutions", seed, prompt.id))
    vectors = rng.sample(range(2 ** len(relevant)), n)
    return tuple(_constitution(relevant, vector, rng) for vector in vectors)


def _constitution(relevant: Sequence[Principle], vector: int, rng: random.Random) -> Constitution:
    """Bit i of the vector set: principle i is turned into its antithesis."""
    turned = [bool(vector >> i & 1) for i in range(len(relevant))]
    order = rng.sample(range(len(relevant)), len(relevant))
    texts = [_phrasing(relevant[i], turned[i], rng) for i in order]
    signs = tuple(f"{'-' if turned[i] else '+'}{relevant[i].id}" for i in order)
    checks = tuple(relevant[i].check or "" for i in order)
    return Constitution(chat.constitution_text(texts), signs, checks if any(checks) else ())


def _phrasing(principle: Principle, turned: bool, rng: random.Random) -> str:
    if turned:
        texts = (principle.antithesis, *principle.more_antitheses)
    else:
        texts = (principle.strong, *principle.more_strong)
    return rng.choice(texts) if len(texts) > 1 else texts[0]


def draft(
    prompts: Sequence[Prompt],
    principles: Sequence[Principle],
    model: Model,
    tokenizer: PreTrainedTokenizerBase | None,
    *,
    n: int = 2,
    limit: int | None = None,
    sampling: Sampling = SAMPLING,
    seed: int = 0,
    context: int | None = None,
) -> list[Draft]:
    """What is asked for each prompt drawn: its first turn under every constitution.

    seed: of the draws of prompts and constitutions, and of the sampling, in place of its own.
    tokenizer: renders the prompts; None for a server, which renders messages itself.
    context: tokens the model can hold; a prompt that fills it is not asked.
    """
    seeded = replace(sampling, seed=seed)
    return [
        _draft(
            prompt, constitutions(prompt, principles, n, seed), seeded, model, tokenizer, context
        )
        for prompt in choose_prompts(prompts, limit, seed)
    ]


def unanswered(
    prompts: Sequence[Prompt],
    principles: Sequence[Principle],
    *,
    n: int = 2,
    sampling: Sampling = SAMPLING,
    seed: int = 0,
) -> list[Contrast]:
    """The prompts and constitutions that `draft` would ask about, without a response."""
    contrasts, metadata = [], how(replace(sampling, seed=seed), Filters())
    for prompt in choose_prompts(prompts, None, seed):
        several = constitutions(prompt, principles, n, seed)
        texts, signs = tuple(one.text for one in several), tuple(one.signs for one in several)
        contrasts.append(Contrast(prompt, texts, (), signs, metadata=metadata))
    return contrasts


def redraft(
    contrasts: Sequence[Contrast],
    model: Model,
    tokenizer: PreTrainedTokenizerBase | None,
    context: int | None = None,
) -> list[Draft]:
    """What contrasts asked of their writer, asked of another model: same constitutions, sampling.

    Raises UsageError where a contrast's sampling cannot be read, and for a pair: nobody wrote it
    under a constitution.
    """
    pair = next((one for one in contrasts if len(set(one.constitutions)) == 1), None)
    if pair is not None:
        raise UsageError(
            f"prompt `{pair.prompt.id}` is a pair: there are no constitutions to answer under",
            "leave --iterations out, or write contrasts: sami-eval contrast --constitutions FILE",
        )
    return [
        _draft(one.prompt, _constitutions(one), sampling_of(one), model, tokenizer, context)
        for one in contrasts
    ]


def _constitutions(contrast: Contrast) -> tuple[Constitution, ...]:
    signs = contrast.principles or ((),) * len(contrast.constitutions)
    by_id = checks_of(contrast)
    checks = [tuple(by_id.get(sign[1:], "") for sign in one) if by_id else () for one in signs]
    return tuple(map(Constitution, contrast.constitutions, signs, checks))


def _draft(
    prompt: Prompt,
    several: tuple[Constitution, ...],
    sampling: Sampling,
    model: Model,
    tokenizer: PreTrainedTokenizerBase | None,
    context: int | None,
) -> Draft:
    requests = tuple(_request(prompt, one, model, tokenizer, sampling) for one in several)
    fits = context is None or all(len(one.token_ids) < context for one in requests)
    return Draft(prompt, several, requests if fits else (), sampling)


def write_contrasts(
    drafts: Sequence[Draft], model: Model, complete: Complete, filters: Filters | None = None
) -> list[Contrast]:
    """One contrast a prompt, the model's responses written under `chat.insist`.

    complete: runs the requests, e.g. `generate.complete` with a ledger: only what is missing.
    A contrast no method should learn from keeps its reason in `rejected`.
    """
    filters = filters or Filters()
    requests = [request for one in drafts for request in one.requests]
    completions = iter(complete(requests))
    contrasts = [
        _contrast(one, [next(completions) for _ in one.requests], model, filters) for one in drafts
    ]
    return without_near_prompts(contrasts, filters)


def _request(
    prompt: Prompt,
    constitution: Constitution,
    model: Model,
    tokenizer: PreTrainedTokenizerBase | None,
    sampling: Sampling,
) -> Request:
    messages = chat.conversation(
        prompt.turns[:1], (), chat.insist(constitution.text), prompt.history
    )
    if tokenizer is None:
        return Request(model, messages, (), sampling)
    stop = (*sampling.stop, *chat.stop_strings(tokenizer, model.chat_template))
    ids = chat.render(tokenizer, messages, model.chat_template)
    return Request(model, messages, ids, replace(sampling, stop=stop))


def _contrast(
    draft: Draft, completions: Sequence[Completion], model: Model, filters: Filters
) -> Contrast:
    written = completions or [Completion("")] * len(draft.constitutions)
    responses = tuple(
        Response(
            draft.prompt.id,
            model.name,
            turns=(one.text,),
            token_ids=(one.token_ids,) if one.token_ids else (),
            finished=(one.finished,),
            n_tokens=(one.n_tokens,),
        )
        for one in written
    )
    several = draft.constitutions
    # Shares are reckoned one by one as they are asked for: without that filter, none is.
    heeded = (
        one.heeded(draft.prompt.turns[0], response.turns[-1])
        for one, response in zip(several, responses, strict=True)
    )
    reason = reason_to_reject(responses, filters) or reason_by_checks(heeded, filters)
    checks = {sign[1:]: check for one in several for sign, check in one.checked()}
    return Contrast(
        draft.prompt,
        tuple(constitution.text for constitution in several),
        responses,
        tuple(constitution.signs for constitution in several),
        rejected=reason if completions else TOO_LONG,
        metadata=origin(model, draft.sampling, filters, checks),
    )
