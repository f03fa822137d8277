"""Sphinx's settings: `pip install -e ".[docs]" && sphinx-build -W docs build/docs` makes the pages, without network."""

import minicnn

project, author = "minicnn", "the minicnn authors"
version = release = minicnn.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "alabaster"
html_copy_source = False
autodoc_default_options = {"members": True}
autodoc_typehints = "none"
autodoc_preserve_defaults = True


def as_written(app, what, name, thing, options, lines: list[str]) -> None:
    """Docstrings keep their lines and columns, as help() shows them: they are text, not reStructuredText."""
    if any(lines):
        lines[:] = [".. code-block:: text", "", *("   " + line for line in lines), ""]


def setup(app) -> None:
    app.connect("autodoc-process-docstring", as_written)
