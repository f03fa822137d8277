"""Every public callable with what nobody should give it: one sentence, and nothing has changed."""
