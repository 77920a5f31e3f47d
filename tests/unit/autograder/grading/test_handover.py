"""Arguments reach the answers' side: what both sides have by name, the rest by value."""

import copy
import dataclasses
import functools
import random
import threading
import time

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

from autograder.grading.handover import CannotHandOver, Shared, loads

CELLS = """
import dataclasses, functools
from collections import Counter
import torch
from torch import nn

class Broken(nn.Module):
    def forward(self, *args, **kwargs):
        raise RuntimeError("this part is broken")

@dataclasses.dataclass
class Sizes:
    width: int
    heads: int = 4

def twice(x):
    return 2 * x

def deep(x, n):
    return twice(x) if n == 0 else deep(x, n - 1)

@functools.lru_cache(maxsize=7)
def remembered(x):
    return twice(x)

@torch.no_grad()
def without_gradient(x):
    return (x * 2).requires_grad

def secret():
    return wanted

wanted = "what no answer may see"
"""

OWN = """
from dataclasses import dataclass
from torch import nn

@dataclass(frozen=True)
class Own:
    a: int

class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(2, 2)

    def forward(self, x):
        return self.f(x)
"""


def toy_llama(**changes):
    sizes = {"vocab_size": 29, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3,
             "num_attention_heads": 4, "num_key_value_heads": 2, "bos_token_id": 0, "eos_token_id": 1} | changes
    return AutoModelForCausalLM.from_config(LlamaConfig(**sizes)).eval()


def lesson(name):
    """The globals of a lesson, as one of the two sides has them."""
    made = {"__name__": name}
    exec(CELLS, made)
    torch.manual_seed(0)
    made["model"] = toy_llama(num_hidden_layers=2)
    made["table"] = torch.arange(60_000.0).reshape(300, 200)
    made["words"] = [f"word {i}" for i in range(5000)]
    made["seen"] = ["a long article " * 10_000, "short"]
    made["pixels"] = np.arange(60_000.0)
    made["described"] = {"toy": toy_llama(num_hidden_layers=1)}
    made["small"] = [1, 2]
    return made


class Proxy:
    """Stands for a student's function; must never be pickled or called."""

    def __init__(self, key):
        self.key = key

    def __reduce_ex__(self, protocol):
        raise AssertionError("a proxy was pickled")

    def __call__(self, *args):
        raise AssertionError("a proxy was called")


class Sides:
    def __init__(self):
        self.here, self.there = lesson("__lesson__"), lesson("__main__")
        self.shared, self.twins = Shared(self.here), {}
        self.real = {"answer": lambda x: x + 100, 5: ["opaque"]}
        self.size = 0

    def send(self, value):
        data = self.shared.dumps(value, lambda one: one.key if type(one) is Proxy else None)
        self.size = len(data)
        return loads(data, self.there, self.real.__getitem__, self.twins)


@pytest.fixture(scope="module")
def both():
    return Sides()


@pytest.fixture
def sides(both):
    both.twins = {}
    both.shared = Shared(both.here)
    return both


def test_what_both_sides_have_goes_by_name(sides):
    here, there = sides.here, sides.there
    assert sides.send(here["model"]) is there["model"]
    assert sides.send([here["model"].model.layers[1].mlp])[0] is there["model"].model.layers[1].mlp
    assert sides.send(here["described"]["toy"].lm_head) is there["described"]["toy"].lm_head
    for name in ("table", "words", "pixels"):
        assert sides.send({"x": (here[name],)})["x"][0] is there[name]
    assert sides.send(here["seen"])[0] is there["seen"][0]
    assert sides.send(here["seen"][0]) is there["seen"][0]
    assert sides.send(here["Broken"]) is there["Broken"]
    assert sides.send(here["model"].forward) == there["model"].forward
    assert sides.size < 500
    assert sides.send(here["small"]) is not there["small"]


def test_what_has_changed_goes_by_value(sides):
    here, there = sides.here, sides.there
    here["words"].append("new")
    try:
        got = sides.send(here["words"])
    finally:
        here["words"].pop()
    assert got[-1] == "new" and got is not there["words"]
    here["pixels"][0] = -1
    try:
        assert sides.send(here["pixels"])[0] == -1
    finally:
        here["pixels"][0] = 0


def memory(tensor):
    return tensor.untyped_storage().data_ptr()


