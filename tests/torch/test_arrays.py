"""Tensors of PyTorch wherever arrays go, and ours in PyTorch."""

import importlib

import numpy as np
import pytest

import minicnn
from minicnn import Tensor, arguments
from minicnn.core.tensor import Parameter
from minicnn.errors import ArgumentTypeError, DataError, ShapeError
from tests.tools.arrays import X, Y, made, takes

torch = pytest.importorskip("torch", reason='needs the package torch: pip install -e ".[torch]"')
pytestmark = pytest.mark.torch


@pytest.mark.parametrize("learns", [False, True])
def test_a_model_takes_them(learns):
    takes(torch.tensor(X, requires_grad=learns), torch.tensor(Y), torch.ones(24, requires_grad=learns))


def test_lists_of_them():
    model = made()
    rows = [torch.tensor(one, requires_grad=True) for one in X]
    np.testing.assert_array_equal(model.predict(rows, verbose=0), model.predict(X, verbose=0))
    with pytest.raises(ShapeError, match="x: expected an array of numbers, received samples of unlike shapes"):
        model.predict([torch.ones(6, 6, 2), torch.ones(6, 5, 2)], verbose=0)
    model.set_weights([torch.tensor(w + 1, requires_grad=True) for w in made().get_weights()])
    for one, other in zip(model.get_weights(), made().get_weights(), strict=True):
        np.testing.assert_array_equal(one, other + 1)


def test_memory_is_shared():
    t = torch.tensor(X, requires_grad=True)
    ours = Tensor(t)
    assert ours.data.ctypes.data == t.data_ptr()
    assert not ours.requires_grad
    assert arguments.array("x", t).ctypes.data == t.data_ptr()
    back = torch.from_dlpack(Tensor(X, requires_grad=True))
    assert back.data_ptr() == X.ctypes.data
    assert not back.requires_grad
    weight = made().weights[0]
    assert isinstance(weight, Parameter)
    torch.from_dlpack(weight).zero_()
    assert not weight.numpy().any()


def test_what_does_not_lie_row_by_row():
    t = torch.tensor(X)[::2].permute(0, 2, 1, 3)
    np.testing.assert_array_equal(made().predict(t, verbose=0), made().predict(X[::2].transpose(0, 2, 1, 3), verbose=0))
    np.testing.assert_array_equal(Tensor(t).numpy(), X[::2].transpose(0, 2, 1, 3))
    ours = Tensor.of(X.transpose(0, 3, 1, 2)[:, ::2], Tensor(X).be, None)
    np.testing.assert_array_equal(torch.from_dlpack(ours).numpy(), ours.numpy())


TYPES = {"bfloat16": "float32", "float8_e4m3fn": "float32", "float16": "float16", "float64": "float64",
         "int8": "int8", "uint8": "uint8", "int32": "int32", "int64": "int64", "bool": "bool"}  # fmt: skip


@pytest.mark.parametrize("name", TYPES)
def test_types(name):
    t = torch.tensor([[0.0, 1.0], [1.0, 1.0]]).to(getattr(torch, name))
    found = arguments.array("x", t)
    assert found.dtype == TYPES[name]
    np.testing.assert_array_equal(found, [[0, 1], [1, 1]])
    assert Tensor(t).dtype.kind == "f"
    x = torch.tensor(X).round().to(getattr(torch, name))
    np.testing.assert_array_equal(made().predict(x, verbose=0), made().predict(X.round(), verbose=0))


def test_what_cannot_be_read_is_told():
    for t, message in {
        torch.ones(24, 6, 6, 2, device="meta"): r"received an array on the device meta; copy it .*: x.cpu\(\) of PyT",
        torch.ones(24, 6, 6, 2).to_sparse(): r"received a sparse tensor; use x.to_dense\(\)",
        torch.ones(24, 6, 6, 2) * 1j: "received dtype complex64",
    }.items():
        for call in (made().predict, lambda x: made().fit(x, Y), Tensor):
            with pytest.raises(ArgumentTypeError, match=message):
                call(t)
    with pytest.raises(DataError, match="expected finite pixels, received nan in row 3"):
        made().predict(torch.tensor(X).index_fill(0, torch.tensor([3]), float("nan")))
    with pytest.raises(ShapeError, match=r"received \(24, 2, 6, 6\); channels come last here: use x.transpose"):
        made().predict(torch.tensor(X).permute(0, 3, 1, 2))


def loader(**options):
    rows = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    return torch.utils.data.DataLoader(rows, batch_size=8, **options)


def test_a_loader_is_data():
    ours, plain = made(), made()
    found = ours.fit(loader(), epochs=2, verbose=0, validation_data=loader()).history
    wanted = plain.fit(X, Y, 8, 2, verbose=0, shuffle=False, validation_data=(X, Y)).history
    assert {k: pytest.approx(v, rel=1e-6) for k, v in wanted.items()} == found
    np.testing.assert_array_equal(ours.predict(loader(), verbose=0), plain.predict(X, verbose=0))
    assert ours.evaluate(loader(), verbose=0) == pytest.approx(plain.evaluate(X, Y, verbose=0), rel=1e-6)


def test_a_loader_goes_on_from_a_checkpoint(tmp_path):
    def shuffled():
        return loader(shuffle=True, generator=torch.Generator().manual_seed(1))

    whole, cut = made(), made()
    whole.fit(shuffled(), epochs=2, verbose=0)
    count = iter(range(2))
    stops = minicnn.CheckpointOptions(tmp_path, save_every=0, stop_when=lambda: next(count, None) is None)
    cut.fit(shuffled(), epochs=2, verbose=0, checkpoint=stops)
    assert 0 < cut.steps_done < whole.steps_done
    again = made()
    again.fit(shuffled(), epochs=2, verbose=0, checkpoint=tmp_path)
    for one, other in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_batches_that_are_dicts_are_told():
    batches = [{"image": torch.tensor(X), "label": torch.tensor(Y)}]
    with pytest.raises(ArgumentTypeError, match=r"received dict; name its columns: \(\(b\[...\], b\[...\]\) for b in"):
        made().fit(iter(batches), verbose=0)


def test_the_example(capsys, monkeypatch):
    monkeypatch.syspath_prepend("examples")
    importlib.import_module("torch_dataloader").main(["--epochs", "2", "--limit", "640"])
    accuracy, shape = capsys.readouterr().out.splitlines()[-1].removeprefix("accuracy ").split(", predictions ")
    assert float(accuracy) > 0.5
    assert shape == "(180, 10)"
