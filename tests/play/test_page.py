"""The page itself, driven in a browser: strokes, numbers, backward, training, the keyboard alone, and nobody else."""

import contextlib
import http.client
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import layers as L
from minicnn.data import digits

from .drawings import drawings

ROOT = Path(__file__).parents[2]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = os.environ.get("MINICNN_AXE", "")  # axe-core's axe.min.js
PICTURES = os.environ.get("MINICNN_PICTURES", "")  # a folder for screenshots, which people look at
MISSING = [name for name in ("starlette", "uvicorn", "playwright") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.tools,
    pytest.mark.skipif(bool(MISSING), reason=f'no {", ".join(MISSING)}: pip install -e ".[play]" playwright'),
    pytest.mark.skipif(BROWSER is None, reason="no chromium: apt-get install chromium"),
]


def thinned(x):
    return np.minimum(x, np.minimum(np.roll(x, 1, 1), np.roll(x, 1, 2)))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small network, trained on the embedded digits and on thinner ones: (itself, its file)."""
    (x, y), *_ = digits.split()
    x, y = np.concatenate([x, thinned(x)]), np.concatenate([y, y])
    parts = [L.Input((28, 28, 1)), L.Conv2D(24, 5, activation="relu", name="first"), L.MaxPooling2D(2),
             L.Conv2D(48, 5, activation="relu", name="second"), L.MaxPooling2D(2), L.Flatten(), L.Dropout(0.5),
             L.Dense(10, activation="softmax")]  # fmt: skip
    made = minicnn.Sequential(parts, seed=1)
    made.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    generator = minicnn.data.ImageDataGenerator(rotation_range=12, width_shift_range=0.06, height_shift_range=0.06,
                                                shear_range=20, zoom_range=[0.8, 1.25], rescale=1 / 255)  # fmt: skip
    rate = minicnn.callbacks.LearningRateScheduler(lambda epoch: 1e-3 * (1 - epoch / 10) ** 0.5)
    made.fit(generator.flow(x, y, 32, seed=1), epochs=10, verbose=0, callbacks=[rate])
    path = tmp_path_factory.mktemp("play") / "model.minicnn"
    made.save(path)
    return made, path


@pytest.fixture(scope="module")
def address(model):
    """The address that the command prints, while it runs."""
    command = [sys.executable, "-m", "minicnn", "play", str(model[1])]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/", process.stdout.readline())[0]
            asked = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
            assert time.monotonic() - asked < 5
        finally:
            process.kill()


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as library:
        browser = library.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def visited(chromium, address, wanted="[data-layer]", width=1280, **how):
    """The page of a new visitor, who asks nobody else and meets no error."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce", **how)
    found, said, asked = context.new_page(), [], []
    found.on("console", lambda message: said.append(message.text))
    found.on("pageerror", lambda error: said.append(str(error)))
    found.on("request", lambda request: asked.append(request.url))
    found.goto(address)
    found.wait_for_selector(wanted)
    yield found
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith((address, "data:"))] == []


@pytest.fixture
def page(chromium, address):
    with visited(chromium, address) as found:
        yield found


def accessible(page) -> None:
    """axe-core finds nothing on the page as it is."""
    if not AXE:
        pytest.skip("MINICNN_AXE names no axe.min.js: npm pack axe-core")
    page.evaluate(Path(AXE).read_text("utf-8") + ";0")
    found = page.evaluate("axe.run()")
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    assert len(found["passes"]) > 10


def stroke(page, points):
    box = page.locator("#pen").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for point in at:
        page.mouse.move(*point)
    page.mouse.up()


def settled(page) -> list[float]:
    """The outputs, once every question has its answer and nothing moves any more."""
    end, idle = time.monotonic() + 60, 0
    while idle < 4:
        page.wait_for_timeout(50)
        idle = idle + 1 if page.locator("[data-waiting]").get_attribute("data-waiting") == "0" else 0
        assert time.monotonic() < end
    text = page.locator("#outputs").inner_text().split()
    return [float(value) for value in text[1::2]]


