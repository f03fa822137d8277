"""The example programs, as modules and as commands."""
