"""Evaluation: benchmarks of models, and comparisons of new answers with old ones."""
