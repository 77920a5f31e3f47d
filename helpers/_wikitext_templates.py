"""The few templates that carry a word of their sentence, and which word."""

from __future__ import annotations

import re
from collections.abc import Callable

from mwparserfromhell.nodes import Template
from mwparserfromhell.wikicode import Wikicode

# Templates that stand for the text in one of their places ("1" is the first positional argument).
_ARGUMENT = {
    **dict.fromkeys(("nowrap", "small", "smaller", "big", "quote", "cquote", "quotation", "blockquote"), "1"),
    **dict.fromkeys(("vanchor", "nihongo", "keypress", "sc", "linktext", "tooltip", "abbr", "sup", "sub"), "1"),
    **dict.fromkeys(("ipa", "railgauge", "track gauge", "flag", "flagcountry", "plainlist", "visible anchor"), "1"),
    **dict.fromkeys(("longitem", "lang", "resize", "script", "columns-list", "font", "ship"), "2"),
    **dict.fromkeys(("oldstyledate", "hebrew", "unicode", "polytonic", "nobold", "nobr", "poemquote"), "1"),
}
_WORDS = {"nbsp": " ", "spaces": " ", "'s": "'s", "'": "'", "snd": " – ", "spnd": " – ", "mdashb": "—", "mdash": "—",
          "ndash": "–", "·": " · ", "•": " • ", "pipe": "|", "!": "|", "'\"": "'\"", "\"'": "\"'"}  # fmt: skip
_UNITS = {"mi": "miles", "km": "kilometres", "m": "metres", "ft": "feet", "in": "inches", "cm": "centimetres",
          "mm": "millimetres", "sqmi": "square miles", "km2": "square kilometres", "m2": "square metres",
          "lb": "pounds", "kg": "kilograms", "acre": "acres", "nmi": "nautical miles", "yd": "yards", "C": "°C",
          "F": "°F", "mph": "miles per hour", "km/h": "kilometres per hour", "ha": "hectares", "carat": "carats",
          "ft/s": "feet per second", "oilbbl": "barrels", "oilbbl/d": "barrels per day", "m3": "cubic metres",
          "ft3": "cubic feet", "cuft": "cubic feet", "USgal": "gallons", "LT": "long tons", "C-change": "°C",
          "PD/sqmi": "people per square mile", "MT": "tonnes"}  # fmt: skip
_SCALES = {"e3": "thousand", "e6": "million", "e9": "billion", "k": "thousand", "M": "million", "G": "billion",
           "T": "trillion"}  # fmt: skip
_BETWEEN = {"to": " to ", "-": "–", "–": "–", "and": " and ", "or": " or ", "x": " × ", "by": " by ",
            "to(-)": " to ", "and(-)": " and "}  # fmt: skip


def template_text(template: Template, render: Callable[[Wikicode], str]) -> str:
    """The words that `template` puts into its sentence; "" if it puts none. `render`: text of a piece of wikitext."""
    name = str(template.name).strip().lower().replace("_", " ")
    args = [render(p.value).strip() for p in template.params if not p.showkey]
    if name in _WORDS:
        return _WORDS[name]
    if name.startswith("lang-") and args:
        return args[0]
    if (place := _ARGUMENT.get(name)) is not None:
        places = (place, "text") if place == "1" else (place,)
        return next((render(template.get(p).value).strip() for p in places if template.has(p)), "")
    if not args:
        return ""
    match name:
        case "convert" | "cvt":
            return _quantity(args)
        case "transl" | "transliteration":
            return args[-1]
        case "as of":
            return f"{'as' if template.has('lc') else 'As'} of {args[0]}"
        case "circa" | "c.":
            return f"c. {args[0]}"
        case "chem":
            return "".join(args)
        case "frac":
            return "/".join(args) if len(args) < 3 else f"{args[0]} {args[1]}/{args[2]}"
        case "val":
            error = "".join(a if a.startswith("(") else f"±{a}" for a in args[1:2])
            power = f"×10^{template.get('e').value}" if template.has("e") else ""
            return f"{args[0]}{error}{power} {template.get('u').value if template.has('u') else ''}".strip()
        case "simplenuclide2" | "simplenuclide":
            return "-".join(args[:2])
        case "angbr":
            return f"⟨{args[0]}⟩"
        case "uss" | "hms":
            return f"{name.upper()} {args[0]}"
        case "hlist" | "unbulleted list":
            return ", ".join(args)
    return ""


def _quantity(args: list[str]) -> str:
    """`1300 | mi | km` is read "1,300 miles", `5 | to | 8 | ft` "5 to 8 feet", `2 | e6acre` "2 million acres"."""
    number, unit = _grouped(args[0]), args[1] if len(args) > 1 else ""
    if len(args) > 3 and unit in _BETWEEN:
        number, unit = number + _BETWEEN[unit] + _grouped(args[2]), args[3]
    if unit not in _UNITS and (scaled := re.fullmatch(r"(e\d|[kMGT])(.+)", unit)) and scaled[2] in _UNITS:
        number, unit = f"{number} {_SCALES.get(scaled[1], scaled[1])}", scaled[2]
    return f"{number} {_UNITS.get(unit, unit)}".strip()


def _grouped(number: str) -> str:
    return f"{int(number):,}" if re.fullmatch(r"\d{4,}", number) else number