def test_views_of_shared_tensors_are_views_there(sides):
    here, there = sides.here["model"], sides.there["model"]
    weight, theirs = here.model.embed_tokens.weight, there.model.embed_tokens.weight
    assert sides.send(weight) is theirs
    for make in (lambda w: w.detach(), lambda w: w.data, lambda w: w.detach().T, lambda w: w.detach()[3:7, 2],
                 lambda w: w.detach()[::2].unsqueeze(0), lambda w: w[5], lambda w: w.T,
                 lambda w: w.detach().requires_grad_(), lambda w: w.detach().expand(2, -1, -1),
                 lambda w: w.detach()[-1, -1], lambda w: w.detach().view(-1)):
        sent, want = make(weight), make(theirs)
        got = sides.send(sent)
        assert memory(got) == memory(theirs) and torch.equal(got, want) and got.stride() == want.stride()
        assert got.requires_grad == want.requires_grad and got.is_leaf == want.is_leaf and type(got) is torch.Tensor
    state = sides.send(dict(here.state_dict()))
    assert sides.size < 10_000 and list(state) == list(there.state_dict())
    assert all(memory(state[name]) == memory(value) for name, value in there.state_dict().items())
    assert memory(sides.send(sides.here["table"][7])) == memory(sides.there["table"])
    with torch.no_grad():
        assert sides.send(weight[5]).requires_grad == weight[5].requires_grad


def test_a_shared_tensor_that_was_written_to_goes_by_value():
    sides = Sides()
    table = sides.here["table"]
    table[0, 0] = 5
    assert sides.send(table[0])[0] == 5 and sides.there["table"][0, 0] == 0
    assert sides.send(table)[0, 0] == 5
    weight = sides.here["model"].lm_head.weight
    with torch.no_grad():
        weight[0] = 7
    got = sides.send(sides.here["model"].lm_head.weight.detach()[0])
    assert (got == 7).all() and not (sides.there["model"].lm_head.weight[0] == 7).all()
    model = sides.here["model"]
    model.model.norm.weight.data = torch.full((24,), 9.0)
    assert (sides.send(model.model.norm.weight.detach()) == 9).all()
    assert (sides.send(model.state_dict()["model.norm.weight"]) == 9).all()


@pytest.mark.parametrize("make", [
    lambda: torch.randn(3, 4).T, lambda: torch.randn(4).expand(3, 4), lambda: torch.randn(6, 6)[::2, 1:],
    lambda: torch.randn(10).unfold(0, 3, 1), lambda: torch.zeros(0, 3), lambda: torch.tensor(3.0),
    lambda: torch.randn(3, requires_grad=True) * 2, lambda: torch.ones(2, dtype=torch.bool),
    lambda: torch.randn(2, 3).bfloat16().requires_grad_(), lambda: torch.randn(2, dtype=torch.complex64).conj(),
    lambda: torch.randn(2, 3, 4).permute(2, 0, 1)[1:], lambda: torch.eye(3).to_sparse(),
    lambda: torch.empty(3, device="meta"), lambda: torch.ones(2).to(torch.float8_e5m2),
    lambda: nn.Parameter(torch.ones(2)), lambda: torch.randn(3, 4)[:1, 1], lambda: torch.randn(1, 9)[:, 2:3],
])  # fmt: skip
def test_tensors_keep_values_strides_and_gradient(sides, make):
    sent = make()
    got = sides.send(sent)
    assert type(got) is type(sent) and got.dtype == sent.dtype and got.shape == sent.shape
    assert got.requires_grad == sent.requires_grad and got.layout == sent.layout and got.device == sent.device
    if sent.device.type == "meta":
        return
    if sent.layout is not torch.strided:
        got, sent = got.to_dense(), sent.to_dense()
    assert np.array_equal(_numbers(got), _numbers(sent))
    if torch._debug_has_internal_overlap(sent) == 0 and not sent.is_conj():
        assert got.stride() == sent.stride()


def _numbers(tensor):
    return (tensor if tensor.is_complex() else tensor.float()).detach().resolve_conj().numpy()


def test_gradients_go_along(sides):
    layer, x = nn.Linear(2, 2), torch.ones(2, requires_grad=True)
    layer(x).sum().backward()
    got, there = sides.send((layer, x))
    assert torch.equal(got.weight.grad, layer.weight.grad) and torch.equal(there.grad, x.grad)
    assert sides.send(nn.Linear(2, 2)).weight.grad is None


def test_only_what_a_tensor_shows_is_sent(sides):
    wide = torch.zeros(50, 2)
    wide[:, 1] = 1234.5  # what is wanted, beside what is asked
    data = sides.shared.dumps((wide[:, 0], wide[:-1, :1], np.asarray(wide[:, 0])), lambda _: None)
    assert np.float32(1234.5).tobytes() not in data
    got, *_ = loads(data, {}, None, {})
    assert not got.untyped_storage().nbytes() or not torch.frombuffer(
        bytearray(bytes(got.untyped_storage())), dtype=torch.float32).any()


