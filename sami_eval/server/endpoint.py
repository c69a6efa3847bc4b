"""Where a model is asked, and the key it is asked with; the key never leaves here unmasked."""

from __future__ import annotations

import errno
import os
import ssl
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from sami_eval.core import address
from sami_eval.core.address import OFFICIAL
from sami_eval.core.errors import KeyMissingError, UsageError
from sami_eval.core.servers import VENDORS
from sami_eval.core.types import Model
from sami_eval.server import capped, wire
from sami_eval.server.connection import Connection, of_environment

if TYPE_CHECKING:
    from openai import AsyncOpenAI

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
# Azure OpenAI has an endpoint of one's own, which no --base-url changes, and dated versions.
AZURE_KEY_VARIABLE = "AZURE_OPENAI_API_KEY"
AZURE_URL_VARIABLE = "AZURE_OPENAI_ENDPOINT"
AZURE_VERSION_VARIABLE = "OPENAI_API_VERSION"

_used = {KEY_VARIABLE, AZURE_KEY_VARIABLE}  # variables whose values are masked in all that is said


def own_key(at: Model | str) -> str | None:
    """The variable of the vendor whose own address this is; None for any other address.

    at: an address, or a model: of its replicas, all must be that vendor's.
    """
    urls = (at,) if isinstance(at, str) else at.replicas or (at.base_url or OFFICIAL,)
    variables = {_vendors_key(url) for url in urls}
    return variables.pop() if len(variables) == 1 else None


def _vendors_key(url: str) -> str | None:
    if address.is_openai(url):
        return KEY_VARIABLE
    hosts = {address.host_of(vendor.urls[0]): vendor.key for vendor in VENDORS.values()}
    return hosts.get(address.host_of(url)) if url.startswith("https://") else None


def is_default(model: Model) -> bool:
    """Whether a served model is OpenAI's own under no other address, asked in the usual way."""
    usual = not model.request and model.thoughts is None
    return (
        usual
        and model.engine == "openai"
        and address.normal(model.base_url or OFFICIAL) == OFFICIAL
    )


def address_of(model: Model, base_url: str | None) -> str:
    """The address a model is asked at: its own, the one given, the environment's, OpenAI's."""
    if model.engine == "azure":
        return model.base_url or os.environ.get(AZURE_URL_VARIABLE, "")
    return model.base_url or base_url or os.environ.get(URL_VARIABLE) or OFFICIAL


def addresses_of(model: Model, base_url: str | None) -> tuple[str, ...]:
    """Every address that a model is asked at: several where it has replicas."""
    return model.replicas or (address_of(model, base_url),)


def shown_address(model: Model, base_url: str | None) -> str:
    """Where a model at a server is asked, without keys, for a person to read."""
    return ", ".join(map(address.shown, addresses_of(model, base_url)))


def place_of(model: Model, base_url: str | None = None) -> str:
    """Where a model at a server is asked, and with whose key, for a person to read."""
    url, variable = shown_address(model, base_url), key_variable(model)
    said = f"{url}, {f'with the key in {variable}' if secret(variable) else 'without a key'}"
    said += f", each request with {model.request}" if model.request else ""
    return (
        f"{said}, with room for {model.thoughts:,} tokens of thoughts" if model.thoughts else said
    )


def check(model: Model, base_url: str | None) -> None:
    """Raise KeyMissingError where the server needs a key and there is none, or a mangled one.

    Raises UsageError for an address that is none.
    """
    url, variable = address_of(model, base_url), key_variable(model)
    held = secret(variable)
    of_environment()
    if model.engine == "azure":
        _check_azure(model, url)
    for one in addresses_of(model, base_url):
        check_address(one)
    if held and not (held.isascii() and held.isprintable() and " " not in held):
        raise KeyMissingError(
            f"`{variable}` holds characters no key has", f"export {variable}=... once more"
        )
    azure = model.engine == "azure"
    named = model.key_variable not in (None, KEY_VARIABLE)  # by a file: it is wanted there
    if not held and (azure or named or address.needs_key(url)):
        raise KeyMissingError(
            f"`{model.base}` is asked at `{address.host_of(url)}`, which needs a key",
            f"export {variable or KEY_VARIABLE}=..."
            + ("" if azure or named else "  (or --base-url URL for a server of your own)"),
        )


