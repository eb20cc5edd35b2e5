"""Identifies the language of a text, as an ISO 639-1 code.

Where a script is used for one language of `NAMES` only, the script decides; else py3langid does.
Code, formulas and addresses are removed first. The result is deterministic.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from functools import cache, lru_cache
from typing import Any

from sysgen_local.core.errors import SysgenError
from sysgen_local.core.records import Conversation
from sysgen_local.core.scripts import script_counts, script_of, weighed

NAMES: dict[str, str] = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian",
    "bg": "Bulgarian", "bn": "Bengali", "bs": "Bosnian", "ca": "Catalan", "cs": "Czech",
    "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "eo": "Esperanto", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian",
    "fi": "Finnish", "fr": "French", "ga": "Irish", "gl": "Galician", "gu": "Gujarati",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian",
    "id": "Indonesian", "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian",
    "kk": "Kazakh", "km": "Khmer", "kn": "Kannada", "ko": "Korean", "la": "Latin", "lo": "Lao",
    "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "ml": "Malayalam",
    "mn": "Mongolian", "mr": "Marathi", "ms": "Malay", "mt": "Maltese", "my": "Burmese",
    "ne": "Nepali", "nl": "Dutch", "no": "Norwegian", "pa": "Punjabi", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "si": "Sinhala", "sk": "Slovak",
    "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili",
    "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Tagalog", "tr": "Turkish",
    "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
"""Code -> English name. Latin, Maltese and Bosnian have names, but are not identified in texts:
short texts and code would too often be taken for them."""


def name_of(code: str) -> str:
    """The language's English name; the code itself where it is not known. `pt-BR` counts as
    `pt`."""
    return NAMES.get(code.strip().lower().replace("_", "-").split("-")[0], code)


def script_for(code: str) -> str | None:
    """The script of a language; None where it is not known."""
    if code in ("zh", "ja"):
        return "CJK"
    for script, one in _ONLY.items():
        if one == code:
            return script
    return next((script for script, codes in _BETWEEN.items() if code in codes), None)


def language_of(text: str) -> str | None:
    """The language; None where it cannot be identified: the text is too short, or only code,
    numbers or formulas."""
    return _identify(prose(text), _SURE)


def row_language(conversation: Conversation) -> str | None:
    """The language of the user's turns; the most frequent one of several turns.

    For a turn in two languages it is that of the instruction, which is outside of quotation marks
    and code: "Translate 'Guten Morgen' into English" is English. Where the user's turns do not show
    it, the language of the answers is used. None where neither shows it.
    """
    turns = conversation.turns
    answer = language_of("\n".join(t.content for t in turns if t.role == "assistant")[:_LONGEST])
    asked = [_instruction(t.content[:_LONGEST], answer) for t in turns if t.role == "user"]
    known = Counter(code for code in asked if code)
    return max(known, key=lambda code: known[code]) if known else answer


def prose(text: str) -> str:
    """The text without code, formulas, markup and addresses."""
    for pattern in _NO_PROSE:
        text = pattern.sub(" ", text)
    return "\n".join(line for line in text.split("\n") if not _is_code(line))


def _instruction(text: str, answer: str | None) -> str | None:
    """The language of the instruction in one user turn."""
    plain = prose(text)
    unquoted = _QUOTED.sub(" ", plain)
    blocks = [block for block in _BLOCKS.split(unquoted) if block.strip()]
    for block in blocks:
        if verb := _TRANSLATE.search(block):
            # The text to translate may be there without quotation marks.
            script = script_of(verb[0][0])
            own = "".join(c if not c.isalpha() or script_of(c) == script else " " for c in block)
            if code := _identify(own, _LIKELY):
                return code
    known = [(code, block) for block in blocks if (code := _identify(block, _SURE))]
    if len({code for code, _ in known}) > 1:
        first, last = known[0], known[-1]
        announces = first[1].rstrip().endswith((":", "："))
        return answer if answer == last[0] and not announces else first[0]
    return _identify(unquoted, _SURE) or _identify(plain, _SURE)


@lru_cache(maxsize=4096)
def _identify(text: str, least: float) -> str | None:
    """The language of plain text, if its probability is at least `least`; else None."""
    letters = {c: times for c, times in Counter(text).items() if c.isalpha()}
    scripts = weighed(script_counts(text))
    if not scripts:
        return None
    script = scripts.most_common(1)[0][0]
    if script == "CJK":
        kana = sum(times for letter, times in letters.items() if "\u3041" <= letter <= "\u30ff")
        han = sum(times for letter, times in letters.items() if script_of(letter) == "CJK")
        if han < 2:
            return None
        return "ja" if kana * 10 >= han else "zh"
    if script in _FORMULAS and max(map(len, _LETTERS.findall(text))) < 3:
        return None
    if code := _ONLY.get(script):
        return code
    codes = _BETWEEN.get(script)
    own = [c for c in letters if script_of(c) == script]
    if not codes or sum(letters[c] for c in own) < _FEWEST:
        return None
    letters_used = set("".join(own).lower())
    ranked = _identifier().rank(" ".join(text.split()))
    if sum(p for _, p in ranked[:3]) < least:
        return None
    found = {
        code: p * _PRIORS.get(code, 1.0)
        for code, p in ranked
        if code in codes and not letters_used & _FOREIGN.get(code, _NONE)
    }
    code = max(found, key=lambda code: found[code], default="")
    p = found[code] / sum(found.values()) if code else 0.0
    return code if p >= least else None


@cache
def _identifier() -> Any:
    """py3langid's model, restricted to the languages of `_BETWEEN`. It takes 0.4 s to load, and
    py3langid unpacks it to a temporary file. Raises SysgenError where that cannot be written."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    load: Any = LanguageIdentifier.from_model_file  # it is not typed
    try:
        identifier = load(MODEL_FILE, norm_probs=True)
    except OSError as error:
        where = tempfile.tempdir or "any temporary folder"
        raise SysgenError(
            f"what tells languages could not be unpacked in {where}: {error.strerror}",
            hint="see whether the disk is full, or name a folder with 70 MB of room: TMPDIR=FOLDER",
        ) from error
    identifier.set_languages(sorted({code for codes in _BETWEEN.values() for code in codes}))
    return identifier


