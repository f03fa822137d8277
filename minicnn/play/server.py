"""The page and its questions over HTTP, for the browser of whoever started it.

Nobody else is answered: the server listens on 127.0.0.1, every address begins with a random token, and the Host header
must name this machine, so that no foreign page reaches it through a name of its own (DNS rebinding). Questions are POST
with small bodies: bytes of a drawing, or JSON of a few plain fields. Nothing that arrives chooses a file or a size.
"""

import secrets
from collections.abc import Callable
from importlib import resources

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from ..errors import MinicnnError
from ..io import strict_json
from .session import Session

HOST = "127.0.0.1"
LARGEST = 1 << 19  # bytes of a body
SIDE = 140  # px of the page's canvas
FILES = {"": ("index.html", "text/html"), "app.js": ("app.js", "text/javascript"),
         "preact.js": ("preact.js", "text/javascript"), "style.css": ("style.css", "text/css")}  # fmt: skip
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin", "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff", "cache-control": "no-store",
}  # fmt: skip


def whole(value) -> int:
    """A number that JSON may have carried, or ValueError."""
    if type(value) is not int:
        raise ValueError(f"expected a whole number, received {value!r:.40}")
    return value


async def body_of(request: Request) -> bytes:
    """The body, or ValueError where it is too long."""
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > LARGEST:
            raise ValueError(f"expected at most {LARGEST} bytes")
    return bytes(found)


async def fields_of(request: Request) -> dict:
    given = strict_json.parse(await body_of(request) or b"{}")
    if not isinstance(given, dict):
        raise ValueError("expected an object of fields")
    return given


def application(session: Session, port: int, token: str) -> Callable:
    """The ASGI app that answers at http://127.0.0.1:port/token/."""
    hosts = {f"{name}:{port}".encode() for name in (HOST, "localhost")}

    def file(name: str):
        path, kind = FILES[name]
        content = resources.files(str(__package__)).joinpath("page", path).read_bytes()

        async def answer(request):
            return Response(content, media_type=kind, headers=HEADERS)

        return answer

    def question(ask):
        """An answer in JSON; what the asker did wrong is told in a sentence, with 400."""

        async def answer(request):
            try:
                work = await ask(request)
                return JSONResponse(await run_in_threadpool(work), headers=HEADERS)
            except (MinicnnError, ValueError, KeyError, TypeError) as error:
                return JSONResponse({"error": str(error)}, status_code=400, headers=HEADERS)

        return answer

    async def about(request):
        return session.about

    async def draw(request):
        pixels = await body_of(request)
        if len(pixels) != SIDE * SIDE:
            raise ValueError(f"expected {SIDE} x {SIDE} bytes, received {len(pixels)}")
        return lambda: session.draw(np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE))

    async def example(request):
        number = whole((await fields_of(request)).get("number"))
        return lambda: {"side": 28, "pixels": session.example(number).reshape(-1).tolist()}

    async def look(request):
        return session.look

    async def backward(request):
        label = (await fields_of(request)).get("label")
        label = None if label is None else whole(label)
        return lambda: session.backward(label)

    async def cell(request):
        given = await fields_of(request)
        name, index = given.get("name"), given.get("index")
        if not isinstance(name, str) or not isinstance(index, list) or len(index) > 4:
            raise ValueError("expected a layer's name and a cell's index")
        index = [whole(i) for i in index]
        return lambda: session.cell(name, index)

    async def train(request):
        given = await fields_of(request)
        rate = given.get("rate")
        if rate is not None and type(rate) not in (int, float):
            raise ValueError(f"expected a rate, received {rate!r:.40}")
        return lambda: session.trainer.command(str(given.get("what")), rate)

    async def progress(request):
        return session.trainer.state

    asks = {"about": about, "draw": draw, "example": example, "look": look, "backward": backward, "cell": cell,
            "train": train, "progress": progress}  # fmt: skip
    routes = [Route(f"/{name}", file(name)) for name in FILES]
    routes += [Route(f"/api/{name}", question(ask), methods=["POST"]) for name, ask in asks.items()]
    inner = Starlette(routes=[Mount(f"/{token}", routes=routes)])

    async def guarded(scope, receive, send):
        """Answer this machine's name alone; of a wrong token's address nothing is known."""
        if scope["type"] == "http":
            given = [value for name, value in scope["headers"] if name == b"host"]
            if len(given) != 1 or given[0].lower() not in hosts:
                said = "this server answers to 127.0.0.1 alone\n"
                await PlainTextResponse(said, status_code=421, headers=HEADERS)(scope, receive, send)
                return
            first = scope["path"].split("/")[1] if "/" in scope["path"] else ""
            if not secrets.compare_digest(first.encode(), token.encode()):
                await PlainTextResponse("not found\n", status_code=404, headers=HEADERS)(scope, receive, send)
                return
        await inner(scope, receive, send)

    return guarded
