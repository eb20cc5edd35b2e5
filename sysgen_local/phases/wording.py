"""Tests of a phrase's wording: it has no content, speaks to the user, or is unfinished.

The patterns are cautious: a phrase that may be an instruction passes. Most patterns are for
English; punctuation is tested in every script.
"""

from __future__ import annotations

import re


def says_nothing(normal: str) -> bool:
    """Whether a normalised text has no content, such as "No tools are needed."

    "Do not use tools." and "No bullet points." are instructions.
    """
    return normal in _NOTHING or _NOTHING_NEEDED.fullmatch(normal) is not None


def addresses_user(text: str) -> bool:
    """Whether the text speaks to the user or answers the user, and does not instruct the
    assistant."""
    plain = _QUOTED.sub(" ", text)
    if " me to" in plain and _ASKED_OF_ME.search(plain):
        return True
    return any(_TO_USER.match(sentence) for sentence in _BETWEEN.split(plain))


def is_question(text: str) -> bool:
    """Whether the whole text is a question."""
    return _QUESTION.fullmatch(text.strip()) is not None


def unfinished(text: str) -> bool:
    """Whether the text ends in the middle of a sentence."""
    end = text.rstrip()
    tail = end[-24:]  # longer than any of the patterns for an end
    if _OPEN_END.search(tail):
        return True
    if end.endswith((":", "：")):
        return _LABEL.search(end) is None
    if any(sum(map(end.count, opens)) > sum(map(end.count, closes)) for opens, closes in _PAIRS):
        return True
    opened, closed = end.count("“"), end.count("”")
    if "„" not in end and opened > closed and (opened + closed) % 2:
        return True  # „So“ quotes German, “so” English
    if _NO_LAST_WORD.search(tail) or (_LISTED.search(tail) and _LACKS_NAMES.search(end)):
        return True
    if not _STRANDED.search(tail):
        return False
    # "the language it is written in", "how to log in": the object stands before the preposition.
    words = end.lower().split()[:-1]
    return not (words[-1:] and words[-1] in _PHRASAL) and not _CLAUSE & set(words[2:])


_NOTHING = frozenset(
    {"", "none", "n a", "na", "null", "empty", "nothing", "not applicable", "tbd", "unknown"}
    | {"unspecified", "keine", "keiner", "nicht zutreffend", "keine angabe", "ninguno", "ninguna"}
    | {"no aplica", "aucun", "aucune", "sans objet", "nessuno", "nessuna", "nenhum", "nenhuma"}
    | {
        "geen",
        "нет",
        "не требуется",
        "не применимо",
        "无",
        "無",
        "没有",
        "不适用",
        "无需工具",
        "なし",
    }
    | {"該当なし", "特になし", "없음", "해당 없음", "لا يوجد", "لا شيء", "कोई नहीं", "लागू नहीं"}
)
_STATED = (
    "needed|required|necessary|given|provided|available|applicable|specified|mentioned|stated|used"
)
_WHAT = (
    "tools?|background|background information|background knowledge|background context|context|"
    "information|role|style|format|content|action|task|constraints?|requirements?|instructions?|"
    "resources?|details?|tag|phrase"
)
_OTHER = "(?:(?:specific|particular|special|additional|further|extra|other|external|relevant) )*"
_TAIL = "(?: (?:for|to|in|here|about|by|with|regarding|on|at)\\b.*)?"
_NOTHING_NEEDED = re.compile(
    rf"(?:there (?:is|are|was|were) )?no {_OTHER}(?:{_WHAT})"
    rf"(?: or (?:{_WHAT}))?(?: (?:(?:is|are|was|were|has been|have been) )?(?:{_STATED}){_TAIL})?"
    rf"|there (?:is|are|was|were) no {_OTHER}(?:{_WHAT}){_TAIL}"
    rf"|(?:none|nothing)(?: (?:is|are|was))? (?:{_STATED}){_TAIL}"
    rf"|(?:it is )?not (?:{_STATED}|relevant|known)"
)

