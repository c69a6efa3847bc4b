"""Where a model is asked, and the key it is asked with; the key never leaves here unmasked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sami_eval import wire
from sami_eval.errors import KeyMissingError, UsageError
from sami_eval.types import Model

if TYPE_CHECKING:
    from openai import AsyncOpenAI

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"

_OFFICIAL = "https://api.openai.com/v1"


def address_of(model: Model, base_url: str | None) -> str:
    """The address a model is asked at: its own, the one given, the environment's, OpenAI's."""
    return model.base_url or base_url or os.environ.get(URL_VARIABLE) or _OFFICIAL


def check(model: Model, base_url: str | None) -> None:
    """Raise KeyMissingError where the server needs a key and there is none, or a mangled one.

    Raises UsageError for an address that is none.
    """
    url, secret = address_of(model, base_url), _secret()
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise UsageError(f"`{masked(url)}` is no address", "--base-url http://127.0.0.1:8000/v1")
    if secret and not (secret.isascii() and secret.isprintable() and " " not in secret):
        raise KeyMissingError(
            f"`{KEY_VARIABLE}` holds characters no key has", f"export {KEY_VARIABLE}=... once more"
        )
    host = address.hostname
    if not secret and host.endswith(("openai.com", "openai.azure.com")):
        raise KeyMissingError(
            f"`{model.base}` is asked at `{host}`, which needs a key",
            f"export {KEY_VARIABLE}=...  (or --base-url URL for a server of your own)",
        )


def connect(url: str) -> AsyncOpenAI:
    """A client for one address, without retries and timeouts of its own."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    # A proxy of the environment's is no way to this very machine.
    direct = DefaultAsyncHttpxClient(trust_env=False) if _is_loopback(url) else None
    return AsyncOpenAI(
        api_key=_secret() or "none", base_url=url, max_retries=0, timeout=None, http_client=direct
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def masked(text: str) -> str:
    """Text without the key."""
    return wire.masked(text, _secret())


def _secret() -> str:
    return os.environ.get(KEY_VARIABLE, "").strip()
