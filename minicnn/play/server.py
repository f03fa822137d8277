"""The page and its questions over HTTP, for the browser of whoever started it.

Nobody else is answered: the server listens on 127.0.0.1, every address begins with a random token, and the Host header
must name this machine, so that no foreign page reaches it through a name of its own (DNS rebinding). Questions are POST
with small bodies.
"""

import secrets
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from .assets import page_file
from .questions import LARGEST, QUESTIONS, reply
from .session import Session

HOST = "127.0.0.1"
FILES = {"": ("index.html", "text/html"), "style.css": ("style.css", "text/css")} | {
    name: (name, "text/javascript") for name in ("app.js", "page.js", "preact.js")}  # fmt: skip
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin", "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff", "cache-control": "no-store",
}  # fmt: skip


async def body_of(request: Request) -> bytes:
    """The body, as far as it is read: what is longer than LARGEST is refused."""
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > LARGEST:
            break
    return bytes(found)


def application(session: Session, port: int, token: str) -> Callable:
    """The ASGI app that answers at http://127.0.0.1:port/token/."""
    hosts = {f"{name}:{port}".encode() for name in (HOST, "localhost")}

    def file(name: str):
        path, kind = FILES[name]
        content = page_file(path)

        async def answer(request):
            return Response(content, media_type=kind, headers=HEADERS)

        return answer

    def question(name: str):
        async def answer(request):
            ok, text = await run_in_threadpool(reply, session, name, await body_of(request))
            status = 200 if ok else 400
            return Response(text, status_code=status, media_type="application/json", headers=HEADERS)

        return answer

    routes = [Route(f"/{name}", file(name)) for name in FILES]
    routes += [Route(f"/api/{name}", question(name), methods=["POST"]) for name in QUESTIONS]
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
