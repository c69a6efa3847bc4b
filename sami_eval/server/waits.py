"""How long a server asks to wait: by a header, in any unit, or in the words of its refusal."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from sami_eval.server.refusals import Refusal

_UNITS = {"ms": 0.001, "milliseconds": 0.001, "s": 1.0, "seconds": 1.0}
_UNITS |= {"m": 60.0, "minutes": 60.0, "h": 3600.0, "hours": 3600.0, "d": 86400.0, "days": 86400.0}
_PART = (
    r"([0-9]{1,9}(?:\.[0-9]{0,9})?)\s?"
    r"(ms|milliseconds?|d|days?|h|hours?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?)(?![A-Za-z])"
)
_LENGTH = re.compile(rf"\s*(?:{_PART}[\s,]*)+", re.I)
_EACH = re.compile(_PART, re.I)
# "Please try again in 1m2.5s", "Retry after 26 seconds".
_ASKED = re.compile(r"\b(?:try again|retry|wait)(?: again)?(?: in| after| for)?(?: about)? ", re.I)
_AN_INSTANT = 1e9  # so many seconds are no wait but a time, in seconds since 1970


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds by Retry-After (RFC 9110: a number or a date), "20ms" too; 0 where it is not said."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _sane(milliseconds / 1000)
    said = headers.get("retry-after", "")
    seconds = _number(said)
    if seconds is None:
        seconds = length_s(said)
    if seconds is None or seconds >= _AN_INSTANT:
        seconds = _seconds_until(said if seconds is None else seconds, headers.get("date"))
    return _sane(seconds)


def asked_s(headers: Mapping[str, str], refusal: Refusal) -> float:
    """Seconds by the header, else by what the refusal says; 0 where neither does."""
    said = [length_s(one) or _number(one) or 0.0 for one in refusal.waits]
    after = _ASKED.search(refusal.said)
    said += [length_s(refusal.said, after.end()) or 0.0] if after else []
    return retry_after_s(headers) or _sane(next(filter(None, said), 0.0))


def length_s(text: str, start: int = 0) -> float | None:
    """Seconds of "1m30.5s", "20ms", "26 seconds"; None for a text that begins otherwise."""
    found = _LENGTH.match(text, start)
    if found is None:
        return None
    return sum(float(n) * _unit(unit.lower()) for n, unit in _EACH.findall(found[0]))


def _unit(name: str) -> float:
    return (
        _UNITS[name] if name in _UNITS else _UNITS[{"mi": "m", "mil": "ms"}.get(name[:3], name[0])]
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sane(seconds: float) -> float:
    return seconds if 0 < seconds < float("inf") else 0.0


def _seconds_until(when: str | float, sent: str | None) -> float:
    """By the server's own clock, where it tells the time: it may differ from ours."""
    until = when if isinstance(when, float) else _instant(when)
    now = _instant(sent or "")
    return 0.0 if until is None else until - (time.time() if now is None else now)


def _instant(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