def test_identity_inside_one_call_is_kept(sides):
    x = torch.ones(2)
    first, (second, third) = sides.send((x, [x, x]))
    assert first is second is third


def test_answers_and_handles(sides):
    assert sides.send(Proxy("answer"))(1) == 101
    assert sides.send([Proxy(5)])[0] is sides.real[5]
    answer = Proxy("answer")
    assert sides.send(lambda x: answer(x))(1) == 101
    assert sides.send({"f": functools.partial(Proxy("answer"), 2)})["f"]() == 102
    made = {"__name__": "__lesson__", "answer": Proxy("answer")}
    exec("def ask(x):\n    return answer(x) + 1\nnested = {'a': [lambda x: ask(x)]}", made)
    assert sides.send(made["nested"])["a"][0](1) == 102


def test_functions_of_the_lesson_take_only_what_they_use(sides):
    here = sides.here
    assert sides.send(here["twice"])(4) == 8
    assert sides.send(here["deep"])(4, 3) == 8
    assert sides.send(here["remembered"])(4) == 8
    assert sides.send(here["remembered"]).cache_parameters()["maxsize"] == 7
    assert sides.send(here["without_gradient"])(torch.ones(1, requires_grad=True)) is False
    data = sides.shared.dumps((lambda f, x: (f(x), x)[1], here["twice"], here["deep"]), lambda _: None)
    assert b"no answer may see" not in data
    assert b"no answer may see" in sides.shared.dumps(here["secret"], lambda _: None)


def test_functions_use_the_shared_model(sides):
    exec("def logits(ids):\n    return model(ids).logits", sides.here)
    ids = torch.tensor([[1, 2]])
    assert torch.equal(sides.send(sides.here["logits"])(ids), sides.there["model"](ids).logits)
    assert sides.size < 2000


def test_functions_of_a_registered_lesson_go_by_value_too(sides, monkeypatch):
    module = type(nn)("__lesson__")
    module.__dict__.update(sides.here)
    exec("def thrice(x):\n    return 3 * x\n", module.__dict__)
    monkeypatch.setitem(__import__("sys").modules, "__lesson__", module)
    data = Shared({}).dumps(module.thrice, lambda _: None)
    monkeypatch.delitem(__import__("sys").modules, "__lesson__")
    assert loads(data, {}, None, {})(2) == 6


def test_classes(sides):
    here, there = sides.here, sides.there
    got = sides.send(here["Sizes"](3))
    assert type(got) is there["Sizes"] and got == there["Sizes"](3)
    assert isinstance(sides.send(here["Broken"]()), there["Broken"])
    made = {"__name__": "__lesson__"}
    exec(OWN, made)
    own, again = sides.send(made["Own"](1)), sides.send(made["Own"](1))
    assert own == again and dataclasses.asdict(own) == {"a": 1}
    x = torch.ones(1, 2)
    part = made["Part"]()
    assert torch.equal(sides.send(part)(x), part(x))


@pytest.mark.parametrize("config", [
    LlamaConfig(vocab_size=29, hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
                num_key_value_heads=2, bos_token_id=0, eos_token_id=1),
    GPT2Config(vocab_size=29, n_positions=32, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=1),
], ids=["llama", "gpt2"])
def test_toy_models_go_by_value_with_their_hooks(sides, config):
    toy, ids = AutoModelForCausalLM.from_config(config).eval(), torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        want = toy(ids, output_hidden_states=True)  # leaves the library's own hooks on the model
        got = sides.send(toy)
        out = got(ids, output_hidden_states=True)
    assert torch.equal(out.logits, want.logits) and len(out.hidden_states) == len(want.hidden_states)
    assert got.config.to_dict() == toy.config.to_dict()
    if config.tie_word_embeddings:
        assert got.lm_head.weight is got.get_input_embeddings().weight
    began = time.perf_counter()
    sides.send(toy)
    assert time.perf_counter() - began < 1  # takes 20 ms


def test_a_model_that_was_changed_in_a_test(sides):
    toy = copy.deepcopy(sides.here["model"])
    toy.model.norm = sides.here["Broken"]()
    got = sides.send(toy)
    assert type(got.model.norm) is sides.there["Broken"]
    with pytest.raises(RuntimeError, match="this part is broken"):
        got(torch.tensor([[1]]))
    bare = copy.copy(sides.here["model"].model)
    assert sides.send([bare.layers])[0] is sides.there["model"].model.layers


