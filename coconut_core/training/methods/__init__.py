"""Methods of training: a table to which plugins add, and a module for each that is more than stages."""
