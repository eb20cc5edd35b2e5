"""Finds numbers and their units in text: digits of any script, fractions, LaTeX, number words."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_VALUES = {word: value for value, word in enumerate(_SMALL)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_SCALES = {
    "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "millionen": 10**6, "mio": 10**6, "milliarden": 10**9, "millones": 10**6, "milliard": 10**9,
    "k": 1000, "mn": 10**6, "bn": 10**9, "百": 100, "千": 1000, "万": 10**4, "萬": 10**4,
    "亿": 10**8, "億": 10**8, "lakh": 10**5, "crore": 10**7, "dozen": 12,
}  # fmt: skip
_HAN = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_HAN_SCALES = {"十": 10, "百": 100, "千": 1000}
_GLYPHS = {
    "½": Fraction(1, 2), "⅓": Fraction(1, 3), "⅔": Fraction(2, 3), "¼": Fraction(1, 4),
    "¾": Fraction(3, 4), "⅕": Fraction(1, 5), "⅖": Fraction(2, 5), "⅗": Fraction(3, 5),
    "⅘": Fraction(4, 5), "⅙": Fraction(1, 6), "⅚": Fraction(5, 6), "⅛": Fraction(1, 8),
    "⅜": Fraction(3, 8), "⅝": Fraction(5, 8), "⅞": Fraction(7, 8),
}  # fmt: skip

WORD_NUMBER = (
    rf"(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(_SMALL[1:10])}))?"
    rf"|(?:{'|'.join(sorted(_SMALL, key=len, reverse=True))})"
)
"""English number words below a hundred, for patterns."""
_WORDS = re.compile(
    rf"\b(?:a[ ](?=hundred|thousand|million|dozen))?(?:(?:{WORD_NUMBER}|hundred|thousand|million"
    r"|billion|dozen)(?:[ ]and[ ]|[ -])?)+\b",
    re.IGNORECASE,
)
_DIGITS = (
    r"\d{1,3}(?:[,.\u00a0\u202f'’ ]\d{3})+(?!\d)(?:[.,]\d{1,6})?|\d+(?:[.,]\d+)?"
    r"|(?<!\d)[.]\d+"
)
_NUMBER = re.compile(
    rf"""(?<![a-zÀ-ɏͰ-ӿ\d_.])(?P<sign>[-−–]\s?)?(?P<currency>[$€£¥₹]\s?|(?:USD|EUR|GBP|Rs\.?)\s)?
    (?P<minus>[-−])?
    (?: (?P<clock>\d{{1,2}}:\d{{2}})(?![:\d])
      | (?:(?P<whole>\d{{1,6}})[ ]?(?:and[ ])?)?
        \\[dt]?frac\s?{{?\s?(?P<top>\d{{1,12}})\s?}}?\s?{{?(?P<below>\d{{1,12}})}}?
      | (?:(?P<whole2>\d{{1,6}})[ ](?:and[ ])?)?
        (?P<top2>\d{{1,12}})[ ]?[/⁄][ ]?(?P<below2>\d{{1,12}})(?![\d./]|,\d)
      | (?P<whole3>\d{{1,9}})?[ ]?(?P<glyph>[{"".join(_GLYPHS)}])
      | (?P<digits>{_DIGITS})(?!\d)(?:\s?(?:\\times|×|x|\*)\s?10\^?{{?(?P<power>[-−]?\d{{1,2}})}}?)?
    )(?P<scale>\s?(?:{"|".join(sorted(_SCALES, key=len, reverse=True))})(?![a-z]))?""",
    re.VERBOSE | re.IGNORECASE,
)
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b", re.IGNORECASE)
_HAN_NUMBER = re.compile(
    r"(?<![零〇一二两三四五六七八九十百千])[零〇一二两三四五六七八九十百千]{1,12}(?=[万亿個个只本块元人天年小分米公里岁件张条次台辆])"
)

UNITS: dict[str, tuple[str, Fraction]] = {
    name: (dimension, Fraction(size))
    for dimension, sizes in {
        "time": {
            "second seconds sec secs sekunden secondes segundos 秒": "1",
            "minute minutes min mins minuten minutos 分钟": "60",
            "hour hours hr hrs stunden heures horas 小时": "3600",
            "day days tage jours días 天": "86400",
            "week weeks wochen semaines semanas 周": "604800",
        },
        "months": {"month months": "1", "year years yr yrs": "12"},
        "length": {
            "mm millimeters millimetres": "0.001", "cm centimeters centimetres centimeter": "0.01",
            "m meter meters metre metres": "1", "km kilometers kilometres kilometer": "1000",
            "inch inches": "0.0254", "foot feet ft": "0.3048", "yard yards": "0.9144",
            "mile miles": "1609.344",
        },
        "mass": {
            "mg": "0.001", "g gram grams": "1", "kg kilogram kilograms": "1000",
            "ounce ounces oz": "28.349523", "pound pounds lb lbs": "453.59237",
        },
        "volume": {"ml milliliters": "0.001", "l liter liters litre litres": "1"},
        "money": {
            "$ dollar dollars usd € euro euros eur £ gbp ¥ yen yuan 元 ₹ rupees rupee rs": "1",
            "cent cents ¢ pence": "0.01",
        },
        "percent": {"% percent ％ procent prozent": "0.01"},
    }.items()
    for names, size in sizes.items()
    for name in names.split()
}  # fmt: skip
"""Unit -> (quantity that it measures, its size)."""
_UNIT = re.compile(r"\s?-?\s?(\\?%|[$€£¢元％]|[^\W\d_]{1,24})(\s?(?:/|per\b|an\b(?= hour)|\^|²))?")


class Quantity(NamedTuple):
    """A number in a text. `values` has two entries if it can be read in two ways (1.000)."""

    values: tuple[Fraction, ...]
    unit: str
    decimals: int | None
    start: int
    end: int

    @property
    def dimension(self) -> str:
        return UNITS[self.unit][0] if self.unit in UNITS else ""


def words_to_number(text: str) -> int | None:
    """The value of English number words ("two hundred and five"); None for anything else."""
    total = group = 0
    for word in re.split(r"[\s-]+", text.strip().lower()):
        if word in _VALUES:
            group += _VALUES[word]
        elif word in ("hundred", "dozen"):
            group = max(group, 1) * _SCALES[word]
        elif word in _SCALES and len(word) > 2:
            total, group = total + max(group, 1) * _SCALES[word], 0
        elif word not in ("and", "a"):
            return None
    return total + group


def han_to_number(text: str) -> int | None:
    """The value of Chinese numerals below ten thousand; None for anything else."""
    total = digit = 0
    for char in text:
        if char in _HAN:
            digit = _HAN[char]
        elif char in _HAN_SCALES:
            total, digit = total + max(digit, 1) * _HAN_SCALES[char], 0
        else:
            return None
    return total + digit


def find_numbers(text: str) -> list[Quantity]:
    """The numbers of a text in order, without ordinals ("2nd") and parts of names (B12)."""
    found = [q for match in _NUMBER.finditer(text) if (q := _digits(text, match))]
    taken = {i for q in found for i in range(q.start, q.end)}
    for pattern, read in ((_WORDS, words_to_number), (_HAN_NUMBER, han_to_number)):
        for match in pattern.finditer(text):
            value = read(match[0])
            if value is None or match.start() in taken:
                continue
            end = match.start() + len(match[0].rstrip(" -"))
            found.append(Quantity((Fraction(value),), _unit(text, end), 0, match.start(), end))
    return sorted(found, key=lambda q: q.start)


def _digits(text: str, match: re.Match[str]) -> Quantity | None:
    end = match.end()
    if _ORDINAL.match(text, end) or (match["digits"] and text[end : end + 1] == "_"):
        return None
    read = _values(match)
    if read is None:
        return None
    values, decimals = read
    sign = match["sign"]
    minus = match["minus"] or (sign and _is_sign(text, match.start(), sign))
    values = tuple(-v for v in values) if minus else values
    scale = (match["scale"] or "").strip().lower()
    if scale:
        scaled = tuple(v * _SCALES[scale] for v in values)
        values = scaled + values if scale == "dozen" else scaled
        decimals = None
    unit = _unit(text, end)
    if unit not in UNITS and match["currency"]:
        unit = "$"
    return Quantity(values, unit if not match["clock"] else ":", decimals, match.start(), end)


def _is_sign(text: str, start: int, sign: str) -> bool:
    """Whether a sign is a minus, not a dash or a difference: nothing or an opening bracket before
    it, no space behind it."""
    return len(sign) == 1 and sign != "–" and (start == 0 or text[start - 1] in " =($:\n")


def _values(match: re.Match[str]) -> tuple[tuple[Fraction, ...], int | None] | None:
    if match["clock"]:
        hours, minutes = match["clock"].split(":")
        return (Fraction(int(hours) * 60 + int(minutes)),), 0
    for whole, top, below in (("whole", "top", "below"), ("whole2", "top2", "below2")):
        if match[top]:
            if not int(match[below]):
                return None
            return (
                Fraction(int(match[whole] or 0)) + Fraction(int(match[top]), int(match[below])),
            ), None
    if match["glyph"]:
        return (Fraction(int(match["whole3"] or 0)) + _GLYPHS[match["glyph"]],), None
    exponent = int((match["power"] or "0").replace("−", "-"))
    power = Fraction(10) ** exponent
    readings = _readings(match["digits"])
    decimals = len(readings[-1].partition(".")[2])
    values = tuple(Fraction(reading) * power for reading in readings)
    return values, decimals if exponent == 0 else None


def _readings(digits: str) -> list[str]:
    """The possible readings in Python's notation, the less likely one first: 1.000 is 1000 or 1."""
    digits = re.sub(r"[\u00a0\u202f'’ ]", ",", digits)
    digits = "".join(str(int(c)) if c.isdigit() else c for c in digits)
    if len(digits) > 60:
        return [digits.replace(",", "").replace(".", "")[:60]]
    dots, commas = digits.count("."), digits.count(",")
    if not commas:
        if dots > 1:
            return [digits.replace(".", "")]
        if re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", digits):
            return [digits.replace(".", ""), digits]
        return ["0" + digits if digits.startswith(".") else digits]
    if dots == 1 and digits.rfind(".") > digits.rfind(","):
        return [digits.replace(",", "")]
    if dots and commas == 1 and digits.rfind(",") > digits.rfind("."):
        return [digits.replace(".", "").replace(",", ".")]
    if commas == 1 and not re.fullmatch(r"[1-9]\d{0,2},\d{3}", digits):
        return [digits.replace(",", ".")]
    return [digits.replace(",", "").replace(".", "")]


