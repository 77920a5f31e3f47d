import base64
import io
import itertools
import subprocess
import sys

import matplotlib
import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from PIL import Image

from helpers import plots

pytestmark = pytest.mark.filterwarnings("error")  # a missing glyph or an unregistered map must not reach stderr


def linear(colour: str) -> np.ndarray:
    """sRGB to linear light (IEC 61966-2-1)."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """Contrast ratio of WCAG 2.2."""
    bright, dark = sorted((linear(c) @ [0.2126, 0.7152, 0.0722] for c in (a, b)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """Linear sRGB to CIE L*a*b* (D65)."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    f = np.cbrt(np.clip(to_xyz @ rgb / [0.9505, 1.0, 1.089], 1e-6, None))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# Machado, Oliveira and Fernandes (2009), severity 1.0; they act on linear light.
EYES = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def png(fig) -> np.ndarray:
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=100)
    return np.asarray(Image.open(buffer).convert("RGB")).astype(int)


def near(pixel, colour: str, slack: int = 40) -> bool:
    return bool(np.abs(np.array(pixel) - [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).max() <= slack)


def test_text_is_readable_because_the_card_brings_its_own_background():
    fig, ax = plots.figure()
    ax.set_title("t")
    assert contrast(plots.INK, plots.CARD) >= 7  # WCAG AAA
    assert (png(fig)[:3, :3] == [int(plots.CARD[i : i + 2], 16) for i in (1, 3, 5)]).all()  # opaque to its corner
    assert ax.title.get_color() == plots.INK
    assert contrast(plots.CARD, "#111111") >= 3, "the card must stand out on a dark page"


@pytest.mark.parametrize("colour", plots.CYCLE)
def test_every_line_colour_stands_out_from_the_card(colour):
    assert contrast(colour, plots.CARD) >= 3  # WCAG 1.4.11, graphical objects


@pytest.mark.parametrize("eyes", EYES)
def test_colours_stay_apart_for_colour_blind_eyes(eyes):
    seen = {c: lab(np.clip(EYES[eyes] @ linear(c), 0, 1)) for c in plots.CYCLE}
    apart = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in itertools.combinations(plots.CYCLE, 2)}
    assert apart[plots.POSITIVE, plots.NEGATIVE] > 40
    assert min(apart.values()) > 20, min(apart, key=apart.get)


def test_bars_show_labels_and_percentages():
    fig, ax = plots.figure()
    plots.bars(ax, [" Mozart", "$x^2", "中\n"], torch.tensor([0.5, 0.25, 0.0004]), highlight=1)
    png(fig)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["·Mozart", "$x^2", "U+4E2D⏎"]
    assert [text.get_text() for text in ax.texts] == ["50.0%", "25.0%", "<0.1%"]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.5, 0.25, 0.0004])
    assert [matplotlib.colors.to_hex(bar.get_facecolor()) for bar in ax.patches][:2] == [plots.BLUE, plots.ORANGE]
    assert ax.yaxis_inverted()
    with pytest.raises(ValueError, match="2 labels for values of shape"):
        plots.bars(ax, ["a", "b"], [0.1])


def test_a_heatmap_is_orange_below_zero_blue_above_and_grey_where_masked():
    fig, ax = plots.figure()
    plots.heatmap(ax, torch.tensor([[-2.0, 2.0], [0.0, -torch.inf]], dtype=torch.bfloat16), ["a", "b"], ["c", "d"])
    image = ax.images[0]
    (orange, blue), (white, grey) = image.to_rgba(image.get_array(), bytes=True)[..., :3]
    assert near(orange, plots.ORANGE) and near(blue, plots.BLUE) and near(white, "#ffffff") and near(grey, plots.FAINT)
    assert [text.get_text() for text in ax.texts] == ["-2", "2", "0", "-inf"]
    png(fig)
    with pytest.raises(ValueError, match=r"shape \(2, 2, 2\)"):
        plots.heatmap(ax, torch.zeros(2, 2, 2))


def test_a_heatmap_without_negative_values_starts_at_white():
    _, ax = plots.figure()
    plots.heatmap(ax, np.array([[0.0, 0.5], [1.0, 0.25]]), numbers=False)
    image = ax.images[0]
    assert image.get_clim() == (0, 1) and not ax.texts
    assert near(image.to_rgba(image.get_array(), bytes=True)[0, 0, :3], "#ffffff", 3)


@pytest.mark.parametrize("boundary", [0.0, 0.5])
def test_a_decision_region_is_blue_where_positive_with_a_white_line_between(boundary):
    fig, ax = plots.figure(size=(4, 4))

    def score(points):  # positive to the right of x_1 = 0.5, whatever x_2
        assert points.dtype == torch.float32 and points.shape[1:] == (2,)
        z = 8 * (points[:, 0] - 0.5)
        return torch.sigmoid(z) if boundary else z

    plots.decision_region(ax, score, boundary=boundary)
    ax.set_axis_off()
    pixels = png(fig)
    x, y = ax.transData.transform([[0.9, 0.7], [-0.9, 0.7], [0.5, -0.3]]).T.round().astype(int)
    right, left, edge = pixels[len(pixels) - y, x]
    assert right[2] > right[0] + 40, "blue on the right"
    assert left[0] > left[2] + 40, "orange on the left"
    assert near(edge, "#ffffff", 12), "white on the boundary"


def test_data_is_drawn_by_its_label_and_sets_the_extent():
    fig, ax = plots.figure()
    x = torch.tensor([[2.0, 0.0], [-4.0, 1.0], [1.0, 1.0]])
    plots.decision_region(ax, lambda p: p[:, 0], x, torch.tensor([1, 0, 1]))
    positive, negative = ax.collections[-2:]
    assert positive.get_offsets().tolist() == [[2, 0], [1, 1]] and negative.get_offsets().tolist() == [[-4, 1]]
    assert ax.images[0].get_extent() == pytest.approx([-4.4, 4.4, -4.4, 4.4])
    png(fig)


def test_a_classifier_of_one_mind_is_drawn_too():
    fig, ax = plots.figure()
    plots.decision_region(ax, lambda p: torch.ones(len(p)))
    png(fig)


def test_a_caption_is_plain_text_where_there_is_no_notebook(capsys):
    fig, _ = plots.figure()
    plots.caption(fig, "A line goes up.", alt="An axis.")
    assert capsys.readouterr().out == "[Figure: An axis.]\nA line goes up.\n"
    with pytest.raises(ValueError, match="needs a caption"):
        plots.caption(fig, "A line goes up.", alt=" ")


def test_in_a_notebook_a_figure_is_shown_once_with_its_alt_text():
    source = """
from helpers import plots
import matplotlib.pyplot as plt
fig, ax = plots.figure({})
ax.plot([1, 2])
plots.caption(fig, "a < b", alt='says "x" & y')
"""
    cells = [
        nbformat.v4.new_code_cell(source.format("")),
        nbformat.v4.new_code_cell(source.replace("plots.figure({})", "plt.subplots()")),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    for cell in notebook.cells:
        assert [output.output_type for output in cell.outputs] == ["display_data"]
        shown = cell.outputs[0].data["text/html"]
        assert 'alt="says &quot;x&quot; &amp; y"' in shown and "<figcaption>a &lt; b</figcaption>" in shown
        raw = base64.b64decode(shown.split("base64,")[1].split('"')[0])
        assert Image.open(io.BytesIO(raw)).width > 600
        assert cell.outputs[0].data["text/plain"] == '[Figure: says "x" & y]\na < b'


def test_importing_it_does_not_import_matplotlib():
    code = "import sys, helpers.plots; print([m for m in ('torch', 'numpy', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
