"""Does the suite find mistakes?  Each line of MUTATIONS plants one, and its tests must fail.

      python -m tests.mutations                     plant all, one by one, in a temporary copy of this checkout
      python -m tests.mutations pool cuda           those whose name or file contains one of these words
      python -m tests.mutations --check             only whether every line to be replaced still stands in its file
      python -m tests.mutations --tree ../old       the code and the tests of another checkout
      python -m tests.mutations --json found.json   and write what was found, by which test, in how many seconds of CPU
      python -m tests.mutations --hints found.json  ask that test first: a repetition takes a tenth of the time

A mutation is found when one of its tests fails with it (under `-x`, with plain pytest's selection: no slow tests) and
that same test passes without it. The exit code is 0 when all are found.

A mutation is one line of code. `old` is a piece of that line that stands in `file` exactly once; when the code moves,
move it along: keep the mistake, look for its new place. `--check`, and with it .ci/run, names what is out of step. Who
adds a subsystem adds a mutation or two, of the kind that somebody might commit: an index off by one, a swapped pair, a
forgotten factor, a comparison that includes the equal.
"""

import argparse
import ast
import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LIMIT = 900  # s for the tests of one mutation


class Mutation(NamedTuple):
    """name: subsystem and what is wrong;  tests: arguments of pytest that are expected to find it."""

    name: str
    file: str
    old: str
    new: str
    tests: str


CONTRACT = "tests/kernels/test_contract.py"
WORLD = "tests/training/test_world.py"
TAPE = "tests/keras/test_gradient_tape.py"
STEPS = "tests/keras/test_own_steps.py"


def kernel(name: str, file: str, old: str, new: str, test: str, set_: str) -> Mutation:
    """A mutation in a kernel set, found by the contract's `test` (an expression of -k) for that set."""
    return Mutation(name, file, old, new, f"{CONTRACT} -k '{set_} and ({test})'")


def reference(name, file, old, new, test):
    return kernel(f"numpy_ref: {name}", f"kernels/numpy_ref/{file}", old, new, test, "numpy_ref-float64")


def numba_cpu(name, file, old, new, test):
    return kernel(f"numba_cpu: {name}", f"kernels/numba_cpu/{file}", old, new, test, "numba_cpu-float32")


def cuda(name, file, old, new, test):
    return kernel(f"cuda: {name}", f"kernels/cuda/{file}", old, new, test, "emulated")


def minicnn(name, file, old, new, tests):
    return Mutation(name, f"minicnn/{file}", old, new, tests)


FIT, LAYERS, GRADIENTS = "tests/training/test_fit.py", "tests/layers/test_layers.py", "tests/ops/test_gradients.py"
OPTIMIZERS, SAVING = "tests/optimizers/test_optimizers.py", "tests/training/test_saving.py"

