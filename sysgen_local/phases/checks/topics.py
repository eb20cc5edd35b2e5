"""Tells the words of a format from the same words as a subject: a Python list, a table of a
database, a text about JSON, a table for dinner.

"Create a list and append the items." does not ask for an answer in the form of a list. Where a
phrase can be read either way, it is no demand: one that the phrase does not make would remove good
rows and count good answers as failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sysgen_local.phases.checks.clauses import Clause

_DATA = frozenset({"list", "comma list", "table", "json", "csv", "yaml", "xml", "html"})
"""Kinds of demand whose words name a type or format of data too."""
_MARKED = frozenset({"numbered list", "bullets"})
_COUNTED = frozenset({"sentences", "words", "characters", "paragraphs", "lines"})
_EXPLAINED = _DATA | _MARKED | {"markdown", "latex", "comments", "docstring", "headings", "bold"}
_OF_RESULTS = (_DATA - {"html"}) | {
    "number only", "number", "one word", "one letter", "choice", "decimals"
}  # fmt: skip
"""Kinds that speak of what a program returns, in a row that asks for a program."""
_PROHIBITED = frozenset({"no lists", "no tables"})

_LANGUAGES = (
    r"(?:python|javascript|typescript|c\+\+|c#|ruby|php|rust|kotlin|swift|sql|mysql|postgres\w*"
    r"|bash|perl|scala|haskell|matlab|java(?! island))(?![\w+#])"
)
_QUESTION = re.compile(
    r"^(?:\w+ly )?(?:explain|describe|show|teach|tell|discuss|demonstrate|illustrate|clarify"
    r"|define|mention|learn)\b[^.;¦]*?\b(?:how|what|why|whether|when|where|which)\b",
    re.IGNORECASE,
)
_FORM_WORDS = re.compile(r"\b(?:as|in|with|using)\s+(?:an? )?(?:[\w-]+ ){0,2}\Z", re.IGNORECASE)
_PUTS_INTO = re.compile(
    r"^(?:\w+ly )?(?:store|save|insert|append|serialize|deserialize|log|parse|read|load|import"
    r"|export|implement|accept|take|receive|pass)\b",
    re.IGNORECASE,
)
_LOOKS_IN = re.compile(
    r"^(?:\w+ly )?(?:find|search|sort|iterate|loop|traverse|check|test|remove|delete|count|select"
    r"|query|compute|calculate|access|swap|update|replace|filter|merge|reverse|look|join)\b",
    re.IGNORECASE,
)
_TESTS = re.compile(r"^(?:\w+ly )?(?:check|verify|test|validate|count)\b", re.IGNORECASE)
_PRESENTS = re.compile(
    r"\b(?:compar|summari[sz]|present|organi[sz]|outlin|display|arrang|explain|describ|illustrat)"
    r"\w*\b|^(?:show|list|format)\b",
    re.IGNORECASE,
)
"""Words of a phrase that speaks of the form of the answer, even beside words of programs."""
_PROGRAM = re.compile(
    r"\b(?:functions?|variables?|tuples?|dict(?:ionar(?:y|ies))?|integers?|floats?|booleans?"
    r"|strings?|arrays?|loops?|iterat\w+|append\w*|databases?|schemas?|(?:primary|foreign) keys?"
    r"|endpoints?|api|parameters?|arguments?|algorithms?|pointers?|nodes?|recursi\w+"
    r"|hash ?(?:maps?|sets?)|graph|binary tree|matrix|stack|queue|sql (?:query|statement))\b"
    r"|datenbank|\bbase de (?:données|datos)\b|数据库|データベース"
    rf"|\b(?:in|with|using)\s+{_LANGUAGES}",
    re.IGNORECASE,
)
_SERVICE = re.compile(
    rf"\b(?:endpoints?|api|functions?|databases?|scripts?)\b|\b(?:in|with|using)\s+{_LANGUAGES}",
    re.IGNORECASE,
)
_OTHER_LIST = re.compile(
    r"\blist\s+(?:variables?|objects?|items?|elements?|named|called)\b"
    r"|\blist\s+as\s+(?:an? |the )?(?:arguments?|parameters?|inputs?)\b",
    re.IGNORECASE,
)
_OTHER_TABLE = re.compile(
    r"\b(?:hash|look-?up|pivot|periodic|database|symbol|routing|wooden|dinner|dining|coffee"
    r"|kitchen|picnic|pool|bedside|round)\s+table\b|\bon an? (?:[\w-]+ )?table\b"
    r"|\b(?:set|lay|build|wipe|clean|sand|paint)\s+an?\s+(?:[\w-]+ )?table\b"
    r"|\btable\s+(?:reservation|view|salt|cloth|manners|lamp|schema|constraint|saw|quiz)s?\b",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"\b(?:list|bullet points?|bullets)\s+(?:tags?|elements?)\b|\bin (?:HTML|LaTeX)\b",
    re.IGNORECASE,
)
_HTTP = re.compile(r"\b(?:https?|requests?|responses?|csv|columns?)\b", re.IGNORECASE)
_GRAMMAR = re.compile(
    r"\b(?:say|said|pronounc\w*|spell\w*|words?|verbs?|nouns?|adjectives?|grammar|tenses?|idioms?"
    r"|(?:is|are) (?:formed|called|written))\b",
    re.IGNORECASE,
)
_SPEAKS_OF_LANGUAGE = re.compile(r"^(?:explain|describe|tell|teach|give|provide)\b", re.IGNORECASE)

_MAKES = r"(?:write|create|implement|define|develop|build|design|generate|complete|fix|debug)"
_CODE_WORDS = r"(?:working|complete|full|source|following|short|some|the|a|me|us)"
_ASKS_FOR_CODE = re.compile(
    rf"\b{_MAKES}\b[^.;?!\n]{{0,40}}?\b(?:functions?\b(?=\s*[.,;:!?(]|\s*$| (?:that|to|which|for|in"
    r"|called|named)\b)|algorithm|sql (?:query|statement)|regular expression|regex"
    r"|computer program|program (?:that|which)\b)"
    rf"|\b(?:{_MAKES}|provide|give|show|return|include)\s+(?:{_CODE_WORDS} )*code\b"
    r"(?! (?:of conduct|words?|names?)\b)"
    rf"|\b(?:in|using|with)\s+{_LANGUAGES}"
    rf"|\b{_LANGUAGES}\s+(?:code|function|script|program|class|snippet)\b",
    re.IGNORECASE,
)


def is_topic(kind: str, text: str, match: re.Match[str], clause: Clause) -> bool:
    """Whether the words that would be a demand of this kind name a subject or a type of data.

    `text` is the demand in plain words, `match` where it was read in the clause.
    """
    words, sentence = clause.text, clause.sentence
    if clause.negative:
        return text in _PROHIBITED and bool(_PROGRAM.search(sentence))
    before = words[: match.start()]
    if kind in _EXPLAINED and _QUESTION.match(words[: match.end()]):
        # "Explain how it works with bullet points" is a form, "what bullet points are" is none.
        return kind not in _MARKED or not _FORM_WORDS.search(before)
    if kind in _DATA and (
        _PUTS_INTO.match(words)
        or (_LOOKS_IN.match(words) and re.search(r"\bin\b", match[0], re.IGNORECASE))
    ):
        return True
    match kind:
        case "list" | "comma list":
            return bool(_OTHER_LIST.search(words)) or _of_program(sentence)
        case "table":
            return bool(_OTHER_TABLE.search(words)) or _of_program(sentence)
        case "json":
            return bool(_SERVICE.search(sentence)) and not _PRESENTS.search(words)
        case "numbered list" | "bullets":
            return bool(_MARKUP.search(words[match.start() :]))
        case "headings":
            return "header" in match[0].lower() and bool(_HTTP.search(words))
        case "language":
            return bool(_SPEAKS_OF_LANGUAGE.match(words) and _GRAMMAR.search(match[0]))
    return kind in _COUNTED and bool(_TESTS.match(words) and _TYPED.search(before))


_TYPED = re.compile(r"\b(?:strings?|passwords?|inputs?|user ?names?|variables?)\b", re.IGNORECASE)


def _of_program(sentence: str) -> bool:
    return bool(_PROGRAM.search(sentence)) and not _PRESENTS.search(sentence)


def asks_for_code(texts: Iterable[str]) -> bool:
    """Whether one of the texts (an instruction, a phrase) asks for a program."""
    return any(_ASKS_FOR_CODE.search(text) for text in texts)


def is_of_result(kind: str, phrase: str) -> bool:
    """Whether a demand of this kind may be about what a program returns, where the row asks for
    one: "Return a list." beside "Write the function in Python.\""""
    return kind in _OF_RESULTS and not _PRESENTS.search(phrase)
