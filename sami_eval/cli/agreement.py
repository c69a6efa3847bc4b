"""`sami-eval agreement`: how far a judge can be trusted, by people's votes."""

from __future__ import annotations

from pathlib import Path

from sami_eval.cli.flags import Json
from sami_eval.core.errors import UsageError
from sami_eval.experiment.settings import AgreementSettings


def agreement(settings: AgreementSettings, as_json: Json = False) -> None:
    """Compare a judge with people's votes, and people with each other."""
    from sami_eval.cli.output import print_document
    from sami_eval.core.config import find_config
    from sami_eval.data.votes import read_votes
    from sami_eval.experiment import runs
    from sami_eval.experiment.agreement import agreement as agree
    from sami_eval.experiment.agreement_document import agreement_document
    from sami_eval.experiment.judged import parse_names, read_judged
    from sami_eval.experiment.recommend import candidates, ranked

    if settings.votes is None:
        raise UsageError(
            "`--votes` is missing: a judge is measured by people's votes",
            "sami-eval agreement --votes lmsys/mt_bench_human_judgments RUN",
        )
    config = find_config(Path.cwd())
    root = config.root
    given = parse_names(settings.vote_names)
    people = read_votes(settings.votes)
    source = settings.judged or str(runs.find_run(None, root))
    found = agree(read_judged(source, given, root), people)
    at_hand = candidates((source, *settings.beside), given, root, config.prices)
    judges = ranked(at_hand, people) if len(at_hand) > 1 else []
    print_document(agreement_document(found, settings.votes, source, judges), as_json)
