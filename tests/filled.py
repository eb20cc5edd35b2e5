"""A store of finished and dropped rows that are full of markup, checked or not."""

from __future__ import annotations

from sysgen_local.core.records import (
    Attempt,
    Check,
    Checked,
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


def checked(n):
    """Every fourth row disagrees, every second has a better answer; the others are as they were."""
    result = Check(1, "result", f"{n} {EVIL}", "rule", float(n % 4 > 0), f"number {EVIL}")
    agrees = Check(1, "agrees", "", "model", 0.9375, "")
    follows = Check(1, "follows", ROLE.text, "model", 0.875, "")
    if n % 4 == 0:
        worse = Attempt(1, f"Worse {n} {EVIL}", True, 0.0, None, "disagrees")
        return Checked((), (result,), (worse,), False, None, 2, "disagrees")
    if n % 2 == 0:
        better = (Turn("user", f"Question {n}? {EVIL}"), Turn("assistant", f"Better {n} {EVIL}"))
        first = Attempt(1, f"New {n} {EVIL}", False, None, 0.25, "disobeys")
        return Checked(better, (result, follows), (first,), True, 0.875, 2)
    return Checked((), (agrees,) if n % 3 else (), (), True if n % 3 else None, None, 1)


def fill(path, rows, *, checks=False):
    with Store.open(path) as store:
        conversations = [
            Conversation((Turn("user", f"Question {n}? {EVIL}"), Turn("assistant", f"Old {n}")), n)
            for n in range(1, rows + 1)
        ]
        source = Source("<b>evil</b>.jsonl", "x", "0", EVIL, "mit")
        store.ingest(source, [*conversations, Reject(9999, "bad_json", EVIL)])
        results = []
        for n in range(1, rows + 1):
            verdicts = (
                Verdict("role", ROLE.text, "good", 0.9, 0.1, 0.0),
                Verdict("tool", TOOL.text, "good" if n % 3 else "bad", 0.6, 0.3, 0.1),
            )
            new = (Turn("user", f"Question {n}? {EVIL}"), Turn("assistant", f"New {n} {EVIL}"))
            results += [
                (n, "generate", Generated((ROLE, TOOL))),
                (n, "filter", Filtered((ROLE, TOOL), (Removed("Example", "x", "unknown_tag"),))),
                (n, "verify", Verified(verdicts, ROLE.text)),
                (n, "respond", Responded(new, "looping" if n % 5 == 0 else None)),
            ]
            if checks and n % 5:
                results.append((n, "check", checked(n)))
        store.commit(results)
        if checks:
            facts = {"tries": "3", "min_agrees": "0.5", "min_follows": "0.5", "by_model": "True"}
            store.set_recipe("check", "e" * 64, facts)
        store.set_recipe("generate", "f" * 64, {"model": EVIL, "seed": "0"})
