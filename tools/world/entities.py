"""What the embedded world is made of besides names and colours, which run time knows too."""

from __future__ import annotations

TOWNS = (
    "Lindow", "Marrow", "Tolby", "Ferris", "Oakham", "Brill", "Sundale", "Harve", "Wexley",
    "Pinmoor", "Garth", "Eastby", "Colm", "Dunmere", "Rookley", "Stavely", "Winfold",
    "Hexton", "Arden", "Morley", "Alder", "Bexhill", "Crayford", "Denby", "Elmstead",
    "Fawley", "Goring", "Hadlow", "Ivybridge", "Kelby", "Langport", "Midhurst", "Norley",
    "Otter", "Penfold", "Quarley", "Romsey", "Selby", "Tarrant", "Upton",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
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
