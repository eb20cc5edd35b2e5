"""Splits a text into sentences as the English Punkt model of NLTK 3.9 does (Kiss & Strunk, 2006).

IFEval counts the sentences of that model. The decisions are the same: a period ends a sentence but
behind an abbreviation, an initial or a number, where the next word decides. The model has learned
20,000 words and how each is written; here are the abbreviations that it knows and the frequent
words. So the two differ where a rare word in upper case follows "...", an abbreviation or an
initial, and nowhere else.

What Punkt gets wrong is kept: "e.g.", "i.e." and "etc." are no abbreviations to it, the number of a
list item ("1. Apples") is a sentence of its own, and a period before a curly quotation mark ends
none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

_NON_WORD = r"[)\";}\]*:@'({\[?!]"
_SERIES = r"(?:-{2,}|\.{2,}|(?:\.\s){2,}\.)"
_END = re.compile(rf"[.?!](?=(?P<after>{_NON_WORD}|\s+(?P<next>\S+)))")
_TOKEN = re.compile(
    rf"{_SERIES}"
    r"|(?=[^(\"`{\[:;&#*@)}\]\-,])\S+?"
    rf"(?=\s|$|{_NON_WORD}|{_SERIES}|,(?=$|\s|{_NON_WORD}|{_SERIES}))"
    r"|\S"
)
_CLOSES = re.compile(r"[\"')\]}]+?(?:\s+|(?=--)|$)", re.MULTILINE)
_NUMBER = re.compile(r"-?[.,]?\d[\d,.-]*\.?")
_INITIAL = re.compile(r"[^\W\d]\.")
_SPACES = " \t\n\r\x0b\x0c"

_ABBREVIATIONS = frozenset(
    # titles and ranks
    "dr mr mrs ms messrs prof st sr jr gen col lt maj adm sen rep reps "
    # companies and places
    "inc ltd co cos corp bros cie ave ft "
    # dates and amounts
    "jan feb aug sept sep oct nov dec tues wed fri a.m p.m a.d yr mg chg vs v ok "
    # states of the USA, and its districts
    "ala ariz calif colo conn fla ga ill kan ky mich minn nev okla ore pa tenn va vt wash wis w.va "
    "n.c n.d n.h n.j n.m n.y s.c d.c r.i l.a "
    # countries, degrees, and what is written with periods
    "u.s u.s.a u.k u.n u.s.s.r ph.d m.b.a b.v n.v s.a s.p.a "
    # initials of persons
    "a.a a.c a.g a.h a.s a.t b.f c.v d.h d.w e.f e.h e.l e.m f.g f.j g.d g.f g.k h.c h.f h.m "
    "j.b j.c j.j j.k j.p j.r l.f l.p m.j r.a r.h r.j r.k r.t s.g s.s t.j w.c w.r w.w "
    "c d e f g h k l m n p r s t w ct sw".split()
)
"""Words before a period that does not end the sentence, without that period."""

_STARTERS = frozenset(
    "according although among both but despite even he however i if in indeed instead it many "
    "meanwhile moreover most nevertheless nonetheless nor sales separately similarly since so "
    "some the there these they this though thus under when while yet".split()
)
"""Words that begin a sentence behind an abbreviation, if they are in upper case."""

_AFTER_NUMBERS = frozenset(
    "business commodities cooper corrections credit dividend financing insider international "
    "leisure letters notable pegasus pepper review who zimmer".split()
)
"""Words before which a number with a period ends no sentence. The model learned them from the lists
of a newspaper."""

_LOWER = frozenset(
    "only above almost along already always anyone anything ask asked become behind being better "
    "between call came cannot consider does doing done early either else enough especially ever "
    "example fact finally following furthermore given going hence her here herself him himself "
    "important include including inside into least likewise mean myself need neither nothing okay "
    "onto otherwise please put remember right same simply someone sometimes soon still such "
    "suddenly ten thank thanks them therefore things think through throughout together tomorrow "
    "towards try unfortunately unless unlike upon us using very wait were whenever whether which "
    "whole whom within without yes yesterday your indeed instead moreover nevertheless "
    "nonetheless nor similarly so though thus yet".split()
)
"""Words that are written with a capital only at the beginning of a sentence."""

_BOTH = frozenset(
    "a about across after again against ago all alone also although am among an and another any "
    "are around as at away back be because been before below best big both bring but by can come "
    "could day did do down during each end even every everyone everything far few find first five "
    "for four from full further get give go good got great had half has have having he help hey "
    "high his hope how however if in is it its just keep kind know large last late later leave "
    "less let life like little long look made make many may maybe me meanwhile might more most "
    "much must my never new next night no nobody none not now of off often old on once one or "
    "other others our out over own part people perhaps possible quite rather read really said say "
    "says second see seen several she should since small some somebody something start sure take "
    "tell than that the their then there these they thing third this those three time to today "
    "too toward two under until up use used usually want was way we well what whatever when where "
    "while who whose why will with word work world would write year years you".split()
)
"""Further words that are no names, which titles and headlines write with a capital."""


def split(text: str) -> list[str]:
    """The sentences, without the spaces between them. Closing quotes and brackets belong to the
    sentence before them."""
    return [text[start:end] for start, end in _realigned(text, list(_spans(text)))]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each sentence; closing quotes may still be in the next one."""
    start = 0
    for end, context in _ends(text):
        if _has_break(context):
            yield start, end.end()
            start = end.start("next") if end["next"] else end.end()
    yield start, len(text.rstrip())


def _ends(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each place where a sentence may end, with the words around it. Of several ends of one word
    ("!!!") the last counts."""
    held: re.Match[str] | None = None
    first = last = 0  # the word before the end that is held
    for end in _END.finditer(text):
        gap = max(text.rfind(space, last, end.start()) for space in _SPACES)
        # A space at the very beginning of the gap does not count, as in the original.
        word = gap + 1 if gap > last else first
        if held is not None and last <= word:
            yield held, text[first:last] + held[0] + held["after"]
        held, first, last = end, word, end.start()
    if held is not None:
        yield held, text[first:last] + held[0] + held["after"]


def _has_break(context: str) -> bool:
    tokens = _TOKEN.findall(context)
    return any(_breaks(token, following) for token, following in pairwise(tokens))


def _breaks(token: str, following: str) -> bool:
    """Whether a sentence ends with this token."""
    if not token.endswith("."):
        return token in ("?", "!")
    word, dots = token[:-1].lower(), token.endswith("..")
    abbreviation = not dots and not _ABBREVIATIONS.isdisjoint((word, word.rsplit("-", 1)[-1]))
    ellipsis = dots and token.startswith("..")
    initial = bool(_INITIAL.fullmatch(token))
    upper, known = following[0].isupper(), following.lower().removesuffix(".")
    if (abbreviation or ellipsis) and not initial:
        return upper and (known in _LOWER or known in _STARTERS)
    number = _NUMBER.fullmatch(token)
    if number and known in _AFTER_NUMBERS:
        return False
    if initial or number:
        name = initial and upper and known not in _LOWER and known not in _BOTH
        if following in ";:,.!?" or following[0].islower() or name:
            return False
    return not abbreviation and not dots


def _realigned(text: str, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans, with what closes a sentence at its end. Empty ones are left out."""
    moved = 0
    for (start, end), after in zip(spans, [*spans[1:], None], strict=True):
        start += moved
        moved = 0
        if after and (closing := _CLOSES.match(text[after[0] : after[1]])):
            yield start, after[0] + len(closing[0].rstrip())
            moved = closing.end()
        elif text[start:end]:
            yield start, end
