"""Layers' arguments explained once: `help(Conv2D)` shows each, an example, and where the arithmetic is.

`explain` appends these lines to a layer's docstring. "Layer.argument" is read before "argument", which layers share.
"""

from typing import Any

ARGUMENTS = {
    "activation": 'applied to the outputs: a name like "relu" or "softmax", or a function of a tensor; None: none',
    "addition_factor": "share of the range that is added first: at most that, or (lowest, highest)",
    "algorithm": '"auto", "im2col" or "winograd": see above',
    "alpha": "y = alpha (exp(x) - 1) below 0",
    "MixUp.alpha": "of the weights' distribution Beta(alpha, alpha): small ones mix little",
    "alpha_initializer": "of the slopes below 0, a name or an initializer",
    "antialias": "weigh all pixels that a smaller one covers",
    "arguments": "a dict of further arguments for the function",
    "axes": "which axes of the two inputs are summed over: a number, or one for each; the batch is axis 0",
    "axis": "the axis of the channels, the last one by default; the batch is axis 0",
    "Concatenate.axis": "along which the inputs are joined; the batch is axis 0",
    "Softmax.axis": "whose entries sum to 1; the batch is axis 0",
    "RMSNormalization.axis": "over which the mean square is taken; the batch is axis 0",
    "UnitNormalization.axis": "over which the length is taken; the batch is axis 0",
    "GroupNormalization.groups": "how many groups of neighbouring channels; -1: each channel by itself",
    "Normalization.axis": "which keep figures of their own; None: two for all numbers; the batch is axis 0",
    "LayerNormalization.axis": "over which mean and variance are taken; the batch is axis 0",
    "batch_shape": "the same with the batch in front: (None, H, W, C)",
    "batch_size": "the batch's size if it is to be fixed; None: any",
    "beta_initializer": "of what is added, a name or an initializer",
    "bias_initializer": "of the bias, a name or an initializer",
    "bins": "of the histogram",
    "brightness_factor": "as RandomBrightness(factor); None: left out",
    "center": "add a learned beta",
    "contrast_factor": "as RandomContrast(factor); None: left out",
    "crop_to_aspect_ratio": "cut the longer side off rather than distort",
    "cropping": "px to cut off: a number for all sides, one for each axis, or (first, last) for each axis",
    "data_format": '"channels_last" (N, H, W, C), the default, or "channels_first" (N, C, H, W), which is transposed',
    "depth_multiplier": "outputs per input channel",
    "depthwise_initializer": "of the windows, a name or an initializer",
    "dilation_rate": "distance in px between the cells that a window reads; a number or one for each axis",
    "dims": "the new order of the axes, counted from 1, without the batch",
    "dtype": "must be None or float32",
    "epsilon": "added to the variance, so that nothing is divided by 0",
    "factor": "how strong at most: a share, or (lowest, highest)",
    "CutMix.factor": "alpha of the share's distribution Beta(alpha, alpha): at most that, or (lowest, highest)",
    "RandomGrayscale.factor": "the share of images that become grey",
    "RandomPosterization.factor": "bits that stay: fewer than that, or (lowest, one more than highest); 1: one",
    "fill_mode": 'what lies beyond the edge: "reflect", "wrap", "constant" or "nearest"',
    "fill_value": 'the value of "constant"',
    "filters": "how many windows are learned: channels of the output",
    "function": "called on tensors; made of minicnn.ops, it has gradients",
    "gamma_initializer": "of the factors, a name or an initializer",
    "groups": "the channels are split into so many groups, each with filters of its own",
    "height": "px of the output",
    "height_factor": "share of the height by which images move or shrink: at most that, or (lowest, highest)",
    "hue_factor": "as RandomHue(factor); None: left out",
    "input_shape": "of one sample, where the layer is a model's first: (H, W, C)",
    "interpolation": '"nearest" or "bilinear": what a pixel between pixels is',
    "UpSampling2D.interpolation": '"nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5"',
    "Resizing.interpolation": '"nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5"',
    "keepdims": "keep the axes that were averaged over, with length 1",
    "kernel_initializer": "of the kernel, a name or an initializer",
    "kernel_size": "px of the window: a number or one for each axis",
    "RandomGaussianBlur.kernel_size": "px of the window, odd: a number, or (columns, rows)",
    "l1": "the factor of sum |x|",
    "l2": "the factor of sum x^2",
    "mask": "not there: None",
    "max_value": "outputs end there; None: nowhere",
    "mode": '"horizontal", "vertical" or "horizontal_and_vertical"',
    "momentum": "of the moving averages: moving = momentum moving + (1 - momentum) batch's",
    "moving_mean_initializer": "of the average of means, a name or an initializer",
    "moving_variance_initializer": "of the average of variances, a name or an initializer",
    "mean": "in place of what adapt finds: a number, or one per entry; with variance",
    "variance": "in place of what adapt finds: a number, or one per entry; with mean",
    "invert": "from mean 0 and variance 1 back to the features",
    "n": "how often",
    "name": "unique in a model; None counts up per class",
    "negative_slope": "y = negative_slope x below 0",
    "noise_shape": "1 for each axis of a batch along which one decision is for all; None: each element has its own",
    "normalize": "divide both by their lengths first: the cosine",
    "num_ops": "how many changes of an image, one after the other",
    "offset": "added after the factor: a number, or one per channel",
    "output_size": "parts along each axis: a number or one for each axis",
    "output_padding": "px more at the end of each axis, fewer than the stride; None: none",
    "output_shape": "of one sample; None: found out by calling the function",
    "pad_to_aspect_ratio": "fill the shorter side up rather than distort",
    "padding": '"valid": windows lie inside; "same": zeros around, so that stride 1 keeps the size',
    "ZeroPadding1D.padding": "zeros to add: a number for both ends, or (first, last)",
    "ZeroPadding2D.padding": "zeros to add: a number for all sides, one for each axis, or (first, last) for each axis",
    "pixels": "at most so many px each way: a number, or (rows, columns)",
    "pointwise_initializer": "of the 1x1 windows, a name or an initializer",
    "pool_size": "px of the window: a number or one for each axis",
    "rate": "the share of elements that are dropped, or that sets the noise: 0 to below 1",
    "saturation_factor": "as RandomSaturation(factor); None: left out",
    "scale": "multiply by a learned gamma",
    "Rescaling.scale": "the factor, or one per channel",
    "RandomPerspective.scale": "how far corners move: at most half of it, as a share of the size",
    "RandomErasing.scale": "share of the image that is erased: at most that, or (lowest, highest)",
    "RandomErasing.fill_value": "a number, or one per channel; None: random numbers",
    "seed": "in place of the model's; None: the model's",
    "shape": "of one sample, without the batch: (H, W, C)",
    "shared_axes": "axes along which one slope serves all; None: each element has its own",
    "sigma": "deviation of the Gaussian in px: at most that, or (lowest, highest)",
    "size": "copies of each pixel: a number or one for each axis",
    "stddev": "standard deviation of the noise",
    "strides": "px between two windows: a number or one for each axis",
    "AveragePooling1D.strides": "px between two windows; None: pool_size",
    "AveragePooling2D.strides": "px between two windows: a number or one for each axis; None: pool_size",
    "MaxPooling1D.strides": "px between two windows; None: pool_size",
    "MaxPooling2D.strides": "px between two windows: a number or one for each axis; None: pool_size",
    "synchronized": "True: statistics of all processes' rows; False: each process has its own",
    "target_shape": "of one sample; one entry may be -1, which the others decide",
    "threshold_factor": "share of the range from which on numbers are mirrored: at most that, or (lowest, highest)",
    "threshold": "below it the output is negative_slope (x - threshold)",
    "trainable": "False: the weights stay; it may be changed later",
    "units": "how many outputs",
    "use_bias": "add a learned number to every output channel",
    "value_range": "(lowest, highest) of the images' values, where outputs end",
    "width": "px of the output",
    "width_factor": "the same of the width; None: as the height",
    "x_factor": "px along the width for each px down: at most that both ways, or (lowest, highest)",
    "y_factor": "px down for each px along the width: at most that both ways, or (lowest, highest)",
}  # fmt: skip
BOUNDS = {  # of each weight that has them: kernel_regularizer, kernel_constraint, ...
    "regularizer": 'a penalty on it, added to the loss: a name like "l2", a regularizer or a function of a tensor',
    "constraint": 'what it is made to be after a step: a name like "max_norm", a constraint or a function',
}
SHARED = ("name", "trainable", "input_shape")  # of every layer, behind **kwargs

