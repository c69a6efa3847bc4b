"""Every text of the page can be read: contrast of at least 4.5 to 1 (WCAG 2.1, AA)."""

from __future__ import annotations

import re

import pytest

from sami_eval.report.html import PAGE

STYLE = (PAGE / "report.css").read_text(encoding="utf-8")
BOTH = re.findall(r"--(\w+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", STYLE)
SCHEMES = [{name: pair[dark] for name, *pair in BOTH} for dark in (0, 1)]


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2.1 defines it."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_black_on_white_is_21_to_1() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_there_is_a_light_and_a_dark_scheme() -> None:
    assert len(SCHEMES) == 2
    assert luminance(SCHEMES[0]["paper"]) > 0.9 > 0.1 > luminance(SCHEMES[1]["paper"])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ground", ["paper", "panel", "mark"])
@pytest.mark.parametrize("ink", ["ink", "soft", "a", "b", "c", "d", "tie", "warn", "link"])
def test_texts_stand_out(scheme: dict[str, str], ground: str, ink: str) -> None:
    assert contrast(scheme[ink], scheme[ground]) >= 4.5
