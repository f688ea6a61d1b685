"""A plugin for coconut-tui with one of each; see docs/EXTENDING.md.

A module for each, so that none is imported for the sake of another: the family and the importer need no
torch before they are used.
"""
