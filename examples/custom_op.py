"""How to add an op in four steps: squared ReLU, y = max(x, 0)^2, forward, backward, check, layer.

    python examples/custom_op.py

Source: So et al. 2021, "Primer", section 4: squared ReLU.
"""

import numpy as np

from minicnn import Sequential, check_grad, layers, op


# 1. Write forward as a function of arrays. `be` is the device: be.xp is its NumPy, be.relu, be.conv2d, ... its kernels.
# 2. Write backward beside it: from dy, the gradient of the output, to one gradient per array argument.
@op
def squared_relu(be, x):
    """y = max(x, 0)^2;  dx = dy 2 max(x, 0).  x any shape."""
    r = be.relu(x)

    def vjp(dy, needs):  # needs[i]: does argument i want a gradient? With one argument it does, or nobody would ask.
        return (dy * 2 * r,)

    return r * r, vjp


# 3. Check it against differences, in float64, with a random cotangent. A wrong vjp raises GradientError.
def check():
    check_grad(squared_relu, [np.random.default_rng(0).standard_normal((3, 4))])


# 4. Use it: as an activation, `Dense(8, activation=squared_relu)`, or in a layer with weights of its own.
class ScaledSquaredReLU(layers.Layer):
    """y = scale max(x, 0)^2 with a learned scale per channel (the last axis)."""

    def build(self, input_shape):
        self.scale = self.add_weight("scale", input_shape[-1:], "ones")
        return input_shape  # the shape of one output sample

    def call(self, x, *, training):
        return squared_relu(x) * self.scale


def main():
    check()
    x = np.random.default_rng(1).uniform(-1, 1, (256, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)  # two opposite quadrants: no straight line divides them
    model = Sequential(
        [layers.Dense(8, input_shape=(2,)), ScaledSquaredReLU(), layers.Dense(2, activation="softmax")], seed=1
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.02
    model.fit(x, y, epochs=20, verbose=0)
    _, accuracy = model.evaluate(x, y, verbose=0)
    print(f"squared_relu passes its gradient check; a layer made of it fits the quadrants: accuracy {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main()
