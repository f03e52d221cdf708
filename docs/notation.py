"""Sphinx extension for notation: formulas as MathML, readable offline, and |w| in docstrings."""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)

COLON = "\ue000"  # private use: stands for a colon while napoleon reads


def mathml(node: nodes.Node, *, block: bool) -> str:
    """Return a formula as MathML; its source, with a warning, where it cannot be converted."""
    try:
        return tex2mathml(node.astext(), as_block=block)
    except MathError as error:
        logger.warning("formula %r: %s", node.astext(), error, location=node)
        return nodes.Text(node.astext())


def visit_inline(self, node: nodes.math) -> None:
    """Write an inline formula."""
    self.body.append(mathml(node, block=False))
    raise nodes.SkipNode


def visit_block(self, node: nodes.math_block) -> None:
    """Write a displayed formula."""
    self.body.append(f'<div class="math">{mathml(node, block=True)}</div>')
    raise nodes.SkipNode


def hide_colons(app, what, name, obj, options, lines: list[str]) -> None:
    """Keep napoleon from reading "summary: detail" of an attribute as "type: description"."""
    if what in {"attribute", "data", "property"} and lines:
        lines[0] = lines[0].replace(":", COLON)


def escape(app, what, name, obj, options, lines: list[str]) -> None:
    """Let |w| be an absolute value, not a substitution, and (times, *shape) a shape, not emphasis."""
    for index, line in enumerate(lines):
        if line.lstrip().startswith((">>>", "...")):
            continue
        parts = re.split(r"(``.*?``)", line.replace(COLON, ":"))
        for text in range(0, len(parts), 2):
            bars = parts[text].replace("|", r"\|")
            parts[text] = re.sub(r"(\([^()*]*)\*(?=\w[^()*]*\))", r"\1\\*", bars)
        lines[index] = "".join(parts)


def setup(app) -> dict[str, bool]:
    """Register the renderer, and the hooks on either side of napoleon's."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    app.connect("autodoc-process-docstring", hide_colons, priority=100)
    app.connect("autodoc-process-docstring", escape, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
