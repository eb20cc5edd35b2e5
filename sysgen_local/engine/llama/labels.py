"""Scores labels by the probabilities of their tokens, without generating them.

What: the spellings of all labels form a tree of tokens. Where the first token tells all labels
apart, one row of logits gives every probability. Where labels share their first token (digits
behind SentencePiece's space, labels with a common first word), the tree is followed further.
Why: a label costs no generated token, and every label gets its exact probability.
Branches that cannot matter are not followed, because each costs one decoded token.
Measured: eight verdicts scored from logits gave 0.654 jobs/s, written as JSON 0.449.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sysgen_local.engine.llama.sampler import Logits

TokenPath = tuple[int, ...]
"""Tokens behind the prompt, from the root of a label tree to a node."""

MIN_RELATIVE_PROBABILITY = 1e-4
"""A branch with less than this share of the best branch's or label's probability is dropped."""


@dataclass(frozen=True, slots=True)
class LabelNode:
    """A node of a label tree.

    own_tokens: for each label, the next tokens that only this label continues with. children: next
    tokens that several labels continue with. complete: labels whose spelling ends at this node.
    """

    own_tokens: tuple[tuple[int, ...], ...]
    children: dict[int, LabelNode] = field(default_factory=dict)
    complete: frozenset[int] = frozenset()


def build_label_tree(
    spellings: Sequence[Iterable[TokenPath]], *, full_depth: bool = False
) -> LabelNode:
    """The tree for the spellings of each label, given as tokens.

    A node has children only where its next tokens do not tell all labels apart, or with
    `full_depth`. Raises ValueError for a label that shares each of its spellings with another one.
    """
    root = _build_node([{*of} for of in spellings], full_depth)
    found = _labels_below(root)
    if lost := [number for number in range(len(spellings)) if number not in found]:
        raise ValueError(f"label {lost[0]} cannot be told from the others")
    return root


def _build_node(rests: list[set[TokenPath]], full_depth: bool) -> LabelNode:
    """The node for what remains of each label's spellings at this depth."""
    heads: defaultdict[int, dict[int, set[TokenPath]]] = defaultdict(dict)
    for number, paths in enumerate(rests):
        for path in paths:
            if path:
                heads[path[0]].setdefault(number, set()).add(path[1:])
    here = {number for number, paths in enumerate(rests) if paths}
    complete = frozenset(number for number in here if () in rests[number])
    if len(complete) > 1:
        complete = frozenset()  # the same spelling for several labels tells nothing
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
    """The labels that this node or one below it tells from the others."""
    here = {number for number, tokens in enumerate(node.own_tokens) if tokens} | node.complete
    return here.union(*map(_labels_below, node.children.values())) if node.children else here


class LabelScores:
    """The probability of each label, summed up while the tree is followed from its root.

    Open branches are followed in the order of their probability, the most probable first.
    """

    def __init__(self, root: LabelNode, end_tokens: Iterable[int]) -> None:
        """`end_tokens` end an answer: behind a label that is the beginning of another one, they
        decide between the two."""
        self._end_tokens = sorted(end_tokens)
        self._sums = np.full(len(root.own_tokens), -np.inf)
        self._frontier: list[tuple[float, TokenPath, LabelNode]] = [(0.0, (), root)]
        self._current = self._frontier.pop()

    def on_logits(self, logits: Logits) -> TokenPath | None:
        """Takes the logits behind the path that was returned last (at first: behind the prompt).
        Returns the path whose logits are needed next; None where no branch is left."""
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
        least = best + np.log(MIN_RELATIVE_PROBABILITY)
        self._frontier = [of for of in self._frontier if of[0] > least]
        if not self._frontier:
            return None
        self._frontier.sort(key=lambda of: (of[0], of[1]))
        self._current = self._frontier.pop()
        return self._current[1]

    def probabilities(self) -> NDArray[np.float64]:
        """The probability of each label, shape (labels,), summing to 1. Raises ValueError where no
        label has any probability."""
        if not np.isfinite(self._sums.max()):
            raise ValueError("the model gives no label any probability")
        weights = np.exp(self._sums - self._sums.max())
        return np.asarray(weights / weights.sum())

    def _add(self, number: int, logprob: float) -> None:
        self._sums[number] = np.logaddexp(self._sums[number], logprob)
