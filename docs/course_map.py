"""Draw docs/images/course_map.svg, the picture of the README: which unit rebuilds which part of the model.

Run: python docs/course_map.py
"""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from helpers.files import write_atomically

OUT = Path(__file__).parent / "images" / "course_map.svg"
INK, BLUE, ORANGE, GREEN, PAPER = "#24292f", "#2f7fc1", "#d9731a", "#2a9d74", "#ffffff"

# centre x, centre y, width, what the model does, which unit rebuilds it, colour
PARTS = [
    (0.9, 2.0, 1.2, "text", "“My favorite\ncomposer is”", INK),
    (2.5, 2.0, 1.4, "tokenizer", "02 tokenizers", ORANGE),
    (4.2, 2.0, 1.4, "embedding", "04 logits,\nembeddings", BLUE),
    (6.3, 2.55, 2.0, "attention + RoPE", "05 attention, RoPE", GREEN),
    (6.3, 1.45, 2.0, "SwiGLU MLP", "01 neural nets", GREEN),
    (8.5, 2.0, 1.4, "lm_head", "04 logits,\nembeddings", BLUE),
    (10.4, 2.0, 1.75, "softmax, sample", "04 logits,\nembeddings", BLUE),
]
AROUND = [
    (1.5, "03 hooks\nwatch every part at work"),
    (4.3, "06 pretraining · 07 scaling\nwhere the weights come from"),
    (7.4, "08 adapting · 09 RLHF\nfrom predictor to assistant"),
    (10.3, "10 flows\nthe same likelihood, for densities"),
]


def box(ax, x: float, y: float, width: float, top: str, below: str, colour: str) -> None:
    ax.add_patch(FancyBboxPatch((x - width / 2, y - 0.36), width, 0.72, boxstyle="round,pad=0.02,rounding_size=0.08",
                                facecolor=PAPER, edgecolor=colour, linewidth=2))
    ax.text(x, y + 0.16, top, ha="center", va="center", fontsize=10, color=INK, weight="bold")
    ax.text(x, y - 0.14, below, ha="center", va="center", fontsize=8.5, color=colour, linespacing=1.05)


def draw() -> str:
    plt.rcParams.update({"svg.hashsalt": "course", "svg.fonttype": "path", "font.family": "DejaVu Sans"})
    figure, ax = plt.subplots(figsize=(11.5, 3.7))
    figure.patch.set_facecolor(PAPER)  # a solid page of its own reads the same in a light and in a dark theme
    ax.set(xlim=(0.1, 11.5), ylim=(0.25, 3.75))
    ax.axis("off")
    ax.add_patch(FancyBboxPatch((5.15, 0.95), 2.3, 2.1, boxstyle="round,pad=0.03,rounding_size=0.1",
                                facecolor="#eef6f2", edgecolor=GREEN, linewidth=1))
    ax.text(7.42, 3.15, "x 30", ha="right", va="center", fontsize=9, color=GREEN)
    for part in PARTS:
        box(ax, *part)
    for left, right in ((1.52, 1.78), (3.22, 3.48), (4.92, 5.12), (7.48, 7.78), (9.22, 9.49)):
        ax.add_patch(FancyArrowPatch((left, 2), (right, 2), arrowstyle="-|>", mutation_scale=12, color=INK))
    ax.text(0.35, 3.5, "One real 135M-parameter model, rebuilt part by part", fontsize=13, color=INK, weight="bold",
            va="center")
    for x, text in AROUND:
        ax.text(x, 0.55, text, ha="center", va="center", fontsize=8.5, color=INK, linespacing=1.3)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return buffer.getvalue()


if __name__ == "__main__":
    write_atomically(OUT, draw())
    print(OUT)
