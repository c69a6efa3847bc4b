"""How a finished experiment is shown: terminal, Markdown, LaTeX, CSV, one page.

Layer 5: imports all below; commands and the harness may import it.
"""
