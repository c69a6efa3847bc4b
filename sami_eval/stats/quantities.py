"""The numbers written in a text, each with its place and its exact value.

Read: signs (unicode minus, "negative"), grouped digits, decimals, fractions and mixed numbers
(3/4, 1 3/4, 1½, LaTeX), powers of ten, "million". Currency, percent and units are passed over:
25% is 25. Digits of any script count, and letters of scripts without spaces bind no number. Every
pattern is bounded or possessive, so that any text is read in linear time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

MOST_DIGITS = 400  # longer ones are junk, and Python refuses to read very long ones

_DASHES = "\u2212\u2010\u2011\u2012\u2013\ufe58\ufe63\uff0d\u207b\u2796"
_SPACES = "\u00a0\u2007\u2008\u2009\u200a\u202f"
_VULGAR = {
    sign: Fraction(unicodedata.numeric(sign)).limit_denominator(10) for sign in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"
}
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789")
# Marks of direction, joiners, keycaps and the like: nothing is seen of them.
_UNSEEN = (0xAD, 0x34F, 0x61C, 0x180E, 0x20E3, 0xFE0E, 0xFE0F, 0xFEFF)
_UNSEEN += (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A))
_UNSEEN += (*range(0xE0000, 0xE0080),)
_CHARACTERS = str.maketrans(
    {
        **{chr(full): chr(full - 0xFEE0) for full in range(0xFF01, 0xFF5F)},
        **dict.fromkeys(_DASHES, "-"),
        **dict.fromkeys(_SPACES, "\u2009"),
        **dict.fromkeys(map(chr, _UNSEEN), ""),
        **dict(zip("\u3000⁄∕٬٫’￥٪", " //,.'¥%", strict=True)),
        **dict.fromkeys("⋅∙∗✕✖", "×"),
    }
)
# No space stands behind a full-width comma of a list: 18，20 is two, １，０００ is one.
_LISTED = re.compile(r"(?<=\d)，(?=\d{1,2}(?!\d))")
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_SMALL_FRACTION = re.compile(r"([⁰¹²³⁴-⁹]{1,9})[⁄∕/]([₀-₉]{1,9})")
# "1 000 000" and, where nothing of the sentence follows, "12 345"; "3 100 ml bottles" is two.
_SPACED = re.compile(
    # Its first character first: that is what a search is fast by.
    r"[1-9](?<![0-9.,/].)(?<![0-9][ ].)[0-9]{0,2}"
    r"(?:(?=(?:[ ][0-9]{3})*?[ ]000(?![0-9]))(?:[ ][0-9]{3}){1,9}+"
    r"|(?<![0-9]{3})(?:[ ][0-9]{3}){1,9}+(?=[.,][0-9]|[ ]?[€£%]?[ ]?(?:[.]?\s*(?:\n|\Z)|\})"
    r"|[ ](?:dollars|euros?|pounds|rupees|rub(?:les)?|kr|zł|USD|EUR|GBP)\b))(?![ ]?[0-9])"
)
# "1.200 €" is more than a thousand: a price has no third decimal, and such languages no point.
_DOTTED = re.compile(
    r"((?:€|R\$|\bRp|₫)[ ]?[1-9][0-9]{0,2}"
    r"|\b(?:antwort|respuesta|resposta|risposta)\b[^0-9\n]{0,20}[1-9][0-9]{0,2}"
    r"|(?<![0-9.,])[1-9][0-9]{0,2}(?=\.[0-9]{3}[ ]?(?:€|₫|euros?\b|EUR\b|reais\b)))"
    r"\.([0-9]{3})(?![0-9]|[.,][0-9])",
    re.I,
)
_THREE = re.compile(r"\.[0-9]{3}")  # without it nothing is dotted
# LaTeX without meaning for a value, in the order it is taken away.
_LATEX = (
    (re.compile(r"\{,\}|,\\!"), ","),
    (re.compile(r"(?<=[0-9])\\[,!;: ](?=[0-9]{3})"), "\u2009"),
    (re.compile(r"\\([$%#_&])"), r"\1"),
    (re.compile(r"\^ ?(?:\\circ|\{ ?\\circ ?\})"), ""),
    (re.compile(r"\\(?:times|cdot)(?![A-Za-z])"), "×"),
    (re.compile(r"\\div(?![A-Za-z])"), "÷"),
    (re.compile(r"\\(?:approx|simeq|sim)(?![A-Za-z])"), "≈"),
    (re.compile(r"\\(?:text|math|operatorname|mbox|bold)[a-z]{0,9}(?![A-Za-z])"), ""),
    (re.compile(r"\\(?:left|right|displaystyle|quad|qquad)(?![A-Za-z])"), " "),
    (re.compile(r"\\[,!;: ()\[\]]|~"), " "),
)

_DIGITS = r"[0-9]++(?:[.,'_\u2009][0-9]++)*+"
_POWER = (
    r"[ ]?[x×*·][ ]?10[ ]?"
    r"(?:(?:\^|\*\*)[ ]?\{?(?P<ten>[+-]?[0-9]++)\}?|(?P<raised>-?[⁰¹²³⁴-⁹]{1,4}))"
)
_PART = r"(?:[ ]?\{[ ]?(?P<%s>-?[0-9.,]{1,60})[ ]?\}|[ ]?(?P<%s>[0-9]))"
_VALUE = re.compile(
    rf"""
    (?:(?P<whole>[0-9]{{1,60}})[ ]{{0,2}})?\\[dtcs]?frac
      {_PART % ("top", "top1")}{_PART % ("low", "low1")}
    | (?:(?P<mixed>[0-9]{{1,60}})(?:[ ]{{1,2}}(?:(?:and|&)[ ]{{1,2}})?|-))?(?<![/])
      (?P<over>{_DIGITS})[ ]{{0,2}}/[ ]{{0,2}}(?P<under>{_DIGITS})(?![ ]?/[ ]?[0-9])
    | (?:(?P<before>[0-9]{{1,60}})(?:[ \u2009]?|-|[ ](?:and|&)[ ]))?(?P<vulgar>[{"".join(_VULGAR)}])
    | (?P<digits>{_DIGITS}|(?<![0-9A-Za-z.])\.[0-9]++)
      (?:[eE](?P<exponent>[+-]?[0-9]++)(?![0-9A-Za-z])|{_POWER}|(?:\^|\*\*)\{{?(?P<power>-?[0-9]++)\}}?
       |(?P<lifted>[⁰¹²³⁴-⁹]{{1,3}}))?
    """,
    re.VERBOSE,
)
_SCALE = re.compile(
    r"[ -]?(hundred|thousand|million|billion|trillion|lakh|crore)s?(?![A-Za-z])"
    r"|(bn|mn|[kKmMbB])(?!\w)"
    # 千 is a prefix of units too: 千克 is a kilogram.
    r"|([万萬만亿億억]|[千천](?![克米瓦卡焦帕伏赫]))"
)
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "k": 3, "m": 6}
_SCALES |= {"mn": 6, "b": 9, "bn": 9}
_SCALES |= {"lakh": 5, "crore": 7, **dict.fromkeys("千천", 3)}
_SCALES |= {**dict.fromkeys("万萬만", 4), **dict.fromkeys("亿億억", 8)}
_SIGNS = "$¢£¤¥֏؋৲৳৻૱௹฿៛\u20a0-\u20cf﷼"
_CURRENCY = (
    rf"(?:(?:[A-Za-z]{{1,3}})?[{_SIGNS}]"
    r"|(?:USD|EUR|GBP|INR|AUD|CAD|CHF|JPY|CNY|Rs|RM|Php|kr)\.?)"
)
_PAID = re.compile(rf"{_CURRENCY}[ ]?$")
_MINUS = re.compile(rf"(-|\b(?:negative|minus)\b)([ ]?)(?:[({{]?{_CURRENCY}[ ]?|[({{])?$", re.I)
_LOOK_BACK = 16


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a text: its exact value, and where it stands, sign included."""

    start: int
    end: int
    value: Fraction


