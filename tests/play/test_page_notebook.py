"""The component in a notebook's cell, in a browser: anywidget's part is played by a page that knows no server."""

import base64
import json
import re

import numpy as np
import pytest

from minicnn.play import widget
from minicnn.play.session import Session

from . import test_page
from .test_page import chromium, settled, stroke  # noqa: F401  (a fixture)
from .test_session import like_mnist

pytest.importorskip("anywidget", reason='no anywidget: pip install -e ".[notebook]"')
pytestmark = test_page.pytestmark
HOST = """<!doctype html><body data-jp-theme-light="false"><script type="module">
  const heard = [];
  window.hear = (content) => heard.forEach((tell) => tell(content));
  const model = {
    on: (kind, tell) => heard.push(tell), off: (kind, tell) => heard.splice(heard.indexOf(tell), 1),
    send: (content, _, buffers) => window.asked(JSON.stringify(content), btoa(
      String.fromCharCode(...new Uint8Array(buffers[0])))),
  };
  const url = URL.createObjectURL(new Blob([await window.module()], { type: "text/javascript" }));
  const widget = (await import(url)).default, el = document.createElement("div");
  window.close_widget = widget.render({ model, el });
  document.body.append(el);
</script>"""


def test_the_component_runs_where_a_notebook_puts_it(chromium):  # noqa: F811
    """Drawing, a cell, backward, a step, the notebook's theme, its end."""
    model = like_mnist("sparse_categorical_crossentropy")
    shown, beside = widget(model, "mine"), Session(model)
    assert not re.search(r"https?://(?!www\.w3\.org)", shown._esm.replace("https://github.com/", ""))
    assert not re.search(r"\beval\b|new Function|\bfetch\b|^import |XMLHttpRequest", shown._esm, re.MULTILINE)
    page, errors, requests = chromium.new_page(), [], []
    shown.send = lambda content, buffers=None: page.evaluate("(content) => { window.hear(content); }", content)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.on("request", lambda request: requests.append(request.url))
    page.expose_function("module", lambda: shown._esm)
    page.expose_function("asked", lambda content, body: waiting.append((json.loads(content), base64.b64decode(body))))
    waiting: list = []

    def answered():
        """As a kernel does, in its own time."""
        idle = 0
        while idle < 6:
            page.wait_for_timeout(30)
            idle = 0 if waiting else idle + 1
            while waiting:
                content, body = waiting.pop(0)
                shown._handle_custom_msg(content, [memoryview(body)])
        return settled(page)

    page.set_content(HOST)
    page.wait_for_timeout(100)
    answered()
    stroke(page, [(0.2, 0.2), (0.8, 0.3), (0.4, 0.9)])
    np.testing.assert_allclose(answered(), shown.session.look()["outputs"], atol=6e-4)
    page.get_by_role("button", name="backward").click()
    answered()
    beside.image, beside.x = shown.session.image, shown.session.x
    name = model.leaves[0].name
    page.locator(f'[data-layer="{name}"] canvas').focus()
    page.keyboard.press("ArrowRight")
    answered()
    cell = beside.cell(name, [13, 14, 0])
    text = page.locator("#cell-value").inner_text()
    assert text == f"{name} (13, 14, 0) = {cell['value']}\ndL/d of it = {cell['gradient']}".replace("= 0.0", "= 0")
    page.get_by_role("button", name="one step").click()
    answered()
    assert page.locator("#training").inner_text().startswith("step 1, loss ")
    dark = page.locator("#pen").evaluate("pen => getComputedStyle(pen.closest('section')).backgroundColor")
    assert dark == "rgb(24, 32, 41)"  # the notebook's theme, whatever the browser's
    page.clock.install()  # a kernel that has ended says nothing: the component does, and takes it back
    page.get_by_role("button", name="one step").click()
    page.clock.run_for(2000)
    assert page.locator(".silent").inner_text() == ""
    page.clock.run_for(4000)
    assert "it has ended" in page.locator(".silent").inner_text()
    page.clock.resume()
    answered()
    assert page.locator(".silent").inner_text() == ""
    page.evaluate("window.close_widget()")
    assert page.locator("#pen").count() == 0
    page.close()
    assert errors == []
    assert [url for url in requests if not url.startswith(("about:", "blob:", "data:"))] == []