def _is_code(line: str) -> bool:
    """Whether a line is code or a formula: a statement, or more symbols and names than words."""
    if _STATEMENT.search(line):
        return True
    if not line.isascii() and sum(c.isalpha() and not c.isascii() for c in line) * 4 > len(line):
        return False  # code is not written in that script, and it may have no spaces
    parts = line.split()
    words = sum(bool(_WORD.fullmatch(part)) for part in parts)
    other = sum(bool(_SIGNS.search(part)) for part in parts)
    return other > words


_SURE = 0.4
_LIKELY = 0.15
"""Minimum probabilities. Code and formulas that remain in a text get 0.25 at most."""
_FEWEST = 4
"""The fewest letters for which py3langid is asked."""
_LONGEST = 4000
"""The most characters of a turn that are used."""

_FORMULAS = frozenset({"LATIN", "GREEK", "CYRILLIC"})
"""Scripts whose single letters are variables in formulas."""
_LETTERS = re.compile(r"[^\W\d_]+")

_ONLY = {
    "HANGUL": "ko", "THAI": "th", "GREEK": "el", "HEBREW": "he", "BENGALI": "bn", "TAMIL": "ta",
    "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml", "GUJARATI": "gu", "GURMUKHI": "pa",
    "SINHALA": "si", "KHMER": "km", "LAO": "lo", "MYANMAR": "my", "GEORGIAN": "ka",
    "ARMENIAN": "hy", "ETHIOPIC": "am",
}  # fmt: skip
"""Script -> the only language of `NAMES` in that script, or by far the most frequent one."""

_BETWEEN = {
    "LATIN": frozenset(
        "af az ca cs cy da de en eo es et eu fi fr ga gl hr hu id is it lt lv ms nl no pl pt ro sk "
        "sl sq sr sv sw tl tr uz vi".split()
    ),
    "CYRILLIC": frozenset("be bg kk mk mn ru sr uk".split()),
    "ARABIC": frozenset("ar fa ur".split()),
    "DEVANAGARI": frozenset("hi mr ne".split()),
}
"""Script -> the languages that py3langid chooses from."""