def normalise(text: str) -> str:
    """The text with one kind of minus, space and digit, and without LaTeX's decoration."""
    if not text.isascii():
        text = _SMALL_FRACTION.sub(lambda m: f"{m[1]}/{m[2]}".translate(_RAISED), text)
        text = _LISTED.sub(", ", text).translate(_CHARACTERS)
        text = _OTHER_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)
    text = _SPACED.sub(lambda number: number[0].replace(" ", "\u2009"), text)
    if _THREE.search(text):
        text = _DOTTED.sub("\\1\u2009\\2", text)
    if "\\" in text or "{,}" in text or "~" in text:
        for pattern, plain in _LATEX:
            text = pattern.sub(plain, text)
    return text


def quantities(text: str, start: int = 0, end: int | None = None) -> Iterator[Quantity]:
    """The numbers of a normalised text, from left to right; 1万2000 is one."""
    held: Quantity | None = None
    for match in _VALUE.finditer(text, start, len(text) if end is None else end):
        if _is_part_of_a_word(text, match.start()):
            continue
        for one in _read(text, match):
            if held is not None and one.start == held.end and text[held.end - 1] in _MYRIADS:
                held = Quantity(held.start, one.end, held.value + one.value)
                continue
            if held is not None:
                yield held
            held = one
    if held is not None:
        yield held


