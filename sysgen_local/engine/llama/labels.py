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

TokenPath = tuple[int, ...]

MIN_RELATIVE_PROBABILITY = 1e-4
"""Beginnings less probable than this beside the likeliest are not followed: each costs a token."""


@dataclass(frozen=True, slots=True)
class LabelNode:
    """What may follow here. `own`: for each label the tokens that only it goes on with; `shared`:
    tokens that several go on with; `ended`: labels that are whole already."""

    own_tokens: tuple[tuple[int, ...], ...]
    children: dict[int, LabelNode] = field(default_factory=dict)
    complete: frozenset[int] = frozenset()


def build_label_tree(
    spellings: Sequence[Iterable[TokenPath]], *, full_depth: bool = False
) -> LabelNode:
    """The tree for every label's spellings in tokens. Where the first token tells every label
    from the others nothing further is looked at, unless `whole`.

    Raises ValueError where a label has no spelling that is its own.
    """
    root = _build_node([{*of} for of in spellings], full_depth)
    found = _labels_below(root)
    if lost := [number for number in range(len(spellings)) if number not in found]:
        raise ValueError(f"label {lost[0]} cannot be told from the others")
    return root


def _build_node(rests: list[set[TokenPath]], full_depth: bool) -> LabelNode:
    heads: defaultdict[int, dict[int, set[TokenPath]]] = defaultdict(dict)
    for number, paths in enumerate(rests):
        for path in paths:
            if path:
                heads[path[0]].setdefault(number, set()).add(path[1:])
    here = {number for number, paths in enumerate(rests) if paths}
    complete = frozenset(number for number in here if () in rests[number])
    if len(complete) > 1:
        complete = frozenset()  # the same tokens: they tell nothing
    own_tokens: list[list[int]] = [[] for _ in rests]
    for token, of in heads.items():
        if len(of) == 1:
            own_tokens[next(iter(of))].append(token)
    children = {}
    if full_depth or any(not own_tokens[number] and number not in complete for number in here):
        for token, of in sorted(heads.items()):
            if len(of) > 1:
                children[token] = _build_node(
                    [of.get(number, set()) for number in range(len(rests))], full_depth
                )
    return LabelNode(tuple(tuple(sorted(tokens)) for tokens in own_tokens), children, complete)


def _labels_below(node: LabelNode) -> set[int]:
    here = {number for number, tokens in enumerate(node.own_tokens) if tokens} | node.complete
    return here.union(*map(_labels_below, node.children.values())) if node.children else here


class LabelScores:
    """The probability of each label, added up token by token. Begins at the root."""

    def __init__(self, root: LabelNode, end_tokens: Iterable[int]) -> None:
        self._end_tokens = sorted(end_tokens)
        self._sums = np.full(len(root.own_tokens), -np.inf)
        self._frontier: list[tuple[float, TokenPath, LabelNode]] = [(0.0, (), root)]
        self._current = self._frontier.pop()

    def on_logits(self, logits: Logits) -> TokenPath | None:
        """Takes the logits behind the path that was last asked for (at first none); the tokens
        behind the prompt that are to be looked at next, None where all is known."""
        before, path, node = self._current
        row = logits.astype(np.float64)
        row -= np.logaddexp.reduce(row)
        for number, tokens in enumerate(node.own_tokens):
            if tokens:
                self._add(number, before + np.logaddexp.reduce(row[list(tokens)]))
        for number in node.complete:
            if self._end_tokens:
                self._add(number, before + np.logaddexp.reduce(row[self._end_tokens]))
        for token, child in node.children.items():
            self._frontier.append((before + float(row[token]), (*path, token), child))
        best = max([float(self._sums.max()), *(of[0] for of in self._frontier)])
        self._frontier = [
            of for of in self._frontier if of[0] > best + np.log(MIN_RELATIVE_PROBABILITY)
        ]
        if not self._frontier:
            return None
        self._frontier.sort(key=lambda of: (of[0], of[1]))
        self._current = self._frontier.pop()
        return self._current[1]

    def probabilities(self) -> NDArray[np.float64]:
        """Each label's share; they sum to 1. ValueError where no label has any probability."""
        if not np.isfinite(self._sums.max()):
            raise ValueError("the model gives no label any probability")
        weights = np.exp(self._sums - self._sums.max())
        return np.asarray(weights / weights.sum())

    def _add(self, number: int, logprob: float) -> None:
        self._sums[number] = np.logaddexp(self._sums[number], logprob)
