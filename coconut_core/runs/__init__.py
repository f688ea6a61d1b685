"""Runs of one question and of many: what comes next, what may be changed, what is kept."""