def test_at_least_19_of_20_drawings_are_read_right(page):
    right, read = 0, []
    for digit, strokes in drawings():
        page.get_by_role("button", name="clear").click()
        for points in strokes:
            stroke(page, points)
        read.append((digit, int(np.argmax(settled(page)))))
        right += read[-1][0] == read[-1][1]
    assert right >= 19, [pair for pair in read if pair[0] != pair[1]]


def asked(address, name, body):
    host, port = re.search(r"//([\d.]+):(\d+)", address).groups()
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.request("POST", f"/{address.split('/')[3]}/api/{name}", body)
    found = json.loads(connection.getresponse().read())
    connection.close()
    return found


def test_the_numbers_of_a_cell_are_the_engines(page, address, model):
    _, strokes = drawings()[8]
    page.get_by_role("button", name="clear").click()
    for points in strokes:
        stroke(page, points)
    settled(page)
    maps = page.locator('[data-layer="second"] canvas')
    maps.scroll_into_view_if_needed()
    box = maps.bounding_box()
    page.mouse.move(box["x"] + 30, box["y"] + 30)
    settled(page)
    text = page.locator("#cell-value").inner_text()
    index = [int(i) for i in re.search(r"\(([\d, ]+)\)", text)[1].split(",")]
    given = asked(address, "cell", json.dumps({"name": "second", "index": index}))
    assert f"= {given['value']:.17g}".rstrip("0") in text or f"= {given['value']}" in text
    assert given["text"].split("\n")[0] in page.locator(".numbers pre").inner_text()
    (top, bottom), (left, right) = given["field"]  # without its end
    seen = page.locator(".numbers figcaption").inner_text()
    assert seen == f"what it sees: rows {top} to {bottom - 1}, columns {left} to {right - 1}"
    page.locator("#label").select_option("3")
    page.get_by_role("button", name="backward").click()
    settled(page)
    assert page.locator("#loss").inner_text().startswith("loss of 3: ")
    assert "dL/d of it = " in page.locator("#cell-value").inner_text()
    assert "BACKWARD" in page.locator(".numbers pre").inner_text()
    page.locator("#label").select_option("")
    settled(page)


def test_it_is_used_by_the_keyboard_alone(page):
    def press(key, times=1):
        for _ in range(times):
            page.keyboard.press(key)

    for _ in range(3):
        press("Tab")
        if page.evaluate("document.activeElement.id") == "pen":
            break
    press("Delete")
    press("ArrowUp", 6)
    press(" ")
    press("ArrowDown", 12)
    assert int(np.argmax(settled(page))) == 1
    for _ in range(40):
        press("Tab")
        if page.evaluate("document.activeElement.closest('[data-layer]')?.dataset.layer") == "second":
            break
    settled(page)
    before = page.locator("#cell-value").inner_text()
    assert before.startswith("second (4, 4, 0)")
    press("ArrowRight", 2)
    press("PageDown")
    settled(page)
    assert page.locator("#cell-value").inner_text().startswith("second (4, 6, 1)")


def until(page, reached):
    """Wait for what the training tab says; the page's policy lets nobody evaluate text there."""
    end = time.monotonic() + 30
    while not reached(int((text := page.locator("#training").inner_text()).split()[1].strip(",")), text):
        assert time.monotonic() < end, text
        page.wait_for_timeout(50)


def test_training_moves_what_is_shown_and_pauses(page):
    settled(page)
    page.locator("#rate").fill("0.0005")
    page.get_by_role("button", name="one step").click()
    until(page, lambda step, text: step == 1 and "loss" in text)
    page.get_by_role("button", name="train", exact=True).click()
    until(page, lambda step, text: step > 5)
    page.get_by_role("button", name="pause").click()
    page.get_by_role("button", name="train", exact=True).wait_for()
    settled(page)
    step = page.locator("#training").inner_text()
    page.wait_for_timeout(500)
    assert page.locator("#training").inner_text() == step


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing(chromium, address, scheme, width):
    with visited(chromium, address, width=width, color_scheme=scheme) as page:
        stroke(page, [(0.5, 0.1), (0.5, 0.9)])
        page.locator('[data-layer="first"] canvas').focus()
        settled(page)
        accessible(page)


def test_a_closed_browser_ends_nothing(chromium, address):
    context = chromium.new_context()
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("[data-layer]")
    context.close()
    assert asked(address, "about", b"")["input"] == [28, 28, 1]
