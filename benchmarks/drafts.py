"""What the original answer would be worth as a draft of the new one.

Prompt lookup: after the last three tokens written, as they were found in the original answer or
in the prompt, the next eight are proposed and checked in one step. Counted are the steps that
would be saved, on a finished store; nothing is decoded.

python -m benchmarks.drafts SYSGEN.duckdb [GGUF]
"""

from __future__ import annotations

import sys
from pathlib import Path

from sysgen_local.core.resources import resource
from sysgen_local.engine.llama.tokenizer import Piece, Vocab
from sysgen_local.engine.llama.weights import head
from sysgen_local.store import Choice, Store

SEEN, PROPOSED = 3, 8


def steps(source: list[int], answer: list[int]) -> tuple[int, int]:
    """(steps with drafts, tokens proposed in vain) for an answer."""
    text = list(source)
    places: dict[tuple[int, ...], int] = {}
    for i in range(SEEN, len(text)):
        places[tuple(text[i - SEEN : i])] = i
    at = count = vain = 0
    while at < len(answer):
        draft: list[int] = []
        if (place := places.get(tuple(text[-SEEN:]))) is not None:
            draft = text[place : place + PROPOSED]
        accepted = 0
        for proposed, real in zip(draft, answer[at:], strict=False):
            if proposed != real:
                break
            accepted += 1
        vain += len(draft) - accepted
        for token in answer[at : at + accepted + 1]:
            text.append(token)
            places.setdefault(tuple(text[-SEEN - 1 : -1]), len(text) - 1)
        at += accepted + 1
        count += 1
    return count, vain


def main(path: Path, model: Path) -> None:
    written = taken = wasted = 0
    with head(model) as loaded, Store.open(path, read_only=True) as store:
        vocab = Vocab(loaded)
        for row in store.find(Choice("final", limit=None)):
            assert row.responded is not None
            pairs = zip(row.conversation.turns, row.responded.turns, strict=True)
            before: list[int] = []
            for old, new in pairs:
                old_tokens = vocab.encode([Piece(old.content)]).tokens
                if old.role == "assistant":
                    answer = vocab.encode([Piece(new.content)]).tokens
                    count, vain = steps(before + old_tokens, answer)
                    written, taken, wasted = written + len(answer), taken + count, wasted + vain
                before += old_tokens
    print(f"{written} tokens in {taken} steps: {written / taken:.2f} a step")
    print(f"{(taken + wasted) / written:.2f} decoded tokens for each one written")


if __name__ == "__main__":
    file = Path(sys.argv[2]) if sys.argv[2:] else resource("builtin_model/builtin.gguf")
    main(Path(sys.argv[1]), file)
