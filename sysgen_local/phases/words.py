"""Prepares the words of a text for comparing: normalised text, word forms, content words."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from sysgen_local.core.scripts import UNSPACED, script_shares


@lru_cache(maxsize=64)
def normalized(text: str) -> str:
    """The text in NFKC and lower case, without punctuation, with single spaces."""
    if text.isascii():
        return " ".join(text.lower().translate(_PUNCTUATION).split())
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Python does not count vowel signs and accents as letters, but they do not separate words.
    apart = {ord(c): " " for c in set(folded) if not (c.isalnum() or c == "_" or _is_mark(c))}
    return " ".join(folded.translate(apart).split())


def unspaced(text: str) -> bool:
    """Whether the text is in a script without spaces between words."""
    return not text.isascii() and bool(script_shares(text) & UNSPACED)


def singular(word: str) -> str:
    """The word without the ending of the plural: "divisions" becomes "division"."""
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] != "s" else word


def is_content(word: str) -> bool:
    """Whether a normalised word is a content word: not a function word, and not in most phrases."""
    return word not in _FORM


def content_characters(text: str) -> int:
    """How many characters of a text in a script without spaces are content."""
    return sum(c not in _FORM_CHARACTERS for c in text)


def alike(one: str, other: str) -> bool:
    """Whether two normalised words are forms of one word: "explain" and "explanation"."""
    if one == other:
        return True
    if one[:3] != other[:3]:
        return False
    shorter, longer = sorted((one, other), key=len)
    if longer.startswith(shorter):
        return longer[len(shorter) :] in _ENDINGS
    common = next(i for i, (a, b) in enumerate(zip(shorter, longer, strict=False)) if a != b)
    return common >= 5 and len(longer) - common <= 6


def _is_mark(c: str) -> bool:
    return unicodedata.category(c)[0] == "M"


_ASCII = [chr(i) for i in range(128)]
# Most texts are ASCII. For them this table is many times as fast.
_PUNCTUATION = {ord(c): " " for c in _ASCII if not (c.isalnum() or c == "_")}
_ENDINGS = frozenset("s es d ed r er ers ing ings ly al ally n ity able ful ive".split())
_FORM = frozenset(
    # English: function words, and words in nearly every phrase
    "a an the this that these those it its they them their he she his her i me my we our you your "
    "yours who whom whose which what where when why how there here and or but nor so as if then "
    "than because while of in on at by for from to into with without within about over under "
    "between through during per via is are was were be been being am do does did done has have "
    "had can could may might must shall should will would very quite any some each every all both "
    "other also only just more most such like user users answer answers response responses reply "
    "assistant conversation question act use using used give giving provide providing make making "
    "write writing describe explain show state say tell include including ensure sure keep let "
    "need needed necessary help "
    # German, Spanish, French, Italian, Portuguese, Dutch
    "der die das den dem des ein eine einen einem einer eines und oder ist sind du sie er es ihr "
    "im in am mit von zu zur zum für auf als bist nicht wird werden kann kannst nutzer benutzer "
    "el la los las un una unos unas y o es son eres usted en con de del para por que como su tu "
    "puede puedes usuario le les des du au aux une et ou est sont tu vous êtes dans avec pour sur "
    "que qui votre ton utilisateur il lo gli i uno e sei è per che nel nella con di da os as um "
    "uma é você no na ao usuário de het een en zijn jij je u bent met van voor op gebruiker "
    # Russian
    "и в на с по для о не что как ты вы это его её их пользователь пользователя".split()
)
_FORM_CHARACTERS = frozenset(
    "你您是一位名个個的经驗验經丰富豐请請使用可以户戶者在和与與及并要为為将進进行回答"
    "あなたはですのをにがとしてくださいるいうユーザーで、。"
)
