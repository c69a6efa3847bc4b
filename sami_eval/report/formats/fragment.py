"""A report inside somebody else's page, as a notebook's cell: HTML without a script or a sheet.

Colours are the page's own, light or dark. Facts are folded away: they are many.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from markupsafe import Markup

from sami_eval.core.terminal import visible
from sami_eval.report.table import Bar, Bars, Block, Cell, Facts, Lines, Plot, Report, Row, Table

_LONE = re.compile("[\ud800-\udfff]")  # half a letter, which UTF-8 cannot hold
_STYLES = {"red": "color:#c5221f", "bold": "font-weight:bold", "italic": "font-style:italic"}
WIDTH = 160
BAR_WIDTH, SHADES = 320, (0.85, 0.4, 0.15)


def fragment(report: Report) -> str:
    """Its paragraphs. Every text in it is escaped."""
    parts = (part for paragraph in report for block in paragraph for part in _parts(block))
    return str(Markup("<div>{}</div>").format(_joined(parts)))


def _parts(block: Block) -> Iterator[Markup]:
    match block:
        case Lines():
            yield from (_line(one, block) for one in block.texts)
        case Bars():
            yield _bars(block)
        case Facts():
            yield _facts(block)
        case Table():
            yield _table(block)


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("\n").join(parts)


def _shown(text: str) -> str:
    return visible(_LONE.sub("\ufffd", text))


def _line(text: str, lines: Lines) -> Markup:
    if lines.drawn:
        return Markup("<pre>{}</pre>").format(_shown(text))
    style = ";".join(_STYLES[word] for word in lines.style.split())
    return Markup('<p style="margin:.3em 0;{}">{}</p>').format(style, _shown(text))


def _bars(bars: Bars) -> Markup:
    """Won, even and lost, darker to lighter, between their ends' names."""
    row = Markup('<tr><td style="text-align:right">{}</td><td>{}</td><td>{}</td></tr>')
    rows = (row.format(_shown(one.left), _bar(one), _shown(one.right)) for one in bars.rows)
    return Markup("<table><tbody>{}</tbody></table>").format(_joined(rows))


def _bar(bar: Bar) -> Markup:
    scale, start, drawn = BAR_WIDTH / (sum(bar.parts) or 1), 0.0, []
    for part, shade in zip(bar.parts, SHADES, strict=True):
        box = Markup('<rect x="{:.1f}" width="{:.1f}" height="14" opacity="{}"/>')
        drawn.append(box.format(start, part * scale, shade))
        start += part * scale
    svg = Markup(
        '<svg role="img" aria-label="{}" width="{}" height="14" fill="currentColor">{}</svg>'
    )
    return svg.format(_shown(bar.text), BAR_WIDTH, _joined(drawn))


def _facts(facts: Facts) -> Markup:
    row = Markup('<tr><td style="text-align:left">{}</td><td style="text-align:left">{}</td></tr>')
    rows = _joined(row.format(*map(_shown, one)) for one in facts.rows)
    return Markup("<details><summary>more</summary><table>{}</table></details>").format(rows)


def _table(table: Table) -> Markup:
    """A rule between its sections; whiskers beside them."""
    heads = [_cell("th", column.name, column.left) for column in table.columns]
    heads += [_cell("th", table.plot.title, left=True)] if table.plot else []
    bodies = _joined(_body(table, rows) for rows in table.sections if rows)
    return Markup("<table><thead><tr>{}</tr></thead>{}</table>").format(_joined(heads), bodies)


def _body(table: Table, rows: Iterable[Row]) -> Markup:
    lines = _joined(_row(table, row) for row in rows)
    return Markup('<tbody style="border-top:1px solid">{}</tbody>').format(lines)


def _row(table: Table, row: Row) -> Markup:
    cells = [
        _cell("td", cell.text, column.left)
        for column, cell in zip(table.columns, row.cells, strict=True)
    ]
    if table.plot:
        cells.append(Markup("<td>{}</td>").format(_whisker(table.plot, table, row)))
    weight = "bold" if row.significant or row.total else "normal"
    return Markup('<tr style="font-weight:{}">{}</tr>').format(weight, _joined(cells))


def _cell(tag: str, text: str, left: bool) -> Markup:
    where = "left" if left else "right"
    written = Markup('<{0} style="text-align:{1};padding:.15em .5em">{2}</{0}>')
    return written.format(Markup(tag), where, _shown(text))


def _whisker(plot: Plot, table: Table, row: Row) -> Markup:
    """The interval as a line, the figure as a dot, and where nothing differs as a rule."""
    low, value, high = plot.placed(row)
    half = WIDTH / 2
    drawn = [Markup('<path d="M0 8H{}M{} 1V15" opacity=".35"/>').format(WIDTH, half)]
    if low is not None and high is not None:
        ends = (f"{WIDTH * end:.1f}" for end in (low, high))
        drawn.append(Markup('<path d="M{} 8H{}" stroke-width="2.5"/>').format(*ends))
    if value is not None:
        at = f"{WIDTH * value:.1f}"
        drawn.append(Markup('<circle cx="{}" cy="8" r="3.5" fill="currentColor"/>').format(at))
    svg = Markup(
        '<svg role="img" aria-label="{}" width="{}" height="16" viewBox="-4 0 {} 16" '
        'stroke="currentColor">{}</svg>'
    )
    return svg.format(_label(plot, table, row), WIDTH + 8, WIDTH + 8, _joined(drawn))


def _label(plot: Plot, table: Table, row: Row) -> str:
    """What is drawn, to who cannot see it."""
    names = [cell.text for cell in row.cells[: plot.named]]
    figures: list[tuple[int, Cell]] = [(i, row.cells[i]) for i in (plot.value, plot.interval)]
    said = [f"{table.columns[i].name} {cell.text}" for i, cell in figures]
    return _shown(": ".join([" ".join(names), ", ".join(said)]))
