"""Files in and out: atomic, checked, exchanged with Keras."""
