"""The number an answer ends in: `extract_answer`, under the name that is kept."""

from sami_eval.stats.extract import extract_answer as extract_answer
