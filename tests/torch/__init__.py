"""With PyTorch, too large to be an extra: its arrays, loaders and weights."""
