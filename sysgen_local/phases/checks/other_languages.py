"""Patterns for the most frequent demands in German, French, Spanish, Chinese and Japanese."""

from __future__ import annotations

import re
from collections.abc import Callable

from sysgen_local.phases.checks import formats, rules
from sysgen_local.phases.checks.amounts import Range
from sysgen_local.phases.checks.clauses import Clause, Pattern, Read
from sysgen_local.phases.checks.numbers import han_to_number

_NUMBERS = {
    word: value
    for value, words in enumerate(
        (
            "ein einem einen einer eine un une uno una", "zwei deux dos", "drei trois tres",
            "vier quatre cuatro", "fünf cinq cinco", "sechs six seis", "sieben sept siete",
            "acht huit ocho", "neun neuf nueve", "zehn dix diez",
        ),
        start=1,
    )
    for word in words.split()
}  # fmt: skip
_N = (
    rf"(?P<low>\d{{1,4}}|{'|'.join(_NUMBERS)})(?:\s?(?:bis|à|a|oder|ou|o|-"
    rf"|–)\s?(?P<high>\d{{1,4}}|{'|'.join(_NUMBERS)}))?"
)
_MOST = (
    "(?P<most>höchstens|maximal|nicht mehr als|unter|weniger als|au maximum"
    "|au plus|pas plus de|moins de|como máximo|máximo|no más de"
    r"|menos de)?\s*(?:de )?"
)
_LEAST = r"(?P<least>mindestens|wenigstens|au moins|al menos|como mínimo)?\s*(?:de )?"
_HAN = (
    r"(?P<low>\d{1,4}|[一二两三四五六七八九十百千]{1,5})(?:\s?[到至~～-]\s?(?P<high>\d{1,4}"
    "|[一二两三四五六七八九十百千]{1,5}))?"
)
_IN = (
    r"\b(?:in|mit|auf|aus|dans|en|avec|con|antworte|verwende|schreibe|utilise"
    r"|réponds|usa|escribe|responde)\s+(?:genau |exactement |exactamente |nur "
    "|seulement |solo )?"
)
_LANGUAGES = {
    "deutsch": "de", "englisch": "en", "französisch": "fr", "spanisch": "es", "italienisch": "it",
    "chinesisch": "zh", "japanisch": "ja", "français": "fr", "anglais": "en", "allemand": "de",
    "espagnol": "es", "español": "es", "inglés": "en", "francés": "fr", "alemán": "de",
    "中文": "zh", "英文": "en", "英语": "en", "汉语": "zh", "法语": "fr", "德语": "de",
    "日语": "ja", "日本語": "ja", "英語": "en", "中国語": "zh",
}  # fmt: skip


def _value(text: str) -> int | None:
    return int(text) if text.isdecimal() else _NUMBERS.get(text.lower()) or han_to_number(text)


