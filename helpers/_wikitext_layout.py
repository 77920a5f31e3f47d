"""From rendered wikitext to tidy paragraphs: sections, lines, and the gaps that dropped markup left."""

from __future__ import annotations

import html
import re

# Private marks in the rendered text: they tell headings and list items from prose until the lines are laid out.
HEADING, ITEM = "\x01", "\x02"

_DROPPED_SECTIONS = {
    *("references", "external links", "see also", "further reading", "notes", "footnotes", "citations", "sources"),
    *("notes and references", "references and notes", "notes and citations", "works cited", "cited works"),
    *("bibliography", "references and sources", "general references", "secondary sources", "primary sources"),
    *("references and further reading", "bibliography and further reading", "footnotes and references"),
    *("explanatory notes", "reference notes", "cited sources", "cited literature", "gallery", "image gallery"),
    *("notes, citations, and references", "historiography and further reading", "online sources", "other sources"),
}
_STRAY_TAGS = "ref|br|small|su[bp]|span|div|center|nowiki|blockquote|li|[ou]l|s|p|big"


def layout(rendered: str) -> str:
    """Paragraphs, headings and lists of `rendered`, an empty line between any two of them."""
    text = re.sub(r"&#?\w+;", lambda entity: html.unescape(entity[0]), rendered)  # entities that were escaped twice
    text = re.sub(r"[\u200b-\u200f\u2060\ufeff\u00ad]", "", text)
    text = re.sub(r"[\u00a0\u2000-\u200a\u202f\u3000\t]", " ", text)
    text = re.sub(rf"__[A-Z]+__|'{{2,}}|</?(?:{_STRAY_TAGS})\b[^<>]*>", "", text)
    text = re.sub(r"\{\{[^{}]*\}\}|\[\[(?i:file|image):.*?\]\]|\[\[|\]\]", "", text)  # what the parser gave up on
    blocks: list[str] = []  # paragraphs, headings, and runs of list items
    skipped = 0  # the level of the dropped section we are in
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [line.strip() for line in paragraph.strip().split("\n")]
        if lines[0].startswith(HEADING):
            level, title = int(lines[0][1]), _tidy(lines[0][2:])
            if not skipped or level <= skipped:
                skipped = level if title.lower() in _DROPPED_SECTIONS else 0
            if not skipped:
                blocks.append(f"{HEADING}{level}{title}")
        elif not skipped and (block := _paragraph(lines)):
            blocks.append(block)
    return "\n\n".join(block[2:] if block.startswith(HEADING) else block for block in _with_text(blocks))


def _paragraph(lines: list[str]) -> str:
    """Lines of one paragraph are joined, as on the page; each list item keeps its own line."""
    out: list[str] = []
    for line in lines:
        item = line.startswith(ITEM)
        line = _tidy(line.replace(ITEM, ""))
        if not re.search(r"\w", line) or re.match(r"\{?\||\|\}|!", line) or re.fullmatch(r"\([^()]*\)", line):
            continue  # remains of a table, or of a line whose subject was dropped
        if item or not out:
            out.append((ITEM if item else "") + line)
        elif out[-1].startswith(ITEM):
            out.append(line)
        else:
            out[-1] = _tidy(f"{out[-1]} {line}")
    return "\n".join(out).replace(ITEM, "")


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
        line = re.sub(r" \([$£€] [^()]*\)", "", line.replace("( ", "("))  # ($ in today's money), the sum being computed
    return line.strip()


def _with_text(blocks: list[str]) -> list[str]:
    """Without the headings that have nothing under them any more."""
    kept: list[str] = []
    deepest = 0  # level of the heading that follows: 0 at the end of the page, 7 before text
    for block in reversed(blocks):
        if block.startswith(HEADING):
            level = int(block[1])
            if level >= deepest:
                continue
            deepest = level
        else:
            deepest = 7
        kept.append(block)
    return kept[::-1]
