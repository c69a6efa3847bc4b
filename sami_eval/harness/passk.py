"""lm-eval's side of a pass@k task: pass@k, pass^k, G-Pass@k and maj@k, n samples a problem.

`class: !function sami_eval.harness.passk.Passk` in `tasks/NAME_passk.yaml`, whose
`metadata.sami_eval` says which problems they are.

    lm_eval --model vllm --model_args pretrained=ID --tasks gsm8k_passk \\
        --metadata n=32 'k=[1,10,32]' --apply_chat_template

| --metadata       |                                                                          |
|------------------|--------------------------------------------------------------------------|
| n                | samples a problem; 32                                                    |
| k                | how many of them are drawn; those of 1, 10, 32 that n allows              |
| problems=FILE    | a JSONL instead of the task's; also SAMI_EVAL_GSM8K, by the task's name;  |
|                  | `embedded` for the embedded world's                                      |
| fewshot=FILE     | examples for --num_fewshot; else as the task says, or the other problems  |
| marker=NAME      | what reads the answers, in the place of the task's marker                 |
| instruction=TEXT | before each question under a chat template, or around a [question] in it  |
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from lm_eval.api.filter import Filter
from lm_eval.api.instance import Instance
from lm_eval.api.registry import register_filter
from lm_eval.api.samplers import ContextSampler

from sami_eval.core.errors import UsageError
from sami_eval.core.task_files import DEFAULT as USUAL
from sami_eval.data import marking, problem_sets
from sami_eval.data.marker import DEFAULT, read_marker
from sami_eval.data.problem_sets import Problem
from sami_eval.data.task_instead import problems_in
from sami_eval.data.task_keys import Source
from sami_eval.data.task_rows import problems_of
from sami_eval.data.tasks import Task
from sami_eval.harness import asked, reference
from sami_eval.harness.of_file import OfFile, means
from sami_eval.stats import g_pass_at_k, maj_at_k, mg_pass_at_k, pass_at_k, pass_hat_k

asked.speak_plainly()

SAMPLES = 32
KS = (1, 10, 32)
PROBLEMS = "SAMI_EVAL_"  # and the task's name: SAMI_EVAL_GSM8K
OURS = "value"
FILTER = "sami_eval_value"
STOP = ("Question:",)
QUESTION = "[question]"  # braces make lm-eval read the whole argument as JSON
# `do_sample` is stated: without it lm-eval's --use_cache would serve one sample n times.
SAMPLING: Mapping[str, Any] = {
    "until": list(STOP),
    "do_sample": True,
    "temperature": 0.7,  # as `sami-eval passk` draws
    "top_p": 1.0,
    "max_gen_toks": 512,
}

# How steadily a problem is solved, from two samples on; G-Pass@k of at least half of them.
STEADY: Mapping[str, Callable[[int, int, int], float]] = {
    "pass^": pass_hat_k,
    "g-pass@": g_pass_at_k,
    "mg-pass@": mg_pass_at_k,
}

Doc = Mapping[str, Any]


class Value(str):
    """What our marker reads, as it shows it; lm-eval's filters leave a plain text."""

    __slots__ = ()


Extracted = Value | str | None  # None for no answer


@register_filter(FILTER)
class ValueFilter(Filter):  # type: ignore[misc]
    """Each sample's answer as its marker reads it; None where it gives none."""

    def apply(
        self, resps: Sequence[Sequence[str]], docs: Sequence[Doc]
    ) -> list[list[Value | None]]:
        """One list of values a problem, in the order of its samples."""
        return [_values(samples, doc) for samples, doc in zip(resps, docs, strict=True)]


def _values(samples: Sequence[str], doc: Doc) -> list[Value | None]:
    marked = marking.mark(read_marker(doc["marker"]), doc["answer"], samples)
    if any(marked.ended):
        asked.warn(
            f"{sum(marked.ended)} samples took too long to mark and count as no answer: whether "
            f"they are right is not known (question: {doc['question'][:60]!r})"
        )
    return [None if one is None else Value(one) for one in marked.values]


