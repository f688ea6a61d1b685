"""What has been read so far: contexts, cache layers, the compiled pass."""
