import collections
import html.parser
import subprocess
import sys
import time

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from torch import nn
from transformers import BatchEncoding, LlamaConfig, LlamaForCausalLM

from helpers.show import show, view


def text(value, name=None) -> str:
    return str(view(value, name))


class Tags(html.parser.HTMLParser):
    """Every tag opened and closed, and the text between them."""

    def __init__(self, source: str):
        super().__init__()
        self.open, self.seen, self.words = [], set(), []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def tiny_llama(**options) -> LlamaForCausalLM:
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2}
    return LlamaForCausalLM(LlamaConfig(**sizes, num_hidden_layers=30, vocab_size=500, **options))


# --- tensors and arrays ---


def test_a_tensor_tells_shape_type_device_range_and_values():
    assert text(torch.tensor([[1.0, -2.5], [0.0, 4.0]]), "scores").split("\n") == [
        "scores: Tensor (2, 2) float32 on cpu",
        "  min -2.5, mean 0.625, max 4",
        "  [[1, -2.5],",
        "   [0, 4]]",
    ]


def test_a_large_tensor_shows_a_few_values_and_is_never_iterated():
    class Whole(torch.Tensor):
        def __iter__(self):
            raise AssertionError("iterated by batch rows")

    shown = text(torch.arange(6000.0).reshape(1000, 3, 2).as_subclass(Whole))
    assert shown.split("\n")[1:] == ["  min 0, mean 3000, max 5999", "  [0, 1, 2, 3, 4, 5, …]"]


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.tensor([1.0, float("nan"), -torch.inf]), ["min 1, mean 1, max 1", "1 of 3 are NaN", "1 of 3 are -inf"]),
        (torch.full((2,), torch.inf), ["2 of 2 are inf"]),
        (torch.tensor([True, False, True]), ["2 of 3 are True", "[True, False, True]"]),
        (torch.tensor([3, 9]), ["int64", "min 3, max 9"]),
        (torch.tensor(2.5, dtype=torch.bfloat16), ["() bfloat16", "2.5"]),
        (torch.empty(0, 3), ["(0, 3)", "no values"]),
        (torch.zeros(2, 2, device="meta"), ["(2, 2) float32 on meta"]),
        (torch.ones(2, requires_grad=True), ["requires grad", "[1, 1]"]),
        (nn.Parameter(torch.ones(1)), ["Parameter (1,)"]),
        (torch.eye(2).to_sparse(), ["(2, 2) float32"]),
        (torch.tensor([1 + 2j]), ["complex64", "(1+2j)"]),
        (np.array([[1.5, 2.5]]), ["ndarray (1, 2) float64", "mean 2"]),
        (np.array(["a"]), ["ndarray (1,) <U1", "[a]"]),
        (np.array([None, {}], dtype=object), ["object", "[None, {}]"]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_odd_tensors(tensor, said):
    assert all(part in text(tensor) for part in said), text(tensor)


def test_the_mean_of_many_small_numbers_keeps_its_precision():
    assert "mean 0.1," in text(torch.full((5_000_000,), 0.1))  # a float32 running sum would drift


# --- modules ---


def test_a_module_is_a_tree_with_counts_and_repeated_layers_told_once():
    model = tiny_llama(tie_word_embeddings=True)
    lines = text(model).split("\n")
    total = sum(p.numel() for p in model.parameters())
    assert lines[0] == f"LlamaForCausalLM: {total:,} parameters, {total * 4 / 2**20:.1f} MiB, float32 on cpu"
    each = sum(p.numel() for p in model.model.layers[0].parameters())
    assert [line for line in lines if "LlamaDecoderLayer" in line] == [
        f"│  │  └─ 0-29: 30 x LlamaDecoderLayer: {each:,} parameters each"
    ]
    assert any("q_proj: Linear(in_features=64, out_features=64, bias=False): 4,096 parameters" in at for at in lines)
    assert lines[-1].endswith("32,000 parameters (shared with model.embed_tokens)")
    assert len(lines) < 25


def test_untied_weights_are_not_called_shared():
    assert "shared" not in text(tiny_llama(tie_word_embeddings=False))


def test_layers_that_differ_are_told_apart():
    mlp = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 1))
    parts = [line[3:] for line in text(mlp).split("\n")[1:]]
    assert parts == [
        "0: Linear(in_features=2, out_features=4, bias=True): 12 parameters",
        "1: Tanh",
        "2-3: 2 x Linear(in_features=4, out_features=4, bias=True): 20 parameters each",
        "4: Linear(in_features=4, out_features=1, bias=True): 5 parameters",
    ]
    assert text(nn.ReLU()) == "ReLU: 0 parameters"
    assert "q: Linear" in text(nn.ModuleDict({"q": nn.Linear(2, 2), "k": nn.Linear(2, 2)}))
    assert "k: Linear" in text(nn.ModuleDict({"q": nn.Linear(2, 2), "k": nn.Linear(2, 2)}))


