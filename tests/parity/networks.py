"""Networks and single layers, each defined once for both libraries: `build(lib)` with lib = keras or minicnn.

A to E are the five published systems. `rate` scales their dropout: 0 for comparisons, since random streams differ.
"""

SIZE = (28, 28, 1)


def a(lib, rate=1.0, **kwargs):
    """Kaggle, with batch normalisation: 889,322 parameters, 888,426 trainable."""
    layers = lib.layers
    return lib.Sequential(
        [
            lib.Input(SIZE),
            layers.Conv2D(32, (5, 5), padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(32, (5, 5), padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D((2, 2)),
            layers.Dropout(0.25 * rate),
            layers.Conv2D(64, (3, 3), padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(64, (3, 3), padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D((2, 2), strides=(2, 2)),
            layers.Dropout(0.25 * rate),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5 * rate),
            layers.Dense(10, activation="softmax"),
        ],
        **kwargs,
    )


def b(lib, rate=1.0, **kwargs):
    """Kaggle, RMSprop, no batch normalisation: 887,530 parameters."""
    layers = lib.layers
    model = lib.Sequential(**kwargs)
    model.add(lib.Input(SIZE))
    for filters, size in ((32, 5), (64, 3)):
        model.add(layers.Conv2D(filters, size, padding="same", activation="relu"))
        model.add(layers.Conv2D(filters, size, padding="same", activation="relu"))
        model.add(layers.MaxPool2D(pool_size=(2, 2)))
        model.add(layers.Dropout(0.25 * rate))
    model.add(layers.Flatten())
    model.add(layers.Dense(256, activation="relu"))
    model.add(layers.Dropout(0.25 * rate))
    model.add(layers.Dense(10, activation="softmax"))
    return model


def c(lib, rate=1.0, axis=1, **kwargs):
    """Zero padding, and batch normalisation over axis 1, image rows, as published: 1,886,354 parameters."""
    layers = lib.layers
    model = lib.Sequential(**kwargs)
    model.add(lib.Input(SIZE))
    for filters, size, padded in ((32, 3, True), (48, 3, True), (64, 2, False)):
        model.add(layers.Conv2D(filters, size))
        model.add(layers.Activation("relu"))
        model.add(layers.BatchNormalization(epsilon=1e-6, axis=axis))
        model.add(layers.MaxPooling2D(pool_size=(2, 2)))
        if padded:
            model.add(layers.ZeroPadding2D((1, 1)))
    for layer in (layers.Dropout(0.25 * rate), layers.Flatten(), layers.Dense(3168), layers.Activation("relu"),
                  layers.Dense(10), layers.Activation("softmax")):  # fmt: skip
        model.add(layer)
    return model


def d(lib, rate=1.0, **kwargs):
    """LeNet with 16 and 36 filters: 242,062 parameters."""
    layers = lib.layers
    return lib.Sequential(
        [
            lib.Input(SIZE),
            layers.Conv2D(16, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(36, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25 * rate),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5 * rate),
            layers.Dense(10, activation="softmax"),
        ],
        **kwargs,
    )


def e(lib, rate=1.0, **kwargs):
    """Valid convolutions: 93,322 parameters."""
    layers = lib.layers
    return lib.Sequential(
        [
            lib.Input(SIZE),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        **kwargs,
    )


NETWORKS = {"a": a, "b": b, "c": c, "d": d, "e": e}


def restrained(lib, rate=1.0, **kwargs):
    """Every regularizer and every constraint, on every kind of weight and on outputs."""
    layers, R, C = lib.layers, lib.regularizers, lib.constraints
    return lib.Sequential(
        [
            lib.Input(SIZE),
            layers.Conv2D(4, 5, strides=3, activation="relu", kernel_regularizer="l2", bias_regularizer=R.L1(0.1),
                          kernel_constraint=C.MaxNorm(0.7, axis=[0, 1, 2]), activity_regularizer=R.L2(0.03)),
            layers.BatchNormalization(gamma_regularizer=R.L1L2(0.1, 0.2), beta_constraint="non_neg"),
            layers.DepthwiseConv2D(2, depthwise_regularizer=R.L1(0.05), bias_constraint=C.NonNeg(),
                                   depthwise_constraint=C.MinMaxNorm(0.5, 0.9, rate=0.6, axis=[0, 1])),
            layers.SeparableConv2D(3, 2, pointwise_regularizer=R.L1L2(0.01, 0.02), depthwise_regularizer="l1",
                                   pointwise_constraint="unit_norm"),
            layers.PReLU(alpha_regularizer=R.L1(0.2), alpha_constraint="max_norm"),
            layers.Conv2DTranspose(2, 2, kernel_regularizer="l2"),
            layers.LayerNormalization(beta_regularizer="l2", gamma_constraint=C.MaxNorm(1.0)),
            layers.Flatten(),
            layers.Dense(6, kernel_regularizer="l2", trainable=False),
            layers.Dense(8, kernel_regularizer=R.OrthogonalRegularizer(0.3, mode="columns"),
                         activity_regularizer=R.L1(0.01)),
            layers.Dense(10, activation="softmax", kernel_constraint=C.UnitNorm(), activity_regularizer="l1"),
        ],
        **kwargs,
    )  # fmt: skip


BOUND = {"restrained": restrained}

# Single layers: (shape of one sample, the layer from `layers`).
IMAGE, VECTOR, SEQUENCE, FIRST = (7, 9, 3), (11,), (10, 3), (3, 7, 9)
LAYERS = {
    "conv valid": (IMAGE, lambda L: L.Conv2D(5, 3)),
    "conv same": (IMAGE, lambda L: L.Conv2D(5, (2, 5), padding="same")),
    "conv same, stride 2": (IMAGE, lambda L: L.Conv2D(17, 3, strides=2, padding="same", activation="relu")),
    "conv same, even window, stride (3, 2)": (IMAGE, lambda L: L.Conv2D(4, 4, strides=(3, 2), padding="same")),
    "conv valid, stride (1, 3)": (IMAGE, lambda L: L.Conv2D(33, (3, 2), strides=(1, 3), activation="tanh")),
    "conv without bias": (IMAGE, lambda L: L.Conv2D(6, 1, use_bias=False)),
    "conv transpose": (IMAGE, lambda L: L.Conv2DTranspose(5, 3)),
    "conv transpose same, stride 2": (
        IMAGE, lambda L: L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")
    ),
    "conv transpose, stride (3, 2)": (IMAGE, lambda L: L.Conv2DTranspose(3, (2, 4), strides=(3, 2), use_bias=False)),
    "conv transpose, output padding": (
        IMAGE, lambda L: L.Conv2DTranspose(4, (2, 3), strides=3, output_padding=(1, 2), activation="relu")
    ),
    "conv transpose same, output padding": (
        IMAGE, lambda L: L.Conv2DTranspose(4, (3, 2), strides=3, padding="same", output_padding=2)
    ),
    "conv transpose same, no output padding": (
        IMAGE, lambda L: L.Conv2DTranspose(4, (4, 1), strides=(2, 3), padding="same", output_padding=0)
    ),
    "conv of sequences": (SEQUENCE, lambda L: L.Conv1D(5, 3, strides=2, padding="same", activation="relu")),
    "conv of sequences, causal": (SEQUENCE, lambda L: L.Conv1D(5, 3, padding="causal", dilation_rate=2)),
    "conv transpose of sequences": (SEQUENCE, lambda L: L.Conv1DTranspose(5, 3, strides=2, output_padding=1)),
    "depthwise conv of sequences": (SEQUENCE, lambda L: L.DepthwiseConv1D(3, depth_multiplier=2)),
    "separable conv of sequences": (SEQUENCE, lambda L: L.SeparableConv1D(4, 3, padding="same")),
    "max pool of sequences": (SEQUENCE, lambda L: L.MaxPooling1D(3, strides=2, padding="same")),
    "average pool of sequences": (SEQUENCE, lambda L: L.AveragePooling1D(3, strides=2, padding="same")),
    "global max pool of sequences": (SEQUENCE, lambda L: L.GlobalMaxPooling1D()),
    "global average pool of sequences": (SEQUENCE, lambda L: L.GlobalAveragePooling1D(keepdims=True)),
    "zeros around sequences": (SEQUENCE, lambda L: L.ZeroPadding1D((2, 1))),
    "upsampling of sequences": (SEQUENCE, lambda L: L.UpSampling1D(3)),
    "cropping of sequences": (SEQUENCE, lambda L: L.Cropping1D((2, 1))),
    "spatial dropout of 0, of sequences": (SEQUENCE, lambda L: L.SpatialDropout1D(0.0)),
    "conv, channels first": (FIRST, lambda L: L.Conv2D(5, (2, 3), padding="same", data_format="channels_first")),
    "conv transpose, channels first": (FIRST, lambda L: L.Conv2DTranspose(5, 3, data_format="channels_first")),
    "depthwise conv, channels first": (FIRST, lambda L: L.DepthwiseConv2D(2, data_format="channels_first")),
    "max pool, channels first": (FIRST, lambda L: L.MaxPooling2D(data_format="channels_first")),
    "global average pool, channels first": (FIRST, lambda L: L.GlobalAveragePooling2D(data_format="channels_first")),
    "zero padding, channels first": (FIRST, lambda L: L.ZeroPadding2D((1, 2), data_format="channels_first")),
    "flatten, channels first": (FIRST, lambda L: L.Flatten(data_format="channels_first")),
    "centre crop": (IMAGE, lambda L: L.CenterCrop(4, 6)),
    "centre crop of a smaller image": (IMAGE, lambda L: L.CenterCrop(9, 6)),
    "resizing": (IMAGE, lambda L: L.Resizing(10, 4)),
    "resizing, nearest": (IMAGE, lambda L: L.Resizing(10, 4, "nearest")),
    "resizing, cropped": (IMAGE, lambda L: L.Resizing(10, 4, crop_to_aspect_ratio=True)),
    "resizing, padded": (IMAGE, lambda L: L.Resizing(10, 4, pad_to_aspect_ratio=True, fill_value=2)),
    "resizing, antialiased": (IMAGE, lambda L: L.Resizing(3, 5, antialias=True)),
    "resizing, bicubic": (IMAGE, lambda L: L.Resizing(5, 20, "bicubic")),
    "resizing, bicubic and antialiased": (IMAGE, lambda L: L.Resizing(3, 5, "bicubic", antialias=True)),
    "resizing, lanczos3": (IMAGE, lambda L: L.Resizing(10, 4, "lanczos3", antialias=True)),
    "resizing, lanczos5": (IMAGE, lambda L: L.Resizing(10, 4, "lanczos5")),
    "random rotation by 80 degrees": (IMAGE, lambda L: L.RandomRotation((80 / 360, 80 / 360), fill_mode="constant")),
    "random zoom by 1.25 and 0.5": (IMAGE, lambda L: L.RandomZoom((0.25, 0.25), (-0.5, -0.5), fill_mode="nearest")),
    "random translation by 0.5 and -0.25": (  # px that float32, in which Keras has them, holds exactly
        IMAGE, lambda L: L.RandomTranslation((0.5, 0.5), (-0.25, -0.25), fill_mode="reflect")
    ),
    "random sharpness": (IMAGE, lambda L: L.RandomSharpness((0.8, 0.8), (-20, 20))),
    "random blur": (IMAGE, lambda L: L.RandomGaussianBlur((1.0, 1.0), (3, 5), (0.6, 0.6), (-20, 20))),
    "random grey": (IMAGE, lambda L: L.RandomGrayscale(1.0)),
    "random inversion": (IMAGE, lambda L: L.RandomInvert((1.0, 1.0), (-20, 20))),
    "random posterization": (IMAGE, lambda L: L.RandomPosterization((3, 3), (-20, 20))),
    "auto contrast": (IMAGE, lambda L: L.AutoContrast((-20, 20))),
    "random brightness by 0.1": (IMAGE, lambda L: L.RandomBrightness((0.1, 0.1), value_range=(-20, 20))),
    "conv dilated": (IMAGE, lambda L: L.Conv2D(5, (3, 2), dilation_rate=(2, 3))),
    "conv dilated, same": (IMAGE, lambda L: L.Conv2D(5, 3, padding="same", dilation_rate=2, activation="relu")),
    "conv in groups": (IMAGE, lambda L: L.Conv2D(6, 3, strides=2, groups=3)),
    "conv transpose, dilated": (IMAGE, lambda L: L.Conv2DTranspose(3, 2, dilation_rate=2)),
    "depthwise conv": (IMAGE, lambda L: L.DepthwiseConv2D(3)),
    "depthwise conv same, stride 2": (
        IMAGE, lambda L: L.DepthwiseConv2D((3, 2), strides=2, padding="same", depth_multiplier=2, activation="relu")
    ),
    "depthwise conv dilated": (IMAGE, lambda L: L.DepthwiseConv2D(3, dilation_rate=2, use_bias=False)),
    "separable conv": (IMAGE, lambda L: L.SeparableConv2D(5, 3, activation="relu")),
    "separable conv same, dilated": (
        IMAGE, lambda L: L.SeparableConv2D(5, (2, 3), padding="same", dilation_rate=2, depth_multiplier=2)
    ),
    "upsampling": (IMAGE, lambda L: L.UpSampling2D((2, 3))),
    "upsampling, bicubic": (IMAGE, lambda L: L.UpSampling2D((2, 3), interpolation="bicubic")),
    "upsampling, lanczos": (IMAGE, lambda L: L.UpSampling2D((3, 2), interpolation="lanczos5")),
    "upsampling, bilinear": (IMAGE, lambda L: L.UpSampling2D((2, 3), interpolation="bilinear")),
    "cropping": (IMAGE, lambda L: L.Cropping2D(((1, 2), (0, 3)))),
    "rescaling of channels": (IMAGE, lambda L: L.Rescaling([0.5, 2.0, -1.0], offset=[0.5, 0.0, 1.0])),
    "rescaling": (IMAGE, lambda L: L.Rescaling(0.5, offset=-1)),
    "permute": (IMAGE, lambda L: L.Permute((3, 1, 2))),
    "repeat vector": (VECTOR, lambda L: L.RepeatVector(3)),
    "layer norm": (IMAGE, lambda L: L.LayerNormalization()),
    "layer norm of two axes": (IMAGE, lambda L: L.LayerNormalization(axis=[1, -1], epsilon=1e-5)),
    "layer norm without scale": (VECTOR, lambda L: L.LayerNormalization(scale=False)),
    "normalization": (IMAGE, lambda L: L.Normalization()),
    "normalization of rows": (IMAGE, lambda L: L.Normalization(axis=(1, -1))),
    "normalization by given figures": (IMAGE, lambda L: L.Normalization(axis=None, mean=0.5, variance=2.0)),
    "normalization backwards": (VECTOR, lambda L: L.Normalization(mean=0.5, variance=2.0, invert=True)),
    "adaptive average pool": (IMAGE, lambda L: L.AdaptiveAveragePooling2D((2, 3))),
    "adaptive max pool": (IMAGE, lambda L: L.AdaptiveMaxPooling2D((3, 2))),
    "group norm": ((5, 4, 6), lambda L: L.GroupNormalization(3)),
    "group norm of rows": ((6, 4, 3), lambda L: L.GroupNormalization(2, axis=1, epsilon=0.1, center=False)),
    "instance norm": (IMAGE, lambda L: L.GroupNormalization(-1)),
    "unit norm": (IMAGE, lambda L: L.UnitNormalization()),
    "unit norm of two axes": (IMAGE, lambda L: L.UnitNormalization(axis=[1, 2])),
    "root mean square norm": (IMAGE, lambda L: L.RMSNormalization()),
    "root mean square norm of two axes": (IMAGE, lambda L: L.RMSNormalization(axis=[2, 3], epsilon=0.1)),
    "identity": (IMAGE, lambda L: L.Identity()),
    "activity regularization": (VECTOR, lambda L: L.ActivityRegularization(0.1, l2=0.2)),
    "gaussian noise of 0": (VECTOR, lambda L: L.GaussianNoise(0.0)),
    "dense": (VECTOR, lambda L: L.Dense(7)),
    "dense relu": (VECTOR, lambda L: L.Dense(33, activation="relu")),
    "dense without bias": (VECTOR, lambda L: L.Dense(6, use_bias=False, activation="sigmoid")),
    "dense on images": (IMAGE, lambda L: L.Dense(4)),
    "max pool": (IMAGE, lambda L: L.MaxPooling2D()),
    "max pool same": (IMAGE, lambda L: L.MaxPooling2D(2, padding="same")),
    "max pool overlapping": (IMAGE, lambda L: L.MaxPooling2D((3, 2), strides=(2, 1))),
    "average pool": (IMAGE, lambda L: L.AveragePooling2D((2, 3))),
    "average pool same": (IMAGE, lambda L: L.AveragePooling2D(3, strides=2, padding="same")),
    "average pool overlapping": (IMAGE, lambda L: L.AveragePooling2D((2, 3), strides=1)),
    "global average pool": (IMAGE, lambda L: L.GlobalAveragePooling2D()),
    "global max pool": (IMAGE, lambda L: L.GlobalMaxPooling2D(keepdims=True)),
    "batch norm": (IMAGE, lambda L: L.BatchNormalization()),
    "batch norm axis 1": (IMAGE, lambda L: L.BatchNormalization(axis=1, epsilon=1e-6)),
    "batch norm axis 2": (IMAGE, lambda L: L.BatchNormalization(axis=2, momentum=0.9)),
    "batch norm of vectors": (VECTOR, lambda L: L.BatchNormalization()),
    "batch norm without scale": (IMAGE, lambda L: L.BatchNormalization(scale=False)),
    "batch norm without centre": (IMAGE, lambda L: L.BatchNormalization(center=False)),
    "zero padding": (IMAGE, lambda L: L.ZeroPadding2D()),
    "zero padding, four sides": (IMAGE, lambda L: L.ZeroPadding2D(((1, 2), (0, 3)))),
    "flatten": (IMAGE, lambda L: L.Flatten()),
    "reshape": (IMAGE, lambda L: L.Reshape((9, -1))),
    "dropout of 0": (IMAGE, lambda L: L.Dropout(0.0)),
    "spatial dropout of 0": (IMAGE, lambda L: L.SpatialDropout2D(0.0)),
    "alpha dropout of 0": (VECTOR, lambda L: L.AlphaDropout(0.0)),
    "gaussian dropout of 0": (VECTOR, lambda L: L.GaussianDropout(0.0)),
    "prelu": (IMAGE, lambda L: L.PReLU()),
    "prelu shared": (IMAGE, lambda L: L.PReLU(shared_axes=[1, 2])),
    "prelu of vectors": (VECTOR, lambda L: L.PReLU()),
    "elu layer": (VECTOR, lambda L: L.ELU(alpha=0.7)),
    "leaky relu layer": (VECTOR, lambda L: L.LeakyReLU()),
    "relu layer": (VECTOR, lambda L: L.ReLU()),
    "relu layer, all arguments": (VECTOR, lambda L: L.ReLU(max_value=1.5, negative_slope=0.1, threshold=0.2)),
    "softmax layer": (VECTOR, lambda L: L.Softmax()),
    "softmax of rows": (IMAGE, lambda L: L.Softmax(axis=1)),
    "softmax of images": (IMAGE, lambda L: L.Softmax(axis=[1, 2])),
} | {
    name: (VECTOR, lambda L, name=name: L.Activation(name))
    for name in (
        "relu", "elu", "selu", "leaky_relu", "sigmoid", "tanh", "softmax", "linear", "exponential",
        "gelu", "hard_sigmoid", "log_softmax", "silu", "softplus", "softsign", "celu", "hard_shrink", "hard_silu",
        "hard_tanh", "log_sigmoid", "mish", "relu6", "soft_shrink", "sparse_plus", "sparse_sigmoid", "squareplus",
        "tanh_shrink",
    )
}  # fmt: skip


def build(lib, what: str, rate: float = 0.0, **kwargs):
    """A network by its letter, or a model of one layer by its name in LAYERS."""
    network = NETWORKS.get(what) or BOUND.get(what)
    if network:
        return network(lib, rate=rate, **kwargs)
    shape, layer = LAYERS[what]
    return lib.Sequential([lib.Input(shape), layer(lib.layers)], **kwargs)
