"""lm-eval's side of a pairwise task: answers judged against recorded ones.

`class: !function sami_eval.harness.pairwise.Pairwise` in `tasks/NAME_pairwise.yaml`, whose
`metadata.sami_eval` says which questions they are.

lm-eval builds every prompt before it generates, so its own backends cannot put a second turn
behind the model's first answer. They run the first turn alone and record it; given that record
back (first=FILE), they run the second, and so on. `sami-eval lm-eval --model sami-eval` runs all at
once. A first turn of another model is never put in. What a question gives (its history) is in every
prompt.

| --metadata                 |                                                                |
|----------------------------|----------------------------------------------------------------|
| baseline=FILE              | the answers to compare with, in the place of the task's own     |
| judge=NAME judge_model=... | who judges: a judge file, `openai:MODEL`                        |
| judge_prompts=FILE         | in the words of a benchmark's authors, as `--judge-prompts`     |
| base_url=URL               | the judge's server; judge_base_url where the backend has one    |
| questions=FILE             | instead of the task's; constitutions=FILE gives principles      |
| first=FILE                 | this model's recorded first answers                             |
| answers=FILE               | where this run's answers go                                     |
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sami_eval.core.errors import UsageError
from sami_eval.core.thoughts import parted
from sami_eval.core.types import Prompt, Response
from sami_eval.data import chat, prompts
from sami_eval.data.answers import write_answers
from sami_eval.data.constitutions import read_constitution
from sami_eval.data.task_instead import prompts_in
from sami_eval.data.task_rows import opening, prompts_of
from sami_eval.experiment.compare_plan import MAX_TOKENS
from sami_eval.generate import GenerateSettings, temperature_of
from sami_eval.harness import asked, judging
from sami_eval.harness.dialogue import Dialogue
from sami_eval.harness.of_file import OfFile, means

asked.speak_plainly()

Doc = Mapping[str, Any]


class Pairwise(OfFile):
    """All turns where they can be had, judged in both orders against a baseline."""

    def _prepare(self, given: Mapping[str, Any]) -> dict[str, Any]:
        self.given: dict[str, Any] = dict(given.get("metadata") or {})
        self.prompts = {prompt.id: prompt for prompt in self._read_prompts()}
        self.against = self._judge()
        first = asked.file(self.given, "first")
        self.first = judging.read_recorded(first, self.identity(given)) if first else {}
        self.metrics: dict[str, dict[str, float]] = {}
        self.asked_at = GenerateSettings(temperatures=self.task.temperatures)
        longest = self.task.max_tokens or MAX_TOKENS
        return {
            "dataset_path": str(self.given.get("questions", self.task.questions.named)),
            "doc_to_target": "",
            "generation_kwargs": {"until": list(chat.PLAIN_STOP), "max_gen_toks": longest},
            "num_fewshot": 0,
            "metric_list": means(self._metric_names(), lower="unparsed"),
            "metadata": {"version": self.VERSION, **self.given},
        }

    def _judge(self) -> judging.BaselineJudge | None:
        return judging.baseline_judge(self.given, list(self.prompts.values()), self.task)

    def _metric_names(self) -> list[str]:
        categories = dict.fromkeys(prompt.category for prompt in self.prompts.values())
        return ["win_rate", *map(judging.metric_name, categories), "unparsed"]

    def _read_prompts(self) -> list[Prompt]:
        questions = asked.file(self.given, "questions")
        read = prompts_in(self.task, questions) if questions else prompts_of(self.task)
        constitution = asked.text(self.given, "constitutions")
        if constitution:
            return prompts.with_principles(read, read_constitution(constitution))
        return read

    def identity(self, config: Mapping[str, Any] | None = None) -> str:
        """The model this run is of; with several, the task's name says which."""
        task = str((config or {}).get("task") or getattr(self.config, "task", ""))
        return task.partition(asked.MODEL_OF)[2] or judging.identity(self.given)

    def download(self, dataset_kwargs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """The questions as lm-eval's documents."""
        from datasets import Dataset

        rows = [
            {
                "question_id": prompt.id,
                "category": prompt.category,
                "turns": list(prompt.turns),
                "history": list(prompt.history),
            }
            for prompt in self.prompts.values()
        ]
        self.dataset = {"test": Dataset.from_list(rows)}

    def fewshot_docs(self) -> None:
        """None: there are no examples."""

    def doc_to_text(self, doc: Doc, doc_to_text: Any = None) -> str:
        """The first turn."""
        return str(doc["turns"][0])

    def doc_to_target(self, doc: Doc, doc_to_target: Any = None) -> str:
        """There is no right answer."""
        return ""

    def build_all_requests(self, **arguments: Any) -> None:
        """One request a question; what cannot be judged is refused before anything is generated."""
        arguments.pop("cache_requests", None)  # knows neither the recorded turns nor the sampling
        arguments.pop("rewrite_requests_cache", None)
        super().build_all_requests(**arguments)
        for instance in self._instances:
            if self.first and instance.doc["question_id"] not in self.first:
                raise UsageError(
                    f"`first` has no answer to question `{instance.doc['question_id']}`",
                    "record these very questions with the same task, without `first`",
                )
        if self.against is not None:
            asked_for = [
                opening(self.prompts[one.doc["question_id"]], len(one.said) + 1)
                for one in self._instances
            ]
            judging.check_baseline(self.against, asked_for)

    def fewshot_context(self, doc: Doc, num_fewshot: int, *args: Any, **kwargs: Any) -> str:
        """The prompt of the turn that is asked: a chat's, or our plain format."""
        template = kwargs.get("chat_template") if kwargs.get("apply_chat_template") else None
        self.system = str(kwargs.get("system_instruction") or "")

        def render(messages: chat.Messages) -> str:
            if template is None:
                return chat.plain_text(messages)
            return str(template([{"role": r, "content": c} for r, c in messages]))

        self.render, self.chat = render, template is not None
        talk = chat.conversation(doc["turns"], self._said(doc), self.system, doc["history"])
        return render(talk)

    def _said(self, doc: Doc) -> tuple[str, ...]:
        """The recorded answers to the turns before the one that is asked."""
        recorded = self.first.get(doc["question_id"])
        return () if recorded is None else recorded.turns[: len(doc["turns"]) - 1]

    def construct_requests(self, doc: Doc, ctx: str, **kwargs: Any) -> Dialogue:
        """The question's request at its category's temperature."""
        kwargs.pop("apply_chat_template", None)
        kwargs.pop("chat_template", None)
        sampling = dict(self.config.generation_kwargs)
        temperature = temperature_of(self.prompts[doc["question_id"]], self.asked_at)
        if not {"temperature", "do_sample"} & sampling.keys():
            sampling |= {"do_sample": temperature > 0, "temperature": temperature}
        if self.chat and sampling["until"] == list(chat.PLAIN_STOP):
            sampling["until"] = []
        return Dialogue(
            request_type="generate_until",
            doc=doc,
            arguments=(ctx, sampling),
            idx=0,
            turns=tuple(doc["turns"]),
            history=tuple(doc["history"]),
            said=self._said(doc),
            system=self.system,
            render=self.render,
            **kwargs,
        )

    def apply_filters(self) -> None:
        """Record the answers and have them judged, once all are there."""
        super().apply_filters()
        responses = [self._response(instance) for instance in self._instances]
        n_turns = min(len(response.turns) for response in responses)
        path = self._record(responses)
        if any(len(r.turns) < len(self.prompts[r.prompt_id].turns) for r in responses):
            asked.warn(
                "lm-eval's own backends cannot put a turn behind an answer of their own: "
                f"{_so_far(n_turns)} judged. The answers are in {path}; give them back with "
                f"--metadata first={path}, or use sami-eval lm-eval --model sami-eval"
            )
        else:
            n_turns = max(len(response.turns) for response in responses)
        if self.against is None or "bypass" in self._metric_fn_list:
            return
        of_turns = [opening(self.prompts[one.prompt_id], n_turns) for one in responses]
        judging.check_baseline(self.against, of_turns)
        verdicts = judging.judged(self.against, of_turns, responses)
        self.metrics = judging.metrics_of(of_turns, verdicts, self.task.rule or "conservative")

    def _response(self, instance: Dialogue) -> Response:
        turns = instance.answers or (*instance.said, str(instance.resps[0]))
        said, thoughts = zip(*map(parted, turns), strict=True)
        kept = thoughts if any(thoughts) else ()
        return Response(instance.doc["question_id"], self.identity(), said, thoughts=kept)

    def _record(self, responses: Sequence[Response]) -> Path:
        slug = re.sub(r"[^\w.-]+", "-", self.identity()).strip("-")[-80:]
        path = Path(str(self.given.get("answers") or f"{self.task.full}_{slug}.jsonl"))
        write_answers(path, responses)
        return path

    def process_results(self, doc: Doc, results: Sequence[str]) -> dict[str, float]:
        """The question's part of each figure."""
        if "bypass" in self._metric_fn_list:  # --predict_only
            return {"bypass": 0.0}
        return self.metrics[doc["question_id"]]


def _so_far(n: int) -> str:
    return "the first turn alone is" if n == 1 else f"the first {n} turns are"
