"""Who compares responses: `judges/*.toml` -> Judge; render, ask, parse -> Verdict.

Layer 3: imports generate and below, never align; experiments and all above may import it.
"""

from sami_eval.judge.ask import (
    BETWEEN,
    IDENTICAL,
    Counted,
    judge_all,
    rate_all,
    read_in_words,
)
from sami_eval.judge.fastchat import judge_prompts_kind, read_judge_prompts
from sami_eval.judge.files import judge_files, judges_dirs, listing, read_judge, replaced
from sami_eval.judge.local import ENGINES as IN_PROCESS
from sami_eval.judge.published import read_published
from sami_eval.judge.rendering import render, shows_reference
from sami_eval.judge.replies import engines_of
from sami_eval.judge.requests import BOTH, judge_model, request_of, stored_replies, to_ask
from sami_eval.judge.sizes import Sizes, sizes
from sami_eval.judge.verdicts import TOO_LONG, Reading, parse_rating, parse_verdict, read_reply

__all__ = [
    "BETWEEN",
    "BOTH",
    "IDENTICAL",
    "IN_PROCESS",
    "TOO_LONG",
    "Counted",
    "Reading",
    "Sizes",
    "engines_of",
    "judge_all",
    "judge_files",
    "judge_model",
    "judge_prompts_kind",
    "judges_dirs",
    "listing",
    "parse_rating",
    "parse_verdict",
    "rate_all",
    "read_in_words",
    "read_judge",
    "read_judge_prompts",
    "read_published",
    "read_reply",
    "render",
    "replaced",
    "request_of",
    "shows_reference",
    "sizes",
    "stored_replies",
    "to_ask",
]
