"""The tour: its steps and its bar."""
