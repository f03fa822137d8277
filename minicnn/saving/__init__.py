"""Models as plain values and arrays, and back: what stands in every file, whatever its format (minicnn/io)."""
