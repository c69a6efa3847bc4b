"""Who is asked outside: addresses, keys, budgets, and the only file that talks HTTP.

Layer 1: imports core; generation and all above may import it.
"""
