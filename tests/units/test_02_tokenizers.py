"""Unit 02 at full size: what its own tests are too short for."""

import time
from pathlib import Path

import pytest

from autograder.authoring import percent
from autograder.cells import is_solution
from autograder.course import Course
from helpers import corpora, models
from helpers.widgets.token_files import bpe_files

END = "<|endoftext|>"


@pytest.fixture(scope="module")
def lesson():
    """The names of the lesson's first code cell and of its solutions."""
    course = Course.find(Path(__file__).parent)
    notebook = percent.reads(course.source("02_tokenizers").read_text(encoding="utf-8"))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    names: dict = {}
    for cell in [code[0], *filter(is_solution, code)]:
        exec(compile(cell.source, "02_tokenizers", "exec"), names)
    return names


@pytest.fixture(scope="module")
def articles():
    return list(corpora.load_wikipedia(106, 0)["train"]["text"])


def test_a_thousand_tokens_of_the_whole_sample_in_fifteen_seconds_of_one_core(lesson, articles):
    text = END.join(articles)
    start = time.process_time()
    vocab, merges = lesson["train_bpe"](text, 1000, [END])
    assert time.process_time() - start < 15
    assert len(vocab) == 1000
    assert len(merges) == 743
    ids = lesson["bpe_encode"](text, vocab, merges, [END])
    assert lesson["bpe_decode"](ids, vocab) == text


@pytest.mark.slow
def test_every_article_has_the_ids_of_gpt2(lesson, articles):
    gpt2 = models.gpt2_tokenizer()
    vocab, merges = bpe_files(gpt2)
    for text in articles:
        assert lesson["bpe_encode"](text, vocab, merges, [END]) == gpt2(text, verbose=False).input_ids