_PRIORS = {"cs": 1.5, "en": 1.5, "ru": 2.0, "uk": 1.2} | dict.fromkeys(
    "af be ca cy eo eu ga gl is kk mk ms ne sq sw tl uz".split(), 0.5
)
"""Factors for the probability of a language. py3langid assumes that all languages are equally
frequent."""
_FOREIGN: dict[str, frozenset[str]] = {
    "ru": frozenset("іїєґўјљњћђџѓќѕәғқңөұүһ"),
    "uk": frozenset("ыэъёўјљњћђџѓќѕәғқңөұүһ"),
    "be": frozenset("ищъїєґјљњћђџѓќѕәғқңөұүһ"),
    "bg": frozenset("ыэёіїєґўјљњћђџѓќѕәғқңөұүһ"),
    "sr": frozenset("ыэёщъьюяйіїєґўѓќѕәғқңөұүһ"),
    "mk": frozenset("ыэёщъьюяйіїєґўћђәғқңөұүһ"),
    "kk": frozenset("їєґўјљњћђџѓќѕ"),
    "mn": frozenset("іїєґўјљњћђџѓќѕәғқңұһ"),
    "ar": frozenset("پچژگٹڈڑےںھہ"),
    "fa": frozenset("ٹڈڑےںھہ"),
}
"""Language -> letters that it does not have."""
_NONE: frozenset[str] = frozenset()

_NO_PROSE = (
    re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.DOTALL),
    re.compile(r"`[^`\n]{1,200}`"),
    re.compile(r"\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\)", re.DOTALL),
    re.compile(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.DOTALL),
    re.compile(r"\$(?=\S)[^$\n]{1,200}(?<=\S)\$(?!\d)"),
    re.compile(r"\\[A-Za-z]+(?:\{[^{}]*\}|_\S+|\^\S+)*"),
    re.compile(r"(?:https?://|www\.)[!-~]+|[\w.+-]+@[\w-]+\.[\w.-]+", re.ASCII),
    re.compile(r"</?[A-Za-z][^<>\n]{0,200}>"),
)
_STATEMENT = re.compile(
    r"^\s*(?:(?:async )?def \w+\(|class \w+[(:]|import [\w.]+(?: as \w+)?\s*$|from [\w.]+ import "
    r"|#include|#define|(?:for|while|if|else if|elif|switch)\s*\(.*[{;]|return\b.*[;)(]\s*$"
    r"|SELECT\b.+\bFROM\b|INSERT INTO\b|CREATE TABLE\b|UPDATE \w+ SET\b|(?:const|let|var) \w+ ?="
    r"|(?:public|private|static)\b.*[{;(]|(?:sudo|git|pip|npm|cd|ls|grep|curl|docker) [-\w/.]+"
    r"(?: +[-|/\"'<>].*)$)|\);\s*$|\{\s*$|^\s*[})\]]+[;,]?\s*$"
)
_WORD = re.compile(r"[\"'«“‘(\[¿¡]*[^\W\d_]+(?:['’‘-][^\W\d_]+)*[\"'»”’)\].,;:!?…]*", re.UNICODE)
_SIGNS = re.compile(r"[=<>{}\[\]^_\\|+*/&#@$%~]|\w[.(]\w|\w\(")
_QUOTED = re.compile(
    r"\"[^\"\n]*\"|“[^”\n]*”|„[^“”\n]*[“”]|«[^»\n]*»|「[^」\n]*」|『[^』\n]*』|‘[^’\n]*’|《[^》\n]*》"
    r"|(?<!\w)'[^'\n]+'(?!\w)"
)
_BLOCKS = re.compile(r"\n+|(?<=[:：])\s*")
_TRANSLATE = re.compile(
    r"translat|übersetz|tradu[cisz]|tradui|перев[её]д|перевод|переклад|翻[译訳譯]|번역|ترجم|अनुवाद|"
    r"vertaa?l|przetłumacz|çevir|\bdịch\b|แปล|μετάφρα|μεταφρά|תרגמ|תרגם|overs[aæ]t|översätt|käännä|"
    r"přelož|fordíts|terjemah",
    re.IGNORECASE,
)
