"""Judge prompts as their authors publish them -> Judge: asked word for word, told by the file.

| file                                    | whose                                                |
|-----------------------------------------|------------------------------------------------------|
| judge_prompts.jsonl                     | FastChat's, of MT-Bench (fastchat.py)                |
| config/arena-hard-v2.0.yaml             | Arena-Hard's; v2's system prompts, one a category,   |
|                                         | stand in utils/judge_utils.py of the same checkout   |
| evaluators_configs/NAME/configs.yaml    | AlpacaEval's, whose verdict is a token's probability |
| evaluation/eval_template.pairwise.v2.md | WildBench's, with history and checklist              |

Nothing of a Python file is run: the texts it gives names are read.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Annotated, Any, TypedDict

from sami_eval.core.errors import UsageError, shown
from sami_eval.core.files import read_text
from sami_eval.core.records import record
from sami_eval.core.settings import Temperature
from sami_eval.core.shape import SomeTexts, Text, Within
from sami_eval.core.source import parsed
from sami_eval.core.types import Form, Judge
from sami_eval.core.yaml_file import Yaml, read_yaml
from sami_eval.judge.fastchat import judge_prompts_kind, read_judge_prompts
from sami_eval.judge.grades import WEIGHTS
from sami_eval.judge.logprobs import MOST, default_patterns
from sami_eval.judge.rendering import placeholders
from sami_eval.ledger.store import key

HINT = (
    "FastChat's judge_prompts.jsonl, Arena-Hard's config/arena-hard-v2.0.yaml, AlpacaEval's "
    "configs.yaml or WildBench's eval_template.pairwise.v2.md"
)
# `A>>B` may be written from either side, as Arena-Hard's show_result.py reads it.
_ARENA = {
    "A>>B": (r"\[\[A>>B\]\]", r"\[\[B<<A\]\]"),
    "A>B": (r"\[\[A>B\]\]", r"\[\[B<A\]\]"),
    "A=B": (r"\[\[A=B\]\]", r"\[\[B=A\]\]"),
    "B>A": (r"\[\[B>A\]\]", r"\[\[A<B\]\]"),
    "B>>A": (r"\[\[B>>A\]\]", r"\[\[A<<B\]\]"),
}
_ARENA_PATTERN = r"\[\[([AB<>=]+)\]\]"
_ARENA_NAMES = (
    {"question_1": "question", "answer_1": "answer_a", "answer_2": "answer_b"},
    {"QUESTION": "question", "ANSWER_A": "answer_a", "ANSWER_B": "answer_b"},
)
_WILD_NAMES = {
    "$history": "history",
    "$user_query": "question",
    "$candidate_A": "answer_a",
    "$candidate_B": "answer_b",
    "$checklist": "checklist",
}
_WILD_CHOICES = {"A>>B": r"A\+\+", "A>B": r"A\+", "A=B": "A=B", "B>A": r"B\+", "B>>A": r"B\+\+"}
_WILD_FORM = Form("USER: {text}\n\n", "ASSISTANT: {text}\n\n", "", "- {text}\n", "", r"<\|")
_WILD_TOKENS = 1024  # src/eval.py, --max_tokens
_ALPACA_NAMES = {"instruction": "question", "output_1": "answer_a", "output_2": "answer_b"}
_MESSAGE = re.compile(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>", re.S)
_OURS = ("quality", "graded", "choice")


def read_published(path: Path, judge: str | None) -> Judge:
    """The judge that asks with a file's prompts. judge: what `--judge` says beside it.

    Raises UsageError with the file for one that is none of the four, or lacks what it needs.
    """
    if path.suffix == ".jsonl":
        return read_judge_prompts(path, judge_prompts_kind(judge))
    read = _WHOSE.get(path.suffix)
    if read is None:
        raise UsageError(f"`{path}` holds no judge prompts that are known", HINT)
    found = read(path)
    if judge not in (None, *_OURS, found.name):
        hint = "leave --judge out: these prompts compare pairs"
        raise UsageError(f"judge `{judge}` does not ask with `{path}`", hint)
    return found


def _of_yaml(path: Path) -> Judge:
    file = read_yaml(path, HINT)
    return _arena_hard(file) if "regex_pattern" in file.data else _alpaca_eval(file)


class _Arena(TypedDict):
    prompt_template: Annotated[Any, "a text, or a list of one"]
    regex_pattern: Text
    temperature: Temperature
    max_tokens: Annotated[int, Within(least=1)]


def _arena_hard(file: Yaml) -> Judge:
    found = record(file.data, _Arena, lambda name: file.where((name,)), HINT)
    if found["regex_pattern"] != _ARENA_PATTERN:
        said = f"`regex_pattern` is `{found['regex_pattern']}`"
        file.bad(("regex_pattern",), said, f"verdicts are read as {_ARENA_PATTERN}")
    several = found["prompt_template"]
    text = several[0] if isinstance(several, list) and len(several) == 1 else several
    if not isinstance(text, str):
        file.bad(("prompt_template",), f"`prompt_template` is {shown(several)}", HINT)
    names = _ARENA_NAMES["QUESTION" in text]
    template = _renamed(text, names, file.where(("prompt_template",)))
    system = file.data.get("system_prompt")
    by_category = {} if isinstance(system, str) else _arena_systems(file)
    return _judge(
        "arena-hard",
        file.path,
        template,
        patterns=_ARENA,
        weights={name: WEIGHTS[name.strip("AB")] for name in _ARENA},
        temperature=float(found["temperature"]),
        max_tokens=found["max_tokens"],
        system=system if isinstance(system, str) else "",
        by_category=by_category,
    )


def _arena_systems(file: Yaml) -> dict[str, str]:
    """The system prompt of each category, of the checkout that the file lies in."""
    path = file.path.resolve().parent.parent / "utils" / "judge_utils.py"
    if not path.is_file():
        said = f"no `system_prompt`, and no file `{path}` that has one a category"
        file.bad(("system_prompt",), said, "clone lmarena/arena-hard-auto and name its file")
    try:
        tree = parsed(read_text(path, HINT))
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"not Python: {error}", HINT, str(path)) from None
    given = {
        target.id: one.value
        for one in tree.body
        if isinstance(one, ast.Assign)
        for target in one.targets
        if isinstance(target, ast.Name)
    }
    found = {name: _system(of, given) for name, of in _entries(given.get("JUDGE_SETTINGS"))}
    kept = {name: text for name, text in found.items() if text is not None}
    if not kept or len(kept) < len(found):
        said = "no `JUDGE_SETTINGS` with a `system_prompt` for each category"
        raise UsageError(said, "clone lmarena/arena-hard-auto and name its file", str(path))
    return kept


def _entries(node: ast.expr | None) -> list[tuple[str, ast.expr]]:
    """The entries of a dictionary that is written out, by the texts that name them."""
    if not isinstance(node, ast.Dict):
        return []
    pairs = zip(node.keys, node.values, strict=True)
    return [
        (one.value, value)
        for one, value in pairs
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    ]


def _system(node: ast.expr, given: Mapping[str, ast.expr]) -> str | None:
    value = dict(_entries(node)).get("system_prompt")
    value = given.get(value.id) if isinstance(value, ast.Name) else value
    text = value.value if isinstance(value, ast.Constant) else None
    return text if isinstance(text, str) else None


class _Asked(TypedDict):
    max_tokens: Annotated[int, Within(least=1)]
    temperature: Temperature
    top_logprobs: Annotated[int, Within(least=1, most=MOST)]


class _Read(TypedDict):
    numerator_token: Text
    denominator_tokens: SomeTexts


class _Alpaca(TypedDict):
    prompt_template: Text
    completions_kwargs: _Asked
    completion_parser_kwargs: _Read


def _alpaca_eval(file: Yaml) -> Judge:
    name, row = next(iter(file.data.items()), ("", None))
    found = record(row, _Alpaca, lambda field: file.where((name, *field.split("."))), HINT)
    asked, said = found["completions_kwargs"], found["completion_parser_kwargs"]
    first = said["numerator_token"]
    others = tuple(one for one in said["denominator_tokens"] if one != first)
    if len(others) != 1:
        at = (name, "completion_parser_kwargs", "denominator_tokens")
        file.bad(at, f"`denominator_tokens` are not `{first}` and one other", HINT)
    path = file.path.resolve().parent.parent / found["prompt_template"]
    messages = {role: text.strip() for role, text in _MESSAGE.findall(read_text(path, HINT))}
    tokens = {"a": (first,), "b": others}
    return _judge(
        "alpaca-eval",
        file.path,
        _renamed(messages.get("user", ""), _ALPACA_NAMES, str(path)),
        patterns=default_patterns(tokens),
        temperature=float(asked["temperature"]),
        max_tokens=asked["max_tokens"],
        system=messages.get("system", ""),
        tokens=tokens,
        top_logprobs=asked["top_logprobs"],
        form=Form(frames='"model_identifier"'),
    )


def _wild_bench(path: Path) -> Judge:
    said = {name: rf'"choice"\s*:\s*"{choice}"' for name, choice in _WILD_CHOICES.items()}
    return _judge(
        "wildbench",
        path,
        _renamed(read_text(path, HINT), _WILD_NAMES, str(path)),
        patterns={name: (pattern,) for name, pattern in said.items()},
        weights={name: {">>": 2}.get(name.strip("AB"), 1) for name in _WILD_CHOICES},
        max_tokens=_WILD_TOKENS,
        form=_WILD_FORM,
    )


def _renamed(text: str, names: Mapping[str, str], where: str) -> str:
    """A template with our names for its fields. Raises UsageError for one it lacks."""
    for theirs, ours in names.items():
        if f"{{{theirs}}}" not in text:
            raise UsageError(f"the template lacks `{{{theirs}}}`", HINT, where)
        text = text.replace(f"{{{theirs}}}", f"{{{ours}}}")
    if unknown := sorted(placeholders(text) - set(names.values())):
        raise UsageError(f"the template has an unknown `{{{unknown[0]}}}`", HINT, where)
    return text


def _judge(name: str, path: Path, template: str, **said: Any) -> Judge:
    """A judge of one turn. Its hash is of all that it is asked, as a judge file's."""
    own = {"temperature": 0.0, "system": "", "by_category": {}, "form": Form(), **said}
    asked = (template, own["system"], own["by_category"], own["temperature"], own["max_tokens"])
    return Judge(
        name,
        "pairwise",
        None,
        templates={"one": template},
        source=str(path),
        description="asked in its authors' words",
        sha256=key("judge", name, *asked, own.get("top_logprobs"), astuple(own["form"])),
        **own,
    )


_WHOSE = {".yaml": _of_yaml, ".yml": _of_yaml, ".md": _wild_bench}
