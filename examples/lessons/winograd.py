# %% [markdown]
# # 4. Winograd: fewer multiplications
#
# Two neighbouring outputs of a filter of 3 share most of their inputs. F(2, 3) computes both with 4 multiplications
# instead of 6, and in two dimensions F(2x2, 3x3) four outputs with 16 instead of 36:
#
#     Y = A' [ (G k G') * (B' d B) ] A          d: a tile of 4 x 4 pixels, k: the filter, *: cell by cell
#
# Source: Lavin & Gray 2015, "Fast Algorithms for Convolutional Neural Networks", section 4.1.

# %%
import numpy as np

import minicnn
from minicnn import layers

B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], np.float64)  # B'
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
A = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], np.float64)  # A'


def direct(d, k):
    """The two sums of nine products in each direction."""
    return np.array([[(d[i : i + 3, j : j + 3] * k).sum() for j in (0, 1)] for i in (0, 1)])


def winograd(d, k):
    """The same four numbers by 16 multiplications; what else there is are sums, and G k G' is computed once."""
    return A @ ((G @ k @ G.T) * (B @ d @ B.T)) @ A.T


rng = np.random.default_rng(0)
d, k = rng.standard_normal((4, 4)), rng.standard_normal((3, 3))
print("direct\n", direct(d, k), "\nWinograd\n", winograd(d, k))
assert np.abs(direct(d, k) - winograd(d, k)).max() < 1e-14

# %% [markdown]
# A whole layer: tiles that overlap by two pixels. Channels are summed before A', so it is applied once per tile.

# %%
x, kernel = rng.standard_normal((10, 10, 4)), rng.standard_normal((3, 3, 4, 5))
u = np.einsum("ia,abco,jb->ijco", G, kernel, G)
y = np.zeros((8, 8, 5))
for row in range(0, 8, 2):
    for column in range(0, 8, 2):
        v = np.einsum("ia,abc,jb->ijc", B, x[row : row + 4, column : column + 4], B)
        m = np.einsum("ijc,ijco->ijo", v, u)
        y[row : row + 2, column : column + 2] = np.einsum("ai,ijo,bj->abo", A, m, A)
windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(0, 1))
assert np.abs(y - np.einsum("ijcab,abco->ijo", windows, kernel)).max() < 1e-12
print(f"multiplications: {16 * 16 * 4 * 5:,} instead of {8 * 8 * 9 * 4 * 5:,}")

# %% [markdown]
# The engine takes larger tiles where they pay. Larger tiles add and subtract larger numbers, so rounding is a little
# larger too: that is what it costs.

# %%
_, _, (images, labels) = minicnn.data.digits.split(seed=2)
image = images[0].astype(np.float32) / 255
model = minicnn.Sequential([
    layers.Input((28, 28, 1)), layers.Conv2D(16, 3, name="first"), layers.Conv2D(16, 3, name="conv"),
    layers.Flatten(name="flat"), layers.Dense(10, activation="softmax", name="scores"),
], seed=0)  # fmt: skip
model.compile("adam", "categorical_crossentropy")
for row in model.plan(32):
    if row.layer == "conv" and row.kernel in ("forward", "input_grad", "weight_grad"):
        print(f"{row.kernel:<12} {row.algorithm:<9} {row.tile:<16} {row.flops / 1e6:.1f} MFLOP")
cell = model.trace(image).cell("conv", 8, 9, 3)
(term,) = cell.terms
print(f"the engine {term.value:.9f}, 144 products in float64 {term.computed:.9f}")
assert abs(term.value - term.computed) <= term.bound

# %% [markdown]
# ## Question
#
# How far may rounding part the engine's conv[8, 9, 3] from the sum that is written out, and how far does it?

# %%
answer = f"the engine has {term.value:.9g}, rounding allows {term.bound:.1e}"
model.save("lesson_4.minicnn")
print("minicnn explain lesson_4.minicnn --image 0 --layer conv --pixel 8,9,3")