EXAMPLES = {  # a call and the shape of samples -> the shape of a batch
    "Activation": ('Activation("relu")', (4,), (4,)),
    "AveragePooling2D": ("AveragePooling2D(2)", (28, 28, 1), (14, 14, 1)),
    "BatchNormalization": ("BatchNormalization(momentum=0.9)", (28, 28, 8), (28, 28, 8)),
    "Conv1D": ("Conv1D(8, 3)", (100, 2), (98, 8)),
    "Conv2D": ('Conv2D(8, 3, padding="same", activation="relu")', (28, 28, 1), (28, 28, 8)),
    "Conv2DTranspose": ('Conv2DTranspose(8, 3, strides=2, padding="same")', (14, 14, 4), (28, 28, 8)),
    "Dense": ('Dense(10, activation="softmax")', (64,), (10,)),
    "DepthwiseConv2D": ("DepthwiseConv2D(3, depth_multiplier=2)", (28, 28, 4), (26, 26, 8)),
    "Dropout": ("Dropout(0.25)", (14, 14, 8), (14, 14, 8)),
    "Flatten": ("Flatten()", (7, 7, 8), (392,)),
    "GlobalAveragePooling2D": ("GlobalAveragePooling2D()", (7, 7, 8), (8,)),
    "MaxPooling2D": ("MaxPooling2D()", (28, 28, 1), (14, 14, 1)),
    "Reshape": ("Reshape((4, -1))", (8,), (4, 2)),
    "SeparableConv2D": ("SeparableConv2D(8, 3)", (28, 28, 4), (26, 26, 8)),
    "UpSampling2D": ("UpSampling2D(2)", (14, 14, 8), (28, 28, 8)),
    "ZeroPadding2D": ("ZeroPadding2D(2)", (28, 28, 1), (32, 32, 1)),
}  # fmt: skip

