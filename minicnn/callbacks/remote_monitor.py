"""RemoteMonitor: an epoch's results, sent to a server."""

import json
import urllib.error
import urllib.parse
import urllib.request
import warnings

import numpy as np

from ..arguments import flag, instance, text
from ..errors import ArgumentError, require
from .base import Callback, Logs

PATIENCE = 10  # s: training waits for the server no longer


class RemoteMonitor(Callback):
    """POST {"epoch": e, "loss": ..., ...} to root + path after every epoch, as the form field `field` or as JSON.

    Epochs count from 0.  headers: a dict of more of them.  A server that does not answer is a warning, not an error.

    Source: Keras 3, callbacks/remote_monitor.py.
    Differs from Keras: a server has 10 s to answer; an answer that is an error is a warning too; it is
    sent by urllib, not by the package requests.
    """

    def __init__(self, root: str = "http://localhost:9000", path: str = "/publish/epoch/end/", field: str = "data",
                 headers: dict[str, str] | None = None, send_as_json: bool = False):  # fmt: skip
        super().__init__()
        where = "RemoteMonitor: "
        self.root, self.path = text(where + "root", root), text(where + "path", path, empty=True)
        self.field = text(where + "field", field)
        web = urllib.parse.urlsplit(self.root).scheme in ("http", "https")
        require(web, where + "root", "an address that begins with http:// or https://", repr(root), error=ArgumentError)
        headers = instance(where + "headers", headers, dict, "a dict from names to texts", optional=True)
        self.headers = {text(where + "headers", k): text(where + "headers", v) for k, v in (headers or {}).items()}
        self.send_as_json = flag(where + "send_as_json", send_as_json)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        send = {"epoch": epoch} | {name: float(np.asarray(value).item()) for name, value in (logs or {}).items()}
        body = json.dumps(send)
        kind = "application/json" if self.send_as_json else "application/x-www-form-urlencoded"
        if not self.send_as_json:
            body = urllib.parse.urlencode({self.field: body})
        request = urllib.request.Request(
            self.root + self.path, body.encode(), {"Content-Type": kind} | self.headers, method="POST"
        )
        try:
            urllib.request.urlopen(request, timeout=PATIENCE).close()
        except (OSError, ValueError) as cause:
            warnings.warn(f"RemoteMonitor could not send to {self.root}: {cause}", stacklevel=2)
