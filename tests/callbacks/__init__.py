"""Callbacks: their rules epoch by epoch, on a model that only counts."""
