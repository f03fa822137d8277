"""The tape, gradients against differences, backends, messages, the rules of this suite."""
