"""Recording a run, leafing through it, and the picture of one call where nobody can click."""

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from helpers.widgets import module_html, module_record
from helpers.widgets.module_browser import ALL, ANY, OUTSIDE, ModuleBrowser, module_browser, part_of, recording
from helpers.widgets.module_record import COLUMNS, ROWS, Glimpse, glimpses


class Split(nn.Module):
    def forward(self, x, *, shift, flag=True):
        return x + shift, {"half": x / 2, "nothing": None}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
        self.split = Split()

    def forward(self, x, shift):
        for layer in self.layers:
            x = layer(x)
        return self.split(x, shift=shift)[0]


class Failing(nn.Module):
    def forward(self, x):
        raise RuntimeError("no")


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@pytest.fixture
def calls():
    with recording(net := Net()) as found:
        net(torch.ones(2, 3), shift=torch.zeros(3))
    return found


def test_every_call_is_written_down_in_the_order_in_which_calls_end(calls):
    assert [call.name for call in calls] == ["layers.0", "layers.1", "split", ""]
    assert [call.kind for call in calls] == ["Linear", "Linear", "Split", "Net"]
    assert calls[0].parameters == 12 and calls[2].parameters == 0


def test_positional_and_keyword_inputs_and_nested_outputs(calls):
    split = calls[2]
    assert [(g.label, g.title) for g in split.positional] == [("0 (x)", "(2, 3) float32")]
    assert [(g.label, g.title) for g in split.keyword] == [("shift", "(3,) float32")]
    assert [(g.label, g.title) for g in split.output] == [
        ("[0]", "(2, 3) float32"), ("[1].half", "(2, 3) float32"), ("[1].nothing", "None")]  # fmt: skip


def test_hooks_are_gone_afterwards_and_others_stay():
    net = Net()
    net.layers[0].register_forward_hook(lambda *_: None)
    with recording(net):
        assert hooks(net) == 1 + 5
    assert hooks(net) == 1


def test_hooks_are_gone_after_an_error():
    net = nn.Sequential(nn.Linear(2, 2), Failing())
    with pytest.raises(RuntimeError, match="no"), recording(net) as found:
        net(torch.ones(1, 2))
    assert hooks(net) == 0
    assert [call.name for call in found] == ["0"]


def test_what_is_kept_is_a_copy():
    net = nn.Sequential(nn.Linear(2, 2))
    with recording(net) as found:
        out = net(torch.ones(1, 2))
    before = found[0].output[0].values.copy()
    out.data.zero_()
    assert np.array_equal(found[0].output[0].values, before)


def test_no_more_calls_than_fit_are_kept(monkeypatch):
    monkeypatch.setattr(module_record, "MOST_CALLS", 3)
    net = nn.ReLU()
    with recording(net) as found:
        for _ in range(5):
            net(torch.ones(1))
    assert len(found) == 3


def test_a_tensor_is_one_glimpse_however_long_its_batch():
    (glimpse,) = glimpses("x", torch.zeros(500, 30, 200))
    assert glimpse.values.shape == (ROWS, COLUMNS)
    assert "[0]" in glimpse.note and f"rows 0–{ROWS - 1} of 30" in glimpse.note


@pytest.mark.parametrize("value, shape", [
    (torch.tensor(2.5), (1, 1)), (torch.arange(4), (1, 4)), (torch.zeros(2, 3), (2, 3)),
    (torch.zeros(1, 2, 3, 4, dtype=torch.bfloat16), (3, 4)), (torch.ones(2, 2, dtype=torch.bool), (2, 2)),
])  # fmt: skip
def test_tensors_of_any_rank_and_type(value, shape):
    (glimpse,) = glimpses("x", value)
    assert glimpse.values.shape == shape


@pytest.mark.parametrize("value", [
    torch.zeros(2, 0), torch.zeros(3, device="meta"), torch.zeros(2, dtype=torch.cfloat),
])  # fmt: skip
def test_tensors_without_values_to_show(value):
    (glimpse,) = glimpses("x", value)
    assert glimpse.values is None and str(tuple(value.shape)) in glimpse.title


def test_statistics_are_of_the_whole_tensor():
    value = torch.zeros(100, 200)
    value[99, 199], value[98, 198] = 7, -3
    (glimpse,) = glimpses("x", value)
    assert "from -3 to 7" in glimpse.note


