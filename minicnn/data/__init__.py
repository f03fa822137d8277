"""Data: the three sources of digits, splits and checks of arrays, augmentation."""

from . import digits, kaggle_digits, mnist
from .augment import ImageDataGenerator
from .batches import to_categorical, train_test_split

__all__ = ["ImageDataGenerator", "digits", "kaggle_digits", "mnist", "to_categorical", "train_test_split"]
