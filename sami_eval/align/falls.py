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

    method: as messages call it. remedy: what to change. stops: False where a training may go on
    past the limit, and that is what is warned of: preference losses lower the better response, too,
    in trainings that end well.
    """

    method: str
    options: Options
    progress: Progress
    remedy: str = "train with a higher --kl or a lower --lr"
    stops: bool = True
    warned: bool = False

    def see(self, fall: float, step: int) -> None:
        """fall: nats a token that own responses have lost at a step.

        Raises SamiEvalError past the limit: most contrastive losses reward gibberish just as well.
        """
        limit = self.options.max_fall
        if fall > limit and self.stops:
            raise SamiEvalError(
                f"{self.method} collapses: own responses lost `{fall:.2f}` nats a token "
                f"(limit {limit})",
                self.remedy,
            )
        if fall > (WARN_FALL if self.stops else limit) and not self.warned:
            self.warned = True
            then = (
                f"past {limit} training stops"
                if self.stops
                else f"if it writes badly, {self.remedy}"
            )
            self.progress.say(
                f"warning: own responses lost {fall:.2f} nats a token at step {step}; {then}"
            )
