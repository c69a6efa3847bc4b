"""Who and what the embedded world is made of."""

from __future__ import annotations

NAMES = (
    "Ada", "Ben", "Carla", "Dario", "Elsa", "Finn", "Greta", "Hugo", "Ines", "Jonas",
    "Kira", "Leo", "Mara", "Nils", "Olga", "Pavel", "Rosa", "Sami", "Tara", "Uwe", "Vera",
    "Wim", "Yara", "Zeno", "Anton", "Bea", "Cleo", "Dora", "Emil", "Flora", "Gus", "Hanna",
    "Ivo", "Jana", "Karl", "Lena", "Milo", "Nora", "Otto", "Petra", "Rudi", "Selma",
    "Tilda", "Viktor", "Wanda", "Yusuf", "Zara", "Ruben",
)  # fmt: skip
COLOURS = ("red", "blue", "green", "white", "black", "yellow", "brown", "grey")
