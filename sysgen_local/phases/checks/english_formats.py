"""Patterns for data formats in English: JSON and similar formats, tables, lists, code."""

from __future__ import annotations

import re

from sysgen_local.phases.checks import formats, rules
from sysgen_local.phases.checks.clauses import Clause, Pattern, fixed_pattern

_CODES = (
    r"python|java|javascript|typescript|c\+\+|c#|c|go|rust|ruby|php|sql|bash"
    "|shell|html|css|kotlin|swift|r|json|yaml"
)
_ADJECTIVES = (
    "(?:(?:clear|simple|short|brief|concise|neat|organi[sz]ed|well-organi[sz]ed"
    "|structured|proper|clean|compact|easy-to-read|comparison|summary|detailed"
    "|nested|two-column|separate|final|markdown),? (?:and )?)*"
)
_VERB = (
    "(?:use|using|give|provide|present|list|show|write|format|organi[sz]e"
    "|structure|arrange|display|return|output|answer|respond|reply|explain|make"
    "|create|produce|put|state|summari[sz]e|break|include|describe|add|compare"
    "|render|express|deliver|follow|keep)"
)


def _json(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule]:
    only = bool(
        re.search(
            r"\b(?:only|nothing (?:else|but)|just|no other text)\b", clause.sentence, re.IGNORECASE
        )
    )
    keyed = re.search(
        r"\b(?:keys?|fields?|properties|attributes)\b:?\s*(?:named |called "
        "|such as )?(.*)",
        clause.sentence,
        re.IGNORECASE,
    )
    keys = [key for key in clause.quoted(keyed[1]) if " " not in key] if keyed else []
    text = (
        ("only " if only else "") + "JSON" + (" with the keys " + ", ".join(keys) if keys else "")
    )
    return text, formats.is_json(keys, only)


def _fenced(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule]:
    language = (match["code"] or "").lower()
    rule = (
        formats.fenced(language)
        if "block" in match[0].lower() or "backtick" in match[0].lower()
        else formats.code
    )
    return f"a {match['code'] + ' ' if language else ''}code block", rule


