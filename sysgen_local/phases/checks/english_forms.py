"""Patterns for the form of an answer in English: headings, sections, language, short answers."""

from __future__ import annotations

import re

from sysgen_local.core.language import NAMES
from sysgen_local.phases.checks import formats, rules
from sysgen_local.phases.checks.amounts import AMOUNT, Range, amount_of
from sysgen_local.phases.checks.clauses import Clause, Pattern, Read, fixed_pattern

_CODES = (
    "en de fr es it pt nl pl ru uk zh ja ko ar hi tr sv no da fi el cs hu ro he th vi id fa ur bn "
    "ta sw ca bg"
)
LANGUAGES = {NAMES[code].lower(): code for code in _CODES.split()} | {"mandarin": "zh"}
"""Names of languages that a phrase may ask for. Languages that cannot be detected reliably are left
out."""
_LANGUAGE = "|".join(LANGUAGES)
_STOP = (
    r"(?=\s*(?:$|[,.;:!)¦]|and\b|only\b|with\b|so\b|to (?:present|show|list|make"
    r"|organi[sz]e|explain|compare|ensure|help|improve)\b|for (?:clarity"
    "|readability|easy|ease|better|the (?:answer|response|output))))"
)


def _language(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule] | None:
    name = match["language"].lower()
    if (
        len(set(re.findall(_LANGUAGE, clause.sentence.lower()))) > 1
        or "translat" in match[0].lower()
    ):
        return None  # two languages: each is for a part
    if name == "english" and re.search(
        r"\b(?:plain|simple|everyday|clear|basic|good|proper|correct)\s+english",
        match[0],
        re.IGNORECASE,
    ):
        return None  # the style, not the language
    return f"the answer is in {name.title()}", rules.in_language(LANGUAGES[name])


def _sections(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule] | None:
    amount = amount_of(match["amount"]) if match["amount"] else Range(2, None)
    return (f"{amount} sections", rules.in_sections(amount)) if amount else None


def _decimals(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule] | None:
    places = {
        "whole number": 0,
        "integer": 0,
        "tenth": 1,
        "hundredth": 2,
        "cent": 2,
        "thousandth": 3,
    }
    if match["nearest"]:
        most = places[match["nearest"].lower()]
    elif (amount := amount_of(match["amount"])) and amount.high and amount.high <= 6:
        most = amount.high
    else:
        return None
    return f"at most {most} decimals in the final number", rules.decimals(most)


def _choice(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule] | None:
    choices = clause.quoted(match["choices"]) or re.findall(
        r"yes|no|true|false", match["choices"], re.IGNORECASE
    )
    only = bool(re.search(r"\b(?:only|just|simply|nothing else)\b", clause.sentence, re.IGNORECASE))
    text = ("only " if only else "") + " or ".join(choices)
    return (text, rules.one_of(choices, only)) if len(choices) > 1 else None


def _marked(amount_of_marks: str, text: str) -> Read:
    def read(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule]:
        amount = amount_of(match["amount"] or "") if match["amount"] else None
        amount = amount or Range(1, None)
        return f"{amount} {text}", rules.matches(amount_of_marks, amount)

    return read


