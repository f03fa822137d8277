"""The component in a notebook: a widget's model answers what the server does."""

import json
import sys

import numpy as np
import pytest

import minicnn
from minicnn.errors import ArgumentError, MissingPackageError
from minicnn.play import widget
from minicnn.play.questions import LARGEST, QUESTIONS
from minicnn.play.session import Session

from .test_session import like_mnist, odd_vector, residual, two_ends

INK = np.tile(np.arange(140, dtype=np.uint8), 140).tobytes()


@pytest.fixture
def anywidget():
    return pytest.importorskip("anywidget", reason='no anywidget: pip install -e ".[notebook]"')


def alike(build):
    minicnn.keras.backend.clear_session()  # the same names
    return build()


@pytest.mark.tools
@pytest.mark.parametrize("build", [like_mnist, residual, odd_vector, two_ends])
def test_a_widget_answers_as_the_server_does(anywidget, build):
    pytest.importorskip("starlette", reason='no starlette: pip install -e ".[play]"')
    pytest.importorskip("httpx", reason="no httpx, with which starlette's own test client asks")
    from starlette.testclient import TestClient

    from minicnn.play.server import application

    server = TestClient(application(Session(alike(build), "mine"), 1, "t"), base_url="http://127.0.0.1:1")
    shown, said = widget(alike(build), "mine"), []
    shown.send = lambda content, buffers=None: said.append(content)
    name = shown.session.model.leaves[0].name
    cell = json.dumps({"name": name, "index": [1] if build is odd_vector else [1, 2, 1]}).encode()
    asked = [("about", b""), ("draw", INK), ("look", b""), ("cell", cell), ("backward", b'{"label": 1}'),
             ("cell", cell), ("example", b'{"number": 3}'), ("progress", b""), ("draw", INK[1:]),
             ("draw", bytes(LARGEST + 1)), ("cell", b'{"name": 3}'), ("backward", b'{"label": NaN}'),
             ("train", b'{"what": "exec"}'), ("cell", b"[" * 9999), ("train", b'{"what": "step"}')]  # fmt: skip
    assert {question for question, _ in asked} == set(QUESTIONS)
    for number, (question, body) in enumerate(asked):
        answer = server.post(f"/t/api/{question}", content=body)
        shown._handle_custom_msg({"view": 0.5, "id": number, "name": question}, [memoryview(body)] if body else [])
        found = said[-1]
        assert (found["view"], found["id"], found["ok"]) == (0.5, number, answer.status_code == 200)
        if (question, found["ok"]) == ("train", True):  # of a batch of its own
            assert json.loads(found["answer"]).keys() == answer.json().keys()
        else:
            assert found["answer"] == answer.text, question
    assert sum(not found["ok"] for found in said) == 6 + (build is not like_mnist)
    shown._handle_custom_msg({"view": 0.5, "id": 99, "name": "../about"}, [])
    assert (said[-1]["ok"], "play: question" in said[-1]["answer"]) == (False, True)
    assert str(shown).startswith("<Widget of mine:")
    shown.close()
    assert shown.session.trainer._end


@pytest.mark.tools
def test_what_breaks_is_told_to_the_page_and_to_the_log(anywidget, monkeypatch):
    shown, said = widget(like_mnist()), []
    shown.send = lambda content, buffers=None: said.append(content)
    monkeypatch.setattr(Session, "look", lambda self: 1 / 0)
    monkeypatch.setitem(QUESTIONS, "look", lambda session, body: session.look())
    with pytest.raises(ZeroDivisionError):
        shown._asked(shown, {"view": 0, "id": 1, "name": "look"}, [])
    assert (said[0]["ok"], "log" in said[0]["answer"]) == (False, True)


def test_without_anywidget_it_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "minicnn.play.notebook", raising=False)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(MissingPackageError, match=r"play\.widget: .*pip install anywidget"):
        widget(like_mnist())


@pytest.mark.tools
def test_a_model_that_cannot_be_drawn_is_refused(anywidget):
    a, b = minicnn.layers.Input((4, 4, 1)), minicnn.layers.Input((4, 4, 1))
    two = minicnn.Model([a, b], minicnn.layers.Add()([a, b]), seed=0)
    with pytest.raises(ArgumentError, match="one input that can be drawn"):
        minicnn.play.widget(two)
