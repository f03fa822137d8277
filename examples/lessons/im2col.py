# %% [markdown]
# # 3. im2col: a convolution as one matrix product
#
# Four loops are slow. Write every window as one row of a matrix, every filter as one column, and the whole layer is one
# product, which processors are built for:
#
#     cols (cells, KH KW C)  @  kernel (KH KW C, filters)  =  z (cells, filters)
#
# The price is memory: neighbouring windows overlap, so most pixels are copied KH x KW times.

# %%
import numpy as np

import minicnn
from minicnn import layers

_, _, (images, labels) = minicnn.data.digits.split(seed=2)
x = images[0].astype(np.float32) / 255
model = minicnn.Sequential([
    layers.Input((28, 28, 1)), layers.Conv2D(4, 3, name="first"), layers.Conv2D(2, 3, name="conv"),
    layers.Flatten(name="flat"), layers.Dense(10, activation="softmax", name="scores"),
], seed=0)  # fmt: skip
model.compile("adam", "categorical_crossentropy")
trace = model.trace(x, int(labels[0]))
read, kernel, bias = trace["first"][0], trace["conv/kernel"], trace["conv/bias"]

# %%
windows = np.lib.stride_tricks.sliding_window_view(read, (3, 3), axis=(0, 1))  # (24, 24, C, 3, 3), nothing is copied
cols = windows.transpose(0, 1, 3, 4, 2).reshape(24 * 24, 3 * 3 * 4)  # now it is
z = (cols @ kernel.reshape(36, 2) + bias).reshape(24, 24, 2)
print(f"{read.size:,} numbers became {cols.size:,}: {cols.size / read.size:.1f} times as many")
assert np.abs(z - trace["conv"][0]).max() < 1e-5
assert cols.size / read.size > 7

# %% [markdown]
# The way back is two products with the same matrix, and col2im, which adds every window's part to its pixels.

# %%
dz = trace.gradients["conv"][0].reshape(24 * 24, 2)
dkernel = (cols.T @ dz).reshape(3, 3, 4, 2)
assert np.abs(dkernel - trace.gradients["conv/kernel"][:]).max() < 1e-4
dcols = (dz @ kernel.reshape(36, 2).T).reshape(24, 24, 3, 3, 4)
dx = np.zeros_like(read)
for a in range(3):
    for b in range(3):
        dx[a : a + 24, b : b + 24] += dcols[:, :, a, b]
assert np.abs(dx - trace.gradients["first"][0]).max() < 1e-4
print("forward and both gradients agree with the engine")

# %% [markdown]
# `kernels/numpy_ref/conv.py` is this lesson as a kernel. What does the engine choose for this layer?

# %%
for row in model.plan(32):
    if row.layer == "conv" and row.kernel in ("forward", "input_grad", "weight_grad"):
        print(f"{row.kernel:<12} {row.algorithm:<9} {row.tile:<16} {row.workspace_bytes:,} bytes of workspace")

# %% [markdown]
# ## Question
#
# How many products does conv[5, 6, 1] sum, and what stands in its row of im2col?

# %%
row = cols.reshape(24, 24, 36)[5, 6].astype(np.float64)
answer = f"as a row of im2col, {row.size} numbers"
model.save("lesson_3.minicnn")
print("minicnn explain lesson_3.minicnn --image 0 --layer conv --pixel 5,6,1")
