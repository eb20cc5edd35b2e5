"""Patterns for words in English: how to begin and end, words to use, words and forms to avoid."""

from __future__ import annotations

import re

from sysgen_local.phases.checks import formats, rules
from sysgen_local.phases.checks.amounts import AMOUNT, Range, amount_of
from sysgen_local.phases.checks.clauses import Clause, Pattern, fixed_pattern

_ANSWER = (
    "(?:(?:your|the|this) (?:entire |whole |final )?(?:answer|response|reply"
    "|message|output|email|letter|story|text|explanation|poem|post|solution"
    "|essay)s? |it |everything )?"
)
_HEAD = (
    r"^\W*(?:(?:and|then|also|always|please|but) )*(?:(?:your|the) (?:answer"
    "|response|reply|message|output|email|letter|story|text)s? (?:(?:should"
    "|must|shall|will|has to|needs to) )?(?:always )?)?"
)
_BEGIN = (
    rf"{_HEAD}\b(?:begin|start|open)(?:s|ning|ing)? {_ANSWER}(?:with"
    "|by)(?: (?:saying|writing|stating|asking|giving))? "
)
_END = (
    rf"{_HEAD}\b(?:end|finish|conclude|close)(?:s|ing)? {_ANSWER}(?:with|by"
    "|in)(?: (?:saying|writing|stating|asking|giving))? "
)
_EXACT = (
    "(?:the |an? )?(?:exact |following |single |literal )*(?:words?|phrases?"
    "|sentences?|lines?|text|greeting|question|statement|expression|heading"
    r"|title|label|prefix|tag)?:?\s?"
)
_PLACE = (
    "(?: (?:in|from) (?:your|the) (?:answers?|response|responses|reply|replies"
    "|text|output)| at all| anywhere| whatsoever|)"
)
_UNTIL = rf"{_PLACE}(?=\s*(?:$|[,.;:!)¦]|and\b|or\b))"
_EMPTY = (
    "(?:(?:using|any|the use of|all|use of|to use|use|include|including|adding"
    "|write|writing|mention|mentioning|say|saying|provide|providing|output"
    "|produce) )*"
)


def _first(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule]:
    quote = clause.quoted(match[0])[0]
    return f'begins with "{quote}"', rules.starts_with(quote)


def _last(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule]:
    quote = clause.quoted(match[0])[0]
    follows = re.match(
        r"\s*,?\s*(?:followed by|and then|plus|and the|with the)\b", clause.text[match.end() :]
    )
    if follows or quote.endswith((",", ":")):  # the last part begins with the quoted words
        return f'has "{quote}" near its end', rules.has_near_end(quote)
    return f'ends with "{quote}"', rules.ends_with(quote)


def _not_first(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule]:
    quote = clause.quoted(match[0])[0]
    return f'does not begin with "{quote}"', rules.fails(rules.starts_with(quote))


def _not_last(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule]:
    quote = clause.quoted(match[0])[0]
    return f'does not end with "{quote}"', rules.fails(rules.ends_with(quote))


def _first_word(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule]:
    return f'begins with "{match["bare"]}"', rules.starts_with(match["bare"])


def _include(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule] | None:
    quotes = clause.quoted(match[0])
    amount = amount_of(match["amount"]) if match["amount"] else Range(1, None)
    if amount is None:
        return None
    times = f" {amount} times" if match["amount"] else ""
    return "uses " + ", ".join(f'"{q}"' for q in quotes) + times, rules.has_words(quotes, amount)


def _exclude(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule]:
    quotes = clause.quoted(match[0])
    return "does not use " + ", ".join(f'"{q}"' for q in quotes), rules.lacks_words(quotes)


def _exclude_bare(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule]:
    return f'does not use "{match["bare"]}"', rules.lacks_words([match["bare"]])


