"""A blind session: phrases and pairs of answers, each shown without the verdict of any model.

The verdict on a thing is told one decision later. So the last decision can be undone while its
verdict is still unknown, and no label is changed by somebody who knows the verdict. What is stored
is a log (`store.labels`), also of what was undone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.records import Row
from sysgen_local.evaluation.trust import judge_name
from sysgen_local.store import Kind, Label, PairTexts, PairVerdict, Said, Store

MOST = 100
"""Phrases, and pairs, that a session asks about unless it is told otherwise."""

_PLACES: dict[str, int] = {"first": 0, "second": 1}


class BlindDecision(BaseModel):
    """What a person says: of a phrase good, bad or none; of a pair which answer is the better one,
    or a tie; or that it cannot be told. `thing` identifies what was shown (`BlindSession.view`)."""

    model_config = ConfigDict(extra="forbid")

    said: Literal["good", "bad", "none", "first", "second", "tie", "unclear"]
    thing: str


@dataclass(frozen=True, slots=True)
class Told:
    """A decision, and the verdict of the model on the same thing: the word, and the probability of
    `good`, or that the new answer is the better one. None where there is no verdict any more."""

    kind: Kind
    what: str
    said: Said
    judge: str
    verdict: str | None
    p: float | None


class BlindSession:
    """A session of one reviewer over a queue of things. The methods can be called from several
    threads. Raises UsageError where there is nothing to ask."""

    def __init__(
        self,
        store: Store,
        reviewer: str,
        kinds: Sequence[Kind] = ("phrase", "pair"),
        limit: int = MOST,
    ) -> None:
        self._store = store
        self._lock = Lock()
        self.reviewer = reviewer
        self._queue = [of for kind in kinds for of in store.label_queue(kind, reviewer, limit)]
        if not self._queue:
            raise _nothing(store, reviewer, kinds)
        self._pairs = store.pair_verdicts([of.row for of in self._queue if of.kind == "pair"])
        verify = store.recipe("verify")
        self._model = judge_name(verify.facts) if verify else "the model"
        self._said: dict[int, Said] = {}
        self._known: int | None = None
        self._last: int | None = None

    @property
    def asked(self) -> int:
        """How many things the session asks about."""
        return len(self._queue)

    @property
    def decided(self) -> int:
        """How many of them are decided."""
        return len(self._said)

    def view(self, position: int) -> dict[str, Any]:
        """The thing at this position, without any verdict. Raises IndexError where there is none
        there."""
        with self._lock:
            return self._view(position)

    def decide(self, position: int, decision: BlindDecision) -> dict[str, Any]:
        """Stores the decision and returns the next thing, or the end. Raises IndexError as `view`,
        and SysgenError where the thing was decided already or is not as it was shown."""
        with self._lock:
            asked = self._asked(position)
            if position in self._said:
                raise SysgenError("this was decided already; u takes the last decision back")
            shown = self._view(position)
            if decision.thing != shown["thing"]:
                raise SysgenError("this is not what was shown; load the page again")
            said = self._meaning(asked, decision.said)
            self._store.add_labels([replace(asked, said=said)])
            self._said[position] = said
            if self._last is not None:
                self._known = self._last
            self._last = position
            return self._step(position)

    def undo(self) -> dict[str, Any] | None:
        """Takes the last decision back, whose verdict was not told yet. Returns its thing, or None
        where there is none."""
        with self._lock:
            self._asked(0)
            if self._last is None:
                return None
            position, self._last = self._last, None
            self._store.add_labels([replace(self._queue[position], said=None)])
            del self._said[position]
            return self._view(position)

    def end(self) -> dict[str, Any]:
        """All decisions of this session with the verdicts on them. No decision can be undone then:
        its verdict is known."""
        with self._lock:
            self._asked(0)
            told = [self._told(position) for position in self._said]
            self._last = None
            return {"decided": len(told), "asked": self.asked, "told": [_plain(of) for of in told]}

    def agreed(self) -> int:
        """How many decisions are the model's, too."""
        with self._lock:
            return sum(of.said == of.verdict for of in map(self._told, self._said))

    def close(self) -> None:
        """Waits for a running write. After this, every call raises SysgenError."""
        with self._lock:
            self._queue = []

    @property
    def path(self) -> Path:
        """The file of the store."""
        return self._store.path

    def _asked(self, position: int) -> Label:
        if not self._queue:
            raise SysgenError("the review has ended")
        if not 0 <= position < len(self._queue):
            raise IndexError(position)
        return self._queue[position]

    def _step(self, position: int) -> dict[str, Any]:
        """The next thing without a decision, after this one and then from the start."""
        count = len(self._queue)
        places = [(position + i) % count for i in range(1, count)]
        following = next((i for i in places if i not in self._said), None)
        if following is None:
            return {**self._progress(), "position": None}
        return self._view(following)

    def _view(self, position: int) -> dict[str, Any]:
        asked = self._asked(position)
        shown = _phrase(asked, self._row(asked)) if asked.kind == "phrase" else self._pair(asked)
        return {**shown, **self._progress(), "position": position, "kind": asked.kind,
                "thing": _thing(asked), "open": position not in self._said}  # fmt: skip

    def _progress(self) -> dict[str, Any]:
        return {
            "asked": self.asked, "decided": self.decided, "undo": self._last is not None,
            "told": None if self._known is None else _plain(self._told(self._known)),
        }  # fmt: skip

    def _pair(self, asked: Label) -> dict[str, Any]:
        texts = self._texts(asked)
        answers = (texts.old, texts.new) if _swapped(asked) else (texts.new, texts.old)
        return {
            "turns": [["user", texts.instruction]], "system": texts.system,
            "first": answers[0], "second": answers[1],
        }  # fmt: skip

    def _texts(self, asked: Label) -> PairTexts:
        found = self._store.pair_texts(asked.row)
        if found is None or found[0] != asked.shown:
            raise SysgenError("the answers of this row have changed; start the review again")
        return found[1]

    def _row(self, asked: Label) -> Row:
        row = self._store.row(asked.row)
        assert row is not None
        return row

    def _meaning(self, asked: Label, word: str) -> Said:
        """What is stored for a word of the page."""
        if word in _PLACES and asked.kind == "pair":
            return "new" if (_PLACES[word] == 1) == _swapped(asked) else "original"
        fitting: dict[Kind, dict[str, Said]] = {
            "phrase": {"good": "good", "bad": "bad", "none": "none", "unclear": "unclear"},
            "pair": {"tie": "tie", "unclear": "unclear"},
        }
        if word not in fitting[asked.kind]:
            raise SysgenError(f"of a {asked.kind} nobody can say {word}")
        return fitting[asked.kind][word]

    def _told(self, position: int) -> Told:
        asked, said = self._queue[position], self._said[position]
        if asked.kind == "pair":
            found: PairVerdict | None = self._pairs.get(asked.row)
            return (
                Told("pair", f"row {asked.row}", said, found.judge, found.verdict, found.p)
                if found
                else Told("pair", f"row {asked.row}", said, "the judge", None, None)
            )
        verified = self._row(asked).verified
        verdict = next(
            (v for v in verified.verdicts if (v.tag, v.text) == (asked.tag, asked.text))
            if verified
            else iter(()),
            None,
        )
        return Told(
            "phrase", asked.text or "", said, self._model,
            verdict.label if verdict else None, verdict.good if verdict else None,
        )  # fmt: skip


