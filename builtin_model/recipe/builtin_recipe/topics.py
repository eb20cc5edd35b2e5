"""Topics and words to speak of: hand-written ones and, in training, mostly invented ones.

A model of this size knows nothing, it has to copy; words it has never seen teach it that.
Everything is drawn from a `random.Random`, so that a seed gives the same text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

from builtin_recipe.gguf_tokenizer import tokenizer_of
from builtin_recipe.words import WORDS, Domain
from sysgen_local.core.resources import resource

SHIPPED = resource("builtin_model/builtin.gguf")
"""The shipped model, and the tokenizer in it."""

_ONSETS = "b c d f g h k l m n p r s t v w z br cl dr fl gr pl st tr sh ch"
_RHYMES = "a e i o u ai ee oo ou ar en in on el"
_SYLLABLES = [onset + rhyme for onset in _ONSETS.split() for rhyme in _RHYMES.split()]
_CODAS = ("", "n", "r", "x", "t", "s", "m", "k", "l", "nd", "st")
_LONG_WORDS = [w for w in WORDS.nouns + WORDS.adjectives + WORDS.verbs if len(w) > 4]
_HELD_OUT = {topic.lower() for d in WORDS.domains.values() for topic in d.held_out_topics}
_SMALL_WORDS = ("the", "a", "is", "to", "of", "and", "you", "in")


@dataclass(frozen=True, slots=True)
class Pieces:
    """A tokenizer's vocabulary as word starts and continuations.

    Every piece must come up as input and as target: an embedding that never does collapses onto
    the others, and the word can no longer be copied.
    """

    starts: tuple[str, ...]
    continuations: tuple[str, ...]


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def bare(topic: str) -> str:
    """A topic without its article."""
    return re.sub(r"^(the|an|a) ", "", topic)


def with_article(noun: str) -> str:
    return ("an " if noun[0].lower() in "aeiou" else "a ") + noun


@cache
def vocabulary_pieces(path: Path = SHIPPED) -> Pieces:
    """The letters-only pieces of a tokenizer; `\u0120` marks a leading space in them."""
    vocabulary = tokenizer_of(path)["model"]["vocab"]
    starts = sorted(token[1:] for token in vocabulary if re.fullmatch("\u0120[a-zA-Z]+", token))
    continuations = sorted(token for token in vocabulary if re.fullmatch("[a-z]+", token))
    return Pieces(tuple(starts), tuple(continuations))


@dataclass(frozen=True, slots=True)
class Topics:
    """What may be spoken of. `held_out` gives the topics kept from training, and no invented ones;
    without `pieces` (before there is a tokenizer) invented words have syllables only."""

    held_out: bool = False
    pieces: Pieces | None = None

    @property
    def training(self) -> Topics:
        """The same with training topics."""
        return replace(self, held_out=False)

    def rare_word(self, rng: Random) -> str:
        """An invented word of several tokens."""
        sort = rng.random()
        if self.pieces and sort < 0.5:
            word = rng.choice(self.pieces.starts) + "".join(
                rng.choice(self.pieces.continuations) for _ in range(rng.choice((0, 1, 1, 1, 2)))
            )
            return word.capitalize() if sort < 0.1 else word
        return _syllables(rng) if sort < 0.75 else _blend(rng)

    def noise(self, rng: Random) -> str:
        """A sentence of unrelated words: real rows hold much that has no pattern."""
        words = [
            rng.choice((*self._four_words(rng), *_SMALL_WORDS)) for _ in range(rng.randint(3, 9))
        ]
        return capitalised(" ".join(words)) + rng.choice((".", ".", "!", "?", ":"))

    def word_list(self, rng: Random) -> str:
        """Two to nine unrelated words."""
        return " ".join(rng.choice(self._four_words(rng)) for _ in range(rng.randint(2, 9)))

    def _four_words(self, rng: Random) -> tuple[str, ...]:
        return (
            self.rare_word(rng),
            self.rare_word(rng),
            rng.choice(WORDS.nouns),
            rng.choice(WORDS.adjectives),
        )

    def topic(self, rng: Random, domain: Domain) -> str:
        topic = self._any_topic(rng, domain)
        while self.keeps_back(topic):  # invented by chance
            topic = self._any_topic(rng, domain)
        return topic

    def keeps_back(self, topic: str) -> bool:
        """Whether a topic is one of those kept from training, and this is for training."""
        return not self.held_out and topic.lower() in _HELD_OUT

    def _any_topic(self, rng: Random, domain: Domain) -> str:
        sort = rng.random()
        if self.held_out:
            return rng.choice(domain.held_out_topics)
        if sort < 0.15:
            return rng.choice(domain.train_topics)
        if sort < 0.25:
            return rng.choice(WORDS.adjectives) + " " + bare(rng.choice(domain.train_topics))
        if sort < 0.45:
            return _telling_topic(rng, domain)
        return self._invented_topic(rng, rng.uniform(0.25, 1.0))

    def _invented_topic(self, rng: Random, sort: float) -> str:
        if sort < 0.35:
            return with_article(f"{rng.choice(WORDS.adjectives)} {rng.choice(WORDS.nouns)}")
        if sort < 0.45:
            return f"{rng.choice(WORDS.nouns)} {rng.choice(WORDS.nouns)}" + rng.choice(("", "s"))
        if sort < 0.60:
            return self.rare_word(rng)
        if sort < 0.75:
            first = self.rare_word(rng)
            return f"{first} {rng.choice((rng.choice(WORDS.nouns), self.rare_word(rng)))}"
        if sort < 0.90:
            article = with_article(self.rare_word(rng)).split(" ")[0]
            start = rng.choice(("the ", article + " ", "")) + self.rare_word(rng)
            noun = rng.choice(WORDS.nouns)
            end = rng.choice(("", "", " " + self.rare_word(rng), " of " + self.rare_word(rng)))
            return f"{start} {noun}{end}"
        first = rng.choice(WORDS.nouns)
        link = rng.choice(("of", "and", "for", "with", "in"))
        return f"{first} {link} {rng.choice((self.rare_word(rng), rng.choice(WORDS.nouns)))}"


def _telling_topic(rng: Random, domain: Domain) -> str:
    """One of the words that tell a domain, alone or with others."""
    thing = rng.choice(domain.things)
    match rng.randrange(7):
        case 0:
            return rng.choice(domain.known or domain.things)
        case 1:
            return f"{rng.choice(WORDS.adjectives)} {thing}"
        case 2:
            return f"{thing} and {rng.choice(domain.things)}"
        case 3:
            return f"{thing} {rng.choice(domain.things)}"
        case 4:
            return f"the {thing} of {rng.choice(WORDS.names)}"
    return thing


def _syllables(rng: Random) -> str:
    count = rng.choice((2, 2, 3))
    word = "".join(rng.choice(_SYLLABLES) for _ in range(count)) + rng.choice(_CODAS)
    return word.capitalize() if rng.random() < 0.3 else word


def _blend(rng: Random) -> str:
    first, last = rng.choice(_LONG_WORDS), rng.choice(_LONG_WORDS)
    return first[: rng.randint(2, 4)] + last[-rng.randint(2, 5) :]
