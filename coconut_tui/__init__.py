"""coconut_tui: a terminal explorer for models that reason in continuous thoughts."""
