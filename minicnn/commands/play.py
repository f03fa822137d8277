"""minicnn play MODEL: draw, and see every number of your model's forward and backward, on a page of this machine.

    minicnn play runs/kaggle_bn          what minicnn train left there
    minicnn play model.keras --port 8000
    minicnn play                         a small network that has learnt nothing yet: the page trains it

MODEL: a .minicnn, .keras or .h5 file, or a run's folder; without one nothing has to be compiled. The page is served on
127.0.0.1 alone, at an address with a random token, until Ctrl-C. Needs the extra: pip install -e ".[play]".
Exit codes: 0 after Ctrl-C; 2 bad input.
"""

import importlib.util
import secrets
import socket
import sys
from pathlib import Path
from typing import Any

import minicnn
from minicnn.errors import MinicnnError

from . import models
from .parser import Parser

NEEDED = ("starlette", "uvicorn")


def main(argv: list[str] | None = None, prog: str = "minicnn play") -> int:
    parser = Parser(prog=prog, description=__doc__)
    words = "a .minicnn, .keras or .h5 file, or a run's folder; default: a small network, untrained"
    parser.add_argument("model", type=Path, metavar="MODEL", nargs="?", help=words)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    args = parser.parse_args(argv)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f'{prog}: {" and ".join(missing)} missing: pip install -e ".[play]"', file=sys.stderr)
        return 2
    if not 0 <= args.port < 65536:
        print(f"{prog}: --port: expected 0 to 65535, received {args.port}", file=sys.stderr)
        return 2
    from minicnn.play.session import Session

    try:
        model = beginner() if args.model is None else models.load(args.model)
        said = models.with_a_loss(model)
        session = Session(model, "a network that has learnt nothing yet" if args.model is None else str(args.model))
        listening = socket.create_server(("127.0.0.1", args.port))
    except (MinicnnError, OSError) as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 2
    if said:
        print(f"note      {said}")
    return serve(session, listening)


def beginner() -> Any:
    """A small network for digits, on the kernels that are there to be read: they run at once."""
    layers = minicnn.layers
    parts = [layers.Input((28, 28, 1)), layers.Conv2D(6, 5, activation="relu"), layers.MaxPooling2D(),
             layers.Conv2D(12, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
             layers.Dense(10, activation="softmax")]  # fmt: skip
    model = minicnn.Sequential(parts, seed=0, kernels="numpy_ref")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def serve(session: Any, listening: socket.socket) -> int:
    """Answer until Ctrl-C."""
    import uvicorn

    from minicnn.play.server import HOST, application

    port, token = listening.getsockname()[1], secrets.token_urlsafe(16)
    app = application(session, port, token)
    settings = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    print(f"page      http://{HOST}:{port}/{token}/  (Ctrl-C ends it)", flush=True)
    try:
        uvicorn.Server(settings).run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # uvicorn has closed everything, and raises it on
    finally:
        session.trainer.close()
    print("ended")
    return 0
