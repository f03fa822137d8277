"""PyTorch itself: channels_last, eager or torch.compile; a plain loop that adds up the loss, without accuracy."""

import math
import time
from functools import partial

import torch
from protocol import WARM_UP, seconds_per_batch, serve
from torch import nn
from torch.nn import functional

import minicnn


class KerasOrder(nn.Module):
    """(N, C, H, W) -> (N, H*W*C): the pixels in Keras's order, which costs nothing in channels_last."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class RowNorm(nn.BatchNorm2d):
    """Batch norm along the image's rows: Keras's axis=1 of (N, H, W, C)."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Translator:
    """`recipe.layers(Translator())` -> the recipe's layers as modules.  The last softmax is left to the loss."""

    def __init__(self, dropout=True):
        self.shape, self.dropout = (28, 28, 1), dropout

    def Conv2D(self, filters, size, padding="valid", activation=None):
        height, width, channels = self.shape
        lost, pad = (0, size // 2) if padding == "same" else (size - 1, 0)
        self.shape = (height - lost, width - lost, filters)
        return nn.Sequential(nn.Conv2d(channels, filters, size, padding=pad), self.Activation(activation))

    def Dense(self, units, activation=None):
        before, self.shape = self.shape[-1], (units,)
        return nn.Sequential(nn.Linear(before, units), self.Activation(activation))

    def Activation(self, name):
        return {"relu": nn.ReLU, "softmax": nn.Identity, None: nn.Identity}[name]()

    def BatchNormalization(self, axis=-1, momentum=0.99, epsilon=1e-3):
        kind = nn.BatchNorm1d if len(self.shape) == 1 else nn.BatchNorm2d if axis == -1 else RowNorm
        return kind(self.shape[axis if axis == -1 else axis - 1], eps=epsilon, momentum=1 - momentum)

    def MaxPool2D(self, size, strides=None):
        height, width, channels = self.shape
        step = strides or size
        self.shape = ((height - size) // step + 1, (width - size) // step + 1, channels)
        return nn.MaxPool2d(size, step)

    def ZeroPadding2D(self, pad):
        height, width, channels = self.shape
        self.shape = (height + 2 * pad, width + 2 * pad, channels)
        return nn.ZeroPad2d(pad)

    def Dropout(self, rate):
        return nn.Dropout(rate if self.dropout else 0.0)

    def Flatten(self):
        self.shape = (math.prod(self.shape),)
        return KerasOrder()


def set_weights(model, weights):
    """From Keras's list: kernels (KH, KW, C, O) and (I, O), each with its bias; gamma, beta, mean, variance."""
    weights = [torch.from_numpy(w) for w in weights]
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.copy_(weights.pop(0).permute(3, 2, 0, 1))
                layer.bias.copy_(weights.pop(0))
            elif isinstance(layer, nn.Linear):
                layer.weight.copy_(weights.pop(0).T)
                layer.bias.copy_(weights.pop(0))
            elif isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
                for own in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                    own.copy_(weights.pop(0))
    assert not weights


def augment(x, rotation_range, zoom_range, width_shift_range, height_shift_range):
    """One warp of the batch x (N, 1, H, W), a matrix per image; a shift of 1 is 2 in grid_sample's coordinates."""
    n = len(x)
    angle = torch.empty(n).uniform_(-1, 1) * math.radians(rotation_range)
    zx, zy = torch.empty(2, n).uniform_(1 - zoom_range, 1 + zoom_range)
    tx = torch.empty(n).uniform_(-2, 2) * width_shift_range
    ty = torch.empty(n).uniform_(-2, 2) * height_shift_range
    cos, sin = angle.cos(), angle.sin()
    matrices = torch.stack([zx * cos, -zy * sin, tx, zx * sin, zy * cos, ty], dim=1).view(n, 2, 3)
    grid = functional.affine_grid(matrices, x.shape, align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


class Torch:
    def __init__(self, problem, compile):
        self.problem = problem
        self.compile = partial(torch.compile, dynamic=False) if compile else lambda anything: anything
        self.x, self.y = self._placed(problem.x), torch.from_numpy(problem.y.argmax(1))
        name, arguments = problem.recipe.optimizer
        self.model, self.optimizer = self._made(name, arguments.get("learning_rate", 1e-3), dropout=True)
        self.loss, self.augmented = nn.CrossEntropyLoss(), self.compile(augment)
        self.ways = ("grid_sample",) if problem.recipe.augmentation else ()

    def _placed(self, images):
        """NumPy (N, H, W, C) -> (N, C, H, W), channels_last"""
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    def _made(self, optimizer, learning_rate, dropout):
        recipe = self.problem.recipe
        model = nn.Sequential(*recipe.layers(Translator(dropout), **recipe.options))
        set_weights(model, self.problem.weights)
        model = model.to(memory_format=torch.channels_last)
        # Keras's constants. The fused Adam and the foreach RMSprop are PyTorch's fastest on a CPU.
        options = {"Adam": {"fused": True}, "RMSprop": {"alpha": 0.9, "foreach": True}}[optimizer]
        rule = getattr(torch.optim, optimizer)(model.parameters(), lr=learning_rate, eps=1e-7, **options)
        return self.compile(model), rule

    def describe(self):
        versions = {"torch": torch.__version__, "minicnn (recipes)": minicnn.__version__}
        return {"versions": versions, "threads": f"{torch.get_num_threads()} threads"}

    def _step(self, model, optimizer, x, y):
        optimizer.zero_grad(set_to_none=True)
        loss = self.loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def train(self, steps, way=None):
        self.model.train()
        size, total = self.problem.recipe.batch_size, torch.zeros(())
        first = WARM_UP if steps > 1 else 0
        start = time.perf_counter()
        order = torch.randperm((first + steps) * size)
        for i in range(first + steps):
            if i == first:
                start, total = time.perf_counter(), torch.zeros(())
            rows = order[i * size : (i + 1) * size]
            x = self.x[rows] if way is None else self.augmented(self.x[rows], **self.problem.recipe.augmentation)
            total += self._step(self.model, self.optimizer, x, self.y[rows])
        loss = total.item() / steps
        return (time.perf_counter() - start) / steps, loss

    def augment(self, batches, way):
        size = self.problem.recipe.batch_size

        def one_pass():
            for i in range(batches):
                self.augmented(self.x[i * size : (i + 1) * size], **self.problem.recipe.augmentation)

        return seconds_per_batch(one_pass, batches)

    def predict(self, batch_size):
        self.model.eval()
        x = self._placed(self.problem.x_predict)
        start = time.perf_counter()
        with torch.inference_mode():
            found = torch.cat([self.model(batch).softmax(1) for batch in x.split(batch_size)]).numpy()
        seconds = time.perf_counter() - start
        assert found.shape == (len(x), 10)
        return seconds

    def agree(self, learning_rate):
        model, optimizer = self._made("Adam", learning_rate, dropout=False)
        model.train()
        return [
            self._step(model, optimizer, self._placed(x), torch.from_numpy(y.argmax(1))).item()
            for x, y in self.problem.batches()
        ]


serve(Torch)