_NO_LIST = rules.fails(rules.any_of(rules.listed("bullet"), rules.listed("number")))
_FORBIDDEN: tuple[tuple[str, str, rules.Rule], ...] = (
    ("commas", r"commas?", rules.fails(rules.matches(r"[,，、،]"))),
    ("exclamation marks", r"exclamation (?:marks?|points?)", rules.fails(rules.matches(r"[!！]"))),
    ("question marks", r"question marks", rules.fails(rules.matches(r"[?？؟]"))),
    (
        "questions",
        r"(?:asking |ask )?(?:follow-up |further |any )?questions",
        rules.fails(rules.matches(r"[?？؟]")),
    ),
    ("semicolons", r"semi-?colons", rules.outside_code(rules.fails(rules.matches(r"[;；]")))),
    ("emojis", r"emojis?|emoticons", rules.fails(rules.matches(rules.EMOJI))),
    (
        "bullet points",
        r"bullet(?:ed)?[- ]?(?:points?|lists?)|bullets",
        rules.fails(rules.listed("bullet")),
    ),
    (
        "numbered lists",
        r"numbered (?:lists?|steps|points)|numbering",
        rules.fails(rules.listed("number")),
    ),
    ("lists", r"lists?", _NO_LIST),
    ("tables", r"tables?", rules.fails(formats.table)),
    (
        "headings",
        r"headings?|headers?|subheadings?|section titles",
        rules.fails(rules.matches(r"^#{1,6} |^\*\*[^*\n]+\*\*:?\s*$")),
    ),
    ("Markdown", r"markdown(?: formatting| syntax)?", rules.fails(formats.is_markdown)),
    (
        "code",
        r"(?:source )?code(?: blocks?| snippets?| examples?)?",
        rules.fails(rules.matches(r"^[ \t]*(?:```|~~~)")),
    ),
    (
        "LaTeX",
        r"latex(?: notation| formatting)?",
        rules.fails(rules.matches(r"\\\(|\\\[|\$\$|\\(?:frac|boxed|text)\b")),
    ),
    (
        "contractions",
        r"contractions",
        rules.fails(
            rules.matches(
                r"\b(?i:\w+n['’]t|(?:I|you|we|they)['’](?:m|re|ve|ll|d)|(?:it|that|there"
                r"|what|let|he|she|who)['’](?:s|ll|d))\b"
            )
        ),
    ),
    ("digits", r"digits|numerals", rules.fails(rules.matches(r"\d"))),
    (
        "parentheses",
        r"parenthes[ei]s|brackets",
        rules.outside_code(rules.fails(rules.matches(r"[()]"))),
    ),
    (
        "bold text",
        r"bold(?: text| type| formatting)?",
        rules.fails(rules.matches(r"\*\*[^*\n]+\*\*|<b>|<strong>")),
    ),
    (
        "hashtags",
        r"hashtags?",
        rules.outside_code(rules.fails(rules.matches(r"(?<!\w)#[A-Za-z]\w*"))),
    ),
    (
        "links",
        r"links?|urls?|hyperlinks",
        rules.fails(rules.matches(r"https?://|www\.\w|\]\(http")),
    ),
    ("capital letters", r"capital letters|capitals|uppercase(?: letters)?", rules.lower_case),
    (
        "the first person",
        r"(?:the )?first[- ]person(?: pronouns?| singular| point of view| perspective)?",
        rules.outside_code(
            rules.fails(
                rules.matches(
                    r"(?<![\w'’\"“])(?:I|I['’](?:m|ve|ll|d)|[Mm]y|[Mm]e|[Mm]yself)(?![\w'’.])"
                )
            )
        ),
    ),
    ("line breaks", r"line breaks?|newlines", rules.fails(rules.matches(r"\S\n"))),
)
_NAMES = "|".join(pattern for _, pattern, _ in _FORBIDDEN)


def _forbidden(name: str, pattern: str, rule: rules.Rule) -> Pattern:
    """A row that forbids one thing, alone or in a list of forbidden things."""
    regex = (
        r"^\W*(?:and |but |use |write |answer |respond )*(?:do not|avoid(?:ing)?"
        "|without|no|with no|refrain from|exclude|omit|leave out|not"
        rf"|but no)\s+{_EMPTY}(?:(?:{_NAMES})(?:,| or| and|, or"
        rf"|, and)\s+(?:any )?){{0,5}}(?:{pattern}){_UNTIL}"
    )
    return fixed_pattern("without", regex, f"no {name}", rule)


