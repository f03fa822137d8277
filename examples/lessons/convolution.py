# %% [markdown]
# # 1. One convolution, by hand
#
# A convolution lays a small filter over the image, multiplies the two cell by cell, adds everything up, adds a bias:
#
#     z[i, j, o] = bias[o] + sum over a, b, c of  x[i + a, j + b, c] * kernel[a, b, c, o]
#     y = max(z, 0)                                                             (ReLU)

# %%
import numpy as np

import minicnn
from minicnn import layers

_, _, (images, labels) = minicnn.data.digits.split(seed=2)
x = images[0].astype(np.float32) / 255
model = minicnn.Sequential([
    layers.Input((28, 28, 1)), layers.Conv2D(2, 3, activation="relu", name="conv"), layers.Flatten(name="flat"),
    layers.Dense(10, activation="softmax", name="scores"),
], seed=0)  # fmt: skip
model.compile("adam", "categorical_crossentropy")
kernel, bias = model.get_layer("conv").get_weights()
print(f"image {x.shape}, kernel {kernel.shape}: rows, columns, channels in, channels out; bias {bias.shape}")

# %% [markdown]
# One cell first: row 14, column 10, of channel 0.

# %%
i, j, o = 14, 10, 0
window = x[i : i + 3, j : j + 3, 0]
products = window * kernel[:, :, 0, o]
z = products.sum() + bias[o]
print("window\n", window.round(3), "\nfilter\n", kernel[:, :, 0, o].round(3), "\nproducts\n", products.round(3))
print(f"sum {products.sum():.6f} + bias {bias[o]:.6f} = {z:.6f}, ReLU {max(z, 0):.6f}")

# %% [markdown]
# The engine has the same number. Then all 26 x 26 x 2 cells, as four loops.

# %%
engine = model.trace(x)["conv"][0]
assert engine.shape == (26, 26, 2)
assert abs(engine[i, j, o] - max(z, 0)) < 1e-6
by_hand = np.zeros((26, 26, 2))
for row in range(26):
    for column in range(26):
        for channel in range(2):
            part = x[row : row + 3, column : column + 3] * kernel[..., channel]
            by_hand[row, column, channel] = max(part.sum() + bias[channel], 0)
assert np.abs(by_hand - engine).max() < 1e-5
print("largest difference from the engine:", np.abs(by_hand - engine).max())

# %% [markdown]
# ## Question
#
# Which of the nine products counts most for conv[13, 11, 0], and what does the cell come to?

# %%
answer = f"conv[13, 11, 0] = {engine[13, 11, 0]:.9g}"
model.save("lesson_1.minicnn")
print("minicnn explain lesson_1.minicnn --image 0 --layer conv --pixel 13,11,0")
