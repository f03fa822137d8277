"""Digits from files and from the network, damaged ones too; splits; augmentation."""
