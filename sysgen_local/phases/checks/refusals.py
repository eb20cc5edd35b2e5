"""Finds answers that refuse their request. A small model refuses harmless ones now and then.

Only the beginning of an answer is looked at, and only words in which a model refuses: "I'm sorry,
but I can't make it to your party" may be the letter that was asked for.
"""

from __future__ import annotations

import re

_BEGINNING = 250
"""Characters at the beginning of an answer in which a refusal stands."""

_CANNOT = (
    r"(?:can ?not|can['’]?t|could(?:n['’]t| not)|won['’]?t|will not|"
    r"(?:am|['’]m) (?:not able|unable) to|"
    r"do(?:n['’]t| not) have (?:the )?(?:ability|capability|access))"
)
_DO = (
    r"(?:\w+ly )?(?:assist|help|provide|fulfil+|comply|answer|complete|do (?:that|this|so)|"
    r"generate|create|process|perform|respond|continue|engage|discuss|accommodate|proceed|access|"
    r"give|write|to |of )"
)

_ENGLISH = (
    rf"(?:sorry|apolog\w+|unfortunately)\b[^.!?\n]{{0,80}}?\bi ?{_CANNOT} {_DO}",
    rf"\bas an (?:ai|artificial intelligence)\b[^.!?\n]{{0,60}}?\bi ?{_CANNOT}",
    rf"^\W*i ?{_CANNOT} (?:assist|help|provide|fulfil+|comply|answer|complete|do (?:that|this))",
)
_OTHERS = (
    r"^\W*(?:es )?tut mir leid\b[^.!?\n]{0,40}\bich kann\b[^.!?\n]{0,80}\b(?:nicht|keine?n?)\b",
    r"^\W*lo siento\b[^.!?\n]{0,40}\bno puedo\b",
    r"^\W*(?:je suis )?désolée?\b[^.!?\n]{0,40}\bje ne (?:peux|suis) pas\b",
    r"^\W*(?:desculpe|sinto muito|lamento)\b[^.!?\n]{0,40}\bnão posso\b",
    r"^\W*mi dispiace\b[^.!?\n]{0,40}\bnon posso\b",
    r"^\W*(?:很?抱歉|对不起|對不起)[^。！？\n]{0,20}(?:无法|不能|無法)",
    r"^\W*申し訳(?:ありません|ございません)[^。！？\n]{0,40}(?:できません|出来ません)",
    r"^\W*죄송(?:합니다|하지만)[^.!?\n]{0,60}(?:수 없습니다|수 없어요)",
    r"^\W*(?:извините|простите|к сожалению)\b[^.!?\n]{0,40}\bя не могу\b",
)
_REFUSAL = re.compile("|".join((*_ENGLISH, *_OTHERS)), re.IGNORECASE)


def is_refusal(answer: str) -> bool:
    """Whether the answer begins with a refusal."""
    return bool(_REFUSAL.search(answer[:_BEGINNING]))
