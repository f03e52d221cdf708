"""A self-contained HTML page with plotly figures: no request leaves it, and it opens from a file.

plotly.js (4.8 MB) and the figures are embedded once, gzip-compressed, and inflated in the browser by
``DecompressionStream``; a browser without it shows a message and the tables. A content security policy
forbids every request.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import plotly.graph_objects as go
import plotly.offline

from studies.report.page_assets import SCRIPT, STYLE
from studies.report.style import figure_template

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """A figure with the words around it.

    ``name`` is unique on the page (letters, digits, hyphens); ``caption`` says how to read the figure;
    ``description`` is read to those who cannot see it.
    """

    name: str
    figure: go.Figure
    caption: str
    description: str


Blocks = list[str | Plot]
"""HTML, already escaped, and plots."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of the page: a heading, and blocks that are HTML (already escaped) or plots."""

    name: str
    heading: str
    blocks: Sequence[str | Plot]


def escape(value: object) -> str:
    """Text of anything, made inert for HTML, attributes included.

    Examples
    --------
    >>> escape("<script>")
    '&lt;script&gt;'
    """
    return html.escape(str(value), quote=True)


def table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    words: bool = False,
    group: Sequence[bool] = (),
) -> str:
    """HTML table that scrolls on narrow screens; cells are HTML already escaped, the first of a row heads it.

    ``words`` aligns everything left and wraps; ``group`` marks the rows that begin a group.
    """
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = []
    for place, row in enumerate(rows):
        begins = ' class="group"' if place < len(group) and group[place] else ""
        cells = "".join(f"<td>{cell}</td>" for cell in row[1:])
        lines.append(f'<tr{begins}><th scope="row">{row[0]}</th>{cells}</tr>')
    heading = f"<thead><tr>{columns}</tr></thead>" if head else ""
    kind = ' class="words"' if words else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}"><table{kind}>'
        f"<caption>{escape(caption)}</caption>{heading}<tbody>{''.join(lines)}</tbody></table></div>"
    )


def render_page(
    *, title: str, subtitle: str, introduction: str, sections: Sequence[Section], footer: str
) -> str:
    """Return the whole page.

    Parameters
    ----------
    title, subtitle, footer
        Plain text; escaped here.
    introduction
        HTML between the heading and the sections, already escaped.
    """
    plots = [block for section in sections for block in section.blocks if isinstance(block, Plot)]
    names = [plot.name for plot in plots] + [section.name for section in sections]
    if len(set(names)) < len(names):
        raise ValueError(f"plots and sections must have different names, got {sorted(names)}")
    links = "".join(f'<li><a href="#{s.name}">{escape(s.heading)}</a></li>' for s in sections)
    body = "".join(_section(section) for section in sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<h1>{escape(title)}</h1>
<p class="quiet">{escape(subtitle)}</p>
<nav aria-label="Sections"><ul>{links}</ul></nav>
</header>
<main id="content">
{introduction}
<noscript><p class="note">The figures need JavaScript; the tables are complete without it.</p></noscript>
<p id="figure-message" class="note" role="alert" hidden></p>
{body}
</main>
<footer><p>{escape(footer)}</p></footer>
<script type="text/plain" id="figure-source">{_figures(plots)}</script>
<script type="text/plain" id="plotly-source">{_packed_plotly()}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _section(section: Section) -> str:
    blocks = "\n".join(_plot(block) if isinstance(block, Plot) else block for block in section.blocks)
    heading = f'<h2 id="{section.name}">{escape(section.heading)}</h2>'
    return f'<section aria-labelledby="{section.name}">{heading}\n{blocks}\n</section>\n'


def _plot(plot: Plot) -> str:
    heading = plot.figure.layout.title.text or plot.name  # escaped already, as plotly texts are
    height = int(plot.figure.layout.height or 420) - 40
    role = "group" if plot.figure.frames else "img"  # an animation has controls that must stay reachable
    return (
        f'<figure aria-labelledby="{plot.name}-title"><h3 id="{plot.name}-title">{heading}</h3>'
        f'<div class="plot" id="{plot.name}" style="min-height:{height}px" role="{role}" aria-busy="true" '
        f'aria-label="{escape(plot.description)}"></div><figcaption>{plot.caption}</figcaption></figure>'
    )


def _figures(plots: Sequence[Plot]) -> str:
    """All figures as one packed document: titles stand in the page, where they wrap, and templates once."""
    figures: dict[str, Mapping[str, Any]] = {}
    for plot in plots:
        figure = json.loads(plot.figure.to_json())
        layout = figure["layout"]
        for part in ("template", "title"):
            layout.pop(part, None)
        margin = layout.setdefault("margin", {})
        margin["t"] = max(int(margin.get("t", 56)) - 26, 30)
        layout["height"] = int(layout.get("height", 420)) - 26
        figures[plot.name] = {key: figure[key] for key in ("data", "layout", "frames") if key in figure}
    templates = {"light": figure_template(), "dark": figure_template(dark=True)}
    document = {"templates": {name: t.to_plotly_json() for name, t in templates.items()}, "figures": figures}
    return _packed(json.dumps(document, separators=(",", ":")))


@cache
def _packed_plotly() -> str:
    """Pack the script once a process: it takes most of the time of a page."""
    return _packed(plotly.offline.get_plotlyjs())


def _packed(text: str) -> str:
    """Gzip and base64; without a time stamp, so that equal records give equal pages."""
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()
