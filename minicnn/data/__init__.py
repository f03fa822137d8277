"""Data: the three sources of digits, splits and checks of arrays, augmentation."""

from . import digits, kaggle_digits, mnist
from .augment import ImageDataGenerator
from .batches import to_categorical, train_test_split
from .images import array_to_img, img_to_array, load_img, save_img

__all__ = [
    "ImageDataGenerator", "array_to_img", "digits", "img_to_array", "kaggle_digits", "load_img", "mnist", "save_img",
    "to_categorical", "train_test_split",
]  # fmt: skip
