"""The pages: their Python blocks run, and Sphinx makes them without a warning."""
