"""Wikitext to plain prose: what a reader of the page would read aloud, and nothing else.

References, tables, galleries, pictures, categories and most templates are dropped; a template that carries a word
of the sentence (`{{convert|5|km}}`, `{{lang|fr|mot}}`) becomes that word. Headings stay as lines of their own, list
items as lines without their marker. Not handled: expanding templates as MediaWiki does, and formulas beyond a row
of symbols, which are dropped.
"""

from __future__ import annotations

import re

from mwparserfromhell import nodes, parse
from mwparserfromhell.wikicode import Wikicode

# Private marks in the rendered text: they tell headings and list items from prose until the lines are laid out.
_HEADING, _ITEM = "\x01", "\x02"

_DROPPED_TAGS = {
    *("ref", "references", "gallery", "table", "timeline", "imagemap", "score", "hr", "source", "syntaxhighlight"),
    *("templatestyles", "graph", "ce", "td", "th", "tr"),
}
_DROPPED_SECTIONS = {
    *("references", "external links", "see also", "further reading", "notes", "footnotes", "citations", "sources"),
    *("notes and references", "references and notes", "notes and citations", "works cited", "cited works"),
    *("bibliography", "references and sources", "general references", "secondary sources", "primary sources"),
    *("references and further reading", "bibliography and further reading", "footnotes and references"),
    *("explanatory notes", "reference notes", "cited sources", "cited literature", "gallery", "image gallery"),
    *("notes, citations, and references", "historiography and further reading", "online sources", "other sources"),
}
_NAMESPACE = re.compile(r"((?i:file|image|media|category)|[a-z]{2}|be-x-old)\s*:")
_PROJECT = re.compile(r"(wikt|wiktionary|wp|wikipedia|w|s|wikisource|wikiquote|v|species|commons|template)\s*:", re.I)
_LANGUAGE_HINT = re.compile(r":[a-z]{2,3}:")
_STRAY_TAGS = "ref|br|small|su[bp]|span|div|center|nowiki|blockquote|li|[ou]l|s|p|big"
_SUPERSCRIPT = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")

# Templates that stand for the text in one of their places ("1" is the first positional argument).
_ARGUMENT = {
    **dict.fromkeys(("nowrap", "small", "smaller", "big", "quote", "cquote", "quotation", "blockquote"), "1"),
    **dict.fromkeys(("vanchor", "nihongo", "keypress", "sc", "linktext", "tooltip", "abbr", "sup", "sub"), "1"),
    **dict.fromkeys(("ipa", "railgauge", "track gauge", "flag", "flagcountry", "plainlist", "visible anchor"), "1"),
    **dict.fromkeys(("longitem", "lang", "resize", "script", "columns-list", "font", "ship"), "2"),
    **dict.fromkeys(("oldstyledate", "hebrew", "unicode", "polytonic", "nobold", "nobr", "poemquote"), "1"),
}
_WORDS = {"nbsp": " ", "spaces": " ", "'s": "'s", "'": "'", "snd": " – ", "spnd": " – ", "mdashb": "—", "mdash": "—",
          "ndash": "–", "·": " · ", "•": " • ", "pipe": "|", "!": "|", "=": "=", "-": "", "'\"": "'\"", "\"'": "\"'"}
_UNITS = {"mi": "miles", "km": "kilometres", "m": "metres", "ft": "feet", "in": "inches", "cm": "centimetres",
          "mm": "millimetres", "sqmi": "square miles", "km2": "square kilometres", "m2": "square metres",
          "lb": "pounds", "kg": "kilograms", "acre": "acres", "nmi": "nautical miles", "yd": "yards", "C": "°C",
          "F": "°F", "K": "K", "mph": "miles per hour", "km/h": "kilometres per hour", "ha": "hectares"}
_BETWEEN = {"to": " to ", "-": "–", "–": "–", "and": " and ", "or": " or ", "x": " × ", "by": " by ", "to(-)": "–"}

