"""Figures of rows in other languages: how many are final, and in which language their texts are."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from benchmarks.quality.figures import Leaf, Share, Tree
from sysgen_local.core.records import Row

MISSING = "not available"


def languages(rows: Sequence[Row], final: Collection[int]) -> Tree:
    """Figures for each language except English, and for English. Rows in an unknown language are
    only counted."""
    try:
        from sysgen_local.core.language import row_language
    except ModuleNotFoundError:
        return {"rows": MISSING}
    by_language: dict[str, list[Row]] = {}
    unknown = 0
    for row in rows:
        language = row_language(row.conversation)
        if language is None:
            unknown += 1
        else:
            by_language.setdefault(language, []).append(row)
    english = by_language.pop("en", [])
    others = [row for of in by_language.values() for row in of]
    return {
        "language_not_told": Share(unknown, len(rows)),
        "english": _kept(english, final),
        "not_english": _kept(others, final),
        "by_language": {code: _kept(of, final) for code, of in sorted(by_language.items())},
    }


def _kept(rows: Sequence[Row], final: Collection[int]) -> dict[str, Tree | Leaf]:
    from sysgen_local.core.language import language_of, row_language

    finished = [row for row in rows if row.row in final]
    same = {"system_message": 0, "answer": 0}
    for row in finished:
        language = row_language(row.conversation)
        system = row.verified.system if row.verified else None
        same["system_message"] += language_of(system or "") == language
        answer = "\n".join(t.content for t in row.answers if t.role == "assistant")
        same["answer"] += language_of(answer) == language
    return {
        "rows": len(rows),
        "final": Share(len(finished), len(rows)),
        "final_with_system_message_in_it": Share(same["system_message"], len(rows)),
        "of_final_system_message_in_it": Share(same["system_message"], len(finished)),
        "of_final_answer_in_it": Share(same["answer"], len(finished)),
    }
