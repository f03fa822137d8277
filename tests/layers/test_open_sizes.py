"""None in a shape: what every layer says of it, and that it is what it says of each size."""

import numpy as np
import pytest

import minicnn
from minicnn import errors, layers
from minicnn.keras import backend as K
from minicnn.layers.open_sizes import fits, is_open

from .test_layers import CASES

NEED_SIZES = {"PReLU('random_uniform')", "LayerNormalization([1, -1], center=False)", "BatchNormalization(1)",
              "Normalization((1, -1), invert=True)", "GroupNormalization(-1, 1, 0.01, False)",
              "RMSNormalization([1, -1], 0.1)",
              "BatchNormalization(axis=-2, center=False)"}  # fmt: skip
OF_ONE_SIZE = {"Dropout(0.4, (None, 1, 5, 2))"}  # its argument says the size, whatever the model leaves open
IMAGES = [case for case in CASES if len(case.values[1]) == 3]


@pytest.mark.parametrize(("make", "shape", "out", "x", "weights"), IMAGES)
def test_an_open_size_is_every_size(request, make, shape, out, x, weights):
    first = getattr(make(), "data_format", "channels_last") == "channels_first"
    free = (shape[0], None, None) if first else (None, None, shape[2])
    if request.node.callspec.id in NEED_SIZES:
        with pytest.raises(errors.MinicnnError, match="None"):
            make().shape_for(free)
        return
    open_shape = make().shape_for(free)
    assert fits(out, open_shape)
    if is_open(open_shape) and request.node.callspec.id not in OF_ONE_SIZE:
        larger = tuple(n if n == m else 2 * n for n, m in zip(shape, free, strict=True))
        assert fits(make().shape_for(larger), open_shape)


def test_open_sizes_by_hand():
    assert layers.Conv2D(4, 3, 2).shape_for((None, 9, 3)) == (None, 4, 4)
    assert layers.Flatten().shape_for((None, 9, 3)) == (None,)
    assert layers.Flatten().shape_for((4, 9, 3)) == (108,)
    assert layers.Reshape((-1, 3)).shape_for((None, None, 3)) == (None, 3)
    assert layers.Concatenate(axis=1).shape_for(((None, 3, 2), (4, 3, 2))) == (None, 3, 2)
    assert layers.Add().shape_for(((None, None, 2), (4, 1, 2))) == (4, None, 2)
    assert layers.Lambda(lambda x: x[:, ::2]).shape_for((None, 3, 2)) == (None, 3, 2)
    assert layers.GlobalAveragePooling2D().shape_for((None, None, 3)) == (3,)
    with pytest.raises(errors.ShapeError, match=r"kernel: expected a weight of known size, received \(None, 3\)"):
        layers.Dense(3, name="d").shape_for((None,))


def test_a_layer_by_itself_takes_every_size(rng):
    layer = layers.Conv2D(2, 3)
    symbol = layer(layers.Input((None, None, 1)))
    assert symbol.shape == (None, None, None, 2)
    assert layer(np.ones((1, 5, 6, 1))).shape == (1, 3, 4, 2)
    with pytest.raises(errors.ShapeError, match=r"at least the window's 3 x 3 px, received 2 x 9 px"):
        layer(np.ones((1, 2, 9, 1)))


@pytest.mark.parametrize(
    ("inputs", "function", "out"),
    [(1, lambda x: K.mean(x, axis=1), (None, 3)), (1, lambda x: x[:, 1:, :2], (None, None, 2)),
     (2, lambda x: x[0] * x[1] - x[1], (None, None, 3)), (2, lambda x: K.mean(x[0] - x[1], axis=2), (None, None))],
)  # fmt: skip
def test_a_function_of_open_sizes_and_of_several_tensors(rng, inputs, function, out):
    given = [layers.Input((None, 3)) for _ in range(inputs)]
    model = minicnn.Model(given, layers.Lambda(function)(given if inputs > 1 else given[0]), seed=0)
    assert model.output_shape == out
    for n in (5, 8):
        xs = [rng.random((4, n, 3)).astype(np.float32) for _ in range(inputs)]
        tensors = [minicnn.Tensor(x, model.backend) for x in xs]
        expected = function(tensors if inputs > 1 else tensors[0]).numpy()
        np.testing.assert_array_equal(model.predict(xs if inputs > 1 else xs[0], verbose=0), expected)
