"""Who owns which entries of the residual stream, and which weights training leaves alone.

Most entries are free for training. The others belong to circuits set by hand: only their weights
write there, so that what a circuit leaves in its entries is what the next one finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from builtin_recipe.domains import SIZE
from builtin_recipe.model import Config, Model
from builtin_recipe.rotary import FREQUENCIES

CODE = 46
"""Entries of a token's code."""

CONSTANT = 1.5
"""Value of the entry that is alike in all embeddings."""

FORMS = 9
"""Ways a token can be written: a word, one with a capital letter, both after a space or without
one; figures; what is escaped and all else, both after a space, as they open, or without one."""

STREAM_RMS = (0.38, 0.46)
"""The root mean square of the stream before blocks 0 and 1 when training starts: what it is divided
by there."""

Where = int | slice | list[int]


@dataclass(frozen=True, slots=True)
class Entries:
    """`constant`, `code`, `form`, `own` and `score` come with the embeddings: what all tokens
    share, which token it is, how it is written, what it tells of domains and how much that counts.
    `turn`, `speaker`, `opening`, `closing` and `joined` mark the tokens that start a turn, say
    who speaks, stand before a phrase and after it, and go on with the word before them;
    `assistant` marks the speakers that answer, `shown` the word before an answer in a prompt.

    Training writes `written`: the form that the next token is to have. What it learns of that holds
    for rare words too.

    Circuits write the others: `past`, which tokens came before, and later what is pointed at;
    `answering`, whether this is an
    answer; `copied`, the code of the token to be copied, and `going_on`, whether that one is
    joined; `mean`, what was told so far; `named`, what the next word is to tell; `inside`, whether
    a token stands in a phrase; `mark`, how alike it is with what was told before the phrase;
    `verdict`, the same of a whole phrase.
    """

    free: slice
    written: slice
    form: slice
    code: slice
    past: slice
    copied: slice
    own: slice
    mean: slice
    named: slice
    constant: int
    turn: int
    speaker: int
    assistant: int
    shown: int
    answering: int
    opening: int
    closing: int
    score: int
    inside: int
    mark: int
    verdict: int
    joined: int
    going_on: int

    @classmethod
    def of(cls, config: Config) -> Entries:
        end = config.width
        slices = {}
        for name, size in (
            ("code", CODE),
            ("past", CODE),
            ("copied", CODE),
            ("own", SIZE),
            ("mean", SIZE),
            ("named", SIZE),
            ("form", FORMS),
        ):
            slices[name] = slice(end - size, end)
            end -= size
        names = (
            "constant turn speaker assistant shown answering opening closing score inside mark "
            "verdict joined going_on"
        ).split()
        single = {name: end - number for number, name in enumerate(names, start=1)}
        end -= len(names)
        written = slice(end - FORMS, end)
        return cls(free=slice(0, written.start), written=written, **slices, **single)

    @property
    def taken(self) -> slice:
        """All that training must not write."""
        return slice(self.written.stop, None)


@dataclass(frozen=True, slots=True)
class Limits:
    """What training must not move, name of a parameter -> truth values of its shape; and rows of
    parameters that it moves alike."""

    fixed: Mapping[str, Tensor]
    shared: tuple[tuple[str, slice], ...]

    def to(self, device: str) -> Limits:
        return Limits({name: fixed.to(device) for name, fixed in self.fixed.items()}, self.shared)


class Circuits:
    """Sets weights of a model, and remembers those that training must not move."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.entries = Entries.of(model.config)
        self._fixed: dict[str, Tensor] = {}
        self._shared: list[tuple[str, slice]] = []
        self._names = {parameter: name for name, parameter in model.named_parameters()}

    def rows(self, head: int) -> slice:
        """The rows of one head in the weights of queries, keys and values."""
        size = self.model.config.head_size
        return slice(head * size, (head + 1) * size)

    def still(self, head: int) -> int:
        """The first of a head's rows that do not rotate."""
        return self.rows(head).start + 2 * len(FREQUENCIES)

    def fix(self, weight: nn.Parameter, *where: Where) -> None:
        """Training leaves alone these rows; or, with a full slice before them, these columns.

        Only whole rows or columns of a matrix, or Muon would move them all the same.
        """
        name = self._names[weight]
        self._fixed.setdefault(name, torch.zeros_like(weight, dtype=torch.bool))[where] = True

    def free(self, weight: nn.Parameter, *where: Where) -> None:
        """Training may move these after all."""
        self._fixed[self._names[weight]][where] = False

    def share(self, weight: nn.Parameter, rows: slice) -> None:
        """Training moves these rows alike."""
        self._shared.append((self._names[weight], rows))

    @property
    def limits(self) -> Limits:
        return Limits(self._fixed, tuple(self._shared))


def mask_gradients(model: Model, limits: Limits) -> None:
    """No gradient for what is set by hand, and the mean one for rows that stay alike. A rare word's
    few steps would undo what a bag of words learnt from all; and Muon's steps are as large in
    directions that hardly matter yet, which within minutes leaves nothing of a fine comparison."""
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    for name, gradient in gradients.items():
        if name in limits.fixed:
            gradient.masked_fill_(limits.fixed[name], 0)
    for name, rows in limits.shared:
        if name in gradients:
            gradients[name][rows] = gradients[name][rows].mean(0)


@contextmanager
def scale_shared_steps(model: Model, limits: Limits) -> Iterator[None]:
    """A step of Muon within is one for each of the rows that move alike: it takes them for one row,
    and parts its step among them."""
    weights = dict(model.named_parameters())
    shared = [weights[name].detach()[rows] for name, rows in limits.shared]
    before = [rows.clone() for rows in shared]
    yield
    for rows, old in zip(shared, before, strict=True):
        rows.copy_(torch.lerp(old, rows, len(rows) ** 0.5))
