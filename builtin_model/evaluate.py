"""Figures of a GGUF, through llama.cpp and greedy: held-out topics, and instructions by hand.

Phrases are asked for without a grammar; verdicts, judgements and ratings with one.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from builtin_model.phrases import phrases
from builtin_model.reading import format_of, shows_topic, topic_words
from builtin_model.sample import Message, Sample, conversation
from builtin_model.tasks import GENERATE, generate, judge, score
from builtin_model.topics import Topics, bare, vocabulary_pieces
from builtin_model.verdicts import SYSTEM as VERIFY
from builtin_model.verdicts import Verdict, draw_verdict, question
from builtin_model.words import WORDS
from builtin_model.world import Latent, latent
from sysgen_local.phases.tags import parse_json
from sysgen_local.records import LABELS

_LONGEST = 320
"""Tokens of an answer."""

_HELD_OUT = Topics(held_out=True, pieces=vocabulary_pieces())
_VERDICT = 'root ::= "good" | "bad" | "none"'
_LETTER = 'root ::= "A" | "B"'
_RATING = "root ::= [1-5]"


@dataclass(slots=True)
class Figures:
    """Hits and cases by name, in the order of measuring."""

    hits: Counter[str] = field(default_factory=Counter)
    cases: Counter[str] = field(default_factory=Counter)

    def count(self, name: str, hit: bool) -> None:
        self.hits[name] += hit
        self.cases[name] += 1

    def share(self, name: str) -> float:
        return self.hits[name] / self.cases[name]


@dataclass(frozen=True, slots=True)
class Written:
    """A hand-written instruction with an ordinary answer, and what a good result shows."""

    instruction: str
    answer: str
    topic: list[str]
    domains: list[str]
    system: str
    format: str


class Chat:
    """A GGUF that answers greedily."""

    def __init__(self, path: Path) -> None:
        from llama_cpp import Llama

        self._llama = Llama(str(path), n_ctx=1024, n_threads=2, n_threads_batch=2, verbose=False)

    def ask(self, messages: tuple[Message, ...], grammar: str = "") -> str:
        from llama_cpp import LlamaGrammar

        reply = self._llama.create_chat_completion(
            [message._asdict() for message in messages],
            temperature=0.0,
            repeat_penalty=1.0,
            max_tokens=_LONGEST,
            grammar=LlamaGrammar.from_string(grammar, verbose=False) if grammar else None,
        )
        return reply["choices"][0]["message"]["content"]


def instructions() -> list[Written]:
    text = Path(__file__).with_name("instructions.toml").read_text(encoding="utf-8")
    return [Written(**entry) for entry in tomllib.loads(text)["instructions"]]


def evaluate(path: Path, cases: int = 100) -> Figures:
    """All figures; `cases` held-out ones each."""
    chat = Chat(path)
    figures = Figures()
    _phrases_held_out(chat, figures, cases)
    _verdicts_held_out(chat, figures, cases)
    _answers_held_out(chat, figures, cases)
    _choices_held_out(chat, figures, cases)
    for written in instructions():
        _written(chat, figures, written)
    return figures


def report(figures: Figures) -> str:
    """The figures as a Markdown table."""
    rows = [
        f"| {name} | {figures.share(name):.0%} | {figures.hits[name]} of {cases} |"
        for name, cases in figures.cases.items()
    ]
    return "\n".join(["| figure | share | |", "|---|---|---|", *rows])


def _found(reply: str) -> dict[str, str]:
    """Tag -> phrase, empty where the reply is no valid list."""
    try:
        return {phrase.tag: phrase.text for phrase in parse_json(reply)}
    except ValueError:
        return {}


def _shows_role(found: dict[str, str], domains: list[str]) -> bool:
    roles = (role for name in domains for role in WORDS.domains[name].roles)
    return any(role in found.get("role", "") for role in roles)


def _phrases_held_out(chat: Chat, figures: Figures, cases: int) -> None:
    rng = Random(2024)
    for _ in range(cases):
        sample = generate(rng, _HELD_OUT)
        about = _about(sample)
        found = _found(chat.ask(sample.prompt))
        text = " ".join(found.values()).lower()
        figures.count("phrases: valid JSON", bool(found))
        figures.count("phrases: exact topic", about.topic.lower() in text)
        figures.count("phrases: format", found.get("format") in about.format.phrases)
        if about.kind == "domain":
            figures.count("phrases: role of the domain", _shows_role(found, [about.domain]))


def _about(sample: Sample) -> Latent:
    assert sample.about is not None
    return sample.about


def _verdicts(rng: Random, cases: int) -> Iterator[tuple[Latent, Verdict]]:
    """As many good as bad ones, and half as many of none."""
    wanted = {"good": cases, "bad": cases, "none": cases // 2}
    while any(wanted.values()):
        about = latent(rng, _HELD_OUT, telling=True)
        verdict = draw_verdict(rng, _HELD_OUT, about)
        if wanted[verdict.label]:
            wanted[verdict.label] -= 1
            yield about, verdict


def _verdicts_held_out(chat: Chat, figures: Figures, cases: int) -> None:
    drawn = sorted(_verdicts(Random(5), cases), key=lambda pair: LABELS.index(pair[1].label))
    for about, verdict in drawn:
        user = question(about.instruction, verdict)
        right = chat.ask(_prompt(VERIFY, user), _VERDICT) == verdict.label
        figures.count(f"verdicts: recall of {verdict.label}", right)
        if verdict.case == "role of another instruction":
            figures.count("verdicts: a role of another domain", right)


def _prompt(system: str, user: str) -> tuple[Message, ...]:
    return conversation(system, user, "")[:-1]


def _answers_held_out(chat: Chat, figures: Figures, cases: int) -> None:
    """Every format as often as the others."""
    rng = Random(2025)
    left = dict.fromkeys(WORDS.formats, max(1, cases // 6))
    while any(left.values()):
        about = latent(rng, _HELD_OUT)
        form = about.format.name
        if not left[form]:
            continue
        left[form] -= 1
        system = " ".join(phrases(rng, about).values())
        answer = chat.ask(_prompt(system, about.instruction))
        figures.count("answers: any topic word", shows_topic(answer, topic_words(about.topic)))
        figures.count("answers: exact topic", bare(about.topic).lower() in answer.lower())
        figures.count("answers: format", format_of(answer) == form)
        if about.style and form != "json":
            shown = any(opening in answer for opening in about.style.openings)
            figures.count("answers: style", shown)


def _choices_held_out(chat: Chat, figures: Figures, cases: int) -> None:
    rng = Random(2026)
    for _ in range(cases):
        judged = judge(rng, _HELD_OUT)
        figures.count("judge: A or B", chat.ask(judged.prompt, _LETTER) == judged.target)
    for _ in range(cases):
        rated = score(rng, _HELD_OUT)
        figures.count("score: exact", chat.ask(rated.prompt, _RATING) == rated.target)


def _written(chat: Chat, figures: Figures, written: Written) -> None:
    user = f"Instruction: {written.instruction}\nAnswer: {written.answer}"
    reply = chat.ask(_prompt(GENERATE, user))
    found = _found(reply)
    figures.count("by hand, phrases: valid JSON", bool(found))
    figures.count("by hand, phrases: any topic word", shows_topic(reply, written.topic))
    figures.count("by hand, phrases: fitting role", _shows_role(found, written.domains))
    answer = chat.ask(_prompt(written.system, written.instruction))
    figures.count("by hand, answers: any topic word", shows_topic(answer, written.topic))
    figures.count("by hand, answers: format", format_of(answer) == written.format)
