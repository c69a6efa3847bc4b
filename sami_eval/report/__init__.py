"""How a finished experiment is shown: terminal, Markdown, LaTeX, CSV, one page.

A kind of result makes a report of its document (comparison.py, passk.py, agreement.py,
reproduction.py; finished.py finds which): lines, facts and tables (table.py) of cells (cell.py).
Any of formats/ writes any report. Pages have the frame of html.py; *_page.py are their parts.

Layer 5: imports all below; commands and the harness may import it.
"""
