"""Every file that is read beside questions and answers: its good content, and what is spoilt."""

from __future__ import annotations

from typing import Any

from sami_eval.embedded import BASE_DIR
from tests.records import fastchat_pair
from tests.spoilt import NO_COUNT, NO_NUMBER, NO_TABLE, NO_TEXT, NO_TEXTS, File

QUESTION = {"question_id": 81, "category": "math", "turns": ["1+1?", "And 2+2?"]}
ASKED = ["--judge-model", "openai:x", "--base-url", "http://127.0.0.1:9/v1", "--dry-run"]
COMPARE = ["compare", "a.jsonl", "b.jsonl", "--prompts", "q.jsonl", *ASKED]


def pair_prompt(name: str, math: bool = False, turns: int = 1) -> dict[str, Any]:
    shown = [f"{{question_{i}}}" for i in (1, 2)] if turns == 2 else ["{question}"]
    answers = [
        f"{{answer_{side}{'_' + str(i) if turns == 2 else ''}}}"
        for side in "ab"
        for i in range(1, turns + 1)
    ]
    references = [f"{{ref_answer_{i}}}" for i in range(1, turns + 1)] if math else []
    return {
        "name": name,
        "type": "pairwise",
        "system_prompt": "Judge.",
        "prompt_template": " ".join([*shown, *answers, *references]),
        "output_format": "[[A]]",
    }


