"""SmolLM2 from its GGUF file to a folder that transformers opens: weights, configuration, tokenizer.

transformers can read a GGUF by itself (`gguf_file=`), but decodes the file anew at each start, and for this
vocabulary ("smollm") it leaves out that digits are split, so "1234" would get other ids than the model was taught.
Handles byte-level BPE and the Llama architecture with tied embeddings, which is what the wheel holds; no more.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

# GGUF's names of the matrices of block N ("blk.N.attn_q.weight") and those of transformers' Llama.
_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_TOP = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
_CONTROL = 3  # token_type of special tokens


def convert(gguf_file: Path, folder: Path) -> None:
    """Write model.safetensors (float32), config.json, generation_config.json and the tokenizer into `folder`."""
    from gguf import GGUFReader
    from safetensors.numpy import save_file

    reader = GGUFReader(gguf_file)
    config = _config(reader)
    save_file(_weights(reader, config), folder / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(folder)
    _generation_config(config).save_pretrained(folder)
    _tokenizer(reader, config.max_position_embeddings).save_pretrained(folder)


def _field(reader, name: str):
    return reader.fields[name].contents()


def _config(reader):
    from transformers import LlamaConfig

    heads = _field(reader, "llama.attention.head_count")
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=_field(reader, "llama.vocab_size"),
        hidden_size=_field(reader, "llama.embedding_length"),
        intermediate_size=_field(reader, "llama.feed_forward_length"),
        num_hidden_layers=_field(reader, "llama.block_count"),
        num_attention_heads=heads,
        num_key_value_heads=_field(reader, "llama.attention.head_count_kv"),
        max_position_embeddings=_field(reader, "llama.context_length"),
        rms_norm_eps=float(f"{_field(reader, 'llama.attention.layer_norm_rms_epsilon'):.6g}"),  # stored as float32
        rope_parameters={"rope_type": "default", "rope_theta": _field(reader, "llama.rope.freq_base")},
        tie_word_embeddings="output.weight" not in {tensor.name for tensor in reader.tensors},
        bos_token_id=_field(reader, "tokenizer.ggml.bos_token_id"),
        eos_token_id=_field(reader, "tokenizer.ggml.eos_token_id"),
        pad_token_id=_field(reader, "tokenizer.ggml.padding_token_id"),
        dtype="float32",
    )


def _generation_config(config):
    from transformers import GenerationConfig

    return GenerationConfig(
        bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id
    )


def _weights(reader, config) -> dict[str, np.ndarray]:
    """All weights by transformers' names, decoded to float32."""
    from gguf import dequantize

    weights = {}
    for tensor in reader.tensors:
        value = dequantize(tensor.data, tensor.tensor_type)
        if tensor.name in _TOP:
            name = _TOP[tensor.name]
        else:
            _, block, part, _ = tensor.name.split(".")
            name = f"model.layers.{block}.{_BLOCK[part]}.weight"
            if part in ("attn_q", "attn_k"):
                n_heads = config.num_attention_heads if part == "attn_q" else config.num_key_value_heads
                value = _halves_together(value, n_heads)
        weights[name] = np.ascontiguousarray(value)
    return weights


def _halves_together(weight: np.ndarray, n_heads: int) -> np.ndarray:
    """Reorder the rows of each head of W_q or W_k (out, in) from llama.cpp's order to that of transformers.

    llama.cpp rotates neighbours (rows 2i and 2i + 1), transformers row i with row i + head_dim / 2.
    """
    by_pair = weight.reshape(n_heads, -1, 2, weight.shape[-1])
    return by_pair.swapaxes(1, 2).reshape(weight.shape)


def _tokenizer(reader, context_length: int):
    """Byte-level BPE that splits digits one by one, as the published SmolLM2 tokenizer does."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = _field(reader, "tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in _field(reader, "tokenizer.ggml.merges")]
    backend = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    types = _field(reader, "tokenizer.ggml.token_type")
    backend.add_special_tokens(
        [AddedToken(token, normalized=False) for token, kind in zip(tokens, types, strict=True) if kind == _CONTROL]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=tokens[_field(reader, "tokenizer.ggml.bos_token_id")],
        eos_token=tokens[_field(reader, "tokenizer.ggml.eos_token_id")],
        pad_token=tokens[_field(reader, "tokenizer.ggml.padding_token_id")],
        unk_token=tokens[_field(reader, "tokenizer.ggml.unknown_token_id")],
        chat_template=_field(reader, "tokenizer.chat_template"),
        model_max_length=context_length,
        clean_up_tokenization_spaces=False,
    )