# --- containers, strings, tokens ---


def test_containers_are_nested_and_cut():
    shown = text({"ids": list(range(100)), "deep": [[[[1, "a"]]]], "x": None, **{f"k{i}": i for i in range(20)}})
    lines = shown.split("\n")
    assert lines[0] == "dict of 23" and lines[-1] == "└─ … 15 more"
    assert lines[1].startswith("├─ ids: list of 100 int: 0, 1, 2,") and lines[1].endswith("23, … 76 more")
    assert "list of 1, …" in shown and "x: None" in shown


def test_a_cache_of_keys_and_values_tells_its_layers_once():
    cache = [(torch.zeros(1, 3, 5, 8), torch.zeros(1, 3, 5, 8)) for _ in range(30)]
    lines = text(cache).split("\n")
    assert lines[0] == "list of 30" and lines[1] == "└─ 0 to 29: 30 x tuple of 2; the first:"
    assert sum("Tensor (1, 3, 5, 8)" in line for line in lines) == 2
    mixed = text([torch.zeros(2), torch.ones(2), torch.zeros(3)])
    assert "0: Tensor (2,)" in mixed and "1: Tensor (2,)" in mixed and "2: Tensor (3,)" in mixed
    keys = text({"a": torch.zeros(1), "b": torch.zeros(1), "c": torch.zeros(1)})
    assert all(f"{key}: Tensor" in keys for key in "abc")


def test_containers_of_the_field():
    Pair = collections.namedtuple("Pair", "left right")
    assert text(Pair(1, "x")).split("\n") == ["Pair of 2", "├─ left: int 1", "└─ right: str, 1 character: 'x'"]
    assert "input_ids: Tensor (1, 2)" in text(BatchEncoding({"input_ids": torch.tensor([[1, 2]])}))
    output = tiny_llama()(input_ids=torch.tensor([[1, 2]]))
    assert "CausalLMOutputWithPast of 2" in text(output) and "logits: Tensor (1, 2, 500)" in text(output)
    loop = []
    loop.append(loop)
    assert text(loop).endswith("list of 1, …")
    assert text([]) == "list of 0" and text({}) == "dict of 0" and text(torch.Size([2, 3])) == "Size of 2 int: 2, 3"


def test_a_huge_list_is_fast():
    start = time.perf_counter()
    assert "… 999,992 more" in text([object] * 1_000_000)
    assert time.perf_counter() - start < 2


def test_tokens_show_their_spaces_and_line_breaks():
    assert text(["The", " cat", "\n", "$x"]) == "list of 4 str\n  The | ·cat | ⏎ | $x"
    assert text([""] * 100).startswith("list of 100 str, … 52 more\n")


def test_strings():
    assert text("Hello\n") == r"str, 6 characters: 'Hello\n'"
    shown = text("word " * 500)
    assert shown.startswith("str, 2,500 characters\n  word word") and shown.endswith("… (1,900 more)")


def test_anything_else_is_shown_by_its_repr_even_if_that_fails():
    class Bad:
        def __repr__(self):
            raise RuntimeError("no")

    assert text(3) == "int 3" and text(2.5) == "float 2.5" and text(None) == "None" and text(range(4)) == "range(0, 4)"
    assert text(Bad()) == "Bad (its repr raises RuntimeError)"


# --- how it comes out ---


@pytest.mark.parametrize("value", [{"<b>": ["<script>alert(1)</script>", "&"]}, "<img src=x>" * 9, torch.ones(2, 2)])
def test_html_is_escaped_and_well_formed(value):
    source = view(value, name="<i>")._repr_html_()
    tags = Tags(source)
    assert not tags.open and tags.seen <= {"div", "b", "details", "summary", "span"}
    assert "<i>" in tags.words


def test_in_a_plain_process_it_prints(capsys):
    assert show(torch.tensor([1, 2]), "ids") is None
    assert capsys.readouterr().out == "ids: Tensor (2,) int64 on cpu\n  min 1, max 2\n  [1, 2]\n"


def test_in_a_notebook_every_call_displays_html_and_text():
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("from helpers.show import show\nshow([1, 2], 'a')\nshow('b')")]
    )
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    outputs = notebook.cells[0].outputs
    assert [output.output_type for output in outputs] == ["display_data", "display_data"]
    assert outputs[0].data["text/plain"] == "a: list of 2 int: 1, 2"
    assert "<b>a</b>: list of 2 int: 1, 2" in outputs[0].data["text/html"]


def test_importing_it_does_not_import_torch():
    code = "import sys, helpers.show; print([m for m in ('torch', 'numpy', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