_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho _ sigma tau upsilon phi "
    "chi psi omega"
)
_LATEX = {
    **{name: chr(ord("α") + i) for i, name in enumerate(_GREEK.split())},
    "varepsilon": "ε", "Delta": "Δ", "Omega": "Ω", "Sigma": "Σ", "times": "×", "cdot": "·", "le": "≤", "leq": "≤",
    "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈", "pm": "±", "to": "→", "mapsto": "↦", "in": "∈",
    "infty": "∞", "ldots": "…", "dots": "…", "cdots": "…", "sin": "sin", "cos": "cos", "arcsin": "arcsin",
    "log": "log", "rangle": "⟩", "langle": "⟨", "Rightarrow": "⇒", "rightarrow": "→", "therefore": "∴",
    "lor": "∨", "land": "∧", "neg": "¬", "sum": "∑", "prod": "∏", "int": "∫", "sqrt": "√", "over": "/", "exp": "exp",
    "dotsc": "…", "dotsb": "…", "leftrightarrow": "↔", "text": "", "mathrm": "", "mbox": "", "rm": "", "Big": "",
    "displaystyle": "", "textstyle": "", "quad": " ", "left": "", "right": "",
}  # fmt: skip


def plain_text(wikitext: str) -> str:
    """The prose of one page. Paragraphs are separated by an empty line."""
    return _layout(_render(parse(wikitext)))


def _render(code: Wikicode) -> str:
    return "".join(_node(node) for node in code.nodes)


def _node(node: nodes.Node) -> str:
    match node:
        case nodes.Text():
            return node.value
        case nodes.HTMLEntity():
            return node.normalize()
        case nodes.Wikilink():
            return _link(node)
        case nodes.ExternalLink():
            return _render(node.title) if node.title is not None else ""
        case nodes.Heading():
            return f"\n\n{_HEADING}{node.level}{_render(node.title).strip()}\n\n"
        case nodes.Template():
            return _template(node)
        case nodes.Tag():
            return _tag(node)
    return ""  # comments and template parameters


def _link(link: nodes.Wikilink) -> str:
    title = str(link.title).strip()
    if _NAMESPACE.match(title) or _LANGUAGE_HINT.match(title):
        return ""
    return _render(link.text) if link.text is not None else _PROJECT.sub("", title.lstrip(":#"), count=1)


def _tag(tag: nodes.Tag) -> str:
    name = str(tag.tag).strip().lower()
    if tag.wiki_markup in ("*", "#", ":", ";"):
        return _ITEM
    if name in _DROPPED_TAGS or any("display:none" in str(a.value).replace(" ", "") for a in tag.attributes):
        return ""
    if name == "br":
        return " "
    text = _render(tag.contents) if tag.contents is not None else ""
    match name:
        case "math":
            return _formula(str(tag.contents))
        case "sup":
            return text.translate(_SUPERSCRIPT) if re.fullmatch(r"[-−+]?\d+[-−+]?", text.strip()) else text
        case "poem":
            return text.replace("\n", f"\n{_ITEM}")
        case "li" | "dd" | "dt":
            return f"\n{_ITEM}{text.strip()}\n"
        case "blockquote" | "div" | "p" | "center":
            return f"\n\n{text.strip()}\n\n"
    return text


def _template(template: nodes.Template) -> str:
    name = str(template.name).strip().lower().replace("_", " ")
    args = [_render(p.value).strip() for p in template.params if not p.showkey]
    if name in _WORDS:
        return _WORDS[name]
    if name.startswith("lang-") and args:
        return args[0]
    if (place := _ARGUMENT.get(name)) is not None:
        places = (place, "text") if place == "1" else (place,)
        return next((_render(template.get(p).value).strip() for p in places if template.has(p)), "")
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
            return args[0] + "".join(a if a.startswith("(") else f"±{a}" for a in args[1:2])
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
    """`1300 | mi | km` is read "1300 miles", `5 | to | 8 | ft` "5 to 8 feet"."""
    if len(args) > 3 and args[1] in _BETWEEN:
        number, unit = args[0] + _BETWEEN[args[1]] + args[2], args[3]
    else:
        number, unit = args[0], args[1] if len(args) > 1 else ""
    return f"{number} {_UNITS.get(unit, unit)}".strip()