MUTATIONS = [
    # numpy_ref, the definition ----------------------------------------------------------------------------------------
    reference("col2im adds to the transposed cell", "conv.py", "cols[:, :, :, p, q]",
              "cols[:, :, :, kh - 1 - p, q]", "test_conv2d"),
    reference("max_pool names a cell of the padding", "pool.py", "inside.argmax(axis=-1), argmax)", "0, argmax)",
              "test_max_pool"),
    reference("batch_norm's dx has a wrong sign", "norm.py", "[:, None] - xhat * (dgamma / m)",
              "[:, None] + xhat * (dgamma / m)", "test_batch_norm"),
    reference("relu_grad flows at 0", "activation.py", ".where(y > 0, dy", ".where(y >= 0, dy", "relu"),
    reference("lion looks at the old momentum alone", "optimizer.py", "beta_1 * m + (1 - beta_1) * g)", "m)",
              "test_optimizer_steps"),
    reference("ftrl forgets its shrinkage", "optimizer.py", "+ 2 * shrinkage * p", "+ shrinkage * p",
              "test_optimizer_steps"),
    reference("nadam swaps its scales", "optimizer.py", "(m_scale * m + g_scale * g)", "(g_scale * m + m_scale * g)",
              "test_optimizer_steps"),
    reference("reflect has the period 2 size - 1", "warp.py", "index = index % (2 * size)",
              "index = index % (2 * size - 1)", "test_affine_warp"),
    reference("soft targets count as one", "loss.py", "e / total * t.sum(axis=-1, keepdims=True) - t", "e / total - t",
              "test_softmax_cross_entropy"),
    reference("philox takes the key's low half twice", "random.py", "^ c3 ^ np.uint64(k1)", "^ c3 ^ np.uint64(k0)",
              "test_philox"),
    reference("dropout drops the word at the threshold", "random.py", "keep = words(xp, x.size, key, x.shape) >= round",
              "keep = words(xp, x.size, key, x.shape) > round", "test_dropout"),
    reference("dense's affine shift is subtracted", "dense.py", "y += affine[1]", "y -= affine[1]", "test_dense"),
    reference("conv2d_folded's shift is subtracted", "conv.py", "y += affine[1]", "y -= affine[1]",
              "test_conv2d_folded"),
    reference("depthwise dx lacks a channel's other filters", "depthwise.py", "(dy * w[cell]).sum(axis=-1)",
              "(dy * w[cell])[..., 0]", "test_depthwise"),
    # numba_cpu, the fast one ------------------------------------------------------------------------------------------
    numba_cpu("a tie goes to the later cell", "pool.py", "return (not value <= best) & (best == best)",
              "return (not value < best) & (best == best)", "test_max_pool"),
    numba_cpu("2x2 windows: a tie goes to the later cell", "pool2x2.py", "return (value <= best) | (best != best)",
              "return (value < best) | (best != best)", "test_max_pool"),
    numba_cpu("average_pool divides by the whole window", "pool.py",
              "count = np.float32(max(0, p_end - p_first) * max(0, q_end - q_first))", "count = np.float32(kh * kw)",
              "test_average_pool"),
    numba_cpu("dgamma's share of dx lacks a factor", "norm.py", "total / m, product * inv_std / m",
              "total / m, product / m", "test_batch_norm"),
    numba_cpu("relu_grad flows at 0", "activation.py", "dx[i] = dy[i] if y[i] > 0", "dx[i] = dy[i] if y[i] >= 0",
              "test_relu"),
    numba_cpu("dropout drops the word at the threshold", "random.py", "if words[i] >= threshold",
              "if words[i] > threshold", "test_dropout"),
    numba_cpu("a dropout's later blocks repeat the first", "random.py", "fill_words(words, first + start // 4,",
              "fill_words(words, start // 4,", "test_layer_sizes or test_same_bits"),
    numba_cpu("adadelta's d follows u", "optimizer.py", "d[i] += rate * (u * u - d[i])", "d[i] += rate * (u - d[i])",
              "test_optimizer_steps"),
    numba_cpu("softmax's maximum is the last number", "loss.py", "top = max(top, np.float64(z[k]))",
              "top = np.float64(z[k])", "test_softmax"),
    numba_cpu("a warp blends the wrong neighbour", "warp.py", "fs * image[r1, s1, c]", "fs * image[r0, s1, c]",
              "test_affine_warp"),
    numba_cpu("strides along the width are those of the height", "conv.py", "j * x_step[1]) * channels)",
              "j * x_step[0]) * channels)", "test_conv2d"),
    numba_cpu("a dense layer's later panels have the first one's bias", "dense.py",
              "seed, seed0, seed_step = epilogue.bias, o, 0", "seed, seed0, seed_step = epilogue.bias, 0, 0",
              "test_dense"),
    numba_cpu("moments of several chunks are not weighted", "channel_stats.py", "total[c] += counts[k] * means[k, c]",
              "total[c] += means[k, c]", "test_conv2d_stats"),
    Mutation("numba_cpu: Winograd where im2col is cheaper", "kernels/numba_cpu/plan.py",
             "if transformed * MARGIN < direct", "if transformed * MARGIN > direct", "tests/kernels/test_winograd.py"),
    Mutation("numba_cpu: the pool lends a living buffer", "kernels/numba_cpu/runtime/memory.py",
             "if getrefcount(raw) == references:", "if getrefcount(raw) >= references:",
             "tests/kernels/test_memory.py"),
    Mutation("numba_cpu: a larger batch changes a product's bits", "kernels/numba_cpu/dense.py",
             "pieces = max(-(-depth // DEPTH), 1)", "pieces = max(-(-depth // DEPTH), 1 + rows // 90)",
             "tests/kernels/test_microkernel.py -k sample"),
    numba_cpu("conv2d_folded forgets its ReLU", "conv.py", 'conv.get("algorithm", "auto"), conv.get("relu", False)',
              'conv.get("algorithm", "auto"), False', "test_conv2d_folded"),
    numba_cpu("windows begin at the first pixel, padded or not", "windows.py", "start = i * stride - first",
              "start = i * stride", "test_depthwise"),
    numba_cpu("a depthwise dw takes the filter before", "depthwise.py", "to[c, k] += cell[c] * flows[c * m + k]",
              "to[c, k] += cell[c] * flows[c * m + k - 1]", "test_depthwise"),
    numba_cpu("gelu's density is not multiplied", "smooth.py", "return share + x * phi", "return share + phi",
              "test_activate"),
    numba_cpu("exp forgets the last bits of ln 2", "smooth.py", " - n * LN2_LOW", "", "test_activate"),
    # cuda, emulated ---------------------------------------------------------------------------------------------------
    cuda("relu_grad flows at 0", "activation.cu", "dx[i] = y[i] > 0 ? dy[i] : 0.f", "dx[i] = y[i] >= 0 ? dy[i] : 0.f",
         "test_relu"),
    cuda("the last NaN of a window wins", "pool.cu", "(value != value && best == best)", "(value != value)",
         "test_max_pool"),
    cuda("a gradient looks in a window too many", "windows.cuh", "by_SH.quotient(h - KH) + 1", "by_SH.quotient(h - KH)",
         "test_average_pool"),
    cuda("dropout's fourth element uses the third's word", "random.cu", "v.w = four.w >= threshold",
         "v.w = four.z >= threshold", "test_dropout"),
    cuda("ftrl's root is the first power", "optimizer.cu", "root ? sqrtf(sum)", "root ? sum", "test_optimizer_steps"),
    cuda("nadam swaps a scale", "optimizer.cu", "g_scale * g[i])", "m_scale * g[i])", "test_optimizer_steps"),
    cuda("one element beyond the end is written", "gemm.cuh", "if (m < M && n < N) {", "if (m <= M && n < N) {",
         "test_dense"),
    cuda("col2im misses the window's last row", "im2col.cu", "p < KH && p <= h", "p < KH - 1 && p <= h",
         "test_every_algorithm"),
    cuda("moments are merged without the distance of their means", "norm.cu",
         "m2 += other.m2 + delta * delta * n * weight;", "m2 += other.m2;", "test_batch_norm"),
    Mutation("cuda: a whole-number stride is not asked for", "kernels/cuda/conv.cu",
             "i * by_SH.d == h && j * by_SW.d == w", "i * by_SH.d == h", f"{CONTRACT} -k 'emulated and test_conv2d'"),
    Mutation("cuda: the step's rates are those of the first", "kernels/cuda/step.cu", "rate[i] = rates[k * R + i];",
             "rate[i] = rates[i];", "tests/cuda/test_captured.py"),
    Mutation("cuda: a split sum lacks its last part", "kernels/cuda/parts.cuh", "k < count; k += ADD_WARPS",
             "k < count - 1; k += ADD_WARPS", "tests/cuda/test_selfcheck.py -k all_is_well"),
    Mutation("cuda: a gradient that others add to is put in its place", "minicnn/core/program.py",
             "in trace.params and reads[slot] == 1", "in trace.params and reads[slot]",
             "tests/cuda/test_captured.py -k anywhere"),
    Mutation("cuda: what arrives at a loss is not looked at", "minicnn/ops/loss.py", "dz if dy is be.one else dy * dz",
             "dz", "tests/ops/test_rules.py -k one_kernel"),
    Mutation("cuda: a bad loss is not noticed", "kernels/cuda/step.cu", "&& progress[BAD] < 0) progress[BAD] = now;",
             "&& progress[BAD] > 0) progress[BAD] = now;", "tests/cuda/test_captured.py -k bad_step"),
    Mutation("cuda: too many blocks are not refused", "kernels/cuda/launch.py",
             "if grid[1] > 65535 or grid[2] > 65535:", "if grid[1] > 65535 and grid[2] > 65535:",
             "tests/cuda/test_launch.py"),
    cuda("depthwise filters read the channel of their own number", "depthwise.cu",
         "H * W * C + at.c / M;", "H * W * C + at.c % C;", "test_depthwise"),
    cuda("a depthwise dw leaves out images", "depthwise.cu", "n < N; n += shares", "n < N; n += shares + 1",
         "test_depthwise or test_layer_sizes"),
    # ops and the tape -------------------------------------------------------------------------------------------------
    minicnn("ops: padding=\"same\" puts the larger half first", "ops/geometry.py", "(high // 2, high - high // 2)",
            "(high - high // 2, high // 2)", f"tests/ops/test_values.py {LAYERS}"),
    minicnn("ops: a dilated window's gradient is shifted", "ops/conv.py", "ascontiguousarray(dy[::dh, ::dw])",
            "ascontiguousarray(dy[dh - 1 :: dh, ::dw])", GRADIENTS),
    minicnn("layers: every group sees the first group's channels", "ops/conv.py", "slice(g * c, (g + 1) * c)",
            "slice(0, c)", "tests/ops/test_values.py"),
    minicnn("ops: an image turns clockwise", "ops/augment.py", "[c * tall, s * wide, middle_h - c * tall * above - s",
            "[c * tall, -s * wide, middle_h - c * tall * above + s", "tests/layers/test_augment.py"),
    minicnn("ops: a warp's gradient forgets the images after the first", "ops/augment.py",
            "xp.arange(n)[:, None, None] * h + row", "0 * h + row", GRADIENTS),
    minicnn("ops: a hue turns by whole circles", "ops/color.py", "-3.0, 3.0) * between(draws[:, 1], factor)",
            "-6.0, 6.0) * between(draws[:, 1], factor)", "tests/layers/test_color.py"),
    minicnn("ops: a full saturation's gradient forgets the smallest channel", "ops/color.py",
            "+ of_low * dlow,)", ",)", GRADIENTS),
    minicnn("ops: equalized pixels count from 0", "ops/color.py", "table = xp.rint((up_to - first) * 255",
            "table = xp.rint(up_to * 255", "tests/layers/test_color.py"),
    minicnn("layers: a color jitter's parts draw alike", "layers/color.py", "key.stream | k << 28", "key.stream",
            "tests/layers/test_color.py"),
    minicnn("ops: images that were mixed give their gradients the other way round", "ops/mixing.py",
            "return (w * dy + ((1 - w) * dy)[inverse],)", "return (w * dy + ((1 - w) * dy)[order],)", GRADIENTS),
    minicnn("backend: an inference draws what the last one drew", "backend/streams.py",
            "self.inferences = max(self.inferences, one.number + 1)", "pass",
            "tests/keras/test_as_keras_calls_them.py"),
    minicnn("backend: an inference draws what a training step draws", "backend/streams.py",
            "stream(purpose + AT_INFERENCE, index), inference.row", "stream(purpose, index), inference.row",
            "tests/core/test_backend.py"),
    minicnn("training: every tile of an inference draws the same", "training/loop.py",
            "inference(number, row + start)", "inference(number, row)", "tests/keras/test_as_keras_calls_them.py"),
    minicnn("ops: a cut's labels go by the rest of the area", "ops/mixing.py", "return (1 - s) * x + s * x[order],",
            "return s * x + (1 - s) * x[order],", "tests/layers/test_mixing.py"),
    minicnn("ops: a perspective is an affine map", "ops/augment.py", "z = 1 - right * u - down * v",
            "z = 1 - right * u", "tests/layers/test_augment.py"),
    minicnn("layers: a crop of sequences takes its ends the other way round", "layers/images.py",
            "return before, after", "return after, before", f"{LAYERS} tests/parity/networks.py {SAVING}"),
    minicnn("layers: channels_first comes back with height and width exchanged", "layers/images.py",
            "axes=(0, y.ndim - 1, *range(1, y.ndim - 1))", "axes=(0, *range(y.ndim - 1, 0, -1))",
            "tests/layers tests/keras/test_backend.py"),
    minicnn("tape: a weight is read when the gradient is asked for", "core/op.py",
            "a.copy() if isinstance(t, Parameter) else a", "a if isinstance(t, Parameter) else a", TAPE),
    minicnn("tape: a tape lets go of what another one keeps", "core/tensor.py", "if not self.holders:",
            "if self.holders >= 0:", TAPE),
    minicnn("tape: a gradient of a gradient is a constant", "training/gradient_tape.py",
            "return node if node.holders else None", "return None", TAPE),
    minicnn("tape: what ran before it counts too", "training/gradient_tape.py",
            "return id(one) in self._watched or (", "return one.requires_grad or id(one) in self._watched or (", TAPE),
    minicnn("tape: a loss's targets have a gradient of the wrong sign", "ops/loss.py", "-dloss * z if needs[1]",
            "dloss * z if needs[1]", TAPE),
    minicnn("steps: metrics go on from epoch to epoch", "training/stepped.py", "            one.reset_state()",
            "            one.result()", STEPS),
    minicnn("steps: a weighted metric is not weighed", "training/stepped.py",
            "one.update_state(y, y_pred, sample_weight)", "one.update_state(y, y_pred)", STEPS),
    minicnn("steps: a Variable's constraint does not hold in fit", "training/own.py", "(None, p._constraint)",
            "(None, None)", "tests/keras/test_variables.py"),
    minicnn("steps: an epoch of steps begins at the first row again", "training/stepped.py",
            "yield itertools.islice(endless, steps)", "yield itertools.islice(rows.batches(drawn()), steps)", STEPS),
    minicnn("keras: a Variable that another took the place of stays a weight", "training/own.py",
            "if not isinstance(p, Variable) or id(p) in there", "if p is not None", "tests/keras/test_variables.py"),
    minicnn("ops: gelu's derivative lacks x", "ops/activation.py", "dy * (cdf + x * phi)", "dy * (cdf + phi)",
            GRADIENTS),
    minicnn("ops: a fixed batch norm's dx takes the batch's way", "ops/norm.py",
            "gamma, eps, batch_stats=False)", "gamma, eps, batch_stats=True)", GRADIENTS),
    minicnn("ops: zero_pad's backward swaps top and left", "ops/shape.py", "dy[:, top : top + h, left : left + w]",
            "dy[:, left : left + h, top : top + w]", GRADIENTS),
    minicnn("ops: sigmoid_cross_entropy's gradient has a wrong sign", "ops/loss.py", "(dloss * (s - t), -dloss",
            "(dloss * (t - s), -dloss", f"{GRADIENTS} tests/test_losses.py"),
    minicnn("ops: alpha_dropout shifts by another constant", "ops/dropout.py", "b = -a * rate * low", "b = -a * low",
            f"tests/ops/test_values.py {LAYERS}"),
    minicnn("core: an axis of size 1 is not summed over", "core/tensor.py",
            "tuple(extra + i for i, n in enumerate(shape) if n == 1)",
            "tuple(extra + i for i, n in enumerate(shape) if n == 0)", f"tests/core/test_tape.py {GRADIENTS}"),
    minicnn("core: backward visits the oldest op first", "core/tensor.py", "return self.serial > other.serial",
            "return self.serial < other.serial", "tests/core/test_tape.py"),
    minicnn("core: the gradient checker forgives", "core/check_grad.py", "<= rtol * scale + noise",
            "<= 1e6 * rtol * scale + noise", "tests/core/test_check_grad.py"),
    # layers, losses, metrics, initializers, optimizers ----------------------------------------------------------------
    minicnn("layers: moving averages before trained weights", "layers/base.py", "key=lambda p: not p.trainable",
            "key=lambda p: p.trainable", LAYERS),
    minicnn("layers: a frozen batch norm keeps learning", "layers/norm.py", "if not (training and self.trainable):",
            "if not training:", LAYERS),
    minicnn("layers: a dropout's own seed is not used", "layers/dropout.py", "return key if self.seed is None else",
            "return key if self.seed is not None else", LAYERS),
    minicnn("layers: shared_axes are off by one", "layers/activation.py", "shape[axis - 1] = 1",
            "shape[axis - 2] = 1", LAYERS),
    minicnn("layers: ZeroPadding2D's width grows by the height's", "layers/shape.py", "w + sum(self.padding[1])",
            "w + sum(self.padding[0])", LAYERS),
    minicnn("losses: binary label smoothing is twice as large", "losses/crossentropy.py",
            "+ 0.5 * self.label_smoothing", "+ self.label_smoothing", "tests/test_losses.py"),
    minicnn("losses: a label beyond the classes is accepted", "losses/crossentropy.py",
            "check_labels(y.reshape(-1), classes)", "check_labels(y.reshape(-1), classes + 1)",
            "tests/test_losses.py tests/training/test_bad_input.py"),
    minicnn("metrics: top-k counts one more", "metrics/functions.py", "larger.sum(axis=-1) < k)",
            "larger.sum(axis=-1) <= k)", "tests/test_metrics.py"),
    minicnn("metrics: the mean is over samples, not weights", "metrics/base.py",
            "self.count += float(weights.sum())", "self.count += n", "tests/test_metrics.py"),
    minicnn("initializers: fan_avg is the sum", "initializers.py", "(fan_in + fan_out) / 2}", "(fan_in + fan_out)}",
            "tests/test_initializers.py"),
    minicnn("optimizers: a copy keeps the slices of another's buffer", "optimizers/base.py",
            "held | {\"state\": self.get_state()}", "vars(self) | {\"state\": self.get_state()}", OPTIMIZERS),
    minicnn("sklearn: the place of a row decides", "sklearn.py", "order = np.argsort(", "order = 0 * np.argsort(",
            "tests/tools/test_sklearn.py"),
    minicnn("optimizers: clipping lengthens short gradients", "optimizers/base.py",
            "max(math.sqrt(float(xp.vdot(piece, piece))), bound)", "math.sqrt(float(xp.vdot(piece, piece)))",
            OPTIMIZERS),
    minicnn("optimizers: weight decay forgets the learning rate", "optimizers/base.py",
            "decay = self.weight_decay * lr if", "decay = self.weight_decay if",
            OPTIMIZERS),
    minicnn("optimizers: what is left out decays alone", "optimizers/base.py", "if not any(one.search",
            "if any(one.search", OPTIMIZERS),
    minicnn("optimizers: the moving average begins at 0", "optimizers/base.py", "if phase.copies:", "if False:",
            OPTIMIZERS),
    minicnn("optimizers: sums of gradients are no means", "optimizers/base.py",
            "self.flat_grad /= self.gradient_accumulation_steps", "self.flat_grad /= 1", OPTIMIZERS),
    minicnn("optimizers: bias correction counts every step", "optimizers/base.py",
            "self.iterations // (self.gradient_accumulation_steps or 1) + 1", "self.iterations + 1", OPTIMIZERS),
    minicnn("training: weights do not become their averages", "training/trainer.py",
            "loop.optimizer_of(self).end_training()", "pass", "tests/callbacks/test_remote_monitor.py"),
    minicnn("keras: two rows of a window are its columns", "layers/keras1.py", "(rows, columns)", "(columns, rows)",
            "tests/keras/test_unchanged.py"),
    minicnn("keras: images are taken for batches", "training/keras2.py", "-(-samples // size)", "samples",
            "tests/keras/test_unchanged.py"),
    minicnn("keras: labels beyond the classes count as 0", "training/lenient.py", "* there[:, None]", "* 1",
            "tests/keras/test_unchanged.py"),
    minicnn("captured: every step is of the first one's kind", "training/captured.py",
            ".phase(self.first[1] + step)", ".phase(self.first[1])",
            "tests/cuda/test_captured.py -k table"),
    minicnn("optimizers: nadam's momentum is not ahead", "optimizers/nadam.py",
            "ahead / (1 - self._products[t] * ahead)", "now / (1 - self._products[t] * now)", OPTIMIZERS),
    minicnn("optimizers: adam's bias correction is one step late", "optimizers/adam.py", "1 - self.beta_1**t",
            "1 - self.beta_1 ** (t + 1)", OPTIMIZERS),
    minicnn("cifar: planes are taken for rows of pixels", "data/cifar_files.py",
            "reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)", "reshape(-1, 32, 32, 3)", "tests/data/test_cifar.py"),
    # training, inference, captured ------------------------------------------------------------------------------------
    minicnn("training: every epoch has the first one's order", "training/inputs.py",
            "streams.key(SHUFFLE, number, step=life)", "streams.key(SHUFFLE, number, step=0)", FIT),
    minicnn("training: a class that is not listed weighs nothing", "training/inputs.py",
            "class_weight.get(int(c), 1.0)", "class_weight.get(int(c), 0.0)", FIT),
    minicnn("training: a small last batch counts like the others", "training/loop.py",
            "self.total += loss * len(y_true)", "self.total += loss * 8", FIT),
    minicnn("training: initial_epoch is not looked at", "training/trainer.py",
            "for epoch in range(first, epochs)", "for epoch in range(epochs)", FIT),
    minicnn("training: validation comes an epoch early", "training/trainer.py",
            "(epoch + 1) % validation_freq == 0", "epoch % validation_freq == 0", FIT),
    minicnn("training: the epoch is not counted", "training/trainer.py", "self.streams.epoch += 1",
            "self.streams.epoch += 0", f"{FIT} {SAVING}"),
    minicnn("inference: a batch norm's shift has a wrong sign", "ops/block.py",
            "(scale, beta - mean * scale))", "(scale, beta + mean * scale))",
            "tests/training/test_programs.py"),
    minicnn("inference: tiles of one image too few", "training/loop.py", "yield slice(start, start + n),",
            "yield slice(start, start + n - 1),", "tests/training/test_programs.py tests/training/test_sequential.py"),
    minicnn("captured: an interrupted epoch counts all its steps", "training/captured.py",
            ".iterations = self.first[1] + done", ".iterations = self.first[1] + self.steps",
            "tests/cuda/test_captured.py -k 'bad_step or ctrl_c'"),
    minicnn("captured: the last batch is as large as the others", "training/inputs.py",
            "min((i + 1) * self.batch_size, self.n)", "(i + 1) * self.batch_size",
            "tests/cuda/test_captured.py -k 'same_bytes or replayed'"),
    minicnn("training: the summary's totals leave out what is frozen", "training/summary.py",
            "for layer in model.operations for p in layer.non_trainable_weights)",
            "for layer in model.operations for p in ())",
            "tests/training/test_sequential.py tests/training/test_summary_streams.py tests/training/test_saving.py"),
    # long runs, schedules, arguments ----------------------------------------------------------------------------------
    minicnn("checkpoint: the oldest checkpoint is taken for the newest", "training/checkpoint.py",
            "{SUFFIX}\"), key=lambda path: path.name)", "{SUFFIX}\"), key=lambda path: path.name, reverse=True)",
            "tests/training/test_checkpoint.py"),
    minicnn("checkpoint: the best value is the latest", "training/checkpoint.py",
            "float(value) if better and value is not None else self.best", "float(value or 0.0)",
            "tests/training/test_checkpoint.py"),
    minicnn("schedules: a staircase has no steps", "optimizers/schedules.py", "step // length if staircase else",
            "step / length if staircase else", "tests/optimizers/test_schedules.py"),
    minicnn("schedules: a cosine ends half way", "optimizers/schedules.py", "math.cos(math.pi * done)) / 2",
            "math.cos(math.pi * done / 2)) / 2", "tests/optimizers/test_schedules.py"),
    minicnn("arguments: the bound that is excluded is let in", "arguments.py", "(below is None or found < below)",
            "(below is None or found <= below)", OPTIMIZERS),
    minicnn("ops: a variance's gradient lacks its factor", "ops/reduce.py", "centred * (2 / count)",
            "centred * (1 / count)", GRADIENTS),
    minicnn("layers: layer norm divides by the variance", "layers/layer_norm.py", "y = centred / sqrt(variance(",
            "y = centred / (variance(", LAYERS),
    # callbacks --------------------------------------------------------------------------------------------------------
    minicnn("callbacks: early stopping waits an epoch more", "callbacks/early_stopping.py",
            "elif self.wait >= self.patience:", "elif self.wait > self.patience:",
            "tests/callbacks/test_early_stopping.py"),
    minicnn("callbacks: min_delta is added on the wrong side", "callbacks/monitor.py", "value - self.min_delta > best",
            "value + self.min_delta > best", "tests/callbacks/test_monitor.py"),
    minicnn("callbacks: a plateau's wait goes on after a reduction", "callbacks/reduce_lr_on_plateau.py",
            "self.cooldown_counter, self.wait = self.cooldown, 0", "self.cooldown_counter = self.cooldown",
            "tests/callbacks/test_reduce_lr_on_plateau.py"),
    minicnn("callbacks: a csv's missing value is empty", "callbacks/csv_logger.py", 'logs.get(name, "NA")',
            'logs.get(name, "")', "tests/callbacks/test_csv_logger.py"),
    minicnn("callbacks: an hour is a minute of 60 minutes", "callbacks/readout.py", "if seconds > 3600:",
            "if seconds > 36000:", "tests/callbacks/test_progress.py"),
    # data and augmentation --------------------------------------------------------------------------------------------
    minicnn("data: a label of 10 is read", "data/csv_digits.py", "CLASSES - 1.0, 255.0)", "CLASSES - 0.0, 255.0)",
            "tests/data/test_csv_errors.py"),
    minicnn("data: bytes behind an IDX file are let pass", "data/idx.py", "if got == count and not stream.read(1):",
            "if got == count:", "tests/data/test_mnist.py"),
    minicnn("data: an entry of the cache is not checked", "data/cache.py",
            "whole and file.read() == hashlib.sha256(cast(Any, array)).digest()", "whole",
            "tests/data/test_kaggle_digits.py"),
    minicnn("data: embedded digits are cut, not rounded", "data/digits.py", "(2 * 255 * box + scale)",
            "(2 * 255 * box)", "tests/data/test_digits.py"),
    minicnn("data: every epoch of a flow draws the same", "data/flow.py",
            "rows, self.seed, self.epoch * len(self) + index, ", "rows, self.seed, index, ", "tests/data/test_flow.py"),
    minicnn("data: flips that alternate forget the pass", "data/augment.py", "np.asarray(pass_index) % 2 == 1", "False",
            "tests/data/test_flow.py"),
    minicnn("data: a validation split rounds up", "data/batches.py", "math.floor(n * (1.0 - fraction))",
            "math.ceil(n * (1.0 - fraction))", f"tests/data/test_batches.py {FIT}"),
    minicnn("augment: a shear turns", "data/draws.py", "(c * cos - s * sin) * y_sign", "(c * cos + s * sin) * y_sign",
            "tests/data/test_augment.py tests/data/test_draws.py"),
    minicnn("augment: shifts of a fraction are of the other side", "data/draws.py", "u[WIDTH_SIGN], width)",
            "u[WIDTH_SIGN], height)", "tests/data/test_draws.py tests/data/test_augment.py"),
    minicnn("augment: samplewise statistics are per channel", "data/standardize.py",
            "batch -= batch.mean(axis=(1, 2, 3), keepdims=True)", "batch -= batch.mean(axis=(1, 2), keepdims=True)",
            "tests/data/test_augment.py"),
    minicnn("download: a download of any size is taken", "data/download.py", "if have > limits.most_bytes:",
            "if have < 0:", "tests/data/test_download.py"),
    # files ------------------------------------------------------------------------------------------------------------
    minicnn("io: a link is replaced, not its target", "io/files.py", "target = os.path.realpath(given)",
            "target = os.path.abspath(given)", "tests/io/test_files.py"),
    minicnn("io: a header may be longer than its file", "io/container.py", "declared <= min(size - 8, HEADER_LIMIT)",
            "declared <= HEADER_LIMIT", "tests/io/test_weights.py tests/io/test_model_file.py"),
    minicnn("io: Keras's slots come slot by slot", "io/hdf5.py",
            "for turn in present for i in range(count) for slot in turn]",
            "for turn in present for slot in turn for i in range(count)]", "tests/io/test_keras_files.py"),
    minicnn("io: a submission's ids begin at 0", "io/submission.py", "enumerate(labels.tolist(), 1)",
            "enumerate(labels.tolist(), 0)", "tests/io/test_submission.py"),
    minicnn("io: what was not measured is 0", "io/history.py", 'MISSING = "NA"', 'MISSING = "0"',
            "tests/io/test_history.py"),
    minicnn("saving: the optimizer's steps are not written", "saving/save.py",
            "0 if optimizer is None else optimizer.iterations", "0", SAVING),
    minicnn("loading: arrays that nobody asked for are let pass", "saving/load.py", "_nothing_left(left, deserial",
            "_nothing_left({}, deserial", "tests/io/test_model_file.py tests/training/test_saving.py"),
    # reports, doctor, recipes, command line ---------------------------------------------------------------------------
    minicnn("reports: the confusion matrix is transposed", "reports/confusion.py", "y * size + prediction",
            "prediction * size + y", "tests/reports/test_confusion.py"),
    minicnn("reports: equal errors come last first", "reports/worst.py", "(-error.gap, error.index)",
            "(-error.gap, -error.index)", "tests/reports/test_worst.py"),
    minicnn("ranks: a share begins between two counters", "training/world.py", "FOUR = 4", "FOUR = 1", WORLD),
    minicnn("ranks: gradients are weighed alike, whatever the rows", "training/world.py",
            "self.weight, self.rows = count / n,", "self.weight, self.rows = 1 / self.world.size,", WORLD),
    minicnn("ranks: a rank draws as if it were the first", "training/world.py",
            "self._begin_at(self.rows.start)", "self._begin_at(0)", WORLD),
    minicnn("ranks: an augmentation draws a rank's images as the first ones", "ops/augment.py",
            "key._replace(row=key.first((n, each)))", "key._replace(row=0)", WORLD),
    minicnn("ranks: one decision for a whole batch is drawn by each rank", "ops/dropout.py",
            "key._replace(row=0) if noise_shape[0] == 1 else key", "key", WORLD),
    minicnn("ranks: the spread of the ranks' means is no variance", "training/world.py",
            "(variances + (means - mean) ** 2)", "variances", WORLD),
    minicnn("ranks: a shared batch norm's dx leaves the other ranks out", "ops/norm.py",
            "(dgamma, dbeta) if ranks is None else ranks.weighed(be, dgamma, dbeta)", "(dgamma, dbeta)", WORLD),
    minicnn("ranks: a stop is a rank's own", "training/world.py", "model.stop_training = stop",
            "model.stop_training = model.stop_training", WORLD),
    minicnn("ranks: a checkpoint's end is a rank's own", "training/world.py", "ending or number is not None",
            "kept.ending", WORLD),
    minicnn("doctor: as many threads as cores are too many", "diagnosis/advice.py", "cores and int(text) > cores:",
            "cores and int(text) >= cores:", "tests/diagnosis/test_doctor.py"),
    minicnn("doctor: a quota is read upside down", "backend/cores.py", "int(granted) / int(period)",
            "int(period) / int(granted)", "tests/diagnosis/test_doctor.py"),
    minicnn("doctor: an old driver gets CUDA 13", "backend/gpu_report.py", "(13, 0))[0] == 12",
            "(13, 0))[0] == 11", "tests/core/test_gpu_report.py"),
    minicnn("doctor: the exit code is always 0", "__main__.py", '["works"] else 1', '["works"] else 0',
            "tests/diagnosis/test_doctor.py"),
    minicnn("backend: no memory is spared", "backend/memory_message.py", "needed - int(SPARE * free)", "needed - free",
            "tests/core/test_memory_message.py"),
    minicnn("recipes: B trains on the last, smaller batch too", "recipes.py", "rows // self.batch_size if",
            "-(-rows // self.batch_size) if", "tests/test_recipes.py tests/examples/test_train_recipe.py"),
    minicnn("tf.image: a seed of stateless_ draws is read in part", "keras/_images.py",
            "& 0xFFFFFFFF for n in pair]", "& 0xFFFFFFFF for n in pair[:0]]", "tests/keras/test_pipelines.py"),
    minicnn("tf.image: whole numbers of 16 bits are divided by 257", "keras/_images.py",
            "(most + 1) // (int(found.max) + 1)", "most // int(found.max)", "tests/keras/test_pipelines.py"),
    minicnn("datasets: a shard begins one element late", "data/dataset.py", "islice(iter(self), first, None, each)",
            "islice(iter(self), first + 1, None, each)", "tests/keras/test_pipelines.py"),
    minicnn("datasets: an open size of a signature is none", "data/dataset.py", "all(m in (None, n) for m, n in",
            "all(m == n for m, n in", "tests/keras/test_pipelines.py"),
]  # fmt: skip


