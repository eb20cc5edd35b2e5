"""The phrases that a demonstration in a prompt shows."""

from __future__ import annotations

import json
import re

_TAG = re.compile(r"<<[^<>\n]{1,40}>>:?")


def phrase_texts(message: str) -> list[str]:
    """The texts of the phrases in a demonstration's answer: a JSON list, or the tagged text of the
    SysGen paper (`<<Role>> You are a chef.`)."""
    try:
        texts = [phrase["text"] for phrase in json.loads(message)]
        return [text for text in texts if isinstance(text, str)]
    except (ValueError, TypeError, KeyError):
        _, *texts = _TAG.split(message)
        return [text.strip() for text in texts if text.strip()]
