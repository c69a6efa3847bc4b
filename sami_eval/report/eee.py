"""A finished run as records of Every Eval Ever, schema 0.3.0: one a contender.

Source: evaleval/every_eval_ever, every_eval_ever/schemas/eval.schema.json. What the run does not
know is left out; where the schema wants it all the same, it says `unknown`.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from sami_eval.core.errors import UsageError
from sami_eval.core.types import SERVED
from sami_eval.experiment import document, passk_document
from sami_eval.report.fastchat import judge_of
from sami_eval.report.finished import Finished
from sami_eval.report.hub_card import is_hub_id
from sami_eval.report.tracked import AT_K
from sami_eval.server import endpoint

SCHEMA = "0.3.0"
UNKNOWN = "unknown"
# What no run knows: who evaluates, who made the models, how both stand, whose weights are open.
LEFT = (
    "source_organization_name",
    "evaluator_relationship",
    "developer",
    "deployment_type",
    "model_availability",
)
NAMES = {"pass_hat_k": "pass^{k}", "g_pass_at_k": "G-Pass@{k}", "mg_pass_at_k": "mG-Pass@{k}"}
NAMES |= {"pass_at_k": "pass@{k}", "maj_at_k": "maj@{k}", "best_of_k": "best of {k}"}

Row = Mapping[str, Any]
Record = dict[str, Any]


def records(found: Finished, now: float) -> dict[str, Record]:
    """A record a contender, by its place in the datastore. now: seconds since 1970.

    Raises UsageError for what is neither a comparison nor pass@k.
    """
    if found["schema"] not in (document.SCHEMA, passk_document.SCHEMA):
        raise UsageError(
            "Every Eval Ever holds scores of models: `--eee` needs a run of compare or passk",
            "name one: sami-eval ls runs",
        )
    made, prompt = {}, _prompt(found)
    for row in _contenders(found):
        record = _record(found, row, prompt, now)
        made[_place(record, found)] = record
    return made


def _prompt(found: Finished) -> str | None:
    """The judge's first template; None where a program judges, or the judge is another now."""
    judge = judge_of(found) if found["schema"] == document.SCHEMA else None
    return None if judge is None else next(iter(judge.templates.values()), None)


def _contenders(found: Row) -> Iterator[Row]:
    """A row a contender; the adapters of its seeds stand together, since its figures are of all."""
    seeds: dict[str, list[Row]] = {}
    for row in found["contenders"]:
        seeds.setdefault(row.get("contender", row["name"]), []).append(row)
    for rows in seeds.values():
        yield {**rows[0], **{key: _of_all(rows, key) for key in ("adapter", "fingerprint")}}


def _of_all(rows: Sequence[Row], key: str) -> str | None:
    return ", ".join(dict.fromkeys(row[key] for row in rows if row[key] is not None)) or None


def _place(record: Record, found: Row) -> str:
    """data/BENCHMARK/DEVELOPER/MODEL/UUID.json, the last by what decides the figures."""
    name = record["model_info"]["name"]
    developer, _, model = record["model_info"]["id"].rpartition("/")
    parts = (found["task"], developer or UNKNOWN, model)
    decides = hashlib.sha256(f"{found['settings_key']}/{name}".encode()).digest()
    # In the form of a random one: the datastore takes no other.
    made = uuid.UUID(bytes=decides[:16], version=4)
    return str(PurePosixPath("data", *map(_folder, parts), f"{made}.json"))


def _folder(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-") or UNKNOWN


def _record(found: Row, row: Row, prompt: str | None, now: float) -> Record:
    model, version = _model(row), found["versions"].get("sami-eval", UNKNOWN)
    then = datetime.datetime.fromisoformat(found["date"]).timestamp()
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"{found['task']}/{model['id']}/{int(now)}",
        "evaluation_timestamp": str(int(then)),
        "retrieved_timestamp": str(int(now)),
        "source_metadata": {
            "source_name": "sami-eval",
            "source_type": "evaluation_run",
            "source_organization_name": UNKNOWN,
            "evaluator_relationship": "other",
            "additional_details": {"run": found["run"], "settings_key": found["settings_key"]},
        },
        "eval_library": {"name": "sami-eval", "version": version},
        "model_info": model,
        "evaluation_results": list(_results(found, row, prompt)),
    }


def _model(row: Row) -> Record:
    """An adapter, a folder and a file of answers have no id but their name."""
    facts = {"base": row["base"], "adapter": row["adapter"], "engine": row["engine"]}
    facts["fingerprint"] = row["fingerprint"]
    name = row.get("contender", row["name"])
    at_server, here = row["engine"] in SERVED, row["engine"] not in (*SERVED, "recorded")
    known = row["adapter"] is None and (at_server or is_hub_id(row["base"]))
    return {
        "name": name,
        "id": row["base"] if known else name,
        "additional_details": {
            "deployment_type": "self_deployed" if here else UNKNOWN,
            "model_availability": UNKNOWN,
            **{key: str(value) for key, value in facts.items() if value is not None},
        },
    }


