"""A request of several turns: lm-eval builds every prompt before it generates, so it has no chains.

A stock backend answers one turn and knows nothing of a next; our model class asks each after the
model's own answers before it and leaves all in `answers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lm_eval.api.instance import Instance

from sami_eval.data.chat import Messages, conversation


@dataclass
class Dialogue(Instance):  # type: ignore[misc]
    """A prompt whose next turn follows the answer.

    turns: the user's messages. history: what is given before them. said: recorded answers to the
    first of them.
    render: a conversation as a prompt. answers: of all turns, where the backend chains.
    """

    turns: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    system: str = ""
    render: Callable[[Messages], str] | None = None
    answers: tuple[str, ...] | None = None

    def has_next(self, answers: Sequence[str]) -> bool:
        """Whether a turn follows these answers of the backend."""
        return len(self.turns) > len(self.said) + len(answers)

    def next_context(self, answers: Sequence[str]) -> str:
        """The prompt of the turn after these answers of the backend."""
        assert self.render is not None
        said = (*self.said, *answers)
        return self.render(conversation(self.turns, said, self.system, self.history))