DRAWS = {
    "torch": (lambda: torch.Generator().manual_seed(3), lambda g: torch.rand(2, generator=g).tolist()),
    "numpy": (lambda: np.random.default_rng(3), lambda g: g.random(2).tolist()),
    "mersenne": (lambda: np.random.Generator(np.random.MT19937(3)), lambda g: g.random(2).tolist()),
    "legacy": (lambda: np.random.RandomState(3), lambda g: g.random_sample(2).tolist()),
    "python": (lambda: random.Random(3), lambda g: [g.random(), g.random()]),
}


@pytest.mark.parametrize("kind", DRAWS)
def test_generators_have_a_twin_that_goes_on(sides, kind):
    make, draw = DRAWS[kind]
    mine, reference = make(), make()
    first = sides.send(mine)
    assert draw(first) == draw(reference)
    again, (inside,) = sides.send((mine, [mine]))
    assert again is first and inside is first and draw(again) == draw(reference)
    assert draw(sides.send(lambda: mine)()) == draw(reference)
    assert draw(sides.send(make())) == draw(make())  # another one, equally seeded
    want = draw(mine)  # now the test has drawn from it: its state counts
    other = make()
    assert want == draw(other) and draw(sides.send(mine)) == draw(other)
    sides.twins = {}  # a new process
    sides.shared = Shared(sides.here)
    assert draw(sides.send(mine)) == draw(mine)


def test_a_state_that_was_not_delivered_is_sent_again(sides):
    generator = torch.Generator().manual_seed(1)
    with pytest.raises(CannotHandOver):
        sides.send((generator, threading.Lock()))
    assert torch.rand(1, generator=sides.send(generator)) == torch.rand(1, generator=generator)


def test_other_things_lessons_pass(sides):
    value = {"ids": [[1, 2], [3]], "b": b"\xff", "vocab": {i: bytes([i]) for i in range(256)}, "none": None,
             "set": {1}, "slice": slice(1, 2), "array": np.arange(3), "dtype": torch.bfloat16, "size": torch.Size([1]),
             "range": range(3), "float": 0.5, "device": torch.device("cpu")}
    got = sides.send(value)
    assert np.array_equal(got.pop("array"), value.pop("array")) and got == value
    assert sides.send(torch.tanh)(torch.zeros(1)) == 0 and sides.send(nn.functional.silu) is nn.functional.silu
    config = sides.send(LlamaConfig(vocab_size=7))
    assert config.vocab_size == 7


@pytest.mark.parametrize(("call", "words"), [
    (((1, {"a": [1, threading.Lock()]}), {}), r"argument 2\['a'\]\[1\], a lock, cannot"),
    (((), {"mask": (x for x in [])}), "argument `mask`, a generator, cannot"),
    ((threading.Lock(), (1,), {}), "the function, a lock, cannot"),
    ([threading.Lock()], r"the value\[0\], a lock, cannot"),
])
def test_what_cannot_go_is_named(sides, call, words):
    with pytest.raises(CannotHandOver, match=words):
        sides.shared.dumps(call, lambda _: None)


def test_the_real_model():
    from helpers import models

    model, tokenizer = models.load()
    here = {"model": model, "tokenizer": tokenizer, "weights": dict(model.state_dict())}
    there_model = copy.deepcopy(model)
    there = {"model": there_model, "tokenizer": copy.deepcopy(tokenizer), "weights": dict(there_model.state_dict())}
    shared = Shared(here)

    def send(value):
        data = shared.dumps(value, lambda _: None)
        assert len(data) < 50_000
        return loads(data, there, None, {})

    for name, value in here.items():
        assert send(value) is there[name]
    assert send([model.model.layers[3].self_attn])[0] is there_model.model.layers[3].self_attn
    assert send(tokenizer.decode)([1, 2]) == tokenizer.decode([1, 2])
    state = send(dict(model.state_dict()))
    assert all(memory(state[name]) == memory(value) for name, value in there_model.state_dict().items())
    embedding = send(model.get_input_embeddings().weight.detach())
    assert memory(embedding) == memory(there_model.model.embed_tokens.weight) and not embedding.requires_grad
    ids = torch.tensor([[1]])
    assert torch.equal(send(lambda ids: model(ids).logits)(ids), there_model(ids).logits)
    ids = send(tokenizer(["a text", "another"], return_tensors="pt", padding=True))
    assert torch.equal(ids.input_ids, tokenizer(["a text", "another"], return_tensors="pt", padding=True).input_ids)


def test_large_values_are_quick(sides):
    for value in (list(range(100_000)), {i: str(i).encode() for i in range(50_000)}, torch.zeros(3000, 1000)):
        began = time.perf_counter()
        sides.send(value)
        assert time.perf_counter() - began < 1
