"""How the documentation is built: `make docs`. Every page runs; a warning stops the build."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import building  # noqa: E402 — a file of this folder

import whygrad  # noqa: E402

os.environ.setdefault("COLUMNS", "92")  # what fits beside the two bars

project = "whygrad"
author = "the whygrad developers"
copyright = author
version = release = whygrad.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
root_doc = "index"
exclude_patterns = [
    "_build",
    "images",
    "gallery",
    "built/extra",
    "built/**/*.ipynb",
    "built/**/*.py",
]

# pages

myst_enable_extensions = ["colon_fence", "dollarmath", "amsmath", "deflist", "html_image"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True
# Widgets would ask other hosts for their scripts: the picture that stands in for them is shown.
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
nb_output_stderr = "remove"  # where the engine is compiled first, it says so

# reference

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # shapes and meanings stand in the text
default_role = "py:obj"  # of docstrings: `code`, and a link where it is a public name
smartquotes = False  # "adam" is code as well
viewcode_line_numbers = True

# gallery

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "built/gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"^(?!plot_)",
    "within_subsection_order": "building.in_order",
    "download_all_examples": False,
    "parallel": 2,
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "min_reported_time": 0,
    "image_scrapers": ("matplotlib",),
    "reset_modules": ("matplotlib",),
    "matplotlib_animations": False,
}

# the look

html_theme = "pydata_sphinx_theme"
html_title = "whygrad"
html_static_path = ["_static"]
html_css_files = ["whygrad.css"]
# Films are written there while their page runs, and copied as they are.
(Path(__file__).parent / "built" / "extra").mkdir(parents=True, exist_ok=True)
html_extra_path = ["built/extra"]
html_show_sourcelink = False
html_sidebars = {"index": [], "tutorial": [], "changelog": []}
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 5,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_math_renderer = "mathml"  # see `building`


def setup(app):
    """Add what is our own."""
    building.equations_as_mathml(app)
    app.add_role("line", building.line)
    app.connect("env-updated", building.pages_of_lines)
    app.connect("html-page-context", building.anchors_of_lines)
    app.connect("autodoc-process-docstring", building.as_restructured_text)
    app.connect("autodoc-process-signature", building.signature)
