"""The atlas: one table of the runs of a data set, with the vectors of their thoughts beside it."""