def _phrase(asked: Label, row: Row) -> dict[str, Any]:
    turns = row.conversation.turns
    return {
        "turns": [[turn.role, turn.text] for turn in turns if turn.role == "user"],
        "answer": next((turn.text for turn in turns if turn.role == "assistant"), ""),
        "tag": asked.tag, "text": asked.text,
    }  # fmt: skip


def _thing(asked: Label) -> str:
    return hashlib.sha256(repr(asked.thing).encode()).hexdigest()


def _swapped(asked: Label) -> bool:
    """Whether this reviewer sees the new answer second: by chance, and always the same."""
    digest = hashlib.sha256(f"{asked.reviewer}:{asked.shown}".encode()).digest()
    return digest[0] % 2 == 1


def _plain(of: Told) -> dict[str, Any]:
    return {
        "kind": of.kind, "what": of.what, "said": of.said, "judge": of.judge,
        "verdict": of.verdict, "p": of.p,
    }  # fmt: skip


def _nothing(store: Store, reviewer: str, kinds: Sequence[Kind]) -> UsageError:
    labelled = any(of.reviewer == reviewer and of.said for of in store.latest_labels())
    if labelled:
        return UsageError(
            f"{reviewer} has labelled all that {store.path} has verdicts on",
            hint=f"`sysgen judge --trust --db {store.path}` shows what came of it",
        )
    command = "judge" if tuple(kinds) == ("pair",) else "run"
    return UsageError(
        f"{store.path} has no verdict of a model to compare with",
        hint=f"`sysgen {command} --db {store.path}` makes some",
    )
