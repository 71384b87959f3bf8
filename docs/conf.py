"""Sphinx: python -m sphinx -W --keep-going -b html docs build/docs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import dmtest

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside this one

import make_api

project = "dmtest"
author = "The dmtest developers"
copyright = "2026, The dmtest developers"
version = release = dmtest.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_extensions",
]
exclude_patterns = ["data/README.md", "**.ipynb_checkpoints"]
templates_path = ["templates"]

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = True
# Code in pages is run by pytest, and notebooks by their own test: a page shows what they print.
nb_execution_mode = "off"
html_math_renderer = "mathml"

autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries = False
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = "dmtest"
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["dmtest.css"]
html_theme_options: dict[str, Any] = {
    "navbar_align": "left",
    "show_prev_next": True,
    "secondary_sidebar_items": {"**": ["page-toc"], "tests": [], "power": []},
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
}
html_context = {"default_mode": "auto"}
html_sidebars = {"index": []}

man_pages = [("cli", "dmtest", "does this sample follow its target distribution?", [author], 1)]

# Here and not in an event: autosummary looks for what to document when Sphinx starts.
make_api.write()
