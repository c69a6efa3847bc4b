"""From a constitution and turns to the token ids a model reads.

A base with a chat template uses it; a base without one gets our plain format and its stop strings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from sami_eval.core.errors import UsageError
from sami_eval.core.thoughts import TAG

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Messages = tuple[tuple[str, str], ...]

# Contrasts are written under this heading; training and evaluation show the bare constitution.
INSIST = "Write a response that follows every one of these instructions:"

PLAIN_NAMES = {"system": "Instructions", "user": "Human", "assistant": "Assistant"}
_PRIVATE_USE = range(0xE000, 0xF900)  # what no text of a person holds
_TAGGED = re.compile(r"<\S+>|\[\S+\]")
PLAIN_STOP = ("\nHuman:", "\nInstructions:")


def constitution_text(principles: Sequence[str]) -> str:
    """Principles as a numbered list, one a line; empty for none."""
    return "\n".join(f"{i}. {text}" for i, text in enumerate(principles, 1))


def insist(constitution: str) -> str:
    """The constitution under a heading that asks to follow it: for writing contrasts."""
    return f"{INSIST}\n{constitution}"


def conversation(
    turns: Sequence[str], answers: Sequence[str], system: str = "", history: Sequence[str] = ()
) -> Messages:
    """User turns with the assistant's answers between them, under an optional system message.

    history: what was said before the first of them, a user's message and its answer in turn.
    The conversation ends with the first user turn that has no answer yet.
    """
    messages = [("system", system)] if system else []
    messages += zip(cycle(("user", "assistant")), history, strict=False)
    for i, turn in enumerate(turns[: len(answers) + 1]):
        messages.append(("user", turn))
        if i < len(answers):
            messages.append(("assistant", answers[i]))
    return tuple(messages)


def fold_system(messages: Messages) -> Messages:
    """The system message put at the head of the first user turn."""
    if not messages or messages[0][0] != "system":
        return messages
    (_, system), (role, user), *rest = messages
    return ((role, f"{system}\n\n{user}"), *rest)


def plain_text(messages: Messages) -> str:
    """Our format for a base without a chat template, ending where the assistant speaks."""
    parts = [f"{PLAIN_NAMES[role]}: {content.strip()}" for role, content in messages]
    return "\n\n".join([*parts, "Assistant:"])


def render_text(
    tokenizer: PreTrainedTokenizerBase,
    messages: Messages,
    template: str | None = None,
    answered: bool = False,
) -> str:
    """Messages as the model's own prompt text, up to where the assistant speaks.

    answered: it has spoken, and the text ends there.

    A template that refuses the system role, or leaves its text out, gets it in the first user turn.
    Raises UsageError for a template that cannot be used.
    """
    if template is None and tokenizer.chat_template is None:
        return (tokenizer.bos_token or "") + plain_text(messages)

    def plain(messages: Messages) -> str:
        text = tokenizer.apply_chat_template(
            [{"role": role, "content": content} for role, content in messages],
            chat_template=template,
            tokenize=False,
            add_generation_prompt=not answered,
        )
        return str(text)

    def apply(messages: Messages) -> str:
        text = plain(messages)
        *before, (role, asked) = messages
        if asked.strip() not in text and text == plain((*before, (role, f"{asked} ?"))):
            raise _unusable(tokenizer, "it leaves out what is asked")
        return text

    from jinja2.exceptions import TemplateError

    system = messages[0][1].strip() if messages and messages[0][0] == "system" else ""
    try:
        text = apply(messages)
        return text if system in text else apply(fold_system(messages))
    except TemplateError as error:
        if not system:
            raise _unusable(tokenizer, error) from None
    try:
        return apply(fold_system(messages))  # e.g. Gemma: "System role not supported"
    except TemplateError as error:
        raise _unusable(tokenizer, error) from None


def _unusable(tokenizer: PreTrainedTokenizerBase, error: Exception | str) -> UsageError:
    return UsageError(
        f"the chat template of `{tokenizer.name_or_path}` fails: {error}",
        "mend it, or give another as chat_template under [models] in sami-eval.toml",
    )


def render(
    tokenizer: PreTrainedTokenizerBase,
    messages: Messages,
    template: str | None = None,
    literal: bool = False,
    answered: bool = False,
) -> tuple[int, ...]:
    """Token ids of the prompt, its beginning the template's own, so never two BOS.

    answered: as `render_text` has it.

    literal: what reads like a special token in a message is text, its pieces encoded apart; for
        messages that show what strangers wrote. Else a prompt may hold the base's own tokens.
    """
    words = re.compile("|".join(map(re.escape, _control_words(tokenizer))) or r"(?!)")
    if not literal or not any(words.search(content) for _, content in messages):
        text = render_text(tokenizer, messages, template, answered)
        return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
    said = "".join(content for _, content in messages)
    cut = next(mark for mark in map(chr, _PRIVATE_USE) if mark not in said)
    inert = tuple((role, _parted(role, content, words, cut)) for role, content in messages)
    pieces = render_text(tokenizer, inert, template, answered).split(cut)
    return tuple(
        one
        for piece in pieces
        if piece
        for one in tokenizer(piece, add_special_tokens=False)["input_ids"]
    )


def _parted(role: str, content: str, words: re.Pattern[str], cut: str) -> str:
    """The content with a cut inside every word of the tokenizer's own."""

    def part(found: re.Match[str]) -> str:
        word = found[0]
        # A template may take an earlier answer's thoughts out by their tags.
        keeps = role == "assistant" and TAG.fullmatch(word)
        return word if keeps else f"{word[0]}{cut}{word[1:]}"

    return words.sub(part, content)


def _control_words(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The tokens that are more than text, the longest first: special ones, and tags.

    Others were added for what is common in a text, as runs of spaces.
    """
    found = set(tokenizer.all_special_tokens)
    for token in tokenizer.added_tokens_decoder.values():
        if token.special or _TAGGED.fullmatch(token.content):
            found.add(token.content)
    return sorted((word for word in found if len(word) > 1), key=len, reverse=True)


def stop_strings(
    tokenizer: PreTrainedTokenizerBase, template: str | None = None
) -> tuple[str, ...]:
    """Where a base without a chat template must be stopped; nothing for one with a template."""
    return PLAIN_STOP if template is None and tokenizer.chat_template is None else ()
