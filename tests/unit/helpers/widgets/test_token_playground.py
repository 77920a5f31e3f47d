"""How texts are cut and shown, and the playground's controls; once in a notebook that a program runs."""

import html
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from helpers import models
from helpers.widgets.token_files import bpe_files, token_bytes
from helpers.widgets.token_html import LONGEST, chips, counts, plain
from helpers.widgets.token_pieces import GPT2, OFFLINE, OWN, WORDPIECE, Piece, cutter, own_cutter, spelled
from helpers.widgets.token_playground import TokenPlayground, leading_space, token_playground
from helpers.widgets.token_rows import token_rows


@pytest.fixture(scope="module")
def gpt2():
    return models.gpt2_tokenizer()


@pytest.fixture(scope="module")
def cutters():
    return {name: cutter(name) for name in (GPT2, OFFLINE, WORDPIECE)}


def by_bytes(text):
    return list(text.encode())


BYTES = {value: bytes([value]) for value in range(256)}


# --- the files of a tokenizer ---


def test_a_text_is_the_bytes_of_its_tokens(gpt2):
    known, text = token_bytes(gpt2), "naïve 東京 😀\n\t<|endoftext|> x²"
    assert b"".join(known[i] for i in gpt2(text).input_ids).decode() == text
    assert sorted(known) == list(range(50257))
    assert known[50256] == b"<|endoftext|>"
    assert {known[i] for i in range(256)} == set(BYTES.values())


def test_merges_are_pairs_of_tokens_in_the_order_of_training(gpt2):
    vocab, merges = bpe_files(gpt2)
    assert list(vocab) == list(range(50257))
    assert merges[:3] == [(b" ", b"t"), (b" ", b"a"), (b"h", b"e")]
    assert [left + right for left, right in merges] == [vocab[256 + place] for place in range(50000)]


def test_word_pieces_are_no_bytes():
    with pytest.raises(ValueError, match="not byte-level"):
        bpe_files(models.load_masked_lm(device="cpu")[1])


# --- pieces ---


def test_pieces_read_as_the_text(cutters):
    for name in (GPT2, OFFLINE):
        pieces = cutters[name](" to be, or\n not")
        assert "".join(piece.text for piece in pieces) == " to be, or\n not"
        assert not any(piece.special for piece in pieces)
    assert [piece.id for piece in cutters[GPT2]("hello world")] == [31373, 995]


def test_half_an_emoji_shows_its_bytes(cutters):
    assert [piece.text for piece in cutters[GPT2]("😀")] == [r"\xf0\x9f\x98", r"\x80"]
    assert spelled(b"\xc3") == r"\xc3"
    assert spelled("ü".encode()) == "ü"


def test_special_tokens_are_told_apart_but_unknown_ones_stand_for_text(cutters):
    pieces = cutters[WORDPIECE]("so 😀")
    assert [(piece.text, piece.special) for piece in pieces] == [
        ("[CLS]", True), ("so", False), ("[UNK]", False), ("[SEP]", True)]  # fmt: skip
    assert [piece.special for piece in cutters[GPT2]("a<|endoftext|>")] == [False, True]


def test_a_tokenizer_of_ones_own_needs_only_a_function_and_bytes():
    assert own_cutter(by_bytes, BYTES)("aé") == [Piece("a", 97), Piece(r"\xc3", 195), Piece(r"\xa9", 169)]


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="pick one of GPT-2"):
        cutter("GPT-5")


# --- chips ---


def test_a_chip_shows_what_cannot_be_seen_and_escapes_what_could_do_harm():
    shown = chips([Piece(" <b>&\n", 7)])
    assert "·&lt;b&gt;&amp;⏎" in shown
    assert "<b>" not in shown
    assert "id 7" in shown
    assert shown.count("<br>") == 1


def test_chips_show_text_or_ids_or_nothing():
    pieces = [Piece("sun", 19155), Piece("<|x|>", 50256, special=True)]
    assert ">sun</span>" in chips(pieces)
    assert ">19155</span>" in chips(pieces, "ids")
    assert chips(pieces, "hide") == ""
    with pytest.raises(ValueError, match="text, ids, hide"):
        chips(pieces, "colours")


def test_neighbouring_chips_have_different_colours_with_contrast():
    colours = re.findall(r"background: (#\w+)", chips([Piece("a", 1)] * 7))
    assert len(colours) == 7
    assert all(left != right for left, right in pairwise(colours))
    for colour in set(colours):  # light grounds for dark ink (#22262d)
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue > 190


