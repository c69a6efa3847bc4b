"""Who and what the embedded world is made of."""

from __future__ import annotations

NAMES = (
    "Ada", "Ben", "Carla", "Dario", "Elsa", "Finn", "Greta", "Hugo", "Ines", "Jonas",
    "Kira", "Leo", "Mara", "Nils", "Olga", "Pavel", "Rosa", "Sami", "Tara", "Uwe", "Vera",
    "Wim", "Yara", "Zeno", "Anton", "Bea", "Cleo", "Dora", "Emil", "Flora", "Gus", "Hanna",
    "Ivo", "Jana", "Karl", "Lena", "Milo", "Nora", "Otto", "Petra", "Rudi", "Selma",
    "Tilda", "Viktor", "Wanda", "Yusuf", "Zara", "Ruben",
)  # fmt: skip
TOWNS = (
    "Lindow", "Marrow", "Tolby", "Ferris", "Oakham", "Brill", "Sundale", "Harve", "Wexley",
    "Pinmoor", "Garth", "Eastby", "Colm", "Dunmere", "Rookley", "Stavely", "Winfold",
    "Hexton", "Arden", "Morley", "Alder", "Bexhill", "Crayford", "Denby", "Elmstead",
    "Fawley", "Goring", "Hadlow", "Ivybridge", "Kelby", "Langport", "Midhurst", "Norley",
    "Otter", "Penfold", "Quarley", "Romsey", "Selby", "Tarrant", "Upton",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
COLOURS = ("red", "blue", "green", "white", "black", "yellow", "brown", "grey")
WEATHER = ("rain", "snow", "fog", "sunshine", "wind", "frost")
TRADES = (
    "baker",
    "farmer",
    "nurse",
    "painter",
    "sailor",
    "teacher",
    "tailor",
    "driver",
    "gardener",
    "singer",
    "miller",
    "potter",
    "guard",
    "cook",
)
AUDIENCES = (
    *TRADES,
    "child",
    "visitor",
    "neighbour",
    "pupil",
    "parent",
    "judge",
    "writer",
    "dancer",
    "hunter",
    "monk",
    "mayor",
    "clerk",
    "postman",
    "carpenter",
    "shepherd",
    "student",
)
