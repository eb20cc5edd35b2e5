"""Phase 1: the model writes a system message as phrases under functionality tags.

See SysGen, section 3.1. Each row is one request with a grammar for compact JSON. The prompt has the
whole conversation and one group of demonstrations, which is drawn from the run's seed and the row.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache

from sysgen_local.core.language import name_of, row_language, script_for
from sysgen_local.core.records import Conversation, Generated, Phase, Row
from sysgen_local.core.scripts import LETTERS
from sysgen_local.core.thoughts import parse_reply
from sysgen_local.engine.request import GREEDY, Json, Request, Sampling
from sysgen_local.phases.reasons import UnreadablePhrases
from sysgen_local.phases.tags import SCHEMA, parse_json, schema_in
from sysgen_local.prompts import PromptSet
from sysgen_local.running.stage import STAGE_FAILED, Work, cost_of, seed_of, unanswered

_GRAMMAR = Json(json.dumps(SCHEMA, sort_keys=True))


@cache
def _grammar(code: str | None) -> Json:
    """The grammar for a row in this language (a code). If the language has its own script, each
    phrase must begin with a letter of it."""
    letters = LETTERS.get(script_for(code) or "") if code else None
    return Json(json.dumps(schema_in(letters), sort_keys=True)) if letters else _GRAMMAR


@dataclass(frozen=True, slots=True)
class Generate:
    """The stage. With `keep_system`, a row with a system message of its own needs no phrases.
    `language` is the code of the phrases' language; None for each row's own."""

    prompts: PromptSet
    sampling: Sampling = GREEDY
    seed: int = 0
    max_tokens: int = 768
    keep_system: bool = False
    language: str | None = None
    phase: Phase = "generate"

    def work(self, row: Row) -> Work[Generated]:
        if self.keep_system and row.conversation.system:
            return Generated()
        code = self._language(row.conversation)
        groups = self.prompts.groups(self.phase, foreign=code is not None)
        group = groups[seed_of(self.seed, row.row, self.phase, 1) % len(groups)]
        request = Request(
            id=f"{row.row}:{self.phase}",
            group=f"{self.phase}:{group}",
            messages=self.prompts.messages(
                self.phase,
                group,
                turns=exchanges(row.conversation),
                language=name_of(code) if code else None,
            ),
            constraint=_grammar(code) if self.prompts.names_language(self.phase) else _GRAMMAR,
            sampling=self.sampling,
            max_tokens=self.max_tokens,
            min_tokens=min(self.max_tokens, 192),
            seed=seed_of(self.seed, row.row, self.phase),
        )
        [completion] = yield [request]
        cost = cost_of([completion])
        if ended := unanswered(completion):
            return Generated(dropped=ended[0], cost=cost, why=ended[1])
        try:
            phrases = parse_json(parse_reply(completion.text).answer)
        except ValueError:
            reason: UnreadablePhrases = "cut_off" if completion.finish == "length" else "not_json"
            return Generated(dropped=reason, raw=completion.text, cost=cost)
        return Generated(phrases=phrases, cost=cost)

    def failed(self, why: str) -> Generated:
        return Generated(dropped=STAGE_FAILED, why=why)

    def facts(self) -> dict[str, str]:
        return {
            "prompts": self.prompts.fingerprint(self.phase),
            "sampling": json.dumps(asdict(self.sampling)),
            "max_tokens": str(self.max_tokens),
            "seed": str(self.seed),
            "grammar": _GRAMMAR.schema,
            **({"scripts": json.dumps(LETTERS)} if self.prompts.names_language(self.phase) else {}),
            **({"existing_system": "keep"} if self.keep_system else {}),
            **({"language": self.language} if self.language else {}),
        }

    def _language(self, conversation: Conversation) -> str | None:
        """The code of the language; None for English and if it is not known."""
        code = self.language or row_language(conversation)
        return None if code == "en" else code


def exchanges(conversation: Conversation) -> list[dict[str, str]]:
    """The conversation as {"instruction", "answer"}. Tool turns are part of the answer."""
    pairs: list[dict[str, str]] = []
    for turn in conversation.turns:
        if turn.role == "user":
            pairs.append({"instruction": turn.content, "answer": ""})
        else:
            before = pairs[-1]["answer"]
            pairs[-1]["answer"] = f"{before}\n{turn.text}" if before else turn.text
    return pairs
