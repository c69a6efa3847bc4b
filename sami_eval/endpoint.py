"""Where a model is asked, and the key it is asked with; the key never leaves here unmasked."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sami_eval import wire
from sami_eval.config import Config
from sami_eval.errors import KeyMissingError, UsageError
from sami_eval.types import SERVED, Model

if TYPE_CHECKING:
    from openai import AsyncOpenAI

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
# Azure OpenAI has an endpoint of one's own, which no --base-url changes, and dated versions.
AZURE_KEY_VARIABLE = "AZURE_OPENAI_API_KEY"
AZURE_URL_VARIABLE = "AZURE_OPENAI_ENDPOINT"
AZURE_VERSION_VARIABLE = "OPENAI_API_VERSION"

SERVERS = tuple(f"{engine}:" for engine in SERVED)  # what the spec of such a model begins with

_OFFICIAL = "https://api.openai.com/v1"


def at_server(spec: str, config: Config) -> str | None:
    """`openai:NAME` or `azure:NAME` where a spec names a model at a server, None where not."""
    row = config.models.get(spec, {"base": spec})
    plain: str = row.get("base", "")
    if plain.startswith(SERVERS):
        return plain
    return f"{row['engine']}:{plain}" if row.get("engine") in SERVED else None


def address_of(model: Model, base_url: str | None) -> str:
    """The address a model is asked at: its own, the one given, the environment's, OpenAI's."""
    if model.engine == "azure":
        return model.base_url or os.environ.get(AZURE_URL_VARIABLE, "")
    return model.base_url or base_url or os.environ.get(URL_VARIABLE) or _OFFICIAL


def check(model: Model, base_url: str | None) -> None:
    """Raise KeyMissingError where the server needs a key and there is none, or a mangled one.

    Raises UsageError for an address that is none.
    """
    url, variable = address_of(model, base_url), key_variable(model)
    secret = _secret(variable)
    if model.engine == "azure":
        _check_azure(model, url)
    host = _host(url)
    if host is None:
        raise UsageError(f"`{masked(url)}` is no address", "--base-url http://127.0.0.1:8000/v1")
    if secret and not (secret.isascii() and secret.isprintable() and " " not in secret):
        raise KeyMissingError(
            f"`{variable}` holds characters no key has", f"export {variable}=... once more"
        )
    azure = model.engine == "azure"
    if not secret and (azure or host.endswith(("openai.com", "openai.azure.com"))):
        raise KeyMissingError(
            f"`{model.base}` is asked at `{host}`, which needs a key",
            f"export {variable}=..."
            + ("" if azure else "  (or --base-url URL for a server of your own)"),
        )


def _host(url: str) -> str | None:
    """The host of an address that can be asked; None for anything else."""
    try:
        address = urlsplit(url)
        good = address.scheme in ("http", "https") and address.port != 0
    except ValueError:  # half an IPv6 address, a port beyond 65535
        return None
    return address.hostname if good and not re.search(r"\s", url) else None


def key_variable(model: Model) -> str:
    """The environment variable that holds the model's key."""
    return AZURE_KEY_VARIABLE if model.engine == "azure" else KEY_VARIABLE


def _check_azure(model: Model, url: str) -> None:
    """Raise UsageError where the endpoint or the API version of a deployment is not known."""
    examples = {
        AZURE_URL_VARIABLE: (url, "https://NAME.openai.azure.com"),
        AZURE_VERSION_VARIABLE: (os.environ.get(AZURE_VERSION_VARIABLE, ""), "2024-10-21"),
    }
    for variable, (value, example) in examples.items():
        if not value:
            raise UsageError(
                f"`azure:{model.base}` needs {variable}", f"e.g. export {variable}={example}"
            )


def connect(url: str, engine: str = "openai") -> AsyncOpenAI:
    """A client for one address, without retries and timeouts of its own."""
    from openai import AsyncAzureOpenAI, AsyncOpenAI, DefaultAsyncHttpxClient

    # A proxy of the environment's is no way to this very machine.
    direct = DefaultAsyncHttpxClient(trust_env=False) if _is_loopback(url) else None
    if engine == "azure":
        return AsyncAzureOpenAI(
            api_key=_secret(AZURE_KEY_VARIABLE),
            azure_endpoint=url,
            api_version=os.environ[AZURE_VERSION_VARIABLE],
            max_retries=0,
            timeout=None,
            http_client=direct,
        )
    return AsyncOpenAI(
        api_key=_secret() or "none", base_url=url, max_retries=0, timeout=None, http_client=direct
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def masked(text: str) -> str:
    """Text without the keys."""
    for variable in (KEY_VARIABLE, AZURE_KEY_VARIABLE):
        text = wire.masked(text, _secret(variable))
    return text


def _secret(variable: str = KEY_VARIABLE) -> str:
    return os.environ.get(variable, "").strip()
