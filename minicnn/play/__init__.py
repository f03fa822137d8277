"""Every number of a model while one draws on it: `minicnn play MODEL` on a page, `widget(model)` in a notebook.

page/  HTML, CSS and the component, no build step   browser
server.py    who may ask, and in what form          HTTP on 127.0.0.1
notebook.py  the same questions in a notebook       the widget's comm
questions.py what may be asked                      bytes in, JSON out
assets.py    the files of page/
session.py   what the page shows of a model         model.trace, train_on_batch
frame.py     a drawing in the frame that the model was trained in
"""

from typing import TYPE_CHECKING, Any

from ..errors import ArgumentTypeError, MissingPackageError, NotBuiltError, require, shown

if TYPE_CHECKING:
    from .notebook import Widget

__all__ = ["widget"]


def widget(model: Any, name: str = "") -> "Widget":
    """The page of `minicnn play` for a model of this notebook, as the value of a cell: no server, the kernel answers.

    model  any with one input that can be drawn; backward needs its loss: compile it;  name: what its head says

    Raises MissingPackageError without anywidget: pip install -e ".[notebook]"; ArgumentError for several inputs;
    NotBuiltError.
    """
    ours = hasattr(model, "trace") and not isinstance(model, type)
    require(ours, "play.widget: model", "a model", shown(model), error=ArgumentTypeError)
    require(model.built, "play.widget: model", "a built model", "none", "give it an Input", error=NotBuiltError)
    require(isinstance(name, str), "play.widget: name", "a name", shown(name), error=ArgumentTypeError)
    from .session import Session

    try:
        from .notebook import Widget
    except ModuleNotFoundError as cause:
        raise MissingPackageError("play.widget", str(cause.name)) from None
    return Widget(Session(model, name))