JUDGE = {
    "name": "mine",
    "description": "What it is for.",
    "kind": "pairwise",
    "principles": False,
    "model": "openai:x",
    "temperature": 0.5,
    "max_tokens": 100,
    "system": "Judge.",
    "templates": {
        "one": "{question} {answer_a} {answer_b}",
        "two": "{question_1} {question_2} {answer_a_1} {answer_a_2} {answer_b_1} {answer_b_2}",
    },
    "patterns": {"a": ["A wins"], "b": ["B wins"], "tie": ["nobody"]},
}
CONFIG = {
    "base": str(BASE_DIR),
    "judge": "quality",
    "judge-model": "openai:x",
    "base-url": "http://127.0.0.1:9/v1",
    "engine": "hf",
    "task": "mtbench",
    "models": {"mine": {"base": "openai:m", "base_url": "http://127.0.0.1:9/v1"}},
    "prices": {"x": {"input": 2.5, "output": 10.0}},
}
PRINCIPLE = {
    "id": "math.1",
    "categories": ["math"],
    "weak": "Show steps.",
    "strong": "Show every step.",
    "antithesis": "Show nothing.",
}
ANSWER = {
    "prompt_id": "81",
    "model": "m",
    "turns": ["2"],
    "token_ids": [[5]],
    "sample": 0,
    "finished": [True],
    "n_tokens": [1],
}
CONTRAST = {
    "prompt": {
        "id": "81",
        "category": "math",
        "turns": ["1+1?"],
        "reference": ["2"],
        "principles": ["Be brief."],
        "temperature": 0.5,
    },
    "constitutions": ["Be brief.", "Be long."],
    "responses": [ANSWER, {**ANSWER, "turns": ["It is 2."]}],
    "principles": [["+math.1"], ["-math.1"]],
    "rejected": None,
    "metadata": {"base": "m"},
}
PAPER = {
    "constitution": {"0": "1. Be brief."},
    "question": {"0": "1+1?"},
    "category": {"0": "math"},
    "response": {"0": "2"},
}
VERDICT = {
    "prompt_id": "81",
    "turn": 0,
    "judge": "quality",
    "a": "x",
    "b": "y",
    "first": "a",
    "repeat": 0,
    "winner": "a",
    "score": 0.5,
    "reason": None,
    "text": "A wins",
    "model_reported": "m",
    "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    "from_ledger": False,
}
PAIR = fastchat_pair(g2_winner="model_2")
FILES = [
    File(
        "r.jsonl",
        [{"question_id": 81, "choices": [{"index": 0, "turns": ["2", "4"]}]}],
        {
            ("question_id",): NO_TEXT,
            ("choices",): (None, [], "x", 3, ["x"], {"x": 1}),
            ("choices", 0, "turns"): (*NO_TEXTS, [], ["2", ""], ["2", " "], ["2"]),
        },
        [*COMPARE, "--references", "r.jsonl"],
    ),
    File(
        "jp.jsonl",
        [
            pair_prompt("pair-v2"),
            pair_prompt("pair-v2-multi-turn", turns=2),
            pair_prompt("pair-math-v1", math=True),
            pair_prompt("pair-math-v1-multi-turn", math=True, turns=2),
        ],
        {
            ("name",): NO_TEXT,
            ("type",): (*NO_TEXT, "single"),
            ("system_prompt",): (None, True, [], {"x": 1}, 1.5),
            ("prompt_template",): (
                *NO_TEXT,
                "{question} {answer_a}",
                "{question} {answer_a} {answer_b} {mood}",
            ),
            ("output_format",): ("", 3, [], "[[rating]]"),
        },
        [*COMPARE, "--judge-prompts", "jp.jsonl"],
        optional=(("output_format",),),
    ),
    File(
        "mine.toml",
        [JUDGE],
        {
            ("name",): ("", " ", True, [], 1.5, "other"),
            ("description",): ("", True, [], 1.5),
            ("kind",): ("", True, [], 1.5, "triple"),
            ("principles",): ("yes", 1, []),
            ("model",): ("", True, [], 1.5),
            ("temperature",): (*NO_NUMBER[1:], 2.1),
            ("max_tokens",): (*NO_COUNT[1:], 0, 10**7, float("inf")),
            ("system",): ("", True, [], 1.5),
            ("templates",): NO_TABLE[1:],
            ("templates", "one"): (
                "",
                True,
                [],
                1.5,
                "{question} {answer_a}",
                "{question} {answer_a} {answer_b} {mood}",
            ),
            ("templates", "two"): ("", True, [], 1.5, "{question_1} {answer_a_1}"),
            ("patterns",): NO_TABLE[1:],
            ("patterns", "a"): ("x", 3, [], [3], [""], ["("], [".*"]),
            ("patterns", "tie"): ("x", 3, [], [3], [""], ["("], [".*"]),
        },
        [*COMPARE, "--judge", "./mine.toml"],
        optional=(
            ("name",),
            ("description",),
            ("principles",),
            ("model",),
            ("temperature",),
            ("max_tokens",),
            ("system",),
        ),
    ),
    File(
        "sami-eval.toml",
        [CONFIG],
        {
            **{(name,): ("", " ", True, 3, 1.5, [], ["x"]) for name in list(CONFIG)[:6]},
            ("models",): ("x", 3, True, ["x"]),
            ("models", "mine"): ("x", 3, True, ["x"]),
            ("models", "mine", "base"): ("", " ", True, 3, []),
            ("models", "mine", "base_url"): ("", " ", True, 3, []),
            ("prices",): ("x", 3, True, ["x"]),
            ("prices", "x"): ("x", 3, True, ["x"]),
            ("prices", "x", "input"): (*NO_NUMBER[1:], 10**9, 10**400),
            ("prices", "x", "output"): (*NO_NUMBER[1:], 10**9),
        },
        COMPARE,
        optional=(
            *((name,) for name in CONFIG),
            ("models", "mine"),
            ("prices", "x"),
            ("models", "mine", "base_url"),
            ("models", "mine", "base"),
        ),
    ),
    File(
        "c.toml",
        [{"principle": [PRINCIPLE]}],
        {
            ("principle",): ("x", 3, True, ["x"], []),
            **{
                ("principle", 0, name): ("", " ", True, 3, [], ["x"])
                for name in ("id", "weak", "strong", "antithesis")
            },
            ("principle", 0, "categories"): ("x", 3, True, [], [3], [""], [["x"]]),
        },
        [*COMPARE, "--constitutions", "c.toml"],
        optional=(("principle", 0, "categories"),),
    ),
    File(
        "contrasts.jsonl",
        [CONTRAST],
        {
            ("prompt",): (None, "x", 3, [], {}),
            ("prompt", "id"): (None, "", True, 3, [], {"x": 1}),
            ("prompt", "category"): (None, "", True, 3, []),
            ("prompt", "turns"): (*NO_TEXTS, []),
            ("prompt", "reference"): NO_TEXTS[1:],
            ("prompt", "principles"): NO_TEXTS,
            ("prompt", "temperature"): (*NO_NUMBER[1:], 2.1),
            ("constitutions",): (*NO_TEXTS, [], ["one"]),
            ("responses",): (None, "x", 3, [], {}, [3], [None]),
            ("responses", 0, "turns"): (*NO_TEXTS, [], ["one", "two"]),
            ("responses", 0, "token_ids"): (None, "x", [1], [["x"]], [[-1]], [[True]], [[1], [2]]),
            ("responses", 0, "sample"): NO_COUNT,
            ("responses", 0, "finished"): (None, "x", [1], ["x"], [True, True]),
            ("responses", 0, "n_tokens"): (None, "x", [-1], ["x"], [True], [1, 1]),
            ("principles",): (None, "x", [3], ["x"], [[3]]),
            ("rejected",): (3, True, [], {}),
            ("metadata",): (None, "x", [], {"base": 3}),
        },
        ["align", "sft", "--contrasts", "contrasts.jsonl", "--dry-run"],
        optional=(
            ("prompt", "reference"),
            ("prompt", "principles"),
            ("prompt", "temperature"),
            ("principles",),
            ("rejected",),
            ("metadata",),
            ("responses", 0, "token_ids"),
            ("responses", 0, "sample"),
            ("responses", 0, "finished"),
            ("responses", 0, "n_tokens"),
        ),
    ),
    File(
        "p.json",
        [PAPER],
        {
            ("constitution",): ("x", 3, True, ["x"], []),
            ("constitution", "0"): (3, True, [], {}),
            ("question",): (None, "x", 3, [], {}, {"1": "Other?"}, {"-1": "?"}, {"x": "?"}),
            ("question", "0"): (None, "", " ", 3, True, [], {}),
            ("category",): (None, "x", 3, [], {}, {"1": "math"}),
            ("category", "0"): (None, "", " ", 3, True, [], {}),
            ("response",): (None, "x", 3, [], {}, {"-1": "?"}, {"x": "?"}, {"00": "?"}),
            ("response", "0"): (None, 3, True, [], {}),
        },
        ["compare", "p.json", "p2.json", "--prompts", "p.json", *ASKED],
        optional=(("constitution",), ("constitution", "0")),
    ),
    File(
        "v.jsonl",
        [VERDICT],
        {
            **{(name,): ("", True, 3, [], None) for name in ("prompt_id", "judge", "a", "b")},
            ("turn",): (*NO_COUNT, 10**9),
            ("first",): ("", "c", True, 3, []),
            ("repeat",): NO_COUNT,
            ("winner",): ("", "c", True, 3, []),
            ("score",): ("x", True, [], float("nan"), float("inf")),
            ("reason",): (3, True, []),
            ("text",): (3, True, [], None),
            ("model_reported",): (3, True, []),
            ("usage",): ("x", 3, True, ["x"], {"x": 1}),
            ("usage", "prompt_tokens"): ("x", True, [], None, 0.5),
            ("from_ledger",): ("x", 3, [], None),
        },
        ["show", "v.jsonl"],
        optional=(
            ("repeat",),
            ("score",),
            ("reason",),
            ("text",),
            ("model_reported",),
            ("usage",),
            ("usage", "prompt_tokens"),
            ("from_ledger",),
        ),
    ),
    File(
        "pairs.jsonl",
        [PAIR],
        {
            ("question_id",): NO_TEXT,
            ("model_1",): (*NO_TEXT, 3, "y"),
            ("model_2",): (*NO_TEXT, 3, "x"),
            ("g1_winner",): (*NO_TEXT, "model_3"),
            ("g2_winner",): (*NO_TEXT, "model_3"),
            ("turn",): (*NO_COUNT, 0, 10**9),
        },
        ["show", "pairs.jsonl"],
    ),
    File(
        "g.jsonl",
        [{"id": "p1", "question": "1+1?", "answer": "One and one. #### 2"}],
        {
            ("id",): ("", True, [], 1.5),
            ("question",): NO_TEXT,
            ("answer",): (*NO_TEXT, "#### many", "#### "),
        },
        [
            "passk",
            "openai:m",
            "--base-url",
            "http://127.0.0.1:9/v1",
            "--prompts",
            "g.jsonl",
            "--dry-run",
        ],
        optional=(("id",),),
    ),
    File(
        "x_vs_y_verdicts.json",
        [[[1, 30, 20], [0.5, 30, 20]]],
        {
            (0,): (None, "x", 3, [], [1], [1, 2, 3, 4], {}),
            (0, 0): (None, "x", True, [], 2, -1, float("nan"), 0.25),
            (0, 1): NO_COUNT,
            (0, 2): NO_COUNT,
        },
        ["show", "x_vs_y_verdicts.json"],
    ),
]
