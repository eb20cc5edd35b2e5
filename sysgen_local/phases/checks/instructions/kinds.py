"""The table of the kinds of instruction: what each one's parameters are, and its rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sysgen_local.phases.checks.instructions import kwargs, layout, length, whole, wording
from sysgen_local.phases.checks.instructions.kwargs import Reader, UnreadableError

VERSION = "1"
"""Part of the recipe of grades. It is raised when a verdict may change."""

Rule = Callable[[str], bool]
"""An answer -> whether it follows the instruction."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of instruction. `rule` is called with the answer and the parameters that `readers`
    read from the file."""

    rule: Callable[..., bool]
    readers: Mapping[str, Reader] = field(default_factory=dict)

    @property
    def known_fault(self) -> str:
        """What the reference's rule, which this one follows, gets wrong; "" where nothing is known.
        It is the last paragraph of the rule's description."""
        said = " ".join((self.rule.__doc__ or "").partition("Known fault:")[2].split())
        return said.rstrip(".")


_RELATION: dict[str, Reader] = {"relation": kwargs.relation}

KINDS: dict[str, Kind] = {
    "keywords:existence": Kind(wording.existence, {"keywords": kwargs.patterns}),
    "keywords:frequency": Kind(
        wording.frequency,
        {"keyword": kwargs.pattern, "frequency": kwargs.number, **_RELATION},
    ),
    "keywords:forbidden_words": Kind(wording.forbidden_words, {"forbidden_words": kwargs.patterns}),
    "keywords:letter_frequency": Kind(
        wording.letter_frequency,
        {"letter": kwargs.sign, "let_frequency": kwargs.number, "let_relation": kwargs.relation},
    ),
    "language:response_language": Kind(whole.response_language, {"language": kwargs.language}),
    "length_constraints:number_sentences": Kind(
        length.number_sentences, {"num_sentences": kwargs.number, **_RELATION}
    ),
    "length_constraints:number_paragraphs": Kind(
        length.number_paragraphs, {"num_paragraphs": kwargs.number}
    ),
    "length_constraints:number_words": Kind(
        length.number_words, {"num_words": kwargs.number, **_RELATION}
    ),
    "length_constraints:nth_paragraph_first_word": Kind(
        length.nth_paragraph_first_word,
        {
            "num_paragraphs": kwargs.number,
            "nth_paragraph": kwargs.number,
            "first_word": kwargs.text,
        },
    ),
    "detectable_content:number_placeholders": Kind(
        layout.number_placeholders, {"num_placeholders": kwargs.number}
    ),
    "detectable_content:postscript": Kind(
        layout.postscript, {"postscript_marker": kwargs.stripped_pattern}
    ),
    "detectable_format:number_bullet_lists": Kind(
        layout.number_bullet_lists, {"num_bullets": kwargs.number}
    ),
    "detectable_format:constrained_response": Kind(layout.constrained_response),
    "detectable_format:number_highlighted_sections": Kind(
        layout.number_highlighted_sections, {"num_highlights": kwargs.number}
    ),
    "detectable_format:multiple_sections": Kind(
        layout.multiple_sections,
        {"section_spliter": kwargs.stripped_pattern, "num_sections": kwargs.number},
    ),
    "detectable_format:json_format": Kind(layout.json_format),
    "detectable_format:title": Kind(layout.title),
    "combination:two_responses": Kind(whole.two_responses),
    "combination:repeat_prompt": Kind(whole.repeat_prompt, {"prompt_to_repeat": kwargs.text}),
    "startend:end_checker": Kind(whole.end_checker, {"end_phrase": kwargs.text}),
    "startend:quotation": Kind(whole.quotation),
    "change_case:capital_word_frequency": Kind(
        wording.capital_word_frequency,
        {"capital_frequency": kwargs.number, "capital_relation": kwargs.relation},
    ),
    "change_case:english_capital": Kind(whole.english_capital),
    "change_case:english_lowercase": Kind(whole.english_lowercase),
    "punctuation:no_comma": Kind(wording.no_comma),
}
"""Id of an instruction -> its kind."""


def rule_of(name: str, given: Mapping[str, Any], kinds: Mapping[str, Kind] = KINDS) -> Rule:
    """The rule of an instruction with its parameters. Raises UnreadableError, with the reason, for
    an unknown id and for parameters that the kind does not have."""
    if (kind := kinds.get(name)) is None:
        raise UnreadableError(f"{name!r} is no kind of instruction that is known")
    try:
        read = kwargs.read(given, kind.readers)
    except UnreadableError as error:
        raise UnreadableError(f"{name}: {error}") from None
    if "nth_paragraph" in read and not 0 < read["nth_paragraph"] <= read["num_paragraphs"]:
        raise UnreadableError(
            f"{name}: nth_paragraph is {read['nth_paragraph']}, and no paragraph of it"
        )
    return partial(kind.rule, **read)


def strict(answer: str, rules: Sequence[Rule]) -> tuple[bool, ...]:
    """Whether the answer follows each instruction. An empty answer follows none."""
    return tuple(bool(answer.strip()) and rule(answer) for rule in rules)


def loose(answer: str, rules: Sequence[Rule]) -> tuple[bool, ...]:
    """The same if the answer may also be read without its first line, its last line, or its
    asterisks: an instruction is followed if it is in one of the eight readings."""
    readings = [text for text in variants(answer) if text.strip()]
    return tuple(any(map(rule, readings)) for rule in rules)


def variants(answer: str) -> tuple[str, ...]:
    """The eight readings of the loose score."""
    lines = answer.split("\n")
    parts = [answer, *("\n".join(of).strip() for of in (lines[1:], lines[:-1], lines[1:-1]))]
    return (*parts, *(part.replace("*", "") for part in parts))
