"""One file a form in which any report is written: the terminal, Markdown, LaTeX, CSV, a page."""
