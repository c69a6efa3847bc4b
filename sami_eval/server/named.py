"""Models at servers by their names: `openai:MODEL`, `anthropic:MODEL`, `X:MODEL`, [models.NAME]."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sami_eval.core import address
from sami_eval.core.address import OFFICIAL
from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError, shown
from sami_eval.core.servers import BUILT_IN, Allowance, Server, server_named
from sami_eval.core.types import SERVED, Model
from sami_eval.ledger.store import key
from sami_eval.server.endpoint import (
    KEY_VARIABLE,
    URL_VARIABLE,
    address_of,
    check_address,
    own_key,
)

IN_PROCESS = ("hf", "vllm")  # in front of a colon too, and no servers


@dataclass(frozen=True, slots=True)
class _Spec:
    """What a spec says. row: its table under [models]; server: a vendor's, or of [servers]."""

    engine: str
    base: str
    row: Mapping[str, str]
    server: Server | None = None


def _read(spec: str, config: Config) -> _Spec | None:
    row = config.models.get(spec, {"base": spec})
    plain = row.get("base", "")
    name, colon, base = plain.partition(":")
    server = server_named(name, config.servers) if colon else None
    if server is not None:
        return _Spec("openai", base, row, server)
    if colon and name in SERVED:
        return _Spec(name, base, row)
    return _Spec(row["engine"], plain, row) if row.get("engine") in SERVED else None


def at_server(spec: str, config: Config) -> str | None:
    """`openai:NAME` or `azure:NAME` where a spec names a model at a server, None where not."""
    found = _read(spec, config)
    return f"{found.engine}:{found.base}" if found else None


def served(spec: str, config: Config, base_url: str | None = None) -> Model | None:
    """The model at a server that a spec names, with its address and its key's variable; or None.

    base_url: what the user typed; else OPENAI_BASE_URL, the file's `base-url`, OpenAI's own. An
        address of the model's own, or of its server, wins over all of them.
    Raises UsageError for an address that is none or may hold a secret.
    """
    found = _read(spec, config)
    if found is None:
        return None
    if not found.base:
        raise UsageError(f"`{spec}` names no model", f"e.g. `{spec.rstrip(':')}:gpt-4o`")
    thoughts = found.row.get("thoughts")
    model = _served(spec if spec in config.models else found.base, found, config, base_url)
    return asked_so(model, found.row.get("request", ""), int(thoughts) if thoughts else None)


def asked_so(model: Model, request: str, thoughts: int | None) -> Model:
    """The model with further fields in its requests, and so much room for thoughts.

    Raises UsageError for a field that the model's table and a judge's file fill differently.
    """
    if not request and thoughts is None:
        return model
    mine, more = (json.loads(text or "{}") for text in (model.request, request))
    for name in mine.keys() & more.keys():
        if mine[name] != more[name]:
            both = f"{shown(mine[name])} under [models], {shown(more[name])} in the judge's file"
            raise UsageError(f"`{model.name}`: `{name}` is {both}", "say it in one of them")
    both = json.dumps({**mine, **more}, sort_keys=True, ensure_ascii=False) if mine or more else ""
    room = model.thoughts if thoughts is None else thoughts
    fingerprint = key("asked so", model.fingerprint, both, room)
    return replace(model, request=both, thoughts=room, fingerprint=fingerprint)


def _served(name: str, found: _Spec, config: Config, base_url: str | None) -> Model:
    if found.server is not None:
        return _at(found.server, name, found, config)
    if found.engine == "azure":  # no --base-url changes its endpoint
        url, variable = found.row.get("base_url"), found.row.get("key")
        model = Model(name, found.base, engine="azure", base_url=url, key_variable=variable)
        fingerprint = key("azure", address_of(model, None), found.base)
        return replace(model, fingerprint=fingerprint, allowance=_allowance("azure", config))
    url, variable = _place(found.row, base_url, config)
    check_address(url)
    model = Model(name, found.base, engine="openai", base_url=url, key_variable=variable)
    fingerprint = _fingerprint(url, found.base)
    return replace(model, fingerprint=fingerprint, allowance=_allowance("openai", config))


def _at(server: Server, name: str, found: _Spec, config: Config) -> Model:
    """A model at a server that has a name: there alone, whatever was typed or exported."""
    if "base_url" in found.row:
        raise UsageError(
            f"model `{name}` has a `base_url`, and its base `{found.row['base']}` another",
            "one of them: its server's key is for its server alone",
            str(config.path),
        )
    for url in server.urls:
        check_address(url)
    who = server.allowance.server
    facts = ("replicas", who, found.base)  # which of them there are today says nothing of answers
    model = Model(
        name,
        found.base,
        engine="openai",
        fingerprint=key(*facts) if server.several else _fingerprint(server.urls[0], found.base),
        base_url=server.urls[0],
        replicas=server.urls if server.several else (),
        allowance=server.allowance,
    )
    return replace(model, key_variable=found.row.get("key") or server.key or own_key(model))


def _fingerprint(url: str, base: str) -> str:
    where = None if address.normal(url) == OFFICIAL else address.normal(url)
    return key("server", where, base)


def _allowance(name: str, config: Config) -> Allowance | None:
    return config.servers[name].allowance if name in config.servers else None


def _place(row: Mapping[str, str], base_url: str | None, config: Config) -> tuple[str, str | None]:
    """Address and key's variable: the user's key follows the user's address, never a file's."""
    typed = base_url or os.environ.get(URL_VARIABLE)
    if "base_url" in row:
        return row["base_url"], row.get("key") or own_key(row["base_url"])
    if typed:
        return typed, row.get("key", KEY_VARIABLE)
    if "base-url" in config.defaults:
        url = config.defaults["base-url"]
        config.tell("base-url")
        return url, row.get("key") or config.defaults.get("key") or own_key(url)
    return OFFICIAL, row.get("key") or config.defaults.get("key") or KEY_VARIABLE


def nearest(spec: str, config: Config) -> str | None:
    """What a spec that names no server may have meant; None where no name is near."""
    name, colon, base = spec.partition(":")
    if not colon or not base or not re.fullmatch(r"[\w.-]+", name):
        return None
    close = difflib.get_close_matches(name, [*BUILT_IN, *config.servers, *IN_PROCESS], n=1)
    return f"{close[0]}:{base}" if close and close[0] != name else None
