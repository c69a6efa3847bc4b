"""The watch on collapse: how far own responses have fallen below where a training started."""

from __future__ import annotations

from dataclasses import dataclass

from sami_eval.align.options import Options
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.progress import Progress

WARN_FALL = 0.05  # nats a token; a healthy training stays well below


@dataclass(slots=True)
class Falls:
    """Warns once past WARN_FALL, and stops a training past `options.max_fall`.

    method: as messages call it. remedy: what to change. warn: nats a token.
    """

    method: str
    options: Options
    progress: Progress
    remedy: str = "train with a higher --kl or a lower --lr"
    warn: float = WARN_FALL
    warned: bool = False

    def see(self, fall: float, step: int) -> None:
        """fall: nats a token that own responses have lost at a step.

        Raises SamiEvalError past the limit: most contrastive losses reward gibberish just as well.
        """
        if fall > self.options.max_fall:
            raise SamiEvalError(
                f"{self.method} collapses: own responses lost `{fall:.2f}` nats a token "
                f"(limit {self.options.max_fall})",
                self.remedy,
            )
        if fall > self.warn and not self.warned:
            self.warned = True
            self.progress.say(
                f"warning: own responses lost {fall:.2f} nats a token at step {step}; "
                f"past {self.options.max_fall} training stops"
            )
