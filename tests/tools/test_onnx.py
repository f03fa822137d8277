"""model.export: onnx.checker passes, and onnxruntime computes what predict does, for every layer and graph."""

import json
import os
import stat
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import minicnn
from minicnn import layers as nn
from minicnn.errors import ArgumentError, FileError, MissingPackageError, NotBuiltError, UnsupportedError
from minicnn.io.onnx_ops import FORMS
from minicnn.layers.operation import OPS
from minicnn.ops import compare
from tests.parity.networks import LAYERS, NETWORKS
from tests.training.test_saving import EVERY

reason = 'needs the packages onnx and onnxruntime: pip install -e ".[onnx]"'
onnx = pytest.importorskip("onnx", reason=reason)
ort = pytest.importorskip("onnxruntime", reason=reason)
pytestmark = pytest.mark.tools

STATISTICS = {"batch_norm"}  # of the batch: training alone
IMAGE, ops = (6, 7, 3), SimpleNamespace(**OPS)


def shaken(model, rng):
    """The model with weights away from what they begin as: no zero bias, no mean of 0, no variance of 1."""
    model.set_weights([w + rng.uniform(0.05, 0.3, w.shape) for w in model.get_weights()])
    return model


def same(model, path, rng, **options):
    """Export, run by onnxruntime on one row and on three, and compare with predict."""
    model.export(path, **options)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == model.input_names
    assert [one.name for one in session.get_outputs()] == model.output_names
    for rows in (1, 3):
        shapes = model.sample_in if isinstance(model.sample_in, list) else [model.sample_in]
        xs = [rng.normal(size=(rows, *shape)).astype(np.float32) for shape in shapes]
        want = model.predict(xs if len(xs) > 1 else xs[0], verbose=0)
        found = session.run(None, dict(zip(model.input_names, xs, strict=True)))
        for a, b in zip(found, want if isinstance(want, list) else [want], strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * max(1, np.abs(b).max()))  # of the largest
    return onnx.load(path)


SINGLE = {name: (shape, build) for name, (shape, build) in EVERY.items()} | {
    f"{name} of Keras's": (shape, lambda build=build: build(nn)) for name, (shape, build) in LAYERS.items()
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "build"), SINGLE.values(), ids=SINGLE)
def test_every_layer(tmp_path, rng, shape, build):
    same(shaken(minicnn.Sequential([nn.Input(shape), build()], seed=1), rng), tmp_path / "layer.onnx", rng)


@pytest.mark.slow
@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_the_five_networks(tmp_path, rng, build):
    same(build(minicnn, seed=1), tmp_path / "network.onnx", rng)


def test_a_chain_of_convolutions_is_transposed_once_at_each_end(tmp_path, rng):
    model = minicnn.Sequential([
        nn.Input(IMAGE), nn.Conv2D(4, 3, padding="same", activation="relu"), nn.BatchNormalization(),
        nn.MaxPooling2D(), nn.Conv2D(4, 3, dilation_rate=1, padding="same", activation="gelu"),
        nn.GlobalAveragePooling2D(), nn.Dropout(0.5), nn.Dense(5, activation="softmax"),
    ])  # fmt: skip
    proto = same(shaken(model, rng), tmp_path / "m.onnx", rng)
    kinds = [node.op_type for node in proto.graph.node]
    assert kinds.count("Transpose") == 2
    assert "Dropout" not in kinds
    assert proto.producer_name == "minicnn"
    assert proto.opset_import[0].version == 17
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def residual():
    x = nn.Input(IMAGE)
    shared = nn.Conv2D(3, 3, padding="same")
    y = nn.Add()([x, shared(x)])
    y = nn.Concatenate()([y, shared(y), x[..., ::2]])
    return minicnn.Model(x, nn.Dense(2)(nn.Flatten()(2 * y - 1)))


def several():
    x, z = nn.Input(IMAGE), nn.Input((5,))
    inner = minicnn.Sequential([nn.Input(IMAGE), nn.Conv2D(2, 3), nn.Flatten(), nn.Dense(5)], name="inner")
    y = nn.Average()([inner(x), z])
    return minicnn.Model([x, z], [nn.Maximum()([y, z]), nn.Dot(1, normalize=True)([y, z]), y, x])