def _formula(latex: str) -> str:
    """LaTeX on one line, as one would type it; nothing where that cannot be done (matrices, cases)."""
    text = re.sub(r"\\[,;:! ]|~|&", " ", latex)
    text = re.sub(r"\\([{}|])", r"\1", text.replace(r"\{", "⦃").replace(r"\}", "⦄"))
    text = re.sub(r"\\([A-Za-z]+)", lambda m: _LATEX.get(m[1], m[0]), text)
    before = None
    while before != text:  # innermost braces first
        before = text
        text = re.sub(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", lambda m: f"{_group(m[1])}/{_group(m[2])}", text)
        text = re.sub(r"\\bar\s*(?:\{\s*(\S)\s*\}|([^\s{\\]))", lambda m: f"{m[1] or m[2]}\u0304", text)
        text = re.sub(r"(?<!frac)\{([^{}]*)\}(?!\s*\{)", lambda m: _group(m[1]), text)
    if re.search(r"[\\{}]", text):
        return ""
    return " ".join(text.replace("⦃", "{").replace("⦄", "}").split())


def _group(text: str) -> str:
    return f"({text.strip()})" if re.search(r"[-+=/ ]", text.strip()) else text.strip()


def _layout(rendered: str) -> str:
    text = re.sub(r"[\u200b-\u200f\u2060\ufeff\u00ad]", "", rendered)
    text = re.sub(r"[\u00a0\u2000-\u200a\u202f\u3000\t]", " ", text)
    text = re.sub(rf"__[A-Z]+__|'{{2,}}|</?(?:{_STRAY_TAGS})\b[^<>]*>", "", text)
    text = re.sub(r"\{\{[^{}]*\}\}|\[\[(?i:file|image):.*?\]\]|\[\[|\]\]", "", text)  # what the parser gave up on
    blocks: list[str] = []  # paragraphs, headings, and runs of list items
    skipped = 0  # the level of the dropped section we are in
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [line.strip() for line in paragraph.strip().split("\n")]
        if lines[0].startswith(_HEADING):
            level, title = int(lines[0][1]), _tidy(lines[0][2:])
            if not skipped or level <= skipped:
                skipped = level if title.lower() in _DROPPED_SECTIONS else 0
            if not skipped:
                blocks.append(f"{_HEADING}{level}{title}")
        elif not skipped and (block := _paragraph(lines)):
            blocks.append(block)
    return "\n\n".join(block[2:] if block.startswith(_HEADING) else block for block in _with_text(blocks))


def _paragraph(lines: list[str]) -> str:
    """Lines of one paragraph are joined, as on the page; each list item keeps its own line."""
    out: list[str] = []
    for line in lines:
        item = line.startswith(_ITEM)
        line = _tidy(line.replace(_ITEM, ""))
        if not re.search(r"\w", line) or re.match(r"\{?\||\|\}|!", line):  # remains of a table or of a dropped thing
            continue
        if item or not out:
            out.append((_ITEM if item else "") + line)
        elif out[-1].startswith(_ITEM):
            out.append(line)
        else:
            out[-1] = _tidy(f"{out[-1]} {line}")
    return "\n".join(out).replace(_ITEM, "")


def _tidy(line: str) -> str:
    """Mend what a dropped thing left: empty brackets, doubled spaces, a space before a comma."""
    before = None
    while before != line:
        before = line
        line = re.sub(r"\(\s*(?:[,;:]|or\b)\s*", "(", line)
        line = re.sub(r"\s*[,;:]?\s*\)", ")", line) if "(" in line else line
        line = re.sub(r"(^|\s)(\(\s*\)|\[\s*\])", r"\1", line)
        line = re.sub(r" +([,;:!?](?:\s|$)|\.(?!\.))", r"\1", re.sub(r"\s+", " ", line))
        line = re.sub(r"([,;])(?:\s*[,;])+(?=\s|$)", r"\1", line)
        line = re.sub(r"[,;]\.(?=\s|$)", ".", line)
        line = line.replace("( ", "(")
    return line.strip()


def _with_text(blocks: list[str]) -> list[str]:
    """Without the headings that have nothing under them any more."""
    kept: list[str] = []
    deepest = 7
    for block in reversed(blocks):
        if block.startswith(_HEADING):
            level = int(block[1])
            if level >= deepest:  # what follows is a heading of the same or a higher level, or the end
                continue
            deepest = level
        else:
            deepest = 7
        kept.append(block)
    return kept[::-1]
