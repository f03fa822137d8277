# %% [markdown]
# # 2. Its gradient, and a checker that catches a planted bug
#
# Backward asks: if this number moves a little, how much does the loss move? Of a convolution, with dz = dL/dz:
#
#     dL/dkernel[a, b, c, o] = sum over i, j of  dz[i, j, o] * x[i + a, j + b, c]
#     dL/dbias[o]            = sum over i, j of  dz[i, j, o]
#     dL/dx[p, q, c]         = sum over all windows that hold (p, q) of  dz * kernel

# %%
import numpy as np

import minicnn
from minicnn import layers, teaching
from minicnn.errors import GradientError

_, _, (images, labels) = minicnn.data.digits.split(seed=2)
x, label = images[0].astype(np.float32) / 255, int(labels[0])
model = minicnn.Sequential([
    layers.Input((28, 28, 1)), layers.Conv2D(2, 3, activation="relu", name="conv"), layers.Flatten(name="flat"),
    layers.Dense(10, activation="softmax", name="scores"),
], seed=0)  # fmt: skip
model.compile("adam", "categorical_crossentropy")
trace = model.trace(x, label)
dy, y = trace.gradients["conv"][0], trace["conv"][0]
dz = dy * (y > 0)  # ReLU lets through what was above 0

# %% [markdown]
# The kernel's gradient by the formula, against the engine's.

# %%
by_hand = np.zeros((3, 3, 1, 2))
for a in range(3):
    for b in range(3):
        by_hand[a, b, 0] = (dz * x[a : a + 26, b : b + 26]).sum(axis=(0, 1))
assert np.abs(by_hand - trace.gradients["conv/kernel"]).max() < 1e-5
assert np.abs(dz.sum(axis=(0, 1)) - trace.gradients["conv/bias"]).max() < 1e-5

# %% [markdown]
# And against its meaning: move one weight up and down by h, and look at the loss.

# %%
layer, h, losses = model.get_layer("conv"), 1e-3, []
kernel, bias = layer.get_weights()
for sign in (1, -1):
    moved = kernel.copy()
    moved[1, 1, 0, 0] += sign * h
    layer.set_weights([moved, bias])
    losses.append(model.trace(x, label).loss)
layer.set_weights([kernel, bias])
quotient = (losses[0] - losses[1]) / (2 * h)
print(f"difference quotient {quotient:.6f}, gradient {by_hand[1, 1, 0, 0]:.6f}")
assert abs(quotient - by_hand[1, 1, 0, 0]) < 1e-2 * np.abs(by_hand).max()

# %% [markdown]
# Differences are how gradients are checked. Here is an op whose backward forgets a factor of 2: the checker finds it.


# %%
@minicnn.op
def square(be, x):
    return x * x, lambda dy, needs: (dy * x,)  # planted: the derivative is 2 x


try:
    minicnn.check_grad(square, [np.linspace(-1, 2, 6)])
except GradientError as error:
    caught = str(error)
    print("caught:", caught)
assert caught
found = teaching.gradcheck(model)
assert found.ok
print(str(found).splitlines()[-1])

# %% [markdown]
# ## Question
#
# Which cells of the next layer hand a gradient back to conv[13, 11, 0], and what do they sum to?

# %%
answer = f"dL/d conv[13, 11, 0] = {dy[13, 11, 0]:.9g}"
model.save("lesson_2.minicnn")
print("minicnn explain lesson_2.minicnn --image 0 --layer conv --pixel 13,11,0")