_MYRIADS = "万萬만亿億억千천"


def _binds(letter: str) -> bool:
    """Whether a letter makes the digits behind it a part of its word: Latin, Greek, Cyrillic."""
    return letter.isalpha() and (letter < "\u0590" or "\u1d00" <= letter < "\u2000")


def _is_part_of_a_word(text: str, at: int) -> bool:
    """Whether the digits belong to a name or are an exponent: H2, x_1, cm^2."""
    before = text[max(at - _LOOK_BACK, 0) : at]
    if not before:
        return False
    if before[-1] == "^" or before.endswith("^{"):
        return True
    if before[-1] == "_":
        return before[-2:-1].isalnum()
    if not _binds(before[-1]) or text[at] in _VULGAR or _PAID.search(before):
        return False
    return before[-1] not in "xX×" or not before[:-1].rstrip()[-1:].isdigit()


def _read(text: str, match: re.Match[str]) -> Iterator[Quantity]:
    """The number or numbers of a match: digits between commas may be several."""
    values = _values(match)
    if not values:
        return
    start, sign = _signed(text, match.start())
    scale, end = _scale(text, match.end(), match.start())
    last = len(values) - 1
    for i, value in enumerate(values):
        value = value * (sign if i == 0 else 1) * (scale if i == last else 1)
        yield Quantity(start if i == 0 else match.start(), end, value)


def _values(match: re.Match[str]) -> list[Fraction]:
    part = match.groupdict()
    if part["vulgar"]:
        return [int(part["before"] or 0) + _VULGAR[part["vulgar"]]]
    if part["digits"] is None:
        whole = part["whole"] or part["mixed"]
        top = _numbers(part["top"] or part["top1"] or part["over"])
        low = _numbers(part["low"] or part["low1"] or part["under"])
        return _fraction(whole, top, low)
    values = _numbers(part["digits"])
    exponent = part["exponent"] or part["ten"] or _lowered(part["raised"])
    if exponent and values:
        return [*values[:-1], values[-1] * Fraction(10) ** int(exponent)] if _fits(exponent) else []
    power = part["power"] or _lowered(part["lifted"])
    if power and values:
        return _raised(values[-1], int(power)) if _fits(power) else []
    return values


def _lowered(raised: str | None) -> str | None:
    return raised.translate(_RAISED) if raised else None


def _fits(exponent: str) -> bool:
    return len(exponent) <= 9 and abs(int(exponent)) <= MOST_DIGITS


def _raised(base: Fraction, power: int) -> list[Fraction]:
    digits = len(str(max(abs(base.numerator), base.denominator)))
    fits = digits * abs(power) <= MOST_DIGITS and (base or power >= 0)
    return [base**power] if fits else []


def _fraction(whole: str | None, top: list[Fraction], low: list[Fraction]) -> list[Fraction]:
    """Top over low behind a whole number; numbers of their own where that is no fraction.

    None over zero: it has no value, and its parts are not what it says.
    """
    if top and low and not low[0]:
        return []
    if not top or not low:
        return [*([Fraction(int(whole))] if whole else []), *top, *low]
    value = top[-1] / low[0]
    if whole is None:
        return [value, *low[1:]]
    return [int(whole) + value] if 0 < value < 1 else [Fraction(int(whole)), value]


