"""Is the data worth training on: what a run's rows look like, in counts with their intervals."""
