"""LaTeX formulas as one types them on one line, for text that goes to a tokenizer."""

from __future__ import annotations

import re

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
    "lor": "∨", "land": "∧", "neg": "¬", "sum": "∑", "prod": "∏", "int": "∫", "over": "/", "exp": "exp",
    "dotsc": "…", "dotsb": "…", "leftrightarrow": "↔", "text": "", "mathrm": "", "mbox": "", "rm": "", "Big": "",
    "displaystyle": "", "textstyle": "", "quad": " ", "left": "", "right": "",
}  # fmt: skip


def formula(latex: str) -> str:
    """LaTeX on one line, as one would type it; nothing where that cannot be done (matrices, cases)."""
    text = re.sub(r"\\[,;:! ]|~|&", " ", latex)
    text = re.sub(r"\\([{}|])", r"\1", text.replace(r"\{", "⦃").replace(r"\}", "⦄"))
    text = re.sub(r"\\([A-Za-z]+)", lambda m: _LATEX.get(m[1], m[0]), text)
    before = None
    while before != text:  # innermost braces first
        before = text
        text = re.sub(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", lambda m: f"{_group(m[1])}/{_group(m[2])}", text)
        text = re.sub(r"\\sqrt\s*\{([^{}]*)\}", lambda m: f"√{m[1]}" if len(m[1]) < 2 else f"√({m[1]})", text)
        text = re.sub(r"\\bar\s*(?:\{\s*(\S)\s*\}|([^\s{\\]))", lambda m: f"{m[1] or m[2]}\u0304", text)
        text = re.sub(r"(?<!frac)(?<!sqrt)(?<!bar)(?<!\})\{([^{}]*)\}(?!\s*\{)", lambda m: _group(m[1]), text)
    if re.search(r"[\\{}]", text):
        return ""
    return " ".join(text.replace("⦃", "{").replace("⦄", "}").split())


def _group(text: str) -> str:
    return f"({text.strip()})" if re.search(r"[-+=/ ]", text.strip()) else text.strip()
