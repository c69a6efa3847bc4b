"""Which vendor takes a model's batch jobs, and what a request is called in a job."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from sami_eval.core import address
from sami_eval.core.calls import Request
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.types import Model
from sami_eval.ledger.jobs import Job
from sami_eval.ledger.store import key
from sami_eval.server import dialect, endpoint
from sami_eval.server.attempt import ClientSettings
from sami_eval.server.batch.files import Files
from sami_eval.server.batch.gemini import Gemini
from sami_eval.server.batch.messages import MessageBatches
from sami_eval.server.batch.run_batch import RunBatch
from sami_eval.server.batch.vendor import Vendor

FILE = "file"
# Vendors whose jobs are not OpenAI's, by the host that is asked.
KINDS = {"api.anthropic.com": "anthropic", "generativelanguage.googleapis.com": "gemini"}


def request_key(request: Request, base_url: str | None) -> str:
    """What a request is called in a job: all that is sent, where to, and which draw it is.

    Of a server with replicas, by its name: which of them there are today says nothing.
    """
    model = request.model
    where = address.normal(endpoint.address_of(model, base_url))
    if model.replicas and model.allowance is not None:
        where = model.allowance.server
    return key("batched", model.engine, where, dialect.body(request), request.sample)


def kind_of(model: Model, settings: ClientSettings) -> str:
    """How a model's jobs are handed in."""
    if settings.batch is not None and settings.batch.to_file:
        return FILE
    host = urlsplit(endpoint.address_of(model, settings.base_url)).netloc
    return KINDS.get(host, "openai")


def vendor_of(kind: str, model: Model, settings: ClientSettings, ledger: Path) -> Vendor:
    """Who takes jobs of a kind."""
    if kind == FILE:
        return RunBatch(ledger.parent / "batches")
    if kind == "anthropic":
        return MessageBatches(model, settings)
    return Gemini(model, settings) if kind == "gemini" else Files(model, settings)


def model_of(job: Job) -> Model:
    """The model that a job asks, as far as asking goes."""
    facts = {"base_url": job.url, "key_variable": job.key_variable}
    return Model(job.model, job.model, engine=job.engine, **facts)  # type: ignore[arg-type]


def unknown(job: Job) -> SamiEvalError:
    """What to say where a vendor lists no jobs, and one may have begun."""
    return SamiEvalError(
        f"`{job.url}` lists no batch jobs: whether `{job.mark}` has begun is not known",
        f"look it up there; `sami-eval cancel {job.mark}` gives it up, then run this again",
    )
