"""Finds where an answer states its final result: behind a mark, or in its last or first
sentence."""

from __future__ import annotations

import re
from typing import NamedTuple

from sysgen_local.phases.checks.text import blocks, language_to_split, split

_MARK = re.compile(
    r"(?:\b(?:answer|final result|antwort|(?:end)?ergebnis|lösung|réponse"
    "|respuesta|resultado final|risposta"
    "|resposta)(?:[ ](?:to (?:the|this|your) (?:question|problem)|choice|option"
    "|correcta|finale?|correcte)){0,2}"
    "(?:[ ](?:is|ist|lautet|est|es|é|è|would be|must be"
    r"|should be)\b(?![ ](?:not|nicht)\b)|[*_ ]*[:：=])"
    r"|答案(?:是|为|為|应该是)|答案?[:：]|答えは|答え[:：]|正解は|ответ[:：]|ответ\b\s*[—–-]|उत्तर(?:[:：]|\s*है)"
    r"|(?:الإجابة|الجواب)(?:[:：]|\s*هي|\s*هو)|정답(?:은|[:：]))"
    r"[:：]?[*_ \t]*(?:\n\s*)?(?P<rest>[^\n]+)",
    re.IGNORECASE,
)
_HASHES = re.compile(
    r"^[ \t]*(?:\*\*)?####+[ \t]*(?:\*\*)?[ \t]*(?:(?:final )?answer:?[ \t]*)?"
    r"(?P<rest>[^\n]+)",
    re.MULTILINE | re.IGNORECASE,
)
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_RETRACTS = re.compile(
    r"\b(?:wait|oops|correction|actually|i made (?:a|an) (?:mistake|error)"
    "|let me (?:re|correct|fix)"
    r"|sorry|that(?:'s| is) (?:wrong|not right|incorrect))\b",
    re.IGNORECASE,
)
_CUE = re.compile(
    r"^\W*(?:so|therefore|thus|hence|consequently|altogether|all in all|in total|in all|in the end"
    "|finally|in conclusion|to conclude|in summary|overall|this means"
    "|that means|as a result|the total"
    "|also|insgesamt|somit|daher|folglich|zusammen|donc|ainsi|au total|en tout"
    "|finalement|por lo tanto"
    r"|así|entonces|en total|por tanto"
    "|因此|所以|总共|一共|故|したがって|よって|だから|итак|значит|всего"
    r"|таким образом|इसलिए|अतः|إذن|لذلك)(?!\w)",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"^\W*(?:if\b(?!.*=).{0,80}\b(?:had|were)\b.{0,80}\bwould\b|let me know"
    "|i hope|feel free|if you|please|check|verif|to verify|to check"
    "|we can (?:check|verify)"
    "|proof|note|remember|tip|hint|hope this|good luck|great job|well done"
    "|probe:|kontrolle|hinweis"
    r"|remarque|vérification|nota|注意|检验|验算)",
    re.IGNORECASE,
)


_LONGEST = 500
"""How many characters of a statement are read: its last ones, or its first ones behind a mark."""


class MarkedStatement(NamedTuple):
    """A statement behind a mark such as "####" or "the answer is", and its position."""

    kind: str
    statement: str
    start: int
    end: int


def marks(answer: str) -> list[MarkedStatement]:
    """All marked statements in the order of the text."""
    found = [
        MarkedStatement("hashes", m["rest"][:_LONGEST], m.start(), m.end())
        for m in _HASHES.finditer(answer)
    ]
    for match in _BOXED.finditer(answer):
        end = _closing(answer, match.end())
        if end:
            found.append(
                MarkedStatement("boxed", answer[match.end() : end], match.start(), end + 1)
            )
    for match in _MARK.finditer(answer):
        statement = _sentence(match["rest"])
        end = match.start("rest") + len(statement)
        found.append(MarkedStatement("answer", statement, match.start(), end))
    return sorted(found, key=lambda mark: mark.start)


def _closing(text: str, start: int) -> int | None:
    """The position of the brace that closes the one before `start`. Only 300 characters are
    read."""
    depth = 1
    for i in range(start, min(len(text), start + 300)):
        depth += (text[i] == "{") - (text[i] == "}")
        if not depth:
            return i
    return None


def _sentence(line: str) -> str:
    found = split(line[:400], "en")
    return found[0] if found else line[:400]


def without_markup(text: str) -> str:
    """The text without the Markdown and LaTeX signs around and inside numbers."""
    text = re.sub(
        r"\\(?:text|mathrm|mathbf|textbf|textit|operatorname|mbox)\s?\{([^{}]*)\}", r" \1 ", text
    )
    text = re.sub(r"\\(?:left|right|,|!|;|:|quad|qquad| |displaystyle)|\{,\}", _sign, text)
    text = re.sub(r"\\\$", "$", text).replace("\\%", "%").replace("\\\\", "\n")
    text = re.sub(r"\\[()\[\]]|\$\$|(?<!\*)\*\*|\*\*(?!\*)|__|`", "", text)
    text = re.sub(r"<<[^<>\n]{0,80}>>", "", text)  # GSM8K's calculator notes
    return re.sub(r"\$([^$\n]{1,60})\$", _inner, text)


def _sign(match: re.Match[str]) -> str:
    return "," if match[0] == "{,}" else "" if match[0] in ("\\!", "\\left", "\\right") else " "


def _inner(match: re.Match[str]) -> str:
    """`$72$` is mathematics; `$5 and $6` is money."""
    inside = match[1]
    money = re.match(r"\d[\d.,]*\s?(?:[^\d\s=+*/^\\-]|$)", inside) and re.search(
        r"\s$|[a-z]{3}", inside
    )
    return match[0] if money else inside


def retracted(text: str) -> bool:
    """Whether the text retracts the statement before it ("wait", "that is wrong")."""
    return bool(_RETRACTS.search(text))


def is_cued(sentence: str) -> bool:
    """Whether the sentence begins as a conclusion ("So ...", "In total ...")."""
    return bool(_CUE.match(sentence))


def statements(answer: str) -> list[str]:
    """The sentences that may state a result, without code, headings and remarks after the
    result."""
    found = [block for block in blocks(answer) if block.kind not in ("code", "rule")]
    language = language_to_split(" ".join(block.text for block in found[:20]))
    lines = []
    for block in found:
        whole = block.kind in ("heading", "table")
        parts = block.text.split(
            "\n"
        )  # in a solution every line is a step, with or without a full stop
        lines += (
            [block.text.strip("#* |")] if whole else [s for p in parts for s in split(p, language)]
        )
    lines = [line[-_LONGEST:] for line in lines]
    while lines and _ASIDE.match(lines[-1]):
        lines.pop()
    return lines
