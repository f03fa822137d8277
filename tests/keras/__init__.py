"""minicnn.keras: Keras's module paths and functions, as names for what is here."""
