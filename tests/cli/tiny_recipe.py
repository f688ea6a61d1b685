"""A recipe that trains in seconds."""

TINY = """
name = "tiny"
batch_size = 4
step_style = "chain"
label_thoughts = "frontier"
checkpoint_every = 3
evaluate_every = 6
evaluation_problems = 4
[model]
hidden_size = 16
heads = 2
intermediate_size = 16
[data]
problems = 30
[curriculum]
lookup = 3
first = 3
per_stage = 3
stages = 2
total = 15
other_stages = 0.3
"""
