"""Numbers in words: with a noun, as a time, as a size, rounded."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """The number with the noun in the singular or plural (the noun with an s unless given)."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def rounded(number: float) -> str:
    """The number with two digits that count: "850", "12,000", "3.4 million"."""
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.1f} {name}"
    digits = max(0, len(str(int(number))) - 2)
    return f"{round(number, -digits):,.0f}"


def duration(seconds: float) -> str:
    """A time as exact as an estimate is: "40 s", "12 min", "3 h 20 min", "2 d 5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        minutes = 10 * round(minutes / 10) if hours else minutes
        hours, minutes = (hours + 1, 0) if minutes == 60 else (hours, minutes)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def gigabytes(size: float) -> str:
    """A number of bytes of a file or of memory: "0.49 GB", of 1e9 bytes each."""
    return f"{size / 1e9:.2f} GB"


def decision_word(decision: str) -> str:
    """What a person's decision is called. The store calls a row that a person does not want
    "rejected"; here it is declined, because rejected rows are those that could not be read."""
    return "declined" if decision == "rejected" else decision