_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|「[^」]*」|(?<!\w)'[^']*'(?!\w)")
_BETWEEN = re.compile(r"(?<=[.!?])\s+")
_ASKED_OF_ME = re.compile(
    r"\b(?:you (?:want|need|would like)|would you like) me to\b", re.IGNORECASE
)
_TO_USER = re.compile(
    r"""
    here(?:'s|\ is|\ are)\ (?!(?:some\ |the\ )?(?:background|context|what|how))
    | (?:sure|certainly|absolutely|of\ course|okay|ok|no\ problem|gladly)\s*[!,.:]
    | (?:great|good|excellent|interesting)\ question\b
    | (?:hello|hi|hey|welcome|greetings|dear\ user|congratulations|good\ luck)\s*(?:[!,.]|there\b)
    | i\ hope\ (?:this|that|it|you|the|these)\b
    | (?:thank\ you|thanks)\ (?:for|so\ much|again|very\ much)\b
    | (?:please\ )?let\ me\ know\ (?:if|what|when|how|which|whether|your)\b
    | (?:please\ )?feel\ free\ to\ (?:ask\ (?:me|if)|contact|reach|let\ me)\b
    | enjoy(?:\ your\b|!)
    | (?:how|what)\ (?:can|may|else\ can)\ i\ (?:help|do|assist)\b
    | i(?:\ will|'ll|\ can|\ could|\ would|'d)\ (?![^.!?]*\byou\ (?:will|should|must)\b)
    | i(?:\ am|'m)\ (?:your|here|sorry|glad|happy|pleased|afraid|unable)\b
    | i(?:\ am|'m)\ (?:an\ ai|a\ (?:large\ )?language\ model)\b
    | as\ an\ ai(?:\ language\ model|\ model|\ assistant)?,?\ i\b
    | the\ (?:final\ |correct\ |right\ )?answer\ is:?\ \W*(?:\d[\d.,/]*|[a-e])\W*$
    | hier\ (?:ist|sind)\ (?:ihre?|deine?|meine?|einige)\b
    | (?:ich\ hoffe|gerne!|natürlich[!,]|vielen\ dank\ für|sag\ mir\ bescheid)
    | (?:voici\ (?:votre|vos|une?|quelques)\b|j'espère|bien\ sûr\s*[!,]|merci\ (?:pour|de|d'))
    | (?:aquí\ (?:tienes|tiene|está)|espero\ que|¡?claro[!,]|por\ supuesto[!,]|gracias\ por)
    | (?:ecco\ |spero\ che|certo[!,]|grazie\ per|aqui\ está|obrigad[oa]\ (?:por|pela))
    | (?:вот\ (?:ваш|твой|несколько)|надеюсь|конечно[!,]|спасибо\ за)
    | (?:当然[！，,!可]|好的[！，,!]|这是您|希望这|感谢您|谢谢您|如果您有任何)
    | (?:もちろん|はい、|お役に立て|ありがとうござ|물론|도움이\ 되)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_QUESTION = re.compile(
    r"(?:what|what's|how|why|when|where|who|which|do you|are you|have you|would you like)\b"
    r"[^.!\n]*\?",
    re.IGNORECASE,
)

_OPEN_END = re.compile(r"[,、，،(\[{（「『【„‘–—]$|\s[-\"'“&+=]$|(?:\.\.\.|…)$")
_PAIRS = (("([（", ")]）"), ("{", "}"), ("「『", "」』"))
_LABEL = re.compile(
    r"\b(?:with|by|words?|lines?|labels?|prefix|say|write|headings?|as)\b.*?[A-Z][\w ]*.$"
)
_NO_LAST_WORD = re.compile(
    r"(?<![\w/-])(?:the|an|and|or|but|nor|because|although|whereas|unless|whether|such as"
    r"|as well as|rather than|in order to|including|e\.g|i\.e|(?<!option )(?<!vitamin )a)\.?$"
    r"|(?<![\w/-])(?:your|my|our|their|as|than|if|while|I|(?<!who )I am)$"
)
_LISTED = re.compile(
    r"\b(?:columns?|keys?|fields?|headings?|headers?|following)\.?$", re.IGNORECASE
)
_LACKS_NAMES = re.compile(
    r"\b(?:table|json|list|objects?|csv|dictionary|chart|form|format|file)\b.* (?:with|using|has"
    r"|have) (?:the|these)(?: following)? \w+\.?$|\bthe following\.?$",
    re.IGNORECASE,
)
_STRANDED = re.compile(
    r"\s(?:of|into|from|between|during|per|via|onto|within|without|among|against|towards?|for|with"
    r"|about|to|at|by|in|on)$"
)
_CLAUSE = frozenset(
    "what which who whom whose where how why that it they you he she we i users people is are was "
    "were be been can could may might should must will asked told wants needs has have to".split()
)
_PHRASAL = frozenset(
    "log sign check opt carry go move hold build follow come fill join zoom turn put keep".split()
)
