"""How Sphinx builds the site of these pages: `make docs` writes it to build/docs, without the network."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))  # for the package `generators`
os.environ["JUPYTER_PATH"] = str(FOLDER / "jupyter")  # A kernel that prints errors only: its port is of this machine.

project = "straightline"
author = "the straightline developers"
copyright = "the straightline developers, MIT licence"
release = version = installed_version("straightline")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "generators",
]
exclude_patterns = ["**/__pycache__", "jupyter"]
nitpicky = True
smartquotes = False  # It would make a dash of the two hyphens before an option.
default_role = "code"  # Docstrings write code between single backticks, as Markdown does.

# Pages are Markdown that GitHub shows too; headings down to the third level have anchors with GitHub's names.
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
myst_heading_slug_func = "github"

# A page with code cells is run by each build, so that its outputs are those of the code beside it.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_output_stderr = "error"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autosummary_generate = False
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_ivar = True  # Attributes are properties, which are documented where they are defined.
nitpick_ignore_regex = [("py:.*", r".*")]  # Types of other packages: their inventories would have to be downloaded.

copybutton_selector = "div.highlight-sh pre, div.highlight-python pre, div.highlight-ipython3 pre"
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "pydata_sphinx_theme"
html_title = "straightline"
html_sidebars = {"tutorial": [], "examples": []}  # They have no pages below them.
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_theme_options = {
    "logo": {"text": "straightline"},
    "navigation_with_keys": False,
    "navbar_align": "left",
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
