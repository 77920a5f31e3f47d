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

from helpers._wikitext_formulas import formula
from helpers._wikitext_layout import HEADING, ITEM, layout
from helpers._wikitext_templates import template_text

_DROPPED_TAGS = {
    *("ref", "references", "gallery", "table", "timeline", "imagemap", "score", "hr", "source", "syntaxhighlight"),
    *("templatestyles", "graph", "ce", "td", "th", "tr"),
}
_NAMESPACE = re.compile(r"((?i:file|image|media|category)|[a-z]{2}|be-x-old)\s*:")
_PROJECT = re.compile(r"(wikt|wiktionary|wp|wikipedia|w|s|wikisource|wikiquote|v|species|commons|template)\s*:", re.I)
_LANGUAGE_HINT = re.compile(r":[a-z]{2,3}:")
_SUPERSCRIPT = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")


def plain_text(wikitext: str) -> str:
    """The prose of one page. Paragraphs are separated by an empty line."""
    return layout(_render(parse(wikitext)))


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
            return f"\n\n{HEADING}{node.level}{_render(node.title).strip()}\n\n"
        case nodes.Template():
            return template_text(node, _render)
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
        return ITEM
    if name in _DROPPED_TAGS or any("display:none" in str(a.value).replace(" ", "") for a in tag.attributes):
        return ""
    if name == "br":
        return " "
    text = _render(tag.contents) if tag.contents is not None else ""
    match name:
        case "math":
            return formula(str(tag.contents))
        case "sup":
            return text.translate(_SUPERSCRIPT) if re.fullmatch(r"[-−+]?\d+[-−+]?", text.strip()) else text
        case "poem":
            return text.replace("\n", f"\n{ITEM}")
        case "li" | "dd" | "dt":
            return f"\n{ITEM}{text.strip()}\n"
        case "blockquote" | "div" | "p" | "center":
            return f"\n\n{text.strip()}\n\n"
    return text
