"""What a model thought before it spoke: tags around it, found in one pass over the text.

`<think>...</think>`, `<thinking>`, `[THINK]`, channels as `<|channel|>analysis`; left open, they
hold the rest of the text; closed only, because the chat template opened them unseen, they hold
what stands before. `<analysis>` and `<reflection>` are common words of answers too: they hold
thoughts where they are closed, come first, and something is said behind them.
"""

from __future__ import annotations

import re

TAG = re.compile(
    r"<[ ]?/?[ ]?(?i:(?:[a-z]{1,12}[:_]|ant)?(?:think(?:ing)?|thoughts?|reasoning|scratchpad"
    r"|inner_monologue))"
    r"(?:\s+\w+=[^<>]{0,60})?\s?>|\[/?THINK\]|◁/?think▷|<[|｜]/?(?i:think(?:ing)?|thought)[|｜]>"
    r"|<\|(?:START|END)_THINKING\|>|<\|(?:begin|end)_of_thought\|>|<\|channel>thought|<channel\|>"
    r"|&lt;/?(?i:think(?:ing)?)&gt;|<unused9[45]>"
    r"|<\|channel\|>(?:analysis|commentary|final)(?:[^<]{0,80}<\|message\|>)?"
)
_CLOSING = re.compile(r"\W+/|<\|(?:END|end)_|<channel\||<\|channel\|>final|&lt;/|<unused95")
_LEADING = re.compile(r"\s*<(analysis|reflection)>.*?</\1>(?=\s*\S)", re.I | re.S)
_LEADING_TAG = re.compile(r"\A</?(?:analysis|reflection)>|</?(?:analysis|reflection)>\Z", re.I)
Span = tuple[int, int]


def closes(tag: str) -> bool:
    """Whether a tag ends a thought; else it begins one."""
    return _CLOSING.match(tag) is not None


def may_hold(text: str) -> bool:
    """Whether there can be a tag in a text, at a glance: every tag has one of these signs."""
    return "<" in text or "&lt;" in text or "◁" in text or "THINK]" in text


def thoughts(text: str) -> list[Span]:
    """Where the text is thought, tags included: spans in order, none within another."""
    if not may_hold(text):
        return []
    spans = _leading(text)
    opened: int | None = None
    for tag in TAG.finditer(text, spans[-1][1] if spans else 0):
        if not closes(tag[0]):
            opened = tag.start() if opened is None else opened
        elif opened is not None:
            spans.append((opened, tag.end()))
            opened = None
        else:
            spans = [(0, tag.end())]
    return spans if opened is None else [*spans, (opened, len(text))]


def _leading(text: str) -> list[Span]:
    """The closed blocks that a text begins with, by tags that hold thoughts there alone."""
    spans: list[Span] = []
    while block := _LEADING.match(text, spans[-1][1] if spans else 0):
        spans.append(block.span())
    return spans


def blanked(text: str) -> str:
    """The text with spaces for its thoughts: what is left keeps its place."""
    spans, parts, at = thoughts(text), [], 0
    if not spans:
        return text
    for start, end in spans:
        parts += [text[at:start], " " * (end - start)]
        at = end
    return "".join([*parts, text[at:]])


def parted(text: str) -> tuple[str, str]:
    """What was said and what was thought, without tags; the text as it is where it has none."""
    spans, said, at = thoughts(text), [], 0
    if not spans:
        return text, ""
    for start, end in spans:
        said.append(text[at:start])
        at = end
    kept = (_LEADING_TAG.sub("", TAG.sub("", text[start:end]).strip()) for start, end in spans)
    return "".join([*said, text[at:]]).strip(), "\n\n".join(filter(None, kept))


def spoken(text: str) -> str:
    """The text without its thoughts; as it is where it has none."""
    parts, at = [], 0
    for start, end in thoughts(text):
        parts.append(text[at:start])
        at = end
    return "".join([*parts, text[at:]])
