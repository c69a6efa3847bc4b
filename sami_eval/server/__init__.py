"""Who is asked outside: endpoints, keys, budgets, and the only file that talks HTTP.

Layer 1: imports core, data and ledger; generation and all above may import it.
"""
