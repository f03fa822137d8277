import numpy as np
from tensorflow.keras import ops as K
from tensorflow.keras.layers import Conv2D, Input, MaxPooling2D, UpSampling2D, concatenate
from tensorflow.keras.models import Model
from tensorflow.keras.optimizers import Adam

smooth = 1.0


def dice_coef(y_true, y_pred):
    y_true_f = K.reshape(y_true, (-1,))
    y_pred_f = K.reshape(y_pred, (-1,))
    intersection = K.sum(y_true_f * y_pred_f)
    return (2.0 * intersection + smooth) / (K.sum(y_true_f) + K.sum(y_pred_f) + smooth)


def dice_coef_loss(y_true, y_pred):
    return -dice_coef(y_true, y_pred)


rng = np.random.default_rng(6)
masks = np.zeros((64, 16, 16, 1), "float32")
for mask, (i, j) in zip(masks, rng.integers(0, 10, (64, 2))):
    mask[i : i + 6, j : j + 6] = 1
images = (masks + 0.4 * rng.normal(size=masks.shape)).astype("float32")

inputs = Input((16, 16, 1))
down = Conv2D(8, 3, activation="relu", padding="same")(inputs)
deep = Conv2D(16, 3, activation="relu", padding="same")(MaxPooling2D()(down))
up = concatenate([UpSampling2D()(deep), down], axis=3)
model = Model(inputs=[inputs], outputs=[Conv2D(1, 1, activation="sigmoid")(up)])
model.compile(optimizer=Adam(learning_rate=3e-3), loss=dice_coef_loss, metrics=[dice_coef])
history = model.fit(images, masks, batch_size=16, epochs=5, verbose=0)
losses = history.history["loss"]
assert history.history["dice_coef"][-1] > history.history["dice_coef"][0]
