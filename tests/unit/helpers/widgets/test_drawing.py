import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

from helpers.plots import BLUE, ORANGE
from helpers.widgets import drawing
from helpers.widgets.setting import Setting
from helpers.widgets.trainer import Regions, Trainer

SIDE = drawing.SIDE * drawing.SCALE
NOTHING = Image.new("RGBA", (SIDE, SIDE))


def opened(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).astype(int)


def regions_of(p):
    return Regions(np.broadcast_to(p, (drawing.GRID, drawing.GRID)), [])


def towards(colour, pixel):
    """How far a pixel lies from white in the direction of `colour`, 0 to 1."""
    way = np.array(ImageColor.getrgb(colour)) - 255
    return float((pixel[..., :3].reshape(-1, 3).mean(axis=0) - 255) @ way / (way @ way))


@pytest.mark.parametrize(("p", "colour"), [(1.0, BLUE), (0.0, ORANGE)])
def test_blue_is_positive_and_orange_negative(p, colour):
    picture = opened(drawing.regions_jpeg(regions_of(p), NOTHING))
    assert picture.shape == (SIDE, SIDE, 4)
    assert towards(colour, picture) == pytest.approx(0.75, abs=0.03)


def test_the_boundary_is_white_and_the_scale_has_its_middle_there():
    picture = opened(drawing.regions_jpeg(regions_of(0.5), NOTHING))
    assert picture[..., :3].min() >= 253
    faint_blue = opened(drawing.regions_jpeg(regions_of(0.6), NOTHING))
    faint_orange = opened(drawing.regions_jpeg(regions_of(0.4), NOTHING))
    assert towards(BLUE, faint_blue) == pytest.approx(towards(ORANGE, faint_orange), abs=0.02)


def test_even_a_sudden_boundary_is_white():
    step = (np.arange(drawing.GRID) >= drawing.GRID // 2).astype(float)
    picture = opened(drawing.regions_jpeg(regions_of(step), NOTHING))
    middle = picture[SIDE // 2, :, :3].min(axis=1)
    assert middle[SIDE // 2 - 4 : SIDE // 2 + 4].max() > 225
    assert towards(ORANGE, picture[:, :50]) > 0.7 and towards(BLUE, picture[:, -50:]) > 0.7


def test_points_are_where_they_should_be():
    trainer = Trainer(Setting())
    trainer.train_points = torch.tensor([[3.0, 2.0]]), torch.tensor([1.0])
    trainer.test_points = torch.tensor([[-3.0, -2.0]]), torch.tensor([0.0])
    overlay = np.asarray(drawing.points_overlay(trainer)).astype(int)
    blue, orange = (np.array(ImageColor.getrgb(colour)) for colour in (BLUE, ORANGE))
    assert np.abs(overlay[SIDE // 4, SIDE * 7 // 8, :3] - blue).max() < 5, "filled, right of the middle and above"
    assert overlay[SIDE * 3 // 4, SIDE // 8, :3].min() > 250, "hollow, left of the middle and below"
    near = overlay[SIDE * 3 // 4 - 6 : SIDE * 3 // 4 + 6, SIDE // 8 - 6 : SIDE // 8 + 6, :3].reshape(-1, 3)
    assert np.abs(near - orange).max(axis=1).min() < 5, "with an orange rim"
    assert (overlay[..., 3] > 0).mean() < 0.002, "the rest is clear"


@pytest.mark.parametrize("hidden", [(), (1,), (4, 2), (16, 16, 16, 16)])
def test_the_network_picture_has_a_square_for_each_neuron_and_a_clear_ground(hidden):
    trainer = Trainer(Setting(hidden=hidden))
    picture = opened(drawing.network_png(trainer, trainer.regions(drawing.GRID)))
    assert picture.shape == (SIDE, SIDE, 4)
    assert picture[0, SIDE // 2, 3] == 0
    assert (picture[..., 3] > 0).any()


def test_lines_show_the_sign_of_weights():
    trainer = Trainer(Setting(hidden=()))
    weight = trainer.layers[0].weight.detach()
    for sign, colour in ((1, BLUE), (-1, ORANGE)):
        weight.copy_(torch.tensor([[3.0 * sign, 3.0 * sign]]))
        picture = opened(drawing.network_png(trainer, trainer.regions(drawing.GRID)))
        between = picture[:, SIDE // 2]
        seen = {tuple(pixel[:3]) for pixel in between if pixel[3]}
        assert seen == {ImageColor.getrgb(colour)}


def test_a_diverged_network_can_still_be_drawn():
    trainer = Trainer(Setting())
    for weight in trainer.layers.parameters():
        weight.data.fill_(float("nan"))
    regions = trainer.regions(drawing.GRID)
    assert opened(drawing.regions_jpeg(regions, NOTHING))[..., :3].min() >= 253
    opened(drawing.network_png(trainer, regions))