class Passk(OfFile):
    """n samples a problem; the figures at each k under our marker and lm-eval's filters."""

    def _prepare(self, given: Mapping[str, Any]) -> dict[str, Any]:
        metadata = dict(given.get("metadata") or {})
        self.n_samples = asked.whole_number(metadata, "n", SAMPLES)
        self.ks = asked.counts_up_to(metadata, "k", KS, self.n_samples)
        self.problems = _source(metadata, self.task)
        self.examples = asked.file(metadata, "fewshot")
        self.instruction = asked.text(metadata, "instruction")
        self.marker = read_marker(asked.text(metadata, "marker") or self.task.marker)
        self.fewshot_seed: int | None = None
        names = [f"{name}{k}" for name in ("pass@", "maj@") for k in self.ks]
        names += [f"{name}{k}" for name in STEADY for k in self.ks if k > 1]
        return {
            "dataset_path": str(self.problems or self.task.questions.named),
            "doc_to_text": "Question: {{question}}\nAnswer:",
            "doc_to_target": "{{answer}}",
            "generation_kwargs": {
                **SAMPLING,
                **({"max_gen_toks": self.task.max_tokens} if self.task.max_tokens else {}),
                **(given.get("generation_kwargs") or {}),
            },
            "repeats": self.n_samples,
            # Without a filter_list lm-eval would keep the first sample alone.
            "filter_list": [
                {"name": OURS, "filter": [{"function": FILTER}]},
                *self._beside(),
            ],
            "metric_list": means([*names, "no_answer"], lower="no_answer"),
            "metadata": {
                "version": self.VERSION,
                **metadata,
                "marker": self.marker.said,
                "marker_sha256": self.marker.sha256,
            },
            **({"num_fewshot": given["num_fewshot"]} if "num_fewshot" in given else {}),
        }

    def download(self, dataset_kwargs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """Read the problems alone: the split for few-shot examples only when some are asked for."""
        from datasets import Dataset

        self.dataset = {"test": Dataset.from_list(self._problems())}
        columns = self.task.questions.columns
        if self.problems is None and columns is not None and columns.cluster is not None:
            asked.warn(
                f"the problems of `{self.task.name}` come in clusters, and lm-eval's standard "
                "error takes them for independent: it is too small. `sami-eval passk --task "
                f"{self.task.name}` has intervals by cluster"
            )

    def _beside(self) -> list[dict[str, Any]]:
        """lm-eval's filters beside ours, where numbers are read."""
        if self.marker.name != DEFAULT or self.task.filters is None:
            return []
        found = reference.filters(self.task.filters)
        if not found:
            said = f"`filters: {self.task.filters}` of task `{self.task.name}`"
            asked.warn(f"{said}: the installed lm-eval has no such task; ours marks alone")
        return found

    def _problems(self) -> list[dict[str, str]]:
        if self.problems is None:
            return self._of_task()
        if isinstance(self.problems, Path) and self.task.name != USUAL["passk"]:
            return self._docs(problems_in(self.task, self.problems, self.marker))
        return self._docs(problem_sets.read_problems(self.problems, marker=self.marker.file))

    def _of_task(self, source: Source | None = None) -> list[dict[str, str]]:
        try:
            return self._docs(problems_of(self.task, self.marker, source))
        except UsageError as error:
            if error.where is not None:
                raise
            hint = "give a local copy: --metadata problems=FILE, or "
            raise UsageError(error.message, f"{hint}{_variable(self.task)}=FILE") from None

    def _docs(self, problems: Sequence[Problem]) -> list[dict[str, str]]:
        """The problems as lm-eval's documents; gold is the answer as the marker shows it."""
        return [
            {
                "question": problem.question,
                "answer": problem.gold_text,
                "gold": problem.gold,
                "marker": self.marker.file,
            }
            for problem in problems
        ]

    def fewshot_docs(self) -> None:
        """Nothing yet: lm-eval would read the split even at zero shots."""

    def set_fewshot_seed(self, seed: int | None = None) -> None:
        """Remember the seed that examples are drawn with."""
        self.fewshot_seed = seed
        self.fewshot_rnd = Random(seed)

    def build_all_requests(self, **arguments: Any) -> None:
        """One request a problem, to be run n times."""
        if arguments.pop("cache_requests", False):
            asked.warn(
                "--cache_requests is passed over: its cache knows neither n nor the sampling, and "
                "would serve an earlier run's"
            )
        arguments.pop("rewrite_requests_cache", None)
        if self.config.num_fewshot:
            self.sampler = ContextSampler(self._examples(), rnd=self.fewshot_seed)
            if self.config.num_fewshot >= len(self.sampler.df):
                raise UsageError(
                    f"--num_fewshot `{self.config.num_fewshot}`, but there are "
                    f"{len(self.sampler.df)} examples",
                    "give more of them: --metadata fewshot=FILE",
                )
        if "seed" in self.config.generation_kwargs and self.n_samples > 1:
            asked.warn(
                "`seed` in --gen_kwargs gives every sample of a problem the same random numbers on "
                "lm-eval's own vllm backend; leave it out there (--seed is safe)"
            )
        super().build_all_requests(**arguments)

    def _examples(self) -> list[dict[str, str]]:
        if self.examples:
            return self._docs(problem_sets.read_problems(self.examples, marker=self.marker.file))
        if not self.problems and self.task.fewshot is not None:
            return self._of_task(self.task.fewshot)
        # Drawn from the problems themselves, the one being asked left out.
        self.fewshot_cfg.split = self.config.test_split
        return [dict(doc) for doc in self.dataset["test"]]

    def _right(self, answer: str, doc: Doc) -> bool:
        """Whether lm-eval's own task takes an answer of its filters for right."""
        return reference.right(str(self.task.filters), answer, doc)

    def fewshot_context(self, doc: Doc, num_fewshot: int, *args: Any, **kwargs: Any) -> Any:
        """The prompt: a completion's, or the bare question with the instruction for a chat."""
        self.chat = bool(kwargs.get("apply_chat_template"))
        return super().fewshot_context(doc, num_fewshot, *args, **kwargs)

    def doc_to_text(self, doc: Doc, doc_to_text: Any = None) -> str:
        """The question as it is asked."""
        if not getattr(self, "chat", False):
            return f"Question: {doc['question']}\nAnswer:"
        instruction = self.marker.instruction if self.instruction is None else self.instruction
        if QUESTION in instruction:
            return instruction.replace(QUESTION, str(doc["question"]))
        return f"{instruction}\n\n{doc['question']}".strip()

    def construct_requests(self, doc: Doc, ctx: str, **kwargs: Any) -> Instance:
        """The problem's request; in a chat the model ends by itself, so no stop string."""
        instance = super().construct_requests(doc, ctx, **kwargs)
        arguments = instance.arguments[1]
        if self.chat and arguments.get("until") == list(STOP):
            arguments["until"] = []
        return instance

    def apply_filters(self) -> None:
        """Filter as lm-eval does, after a look at whether the samples differ at all."""
        for instance in self._instances:
            if len(instance.resps) < self.n_samples:
                raise UsageError(
                    f"{len(instance.resps)} samples came back where `{self.n_samples}` were asked "
                    "for",
                    "run without lm-eval's caches",
                )
            del instance.resps[self.n_samples :]  # ranks are padded with copies of the last problem
        self._warn_of_copies()
        super().apply_filters()

    def _warn_of_copies(self) -> None:
        copies = sum(len(set(instance.resps)) == 1 for instance in self._instances)
        if self.n_samples == 1 or 2 * copies <= len(self._instances):
            return
        sampling = self.config.generation_kwargs
        cause = "greedy decoding, or a `seed` on lm-eval's vllm backend"
        if not sampling.get("do_sample") or not sampling.get("temperature", 1.0):
            cause = "greedy decoding: --gen_kwargs do_sample=True,temperature=0.7"
        elif "seed" in sampling:
            cause = "`seed` in --gen_kwargs, which lm-eval's vllm backend gives to every sample"
        asked.warn(
            f"the {self.n_samples} samples are all the same for {copies} of "
            f"{len(self._instances)} problems, so pass@k is pass@1. The usual cause: {cause}"
        )

    def process_results(self, doc: Doc, results: Sequence[Sequence[Extracted]]) -> dict[str, float]:
        """The metrics of one problem from its n filtered samples."""
        if "bypass" in self._metric_fn_list:  # --predict_only
            return {"bypass": 0.0}
        (samples,) = results
        ours = all(sample is None or isinstance(sample, Value) for sample in samples)
        if ours:
            right: set[Extracted] = {doc["gold"]}
        else:
            samples = [None if sample == reference.NONE else sample for sample in samples]
            right = {one for one in set(samples) if one is not None and self._right(str(one), doc)}
        n, c = len(samples), sum(sample in right for sample in samples)
        return {
            **{f"pass@{k}": pass_at_k(n, c, k) for k in self.ks},
            # Several texts may be right under lm-eval's filters; it votes on texts.
            **{f"maj@{k}": sum(maj_at_k(samples, one, k) for one in right) for k in self.ks},
            **{f"{name}{k}": STEADY[name](n, c, k) for name in STEADY for k in self.ks if k > 1},
            "no_answer": samples.count(None) / n,
        }


def _variable(task: Task) -> str:
    return f"{PROBLEMS}{task.name.upper()}"


def _source(metadata: asked.Metadata, task: Task) -> str | Path | None:
    """Where the problems come from: a file, `embedded`, or None for the task's own."""
    if metadata.get("problems") == problem_sets.EMBEDDED:
        return problem_sets.EMBEDDED
    named = asked.file(metadata, "problems")
    path = os.environ.get(_variable(task))
    if named or not path:
        return named
    if not Path(path).is_file():
        raise UsageError(f"no file `{path}`", f"{_variable(task)} names a JSONL of problems")
    return Path(path)
