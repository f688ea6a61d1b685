"""The run that is shown and what can be done to it, as plain data."""