PROHIBITIONS: tuple[Pattern, ...] = tuple(
    row._replace(negative=True)
    for row in (
        Pattern(
            "avoid words",
            re.compile(
                "(?:do not|avoid(?:ing)?|without|refrain from|exclude|omit"
                rf"|no)\s+{_EMPTY}(?:the )?(?:words?|phrases?|terms?|expressions?"
                r"|names?)?:?\s?⟦\d+⟧(?:,?(?: and| or)? (?:the (?:word|phrase"
                rf"|term) )?⟦\d+⟧)*{_PLACE}\s*[.!]?$",
                re.IGNORECASE,
            ),
            _exclude,
        ),
        Pattern(
            "avoid words",
            re.compile(
                rf"(?:do not|avoid(?:ing)?|without)\s+{_EMPTY}the (?:word|name"
                rf"|term) (?P<bare>[A-Za-z][\w'-]+)\s*{_PLACE}[.!]?$",
                re.IGNORECASE,
            ),
            _exclude_bare,
        ),
        Pattern(
            "first words",
            re.compile(
                rf"^do not (?:begin|start|open) {_ANSWER}with {_EXACT}⟦\d+⟧{_UNTIL}", re.IGNORECASE
            ),
            _not_first,
        ),
        Pattern(
            "last words",
            re.compile(
                rf"^do not (?:end|finish|close|conclude) {_ANSWER}with {_EXACT}⟦\d+⟧{_UNTIL}",
                re.IGNORECASE,
            ),
            _not_last,
        ),
        fixed_pattern(
            "last sentence",
            f"^do not (?:end|finish|close|conclude) {_ANSWER}with (?:a"
            r"|any) (?:[\w-]+ )?questions?\b",
            "does not end with a question",
            rules.fails(rules.last_sentence(r"[?？؟][\"'”’»)*_]*\W*$")),
        ),
        *(_forbidden(*row) for row in _FORBIDDEN),
    )
)
"""Rows for prohibitions."""

_FULL = r"an? (?:\w+ )?(?:full|complete|whole) sentence\b"
_NUMBER = (
    "(?:the |a )?(?:(?:final|total|correct|resulting|calculated"
    "|exact) )*(?:number|numerical (?:answer|result|value)|numeric (?:answer"
    r"|result|value)|total (?:\w+ ?){1,4}|sum|total|(?:amount"
    r"|number) of (?:\w+ ?){1,4}|difference in \w+(?: \w+)?)\s*(?=$|[.,;]|and"
    "|with its units?)"
)

ENDS: tuple[Pattern, ...] = (
    Pattern(
        "first words", re.compile(rf"{_BEGIN}{_EXACT}⟦\d+⟧(?! (?:or|and) ⟦)", re.IGNORECASE), _first
    ),
    Pattern(
        "first words",
        re.compile(
            rf"{_BEGIN}the word (?P<bare>[A-Za-z][\w'-]*)\s*(?=[.,;]|$|and\b)", re.IGNORECASE
        ),
        _first_word,
    ),
    fixed_pattern(
        "first words",
        rf"{_BEGIN}(?:a )?(?:clear )?(?:yes or no|yes/no)\b",
        "begins with yes or no",
        rules.any_of(rules.starts_with("yes"), rules.starts_with("no")),
    ),
    fixed_pattern(
        "first words",
        rf"{_BEGIN}(?:a|one|an) (?:[\w-]+,? ){{0,3}}question\b(?! mark)",
        "begins with a question",
        rules.first_sentence(r"[?？؟][\"'”’»)*_]*$"),
    ),
    fixed_pattern(
        "title",
        rf"{_BEGIN}(?:a|the|an) (?:[\w-]+,? ){{0,3}}(?:title|heading|headline)\b",
        "a title in the first line",
        rules.titled,
    ),
    Pattern(
        "last words", re.compile(rf"{_END}{_EXACT}⟦\d+⟧(?! (?:or|and) ⟦)", re.IGNORECASE), _last
    ),
    fixed_pattern(
        "last sentence",
        rf"{_END}(?:a|one|an) (?:[\w-]+,? ){{0,4}}question\b(?! mark)",
        "ends with a question",
        rules.last_sentence(r"[?？؟][\"'”’»)*_]*\W*$"),
    ),
    fixed_pattern(
        "last sentence",
        rf"{_END}an exclamation (?:mark|point)",
        "ends with an exclamation mark",
        rules.last_sentence(r"[!！][\"'”’»)*_]*$"),
    ),
    fixed_pattern(
        "last sentence",
        rf"{_END}(?:(?:the|a|your|an) (?:[\w-]+ ){{0,4}}?(?:in|as) )?{_FULL}",
        "ends with a full sentence",
        rules.ends_in_sentence,
    ),
    fixed_pattern("last sentence", rf"{_END}{_NUMBER}", "ends with a number", rules.ends_in_number),
    fixed_pattern(
        "hashes",
        r"####",
        'the result after "####"',
        rules.matches(r"^[ \t]*####[ \t]*\S|####[ \t]*\S[^\n]*\Z"),
    ),
)
"""Rows for how the answer begins and ends."""

