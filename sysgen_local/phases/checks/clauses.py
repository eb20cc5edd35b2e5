"""Splits a phrase into the clauses that tell the assistant what to do. Each row of the table of
patterns reads such clauses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from sysgen_local.phases.checks.rules import Rule


class Clause(NamedTuple):
    """A part of a phrase. The quoted words are in `quotes`; `text` has ⟦0⟧, ⟦1⟧ ... in their
    place."""

    text: str
    sentence: str
    quotes: tuple[str, ...]
    negative: bool = False

    def quoted(self, text: str) -> list[str]:
        """The quoted words in a part of the clause."""
        found = [self.quotes[int(number)] for number in re.findall(r"⟦(\d+)⟧", text)]
        return [quote if " " in quote else quote.strip(",;.") or quote for quote in found]


Read = Callable[[re.Match[str], Clause], "tuple[str, Rule] | None"]


class Pattern(NamedTuple):
    """A row of the table: the kind of demand, its pattern, and the function that makes the rule.

    `negative` rows read only prohibitions; the others never read them. `whole` rows are about the
    whole answer, so they do not read clauses about a part of it.
    """

    kind: str
    regex: re.Pattern[str]
    read: Read
    negative: bool = False
    whole: bool = False


def fixed_pattern(kind: str, pattern: str, text: str, rule: Rule, whole: bool = False) -> Pattern:
    """A row whose text and rule do not depend on the match."""
    regex = re.compile(pattern, re.IGNORECASE)
    return Pattern(kind, regex, lambda match, clause: (text, rule), whole=whole)


_QUOTE = re.compile(
    r"\"([^\"\n]{1,200})\"|“([^”\n]{1,200})”|«\s?([^»\n]{1,200}?)\s?»"
    r"|„([^“”\n]{1,200})[“”]|「([^」\n]{1,200})」"
    r"|『([^』\n]{1,200})』|`([^`\n]{1,200})`|(?<!\w)['‘]([^'’\n]{1,200}?"
    r"(?:['’]\w[^'’\n]{0,100}?)*)['’](?!\w)"
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；;।])\s*|\n+")
_REWRITES = [
    (re.compile(pattern, re.IGNORECASE), words)
    for pattern, words in (
        (
            r"\b(?:must|should|shall|may|do|does|can)(?: not|n['’]t) (?:exceed"
            "|be (?:longer|more) than|(?:use|write|give|be|include|contain) more than)"
            r"|\b(?:never|not) (?:to )?(?:exceed(?:ing)?|(?:use|write|give) more than)"
            r"|\bwithout exceeding|\bn(?:o|ot) (?:more|longer) than|\bdon['’]t (?:exceed"
            "|(?:use|write|give) more than)",
            "at most",
        ),
        (r"\b(?:use|include|write) neither (.{1,60}?) nor ", r"do not use \1 or "),
        (r"\bn(?:o|ot) (?:fewer|less|shorter) than", "at least"),
        (
            r"\b(?:each|every|all)(?: of)?(?: your| the)? (answer|response|reply|message"
            r"|output)s?\b",
            r"the \1",
        ),
        (
            r"\bwhen(?:ever)? (?:you )?(?:answer|respond|reply|writ)(?:ing"
            "|e)?(?: (?:the |a )?(?:user|question)s?)?,? ",
            "",
        ),
        (
            "^(?:your|the) (?:entire |whole )?(?:answer|response|reply|message|output"
            "|text) (?:must|should|has to|needs to|is to|shall|will) (?:contain|include"
            r"|have|use|consist of|comprise)\b",
            "use",
        ),
        (
            r"\b(?:ensure|make sure|see to it)(?: that)? (your|the) (answer|response"
            r"|reply|message|output|text) (?:is|are)\b",
            r"\1 \2 must be",
        ),
        (
            r"\b(?:make|be) sure (?:to |that )?|\bremember to |\bensure (?:that )?"
            r"|\bplease |\byou (?:must|should|shall|will|are to|need to|have to"
            "|always) (?:always |only )?",
            "",
        ),
        (
            r"\bdo not\b|\bdon['’]t\b|\bmust not\b|\bmustn['’]t\b|\bshould not\b"
            r"|\bshouldn['’]t\b|\bnever\b",
            "do not",
        ),
    )
]
_CONDITION = re.compile(
    r"\b(?:if|when|whenever|unless|wherever|where (?!the answer)|in case"
    "|as needed|as necessary|as required|optional(?:ly)?"
    "|you (?:may|can|could|might)|(?:answers?|responses?|reply|replies|it"
    "|this) (?:may|can|could|might)|prefer(?:ably|red)?|ideally"
    "|try to|aim (?:for|to)|consider|feel free|whether|depending|except"
    "|otherwise|sometimes|occasionally|often|usually"
    "|generally|typically|mostly|rather than|instead of|as (?:appropriate"
    "|applicable|possible)|wenn|falls|bei bedarf|gegebenenfalls"
    r"|möglichst|si|quand|lorsque|cuando|en caso|опционально|если|когда)\b|如果|若"
    r"|当.{0,12}时|必要|尽量|可以|提问|输入|提到|提及|涉及|拒绝|不支持|不能|除|其余|其他|剩|部分|第[一二三四五\d]|最后|先"
    "|場合|とき|できれば"
    r"|^(?:may|can|could|might)\b",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    "^(?:(?:the|this|that|these|those|it|he|she|they|we|i|users?|customers?"
    "|readers?|people|students?|there|who|what|how|why"
    r"|which)\b(?!.*\b(?:answer|response|reply|output|message|text|result|email"
    "|letter|story|poem|summary|list|code|solution"
    "|explanation|essay|review)s? (?:must|should|shall|is to|are to|needs? to"
    r"|has to|have to|will|at most|at least|is at|may not)\b)"
    "|you(?:['’]re| are| have| know| work| will get| want| live| love| like"
    r"|r (?:name|role|task|job|goal)))\b",
    re.IGNORECASE,
)
_USER = re.compile(
    "^(?:the |your )?(?:users?|customers?|readers?|clients?|students?|person"
    r"|company|data)\b",
    re.IGNORECASE,
)
_SPLIT = re.compile(
    r"(?:\s*[,;:]\s*(?:and |but |then )?|\s+(?:and|but|while)\s+(?:then |also |always )?|,?\s+)"
    r"(?=(?:do not |without |avoid(?:ing)? |but no |with no |no (?!longer|more|less|fewer)))"
    r"|(?:\s*[,;:]\s*(?:and |but |then )?|\s+(?:and|but|then)\s+(?:then |also |always )?)"
    "(?=(?:begin|start|open|end|finish|conclude|close|use|using|keep|keeping"
    "|limit|include|including|write|answer|respond|reply|give"
    "|provide|format|present|mention|put|add|return|state|ending|starting"
    r"|beginning|at most|in at most)\b)",
    re.IGNORECASE,
)
_NEGATIVE = re.compile(
    r"^\W*(?:and |but )?(?:do not|avoid(?:ing)?|without|no\b|with no"
    r"|refrain from|exclude|omit|leave out|skip|not\b|exclud\w+|omitting)"
    r"|\bdo not\b|(?:verwende|benutze|nutze) keine?\b|\bohne\b|\bsans\b|\bsin\b"
    r"|^(?:no|ne|kein\w*|evita|évite\w*|vermeide)\b|不要|不得|禁止|避免|不使用|勿"
    r"|使わない|使用しない|ないで",
    re.IGNORECASE,
)
ADDS = re.compile(
    r"\b(?:and|but|then|plus)\s+(?:then |also )?(?:give|provide|write|list|show"
    "|add|state|explain|describe|follow|present|compare"
    r"|return|illustrate|a |an |the |one |two |three )",
    re.IGNORECASE,
)
"""The pattern of words that add another part, so that the clause is not about the whole answer."""
SEQUENCE = re.compile(
    r"\b(?:then|first(?! person|-person)|before|after(?:wards?)?|followed by"
    r"|along with|as well as|finally|lastly)\b",
    re.IGNORECASE,
)
"""The pattern of words for a sequence: the sentence is about several parts of the answer."""
PART = re.compile(
    r"\b(?:begin|start|open|intro\w*|end|finish|conclu\w+|clos(?:e|ing)"
    "|follow(?:ed|ing)?|after|before|first|last|each|every|per"
    "|along with|as well as|plus|then|summary line|include|add|contain"
    r"|an? example|one example|example sentences?|examples? of|the summary (?:should|must|has)"
    r"|caption|headline|heading|subheading|quot\w+"
    r"|titles?|jeder|jeden|jede|chaque|cada|par)\b|每|各|其中|标题|开头|结尾|首先|最后",
    re.IGNORECASE,
)


def clauses(phrase: str) -> list[Clause]:
    """The clauses that tell the assistant what to do. Conditional ones are left out."""
    quotes: list[str] = []

    def keep(match: re.Match[str]) -> str:
        quotes.append(next(filter(None, match.groups()), ""))
        return f"⟦{len(quotes) - 1}⟧"

    found = []
    for sentence in _SENTENCE_END.split(_QUOTE.sub(keep, re.sub("[⟦⟧¦]", "", phrase))):
        sentence = sentence.strip(" -*•\t")
        for pattern, words in _REWRITES:
            sentence = pattern.sub(words, sentence)
        if (
            not sentence
            or _CONDITION.search(sentence)
            or _SUBJECT.match(sentence)
            or _USER.match(sentence)
        ):
            continue
        for part in filter(None, _SPLIT.split(sentence)):
            negative = bool(_NEGATIVE.search(part))
            found.append(Clause(part.strip(), sentence, tuple(quotes), negative))
    return found
