"""How long a server asks to wait: by a header, in any unit, or in the words of its refusal."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
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
_LIMIT = re.compile(r"-?(?:remaining|reset)(?:-after)?")
_MOST_UNASKED_S = 60.0


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds by Retry-After (RFC 9110: a number or a date), "20ms" too; 0 where it is not said."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _sane(milliseconds / 1000)
    return _sane(_seconds(headers.get("retry-after", ""), headers.get("date")))


def _seconds(said: str, sent: str | None) -> float:
    """A number, a length with its unit, or how long it is until an instant; 0 for anything else.

    sent: when, by the server's own clock, which may differ from ours.
    """
    number = _number(said)
    seconds = length_s(said) if number is None else number
    if seconds is not None and seconds < _AN_INSTANT:
        return seconds
    until = _instant(said) if seconds is None else seconds / (1000 if seconds > 1e11 else 1)
    now = _instant(sent or "")
    return 0.0 if until is None else until - (time.time() if now is None else now)


def asked_s(headers: Mapping[str, str], refusal: Refusal) -> float:
    """Seconds by the header, else by what the refusal says; 0 where neither does."""
    said = [length_s(one) or _number(one) or 0.0 for one in refusal.waits]
    after = _ASKED.search(refusal.said)
    said += [length_s(refusal.said, after.end()) or 0.0] if after else []
    return retry_after_s(headers) or _sane(next(filter(None, said), 0.0)) or _until_reset_s(headers)


def _until_reset_s(headers: Mapping[str, str]) -> float:
    """Seconds until what is used up is there again, by headers of limits; at most a minute.

    They tell of every limit, so a longer wait need not be what this refusal is about.
    """
    empty = {_LIMIT.sub("", name.lower()) for name, left in _limits(headers, "remaining", "0")}
    resets = [said for name, said in _limits(headers, "reset") if _LIMIT.sub("", name) in empty]
    seconds = [_seconds(said, headers.get("date")) for said in resets]
    return min(max(map(_sane, seconds), default=0.0), _MOST_UNASKED_S)


def _limits(
    headers: Mapping[str, str], what: str, value: str | None = None
) -> Iterator[tuple[str, str]]:
    """Headers such as `x-ratelimit-reset-tokens`, in small letters, and what they say."""
    for name, said in headers.items():
        if "ratelimit" in name.lower() and what in name.lower() and value in (None, said):
            yield name.lower(), said


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


def _instant(date: str) -> float | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        with suppress(ValueError):
            return read(date).timestamp()
    return None