def _numbers(digits: str) -> list[Fraction]:
    """A run of digits and separators as one number where it is one, else as several."""
    if len(digits) > MOST_DIGITS:
        return []
    if digits.startswith("."):
        return [Fraction("0" + digits)]
    negative, digits = digits.startswith("-"), digits.lstrip("-").strip(".,")
    if not digits:
        return []
    plain = _plain(digits)
    if plain is not None:
        return [-Fraction(plain) if negative else Fraction(plain)]
    return [Fraction(part) for part in re.split(r"[^0-9.]", digits) if part and _is_decimal(part)]


def _is_decimal(part: str) -> bool:
    return re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", part) is not None


_GROUPED = re.compile(
    r"[0-9]{1,3}(?:,[0-9]{2,3})*+(?<=,[0-9]{3})(?:\.[0-9]+)?"  # 1,234.5 and 12,34,567
    r"|[0-9]{1,3}(?:(['_\u2009])[0-9]{3})(?:\1[0-9]{3})*+(?:[.,][0-9]+)?"  # 1'234.5
)
_CONTINENTAL = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]{1,2}|[0-9]{1,3}(?:\.[0-9]{3}){2,}")


def _plain(digits: str) -> str | None:
    """The number in Python's notation, or None where the run is no single number."""
    if _is_decimal(digits):
        return digits
    if _GROUPED.fullmatch(digits):
        head, point, decimals = re.fullmatch(r"(.*?)(?:([.,])([0-9]+))?", digits).groups("")  # type: ignore[union-attr]
        if point == "," and ("," in head or len(decimals) == 3):
            head, decimals = head + decimals, ""
        return re.sub(r"[^0-9]", "", head) + ("." + decimals if decimals else "")
    if _CONTINENTAL.fullmatch(digits):
        return digits.replace(".", "").replace(",", ".")
    if re.fullmatch(r"[0-9]+,[0-9]{1,2}", digits):
        return digits.replace(",", ".")  # decimal comma: an English list has a space behind it
    if re.fullmatch(r"[0-9]+(?:_[0-9]+)+", digits):
        return digits.replace("_", "")
    if re.fullmatch(r"[0-9]+(?:,0{3,})+", digits):
        return digits.replace(",", "")  # grouped otherwise, as 1,0000: no list has such numbers
    return None


def _signed(text: str, start: int) -> tuple[int, int]:
    """Where the number begins, sign included, and its sign.

    A minus between two operands, in a range or at the head of a list item is none.
    """
    offset = max(start - _LOOK_BACK, 0)
    before = text[offset:start]
    found = _MINUS.search(before)
    if found is None:
        return start, 1
    left = text[max(offset + found.start() - 3, 0) : offset + found.start()]
    operand = left.rstrip()[-1:]
    if operand.isdigit() or _joined(left[-1:]) or (operand and operand in ")]}%"):
        return start, 1
    is_word = len(found[1]) > 1
    spaced = bool(found[2]) and not is_word
    is_bullet = spaced and (left[-1:] == "\n" or offset + found.start() == 0) and "\n" in text
    if is_bullet or (spaced and operand.isalpha() and not _IS.search(before[: found.start()])):
        return start, 1
    return offset + found.start(), -1


def _joined(before: str) -> bool:
    """Whether a dash behind this character joins: B-2, but not 合計-2."""
    return before.isdigit() or (before != "" and _binds(before))


_IS = re.compile(r"\b(?:is|was|of|be|to)[ ]$", re.I)


def _scale(text: str, end: int, start: int) -> tuple[int, int]:
    """What "million" multiplies by, and where it ends; a bare k or M needs a currency before."""
    found = _SCALE.match(text, end)
    if found is None:
        return 1, end
    if found[2] and not _PAID.search(text[max(start - 4, 0) : start]):
        return 1, end
    return 10 ** _SCALES[(found[1] or found[2] or found[3]).lower()], found.end()
