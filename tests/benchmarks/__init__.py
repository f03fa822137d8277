"""The benchmark programs: what they count, compare and print; nothing here is timed."""
