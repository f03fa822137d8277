"""Who is answered: this machine's browser at the address with the token, in the form that the page has."""

import json

import pytest

from minicnn.play.session import Session

from .test_session import like_mnist

pytestmark = pytest.mark.tools
pytest.importorskip("starlette", reason='no starlette: pip install -e ".[play]"')
pytest.importorskip("httpx", reason="no httpx, with which starlette's own test client asks")

PORT, TOKEN = 8123, "a-token"


@pytest.fixture(scope="module")
def client():
    from starlette.testclient import TestClient

    from minicnn.play.server import application

    return TestClient(application(Session(like_mnist()), PORT, TOKEN), base_url=f"http://127.0.0.1:{PORT}")


def test_the_page_and_its_files(client):
    for name, kind in {"": "text/html", "app.js": "text/javascript", "preact.js": "text/javascript",
                       "style.css": "text/css"}.items():  # fmt: skip
        answer = client.get(f"/{TOKEN}/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "http" not in answer.text.replace("http://www.w3.org", "").partition("*/")[2]  # no address elsewhere


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8123", "127.0.0.1:9", "127.0.0.1", "", "localhost:8123.evil"]
)
def test_another_host_is_refused(client, host):
    for answer in (client.get(f"/{TOKEN}/", headers={"host": host}),
                   client.post(f"/{TOKEN}/api/about", headers={"host": host})):  # fmt: skip
        assert answer.status_code == 421
        assert "minicnn" not in answer.text


@pytest.mark.parametrize("path", ["/", "/api/about", "/wrong/", "/a-toke/", "/a-token2/api/about", "//a-token/"])
def test_without_the_token_there_is_nothing(client, path):
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404


@pytest.mark.parametrize("path", ["../pyproject.toml", "%2e%2e/__init__.py", "page/app.js", "session.py", "api/none"])
def test_files_are_not_chosen_from_outside(client, path):
    assert client.get(f"/{TOKEN}/{path}").status_code in (404, 405)


def test_drawing_looking_and_asking(client):
    assert client.post(f"/{TOKEN}/api/about").json()["input"] == [28, 28, 1]
    found = client.post(f"/{TOKEN}/api/draw", content=bytes(140 * 140)).json()
    assert [stage["name"] for stage in found["stages"]] == ["drawn", "cropped", "scaled", "centred"]
    assert len(found["outputs"]) == 10
    assert client.post(f"/{TOKEN}/api/look").json()["outputs"] == found["outputs"]
    name = client.post(f"/{TOKEN}/api/about").json()["layers"][0]["name"]
    cell = client.post(f"/{TOKEN}/api/cell", json={"name": name, "index": [1, 2, 3]}).json()
    assert cell["index"] == [1, 2, 3]
    assert client.post(f"/{TOKEN}/api/backward", json={"label": 3}).json()["label"] == 3
    assert client.post(f"/{TOKEN}/api/train", json={"what": "step"}).json()["step"] == 1
    assert client.post(f"/{TOKEN}/api/progress").json()["step"] == 1
    example = client.post(f"/{TOKEN}/api/example", json={"number": 5}).json()
    assert len(example["pixels"]) == 28 * 28
    assert client.get(f"/{TOKEN}/api/look").status_code == 405


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("draw", b""), ("draw", bytes(140 * 140 + 1)), ("draw", bytes(1 << 20)), ("cell", b"{"), ("cell", b"[1]"),
        ("cell", b"\xff\xfe"), ("cell", b'{"name": 3, "index": [0]}'),
        ("cell", b'{"name": "conv2d", "index": [true, 0, 0]}'),
        ("cell", b'{"name": "conv2d", "index": [1e3, 0, 0]}'), ("cell", b'{"name": "nothing", "index": [0]}'),
        ("cell", json.dumps({"name": "conv2d", "index": [0] * 99}).encode()), ("backward", b'{"label": "3"}'),
        ("backward", b'{"label": 10}'), ("train", b'{"what": "exec"}'), ("train", b'{"what": "step", "rate": NaN}'),
        ("train", b'{"what": "step", "rate": "1"}'), ("example", b"{}"), ("cell", b"[" * 100_000),
    ],
)  # fmt: skip
def test_what_is_not_in_the_pages_form_is_told_so(client, name, body):
    answer = client.post(f"/{TOKEN}/api/{name}", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
