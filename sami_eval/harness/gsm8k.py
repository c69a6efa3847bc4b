"""lm-eval's task `gsm8k_passk` under the name that files installed earlier have for it."""

from __future__ import annotations

from sami_eval.harness.passk import Passk


class Gsm8kPassk(Passk):
    """`tasks/gsm8k_passk.yaml`."""

    NAME = "gsm8k_passk"
