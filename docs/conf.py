"""How the site is built: `make docs`, or `sphinx-build -W -b html docs docs/_build/html` (extra `docs`)."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))  # for from_code

from from_code.commands import commands_page  # noqa: E402
from from_code.config_keys import config_page  # noqa: E402
from from_code.result_files import results_page  # noqa: E402

import fpgaae  # noqa: E402

project, author, release = "fpgaae", "The fpgaae developers", fpgaae.__version__
copyright = author
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
html_theme = "furo"
html_title = "fpgaae"
html_static_path: list[str] = []
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
exclude_patterns = ["_build"]
highlight_language = "text"
default_role = "code"
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = ">>> "
myst_heading_anchors = 3
myst_enable_extensions = ["smartquotes"]
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]  # a page that is included begins with a heading of its own level
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_rtype = False

GENERATED = {"config.md": config_page, "commands.md": commands_page, "results.md": results_page}


def write_pages(_: Sphinx) -> None:
    """Write the pages that are made from the code; those that did not change keep their time."""
    folder = DOCS / "generated"
    folder.mkdir(exist_ok=True)
    for name, page in GENERATED.items():
        file, text = folder / name, page()
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Write the pages before Sphinx looks for sources."""
    app.connect("config-inited", lambda own, _: write_pages(own))
