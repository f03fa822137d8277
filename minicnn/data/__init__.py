"""Data: sources of digits and pictures, splits and checks of arrays, augmentation."""

from . import cifar10, cifar100, digits, fashion_mnist, kaggle_digits, mnist
from .augment import ImageDataGenerator
from .batches import to_categorical, train_test_split
from .image_dataset import image_dataset_from_directory
from .images import array_to_img, img_to_array, load_img, save_img
from .sequence import PyDataset, Sequence

__all__ = [
    "ImageDataGenerator", "PyDataset", "Sequence", "array_to_img", "cifar10", "cifar100", "digits", "fashion_mnist",
    "image_dataset_from_directory", "img_to_array", "kaggle_digits", "load_img", "mnist", "save_img",
    "to_categorical", "train_test_split",
]  # fmt: skip
