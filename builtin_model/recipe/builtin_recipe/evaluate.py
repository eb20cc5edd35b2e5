"""Figures of a GGUF, greedy: held-out topics in held-out patterns, and rows that people wrote.

Phrases and answers are asked for without a grammar; verdicts, judgements and ratings are read off
the logits, as the phases do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from builtin_recipe.chat import Chat
from builtin_recipe.figures import Figures, calibration_error
from builtin_recipe.phrases import phrases, role_phrase
from builtin_recipe.reading import (
    format_of,
    is_broken,
    role_domains,
    says_twice,
    shows_topic,
    topic_words,
)
from builtin_recipe.rows import Labelled, for_choosing, read, written
from builtin_recipe.sample import Message, Sample, conversation
from builtin_recipe.scenario import Scenario, draw_scenario
from builtin_recipe.tasks import GENERATE, both_orders, follow_ups, generate, rate
from builtin_recipe.topics import Topics, bare, vocabulary_pieces
from builtin_recipe.verdicts import SYSTEM as VERIFY
from builtin_recipe.verdicts import Verdict, draw_verdict, far_from, question
from builtin_recipe.words import WORDS
from sysgen_local.core.records import LABELS, Conversation, Phrase, Turn
from sysgen_local.phases.rules import PhraseInRow, RowTexts, repetition
from sysgen_local.phases.tags import parse_json

_HELD_OUT = Topics(held_out=True, pieces=vocabulary_pieces())
_RATINGS = ("1", "2", "3", "4", "5")

Prompt = tuple[Message, ...]


def evaluate(path: Path, cases: int = 100, rows: Path | None = None) -> Figures:
    """All figures; `cases` held-out ones each. `rows` is the public data set's file, for the
    hundred labelled rows of it. ValueError where it is another file."""
    chat = Chat(path)
    figures = Figures()
    by_hand: list[Labelled] = list(written())
    _phrases_held_out(chat, figures, cases)
    _phrases_of_rows(chat, figures, by_hand, "by hand")
    if rows:
        _phrases_of_rows(chat, figures, read(rows), "public rows")
    _verdicts_held_out(chat, figures, cases)
    _verdicts_by_hand(chat, figures, by_hand)
    _answers_held_out(chat, figures, cases)
    _answers_by_hand(chat, figures)
    _dialogues(chat, figures, cases)
    _judgements(chat, figures, cases)
    _ratings(chat, figures, cases)
    return figures


def validate(path: Path) -> Figures:
    """How well roles are chosen and judged where no figure of `evaluate` comes from: by this one
    of several models is taken."""
    chat = Chat(path)
    figures = Figures()
    rows = for_choosing()
    replies = chat.ask(
        [_prompt(GENERATE, f"Instruction: {row.instruction}\nAnswer: ") for row in rows]
    )
    for row, reply in zip(rows, replies, strict=True):
        found = _found(reply)
        figures.count("valid JSON", bool(found))
        figures.count(
            "fitting role", not role_domains(found.get("role", "")).isdisjoint(row.domains)
        )
        figures.count("loops", not found or _has_loop(found, row))
        figures.count("broken words", is_broken(" ".join(found.values()), row.instruction))
    _verdicts_by_hand(chat, figures, rows)
    return figures


def _prompt(system: str, user: str) -> Prompt:
    return conversation(system, user, "")[:-1]


def _about(sample: Sample) -> Scenario:
    assert sample.about is not None
    return sample.about


def _found(reply: str) -> dict[str, str]:
    """Tag -> phrase, empty where the reply is no valid list."""
    try:
        return {phrase.tag: phrase.text for phrase in parse_json(reply)}
    except ValueError:
        return {}


def _phrases_held_out(chat: Chat, figures: Figures, cases: int) -> None:
    rng = Random(2024)
    samples = [generate(rng, _HELD_OUT) for _ in range(cases)]
    for sample, reply in zip(samples, chat.ask([s.prompt for s in samples]), strict=True):
        about, found = _about(sample), _found(reply)
        text = " ".join(found.values()).lower()
        figures.count("phrases: valid JSON", bool(found))
        figures.count("phrases: exact topic", about.topic.lower() in text)
        figures.count("phrases: format", found.get("format") in about.format.phrases)
        if about.kind == "domain":
            fits = about.domain in role_domains(found.get("role", ""))
            figures.count("phrases: role of the domain", fits)


def _phrases_of_rows(chat: Chat, figures: Figures, rows: Sequence[Labelled], where: str) -> None:
    prompts = [
        _prompt(GENERATE, f"Instruction: {row.instruction}\nAnswer: {row.answer}") for row in rows
    ]
    for row, reply in zip(rows, chat.ask(prompts), strict=True):
        found = _found(reply)
        system = " ".join(found.values())
        fits = not role_domains(found.get("role", "")).isdisjoint(row.domains)
        figures.count(f"{where}, phrases: valid JSON", bool(found))
        figures.count(f"{where}, phrases: fitting role", fits)
        figures.count(f"{where}, phrases: any topic word", shows_topic(system, row.topic))
        stuck = not found or _has_loop(found, row)
        broken = is_broken(system or reply, f"{row.instruction} {row.answer}")
        figures.count(f"{where}, phrases: loops or broken words", stuck or broken)


def _has_loop(found: dict[str, str], row: Labelled) -> bool:
    turns = (Turn("user", row.instruction), Turn("assistant", row.answer))
    texts = RowTexts(Conversation(turns, line=1))
    return any(repetition(PhraseInRow(Phrase(tag, text), texts)) for tag, text in found.items())


def _verdicts(rng: Random, cases: int) -> Iterator[tuple[Scenario, Verdict]]:
    """As many good as bad ones, and half as many of none."""
    wanted = {"good": cases, "bad": cases, "none": cases // 2}
    while any(wanted.values()):
        about = draw_scenario(rng, _HELD_OUT, telling=True)
        verdict = draw_verdict(rng, _HELD_OUT, about)
        if wanted[verdict.label]:
            wanted[verdict.label] -= 1
            yield about, verdict


def _verdicts_held_out(chat: Chat, figures: Figures, cases: int) -> None:
    drawn = sorted(_verdicts(Random(5), cases), key=lambda pair: LABELS.index(pair[1].label))
    asked = [(about.instruction, verdict) for about, verdict in drawn]
    told = []
    for (_, verdict), label, probability in _judged(chat, asked):
        right = label == verdict.label
        told.append((probability, right))
        figures.count(f"verdicts: recall of {verdict.label}", right)
        if verdict.label == "bad":
            figures.count(f"verdicts: bad, {verdict.case}", right)
    figures.numbers["verdicts: calibration error"] = calibration_error(told)


def _verdicts_by_hand(chat: Chat, figures: Figures, rows: Sequence[Labelled]) -> None:
    """A role that fits, and one of a domain far from all that fit."""
    rng = Random(6)
    asked = []
    told = []
    for row in rows:
        for name, label in ((row.domains[0], "good"), (rng.choice(far_from(row.domains)), "bad")):
            role = role_phrase(rng, rng.choice(WORDS.domains[name].roles))
            asked.append((row.instruction, Verdict("role", role, label, "role")))
    for (_, verdict), label, probability in _judged(chat, asked):
        kind = "fitting" if verdict.label == "good" else "wrong"
        told.append((probability, label == verdict.label))
        figures.count(f"by hand, verdicts: {kind} role", label == verdict.label)
    figures.numbers["by hand, verdicts: calibration error"] = calibration_error(told)


def _judged(
    chat: Chat, asked: Sequence[tuple[str, Verdict]]
) -> Iterator[tuple[tuple[str, Verdict], str, float]]:
    """What was asked, the likeliest label and its probability."""
    prompts = [_prompt(VERIFY, question(about, verdict)) for about, verdict in asked]
    for one, shares in zip(asked, chat.choose(prompts, LABELS), strict=True):
        label = max(shares, key=shares.__getitem__)
        yield one, label, shares[label]


def _every_format(rng: Random, cases: int) -> Iterator[Scenario]:
    """Every format as often as the others."""
    left = dict.fromkeys(WORDS.formats, max(1, cases // len(WORDS.formats)))
    while any(left.values()):
        about = draw_scenario(rng, _HELD_OUT)
        if left[about.format.name]:
            left[about.format.name] -= 1
            yield about


def _answers_held_out(chat: Chat, figures: Figures, cases: int) -> None:
    rng = Random(2025)
    drawn = list(_every_format(rng, cases))
    prompts = [_prompt(" ".join(phrases(rng, a).values()), a.instruction) for a in drawn]
    for about, answer in zip(drawn, chat.ask(prompts), strict=True):
        form = about.format.name
        figures.count("answers: any topic word", shows_topic(answer, topic_words(about.topic)))
        figures.count("answers: exact topic", bare(about.topic).lower() in answer.lower())
        figures.count("answers: format", format_of(answer) == form)
        figures.count("answers: a point said twice", says_twice(answer))
        if about.style and form != "json":
            shown = any(opening in answer for opening in about.style.openings)
            figures.count("answers: style", shown)


def _answers_by_hand(chat: Chat, figures: Figures) -> None:
    rows = written()
    answers = chat.ask([_prompt(row.system, row.instruction) for row in rows])
    for row, answer in zip(rows, answers, strict=True):
        figures.count("by hand, answers: any topic word", shows_topic(answer, row.topic))
        figures.count("by hand, answers: format", format_of(answer) == row.format)
        figures.count("by hand, answers: a point said twice", says_twice(answer))


def _dialogues(chat: Chat, figures: Figures, cases: int) -> None:
    """Three turns, each with the model's own answers before it."""
    rng = Random(2027)
    drawn = list(_every_format(rng, cases))
    open_turns: list[list[Message]] = [
        list(_prompt(" ".join(phrases(rng, about).values()), about.instruction)) for about in drawn
    ]
    later = [[question for question, _ in follow_ups(rng, about, 2)] for about in drawn]
    for turn in range(3):
        for number, answer in enumerate(chat.ask(open_turns)):
            about = drawn[number]
            obeyed = format_of(answer) == about.format.name
            stays = shows_topic(answer, topic_words(about.topic))
            if turn:
                figures.count(f"turn {turn + 1}: topic and format", stays and obeyed)
            if turn < 2:
                open_turns[number] += [
                    Message("assistant", answer),
                    Message("user", later[number][turn]),
                ]


def _judgements(chat: Chat, figures: Figures, cases: int) -> None:
    """Each pair in both orders; the bias is how much more often A is taken than is right."""
    rng = Random(2026)
    pairs = [both_orders(rng, _HELD_OUT) for _ in range(cases)]
    samples = [sample for pair in pairs for sample in pair]
    for sample, shares in zip(
        samples, chat.choose([s.prompt for s in samples], ("A", "B")), strict=True
    ):
        right = max(shares, key=shares.__getitem__, default="") == sample.target
        figures.count("judge: A or B", right)
        figures.count(f"judge: the better is {sample.target}", right)
    bias = figures.share("judge: the better is A") - figures.share("judge: the better is B")
    figures.numbers["judge: order bias in points"] = 50 * abs(bias)


def _ratings(chat: Chat, figures: Figures, cases: int) -> None:
    rng = Random(2028)
    samples = [rate(rng, _HELD_OUT) for _ in range(cases)]
    for sample, shares in zip(
        samples, chat.choose([s.prompt for s in samples], _RATINGS), strict=True
    ):
        best = max(shares, key=shares.__getitem__, default="")
        figures.count("score: exact", best == sample.target)
