"""Every kernel of every set against its definition as plain loops."""
