"""Findings about poor data, each a sentence that says what to try.

A share is a finding only where there is little doubt: at least FEWEST rows were counted, and the
lower end of the share's 95 % interval (Wilson 1927) is above the limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from sysgen_local.core.intervals import wilson
from sysgen_local.core.quality import QualityCounts
from sysgen_local.core.records import LABELS, TAGS

FEWEST = 50
"""Below this number of rows there are no findings."""

ENDLESS = 8
"""Where this many first answers were all cut off, the model does not end its answers. This finding
comes early, so that the user can stop the run."""

LIMITS = {
    "same_tags": 0.4,
    "same_phrase": 0.2,
    "lifted": 0.1,
    "same_verdict": 0.97,
    "tag_removed": 0.6,
    "wrong_script": 0.05,
    "other_language": 0.1,
    "tries": 0.5,
    "dropped": 0.1,
}
"""Finding -> the share of rows or phrases above which there is that finding."""

OFTEN = {"tool": 0.4, "background": 0.95, "style": 0.95, "format": 0.95, "action": 0.95}
"""Tag -> the share of rows above which the tag is used where it does not fit. In the paper, the
generators have a tool in 2 to 16 % of their rows, and the other tags here in half to seven eighths
of them. Nearly every row has a role, content and a task, so these have no limit."""

FLAT = 0.03
"""A standard deviation of p(good) below which the verdict does not tell phrases apart."""

SMALL = 1_000_000_000
"""Below this number of parameters a model is too small for the method."""
NOT_LARGE = 4_000_000_000
"""Below this number, several findings together are put down to the model's size."""

SEVERAL = 3
"""This many findings that are typical of a small model are one more finding."""

_PROMPTS = "try another model or prompt set on a few rows (`sysgen try`)"
_LARGER = "try a larger model (`sysgen models list`)"

_WAYS = {
    "too_long": "they do not fit into the context: try a larger --context, or another model",
    "cut_off": "their answers were cut off: try a larger --max-answer-tokens",
    "looping": f"their answers went round in circles: try a higher --temperature, or {_LARGER[4:]}",
    "empty": f"there was no answer: {_LARGER}",
    "markup": f"their answers are full of chat markup: {_LARGER}",
    "refused": "the model's chat template, or its server, refused them: try another model",
    "failed": "something went wrong with their requests: `sysgen show --dropped` says what, and "
    "--retry-failed asks again",
    "not_json": f"their phrases could not be read: {_LARGER}",
    "no_phrases": "no phrase passed the filter; `sysgen stats` counts what it removed by reason",
    "no_good_phrases": "the verdict left no phrase: try a larger --judge, or another --prompts",
    "disagrees": "new answers contradict the original ones: try --show-answer always, more "
    f"--tries, or {_LARGER[4:]}",
    "disobeys": "new answers do not follow their system messages: try more --tries, or "
    f"{_LARGER[4:]}",
}
"""Reason of a drop -> what is wrong, and what to try."""

_UNFINISHED = f"their phrases were not finished: {_LARGER}"


class Finding(NamedTuple):
    """`name` is for programs. `says` is one sentence with counts and what to try. `small`: the
    finding is typical of a model that is too small for the method."""

    name: str
    says: str
    small: bool = False


def findings(counts: QualityCounts) -> list[Finding]:
    """All findings, the most general first. There are none for the built-in model."""
    if counts.demonstration:
        return []
    found = [
        *_endless(counts), *_tags(counts), *_phrases(counts), *_verdicts(counts),
        *_languages(counts), *_answers(counts), *_dropped(counts),
    ]  # fmt: skip
    return [*_size(counts, found), *found]


def _endless(counts: QualityCounts) -> Iterator[Finding]:
    whole = counts.rows_done["respond"]
    cut = counts.dropped["respond", "cut_off"]
    if cut == whole and ENDLESS <= whole < FEWEST:
        yield Finding(
            "endless",
            f"All of the first {whole:,} answers were cut off at the token limit: the model does "
            "not end what it says. Stop the run, and see what ends its answers (`sysgen models "
            "check`); try another GGUF of it, or a larger --max-answer-tokens",
        )


def past(part: int, whole: int, limit: float, fewest: int = FEWEST) -> bool:
    """Whether the share is above the limit with little doubt: see the module."""
    if whole < fewest:
        return False
    _, low, _ = wilson(part, whole)
    return low is not None and low > limit


def _size(counts: QualityCounts, found: list[Finding]) -> Iterator[Finding]:
    if max(counts.rows_done.values(), default=0) < FEWEST:
        return
    size = counts.parameters
    if size is not None and size < SMALL:
        yield Finding(
            "small_model",
            f"The model has {size / 1e9:.2g} billion parameters, too few for the method: expect "
            "system messages that hardly fit and answers that do not follow them; "
            "try one of 7 billion or more (`sysgen models list`)",
        )
        return
    signs = sum(finding.small for finding in found)
    if signs >= SEVERAL and (size is None or size < NOT_LARGE):
        of = "" if size is None else f" of {size / 1e9:.1f} billion parameters"
        yield Finding(
            "small_model",
            f"The {signs} findings on phrases, verdicts and answers together say that the "
            f"model{of} is too small for the method, or its prompts do not suit it; {_LARGER}",
        )