def test_a_very_long_text_is_cut_off():
    shown = chips([Piece("a", 1)] * (LONGEST + 5))
    assert shown.count("<span") == LONGEST
    assert "5 more" in shown


def test_counts_are_of_the_text_and_name_added_tokens_apart():
    pieces = [Piece("[CLS]", 101, special=True), Piece("é", 5), Piece("t", 6)]
    assert counts(pieces, "ét") == "2 tokens + 1 special, 2 characters, 3 bytes, 1.00 characters per token"
    assert counts([], "") == "0 tokens, 0 characters, 0 bytes"


def test_plain_text_separates_the_pieces():
    assert plain([Piece("a", 1), Piece(" b\x00", 2)]) == r"a|·b\x00"


# --- what a leading space does ---


def test_a_leading_space_makes_another_token(cutters):
    said = leading_space(cutters[GPT2], "hello world")
    assert "“hello” (id 31373; 2 tokens)" in said
    assert "“·hello” (id 23748; 2 tokens)" in said


def test_a_leading_space_means_nothing_to_word_pieces(cutters):
    assert "nothing" in leading_space(cutters[WORDPIECE], "hello world")
    assert leading_space(cutters[WORDPIECE], "") == ""


# --- the playground's controls ---


def test_every_control_draws_anew(cutters):
    shown = TokenPlayground("hello world", cutters)
    assert "2 tokens, 11 characters" in shown.summary.value
    assert ">·world</span>" in shown.pieces.value
    shown.show.value = "ids"
    assert ">995</span>" in shown.pieces.value
    shown.leading_space.value = True
    assert ">23748</span>" in shown.pieces.value
    assert "12 characters" in shown.summary.value
    shown.show.value = "hide"
    assert shown.pieces.value == ""
    shown.show.value = "text"
    shown.tokenizer.value = WORDPIECE
    assert "[CLS]" in shown.pieces.value
    shown.text.value = "<i>sun</i>"
    assert "&lt;" in shown.pieces.value
    assert "<i>" not in shown.pieces.value


def test_ones_own_tokenizer_comes_first_and_may_fail(cutters):
    def unfinished(text):
        raise NotImplementedError("Write your answer here, <b>then</b> delete this line.")

    shown = TokenPlayground("sun", {**cutters, OWN: own_cutter(unfinished, {})})
    assert shown.tokenizer.value == OWN
    assert "NotImplementedError" in shown.summary.value
    assert "<b>then</b>" not in shown.summary.value
    shown.tokenizer.value = GPT2
    assert "1 token," in shown.summary.value


def test_controls_have_names(cutters):
    shown = TokenPlayground("sun", cutters)
    assert all(control.description for control in (shown.tokenizer, shown.show, shown.leading_space, shown.text))


# --- without a front end ---


def test_in_a_plain_process_the_pieces_are_printed(capsys):
    token_playground("sun 😀", own=(by_bytes, BYTES))
    token_rows({"rows": ["a", b"\xf0"]}, "A caption.")
    printed = capsys.readouterr().out
    assert r"GPT-2: 3 tokens" in printed
    assert "Your own BPE: 8 tokens" in printed
    assert "rows: a|\\xf0\nA caption." in printed


def test_a_notebook_run_by_a_program_shows_every_tokenizer_and_one_before_a_person_the_widget(monkeypatch):
    for name in ("JPY_SESSION_NAME", "NBGRADER_EXECUTION", "COLAB_RELEASE_TAG"):
        monkeypatch.delenv(name, raising=False)
    still = "from helpers.widgets.token_playground import token_playground\ntoken_playground('a <b> sun')"
    rows = "from helpers.widgets.token_rows import token_rows\ntoken_rows({'<i>': ['sun', b' \\xf0']}, 'A & B.')"
    live = "import os\nos.environ['JPY_SESSION_NAME'] = 'a.ipynb'\ntoken_playground('sun')"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in (still, rows, live)])
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(Path.cwd())}}
    ).execute()
    displayed = [
        [output.data for output in cell.outputs if output.output_type == "display_data"] for cell in notebook.cells
    ]
    ((still_data,), (rows_data,), (live_data,)) = displayed
    assert {name in still_data["text/html"] for name in ("GPT-2", "SmolLM2", "WordPiece")} == {True}
    assert "<b> " not in still_data["text/html"]
    assert "GPT-2: 5 tokens" in still_data["text/plain"]
    assert "&lt;i&gt;" in rows_data["text/html"]
    assert html.escape("A & B.") in rows_data["text/html"]
    assert r"\xf0" in rows_data["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in live_data
    assert "run this cell in Jupyter" in live_data["text/plain"]
