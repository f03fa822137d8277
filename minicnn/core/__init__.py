"""The tape, @op and the gradient checker."""
