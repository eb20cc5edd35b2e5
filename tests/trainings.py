"""What the tests of training share."""

FAST = {"epochs": 4, "learning_rate": 0.02, "batch": 8, "held_out": 0.2}
"""Options with which a tiny model learns in seconds."""
