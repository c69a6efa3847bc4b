"""Scores as others collect them: Every Eval Ever's records and the hub's `.eval_results/`."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.experiment.envelope import dump
from sami_eval.report.eee import SCHEMA, records
from sami_eval.report.finished import Finished
from sami_eval.report.hub_results import hub_results
from tests.report.test_forms import RESULTS, agreed
from tests.report.test_passk_console import FOUR

THREE: Any = RESULTS["round robin"][0]
WHOLE: Any = {**FOUR, "n_problems": 1319}
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
PLACE = re.compile(rf"data/[^/]+/[^/]+/[^/]+/{UUID}\.json")


def of(found: Finished) -> dict[str, dict[str, Any]]:
    """Records by their contenders; each in a place of the datastore's form."""
    made = records(found, 1.0e9)
    assert all(PLACE.fullmatch(name) for name in made)
    return {record["model_info"]["name"]: record for record in made.values()}


def schema() -> dict[str, Any]:
    """The package's own schema; its code is not run, which wants a newer Python."""
    spec = importlib.util.find_spec("every_eval_ever")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("every_eval_ever is not installed")
    (folder, *_) = spec.submodule_search_locations
    text = (Path(folder) / "schemas" / "eval.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize("name", ["comparison", "round robin", "against", "passk"])
def test_a_record_is_valid_by_the_schema_of_every_eval_ever(name: str) -> None:
    rules = schema()
    assert rules["version"] == SCHEMA
    for record in of(RESULTS[name][0]).values():
        jsonschema.validate(record, rules)


def test_a_win_rate_is_told_from_both_sides_with_its_interval_and_n() -> None:
    made, pair = of(THREE), THREE["comparisons"][0]
    a, b = (made[pair[side]]["evaluation_results"][0]["score_details"] for side in "ab")
    assert a["score"] == pair["win_rate"] == 1 - b["score"]
    ends = [a["uncertainty"]["confidence_interval"][end] for end in ("lower", "upper")]
    assert ends == pair["interval"]
    assert b["uncertainty"]["confidence_interval"]["upper"] == 1 - pair["interval"][0]
    assert a["uncertainty"]["num_samples"] == pair["n_questions"]
    assert a["details"]["wins"] == b["details"]["losses"] == str(pair["wins"])
    assert [len(record["evaluation_results"]) for record in made.values()] == [2, 2, 2]


def test_figures_of_several_seeds_name_the_adapter_of_each() -> None:
    first, *others = THREE["contenders"]
    second = {**first, "name": "sft+sami@1", "adapter": "adapters/base/sft+sami@1"}
    record = of({**THREE, "contenders": [first, second, *others]})[first["contender"]]
    said = record["model_info"]["additional_details"]
    assert said["adapter"] == "adapters/base/sft+sami@0, adapters/base/sft+sami@1"
    assert said["fingerprint"] == first["fingerprint"]  # of both alike


def test_pass_at_k_has_its_data_set_and_its_k() -> None:
    row, record = FOUR["contenders"][0], of(FOUR)[FOUR["contenders"][0]["name"]]
    first, *_ = results = record["evaluation_results"]
    assert first["source_data"]["hf_repo"] == "openai/gsm8k"
    assert first["metric_config"]["metric_parameters"] == {"k": 1}
    assert first["score_details"]["score"] == row["pass_at_k"]["1"]["value"]
    assert "pass^4" in [one["metric_config"]["metric_name"] for one in results]


def test_what_nobody_knows_is_said_to_be_unknown() -> None:
    local: Any = {**FOUR["contenders"][0], "base": "/home/me/base"}
    assert of({**FOUR, "contenders": [local]})[local["name"]]["model_info"]["id"] == local["name"]  # type: ignore[typeddict-item]
    record = next(iter(of(THREE).values()))
    assert record["source_metadata"]["source_organization_name"] == "unknown"
    assert record["model_info"]["additional_details"]["model_availability"] == "unknown"
    assert "developer" not in record["model_info"]


def test_the_hub_reads_pass_at_1_of_the_whole_benchmark() -> None:
    made = hub_results(WHOLE)
    row = WHOLE["contenders"][0]
    text = made[f"{row['name']}/.eval_results/gsm8k.yaml"]
    (entry,) = parse_eval_result_entries(yaml.safe_load(text))
    assert (entry.dataset_id, entry.task_id) == ("openai/gsm8k", "gsm8k")
    assert entry.value == round(100 * row["pass_at_k"]["1"]["value"], 2)
    assert "95% interval" in str(entry.notes)
    assert len(made) == len(WHOLE["contenders"])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (FOUR, "40 problems of the split `test` were asked"),
        ({**WHOLE, "embedded": True}, "no board of the hub is known"),
        ({**WHOLE, "settings": {**WHOLE["settings"], "source": "p.jsonl"}}, "of `p.jsonl`"),
        (THREE, "no board for win rates"),
    ],
)
def test_what_no_board_takes_is_refused(found: Any, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        hub_results(found)


def test_an_agreement_is_no_score_of_a_model() -> None:
    with pytest.raises(UsageError, match="holds scores of models"):
        records(agreed(), 0.0)


def test_show_writes_both_into_folders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("passk.json").write_text(dump(WHOLE))
    assert cli.run(["show", "passk.json", "--eee", "out", "--hub-results", "hub"]) == 0
    shown = capsys.readouterr()
    assert not shown.out
    assert "left to you: source_organization_name" in shown.err
    assert len([*Path("out").rglob("*.json")]) == len([*Path("hub").rglob("*.yaml")]) == 4