def _results(found: Row, row: Row, prompt: str | None) -> Iterator[Record]:
    if found["schema"] == document.SCHEMA:
        name = row["contender"]
        for pair in found["comparisons"]:
            if name in (pair["a"], pair["b"]) and pair["win_rate"] is not None:
                yield _win_rate(found, pair, name == pair["a"], prompt)
        return
    for kind in AT_K:
        n = found["n_problems"] - (row["n_unrated"] if kind == "best_of_k" else 0)
        for k, one in row[kind].items():
            metric: Record = {"metric_id": kind, "metric_name": NAMES[kind].format(k=k)}
            metric |= {"metric_kind": "pass_rate", "metric_parameters": {"k": int(k)}}
            yield from _share(found, metric, one, n)
    metric = {"metric_id": "accuracy", "metric_name": "accuracy of one greedy answer"}
    yield from _share(found, metric, row["greedy"], found["n_problems"])


def _win_rate(found: Row, pair: Row, is_a: bool, prompt: str | None) -> Record:
    """A pair as one side sees it."""
    rate, ends = pair["win_rate"], pair["interval"]
    if not is_a:
        rate, ends = 1 - rate, ends and [1 - ends[1], 1 - ends[0]]
    other = pair["b"] if is_a else pair["a"]
    metric: Record = {
        "metric_id": "sami_eval.win_rate",
        "metric_name": f"win rate against {other}",
        "metric_kind": "win_rate",
        "metric_parameters": {"against": other, "orders": found["orders"], "rule": found["rule"]},
    }
    if scoring := _scoring(found, prompt):
        metric["llm_scoring"] = scoring
    won = (pair["wins"], pair["losses"]) if is_a else (pair["losses"], pair["wins"])
    details = {"wins": won[0], "ties": pair["ties"], "losses": won[1], "n_turns": pair["n_turns"]}
    details |= {"p_value": pair["p_value"], "p_adjusted": pair["p_adjusted"]}
    return _result(found, metric, rate, ends, pair["n_questions"], details)


def _scoring(found: Row, prompt: str | None) -> Record | None:
    """The judges; None where programs judge, or nobody knows any more what they were shown."""
    judges = [row for row in found["judges"] if row["model"] is not None]
    if not judges or prompt is None:
        return None
    scoring: Record = {
        "judges": [{"model_info": _judge(row["model"])} for row in judges],
        "input_prompt": prompt,
    }
    return scoring | ({"aggregation_method": "majority_vote"} if len(judges) > 1 else {})


def _judge(model: str) -> Record:
    unknown = {"deployment_type": UNKNOWN, "model_availability": UNKNOWN}
    return {"name": model, "id": model, "additional_details": unknown}


def _share(found: Row, metric: Record, one: Row, n: int) -> Iterator[Record]:
    if one["value"] is not None:
        yield _result(found, metric, one["value"], one["interval"], n, {})


def _result(
    found: Row, metric: Record, score: float, ends: Sequence[float] | None, n: int, details: Row
) -> Record:
    whole = {"lower_is_better": False, "score_type": "continuous", "min_score": 0, "max_score": 1}
    uncertainty: Record = {"num_samples": n}
    if ends is not None:
        uncertainty["confidence_interval"] = {
            "lower": ends[0],
            "upper": ends[1],
            "confidence_level": 0.95,
        }
    said = {key: str(value) for key, value in details.items() if value is not None}
    return {
        "evaluation_name": found["task"],
        "source_data": _source(found),
        "metric_config": {**metric, "metric_unit": "proportion", **whole},
        "score_details": {"score": score, "details": said, "uncertainty": uncertainty},
        "generation_config": _generation(found),
    }


def _source(found: Row) -> Record:
    """The hub's data set where the run names one; else the task's name alone."""
    settings = found["settings"]
    source, split = settings.get("source"), settings.get("split")
    if found["schema"] == passk_document.SCHEMA and split and is_hub_id(str(source)):
        named = {"dataset_name": found["task"], "source_type": "hf_dataset", "hf_repo": source}
        return {**named, "hf_split": split, "samples_number": found["n_problems"]}
    return {"dataset_name": found["task"], "source_type": "other"}


def _generation(found: Row) -> Record:
    settings = found["settings"]
    asked = {name: settings.get(name) for name in ("temperature", "top_p", "max_tokens")}
    asked["execution_command"] = endpoint.masked(found["command"]) or None
    further = {name: settings.get(name) for name in ("shots", "prompt", "marker", "seed")}
    return {
        "generation_args": {name: one for name, one in asked.items() if one is not None},
        "additional_details": {name: str(v) for name, v in further.items() if v is not None},
    }
