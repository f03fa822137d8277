"""The suite. The rules for what is added to it stand at the top of conftest.py."""
