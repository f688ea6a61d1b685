"""What is said of a model: whether answers are right, whether the thoughts matter, its facts."""
