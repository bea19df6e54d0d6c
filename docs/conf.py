"""Sphinx: the site of ``make docs``, docs/_build/html. Nothing on a page asks the network for anything."""

import hashlib
import importlib.util
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]  # this checkout, whatever is installed
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
os.environ.setdefault("JAX_PLATFORMS", "cpu")

SOURCES = sorted(
    path for room in ("theory", "simulators", "lm", "benchmarks") for path in (HERE.parent / room).rglob("*.py")
)
DIGEST = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()[:16]

project = "implicit-bayes"
author = "The implicit-bayes maintainers"
copyright = "2026, the implicit-bayes maintainers, Apache-2.0"
version = release = "0.2.0"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
    "command_help",
    "docstrings",
    "rooms",
]
exclude_patterns = ["_build", "_ext"]
templates_path: list[str] = []

html_theme = "furo"
html_title = "implicit-bayes"
_mathjax = importlib.util.find_spec("sphinx-mathjax-offline")
assert _mathjax and _mathjax.origin, "install the extra docs"
html_static_path = ["_static", str(Path(_mathjax.origin).parent / "static" / "mathjax" / "tex-svg.js")]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False

mathjax_path = "tex-svg.js"  # MathJax 3.2.2 (Apache-2.0) in one file, from the package sphinx-mathjax-offline
mathjax3_config = {"options": {"enableMenu": False}}

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"
bibtex_reference_style = "author_year"

nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / ".jupyter_cache" / DIGEST)  # another program, another answer
nb_execution_raise_on_error = True
nb_execution_timeout = 900  # seconds a cell, on a busy machine
nb_execution_show_tb = True
nb_merge_streams = True
nb_output_stderr = "remove"  # warnings of other libraries; errors end the build
nb_ipywidgets_js: dict[str, dict[str, str]] = {}

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
toc_object_entries = False
copybutton_exclude = ".linenos, .gp, .go"
