"""What the arguments of `helpers.models.load` mean to torch and transformers; a wrong one gets one sentence."""

from __future__ import annotations

import logging

import torch

from helpers import runtime


def quantization(quantize: str | None):
    """The BitsAndBytesConfig of "8bit" (LLM.int8) or "4bit" (NF4, computed in bfloat16); None for None."""
    if quantize is None:
        return None
    if quantize not in ("8bit", "4bit"):
        raise ValueError(f'quantize={quantize!r} is not known: choose "8bit", "4bit" or None.')
    from transformers import BitsAndBytesConfig

    # At every matrix product: that 8-bit inputs pass through float16, which is how LLM.int8 works; and once: that an
    # optional kernel is not installed. In a notebook either buries what the learner printed.
    for noisy in ("bitsandbytes.autograd._functions", "bitsandbytes.backends.cpu.ops"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    if quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)


def device(wanted: str | torch.device | None) -> torch.device:
    """The torch device; None: CUDA if there is one, else CPU."""
    if wanted is None:
        return runtime.device()
    try:
        found = torch.device(wanted)
    except (RuntimeError, TypeError):
        raise ValueError(f'device={wanted!r} is not known: choose "cpu", "cuda" or None.') from None
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={str(found)!r}, but torch sees no CUDA here: leave device out to use the CPU.")
    return found


def dtype(wanted: str | torch.dtype | None, quantize: str | None = None) -> str | torch.dtype:
    """The torch dtype; None: "auto", what the weights were saved in, or bfloat16 beside quantized weights."""
    if wanted is None or wanted == "auto":
        return torch.bfloat16 if quantize else "auto"
    found = getattr(torch, wanted, None) if isinstance(wanted, str) else wanted
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ValueError(f"dtype={wanted!r} is no floating-point type: choose torch.float32, torch.bfloat16 or None.")
    return found
