"""Plan, draw, score, estimate, save: comparisons, pass@k, agreement, reproduction.

Layer 4: imports all below; reports, commands and the harness may import it.
"""
