"""Measures how useful the original answer would be as a draft of the new one (prompt lookup).

The last three written tokens are searched in the original answer and the prompt. If they are found,
the next eight tokens are the draft, which is verified in one step. The script counts the steps that
this would save for a finished store. It decodes nothing.

python -m benchmarks.drafts SYSGEN.duckdb [GGUF]
"""

from __future__ import annotations

import sys
from pathlib import Path

from sysgen_local.core.resources import resource
from sysgen_local.engine.llama.tokenizer import PromptPart, Tokenizer
from sysgen_local.engine.llama.weights import load_vocab_only
from sysgen_local.store import RowQuery, Store

LOOKUP, PROPOSED = 3, 8


def steps(source: list[int], answer: list[int]) -> tuple[int, int]:
    """(steps with drafts, rejected draft tokens) for an answer."""
    text = list(source)
    places: dict[tuple[int, ...], int] = {}
    for i in range(LOOKUP, len(text)):
        places[tuple(text[i - LOOKUP : i])] = i
    at = count = vain = 0
    while at < len(answer):
        draft: list[int] = []
        if (place := places.get(tuple(text[-LOOKUP:]))) is not None:
            draft = text[place : place + PROPOSED]
        accepted = 0
        for proposed, real in zip(draft, answer[at:], strict=False):
            if proposed != real:
                break
            accepted += 1
        vain += len(draft) - accepted
        for token in answer[at : at + accepted + 1]:
            text.append(token)
            places.setdefault(tuple(text[-LOOKUP - 1 : -1]), len(text) - 1)
        at += accepted + 1
        count += 1
    return count, vain


def main(path: Path, model: Path) -> None:
    written = taken = wasted = 0
    with load_vocab_only(model) as loaded, Store.open(path, read_only=True) as store:
        tokenizer = Tokenizer(loaded)
        for row in store.find(RowQuery("final", limit=None)):
            assert row.responded is not None
            pairs = zip(row.conversation.turns, row.responded.turns, strict=True)
            before: list[int] = []
            for old, new in pairs:
                old_tokens = tokenizer.encode([PromptPart(old.content)]).tokens
                if old.role == "assistant":
                    answer = tokenizer.encode([PromptPart(new.content)]).tokens
                    count, vain = steps(before + old_tokens, answer)
                    written, taken, wasted = written + len(answer), taken + count, wasted + vain
                before += old_tokens
    print(f"{written} tokens in {taken} steps: {written / taken:.2f} a step")
    print(f"{(taken + wasted) / written:.2f} decoded tokens for each one written")


if __name__ == "__main__":
    file = Path(sys.argv[2]) if sys.argv[2:] else resource("builtin_model/builtin.gguf")
    main(Path(sys.argv[1]), file)