def check_address(url: str) -> None:
    """Raise UsageError for an address that is none or may hold a secret."""
    fault = address.fault_of(url)
    if fault is not None:
        hint = "--base-url http://127.0.0.1:8000/v1"
        if "holds" in fault:
            hint += f"; a key goes into {KEY_VARIABLE}, or into the variable that `key` names"
        raise UsageError(f"`{masked(address.shown(url))}` {fault}", hint)


def key_variable(model: Model) -> str | None:
    """The environment variable that holds the model's key; None where no key is sent.

    A model without an address of its own is asked where the user says, with the user's key.
    """
    if model.key_variable is not None:
        return model.key_variable
    if model.base_url is not None:
        return own_key(model)
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


def connection(url: str, model: Model) -> Connection:
    """Connections to one of the addresses that a model is asked at."""
    variable = key_variable(model)
    # As the usual key: for the address that the user names, not for another vendor's. They win, as
    # in the SDK: a gateway may want another authorization.
    more = of_environment() if variable in (KEY_VARIABLE, AZURE_KEY_VARIABLE) else {}
    if model.engine == "azure":
        at = f"{url.rstrip('/')}/openai/deployments/{quote(model.base, safe='')}"
        version = quote(os.environ[AZURE_VERSION_VARIABLE])
        return Connection(at, {"api-key": secret(variable), **more}, f"?api-version={version}")
    return Connection(url, {"authorization": f"Bearer {secret(variable) or 'none'}", **more})


def connect(
    url: str,
    engine: str = "openai",
    variable: str | None = None,
    most_bytes: int = capped.MOST_BYTES,
) -> AsyncOpenAI:
    """The SDK's client for one address, without retries and timeouts of its own: for batch jobs.

    variable: holds the key; None: no key is sent, to a deployment of Azure OpenAI the usual one.
    most_bytes: of one body.
    """
    from openai import AsyncAzureOpenAI, AsyncOpenAI, DefaultAioHttpClient

    # A proxy of the environment's is no way to this very machine. aiohttp takes the same time
    # however many connections there are; the usual transport walks through all at every request.
    http = DefaultAioHttpClient(
        trust_env=not address.is_loopback(url),
        headers={"Accept-Encoding": capped.ENCODINGS},
        event_hooks={"response": [partial(capped.cap, most=most_bytes)]},
    )
    if engine == "azure":
        return AsyncAzureOpenAI(
            api_key=secret(variable or AZURE_KEY_VARIABLE),
            azure_endpoint=url,
            api_version=os.environ[AZURE_VERSION_VARIABLE],
            max_retries=0,
            timeout=None,
            http_client=http,
        )
    return AsyncOpenAI(
        api_key=secret(variable) or "none",
        base_url=url,
        max_retries=0,
        timeout=None,
        http_client=http,
    )


def unreached(error: BaseException) -> str:
    """Why a call found no way or lost it, for a person to read.

    error: the client's; what the system said lies beneath it. The kind of the error says little:
    the transport calls a refused connection a timeout.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    said = str(error)
    # What TLS says has numbers of its own, which name other errors of the system's.
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        number = error.errno or 0
        said = os.strerror(number) if number in errno.errorcode else error.strerror or said
    return masked(f"connection failed: {said or type(error).__name__}")


def masked(text: str) -> str:
    """Text without the keys."""
    for variable in tuple(_used):
        text = wire.without_secret(text, secret(variable))
    return text


def secret(variable: str | None) -> str:
    """The key in a variable, for a header of a vendor's own; "" where there is none."""
    if variable is None:
        return ""
    _used.add(variable)
    return os.environ.get(variable, "").strip()
