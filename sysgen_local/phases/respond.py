"""Phase 4: the assistant's turns are written anew under the system message (section 3.4).

Row -> one request a turn, each seeing the answers before it -> the new conversation. An answer
that is no answer (cut off, empty, looping, full of chat markup) drops the row. The original
answer can be shown to the model, with the system message repeated behind it.
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
from sysgen_local.phases.evidence import exact
from sysgen_local.prompts.prompt_set import PromptSet
from sysgen_local.running.stage import Work, cost_of, seed_of, unanswered

ANEW = Sampling(temperature=0.7, top_p=0.95)
"""For answering again where the first answer was greedy: it would come out the same."""

_WORKINGS = re.compile(r"<<[^<>\n]{1,80}>>")
"""A calculator's notes in the answers of GSM8K and sets made of it: no one should learn to write
them, so a model that sees such an answer does not see them."""

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
    prompts: PromptSet
    sampling: Sampling = GREEDY
    seed: int = 0
    max_tokens: int = 1024
    turns: Turns = "all"
    keep_truncated: bool = False
    shown: ShowAnswer = "never"
    phase: Phase = "respond"

    def work(self, row: Row) -> Work:
        assert row.verified is not None
        assert row.verified.system is not None
        turns: list[Turn] = []
        spent: list[Completion] = []
        for turn in row.conversation.turns:
            if turn.role == "assistant" and (self.turns == "all" or not spent):
                shown = self.shows(turn, turns)
                [completion] = yield [self.request(row, turns, len(spent), shown=shown)]
                if shown and completion.finish == "too_long":
                    # The original in view is what does not fit: the row can do without.
                    [completion] = yield [self.request(row, turns, len(spent), shown=False)]
                spent.append(completion)
                answer, reason = self.read(completion)
                if reason:
                    # What was written is kept: `show` tells what went wrong.
                    why = completion.text if unanswered(completion) else None
                    return Responded(
                        (*turns, Turn("assistant", answer)), reason, cost_of(spent), why
                    )
                turn = Turn("assistant", answer)
            turns.append(turn)
        return Responded(tuple(turns), cost=cost_of(spent))

    def shows(self, original: Turn, before: Sequence[Turn]) -> bool:
        """Whether the first answer in place of `original` is written with that one in view."""
        if self.shown == "never" or not self.prompts.has("rewrite") or before[-1].role != "user":
            return False
        return self.shown == "always" or exact(before[-1].content, original.content)

    def failed(self, why: str) -> Responded:
        return Responded(dropped="failed", why=why)

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
        """Asks for the answer to the turns `before`; with the original one in view where `shown`.
        `part` tells the requests of a row and phase apart, and gives each its own seed. `anew`:
        the turn was answered before, and the answer is to be another one."""
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

    def read(self, completion: Completion) -> tuple[str, str | None]:
        """The answer that a completion holds, and why it is none (None where it is one)."""
        if ended := unanswered(completion):
            return completion.text, ended[0]
        answer, thought, _ = parse_reply(completion.text)
        answer = answer.strip()
        fault = self._fault(completion, answer)
        # Of a thought that led to nothing, something is to be seen; of no answer it is a part.
        return answer or (thought.strip() if fault else ""), fault

    def _fault(self, completion: Completion, answer: str) -> str | None:
        if looping(answer):
            return "looping"
        if completion.finish == "length" and not self.keep_truncated:
            return "cut_off"
        if not answer.strip(_NOTHING):
            return "empty"
        suspect = "<" in answer or "[" in answer or "assistantfinal" in answer.lower()
        return "markup" if suspect and _MARKUP.search(answer) else None


def looping(text: str, *, most: int = 40) -> bool:
    """Whether the text goes round in circles.

    Some stretch of up to `most` words comes again without a break, five times and twenty words
    together; or one sentence of four words or more makes up half of it, three times or more.
    No table, list or poem does either.
    """
    words = [word for word in text.split() if word[0].isalnum() or _SAID.search(word)]
    if _one_sentence(text, len(words)):
        return True
    if len(words) < 4 and len(text) > 100:
        words = [c for c in text if c.isalnum()]  # a script without spaces, or one endless word
    return _goes_round(words, most)


def _one_sentence(text: str, words: int) -> bool:
    parts = text.translate(_ENDS).split(".")
    sentences = [sentence for part in parts if (sentence := part.strip())]
    if len(sentences) - len(set(sentences)) < 2:
        return False
    for sentence, times in Counter(sentences).most_common():
        if times < 3:
            break
        said = sentence.split()
        if sum(any(map(str.isalpha, word)) for word in said) >= 4:
            return times * len(said) * 2 >= words
    return False


def _goes_round(words: list[str], most: int) -> bool:
    most = min(most, len(words) // 5)
    # A stretch that counts has _SHORTEST words or more that were said a period before, so one of
    # those stands at a multiple of it: only from there one has to look.
    for at in range(_SHORTEST, len(words), _SHORTEST):
        word, start = words[at], max(0, at - most)
        for _ in range(words[start:at].count(word)):
            start = words.index(word, start)
            if _again(words, at, at - start) >= _needed(at - start):
                return True
            start += 1
    return False


def _needed(period: int) -> int:
    """Words that were said a period before: of five times round, and of twenty words at least."""
    return max(4 * period, 20 - period)


_SHORTEST = min(map(_needed, range(1, 41)))


def _again(words: list[str], at: int, period: int) -> int:
    """How many words around `at`, without a break, were said a period before."""
    low, high = at, at + 1
    while low > period and words[low - 1] == words[low - 1 - period]:
        low -= 1
    while high < len(words) and words[high] == words[high - period]:
        high += 1
    return high - low


def _message(turn: Turn) -> Message:
    """A function call is something the assistant said; what came back is told it."""
    role = "assistant" if turn.role in ("assistant", "function_call") else "user"
    return Message(role, (Segment(turn.text, trusted=False),))
