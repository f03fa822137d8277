"""model.activations: the output of every layer, as a model cut off after that layer predicts it."""

import numpy as np
import pytest

from minicnn import Sequential, errors

from .networks import small, state, toy

X, Y = toy(9)


@pytest.mark.parametrize("kernels", ["numba_cpu", "numpy_ref"])
def test_every_layer_as_a_shorter_model_predicts_it(kernels):
    model = small(kernels=kernels)
    model.fit(X, Y, verbose=0)
    before = state(model)
    found = model.activations(X)
    assert list(found) == [layer.name for layer in model.layers]
    for count, (layer, array) in enumerate(zip(model.layers, found.values(), strict=True), 1):
        assert array.shape == (9, *layer.sample_out)
        cut = Sequential(model.layers[:count], device=model.backend)
        np.testing.assert_allclose(array, cut.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[model.layers[-1].name], model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    assert state(model) == before


def test_the_arrays_are_the_users_own():
    model = small()
    found = model.activations(X)
    copies = {name: array.copy() for name, array in found.items()}
    model.activations(X[::-1])
    for name, array in found.items():
        np.testing.assert_array_equal(array, copies[name])
        array[...] = 0


def test_images_of_another_shape():
    with pytest.raises(errors.ShapeError, match=r"x: expected shape \(N, 6, 6, 1\), received \(9, 5, 6, 1\)"):
        small().activations(X[:, :5])
