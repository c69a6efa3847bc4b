"""Tests, a folder for each of the package's; what several share lies here."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Data that is no part of the checkout: tests that read it are skipped without it.
SHARED = ROOT.parent / "shared"
MTBENCH_CATEGORIES = (
    *("writing", "roleplay", "reasoning", "math"),
    *("coding", "extraction", "stem", "humanities"),
)
