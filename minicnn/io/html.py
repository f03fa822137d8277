"""Tables and small curves as HTML, for notebooks and reports: text is escaped, and nothing is loaded from elsewhere."""

import math
from collections.abc import Iterable, Sequence
from html import escape

WIDTH, HEIGHT = 220, 44  # px of a curve


class Markup(str):
    """A string that is HTML already."""


def html_table(rows: Iterable[Sequence]) -> Markup:
    """A table, its first row heads; cells are text, or Markup."""

    def line(row, tag):
        cells = (cell if isinstance(cell, Markup) else escape(str(cell)) for cell in row)
        return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    head, *rest = rows
    body = "".join(line(row, "td") for row in rest)
    return Markup(f"<table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>")


def curve(values: Sequence[float], label: str = "") -> Markup:
    """One line from the first value to the last, between their least and their largest, as SVG."""
    known = [(n, float(v)) for n, v in enumerate(values) if math.isfinite(v)]
    if not known:
        return Markup("")
    low, high = min(v for _, v in known), max(v for _, v in known)
    across, up = (WIDTH - 8) / max(len(values) - 1, 1), (HEIGHT - 8) / ((high - low) or 1)
    points = " ".join(f"{4 + n * across:.1f},{HEIGHT - 4 - (v - low) * up:.1f}" for n, v in known)
    last = points.split()[-1].split(",")
    return Markup(
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{escape(label)}">'
        f'<polyline points="{points}" fill="none" stroke="#2a6fbb" stroke-width="1.5"/>'
        f'<circle cx="{last[0]}" cy="{last[1]}" r="2.5" fill="#2a6fbb"/></svg>'
    )
