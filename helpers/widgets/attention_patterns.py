"""The attention shares of every head of a model, read off while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def attention_patterns(model, input_ids: Tensor) -> Tensor:
    """Attention shares (layers, heads, T, T) of a transformers model for ids (1, T): [l, h, i, j] is what i gives to j.

    Attention runs in its "eager" form meanwhile, the only one that has the shares as a table. Afterwards the model is
    as it was: its form of attention, and no hook left, even where it failed. Raises ValueError for more than one text
    or where no module of the model gives shares.
    """
    import torch

    if input_ids.ndim != 2 or len(input_ids) != 1:
        raise ValueError(f"input_ids has shape {tuple(input_ids.shape)}: give the ids of one text, (1, T).")
    found: list[Tensor] = []

    def keep(module, args, output) -> None:
        # An attention module gives (result, shares (1, heads, T, T)).
        if isinstance(output, tuple) and len(output) > 1 and getattr(output[1], "ndim", 0) == 4:
            found.append(output[1][0].detach().float().cpu())

    usual = model.config._attn_implementation
    modules = [module for module in model.modules() if type(module).__name__.endswith("Attention")]
    handles = [module.register_forward_hook(keep) for module in modules]
    try:
        model.set_attn_implementation("eager")
        with torch.no_grad():
            model(input_ids.to(model.device), use_cache=False)
    finally:
        model.set_attn_implementation(usual)
        for handle in handles:
            handle.remove()
    if not found:
        raise ValueError(f"{type(model).__name__} has no module that gives attention shares: use a Llama or a GPT-2.")
    return torch.stack(found)
