"""The downloader against a server on this machine that does everything wrong."""

import http.server
import threading

import pytest

from minicnn.data import download
from minicnn.data.download import Limits, fetch
from minicnn.errors import DataError, MissingDataError

from .conftest import exactly

CONTENT = bytes(range(256)) * 1000
# No test may fail because the machine is slow: times that must not pass are long; the few that must pass are short, and
# what they wait for never comes.
LIMITS = Limits(most_bytes=300_000, timeout=600.0, deadline=600.0, progress=False)
SHORT = 0.2  # s


class Handler(http.server.BaseHTTPRequestHandler):
    """Behaves as the first part of the path says: /behaviour/name."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        behaviour = self.path.split("/")[1]
        ranged = self.headers.get("Range")
        self.server.requests.append((behaviour, ranged))
        start = int(ranged.removeprefix("bytes=").removesuffix("-")) if ranged else 0
        self.close_connection = True
        getattr(self, behaviour)(start, CONTENT)

    def answer(self, start, content, status=None, length=None, send=None):
        body = content[start:]
        self.send_response(status or (206 if start else 200))
        if start and status is None:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if length is not False:
            self.send_header("Content-Length", str(length or len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[:send])

    def good(self, start, content):
        self.answer(start, content)

    def no_length(self, start, content):
        self.answer(start, content, length=False)

    def no_range(self, start, content):
        self.answer(0, content, status=200)

    def truncates(self, start, content):
        self.answer(start, content, send=100_000)

    def truncates_always_at(self, start, content):
        self.answer(0, content, status=200, send=100_000)

    def wrong(self, start, content):
        self.answer(start, content[::-1])

    def page(self, start, content):
        self.answer(0, b"<!DOCTYPE html>", status=200)

    def missing(self, start, content):
        self.answer(0, b"not here", status=404)

    def no_such_range(self, start, content):
        self.answer(0, b"", status=416) if start else self.good(0, content)

    def wrong_range(self, start, content):
        """Says 206, but sends from the beginning."""
        self.send_response(206)
        self.send_header("Content-Range", f"bytes 0-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def too_long(self, start, content):
        self.answer(0, content * 2, status=200)

    def too_long_unsaid(self, start, content):
        self.answer(0, content * 2, status=200, length=False)

    def stalls(self, start, content):
        self.answer(start, content, send=50_000)
        self.wfile.flush()
        self.server.released.wait()

    def silent(self, start, content):
        self.server.released.wait()

    def trickles(self, start, content):
        self.answer(start, content, send=1)
        while not self.server.released.wait(0.05):
            self.wfile.write(b"x")
            self.wfile.flush()

    def redirects(self, start, content):
        self.to(self.path.replace("redirects", "good"))

    def loops(self, start, content):
        self.to(self.path)

    def to_another_protocol(self, start, content):
        self.to("ftp://127.0.0.1/file")

    def to_a_file(self, start, content):
        self.to("file:///etc/hostname")

    def to_plain_http(self, start, content):
        self.to("http://mirror.invalid/file")

    def to(self, url):
        self.send_response(302)
        self.send_header("Location", url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def nonsense(self, start, content):
        self.wfile.write(b"220 this is no web server\r\n\r\n")


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.requests, server.released = [], threading.Event()
    server.handle_error = lambda *args: None  # clients that hang up
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


def verify(path):
    if path.read_bytes() != CONTENT:
        raise DataError("other bytes")


def get(server, target, *behaviours, limits=LIMITS):
    mirrors = [f"http://127.0.0.1:{server.server_port}/{behaviour}/" for behaviour in behaviours]
    return fetch(target, mirrors, verify, limits)


def left(target):
    return sorted(path.name for path in target.parent.iterdir())


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "file.gz"


@pytest.mark.parametrize("behaviour", ["good", "no_length", "redirects", "no_range", "wrong_range"])
def test_arrives(behaviour, server, target):
    assert get(server, target, behaviour) == target
    assert target.read_bytes() == CONTENT
    assert left(target) == ["file.gz"]


def test_a_cut_connection_is_resumed(server, target):
    get(server, target, "truncates")
    assert target.read_bytes() == CONTENT
    assert server.requests == [("truncates", None), ("truncates", "bytes=100000-"), ("truncates", "bytes=200000-")]


def test_an_interrupted_download_goes_on_next_time(server, target):
    with pytest.raises(MissingDataError):
        get(server, target, "stalls", limits=LIMITS._replace(deadline=0.0))
    assert left(target) == ["file.gz.part"]
    size = (target.parent / "file.gz.part").stat().st_size
    assert 0 < size < len(CONTENT)
    server.requests.clear()
    get(server, target, "good")
    assert server.requests == [("good", f"bytes={size}-")]
    assert target.read_bytes() == CONTENT
    assert left(target) == ["file.gz"]


@pytest.mark.parametrize("behaviour", ["good", "no_range", "no_such_range", "wrong_range"])
@pytest.mark.parametrize("old", [b"not the beginning of the file", CONTENT + b"too much", CONTENT[:1000]])
def test_an_old_part_does_no_harm(behaviour, old, server, target):
    target.parent.mkdir()
    (target.parent / "file.gz.part").write_bytes(old)
    get(server, target, behaviour)
    assert target.read_bytes() == CONTENT
    assert left(target) == ["file.gz"]


FAILURES = {
    "missing": "HTTP 404",
    "wrong": "other bytes than expected",
    "page": "other bytes than expected",
    "too_long": "512000 bytes, more than the 300000 allowed",
    "too_long_unsaid": "more than the 300000 bytes allowed",
    "truncates_always_at": "connection closed after 100000 of 256000 bytes",
    "silent": "no byte within the time-out",
    "to_another_protocol": "ftp, not https",
    "to_a_file": "HTTP 302",
    "to_plain_http": "http, not https",
}


@pytest.fixture
def impatient(monkeypatch):
    """Nobody waits long for a mirror that says nothing; the others have all the time."""
    receive = download._receive

    def short(url, part, limits, until):
        return receive(url, part, limits._replace(timeout=SHORT) if "/silent/" in url else limits, until)

    monkeypatch.setattr(download, "_receive", short)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("behaviour", FAILURES)
def test_failure_says_why_and_the_next_mirror_is_tried(behaviour, server, target):
    with pytest.raises(MissingDataError) as caught:
        get(server, target, behaviour)
    says = (
        f"file.gz: expected to download it, received nothing usable (127.0.0.1:{server.server_port}: "
        f"{FAILURES[behaviour]}); check the network and try again, which resumes, or put the file into "
        f"{target.parent} yourself"
    )
    assert str(caught.value) == says
    assert not target.exists()
    get(server, target, behaviour, "good")
    assert target.read_bytes() == CONTENT
    assert left(target) == ["file.gz"]


@pytest.mark.parametrize("behaviour", ["loops", "nonsense"])
def test_other_failures(behaviour, server, target):
    with pytest.raises(MissingDataError, match="received nothing usable"):
        get(server, target, behaviour)
    assert not target.exists()


def test_a_stall_is_bounded(server, target):
    with pytest.raises(MissingDataError, match="no byte within the time-out"):
        get(server, target, "stalls", limits=LIMITS._replace(timeout=SHORT))
    assert not target.exists()


def test_a_trickle_is_bounded(server, target):
    with pytest.raises(MissingDataError, match="too slow"):
        get(server, target, "trickles", limits=LIMITS._replace(deadline=SHORT))


def test_nobody_listens(target):
    with pytest.raises(MissingDataError, match="refused"):
        fetch(target, ["http://127.0.0.1:9/"], verify, LIMITS)


@pytest.mark.parametrize("url", ["http://mirror.invalid/", "ftp://127.0.0.1/", "file:///etc/"])
def test_only_https(url, target):
    says = f"{url.split(':')[0]}, not https"
    with pytest.raises(MissingDataError, match=says):
        fetch(target, [url], verify, LIMITS)


def test_all_mirrors_are_named(server, target):
    port = server.server_port
    with pytest.raises(MissingDataError, match=f"127.0.0.1:{port}: HTTP 404; 127.0.0.1:{port}: other bytes than"):
        get(server, target, "missing", "wrong")


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("in the folder's place")
    target = tmp_path / "file" / "file.gz"
    says = (
        f'file.gz: expected to download it, received nothing usable (the disk: "File exists"); check the network and '
        f"try again, which resumes, or put the file into {target.parent} yourself"
    )
    with pytest.raises(MissingDataError, match=exactly(says)):
        get(server, target, "good")