def functions():
    """Of images, ops that no layer calls."""
    x = nn.Input(IMAGE)
    y = ops.stack(x, ops.sin(x), axis=1)[:, -1] + ops.clip(x, low=-0.5, high=0.5) / (ops.exp(x) + 1)
    y = y - ops.logsumexp(y, axis=(1, 2), keepdims=True) + ops.cumulative_sum(ops.absolute(y), axis=1) ** 2
    y = ops.minimum(y, ops.amax(x, axis=-1, keepdims=True)) - ops.amin(y, axis=2, keepdims=True)
    y = y + ops.product(ops.cos(x), axis=3, keepdims=True) + ops.total(x, axis=1, keepdims=True)
    return minicnn.Model(x, [y[:, 2, ::-1, None], ops.tile(-y, repeats=(2, 1, 1)), ops.log(ops.sqrt(y * y + 1))])


def merged():
    x, z = nn.Input(IMAGE), nn.Input(IMAGE)
    kinds = [nn.Add, nn.Subtract, nn.Multiply, nn.Average, nn.Maximum, nn.Minimum, nn.Concatenate]
    a, b = nn.Conv2D(3, 3, padding="same")(x), z
    more = [nn.Concatenate(1)([a, b]), nn.Dot((3, 3))([a, b])]
    return minicnn.Model([x, z], [kind()([a, b]) for kind in kinds] + more)


GRAPHS = {one.__name__: one for one in (residual, several, functions, merged)}


@pytest.mark.parametrize("build", GRAPHS.values(), ids=GRAPHS)
def test_graphs(tmp_path, rng, build):
    same(shaken(build(), rng), tmp_path / "graph.onnx", rng)


def test_activations(tmp_path, rng):
    """All that a layer may name, which excepts glu and threshold, as outputs of one graph."""
    names = sorted(set(minicnn.activations.FUNCTIONS) - {"glu", "threshold", "sparsemax"})
    x = nn.Input((6,))
    same(minicnn.Model(x, [nn.Activation(name)(x) for name in names]), tmp_path / "m.onnx", rng)
    with pytest.raises(UnsupportedError, match=r"expected a layer whose ops are known, received Activation"):
        minicnn.Model(x, nn.Activation("sparsemax")(x)).export(tmp_path / "m.onnx")  # it sorts


class Shared(nn.Layer):
    """Sums the rows of its weight that belong together: segment_sum is of the first axis, which images have taken."""

    traceable = True

    def build(self, input_shape):
        self.rows = self.add_weight("rows", (5, *input_shape), "random_normal")
        return (3,)

    def call(self, x, *, training):
        return x @ ops.transpose(ops.segment_sum(self.rows, ids=np.array([2, 0, 2, 7, -1]), count=3), axes=(1, 0))


def test_sums_of_segments(tmp_path, rng):
    same(shaken(minicnn.Sequential([nn.Input((4,)), Shared()]), rng), tmp_path / "m.onnx", rng)


@pytest.mark.parametrize("shape", [(5,), IMAGE])
def test_comparisons_of_symbols(tmp_path, rng, shape):
    c = compare
    x = nn.Input(shape)
    y = nn.Conv2D(3, 3, padding="same")(x) if len(shape) == 3 else 3 * x
    answers = [f(y, 0.5) for f in (c.greater, c.greater_equal, c.less, c.less_equal, c.equal, c.not_equal)]
    answers += [f(2 * y) for f in (c.rounded, c.floor, c.ceil, c.sign, c.isnan, c.isinf)]
    answers += [c.where(y > 0, y, -1.0), c.where(c.rounded(y), 2.0, y), c.where(np.eye(1, shape[-1])[0], y, 0.0)]
    same(shaken(minicnn.Model(x, answers), rng), tmp_path / "m.onnx", rng)


def test_what_asks_along_an_axis_is_refused_by_name(tmp_path):
    x = nn.Input((3,))
    with pytest.raises(UnsupportedError, match=r"argmax: expected ops that ONNX has .*, received argmax"):
        minicnn.Model(x, compare.argmax(x, axis=-1)).export(tmp_path / "m.onnx")


@pytest.mark.parametrize("opset", [18, 21])
def test_a_newer_opset(tmp_path, rng, opset):
    model = minicnn.Sequential([nn.Input(IMAGE), nn.LayerNormalization([1, 2]), nn.Conv2D(2, 3)])
    proto = same(shaken(model, rng), tmp_path / "m.onnx", rng, opset=opset)
    assert proto.opset_import[0].version == opset


def test_every_op_that_a_graph_may_hold_has_its_form():
    missing = set(OPS) - set(FORMS) - STATISTICS
    assert not missing, "write their forms in minicnn/io/onnx_ops.py"


