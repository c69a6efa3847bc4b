"""A picture of what the terminal shows for a finished run, for the README; needs Chromium.

sami-eval compare sami dpo --task mtbench
python -m benchmarks.terminal_picture runs/DATE-mtbench-sami-dpo docs/images/terminal.png
"""

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from sami_eval.experiment.document import read_document
from sami_eval.report.comparison import report
from sami_eval.report.formats.console import render

WIDTH, LINE_PX, CHARACTER_PX, MARGIN_PX = 80, 18, 8.43, 16
# Filled in by rich, so every brace of the style is doubled.
PAGE = f"""<!doctype html><meta charset="utf-8"><style>
body {{{{ margin: 0; padding: {MARGIN_PX}px; background: {{background}}; color: {{foreground}} }}}}
pre {{{{ margin: 0; font: 14px/{LINE_PX}px "DejaVu Sans Mono", monospace }}}}
{{stylesheet}}</style><pre>{{code}}</pre>"""


def main() -> None:
    """Draw the run's document as a person sees it at 80 columns."""
    run, picture = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
    console = Console(width=WIDTH, record=True, force_terminal=True, file=io.StringIO())
    console.print(f"$ sami-eval {read_document(run / 'comparison.json')['command'][10:]}\n")
    console.print(render(report(read_document(run / "comparison.json"))))
    n_lines = console.export_text(clear=False).count("\n")
    size = f"{round(WIDTH * CHARACTER_PX) + 2 * MARGIN_PX},{n_lines * LINE_PX + 2 * MARGIN_PX}"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "terminal.html"
        page.write_text(console.export_html(theme=MONOKAI, code_format=PAGE), encoding="utf-8")
        chromium = shutil.which("chromium") or sys.exit("no chromium: apt-get install chromium")
        flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
        quiet = ("--disable-background-networking", "--no-first-run", f"--user-data-dir={folder}/p")
        shot = (f"--window-size={size}", f"--screenshot={picture}", page.as_uri())
        command = [chromium, *flags, *quiet, *shot]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    print(picture)


if __name__ == "__main__":
    main()
