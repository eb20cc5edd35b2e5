"""Phrases as models write them: compact JSON under a grammar, or the paper's tagged text.

The same pydantic models check what comes in and make the JSON schema that constrains sampling.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from sysgen_local.core.records import Phrase, Tag

LONGEST = 300
"""Characters a phrase may have."""


class _Phrase(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tag: Tag
    text: Annotated[str, Field(max_length=LONGEST)]


class PhraseList(RootModel[Annotated[list[_Phrase], Field(min_length=1, max_length=12)]]):
    """What phase 1 may write: 1 to 12 phrases."""


SCHEMA: dict[str, Any] = PhraseList.model_json_schema()


def schema_in(letters: str) -> dict[str, Any]:
    """The schema for phrases that begin with one of these letters (a regular expression's class):
    a model that begins in a script goes on in it."""
    schema = PhraseList.model_json_schema()
    text = schema["$defs"]["_Phrase"]["properties"]["text"]
    del text["maxLength"]
    text["pattern"] = f"^[{letters}].{{0,{LONGEST - 1}}}$"
    return schema


_TAG = re.compile(r"<<\s*(/?)\s*([A-Za-z][A-Za-z _-]{0,30}?)\s*>>:?")


def parse_json(text: str) -> tuple[Phrase, ...]:
    """Phrases from the JSON list that the grammar allows; ValueError for anything else."""
    try:
        phrases = PhraseList.model_validate_json(text).root
    except ValidationError as error:
        raise ValueError(f"not a list of phrases: {error.errors()[0]['msg']}") from error
    return tuple(Phrase(p.tag, p.text.strip()) for p in phrases)


def parse_tagged(text: str) -> tuple[Phrase, ...]:
    """Phrases from the paper's form, `<<Role>> You are a chef. <<Format>> Use a list.`

    Tolerant of case, a colon behind the tag and closing tags. Tags that the method does not know
    are kept for the filter to record; text before the first tag becomes a phrase without a tag.
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
    """JSON where it is JSON (tags need not be known ones), else the tagged form."""
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
