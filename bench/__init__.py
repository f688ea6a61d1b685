"""Measurements of speed; python -m bench lists and runs them. Each says first that the numbers are the same."""
