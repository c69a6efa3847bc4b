"""Statistics of verdicts and samples: pure functions, the question is the unit everywhere.

Names are loaded on first use: numpy takes .2 s, and reading a number out of a text needs none.

Layer 0: imports core alone; everything above may import it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sami_eval.stats.intervals import win_rate as win_rate
    from sami_eval.stats.kappa import cohen_estimate as cohen_estimate
    from sami_eval.stats.kappa import cohen_kappa as cohen_kappa
    from sami_eval.stats.kappa import fleiss_estimate as fleiss_estimate
    from sami_eval.stats.kappa import fleiss_kappa as fleiss_kappa
    from sami_eval.stats.length import length_controlled as length_controlled
    from sami_eval.stats.passk import g_pass_at_k as g_pass_at_k
    from sami_eval.stats.passk import maj_at_k as maj_at_k
    from sami_eval.stats.passk import mg_pass_at_k as mg_pass_at_k
    from sami_eval.stats.passk import pass_at_k as pass_at_k
    from sami_eval.stats.passk import pass_hat_k as pass_hat_k
    from sami_eval.stats.power import detectable as detectable
    from sami_eval.stats.power import questions_needed as questions_needed
    from sami_eval.stats.ranking import Standing as Standing
    from sami_eval.stats.ranking import bradley_terry as bradley_terry
    from sami_eval.stats.tests import categories_p as categories_p
    from sami_eval.stats.tests import holm as holm
    from sami_eval.stats.tests import sign_flip_p as sign_flip_p

_HOME = {
    "win_rate": "intervals",
    "cohen_estimate": "kappa",
    "cohen_kappa": "kappa",
    "fleiss_estimate": "kappa",
    "fleiss_kappa": "kappa",
    "length_controlled": "length",
    "g_pass_at_k": "passk",
    "maj_at_k": "passk",
    "mg_pass_at_k": "passk",
    "pass_at_k": "passk",
    "pass_hat_k": "passk",
    "detectable": "power",
    "questions_needed": "power",
    "Standing": "ranking",
    "bradley_terry": "ranking",
    "categories_p": "tests",
    "holm": "tests",
    "sign_flip_p": "tests",
}
__all__ = [*_HOME]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
