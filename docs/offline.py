"""Keeps pages free of scripts from elsewhere: plotly's notebook output asks for MathJax, unused here."""

import re
from typing import Any

from sphinx.application import Sphinx

REMOTE = re.compile(r'<script[^>]*src="https?://[^"]*mathjax[^"]*"[^>]*></script>', re.IGNORECASE)


def without_remote_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Cut the tags out of a page before it is written."""
    if "body" in context:
        context["body"] = REMOTE.sub("", context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", without_remote_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
