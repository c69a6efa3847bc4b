"""A text as it looks: a shadow in plain letters and brackets, each with its place in the text.

Zero-width characters and combining marks are nothing in it, full-width, mathematical and look-alike
letters are the Latin ones they resemble, and brackets of every kind are `<`, `[`, `(` or `{`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

_CYRILLIC = "АВЕКМНОРСТУХЅІЈԚԜЗасеорхуіјѕһԁԛԝкмтнвгпи"
_LATIN = "ABEKMHOPCTYXSIJQW3aceopxyijshdqwkmthbrnu"
_GREEK = "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαοντικρυχωεηγ"
_AS_LATIN = "ABEZHIKMNOPTYXaovtikpuxweny"
_SMALL = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢıɡɑɩʟøłđħᏟᎪᎬᏢꓮꓐꓚօսհոց"
_AS_SMALL = "abcdefghijklmnoprstuvwyzigailoldhcaepabcouhng"
_BRACKETS = {
    "<": "‹〈⟨〈❮❰⧼ᐸ˂≺◁⋖ᑉᚲ",
    "<<": "«《⟪≪",
    "<<<": "⋘",
    ">": "›〉⟩〉❯❱⧽ᐳ˃≻▷⋗ᐅ",
    ">>": "»》⟫≫",
    ">>>": "⋙",
    "[": "【〔〖❲⁅⦋⌈⌊「『",
    "[[": "⟦〚",
    "]": "】〕〗❳⁆⦌⌉⌋」』",
    "]]": "⟧〛",
    "(": "❨⟮⦅",
    ")": "❩⟯⦆",
    "{": "❴⦃",
    "}": "❵⦄",
    "|": "¦∣│┃ǀ❘∥",
    "=": "═゠",
    "-": "‐‑‒–—―−─━﹘➖",
    "\n": "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029",
    "": "\u115f\u1160\u3164\uffa0\u2800\x00",
}
_LOOKS = {
    **dict(zip(_CYRILLIC, _LATIN, strict=True)),
    **dict(zip(_GREEK, _AS_LATIN, strict=True)),
    **dict(zip(_SMALL, _AS_SMALL, strict=True)),
    **{sign: plain for plain, signs in _BRACKETS.items() for sign in signs},
}
_ENCLOSED = (0x1F150, 0x1F170, 0x1F1E6)  # 🅐, 🅰 and 🇦, each the first of an alphabet
_ENTITY = re.compile(r"&(?:(lt|gt|lbrack|rbrack)|#(?:0{0,4}(\d{2,3})|[xX]0{0,4}([0-9a-fA-F]{2})));")
_NAMED = {"lt": "<", "gt": ">", "lbrack": "[", "rbrack": "]"}


class Shadow(NamedTuple):
    """The text as it looks; places[i] is where its i-th character stands in the text."""

    text: str
    places: tuple[int, ...] | range

    def place(self, at: int, end: int) -> tuple[int, int]:
        """A span of the shadow in the text."""
        return self.places[at], self.places[end - 1] + 1


_PLAIN = re.compile(r"[ -%'-~\n\t]+")  # what looks as it is, in one piece; & may be an entity


@lru_cache(maxsize=256)
def shadow(text: str) -> Shadow:
    """How a text looks."""
    if text.isascii() and "&" not in text and "\r" not in text:
        return Shadow(text, range(len(text)))
    seen: list[str] = []
    places: list[int] = []
    entities = {found.start(): found for found in _ENTITY.finditer(text)}
    at = 0
    while at < len(text):
        if (plain := _PLAIN.match(text, at)) is not None:
            looks, end = plain[0], plain.end()
            places += range(at, end)
        else:
            entity = entities.get(at)
            looks, end = look(text[at]), at + 1
            if entity is not None:
                looks, end = _character(entity), entity.end()
            places += [at] * len(looks)
        seen.append(looks)
        at = end
    return Shadow("".join(seen), tuple(places))


def _character(entity: re.Match[str]) -> str:
    name, decimal, hexadecimal = entity.groups()
    return _NAMED[name] if name else chr(int(decimal or hexadecimal, 10 if decimal else 16))


@lru_cache(maxsize=4096)
def look(character: str) -> str:
    """What a character looks like in plain ones; nothing for one that is not seen."""
    if " " <= character <= "~" or character in "\n\t":
        return character
    if character in _LOOKS:
        return _LOOKS[character]
    for first in _ENCLOSED:
        if first <= ord(character) < first + 26:
            return chr(ord("A") + ord(character) - first)
    if unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return ""
    plain = unicodedata.normalize("NFKD", character)
    if plain == character:
        return " " if character.isspace() else character
    return "".join(map(look, plain))
