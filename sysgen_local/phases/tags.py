"""Parses phrases in the form that models write: compact JSON, or the paper's tagged text.

The pydantic models validate the output and give the JSON schema for the grammar.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from sysgen_local.core.records import Phrase, Tag

LONGEST = 300
"""Maximum number of characters of a phrase."""


class _Phrase(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tag: Tag
    text: Annotated[str, Field(max_length=LONGEST)]


class PhraseList(RootModel[Annotated[list[_Phrase], Field(min_length=1, max_length=12)]]):
    """The output of phase 1: 1 to 12 phrases."""


SCHEMA: dict[str, Any] = PhraseList.model_json_schema()


def schema_in(letters: str) -> dict[str, Any]:
    """The schema for phrases that begin with one of these letters (the inside of a character class
    of a regular expression). A model that begins in a script continues in it."""
    schema = PhraseList.model_json_schema()
    text = schema["$defs"]["_Phrase"]["properties"]["text"]
    del text["maxLength"]
    text["pattern"] = f"^[{letters}].{{0,{LONGEST - 1}}}$"
    return schema


_TAG = re.compile(r"<<\s*(/?)\s*([A-Za-z][A-Za-z _-]{0,30}?)\s*>>:?")


def parse_json(text: str) -> tuple[Phrase, ...]:
    """The phrases of a JSON list as the grammar allows it. Raises ValueError for other text."""
    try:
        phrases = PhraseList.model_validate_json(text).root
    except ValidationError as error:
        raise ValueError(f"not a list of phrases: {error.errors()[0]['msg']}") from error
    return tuple(Phrase(p.tag, p.text.strip()) for p in phrases)


def parse_tagged(text: str) -> tuple[Phrase, ...]:
    """The phrases of the paper's form: `<<Role>> You are a chef. <<Format>> Use a list.`

    Upper and lower case, a colon behind the tag and closing tags are accepted. Unknown tags stay,
    and the filter records them. Text before the first tag becomes a phrase without a tag.
    """
    phrases = []
    tag = ""
    start = 0
    for match in _TAG.finditer(text):
        phrases.append(Phrase(tag, text[start : match.start()].strip()))
        tag = "" if match[1] else match[2].strip().casefold()
        start = match.end()
    phrases.append(Phrase(tag, text[start:].strip()))
    return tuple(phrase for phrase in phrases if phrase.tag or phrase.text)


def parse_any(text: str) -> tuple[Phrase, ...]:
    """The phrases of a JSON list (unknown tags are accepted); for other text, of the tagged
    form."""
    try:
        return tuple(
            Phrase(p.tag.strip().casefold(), p.text.strip()) for p in _Loose.validate_json(text)
        )
    except ValidationError:
        return parse_tagged(text)


class _LoosePhrase(BaseModel):
    tag: str
    text: str


class _Loose(RootModel[list[_LoosePhrase]]):
    @classmethod
    def validate_json(cls, text: str) -> list[_LoosePhrase]:
        return cls.model_validate_json(text).root
