"""Sphinx configuration."""

import os
import sys
import tomllib
from pathlib import Path

project = "grn-pruning"
author = "The grn-pruning authors"
copyright = f"2026, {author}"
with (Path(__file__).parent.parent / "pyproject.toml").open("rb") as file:
    release = version = tomllib.load(file)["project"]["version"]

sys.path.insert(0, str(Path(__file__).parent))
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "notation",
    "offline",
]
html_math_renderer = "mathml"
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = project
html_theme_options = {"footer_icons": []}

# The notebook is run whenever the pages are built, and its figures must open without a network.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
os.environ["PLOTLY_RENDERER"] = "notebook"  # plotly.js inside the page
html_static_path = ["_static"]
html_css_files = ["figures.css"]

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

# A page each for the names in a package's __all__; a page a module for studies.
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # types stand in the Parameters sections
maximum_signature_line_length = 88
napoleon_google_docstring = False
napoleon_use_ivar = True  # attributes appear once, in their section
napoleon_use_rtype = False
# Words in the type of a parameter ("shape", "sparsity") are looked up as names and may fit several.
suppress_warnings = ["ref.python"]
