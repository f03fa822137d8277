"""The page's component in a notebook's cell (Jupyter, VS Code, whatever anywidget serves): no server, no address.

      component  --question, its bytes-->  comm of the widget  -->  questions.reply  -->  the same Session
      component  <--its JSON text-------   comm of the widget  <--

The kernel answers between two cells: while one runs, questions wait.
"""

import json
import re

import anywidget

from .assets import page_file
from .questions import reply
from .session import Session

EXPORTED = re.compile(r"export\{([^{}]*)\};\s*$")
IMPORTED = re.compile(r'^import (\{[^{}]*\}) from "\./(?:preact|app)\.js";\n', re.MULTILINE)


def module() -> str:
    """The page's scripts and its style as one module, which is how a widget brings them: nothing is left to fetch."""
    preact, app, end = (page_file(name).decode("utf-8") for name in ("preact.js", "app.js", "widget.js"))
    exported = EXPORTED.search(preact)
    imported = IMPORTED.search(app)
    assert exported is not None, "preact.js"
    assert imported is not None, "app.js"
    names = re.sub(r"(\w+) as (\w+)", r"\2: \1", exported[1])
    return "\n".join([
        f"const {imported[1]} = (() => {{", preact[: exported.start()], f"return {{{names}}};", "})();",
        IMPORTED.sub("", app).replace("\nexport const mount", "\nconst mount"),
        f"const CSS = {json.dumps(page_file('style.css').decode('utf-8'))};", IMPORTED.sub("", end),
    ])  # fmt: skip


class Widget(anywidget.AnyWidget):
    """session: the model and the drawing that the component shows."""

    _esm = module()

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self.on_msg(self._asked)

    def __repr__(self):
        return f"<Widget of {self.session.name}: a notebook that shows widgets draws it>"

    def _asked(self, _, content, buffers) -> None:
        """Answer one question: {view, id, name} and its body."""
        ok, answer = False, json.dumps({"error": "the kernel's log has the reason"})
        try:
            ok, answer = reply(self.session, content.get("name"), bytes(buffers[0]) if buffers else b"")
        finally:
            self.send({"view": content.get("view"), "id": content.get("id"), "ok": ok, "answer": answer})

    def close(self) -> None:
        self.session.trainer.close()
        super().close()
