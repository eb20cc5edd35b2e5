"""The circuit that copies: it finds what followed when the last few tokens stood there before.

Every token has a code. Heads of block 0 write the codes of the tokens before it beside each, the
one m steps back turned m times and fainter by so much. A head of block 1 looks for the place before
which the same stood as here, and writes the code of what stands at it; where nothing is alike it
looks at the starts of turns, which have no code. It looks at no answer, be it the one that the
prompt shows or its own: what is to be copied was asked, answers take up the words of the question
and lead astray, and whoever copies himself ends in a loop. Units of the last block make that code
larger where the output layer reads. With the code comes whether that token goes on with a word: a
text must not end before it does.

Two heads of block 3 point to what training makes them look at, but never to a token that goes on
with a word. Where they look at several words at once, the sum of codes is that of a word which is
nowhere: a head of the last block copies what has the most alike code of the text instead, and the
output layer gets to see no more than a hint of the sum. As long as it saw all of it, training shut
that head wherever it was unsure: a sum is not wholly wrong. Another head clears up likewise what
the heads of block 1 bring, where they are split.

Training decides when it is right to copy: by where the pointing heads look, which may be the starts
of turns; and for what the others bring in the last block, where most is known: by one row of the
head that clears it up, and by units. All earlier heads were left to find what they find: one that
training could close was closed too often.

How a token is written has entries of its own, in the embeddings and where the output layer reads:
so that a word is found again as it has to be written here.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from builtin_recipe.codes import LEARNING_WAY, codes, fixed_generator, forms, joined
from builtin_recipe.layout import CODE, CONSTANT, FORMS, STREAM_RMS, Circuits, Entries
from builtin_recipe.model import Model
from builtin_recipe.rotary import angles
from builtin_recipe.tokenizer import Encoder

BACK = (1, 2, 3, 4)
"""How many tokens back the first heads of block 0 look."""

SPEAKER = 4
"""The head of block 0 that looks whether this is asked or answered."""

COPYING = (1, 0)
"""Block and head that copy what followed before."""

ENDING = (1, 1)
"""The head that ends a word of which a token is there."""

LEARNING = (2, 0)
"""Block and head that start by the same comparison, and that training may move."""

POINTING = ((3, 1), (3, 2))
"""Heads that point where training makes them look: at the first word of a topic above all."""

CLEARING = (4, 1)
"""The head that copies what in the text is most like the sum of what is to be copied so far."""

CHOOSING = (4, 2)
"""The head that copies what in the text is most like the sum of what is pointed at."""

LAST = 4

_FADING = 0.66
_PAST = 0.15
"""Scale of the codes of earlier tokens: small, since what is pointed at comes to lie there."""

_QUIET = 0.3
_QUIET_PAST = 1.2
"""How much of codes the trained weights hear: they would drown what is free. Those of earlier
tokens are fainter by themselves, until heads of block 3 write what they point at among them."""

_PAIRS = 7
"""Rotary pairs, the fastest ones, by which a head knows how far back it looks."""

_SHARPNESS = 1.6
"""How firmly it looks there and nowhere else."""

_LIKENESS = 1.5
_LEAST = 2.4
"""How much alike codes weigh in a comparison, and the starts of turns: more than half as much as
one token that is alike, and three quarters as soon as training has made texts larger than those."""

_NO_WORD = 3.5
_GOING_ON = 2.22
"""How much the starts of turns weigh for the head that ends words: more than any token, but less
than one that goes on with a word and is alike, by how much more that one weighs."""

_JOINED = 2.0
"""Scale of the mark that a token goes on with a word."""

_FORM = 1.5
_WRITTEN = 0.6
"""Scale of the form in which a token is written, and how much the output layer goes by it."""

_EARLY = 2.0
"""How much is preferred what stands further back, where all else is alike. More, and in a text of
several sentences it counted for more than a second word that is alike."""

_LATEST = (16.0, 80.0)
_ANY = 90.0
_ANSWER = 2.5
"""How firmly the latest speaker is looked at, by the two slowest pairs, any speaker at all, and one
that answers: where questions are short, it stands close behind who asks."""

_ASKED = 20.0
"""How firmly the copying head looks away from what was answered: more than four tokens that are
alike weigh."""

_WHOLE = 16.0
_TELLING = 20.0
_RESTING = 1.2
"""How firmly a pointing head looks away from tokens that go on with a word and from what was
answered, how well it can tell words that tell much, and how it rests at first."""

_CLEARNESS, _UNCLEAR = 3.5, 0.66
_FIRMNESS, _UNSURE = 2.0, 1.7
"""How firmly the code in the text is taken that is most like what is to be copied, and most like
what is pointed at, and how like it has to be (about an eighth and a half of a whole code)."""

_UNANSWERED = 32.0
_CLEARED = 2.0
"""How firmly it is not one of an answer, even of one twice as large, and its scale then."""

_POINTED = 1.2
_HINTED = 0.2
"""Scale of the code that a head points to, for the head that clears, and where the output layer
reads: without that, heads that point to nothing yet would learn nothing."""

_COPIED = 0.8
_ENDED = 0.5
_OPEN = 0.7
_OPENED = 1.0
_GAIN = 2.0
_CERTAINTY = 0.2
"""Scale of the code to be copied at first, by the head that has seen most tokens and by the one
that ends words, where all in the stream is smaller; how far the units that scale it up are open,
how much further within a word, by how much they do, and how much the output layer goes by it."""


@torch.no_grad()
def write_codes(model: Model, found: Tensor) -> None:
    """Where they are read and where they are told."""
    entries = Entries.of(model.config)
    model.token_embd.weight[:, entries.code] = found
    model.output.weight[:, entries.copied] = _CERTAINTY * found


def build_copying(circuits: Circuits, encoder: Encoder) -> None:
    model, entries = circuits.model, circuits.entries
    write_codes(model, codes(encoder, LEARNING_WAY))
    model.token_embd.weight[encoder.turn, entries.turn] = CODE**0.5  # of the norm of all others
    model.token_embd.weight[joined(encoder), entries.joined] = _JOINED
    circuits.fix(model.output.weight, slice(None), entries.copied)
    circuits.fix(model.output.weight, slice(None), entries.past)
    written = functional.one_hot(torch.tensor(forms(encoder)), FORMS).float()
    model.token_embd.weight[:, entries.form] = _FORM * written
    model.token_embd.weight[:, entries.written] = 0
    circuits.fix(model.token_embd.weight, slice(None), entries.written)
    model.output.weight[:, entries.written] = _WRITTEN * written
    circuits.fix(model.output.weight, slice(None), entries.written)
    for number, block in enumerate(model.blk):
        for norm in (block.attn_norm, block.ffn_norm):
            norm.weight[entries.code] = _QUIET
            norm.weight[entries.past] = _QUIET_PAST if number < POINTING[0][0] else _QUIET
    turned = torch.linalg.qr(torch.randn(CODE, CODE, generator=fixed_generator(1)))[0]
    for head, back in enumerate(BACK):
        _build_previous(circuits, head, back, turned)
    for number, head in (COPYING, LEARNING):
        _build_comparison(circuits, number, head, turned)
    _build_speaker(circuits, encoder)
    number, head = COPYING
    _build_early(circuits, number, head)
    alike = circuits.still(head)
    _build_asked(circuits, number, alike + CODE + 1, _ASKED)
    for layer in (model.blk[number].attn_q, model.blk[number].attn_k):
        circuits.fix(layer.weight, circuits.rows(head))
    _build_ending(circuits, turned)
    for (number, head), scale in ((COPYING, _COPIED), (ENDING, _ENDED)):
        _build_copy(circuits, number, head, (entries.copied, scale))
        _build_joint(circuits, number, head)
    for number, head in POINTING:
        _build_copy(circuits, number, head, (entries.past, _POINTED), (entries.copied, _HINTED))
        _build_pointing(circuits, number, head)
    _build_clearing(circuits, *CLEARING, entries.copied, _CLEARNESS, _UNCLEAR)
    circuits.free(model.blk[CLEARING[0]].attn_q.weight, circuits.still(CLEARING[1]) + CODE)
    _build_clearing(circuits, *CHOOSING, entries.past, _FIRMNESS, _UNSURE)
    _build_gain(circuits)


def _build_previous(circuits: Circuits, head: int, back: int, turned: Tensor) -> None:
    """A head of block 0 that looks so many tokens back, by position alone; from where a turn starts
    at that itself, which has no code: it is to be like nothing."""
    block, entries = circuits.model.blk[0], circuits.entries
    rows = circuits.rows(head)
    for layer in (block.attn_q, block.attn_k):
        layer.weight[rows] = 0
        circuits.fix(layer.weight, rows)
    for pair, angle in enumerate(angles(circuits.model.config.head_size)[:_PAIRS]):
        row = rows.start + 2 * pair
        block.attn_k.weight[row, entries.constant] = _SHARPNESS
        block.attn_q.weight[row, entries.constant] = _SHARPNESS * torch.cos(back * angle)
        block.attn_q.weight[row + 1, entries.constant] = -_SHARPNESS * torch.sin(back * angle)
        scaled = _SHARPNESS * CONSTANT / CODE**0.5
        block.attn_q.weight[row, entries.turn] = scaled * (1 - torch.cos(back * angle))
        block.attn_q.weight[row + 1, entries.turn] = scaled * torch.sin(back * angle)
    value = slice(rows.start, rows.start + CODE)
    block.attn_v.weight[value] = 0
    block.attn_v.weight[value, entries.code] = torch.eye(CODE)
    block.attn_output.weight[:, value] = 0
    scale = _PAST * STREAM_RMS[0] / _QUIET * _FADING**back
    block.attn_output.weight[entries.past, value] = scale * turned.matrix_power(back)
    circuits.fix(block.attn_v.weight, value)
    circuits.fix(block.attn_output.weight, slice(None), value)


def _build_speaker(circuits: Circuits, encoder: Encoder) -> None:
    """A head of block 0 that looks at the latest speaker, or mark of a question or an answer."""
    model, block, entries = circuits.model, circuits.model.blk[0], circuits.entries
    model.token_embd.weight[encoder.asking + encoder.answering, entries.speaker] = 1
    model.token_embd.weight[encoder.answering, entries.assistant] = 1
    rows, still = circuits.rows(SPEAKER), circuits.still(SPEAKER)
    for layer in (block.attn_q, block.attn_k, block.attn_v):
        layer.weight[rows] = 0
        circuits.fix(layer.weight, rows)
    size = circuits.model.config.head_size**0.5 * STREAM_RMS[0] ** 2 / CONSTANT
    for row, nats in ((still - 4, _LATEST[0]), (still - 2, _LATEST[1]), (still, _ANY)):
        block.attn_q.weight[row, entries.constant] = size * nats
        block.attn_k.weight[row, entries.speaker] = 1
    block.attn_k.weight[still, entries.assistant] = _ANSWER / _ANY
    block.attn_v.weight[rows.start, entries.assistant] = 1
    block.attn_output.weight[:, rows] = 0
    block.attn_output.weight[entries.answering, rows.start] = STREAM_RMS[0]
    circuits.fix(block.attn_output.weight, slice(None), rows)


def _build_asked(circuits: Circuits, number: int, row: int, firmness: float) -> None:
    """In this row of a head, away from what was answered."""
    block, entries = circuits.model.blk[number], circuits.entries
    for layer in (block.attn_q, block.attn_k):
        layer.weight[row] = 0
    block.attn_q.weight[row, entries.constant] = firmness
    block.attn_k.weight[row, entries.answering] = -firmness


def _build_comparison(circuits: Circuits, number: int, head: int, turned: Tensor) -> None:
    """Looks for where the tokens before are those that are here now: there they have moved on by
    one, which is one turn and one step of fading."""
    block, entries = circuits.model.blk[number], circuits.entries
    rows, still = circuits.rows(head), circuits.still(head)
    alike = slice(still, still + CODE)
    past = _LIKENESS / _QUIET_PAST / _PAST
    for layer in (block.attn_q, block.attn_k):
        layer.weight[rows] = 0
    block.attn_q.weight[alike, entries.code] = _LIKENESS / _QUIET * torch.eye(CODE)
    block.attn_q.weight[alike, entries.past] = past * torch.eye(CODE)
    block.attn_k.weight[alike, entries.past] = past / _FADING * turned.t()
    block.attn_q.weight[alike.stop, entries.constant] = _LEAST
    block.attn_k.weight[alike.stop, entries.turn] = _LEAST


def _build_ending(circuits: Circuits, turned: Tensor) -> None:
    """Looks for the last token alone, and for nothing behind it but what goes on with its word:
    there are few of those, so that this can be told."""
    number, head = ENDING
    _build_comparison(circuits, number, head, turned)
    block, entries = circuits.model.blk[number], circuits.entries
    rest = circuits.still(head) + CODE
    block.attn_q.weight[circuits.rows(head), entries.past] = 0
    block.attn_q.weight[rest, entries.constant] = _NO_WORD
    block.attn_k.weight[rest, entries.turn] = _NO_WORD
    block.attn_k.weight[rest, entries.joined] = _GOING_ON * _NO_WORD
    _build_asked(circuits, number, rest + 1, 2 * _ASKED)
    for layer in (block.attn_q, block.attn_k):
        circuits.fix(layer.weight, circuits.rows(head))


def _build_early(circuits: Circuits, number: int, head: int) -> None:
    """By the slowest pair, which is least alike where it is furthest away."""
    block, constant = circuits.model.blk[number], circuits.entries.constant
    row = circuits.still(head) - 2
    block.attn_q.weight[row, constant] = _EARLY
    block.attn_k.weight[row, constant] = -_EARLY


def _build_pointing(circuits: Circuits, number: int, head: int) -> None:
    """Away from tokens that go on with a word, for good; to the starts of turns, where there is
    nothing to copy, at first; and to words that tell much, where training makes it ask."""
    block, entries = circuits.model.blk[number], circuits.entries
    last = circuits.rows(head).stop - 1
    for layer in (block.attn_q, block.attn_k):
        layer.weight[[last, last - 1, last - 3]] = 0
        circuits.fix(layer.weight, last)
        circuits.fix(layer.weight, last - 2)
    block.attn_q.weight[last, entries.constant] = _WHOLE
    block.attn_k.weight[last, entries.joined] = -_WHOLE
    block.attn_k.weight[last - 1, entries.score] = _TELLING
    block.attn_q.weight[last - 3, entries.constant] = _RESTING
    block.attn_k.weight[last - 3, entries.turn] = _RESTING
    _build_asked(circuits, number, last - 2, _WHOLE)


def _build_clearing(
    circuits: Circuits, number: int, head: int, heard: slice, firmness: float, least: float
) -> None:
    """Looks for the token whose code is most like what lies in these entries; where nothing does,
    at the starts of turns."""
    block, entries = circuits.model.blk[number], circuits.entries
    rows, still = circuits.rows(head), circuits.still(head)
    for layer in (block.attn_q, block.attn_k, block.attn_v):
        layer.weight[rows] = 0
        circuits.fix(layer.weight, rows)
    alike = slice(still, still + CODE)
    scaled = firmness / block.attn_norm.weight[heard][:, None]
    block.attn_q.weight[alike, heard] = scaled * torch.eye(CODE)
    block.attn_k.weight[alike, entries.code] = firmness / _QUIET * torch.eye(CODE)
    block.attn_q.weight[alike.stop, entries.constant] = least * firmness
    block.attn_k.weight[alike.stop, entries.turn] = least * firmness
    _build_asked(circuits, number, alike.stop + 1, _UNANSWERED)
    _build_copy(circuits, number, head, (entries.copied, _CLEARED))


def _build_copy(circuits: Circuits, number: int, head: int, *places: tuple[slice, float]) -> None:
    """The code of what is looked at goes to these entries, each time with the scale given."""
    block, entries = circuits.model.blk[number], circuits.entries
    first = circuits.rows(head).start
    value = slice(first, first + CODE)
    block.attn_v.weight[value] = 0
    block.attn_v.weight[value, entries.code] = torch.eye(CODE)
    block.attn_output.weight[:, value] = 0
    for where, scale in places:
        block.attn_output.weight[where, value] = scale / _QUIET * torch.eye(CODE)
    circuits.fix(block.attn_v.weight, value)
    circuits.fix(block.attn_output.weight, slice(None), value)


def _build_joint(circuits: Circuits, number: int, head: int) -> None:
    """Whether what is copied goes on with a word."""
    block, entries = circuits.model.blk[number], circuits.entries
    row = circuits.rows(head).start + CODE
    block.attn_v.weight[row] = 0
    block.attn_v.weight[row, entries.joined] = 1
    block.attn_output.weight[:, row] = 0
    block.attn_output.weight[entries.going_on, row] = STREAM_RMS[1]
    circuits.fix(block.attn_v.weight, row)
    circuits.fix(block.attn_output.weight, slice(None), row)


def _build_gain(circuits: Circuits) -> None:
    """Units of the last block, open at first, which training may close or open further: all alike,
    or what comes out would be less like the code that went in than like some other."""
    block, entries = circuits.model.blk[LAST], circuits.entries
    units = slice(0, CODE)
    block.ffn_gate.weight[units] = 0
    block.ffn_gate.weight[units, entries.constant] = _OPEN
    block.ffn_gate.weight[units, entries.going_on] = _OPENED
    circuits.share(block.ffn_gate.weight, units)
    block.ffn_up.weight[units] = 0
    block.ffn_up.weight[units, entries.copied] = torch.eye(CODE)
    block.ffn_down.weight[:, units] = 0
    block.ffn_down.weight[entries.copied, units] = _GAIN * torch.eye(CODE)
    circuits.fix(block.ffn_up.weight, units)
    circuits.fix(block.ffn_down.weight, slice(None), units)
