"""The attention viewer: the shares are those of the formula, the model is left as it was, every control draws."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

from helpers.widgets import attention_viewer as module
from helpers.widgets.attention_drawing import GAP, TILE, head_html, overview_png, without_first
from helpers.widgets.attention_patterns import attention_patterns
from helpers.widgets.attention_viewer import AttentionViewer, attention_viewer

IDS = torch.tensor([[3, 1, 4, 1, 5]])


class Letters:
    """A tokenizer: one token for each letter."""

    def __call__(self, text, return_tensors):
        ids = torch.tensor([[ord(c) % 20 for c in text]], dtype=torch.int64)
        return type("Batch", (), {"input_ids": ids})

    def decode(self, ids):
        return chr(97 + int(ids[0]))


@pytest.fixture(params=["llama", "gpt2"])
def model(request):
    torch.manual_seed(0)
    sizes = {"vocab_size": 20, "bos_token_id": 0, "eos_token_id": 1}
    if request.param == "gpt2":
        config = GPT2Config(n_embd=16, n_layer=3, n_head=4, n_positions=64, **sizes)
    else:
        config = LlamaConfig(hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=4,
                             num_key_value_heads=2, **sizes)  # fmt: skip
    return AutoModelForCausalLM.from_config(config).eval()


def hooks(model):
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())


def test_shares_are_causal_and_sum_to_one(model):
    shares = attention_patterns(model, IDS)
    assert shares.shape == (3, 4, 5, 5)
    torch.testing.assert_close(shares.sum(-1), torch.ones(3, 4, 5))
    assert (shares.triu(1) == 0).all() and (shares.tril() >= 0).all()


def test_shares_are_those_that_transformers_reports(model):
    got = attention_patterns(model, IDS)
    model.set_attn_implementation("eager")
    want = model(IDS, output_attentions=True).attentions
    torch.testing.assert_close(got, torch.cat(want).detach())


def test_the_model_is_left_as_it_was(model):
    before, logits = (model.config._attn_implementation, hooks(model)), model(IDS).logits
    attention_patterns(model, IDS)
    assert (model.config._attn_implementation, hooks(model)) == before
    torch.testing.assert_close(model(IDS).logits, logits)


def test_the_model_is_left_as_it_was_when_it_fails(model):
    before = (model.config._attn_implementation, hooks(model))
    with pytest.raises(IndexError):
        attention_patterns(model, torch.tensor([[3, 999]]))
    assert (model.config._attn_implementation, hooks(model)) == before


def test_one_text_at_a_time(model):
    with pytest.raises(ValueError, match=r"shape \(2, 5\): give the ids of one text"):
        attention_patterns(model, IDS.repeat(2, 1))


def test_without_first_scales_the_rest():
    shares = np.array([[[1.0, 0, 0], [0.8, 0.2, 0], [0.5, 0.125, 0.375]]])
    np.testing.assert_allclose(without_first(shares), [[[0, 0, 0], [0, 1, 0], [0, 0.25, 0.75]]])
    assert shares[0, 0, 0] == 1, "the argument was changed"


def test_overview_has_a_tile_for_each_head_and_frames_the_chosen_one():
    shares = np.zeros((3, 2, 4, 4))
    first, second = (Image.open(io.BytesIO(overview_png(shares, chosen))) for chosen in ((0, 0), (2, 1)))
    assert first.size == (3 * (TILE + GAP) + GAP, 2 * (TILE + GAP) + GAP)
    assert first.getpixel((2, 2)) != second.getpixel((2, 2))


def test_the_table_escapes_tokens_and_names_shares():
    html = head_html(np.array([[1.0, 0.0], [0.25, 0.75]]), ["<b>", " x"], "A & B")
    assert "<b>" not in html and "&lt;b&gt;" in html and "A &amp; B" in html
    assert "·x looks at &lt;b&gt;: 25.0%" in html and "&lt;b&gt; may not look at ·x" in html


def test_every_control_draws(model):
    viewer = AttentionViewer(model, Letters(), "abcde")
    seen = {(viewer.table.value, viewer.overview.value)}
    for control, value in ((viewer.layer, (viewer.layer.value + 1) % 3), (viewer.head, (viewer.head.value + 1) % 4),
                           (viewer.hide, True), (viewer.text, "edcba!")):  # fmt: skip
        control.value = value
        seen.add((viewer.table.value, viewer.overview.value))
    assert len(seen) == 5


def test_a_text_that_is_too_short_says_so_and_the_next_one_works(model):
    viewer = AttentionViewer(model, Letters(), "abc")
    viewer.text.value = "a"
    assert "at least two" in viewer.table.value
    viewer.text.value = "ab"
    assert "<table" in viewer.table.value


def test_a_long_text_is_cut(model):
    viewer = AttentionViewer(model, Letters(), "abcdefghij" * 6)
    assert viewer.table.value.count('<th scope="row"') == module.LONGEST


def test_without_a_kernel_it_says_what_it_would_show(model, capsys):
    attention_viewer(model, Letters(), "abc")
    assert "3 layers with 4 heads" in capsys.readouterr().out
