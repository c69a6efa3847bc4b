"""Fixtures shared by the tests: small literal inputs, no network, no downloads."""

from __future__ import annotations

import os
import signal

# Where the tests run in the background, SIGINT is ignored and every child would inherit that: the
# tests of Ctrl-C send it.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")
