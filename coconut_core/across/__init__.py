"""Training as a time axis: one question or many problems over the checkpoints of a run. See docs/ACROSS.md."""
