"""What knows nothing of models: errors, paths, names, files, plots."""
