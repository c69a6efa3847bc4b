"""A request of two turns: lm-eval builds every prompt before it generates, so it has no chains.

A stock backend answers the first turn and knows nothing of a second; our model class asks the
second after the model's own first answer and leaves both in `answers`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lm_eval.api.instance import Instance

from sami_eval.data.chat import Messages, conversation


@dataclass
class Dialogue(Instance):  # type: ignore[misc]
    """A prompt whose next turn follows the answer.

    turns: the user's messages. said: recorded answers to the first of them.
    render: a conversation as a prompt. answers: of all turns, where the backend chains.
    """

    turns: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    system: str = ""
    render: Callable[[Messages], str] | None = None
    answers: tuple[str, ...] | None = None

    @property
    def has_next(self) -> bool:
        """Whether a turn follows the one that is asked."""
        return len(self.turns) > len(self.said) + 1

    def next_context(self, answer: str) -> str:
        """The prompt of the turn after this one, given this one's answer."""
        assert self.render is not None
        return self.render(conversation(self.turns, (*self.said, answer), self.system))