FORMATS: tuple[Pattern, ...] = (
    # data formats, before "list" and "table"
    Pattern(
        "json",
        re.compile(
            r"\b(?:in|as|into|to|using|with|return|output|respond with|reply with"
            "|answer with|produce|generate|provide|write|valid|only"
            r"|use(?= json (?:format|object)))\s+(?:only |just |the (?:answer|result"
            "|output|response) (?:as|in) )?(?:an? )?(?:valid |single |well-formed "
            r"|compact |raw |pure |plain |structured )*json\b(?: (?:object|array|format"
            "|string|list|only|dictionary|structure|output))*(?! (?:files?|data|module"
            "|library|parser|schema|input|documents?|api))",
            re.IGNORECASE,
        ),
        _json,
    ),
    fixed_pattern(
        "csv",
        r"\b(?:in|as|into|using|return|output|produce) (?:valid "
        r"|an? )?csv\b(?! (?:file|module|data))(?: format)?",
        "CSV",
        formats.is_csv,
    ),
    fixed_pattern(
        "yaml",
        r"\b(?:in|as|into|using|return|output|produce) (?:valid "
        r"|an? )?yaml\b(?! (?:file|module|config))(?: format| document)?",
        "YAML",
        formats.is_yaml,
    ),
    fixed_pattern(
        "xml",
        r"\b(?:in|as|into|using|return|output|produce) (?:valid "
        r"|an? )?xml\b(?! (?:file|parser|data))(?: format| document)?",
        "XML",
        formats.is_xml,
    ),
    fixed_pattern(
        "html",
        r"\b(?:in|as|into|using|return|output|produce) (?:valid |an? |semantic "
        r"|clean )*html5?\b(?! (?:file|parser|entit))(?: format| document| page"
        "| tags)?",
        "HTML",
        formats.is_html,
    ),
    fixed_pattern(
        "comma list",
        r"\bcomma[- ]separated\b(?: list| values| line)?(?! file)|\bseparated by commas\b",
        "a list separated by commas",
        rules.matches(r","),
    ),
    # tables
    fixed_pattern(
        "table",
        rf"\b{_VERB}\b[^.;¦]{{0,60}}?\ban? (?:[\w-]+ ){{0,3}}?table\b(?! "
        r"(?:of contents|named|called|tennis|spoon|for \d|in (?:a|the|sql)"
        r"|to store))|\b(?:in|as) (?:an? )?(?:[\w-]+ )?(?:table|tabular) (?:form"
        rf"|format|layout)\b|\b(?:as|in) an? {_ADJECTIVES}table\b"
        rf"|^an? {_ADJECTIVES}table\b",
        "a table",
        formats.table,
    ),
    # lists
    fixed_pattern(
        "numbered list",
        r"\b(?:numbered|ordered|enumerated) (?:and \w+ )?(?:lists?|steps?|points"
        r"|items|instructions|bullet points|format|sequence|bullets)\b"
        r"|\bnumbered,? (?:\w+ )?(?:steps|list)\b|\b(?:steps|items|points"
        r"|instructions) (?:are|as|in|with|should be) (?:a )?(?:numbered|numbers)\b"
        "|^number (?:each|the|your|every|all)(?: of the)? (?:steps?|items?|points?"
        r"|instructions?|stages?)\b|\bnumber (?:each|every) (?:step|item|point"
        r"|instruction)\b|\blabel (?:each|the|your|all) steps? (?:as|with"
        "|by) (?:step |⟦|numbers?)",
        "a numbered list",
        rules.listed("number"),
    ),
    Pattern(
        "bullets",
        re.compile(
            r"\b(?:bullet(?:ed)?[- ]?(?:points?|lists?|form(?:at)?)|bullets"
            r"|unordered lists?)\b(?! (?:for|to) (?:lists|listing|any lists|multiple))",
            re.IGNORECASE,
        ),
        lambda match, clause: ("a list with bullets", rules.listed("bullet")),
    ),
    fixed_pattern(
        "list",
        rf"\b(?:as|in) (?:an? |the form of an? )?{_ADJECTIVES}list(?: form(?:at)?)?\b"
        "(?! (?:comprehension|of (?:integers|strings|numbers|lists|tuples"
        r"|dictionaries)|and|variable|or\b))|^(?:please )?(?:give|provide|write"
        "|create|make|present|produce|return) (?:an? |your |the (?:answer"
        rf"|response) as an? )?{_ADJECTIVES}list\b(?! (?:comprehension|of (?:integers"
        rf"|strings|numbers|lists|tuples|dictionaries)))|^an? {_ADJECTIVES}list\b"
        r"|\blist form(?:at)?\b|\bchecklist\b(?= (?:form|format)|\.?$)",
        "a list",
        rules.listed(),
    ),
    # code
    fixed_pattern(
        "fenced code",
        r"\b(?:wrap|enclose|put|place|format) (?:all |any |your "
        r"|the )*code\b[^.;¦]*?\b(?:code (?:block|fence)s?|triple backticks"
        "|backticks|fences?)",
        "code stands in code blocks",
        formats.fenced_if_any,
    ),
    Pattern(
        "code",
        re.compile(
            r"\b(?:in|as|within|inside|using|use|with|into|give|provide|show|include"
            r"|write|add|return|present)\b[^.;¦]{0,40}?\b(?:an? |the |clear |concise "
            "|and |simple |short |working |complete |runnable |sample |fenced "
            f"|separate |single |well-commented |markdown )*(?:(?P<code>{_CODES}) )?"
            "(?:code ?(?:blocks?|fences?|snippets?|examples?)"
            r"|triple backticks)\b(?! (?:for|around|to format) (?:any |all "
            "|the )?(?:code|examples|commands))",
            re.IGNORECASE,
        ),
        _fenced,
    ),
    fixed_pattern(
        "code",
        "^(?:show|provide|include|give|write|return|share)(?: the user)?(?: only"
        "| just)? (?:the |a |your |working |complete |full "
        r"|sample )*code\b(?! (?:review|name|of conduct|comments?|quality|base))",
        "some code",
        formats.code,
    ),
    fixed_pattern(
        "comments",
        r"\b(?:include|add|provide|with|using|use|write)\b (?:clear |brief |short "
        "|helpful |useful |inline |explanatory |detailed |concise "
        r"|some )*(?:and )?(?:code )?comments\b(?! (?:section|from|about|by|on))"
        r"|\bcomment (?:your|the|each line of|every line of) code\b"
        r"|\b(?:well-)?commented code\b",
        "comments in the code",
        rules.matches(r"(?:^|\s|;)#(?!\#)|//|/\*|<!--|(?:^|\s)--\s|\"{3}|%"),
    ),
    fixed_pattern(
        "code",
        r"\b(?:respond|reply|answer) (?:only |just )?with (?:only "
        r"|just )?(?:the )?code\b(?: only)?\s*[.!]?$",
        "some code",
        formats.code,
    ),
    fixed_pattern(
        "docstring",
        r"(?:\b(?:with|include|add|write|provide|using|contain)\b"
        r"|¦)[^.;¦]{0,40}?\bdocstrings?\b",
        "a docstring",
        rules.matches(r"\"{3}|'{3}|/\*\*|#'|///"),
    ),
)
"""Rows for data formats, in the order in which they read a clause."""
