"""The rows of both tasks, written for this project."""

from datasets import Dataset

WORDS = [
    ("hot", ["cold", "green", "loud", "late"]),
    ("big", ["small", "wet", "kind", "early"]),
    ("up", ["down", "slow", "new", "round"]),
    ("open", ["closed", "tall", "sweet", "blue"]),
    ("day", ["night", "bread", "road", "glass"]),
    ("first", ["last", "warm", "soft", "deep"]),
    ("young", ["old", "flat", "dry", "thin"]),
    ("full", ["empty", "quick", "red", "far"]),
]


def load(**_):
    """Eight words with four candidates each; the right one moves from place to place."""
    rows = []
    for i, (word, choices) in enumerate(WORDS):
        turn = i % len(choices)
        rows.append({
            "word": word, "choices": choices[-turn:] + choices[:-turn] if turn else choices,
            "answer": turn,
        })  # fmt: skip
    return {"test": Dataset.from_list(rows)}