def test_what_no_file_can_hold_is_refused_by_name(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"before")
    for layer, message in [
        (nn.Lambda(lambda x: x * 2, name="twice"), r"export: twice: expected a layer .*, received Lambda, which calls"),
        (nn.Dense(2, activation=lambda x: x * x, name="own"), r"export: own: expected a layer .*, received Dense"),
    ]:
        model = minicnn.Sequential([nn.Input((3,)), layer])
        with pytest.raises(UnsupportedError, match=message):
            model.export(path)
    x = nn.Input((3,))
    drawn = minicnn.Model(x, nn.Dropout(0.5, name="always")(x, training=True))
    with pytest.raises(UnsupportedError, match="export: always/dropout: expected ops that ONNX has at inference"):
        drawn.export(path)
    assert path.read_bytes() == b"before"


def test_arguments(tmp_path):
    model = minicnn.Sequential([nn.Input((3,)), nn.Dense(2)])
    with pytest.raises(ArgumentError, match=r'export: filepath: expected .* ends in .onnx, .*; use "m.onnx"'):
        model.export("m.keras")
    with pytest.raises(ArgumentError, match="export: opset: expected a whole number from 17 to 23, received 9"):
        model.export(tmp_path / "m.onnx", opset=9)
    with pytest.raises(ArgumentError, match='export: format: expected "onnx", received'):
        model.export(tmp_path / "m.onnx", format="onxn")
    with pytest.raises(UnsupportedError, match="minicnn has no export to tf_saved_model"):
        model.export(tmp_path / "m.onnx", format="tf_saved_model")
    with pytest.raises(NotBuiltError, match="export: model: expected a built model"):
        minicnn.Sequential([nn.Dense(2)]).export(tmp_path / "m.onnx")


def test_the_file_is_replaced_whole_and_keeps_its_mode(tmp_path, monkeypatch):
    model = minicnn.Sequential([nn.Input((3,)), nn.Dense(2)])
    path = tmp_path / "m.onnx"
    model.export(path, format="onnx")
    os.chmod(path, 0o640)
    first = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(FileError, match="No space left"):
        model.export(path)
    monkeypatch.undo()
    assert path.read_bytes() == first
    assert [one.name for one in tmp_path.iterdir()] == ["m.onnx"]
    model.export(path)
    assert path.read_bytes() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match="export: expected the package onnx to be installed"):
        minicnn.Sequential([nn.Input((3,)), nn.Dense(2)]).export(tmp_path / "m.onnx")


@pytest.mark.slow
def test_the_example(tmp_path):
    command = [sys.executable, "examples/export_onnx.py", "--out", str(tmp_path), "--limit", "400", "--epochs", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["float32"]["largest difference"] < 1e-5
    assert found["int8"]["bytes"] < 0.5 * found["float32"]["bytes"]
    assert found["int8"]["accuracy"] > found["float32"]["accuracy"] - 0.05


def test_sizes_that_are_left_open(tmp_path, rng):
    model = shaken(minicnn.Sequential([
        nn.Input((None, None, 3)), nn.Conv2D(4, 3, padding="same", strides=2), nn.MaxPooling2D(3, 2, padding="same"),
        nn.BatchNormalization(), nn.DepthwiseConv2D(3, padding="same", strides=3, activation="relu"),
        nn.ZeroPadding2D(2), nn.Cropping2D(((1, 0), (0, 1))), nn.UpSampling2D(2),
        nn.AveragePooling2D(3, 2, padding="same"), nn.Conv2D(5, 2, dilation_rate=2, padding="same"),
    ], seed=1), rng)  # fmt: skip
    top = minicnn.Model(model.inputs, [model.output, nn.Dense(2)(nn.GlobalAveragePooling2D()(model.output))])
    top.export(tmp_path / "open.onnx")
    session = ort.InferenceSession(tmp_path / "open.onnx", providers=["CPUExecutionProvider"])
    assert [None if isinstance(n, str) else n for n in session.get_inputs()[0].shape] == [None, None, None, 3]
    for size in ((2, 24, 31), (1, 60, 61), (3, 37, 19)):
        x = rng.normal(size=(*size, 3)).astype(np.float32)
        for found, wanted in zip(session.run(None, {top.input_names[0]: x}), top.predict(x, verbose=0), strict=True):
            assert found.shape == wanted.shape
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * max(1, np.abs(wanted).max()))


@pytest.mark.parametrize("layer", [nn.Resizing(8, 8, name="here"), nn.Conv2DTranspose(2, 3, name="here")])
def test_what_needs_a_size_says_so(tmp_path, layer):
    model = minicnn.Sequential([nn.Input((None, None, 3)), layer])
    message = r"export: here/.*: expected the same op for every size of images, received one .*; build it with Input"
    with pytest.raises(UnsupportedError, match=message):
        model.export(tmp_path / "m.onnx")