def out_of_step(mutations=MUTATIONS, root: Path = ROOT) -> list[str]:
    """What is wrong with the list itself, a sentence for each mutation that could not be planted."""
    wrong = []
    for m in mutations:
        path = root / m.file
        text = path.read_text("utf-8") if path.is_file() else ""
        found = text.count(m.old)
        if not path.is_file():
            wrong.append(f"{m.name}: expected the file {m.file}, received none; say where that code is now")
        elif found != 1:
            wrong.append(f"{m.name}: expected {m.old!r} once in {m.file}, received {found}; say what stands there now")
        elif m.old == m.new or "\n" in m.old + m.new:
            wrong.append(f"{m.name}: expected a change of one line")
        elif m.file.endswith(".py"):
            try:
                ast.parse(text.replace(m.old, m.new))
            except SyntaxError as error:
                wrong.append(f"{m.name}: expected code, received {error}")
        for file in (word for word in shlex.split(m.tests) if word.startswith("tests/")):
            if not (root / file.partition("::")[0]).exists():
                wrong.append(f"{m.name}: expected the tests {file}, received no such file")
    return wrong


def copy_of(root: Path, folder: Path) -> Path:
    """A working copy with what is compiled already: kernels are found on disk by their files' times."""
    names = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
    if names.returncode:
        shutil.copytree(root, folder / "tree", ignore=shutil.ignore_patterns(".git"))
        return folder / "tree"
    for name in filter(lambda name: (root / name).is_file(), names.stdout.splitlines()):
        (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, folder / "tree" / name)
    for cache in (root / "kernels").rglob("__pycache__"):
        shutil.copytree(cache, folder / "tree" / cache.relative_to(root), dirs_exist_ok=True)
    return folder / "tree"


