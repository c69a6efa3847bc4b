"""Files a user gives: prompts, references, answers, votes, constitutions, contrasts.

Layer 1: imports core, stats, embedded and ledger; generation and all above may import it.
"""