_BOLD = r"\*\*[^*\n]+\*\*|__[^_\n]+__|<(?:b|strong)>|\\textbf\{|^#{1,6} "
FORMS: tuple[Pattern, ...] = (
    # structure
    fixed_pattern(
        "headings",
        r"\b(?:use|using|with|include|add|under|have|organi[sz]e\w*|structure\w*"
        r"|separated? by)\b (?:(?!(?:for|necessary|required|needed|standard|library|http|request"
        r"|response|table|column|e?mail)\b)\w+ ){0,4}?(?:clear |descriptive |bold "
        "|short |appropriate |proper |markdown |relevant )*(?:and )?(?:headings?"
        r"|sub-?headings?|section (?:headers?|titles?)|headers)\b(?! (?:file|row|tag"
        "|field|image|guard|and (?:functions?|librar|imports?|namespaces?|footers?)))",
        "headings",
        rules.headed(),
    ),
    Pattern(
        "sections",
        re.compile(
            r"\b(?:divide|organi[sz]e|structure|split|separate|break|group"
            rf"|arrange)\w*\b[^.;¦]{{0,60}}?\b(?:into|in|with|under) (?:{AMOUNT} "
            r"|(?P<none>))(?:[\w-]+,? (?:and )?){0,3}sections\b",
            re.IGNORECASE,
        ),
        _sections,
    ),
    fixed_pattern(
        "title",
        r"^(?:include|add|use|provide|give) an? (?:\w+,? ){0,2}title (?:for|to"
        "|at) (?:the (?:answer|response|story|poem|essay|text|post|article|top"
        r"|beginning)|your (?:answer|response|story))\b|\bgive (?:it|the (?:answer"
        "|text|story|poem|essay|article|post)|your (?:answer|story|poem"
        r"|text)) an? (?:\w+,? ){0,2}title\b",
        "a title in the first line",
        rules.titled,
    ),
    Pattern(
        "bold",
        re.compile(
            rf"(?:{AMOUNT} )?(?:[\w-]+ ){{0,3}}?\b(?:in bold(?:face)?\b(?! colou?rs?"
            "| strokes?| letters? of| move)|bold (?:text|type|font|formatting|headings?"
            r"|titles?|face)\b|^bold (?:the|all|any|key|important)\b|bolded\b|(?:use"
            r"|using) bold\b(?! colou?rs?| strokes?| ideas| and| language| words"
            r"| statements| claims| tone))(?! (?:for|to|only)\b(?! (?:the )?(?:key"
            "|important|main|emphas)))",
            re.IGNORECASE,
        ),
        _marked(_BOLD, "in bold"),
    ),
    Pattern(
        "italics",
        re.compile(
            rf"(?:{AMOUNT} )?(?:[\w-]+ ){{0,3}}?\b(?:in italics?|italici[sz]ed?"
            r"|use italics)\b(?! (?:for|only|to)\b(?! (?:emphas|key)))",
            re.IGNORECASE,
        ),
        _marked(
            r"(?<![*\w])\*[^*\s][^*\n]*\*(?!\*)|(?<![_\w])_[^_\s][^_\n]*_|<(?:i|em)>"
            r"|\\textit\{|\\emph\{",
            "in italics",
        ),
    ),
    fixed_pattern(
        "markdown",
        r"\b(?:in|use|using|with|as) (?:valid |proper |clean "
        "|clear )*markdown(?: format(?:ting)?| syntax)?" + _STOP,
        "signs of Markdown",
        formats.is_markdown,
    ),
    fixed_pattern(
        "boxed",
        r"\\?\\boxed|\bin a \\?box(?:ed)?\b|\bbox (?:the|your) (?:final )?answer\b",
        "the result in \\boxed{}",
        rules.matches(r"\\boxed\s*\{|\\fbox\s*\{|[┌│╔]"),
    ),
    fixed_pattern(
        "latex",
        r"\b(?:in|use|using|with) (?:proper |inline )*latex\b(?! (?:gloves|paint"
        "|file|document|code block))",
        "formulas in LaTeX",
        rules.any_of(
            rules.matches(r"\\\(|\\\[|\$[^$\n]{1,300}\$|\\(?:frac|begin|times|cdot|text)"),
            rules.fails(rules.matches(r"\d\s*[=+*/×÷]\s*\d|\w\s*=\s*\w")),
        ),
    ),
    # language
    Pattern(
        "language",
        re.compile(
            "^(?:always |only |please |and |also )*(?:answer|respond|reply|write|speak"
            "|explain|communicate|describe|summari[sz]e|give|provide|compose|present"
            "|tell|deliver|use|keep|stay|generate|draft|produce|output|talk|converse"
            r"|the (?:answer|response|output|text|reply) \w+(?: be)?(?: written)?"
            r"|your (?:answer|response|reply) \w+(?: be)?(?: written)?)\b[^.;¦]{0,80}?"
            r"(?:(?:\bin|\bonly)\s+|(?<=use )|(?<=speak ))(?:formal |informal |simple "
            "|standard |fluent |plain |clear |only |correct |proper |good |everyday "
            "|basic |modern |british |american |traditional |simplified |brazilian "
            rf"|mexican )*(?P<language>{_LANGUAGE})\b(?: language)?(?=\s*(?:$|[,.;:!)¦]"
            r"|and\b|only\b|using\b|with\b|to the\b|so\b|as\b|even\b|regardless|at all"
            "|throughout|no matter|exclusively))",
            re.IGNORECASE,
        ),
        _language,
    ),
    fixed_pattern(
        "same language",
        r"\b(?:in|use) the (?:same language|language of the (?:user|question|prompt"
        "|query)|user['’]s (?:own )?language|language (?:in which|that"
        r"|used by)\b[^.]*\b(?:user|question|asked))\b(?! level)",
        "the language of the question",
        rules.in_language_of_question,
    ),
    # short answers
    Pattern(
        "choice",
        re.compile(
            r"\b(?:answer|respond|reply)(?:s|ing)?\b(?: only| just| simply"
            "| clearly)?(?: with| by)?(?: only| just| simply| either| a(?: simple"
            r"| clear)?| exactly)*\s+(?P<choices>(?:the words? "
            r"|either )?(?:⟦\d+⟧(?:,? (?:or |and )?⟦\d+⟧)+|yes or no|yes/no"
            "|true or false))",
            re.IGNORECASE,
        ),
        _choice,
    ),
    fixed_pattern(
        "one word",
        r"\b(?:answer|respond|reply|state|give|express|return|output"
        r"|provide)\b[^.;¦]{0,40}?\b(?:in|with|as|using)?\s?(?:only |just "
        r"|exactly )?(?:an? single|one|a one)[- ]word\b(?! (?:at|per|from|for|that))",
        "one word",
        rules.one_word,
        whole=True,
    ),
    fixed_pattern(
        "one letter",
        r"\b(?:answer|respond|reply|give|state|return"
        r"|output)\b[^.;¦]{0,30}?\b(?:only|just|with)? ?(?:a single|one|the|only the"
        r"|just the) letter\b(?: of the (?:correct |right )?(?:answer|option"
        r"|choice))?(?= only|\.?$| and nothing)",
        "one letter",
        rules.only_letter,
        whole=True,
    ),
    fixed_pattern(
        "number only",
        r"\b(?:answer|respond|reply|give|return|output|provide"
        r"|state)\b(?: with)? (?:only|just|nothing but) (?:the |an? )?(?:final "
        "|correct |single |resulting )*(?:numbers?|integer|numerical (?:value"
        r"|answer|result)|numeric (?:value|answer|result))\b"
        r"|\b(?:answer|respond|reply)\b with (?:one|a (?:single|plain|bare)) "
        r"(?:number|integer)(?=\s*(?:[.!;]|$))|\b(?:answer|respond|reply|give|return|output)\b"
        r"(?: with)? (?:the |a )?(?:final |single )*number alone\b",
        "only a number",
        rules.only_number,
        whole=True,
    ),
    fixed_pattern(
        "number",
        r"\b(?:give|express|state|provide|present|show|write|report"
        r"|return)\b[^.;¦]{0,40}?\b(?:in|as) (?:a )?(?:numerical|numeric) (?:form"
        r"|format|value|answer)s?\b|\b(?:answer|result|it|solution)s? (?:numerically"
        r"|as a number|in digits|in numbers)\b",
        "a number in digits",
        rules.matches(r"\d"),
    ),
    Pattern(
        "decimals",
        re.compile(
            rf"\b(?:round\w*|to|with|give|show|use)\b[^.;¦]{{0,60}}?\b(?:{AMOUNT} decimal"
            r"(?: place| digit)?s?\b|(?:to )?the nearest (?P<nearest>whole number"
            r"|integer|tenth|hundredth|thousandth|cent)\b)",
            re.IGNORECASE,
        ),
        _decimals,
        whole=True,
    ),
    fixed_pattern(
        "sentences",
        r"\b(?:in|use|using|with|as) (?:an? )?(?:clear |short |simple |proper "
        "|well-formed |grammatically correct |only )*(?:and )?(?:full|complete"
        r"|whole) sentences?\b",
        "a full sentence",
        rules.in_sentences,
        whole=True,
    ),
)
"""Rows for the form of an answer."""