def _tags(counts: QualityCounts) -> Iterator[Finding]:
    rows = counts.judged
    if not rows:
        return
    tags, most = max(counts.tags.items(), key=lambda of: of[1])
    if past(most, rows, LIMITS["same_tags"]) and tags:
        yield Finding(
            "same_tags",
            f"In {most:,} of {rows:,} rows the good phrases have the same tags "
            f"({', '.join(tags)}): the model follows a pattern, not the row; {_PROMPTS}",
            small=True,
        )
    for tag, limit in OFTEN.items():
        part = sum(n for of, n in counts.tags.items() if tag in of)
        if past(part, rows, limit):
            yield Finding(
                f"often_{tag}",
                f"In {part:,} of {rows:,} rows there is a good phrase under `{tag}`, more often "
                f"than it can fit; {_PROMPTS}",
                small=True,
            )


def _phrases(counts: QualityCounts) -> Iterator[Finding]:
    lifted = counts.removed["lifted"]
    if counts.rows_done["filter"] >= FEWEST and past(lifted, counts.phrases, LIMITS["lifted"]):
        yield Finding(
            "lifted",
            f"{lifted:,} of {counts.phrases:,} phrases were lifted from the prompt's "
            f"demonstrations (and removed): the model copies these; {_PROMPTS}",
            small=True,
        )
    text, rows = max(counts.good_phrases.items(), key=lambda of: of[1], default=("", 0))
    if past(rows, counts.judged, LIMITS["same_phrase"]):
        yield Finding(
            "same_phrase",
            f"In {rows:,} of {counts.judged:,} rows stands the same phrase, “{_short(text)}”; "
            f"{_PROMPTS}",
            small=True,
        )


def _verdicts(counts: QualityCounts) -> Iterator[Finding]:
    phrases = counts.labels.total()
    if counts.judged < FEWEST or not phrases:
        return
    way = "try a larger --judge (`sysgen verify --redo verify --judge NAME`)"
    by_label = {
        name: sum(n for (_, of), n in counts.labels.items() if of == name) for name in LABELS
    }
    label, most = max(by_label.items(), key=lambda of: of[1])
    mean = counts.good / phrases
    deviation = math.sqrt(max(0.0, counts.good_squared / phrases - mean * mean))
    if past(most, phrases, LIMITS["same_verdict"]):
        yield Finding(
            "same_verdict",
            f"The verdict on {most:,} of {phrases:,} phrases is {label}: it hardly tells them "
            f"apart; {way}",
            small=True,
        )
    elif deviation < FLAT:
        yield Finding(
            "same_verdict",
            f"The probability of good is {mean:.2f} for all {phrases:,} phrases, give or take "
            f"{deviation:.2f}: the verdict does not tell them apart; {way}",
            small=True,
        )
    for tag in TAGS:
        good, bad, none = (counts.labels[tag, label] for label in LABELS)
        if past(bad + none, good + bad + none, LIMITS["tag_removed"]):
            yield Finding(
                f"removed_{tag}",
                f"The verdict removed {bad + none:,} of {good + bad + none:,} phrases under "
                f"`{tag}`, most as {'bad' if bad > none else 'none'}; look at some "
                f"(`sysgen show --sample 5`), and {way}",
                small=True,
            )


def _languages(counts: QualityCounts) -> Iterator[Finding]:
    way = "try a model that speaks the language of the rows, or --language"
    filtered = counts.rows_done["filter"]
    if past(counts.wrong_script, filtered, LIMITS["wrong_script"]):
        yield Finding(
            "wrong_script",
            f"In {counts.wrong_script:,} of {filtered:,} rows phrases were removed because they "
            f"are written in a script that the row does not use; {way}",
        )
    if past(counts.language_differs, counts.language_known, LIMITS["other_language"]):
        wanted = "the row" if counts.language is None else f"asked for ({counts.language})"
        yield Finding(
            "other_language",
            f"In {counts.language_differs:,} of {counts.language_known:,} rows the system message "
            f"is in another language than {wanted}; {way}",
        )


def _answers(counts: QualityCounts) -> Iterator[Finding]:
    checked = counts.rows_done["check"]
    if past(counts.rewritten, checked, LIMITS["tries"]):
        yield Finding(
            "tries",
            f"In {counts.rewritten:,} of {checked:,} rows the first new answer contradicts the "
            f"original or does not follow its system message, which costs time; {_LARGER}",
            small=True,
        )


def _dropped(counts: QualityCounts) -> Iterator[Finding]:
    for (phase, reason), rows in counts.dropped.most_common():
        whole = counts.rows_done[phase]
        if past(rows, whole, LIMITS["dropped"]):
            way = _WAYS.get(reason, "`sysgen show --dropped` shows some of them")
            if (phase, reason) == ("generate", "cut_off"):
                way = _UNFINISHED
            yield Finding(
                f"{phase}_{reason}",
                f"{rows:,} of {whole:,} rows were dropped by `{phase}` as {reason}: {way}",
                small=phase == "check" or reason in ("looping", "not_json"),
            )


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:59]}…"