KERNELS = "; its kernels, to be read: kernels/numpy_ref/"
ARITHMETIC = {  # a module of layers -> where forward and backward are
    "activation": f"minicnn/ops/activation.py{KERNELS}activation.py",
    "axes": "minicnn/ops/shape.py and join.py",
    "color": "minicnn/ops/color.py",
    "conv": f"minicnn/ops/conv.py{KERNELS}conv.py",
    "conv_transpose": f"minicnn/ops/conv.py{KERNELS}conv.py",
    "dense": f"minicnn/ops/dense.py{KERNELS}dense.py",
    "depthwise": f"minicnn/ops/conv.py{KERNELS}depthwise.py",
    "dropout": f"minicnn/ops/dropout.py{KERNELS}random.py",
    "gaussian_noise": f"minicnn/ops/dropout.py{KERNELS}random.py",
    "group_norm": "minicnn/ops/reduce.py and arithmetic.py",
    "layer_norm": "minicnn/ops/reduce.py and arithmetic.py",
    "mixing": "minicnn/ops/mixing.py",
    "merge": "minicnn/ops/arithmetic.py and join.py",
    "normalization": "minicnn/ops/arithmetic.py",
    "norm": f"minicnn/ops/norm.py{KERNELS}norm.py",
    "pool": f"minicnn/ops/pool.py{KERNELS}pool.py",
    "resize": "minicnn/ops/resize.py",
    "shape": "minicnn/ops/shape.py",
}


def explain(layer: type) -> None:
    """Append what its arguments mean, an example, and where its arithmetic is, to a layer's docstring."""
    init: Any = layer.__init__
    while hasattr(init, "__wrapped__"):
        init = init.__wrapped__
    code = init.__code__
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    positional = code.co_varnames[1 : code.co_argcount]
    given = init.__defaults__ or ()
    defaults = dict(zip(positional[len(positional) - len(given) :], given, strict=True)) | (init.__kwdefaults__ or {})
    bounds = {f"{what}_{how}": text for what in layer.bound for how, text in BOUNDS.items()}
    own = [name for name in names if name not in SHARED and name not in bounds]
    defaults |= dict.fromkeys(bounds)
    own += bounds
    heads = {name: f"{name} = {defaults[name]!r}" if name in defaults else name for name in own}
    width = max([len(head) for head in heads.values()] + [24])
    text = [(layer.__doc__ or "").rstrip(), "", "    Arguments"]
    for name in own:
        meaning = bounds.get(name) or ARGUMENTS.get(f"{layer.__name__}.{name}") or ARGUMENTS.get(name)
        if meaning is None:
            raise NotImplementedError(f"layers.{layer.__name__}: expected a line about {name!r} in ARGUMENTS of "
                                      "minicnn/layers/glossary.py, received none")  # fmt: skip
        text.append(f"        {heads[name]:<{width}}  {meaning}")
    common = "name, trainable, input_shape, activity_regularizer"
    text.append(f"        {common}  of every layer: help(minicnn.layers.Layer)")
    if layer.__name__ in EXAMPLES:
        call, sample, result = EXAMPLES[layer.__name__]
        text += ["", "    Example", "        >>> from minicnn import layers",
                 f"        >>> layers.{call}(layers.Input({sample})).shape", f"        {(None, *result)}"]  # fmt: skip
    where = ARITHMETIC.get(layer.__module__.rpartition(".")[2])
    if where:
        text += ["", f"    Forward and backward: {where}."]
    layer.__doc__ = "\n".join(text) + "\n    "
