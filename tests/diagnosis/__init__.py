"""doctor: every broken machine as a dict, and what it is told."""
