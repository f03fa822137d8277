"""The page's files, as they are installed with the package."""

from importlib import resources


def page_file(name: str) -> bytes:
    """A file of the page."""
    return resources.files("minicnn.play").joinpath("page", name).read_bytes()
