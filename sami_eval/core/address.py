"""Addresses of servers: what may stand in one, how it is compared, and how it is shown."""

from __future__ import annotations

import functools
import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

OFFICIAL = "https://api.openai.com/v1"
_NEEDS_KEY = ("openai.com", "openai.azure.com")
_PORTS = {"http": 80, "https": 443}


def fault_of(url: str) -> str | None:
    """Why nothing can be asked at an address, as the end of a sentence; None for a good one.

    A name, a password or a query may be a secret, and an address stands in every file of a run.
    """
    if "@" in url:
        return "holds a user name or a password"
    if "?" in url or "#" in url:
        return "holds a query or a fragment"
    return None if host_of(url) else "is no address"


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in _PORTS and parts.port != 0 and bool(parts.hostname)
    except ValueError:  # half an IPv6 address, a port beyond 65535
        return None
    return parts if good and not re.search(r"\s", url) else None


def host_of(url: str) -> str | None:
    """The host of an address that can be asked; None for anything else."""
    parts = _split(url)
    return parts.hostname if parts else None


def is_loopback(url: str) -> bool:
    """Whether an address is this very machine's."""
    host = host_of(url) or ""
    return host in ("localhost", "::1") or host.startswith("127.")


@functools.cache
def normal(url: str) -> str:
    """One spelling of an address: small letters in the host, no usual port, no slash at the end."""
    parts = _split(url)
    if parts is None:
        return url
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    usual = parts.port in (None, _PORTS[parts.scheme])
    place = host if usual else f"{host}:{parts.port}"
    return urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", ""))


def shown(url: str) -> str:
    """An address without what may be a secret: all before an @ and all behind a ? or a #."""
    scheme, mark, rest = url.rpartition("://") if url.count("://") == 1 else ("", "", url)
    rest = f"***@{rest.rpartition('@')[2]}" if "@" in rest else rest
    return re.sub(r"[?#].*", lambda m: f"{m[0][0]}***", f"{scheme}{mark}{rest}", flags=re.S)


def is_openai(url: str) -> bool:
    """Whether an address is OpenAI's own: the key in OPENAI_API_KEY belongs there."""
    host = host_of(url) or ""
    return url.startswith("https://") and _within(host, "openai.com")


def needs_key(url: str) -> bool:
    """Whether nothing is answered there without a key."""
    return any(_within(host_of(url) or "", domain) for domain in _NEEDS_KEY)


def _within(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")
