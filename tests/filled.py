"""A store of finished and dropped rows that are full of markup."""

from __future__ import annotations

from sysgen_local.records import (
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Reject,
    Removed,
    Responded,
    Source,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.store import Store

EVIL = '<script>document.title="taken"</script></script><img src=x onerror=alert(1)>{{ 7*7 }}'
ROLE = Phrase("role", "You are a cook.")
TOOL = Phrase("tool", f"Use a scale. {EVIL}")


def fill(path, rows):
    with Store.open(path) as store:
        conversations = [
            Conversation((Turn("user", f"Question {n}? {EVIL}"), Turn("assistant", f"Old {n}")), n)
            for n in range(1, rows + 1)
        ]
        source = Source("<b>evil</b>.jsonl", "x", "0", EVIL, "mit")
        store.ingest(source, [*conversations, Reject(9999, "bad_json", EVIL)])
        results = []
        for n in range(1, rows + 1):
            verdicts = (Verdict("role", ROLE.text, "good", 0.9, 0.1, 0.0),)
            verdicts += (Verdict("tool", TOOL.text, "good" if n % 3 else "bad", 0.6, 0.3, 0.1),)
            new = (Turn("user", f"Question {n}? {EVIL}"), Turn("assistant", f"New {n} {EVIL}"))
            results += [
                (n, "generate", Generated((ROLE, TOOL))),
                (n, "filter", Filtered((ROLE, TOOL), (Removed("Example", "x", "unknown_tag"),))),
                (n, "verify", Verified(verdicts, ROLE.text)),
                (n, "respond", Responded(new, "looping" if n % 5 == 0 else None)),
            ]
        store.commit(results)
        store.set_recipe("generate", "f" * 64, {"model": EVIL, "seed": "0"})