def test_a_cache_tells_its_length():
    from transformers import DynamicCache

    cache = DynamicCache()
    cache.update(torch.zeros(1, 1, 5, 2), torch.zeros(1, 1, 5, 2), 0)
    assert glimpses("past", cache)[0].title == "DynamicCache, 5 tokens"


def test_heatmap_colours():
    picture = Image.open(io.BytesIO(module_html.heatmap_png(np.array([[1.0, -1.0, 0.0, np.nan]]))))
    width = picture.width // 4
    blue, orange, white, grey = (picture.getpixel((width * i + width // 2, 2)) for i in range(4))
    assert blue[2] > blue[0] and orange[0] > orange[2]
    assert white == (255, 255, 255) and grey == (128, 128, 128)


def test_giants_do_not_bleach_the_picture():
    values = np.full((10, 96), 0.5)
    values[0, 0] = 1e6
    picture = np.asarray(Image.open(io.BytesIO(module_html.heatmap_png(values))))
    assert (picture[-1, -1] < 255).any()


@pytest.mark.parametrize("values", [np.zeros((2, 2)), np.full((1, 3), np.nan), np.zeros((1, 1), dtype=int)])
def test_pictures_of_nothing(values):
    assert module_html.heatmap_png(values).startswith(b"\x89PNG")


def test_html_is_escaped_and_pictures_have_alternative_text(calls):
    strange = module_record.Call("<b>", "Kind", 0, (Glimpse("a<b", "<i>"),), (), ())
    html = module_html.call_html(strange)
    assert "<b>&lt;b&gt;" in html and "a&lt;b" in html and "<i>" not in html
    html = module_html.call_html(calls[2])
    assert html.count("<img alt=") == html.count("<img") == 4
    assert "Keyword inputs" in html and "shift" in html


def test_whole_numbers_are_written_out():
    call = module_record.Call("e", "Embedding", 1, glimpses("ids", torch.tensor([[31, 7]])), (), ())
    assert "31 7" in module_html.call_html(call) and "<img" not in module_html.call_html(call)


def test_menus_narrow_the_list(calls):
    browser = ModuleBrowser(calls, start=2)
    assert browser.call.value == 2 and "split · Split" in browser.view.value
    assert list(browser.part.options) == [ALL, "layers.0", "layers.1", OUTSIDE]
    browser.kind.value = "Linear"
    assert browser.listed == [0, 1] and browser.call.value == 0 and "2 of 4" in browser.count.value
    browser.part.value = "layers.1"
    assert browser.listed == [1] and "layers.1" in browser.view.value
    browser.part.value = OUTSIDE
    assert browser.listed == [] and browser.call.value is None and "No call" in browser.view.value
    browser.kind.value = ANY
    assert browser.listed == [2, 3] and browser.call.value == 2


def test_the_choice_stays_where_it_is_still_listed(calls):
    browser = ModuleBrowser(calls, start=1)
    browser.kind.value = "Linear"
    assert browser.call.value == 1


def test_buttons_step_through_the_list_and_stop_at_its_ends(calls):
    browser = ModuleBrowser(calls)
    browser.back.click()
    assert browser.call.value == 0
    for _ in range(6):
        browser.forward.click()
    assert browser.call.value == 3 and "(the model)" in browser.view.value
    browser.back.click()
    assert browser.call.value == 2


@pytest.mark.parametrize("name, part", [
    ("model.layers.12.self_attn.q_proj", "model.layers.12"), ("transformer.h.0", "transformer.h.0"), ("0", "0"),
    ("lm_head", OUTSIDE), ("", OUTSIDE), ("net.conv1d.weightless", OUTSIDE),
])  # fmt: skip
def test_part_of(name, part):
    assert part_of(module_record.Call(name, "", 0, (), (), ())) == part


def test_without_a_front_end_one_call_is_told(calls, capsys):
    module_browser(calls, first="split")
    out = capsys.readouterr().out
    assert re.search(r"shift \(3,\) float32", out) and "4 calls" in out


def test_errors_say_what_to_do(calls):
    with pytest.raises(ValueError, match="with recording"):
        module_browser([])
    with pytest.raises(ValueError, match="nowhere"):
        module_browser(calls, first="nowhere")
