"""Phase 4: the model writes new answers under the system message (SysGen, section 3.4).

Each assistant turn is one request; its prompt has the new answers before it. An output that cannot
be used (cut off, empty, looping, full of chat markup) drops the row. The prompt can show the
original answer, with the system message repeated behind it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sysgen_local.core.records import Phase, Responded, Row, Turn
from sysgen_local.core.settings import ShowAnswer, Turns
from sysgen_local.core.thoughts import parse_reply
from sysgen_local.engine.request import GREEDY, Completion, Message, Request, Sampling, Segment
from sysgen_local.phases.answer_checks import has_exact_result
from sysgen_local.phases.reasons import AnswerFault
from sysgen_local.prompts import PromptSet
from sysgen_local.running.stage import (
    STAGE_FAILED,
    EngineReason,
    Work,
    cost_of,
    seed_of,
    unanswered,
)

ANEW = Sampling(temperature=0.7, top_p=0.95)
"""Sampling for a second answer if the first one was greedy: greedy would repeat it."""

_WORKINGS = re.compile(r"<<[^<>\n]{1,80}>>")
"""Calculator annotations in the answers of GSM8K and of datasets made from it. They are removed
from an original answer in a prompt, because a model must not learn to write them."""

_ENDS = str.maketrans("!?\n", "...")
_SAID = re.compile(r"[^\W_]")
_NOTHING = " \n\t-.*#|_=…"
_MARKUP = re.compile(
    r"<\|[\w.:-]+\|?>|<[a-z_]+\|>|<｜[^<>｜]+｜>|\[/?(INST|THINK)\]|</?s>|<</?SYS>>"
    r"|<(start|end)_of_turn>|</?(mm:|seed:)?think>|\]~!?b\]|\[e~\[|assistantfinal",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Respond:
    """The stage. `turns`: which assistant turns get a new answer, all or only the first. `shown`:
    for which answers the prompt shows the original one. `keep_truncated`: an answer that reached
    `max_tokens` is kept."""

    prompts: PromptSet
    sampling: Sampling = GREEDY
    seed: int = 0
    max_tokens: int = 1024
    turns: Turns = "all"
    keep_truncated: bool = False
    shown: ShowAnswer = "never"
    phase: Phase = "respond"

    def work(self, row: Row) -> Work[Responded]:
        assert row.verified is not None
        assert row.verified.system is not None
        turns: list[Turn] = []
        spent: list[Completion] = []
        for turn in row.conversation.turns:
            if turn.role == "assistant" and (self.turns == "all" or not spent):
                shown = self.shows(turn, turns)
                [completion] = yield [self.request(row, turns, len(spent), shown=shown)]
                if shown and completion.finish == "too_long":
                    # It does not fit with the original answer: try the prompt without it.
                    [completion] = yield [self.request(row, turns, len(spent), shown=False)]
                spent.append(completion)
                answer, reason = self.read(completion)
                if reason:
                    # The output is kept, so that `sysgen show` can print it.
                    why = completion.text if unanswered(completion) else None
                    return Responded(
                        (*turns, Turn("assistant", answer)), reason, cost_of(spent), why
                    )
                turn = Turn("assistant", answer)
            turns.append(turn)
        return Responded(tuple(turns), cost=cost_of(spent))

    def shows(self, original: Turn, before: Sequence[Turn]) -> bool:
        """Whether the first prompt for this turn shows the original answer."""
        if self.shown == "never" or not self.prompts.has("rewrite") or before[-1].role != "user":
            return False
        return self.shown == "always" or has_exact_result(before[-1].content, original.content)

    def failed(self, why: str) -> Responded:
        return Responded(dropped=STAGE_FAILED, why=why)

    def facts(self) -> dict[str, str]:
        return {
            "prompts": self.prompts.fingerprint(self.phase),
            "sampling": json.dumps(asdict(self.sampling)),
            "max_tokens": str(self.max_tokens),
            "seed": str(self.seed),
            "turns": self.turns,
            "keep_truncated": str(self.keep_truncated),
            **(
                {}
                if self.shown == "never"
                else {"shown": self.shown, "rewrite": self.prompts.fingerprint("rewrite")}
            ),
        }

    def request(
        self,
        row: Row,
        before: Sequence[Turn],
        part: int,
        *,
        shown: bool,
        phase: Phase = "respond",
        anew: bool = False,
    ) -> Request:
        """The request for an answer to the turns `before`. `shown`: the prompt shows the original
        answer. `part` is the number of the request within row and phase; its id and seed depend on
        it. `anew`: the turn was answered before, so another answer is wanted."""
        assert row.verified is not None
        system = row.verified.system
        if shown:
            *head, last = self.prompts.messages(
                "rewrite",
                system=system,
                instruction=before[-1].content,
                answer=_WORKINGS.sub("", row.conversation.turns[len(before)].content),
            )
            messages = [*head, *map(_message, before[:-1]), last]
        else:
            messages = [*self.prompts.messages(self.phase, system=system), *map(_message, before)]
        return Request(
            id=f"{row.row}:{phase}:{part}",
            group=self.phase,
            messages=tuple(messages),
            sampling=ANEW if anew and not self.sampling.temperature else self.sampling,
            max_tokens=self.max_tokens,
            min_tokens=min(self.max_tokens, 64),
            seed=seed_of(self.seed, row.row, phase, part),
        )

    def read(self, completion: Completion) -> tuple[str, EngineReason | AnswerFault | None]:
        """(the answer in a completion, the reason if it cannot be used or None)."""
        if ended := unanswered(completion):
            return completion.text, ended[0]
        answer, thought, _ = parse_reply(completion.text)
        answer = answer.strip()
        fault = self._fault(completion, answer)
        # Without an answer, the reasoning is kept for `sysgen show`. It is never part of an answer.
        return answer or (thought.strip() if fault else ""), fault

    def _fault(self, completion: Completion, answer: str) -> AnswerFault | None:
        if looping(answer):
            return "looping"
        if completion.finish == "length" and not self.keep_truncated:
            return "cut_off"
        if is_empty(answer):
            return "empty"
        suspect = "<" in answer or "[" in answer or "assistantfinal" in answer.lower()
        return "markup" if suspect and _MARKUP.search(answer) else None


def is_empty(text: str) -> bool:
    """Whether the text says nothing: it has only spaces and signs of Markdown."""
    return not text.strip(_NOTHING)


def looping(text: str, *, most: int = 40) -> bool:
    """Whether the text repeats itself as a stuck model does.

    Either up to `most` words are repeated without a break, at least five times and over at least
    twenty words; or one sentence of four words or more comes at least three times and makes up
    half of the text. Tables, lists and poems do neither.
    """
    words = [word for word in text.split() if word[0].isalnum() or _SAID.search(word)]
    if _one_sentence(text, len(words)):
        return True
    if len(words) < 4 and len(text) > 100:
        words = [c for c in text if c.isalnum()]  # a script without spaces, or one very long word
    return _has_loop(words, most)


def _one_sentence(text: str, words: int) -> bool:
    parts = text.translate(_ENDS).split(".")
    sentences = [sentence for part in parts if (sentence := part.strip())]
    if len(sentences) - len(set(sentences)) < 2:
        return False
    for sentence, times in Counter(sentences).most_common():
        if times < 3:
            break
        own = sentence.split()
        if sum(any(map(str.isalpha, word)) for word in own) >= 4:
            return times * len(own) * 2 >= words
    return False


def _has_loop(words: list[str], most: int) -> bool:
    most = min(most, len(words) // 5)
    # A loop has at least _SHORTEST words that equal the word one period before. One of them is at
    # a multiple of _SHORTEST, so only these positions must be checked.
    for at in range(_SHORTEST, len(words), _SHORTEST):
        word, start = words[at], max(0, at - most)
        for _ in range(words[start:at].count(word)):
            start = words.index(word, start)
            if _again(words, at, at - start) >= _needed(at - start):
                return True
            start += 1
    return False


def _needed(period: int) -> int:
    """How many words must equal the word one period before: five repetitions, at least 20 words."""
    return max(4 * period, 20 - period)


_SHORTEST = min(map(_needed, range(1, 41)))


def _again(words: list[str], at: int, period: int) -> int:
    """How many words around `at`, without a break, equal the word one period before."""
    low, high = at, at + 1
    while low > period and words[low - 1] == words[low - 1 - period]:
        low -= 1
    while high < len(words) and words[high] == words[high - period]:
        high += 1
    return high - low


def _message(turn: Turn) -> Message:
    """The turn as a chat message. A function call has the role assistant, its result the role
    user."""
    role = "assistant" if turn.role in ("assistant", "function_call") else "user"
    return Message(role, (Segment(turn.text, trusted=False),))
