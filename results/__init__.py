"""The paper's table, re-made at the size that this machine can train: `make results`."""
