"""How the documentation is built: `make docs`. Every page runs; a warning stops the build."""

import os
from importlib.metadata import version as installed

os.environ.setdefault("COLUMNS", "100")

project = "whygrad"
author = "the whygrad developers"
copyright = author
version = release = installed("whygrad")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
root_doc = "index"
exclude_patterns = ["_build", "images", "gallery/*.rst", "built/**/*.ipynb", "built/**/*.py", "built/sg_*"]
suppress_warnings = ["config.cache"]  # the order of the gallery is a function, which no cache can keep

# ── pages ────────────────────────────────────────────────────────────────────────────────────────────

myst_enable_extensions = ["colon_fence", "dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True

# ── reference ────────────────────────────────────────────────────────────────────────────────────────

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # shapes and meanings stand in the text
napoleon_google_docstring = False
viewcode_line_numbers = True

# ── gallery ──────────────────────────────────────────────────────────────────────────────────────────

ORDER = [
    "plot_delta_w.py",
    "plot_one_weight.py",
    "plot_why_backpropagation.py",
    "plot_blame.py",
    "plot_symmetry.py",
    "plot_family_trees.py",
    "plot_small_problems.py",
    "plot_mnist.py",
    "plot_learning_rate.py",
    "plot_made_this_weight.py",
    "plot_coming_from.py",
]


def in_order(filename: str) -> int:
    """Give the place of a page in the gallery."""
    return ORDER.index(os.path.basename(filename))


sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "built/gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"/(?!plot_)[^/]*\.py$",
    "within_subsection_order": "conf.in_order",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "abort_on_example_error": True,
    "min_reported_time": 0,
    "image_scrapers": ("matplotlib",),
    "reset_modules": ("matplotlib",),
    "matplotlib_animations": False,
}

# ── the look ─────────────────────────────────────────────────────────────────────────────────────────

html_theme = "pydata_sphinx_theme"
html_title = "whygrad"
html_static_path = ["_static"]
html_css_files = ["whygrad.css"]
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
# The pages load nothing from elsewhere: equations are MathML, which every current browser draws.
html_math_renderer = "mathml"


def setup(app):
    """Draw equations as MathML."""
    from docutils import nodes
    from latex2mathml.converter import convert

    def inline(writer, node):
        writer.body.append(convert(node.astext()))
        raise nodes.SkipNode

    def display(writer, node):
        equation = convert(node.astext(), display="block")
        writer.body.append(f'<div class="equation">{equation}</div>')
        raise nodes.SkipNode

    app.add_html_math_renderer("mathml", (inline, None), (display, None))