def run(tree: Path, *arguments: str) -> tuple[int, str]:
    """pytest's exit code and what it printed; 124 after LIMIT seconds."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no", "-rfE", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "Agg"}
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return 124, ""
    return done.returncode, done.stdout + done.stderr


def planted(mutation: Mutation, tree: Path, first: str | None = None) -> dict:
    """Plant it, run its tests, take it out again, run the test that failed once more.

    first: a test that has found it at another time, and is asked before the others.
    """
    path = tree / mutation.file
    status = path.stat()
    text = path.read_bytes()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        path.write_bytes(text.replace(mutation.old.encode(), mutation.new.encode()))
        code, said = run(tree, first) if first else (0, "")
        if code != 1:
            code, said = run(tree, *shlex.split(mutation.tests))
    finally:
        path.write_bytes(text)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    by = re.findall(r"^(?:FAILED|ERROR) +(\S.*?)(?: - .*)?$", said, re.M)
    found = {"name": mutation.name, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}
    if code == 124:
        return {**found, "outcome": "timed out", "by": None}
    if code == 0:
        return {**found, "outcome": "survived", "by": None}
    if code not in (1, 2) or not by:
        return {**found, "outcome": "error", "by": said[-1500:]}
    code, said = run(tree, by[0])
    if code:
        return {**found, "outcome": "error", "by": f"{by[0]} fails without the mutation as well: {said[-1500:]}"}
    return {**found, "outcome": "found", "by": by[0]}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__.split("\n\n")[0])
    parser.add_argument("words", nargs="*", help="only mutations whose name or file contains one of these")
    parser.add_argument("--check", action="store_true", help="only whether the list fits the code")
    parser.add_argument("--tree", type=Path, default=ROOT, help="another checkout, whose code and tests are taken")
    parser.add_argument("--json", type=Path, help="where to write the results; what it holds is not done again")
    parser.add_argument("--hints", type=Path, help="results of another time: the test that found one is asked first")
    args = parser.parse_args(argv)
    chosen = [m for m in MUTATIONS if not args.words or any(w in m.name or w in m.file for w in args.words)]
    wrong = out_of_step(chosen, args.tree.resolve())
    for line in wrong:
        print(f"out of step  {line}", flush=True)
    if args.check:
        print(f"{len(chosen)} mutations, {len(wrong)} out of step")
        return 1 if wrong else 0
    results = {}
    if args.json and args.json.exists():
        results = {found["name"]: found for found in json.loads(args.json.read_text())}
    hints = {found["name"]: found["by"] for found in json.loads(args.hints.read_text())} if args.hints else {}
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        tree = copy_of(args.tree.resolve(), Path(folder))
        for number, mutation in enumerate(chosen, 1):
            if mutation.name in results or any(line.startswith(f"{mutation.name}:") for line in wrong):
                continue
            found = results[mutation.name] = planted(mutation, tree, hints.get(mutation.name))
            line = f"{number:3d}/{len(chosen)}  {found['outcome']:9s}  {found['cpu']:6.1f}s  {mutation.name}"
            print(f"{line}\n{'':28s}{found['by'] or mutation.tests}", flush=True)
            if args.json:
                args.json.write_text(json.dumps(list(results.values()), indent=1) + "\n")
    results = [results[m.name] for m in chosen if m.name in results]
    count = sum(found["outcome"] == "found" for found in results)
    print(f"{count} of {len(chosen)} mutations found; {sum(found['cpu'] for found in results):.0f} s of CPU")
    for found in results:
        if found["outcome"] != "found":
            print(f"{found['outcome']}: {found['name']}")
    return 0 if count == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
