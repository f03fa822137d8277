"""The same numbers as Keras gives (extra `parity`)."""