WORDS: tuple[Pattern, ...] = (
    Pattern(
        "use words",
        re.compile(
            r"\b(?:use|using|include|including|mention|contain|insert|incorporate|add"
            "|say) (?:the |these |following |exact |key)*(?:words?|phrases?|terms?"
            "|expressions?|sentences?|lines?|keywords?|hashtags?"
            r"|disclaimer):?\s?(?P<quotes>⟦\d+⟧(?:,?(?: and)? (?:the (?:word|phrase"
            rf"|term) )?⟦\d+⟧)*)(?! (?:or|instead))(?: {AMOUNT} times)?",
            re.IGNORECASE,
        ),
        _include,
    ),
    Pattern(
        "use words",
        re.compile(
            r"^(?:always )?(?:mention|include|say) (?P<quotes>⟦\d+⟧)(?! (?:or|instead"
            "|in (?!your|the (?:answer|response))|as|section"
            f"|field))(?: {AMOUNT} times)?",
            re.IGNORECASE,
        ),
        _include,
    ),
    Pattern(
        "use words",
        re.compile(
            r"\b(?:address|call) (?:the )?(?:user|reader|customer|person|them|him"
            r"|her) (?:as |by )?(?P<quotes>⟦\d+⟧)(?! or)(?P<amount>)"
            r"|\bsign (?:off )?(?:\w+ ){0,3}?(?:as|with) (?:the )?(?:name )?"
            r"(?P<signed>⟦\d+⟧)(?! or)",
            re.IGNORECASE,
        ),
        _include,
    ),
    fixed_pattern(
        "emojis",
        r"\b(?:use|include|add|with|using|insert)\b (?:\w+ ){0,3}?emojis?\b",
        "emojis",
        rules.matches(rules.EMOJI),
    ),
    fixed_pattern(
        "lower case",
        "^(?:always |only )*(?:answer|respond|reply|write|speak|use|type|keep"
        "|the (?:answer|response)|your (?:answer|response))(?: everything| it"
        "| the (?:entire |whole )?(?:answer|response|text)| your (?:entire "
        "|whole )?(?:answer|response)| (?:must|should) be(?: written)?"
        "| exclusively)? (?:in |all |only |entirely )+(?:lower ?-?case"
        r"|small letters)(?: letters)?(?: only)?\s*[.!]?$",
        "all lower case",
        rules.lower_case,
    ),
    fixed_pattern(
        "upper case",
        "^(?:always |only )*(?:answer|respond|reply|write|speak|use|type|keep"
        "|the (?:answer|response)|your (?:answer|response))(?: everything| it"
        "| the (?:entire |whole )?(?:answer|response|text)| your (?:entire "
        "|whole )?(?:answer|response)| (?:must|should) be(?: written)?"
        "| exclusively)? (?:in |all |only |entirely )+(?:capital letters|capitals"
        r"|upper ?-?case|caps)(?: letters)?(?: only)?\s*[.!]?$",
        "all capital letters",
        rules.upper_case,
    ),
    fixed_pattern(
        "quotation marks",
        r"\b(?:wrap|enclose|put) (?:your|the) (?:entire |whole )?(?:answer|response"
        "|reply) in (?:double )?quotation marks",
        "in quotation marks",
        rules.matches(r"\A\s*[\"“«„「][\s\S]*[\"”»“」]\s*\Z"),
    ),
    fixed_pattern(
        "postscript",
        r"\b(?:add|include|with|end with)\b[^.;]{0,30}\bpostscript\b|\bP\.\s?S\.",
        "a postscript",
        rules.matches(r"(?i)^[*_ \t>]*P\.?\s?P?\.?S\b"),
    ),
    fixed_pattern(
        "first person",
        r"\b(?:in|use|using) (?:the )?first[- ]person\b(?! only| for| when)",
        "the first person",
        rules.first_person,
    ),
)
"""Rows for words that the answer must contain."""
