"""The programs: `python -m minicnn train` and `recipe`, written with the names that every user has."""
