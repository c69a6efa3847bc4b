"""Servers by name: those of the vendors, and `[servers.NAME]` of the config file.

[servers.ours]                            # `ours:llama` is asked there, with that key alone
base_url = "http://127.0.0.1:8000/v1"     # or a list: replicas of one model
key = "OUR_KEY"                           # the variable that holds it; without, no key is sent
concurrency = 64                          # optional: calls in flight there, for --concurrency
rpm = 500                                 # optional: requests and tokens a minute there, beside
tpm = 200000                              #   --rpm and --tpm

[servers.anthropic]                       # of a vendor the key's variable and the limits alone
rpm = 50
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, TypedDict

from sami_eval.core import address
from sami_eval.core.described import Says
from sami_eval.core.errors import did_you_mean
from sami_eval.core.files import Toml, shown
from sami_eval.core.shape import MisfitError, Within, fit

MOST_AT_ONCE = 4096
NOT_A_VARIABLE = "is not the name of an environment variable"
WRITE_KEY = 'write key = "OUR_KEY", and export OUR_KEY=... in your shell'


AtOnce = Annotated[
    int,
    Within(least=1, most=MOST_AT_ONCE),
    Says("Calls in flight there, in the place of --concurrency.", 64),
]
Rpm = Annotated[float, Within(above=0), Says("Requests a minute there at most.", 500.0)]
Tpm = Annotated[float, Within(above=0), Says("Tokens a minute there at most.", 200000.0)]


class LimitKeys(TypedDict, total=False):
    """What `[servers.VENDOR]` may say: the vendor has an address."""

    key: Annotated[str, Says("The environment variable that holds its key.", "OUR_KEY")]
    concurrency: AtOnce
    rpm: Rpm
    tpm: Tpm


class _Address(TypedDict, total=False):
    base_url: Annotated[
        str | list[str],
        Says("Its address, or a list of them: replicas.", "http://127.0.0.1:8000/v1"),
    ]


class ServerKeys(_Address, LimitKeys, total=False):
    """What `[servers.NAME]` may say; `NAME:MODEL` is then asked there."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a server is asked at most: calls in flight, requests and tokens a minute.

    server: its name; what is asked there shares these. None: no limit of its own.
    """

    server: str
    concurrency: AtOnce | None = None
    rpm: Rpm | None = None
    tpm: Tpm | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """One name in front of a colon. urls: more than one are replicas; several: they are a list.

    key: the environment variable that holds its key; None: none is sent.
    """

    urls: tuple[str, ...]
    key: str | None = None
    several: bool = False
    allowance: Allowance = field(default_factory=lambda: Allowance(""))


# Chat completions, with the key as a bearer token, as each vendor documents them:
# platform.claude.com/docs, "OpenAI SDK compatibility"; ai.google.dev/gemini-api/docs/openai;
# openrouter.ai/docs/api-reference, an older copy of it (read in November 2026).
VENDORS = {
    "anthropic": Server(("https://api.anthropic.com/v1",), "ANTHROPIC_API_KEY"),
    "gemini": Server(
        ("https://generativelanguage.googleapis.com/v1beta/openai",), "GEMINI_API_KEY"
    ),
    "openrouter": Server(("https://openrouter.ai/api/v1",), "OPENROUTER_API_KEY"),
}
# Asked where the environment and --base-url say, which no table changes.
ELSEWHERE = ("openai", "azure")
BUILT_IN = (*ELSEWHERE, *VENDORS)
_TAKEN = ("hf", "vllm", "http", "https")  # mean something else in front of a colon
_FIELDS = tuple(ServerKeys.__annotations__)
_LIMITS = ("concurrency", "rpm", "tpm")
_HINTS = {
    "concurrency": f"a whole number from 1 to {MOST_AT_ONCE}",
    "rpm": "a number above 0: requests a minute",
    "tpm": "a number above 0: tokens a minute",
}


def server_named(name: str, named: Mapping[str, Server]) -> Server | None:
    """The server that `NAME:` in front of a model means; None for none, and for ELSEWHERE.

    named: those of the config file.
    """
    vendor, own = VENDORS.get(name), named.get(name)
    if own is None or name in ELSEWHERE:
        return vendor
    return replace(own, urls=vendor.urls, key=own.key or vendor.key) if vendor else own


def read_server(file: Toml, row: Any, name: str) -> Server:
    """One table of [servers]. Raises UsageError with its line."""
    at = ("servers", name)
    if name in _TAKEN or not re.fullmatch(r"[\w.-]+", name):
        hint = f"a word of your own; `{name}:` means something else"
        file.bad(at, f"`{name}` is no name for a server", hint)
    if not isinstance(row, dict):
        file.bad(at, f"`servers.{name}` is {shown(row)}, not a table", f"write [servers.{name}]")
    for given in row:
        if given not in _FIELDS:
            said = f"unknown key `servers.{name}.{given}`"
            file.bad((*at, given), said, did_you_mean(given, _FIELDS))
    allowance = _allowance(file, row, name)
    if name in BUILT_IN:
        return Server((), _vendors_key(file, row, name), False, allowance)
    urls = _urls(file, row, name)
    return Server(urls, _key(file, row, at), isinstance(row["base_url"], list), allowance)


def _allowance(file: Toml, row: Mapping[str, Any], name: str) -> Allowance:
    given = {"server": name} | {limit: row[limit] for limit in _LIMITS if limit in row}
    try:
        return fit(given, Allowance)
    except MisfitError as error:
        file.bad(
            ("servers", name, error.name),
            f"`servers.{name}.{error.name}` is {error.what}",
            _HINTS[error.name],
        )


def _vendors_key(file: Toml, row: Mapping[str, Any], name: str) -> str | None:
    """The key's variable of a vendor's table, which says no address."""
    at = ("servers", name)
    if "base_url" in row:
        hint = f"a word of your own in place of `{name}`, and `WORD:MODEL` is asked there"
        file.bad((*at, "base_url"), f"`{name}:` has an address of its own", hint)
    if "key" in row and name in ELSEWHERE:
        hint = "key = ... at the top of the file" if name == "openai" else "under [models.NAME]"
        file.bad((*at, "key"), f"`servers.{name}.key` is not read", hint)
    return _key(file, row, at)


def _urls(file: Toml, row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    at, hint = ("servers", name), 'write base_url = "http://127.0.0.1:8000/v1"'
    if "base_url" not in row:
        file.bad(at, f"server `{name}` has no `base_url`", hint)
    given = row["base_url"]
    urls = tuple(given) if isinstance(given, list) else (given,)
    texts = [url for url in urls if isinstance(url, str) and url.strip()]
    if not urls or len(texts) < len(urls):
        said = f"`servers.{name}.base_url` is {shown(given)}, not a text"
        file.bad((*at, "base_url"), said, f"{hint}, or a list of such texts: replicas of one model")
    for url in texts:
        if fault := address.fault_of(url):
            hint = 'name a variable that holds the key: key = "OUR_KEY"'
            file.bad((*at, "base_url"), f"`base_url` `{address.shown(url)}` {fault}", hint)
    return tuple(dict.fromkeys(map(address.normal, texts))) if isinstance(given, list) else urls


def _key(file: Toml, row: Mapping[str, Any], table: tuple[str, ...]) -> str | None:
    key = row.get("key")
    if key is not None and not is_variable(key):
        file.bad((*table, "key"), f"`{'.'.join((*table, 'key'))}` {NOT_A_VARIABLE}", WRITE_KEY)
    return key


def is_variable(key: object) -> bool:
    """Whether a value may name an environment variable; a key itself hardly does."""
    return isinstance(key, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]*", key) is not None
