"""Labels as a tree of tokens: where a model's next token tells which label it begins, and where
labels begin alike (digits behind SentencePiece's blank), so that more tokens must be looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sysgen_local.engine.llama.sampler import Logits

Path = tuple[int, ...]

NEGLIGIBLE = 1e-4
"""Beginnings less probable than this beside the likeliest are not followed: each costs a token."""


@dataclass(frozen=True, slots=True)
class Node:
    """What may follow here. `own`: for each label the tokens that only it goes on with; `shared`:
    tokens that several go on with; `ended`: labels that are whole already."""

    own: tuple[tuple[int, ...], ...]
    shared: dict[int, Node] = field(default_factory=dict)
    ended: frozenset[int] = frozenset()


def tree(spellings: Sequence[Iterable[Path]], *, whole: bool = False) -> Node:
    """The tree for every label's spellings in tokens. Where the first token tells every label
    from the others nothing further is looked at, unless `whole`.

    Raises ValueError where a label has no spelling that is its own.
    """
    root = _node([{*of} for of in spellings], whole)
    reached = _reached(root)
    if lost := [number for number in range(len(spellings)) if number not in reached]:
        raise ValueError(f"label {lost[0]} cannot be told from the others")
    return root


def _node(rests: list[set[Path]], whole: bool) -> Node:
    heads: defaultdict[int, dict[int, set[Path]]] = defaultdict(dict)
    for number, paths in enumerate(rests):
        for path in paths:
            if path:
                heads[path[0]].setdefault(number, set()).add(path[1:])
    here = {number for number, paths in enumerate(rests) if paths}
    ended = frozenset(number for number in here if () in rests[number])
    if len(ended) > 1:
        ended = frozenset()  # the same tokens: they tell nothing
    own: list[list[int]] = [[] for _ in rests]
    for token, of in heads.items():
        if len(of) == 1:
            own[next(iter(of))].append(token)
    shared = {}
    if whole or any(not own[number] and number not in ended for number in here):
        for token, of in sorted(heads.items()):
            if len(of) > 1:
                shared[token] = _node(
                    [of.get(number, set()) for number in range(len(rests))], whole
                )
    return Node(tuple(tuple(sorted(tokens)) for tokens in own), shared, ended)


def _reached(node: Node) -> set[int]:
    here = {number for number, tokens in enumerate(node.own) if tokens} | node.ended
    return here.union(*map(_reached, node.shared.values())) if node.shared else here


class Scores:
    """The probability of each label, added up token by token. Begins at the root."""

    def __init__(self, root: Node, end: Iterable[int]) -> None:
        self._end = sorted(end)
        self._sums = np.full(len(root.own), -np.inf)
        self._open: list[tuple[float, Path, Node]] = [(0.0, (), root)]
        self._at = self._open.pop()

    def take(self, logits: Logits) -> Path | None:
        """Takes the logits behind the path that was last asked for (at first none); the tokens
        behind the prompt that are to be looked at next, None where all is known."""
        before, path, node = self._at
        row = logits.astype(np.float64)
        row -= np.logaddexp.reduce(row)
        for number, tokens in enumerate(node.own):
            if tokens:
                self._add(number, before + np.logaddexp.reduce(row[list(tokens)]))
        for number in node.ended:
            if self._end:
                self._add(number, before + np.logaddexp.reduce(row[self._end]))
        for token, child in node.shared.items():
            self._open.append((before + float(row[token]), (*path, token), child))
        best = max([float(self._sums.max()), *(of[0] for of in self._open)])
        self._open = [of for of in self._open if of[0] > best + np.log(NEGLIGIBLE)]
        if not self._open:
            return None
        self._open.sort(key=lambda of: (of[0], of[1]))
        self._at = self._open.pop()
        return self._at[1]

    def shares(self) -> NDArray[np.float64]:
        """Each label's share; they sum to 1. ValueError where no label has any probability."""
        if not np.isfinite(self._sums.max()):
            raise ValueError("the model gives no label any probability")
        weights = np.exp(self._sums - self._sums.max())
        return np.asarray(weights / weights.sum())

    def _add(self, number: int, logprob: float) -> None:
        self._sums[number] = np.logaddexp(self._sums[number], logprob)
