"""The colours and the look that all figures share (see `helpers.plots`)."""

from __future__ import annotations

CARD, INK, FAINT = "#f1f1ee", "#22262d", "#c9c9c4"  # background, text and axes, grid
BLUE, ORANGE, GREEN, PURPLE, BROWN, GREY = "#0067a8", "#cf5600", "#009e58", "#6d2360", "#3d2b1f", "#767b82"
POSITIVE, NEGATIVE, BOUNDARY = BLUE, ORANGE, "#ffffff"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, BROWN, GREY)
SIGNED, UNSIGNED = "course_signed", "course_unsigned"  # colour maps: orange - white - blue, white - blue


def use_style() -> None:
    """Make the look the default of matplotlib; `figure` does it by itself."""
    import matplotlib
    from cycler import cycler
    from matplotlib.colors import LinearSegmentedColormap

    for name, colours in {SIGNED: (NEGATIVE, BOUNDARY, POSITIVE), UNSIGNED: (BOUNDARY, BLUE, "#00263f")}.items():
        if name not in matplotlib.colormaps:
            colormap = LinearSegmentedColormap.from_list(name, colours)
            matplotlib.colormaps.register(colormap.with_extremes(bad=FAINT))
    ink = ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color", "axes.edgecolor")
    matplotlib.rcParams.update({
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor"), CARD),
        **dict.fromkeys(ink, INK),
        **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
        "axes.prop_cycle": cycler(color=CYCLE),
        "axes.grid": True, "axes.axisbelow": True, "grid.color": FAINT, "grid.linewidth": 0.8,
        "legend.framealpha": 0.9, "legend.edgecolor": CARD,
        "figure.constrained_layout.h_pad": 0.1, "figure.constrained_layout.w_pad": 0.1,
        "axes.titlesize": 12, "axes.titleweight": "bold", "axes.titlelocation": "left",
        "font.size": 11, "lines.linewidth": 2.0, "lines.markersize": 6, "image.cmap": UNSIGNED,
    })  # fmt: skip
