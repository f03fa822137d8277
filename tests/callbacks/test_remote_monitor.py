"""RemoteMonitor and SwapEMAWeights."""

import http.server
import json
import threading
import urllib.parse

import numpy as np
import pytest

import minicnn as mc
from minicnn.callbacks import Callback, RemoteMonitor, SwapEMAWeights
from minicnn.errors import ArgumentError


@pytest.fixture
def server():
    """A server of this machine that keeps what it is sent."""
    seen = []

    class Keep(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            seen.append((self.path, self.headers["Content-Type"], self.headers.get("X-Run"), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    here = http.server.HTTPServer(("127.0.0.1", 0), Keep)
    threading.Thread(target=here.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{here.server_port}", seen
    here.shutdown()
    here.server_close()


def test_results_are_sent(server):
    root, seen = server
    RemoteMonitor(root, headers={"X-Run": "a"}).on_epoch_end(0, {"loss": np.float32(0.5)})
    RemoteMonitor(root, "/x", send_as_json=True).on_epoch_end(3, {"acc": 1})
    (path, kind, run, body), (other, kind_2, _, body_2) = seen
    assert (path, run, kind) == ("/publish/epoch/end/", "a", "application/x-www-form-urlencoded")
    assert json.loads(urllib.parse.parse_qs(body)["data"][0]) == {"epoch": 0, "loss": 0.5}
    assert (other, kind_2, json.loads(body_2)) == ("/x", "application/json", {"epoch": 3, "acc": 1.0})


def test_a_server_that_is_not_there_is_a_warning():
    with pytest.warns(UserWarning, match="RemoteMonitor could not send to http://127.0.0.1:9:"):
        RemoteMonitor("http://127.0.0.1:9").on_epoch_end(0, {"loss": 1.0})
    with pytest.raises(ArgumentError, match="begins with http:// or https://, received 'file:///etc'"):
        RemoteMonitor("file:///etc")


class Weights(Callback):
    """The weights at every hook."""

    def __init__(self):
        super().__init__()
        self.seen = {}

    def keep(self, hook):
        self.seen.setdefault(hook, []).append(self.model.get_weights()[0].copy())

    def on_epoch_begin(self, epoch, logs=None):
        self.keep("begin")

    def on_test_begin(self, logs=None):
        self.keep("test")

    def on_epoch_end(self, epoch, logs=None):
        self.keep("end")


def trained(*before, **how):
    x, y = np.random.default_rng(0).random((8, 4)), np.eye(3)[np.arange(8) % 3]
    model = mc.Sequential([mc.layers.Input((4,)), mc.layers.Dense(3)], seed=2)
    model.compile(mc.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5), "mse")
    seen = Weights()
    model.fit(x, y, epochs=3, verbose=0, callbacks=[*before, seen], validation_data=(x, y), **how)
    return model, seen.seen


def test_averages_are_evaluated_and_weights_trained():
    plain, seen = trained()
    swapped, averages = trained(SwapEMAWeights())
    for hook in ("begin", "end"):
        np.testing.assert_array_equal(seen[hook], averages[hook])
    average, w = 0.0, seen["end"]
    for n in range(3):
        average = w[0] if n == 0 else 0.5 * average + 0.5 * w[n]
        np.testing.assert_allclose(averages["test"][n], average, rtol=1e-6)
    np.testing.assert_array_equal(plain.get_weights()[0], swapped.get_weights()[0])
    np.testing.assert_allclose(plain.get_weights()[0], average, rtol=1e-6)


def test_swapped_between_epochs():
    plain, seen = trained()
    swapped, averages = trained(SwapEMAWeights(swap_on_epoch=True))
    np.testing.assert_array_equal(seen["begin"], averages["begin"][:1] + seen["begin"][1:])
    np.testing.assert_array_equal(averages["end"][2], plain.get_weights()[0])
    np.testing.assert_array_equal(swapped.get_weights()[0], plain.get_weights()[0])
    np.testing.assert_array_equal(swapped.optimizer.get_state()["average"][0], plain.get_weights()[0])


def test_an_optimizer_without_averages_is_refused():
    model = mc.Sequential([mc.layers.Input((4,)), mc.layers.Dense(3)])
    model.compile("sgd", "mse")
    with pytest.raises(ArgumentError, match="an optimizer that keeps averages, received none; write use_ema=True"):
        model.fit(np.ones((4, 4)), np.ones((4, 3)), callbacks=[SwapEMAWeights()], verbose=0)
