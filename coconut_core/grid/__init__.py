"""The causal grid: what is done by row, where by column, how far each cell moves the answer. See GRID.md."""
