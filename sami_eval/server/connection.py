"""Open connections to one address: a body is posted, whatever comes back is read whole.

It is aiohttp alone: a call by way of the SDK takes four times the processor's time, for objects
that nobody here reads. How many connections are open makes a call no dearer.
"""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from sami_eval.core import address
from sami_eval.core.errors import UsageError
from sami_eval.core.versions import __version__
from sami_eval.server import capped

if TYPE_CHECKING:
    from aiohttp import ClientSession

# What the vendors' own client reads of the environment, too: who pays, and what a gateway wants.
_PAYERS = {"openai-organization": "OPENAI_ORG_ID", "openai-project": "OPENAI_PROJECT_ID"}
_MORE_HEADERS = "OPENAI_CUSTOM_HEADERS"
_PLACE = re.compile(r"([^@/?#\s]*@)?([\w.-]+|\[[\da-fA-F:.]+\])(:\d{1,5})?/?")
_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
# What says how a body is sent, which is for us to say.
_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Servers that run uvicorn hang up after 5 s of silence; a call on its way just then is lost.
_SILENT_S = 4.0
_BODY = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: any status, and its body as text."""

    status: int
    headers: Mapping[str, str]
    text: str


class UnreachedError(Exception):
    """A call found no way, or lost it; its cause says why."""


class Connection:
    """Connections to one address, with one key; opened by the first call."""

    def __init__(self, url: str, headers: Mapping[str, str], query: str = "") -> None:
        """headers: of every call, in small letters. query: opens with a question mark."""
        self._url, self._query = url.rstrip("/"), query
        self._headers = {
            "accept": "application/json",
            "accept-encoding": capped.ENCODINGS,
            "content-type": "application/json",
            "user-agent": f"sami-eval/{__version__}",
            **headers,
        }
        self._session: ClientSession | None = None

    async def post(self, path: str, body: Mapping[str, object]) -> Answer:
        """What the server answers; no redirect is followed: a key is for one address alone.

        Raises UnreachedError, and MalformedError for a body that is too large or no text.
        """
        import aiohttp

        if self._session is None:
            self._session = _opened(self._url)
        sent = _BODY.encode(body).encode()
        try:
            async with self._session.post(
                f"{self._url}{path}{self._query}",
                data=sent,
                headers=self._headers,
                allow_redirects=False,
            ) as response:
                said = await capped.read(response.content.iter_any(), response.headers)
                return Answer(response.status, response.headers, decoded(said, response.charset))
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachedError from error

    async def close(self) -> None:
        """Close them."""
        if self._session is not None:
            await self._session.close()


def of_environment() -> dict[str, str]:
    """Headers that the environment names, in small letters. Raises UsageError for what is none."""
    said = {v: [f"{name}: {os.environ[v]}"] for name, v in _PAYERS.items() if os.environ.get(v)}
    said[_MORE_HEADERS] = [line for line in os.environ.get(_MORE_HEADERS, "").splitlines() if line]
    headers = {}
    for variable, lines in said.items():
        for line in lines:
            name, colon, value = (part.strip() for part in line.partition(":"))
            if not (colon and _NAME.fullmatch(name) and value.isprintable()):
                # Its words are not shown: they may be a secret.
                what = "NAME: VALUE" if variable == _MORE_HEADERS else "NAME"
                hint = f"export {variable}='{what}', in printable characters"
                raise UsageError(f"`{variable}` holds what no header can be", hint)
            if name.lower() in _OURS:
                raise UsageError(
                    f"`{variable}` sets `{name}`, which belongs to how a body is sent",
                    "leave it out: it is set for each call",
                )
            headers[name.lower()] = value
    return headers


def _opened(url: str) -> ClientSession:
    """A session without limits of its own: how many calls are in flight is said elsewhere."""
    from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

    trusted = _trusted() if url.startswith("https:") else True
    return ClientSession(
        connector=TCPConnector(limit=0, keepalive_timeout=_SILENT_S, ssl=trusted),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(),
        auto_decompress=False,
        proxy=_proxy(url),
    )


def _trusted() -> ssl.SSLContext:
    """Whose certificates count: the system's, and those that come with Python's libraries."""
    import certifi

    context = ssl.create_default_context()
    if not (os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")):
        context.load_verify_locations(certifi.where())
    return context


def _proxy(url: str) -> str | None:
    """The environment's way to an address; to this very machine a proxy is none.

    Raises UsageError for one that speaks no HTTP, or that names no place.
    """
    at, ways = urlsplit(url), getproxies()
    host = f"{at.hostname}:{at.port or (443 if at.scheme == 'https' else 80)}"
    named = at.scheme if ways.get(at.scheme) else "all"
    way = ways.get(named)
    if not way or address.is_loopback(url) or proxy_bypass(host):
        return None
    way = way if "://" in way else f"http://{way}"
    kind, _, place = way.partition("://")
    # Its words are not shown: they may hold a password.
    direct = f"or, for the direct way, export NO_PROXY={at.hostname}"
    if kind.lower() not in ("http", "https"):
        raise UsageError(
            f"`{named}_proxy` names a proxy of kind `{kind}`, and calls go by HTTP ones alone",
            f"name an http:// one, {direct}",
        )
    if not _PLACE.fullmatch(place):
        raise UsageError(f"`{named}_proxy` names no proxy", f"write http://HOST:PORT, {direct}")
    return way


def decoded(said: bytes, charset: str | None) -> str:
    """A body's text; in UTF-8 where nobody knows what its charset is."""
    try:
        return said.decode(charset or "utf-8", "replace")
    except (LookupError, UnicodeError):  # some of Python's are no charsets of texts
        return said.decode("utf-8", "replace")
