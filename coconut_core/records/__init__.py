"""What a run leaves behind, as data: no torch."""
