"""Plan, draw, score, estimate, save: comparisons, pass@k, agreement, reproduction; run folders.

Layer 4: imports all below; reports, commands and the harness may import it.
"""