def _amount(name: str, rule: Callable[[Range], rules.Rule]) -> Read:
    def read(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule] | None:
        groups = match.groupdict()
        low = _value(groups["low"])
        high = _value(groups["high"]) if groups.get("high") else low
        if not low or not high or high < low:
            return None
        if groups.get("within") == "左右":
            amount = Range(low // 2, high + high // 2)
        elif groups.get("most") or groups.get("within"):
            amount = Range(0, high)
        elif groups.get("least"):
            amount = Range(low, None)
        else:
            amount = Range(low, high)
        plural = "" if amount.high == 1 else "s"
        return f"{amount} {name}{plural}", rule(amount)

    return read


def _row(
    kind: str, pattern: str, read: Read, whole: bool = True, negative: bool = False
) -> Pattern:
    return Pattern(kind, re.compile(pattern, re.IGNORECASE), read, negative, whole)


def _says(text: str, rule: rules.Rule) -> Read:
    return lambda match, clause: (text, rule)


def _language(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule]:
    name = match["language"].lower()
    return f"the answer is in {name}", rules.in_language(_LANGUAGES[name])


_BULLETS = _says("a list with bullets", rules.listed("bullet"))
_NUMBERED = _says("a numbered list", rules.listed("number"))
_LIST = _says("a list", rules.listed())
_POINTS = _says("a list", rules.any_of(rules.listed("bullet"), rules.listed("number")))
_TABLE = _says("a table", formats.table)
_CJK_MOST = r"(?P<most>不超过|不多于|不得超过|最多|至多|少于|小于|控制在|限制在|限)?"
_CJK_LEAST = r"(?P<least>至少|不少于|多于|大于|超过)?"
_CJK_NAMES = "|".join(name for name in _LANGUAGES if name > "\u3000")
_LATIN_NAMES = "|".join(name for name in _LANGUAGES if name < "\u3000")
_HEAD = (
    r"(?:^|[，,]\s?)(?:请|并|且|并且|要|需要|需|须|必须|应|应该|都|均|只|仅|只能|仅能|始终|全程|全部|一律|完全|依旧|仍|仍然|直接"
    r"|你的|回答|回复|答案|输出|内容|结果|全文|的)*\s?"
)
"""Pattern of the words before a Chinese demand on the whole answer, at the start of a clause."""
_TAIL = (
    r"(?:来)?(?:进行)?(?:回答|回复|作答|输出|呈现|展示|展现|给出|列出|说明|概括|总结|解释|描述|介绍|阐述|完成|返回|写)?"
    r"(?:问题|结果|用户|我)?(?=\s*(?:$|[，。,；;!！]))"
)
"""Pattern of the words behind it, up to the end of the clause."""

OTHERS: tuple[Pattern, ...] = (
    _row(
        "sentences",
        rf"{_IN}{_MOST}{_LEAST}{_N}\s+(?:\w+ ){{0,2}}?(?:sätze[n]?|satz|phrases?"
        r"|frases?|oraci(?:ón|ones))\b",
        _amount("sentence", rules.sentences),
    ),
    _row(
        "sentences",
        rf"^(?P<most>höchstens|maximal){_LEAST} {_N}\s+(?:\w+ )?sätze\b",
        _amount("sentence", rules.sentences),
    ),
    _row(
        "words",
        rf"{_IN}{_MOST}{_LEAST}{_N}\s+(?:wörter[n]?|mots|palabras)\b",
        _amount("word", rules.words),
    ),
    _row(
        "paragraphs",
        rf"{_IN}{_MOST}{_LEAST}{_N}\s+(?:\w+ ){{0,2}}?(?:absätze[n]?|absatz"
        r"|paragraphes?|párrafos?)\b",
        _amount("paragraph", rules.paragraphs),
    ),
    _row(
        "numbered list",
        r"\b(?:nummerierte?[nr]?|numerierte?[nr]?|numérotée?s?"
        r"|numerad[oa]s?)\b(?! seiten)",
        _NUMBERED,
        whole=False,
    ),
    _row(
        "bullets",
        r"\b(?:stichpunkte[n]?|aufzählungszeichen|listes? à puces|puces|viñetas)\b",
        _BULLETS,
        whole=False,
    ),
    _row(
        "list",
        r"\b(?:als|in form einer|sous forme de|en forma de|como)\s+(?:einer? |kurze "
        r"|une |una )*(?:liste|lista)\b",
        _LIST,
        whole=False,
    ),
    _row(
        "table",
        r"\b(?:als|in einer|in form einer|sous forme de|dans un|en forma de|en una"
        r"|como)\s+(?:eine[r]? |un |una )?(?:tabelle|tableau|tabla)\b",
        _TABLE,
        whole=False,
    ),
    _row(
        "json",
        r"\b(?:als|im|en|au format|en formato)\s+json\b",
        _says("JSON", formats.is_json()),
        whole=False,
    ),
    _row(
        "language",
        "^(?:bitte |immer |stets |nur |toujours |siempre |por favor "
        "|s'il te plaît )*(?:antworte|antworten sie|schreibe?|sprich|réponds"
        r"|répondez|écri[sv]\w*|responde|contesta|escribe)\b[^.;¦]{0,40}?\b(?:auf"
        rf"|in|en)\s+(?:einfachem |gutem )?(?P<language>{_LATIN_NAMES})\b",
        _language,
        whole=False,
    ),
    # Chinese and Japanese
    _row(
        "sentences",
        rf"{_HEAD}(?:用|以|为|是|在)?{_CJK_MOST}{_CJK_LEAST}{_HAN}\s?(?:句话|个句子)(?:以内"
        f"|之内)?{_TAIL}",
        _amount("sentence", rules.sentences),
    ),
    _row(
        "words",
        f"{_HEAD}(?:字数|总字数)?(?:数量)?(?:应|要|须|需)?(?:为"
        rf"|在)?{_CJK_MOST}{_CJK_LEAST}{_HAN}\s?个?(?:汉字|中文字|字)(?P<within>以内|以下|之内"
        f"|左右)?{_TAIL}",
        _amount("character", rules.han),
    ),
    _row(
        "paragraphs",
        rf"{_HEAD}(?:用|以|为|是)?{_CJK_LEAST}(?:分成|分为|分|写成|写)?{_CJK_MOST}{_HAN}\s?(?:个段落"
        f"|段话|段|个自然段)(?:的形式|的格式|内容)?{_TAIL}",
        _amount("paragraph", rules.paragraphs),
    ),
    _row(
        "numbered list",
        f"{_HEAD}(?:用|以|使用|采用)(?:编号|有序)(?:列表|步骤)(?:的)?(?:形式|格式|方式)?{_TAIL}"
        "|番号付き(?:リスト|の?手順|で)",
        _NUMBERED,
    ),
    _row(
        "bullets",
        rf"{_HEAD}(?:用|以|使用)(?:项目符号|要点)(?:的)?(?:形式|格式|方式)?{_TAIL}|箇条書き",
        _POINTS,
    ),
    _row(
        "list",
        rf"{_HEAD}(?:用|以|使用|采用)(?:无序)?列表(?:的)?(?:形式|格式|方式)?{_TAIL}|リスト(?:形式)?で",
        _LIST,
    ),
    _row(
        "table",
        rf"{_HEAD}(?:用|以|使用|按)(?:markdown)?\s?(?:的)?表格(?:的)?(?:形式|格式)?{_TAIL}|表形式で"
        "|表で(?:まとめ|示)",
        _TABLE,
    ),
    _row(
        "json",
        rf"{_HEAD}(?:用|以|使用|按)(?:照)?\s?json\s?(?:格式|形式)?{_TAIL}|json(?:形式)?で",
        _says("JSON", formats.is_json()),
    ),
    _row("language", rf"{_HEAD}(?:用|以|使用)(?P<language>{_CJK_NAMES})(?:来)?{_TAIL}", _language),
    _row(
        "language",
        r"^(?:必ず|すべて|常に)?(?P<language>日本語|英語|中国語)(?:のみ|だけ)?で(?:答え|回答|書|返|説明)",
        _language,
    ),
    _row(
        "sentences",
        r"(?P<low>\d{1,3}|[一二三四五六七八九十]{1,3})(?:[~～-](?P<high>\d{1,3}))?つ?の?文で(?:答|説明"
        "|書|まとめ|回答)",
        _amount("sentence", rules.sentences),
    ),
    _row(
        "characters",
        r"(?P<low>\d{2,4})(?P<most>文字以内|字以内|文字以下)で?",
        _amount("character", rules.characters),
    ),
)
"""Rows in other languages. Chinese characters are counted as words."""