def _unit(text: str, end: int) -> str:
    """The known unit or the word directly behind a number; "" before a rate ("km/h", "per")."""
    match = _UNIT.match(text, end)
    return match[1].lower().lstrip("\\") if match and not match[2] else ""


def close(a: Quantity, b: Quantity) -> bool:
    """Whether two numbers are the same: equal, one rounded to the other, or equal in other
    units."""
    if ":" in (a.unit, b.unit) and a.unit != b.unit:
        return False
    if a.dimension and b.dimension and a.dimension != b.dimension:
        return False
    if a.dimension and a.dimension == b.dimension:
        scale = UNITS[b.unit][1] / UNITS[a.unit][1]
        return any(_same(x, a.decimals, y * scale, b.decimals) for x in a.values for y in b.values)
    pairs = [(x, y) for x in a.values for y in b.values]
    if "percent" in (a.dimension, b.dimension):  # 50 %, 50, and 0.5
        one = [(x / 100, y) if a.dimension else (x, y / 100) for x, y in pairs]
        pairs += one
    return any(_same(x, a.decimals, y, b.decimals) for x, y in pairs)


def _same(x: Fraction, x_decimals: int | None, y: Fraction, y_decimals: int | None) -> bool:
    if x == y:
        return True
    shown = [d for d in (x_decimals, y_decimals) if d is not None]
    if not shown or 0 in shown:
        return False
    coarse = min(shown)
    if coarse == 1 and abs(x) < 10:
        return False
    return abs(x - y) <= Fraction(51, 100 * 10**coarse)
