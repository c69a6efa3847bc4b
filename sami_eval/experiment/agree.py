"""A judge, or several at hand, measured by people's votes: what `agreement` does."""

from __future__ import annotations

from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.data.votes import read_votes
from sami_eval.experiment import runs
from sami_eval.experiment.agreement import agreement
from sami_eval.experiment.agreement_document import AgreementDocument, agreement_document
from sami_eval.experiment.judged import parse_names, read_judged
from sami_eval.experiment.recommend import candidates, ranked
from sami_eval.experiment.settings import AgreementSettings


def measured(settings: AgreementSettings, config: Config) -> AgreementDocument:
    """How far the judge agrees with people. Raises UsageError without votes or common items."""
    if settings.votes is None:
        raise UsageError(
            "`--votes` is missing: a judge is measured by people's votes",
            "sami-eval agreement --votes lmsys/mt_bench_human_judgments RUN",
        )
    given, root = parse_names(settings.vote_names), config.root
    people = read_votes(settings.votes)
    source = settings.judged or str(runs.find_run(None, root))
    found = agreement(read_judged(source, given, root), people)
    at_hand = candidates((source, *settings.beside), given, root, config.prices)
    judges = ranked(at_hand, people) if len(at_hand) > 1 else []
    return agreement_document(found, settings.votes, source, judges)
