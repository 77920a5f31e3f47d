import os
import re
import subprocess
import sys
import time
from importlib import metadata

import pytest

from helpers import _wikitext_formulas, corpora
from helpers._wikitext import plain_text
from helpers.corpora import load_quiz, load_reviews, load_wikipedia


@pytest.fixture(scope="module")
def articles():
    """All 106 articles, title -> text; the user's own cache serves if it is there."""
    return {row["title"]: row["text"] for row in load_wikipedia(n_train=106, n_valid=0)["train"]}


def run(code: str, **environment) -> subprocess.CompletedProcess:
    environment = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)


# --- the corpus ---


def test_the_default_is_fifty_and_fifty_real_articles():
    wikipedia = load_wikipedia()
    assert {split: len(rows) for split, rows in wikipedia.items()} == {"train": 50, "validation": 50}
    for rows in wikipedia.values():
        assert rows.column_names == ["id", "url", "title", "text"]
        assert all(isinstance(value, str) and value for row in rows for value in row.values())
    assert not set(wikipedia["train"]["id"]) & set(wikipedia["validation"]["id"])


def test_an_article_is_what_the_encyclopaedia_says(articles):
    assert len(articles) == 106
    rows = load_wikipedia(n_train=106, n_valid=0)["train"]
    anarchism = next(row for row in rows if row["id"] == "12")
    assert anarchism["title"] == "Anarchism" and anarchism["url"] == "https://en.wikipedia.org/wiki/Anarchism"
    assert articles["Achilles"].startswith(
        "In Greek mythology, Achilles (Ἀχιλλεύς, Akhilleus) was a Greek hero of the Trojan War and the central "
        "character and greatest warrior of Homer's Iliad."
    )
    assert "At 1,300 miles, Alabama has one of the longest navigable inland waterways" in articles["Alabama"]
    assert "methane, CH4." in articles["Alkane"]
    assert "\n\nEtymology\n\n" in articles["Alabama"] and "\n\nReferences\n\n" not in articles["Alabama"]
    by_title = {row["title"]: row["url"] for row in rows}
    assert by_title["Academy Award for Best Production Design"].endswith("/Academy_Award_for_Best_Production_Design")


LEFTOVERS = {
    "link": r"\[\[|\]\]",
    "template": r"\{\{|\}\}",
    "table": r"\{\||\|\}|(?m:^\s*[|!])|\browspan|\bcolspan|(?m:^\|-)",
    "tag": r"</?\s*(?:ref|br|su[bp]|small|div|span|math|gallery|nowiki|blockquote|li|poem|code|center)\b",
    "comment": r"<!--|-->",
    "picture": r"thumb\||\|\s*(?:left|right|\d+px)|(?i:\b(?:file|image|category)\s*:)",
    "bold or italic": r"''",
    "heading mark": r"(?m)^=+|==+",
    "list mark": r"(?m)^[*#:;]",
    "magic word": r"__[A-Z]+__",
    "empty brackets": r"\s\(\s*\)|\s\[\s*\]",
    "broken brackets": r"\(\s|\s\)|\([,;]\s",
    "LaTeX": r"\\(?:frac|text|mathrm|alpha|left|right|begin|,)|displaystyle",
    "entity": r"&(?:nbsp|ndash|mdash|amp|lt|gt|#\d+);",
    "doubled space": r"  |\t| \n|\n |\A\s|\s\Z",
    "empty lines": r"\n{3,}",
    "stray space": r"\w [,;](?=\s\w)",
    "address": r"https?://",
    "control character": r"[\x00-\x08\x0b-\x1f\u00ad\u200b-\u200f\ufeff\u00a0]",
}


@pytest.mark.parametrize("leftover", LEFTOVERS)
def test_nothing_of_the_markup_is_left_in_any_article(articles, leftover):
    found = [
        (title, text[max(0, match.start() - 40) : match.end() + 40])
        for title, text in articles.items()
        for match in re.finditer(LEFTOVERS[leftover], text)
    ]
    assert not found, f"{len(found)}, first {found[:5]}"


def test_the_prose_is_all_there(articles):
    """Stripping must not eat text: sizes, and words that stand at the end of long articles."""
    assert sum(map(len, articles.values())) > 2_700_000
    assert min(map(len, articles.values())) > 250
    assert len(articles["Anarchism"]) > 60_000
    assert "Butane is heavier than air" in articles["Alkane"][-200:]
    assert sum(text.count(" the ") for text in articles.values()) > 25_000


def test_the_seed_alone_decides_and_one_split_does_not_depend_on_the_size_of_the_other():
    first, again, other = (load_wikipedia(5, 5, seed=seed) for seed in (0, 0, 1))
    assert list(first["train"]["id"]) == list(again["train"]["id"]) != list(other["train"]["id"])
    wider = load_wikipedia(56, 5)
    assert list(wider["validation"]["id"]) == list(first["validation"]["id"])
    assert list(wider["train"]["id"])[:5] == list(first["train"]["id"])
    # the order is part of the course: what is trained on the rest must not have seen the validation articles
    assert load_wikipedia()["validation"]["title"][-2:] == ["Amateur astronomy", "America the Beautiful"]


def test_impossible_sizes_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match=r"make 107 articles, but the offline dump has 106; .* online=True\.$"):
        load_wikipedia(57, 50)
    with pytest.raises(ValueError, match="n_train=-1 and n_valid=5"):
        load_wikipedia(-1, 5)
    assert {split: len(rows) for split, rows in load_wikipedia(0, 106).items()} == {"train": 0, "validation": 106}


# --- the cache ---


def test_it_is_parsed_once_without_gensim_and_without_noise_even_by_two_processes(tmp_path):
    code = (
        "import sys; from helpers.corpora import load_wikipedia; d = load_wikipedia(2, 1);"
        "print(list(d['train']['title']), 'gensim' in sys.modules, 'mwparserfromhell' in sys.modules)"
    )
    env = {**os.environ, "COURSE_CACHE": str(tmp_path)}
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True, env=env) for _ in range(2)]
    answers = [process.communicate() for process in both]
    titles = list(load_wikipedia(2, 1)["train"]["title"])
    assert {stdout.partition("]")[0] + "]" for stdout, _ in answers} == {str(titles)}
    assert all(stderr == "" and stdout.split()[-2] == "False" for stdout, stderr in answers), answers
    files = [path.name for path in (tmp_path / "corpora").iterdir() if not path.name.endswith(".lock")]
    assert files == [f"wikipedia-gensim{metadata.version('gensim')}-format{corpora._FORMAT}.arrow"]

    later = run(code, COURSE_CACHE=tmp_path)
    assert later.stdout.split()[-2:] == ["False", "False"]  # read, not parsed again


def test_a_loaded_corpus_is_fast_and_maps_without_writing_beside_a_read_only_cache(articles):
    start = time.perf_counter()
    train = load_wikipedia()["train"]
    assert time.perf_counter() - start < 1.0
    assert train.cache_files == [] and train.map(lambda row: {"n": len(row["text"])}).cache_files == []


def test_a_missing_wheel_is_one_sentence_with_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(corpora, "DUMP", "gensim/test/test_data/no-such-file.bz2")
    with pytest.raises(FileNotFoundError, match=r"pip install --no-deps gensim==4\.4\.0"):
        load_wikipedia()

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(FileNotFoundError, match=r"pip install --no-deps gensim==4\.4\.0"):
        load_wikipedia()
    assert not list((tmp_path / "corpora").glob("*.arrow"))


# --- online ---


def test_online_without_a_network_fails_fast_with_one_sentence():
    code = (
        "import time; from helpers.corpora import load_wikipedia; import datasets, huggingface_hub\n"
        "start = time.perf_counter()\n"
        "try: load_wikipedia(online=True)\n"
        "except ConnectionError as error: print(round(time.perf_counter() - start), error)"
    )
    result = run(code, HF_ENDPOINT="http://127.0.0.1:9")  # a port that nothing listens on
    seconds, _, sentence = result.stdout.strip().partition(" ")
    assert int(seconds) <= 5, result
    assert sentence.startswith("online=True needs the Hugging Face Hub") and "\n" not in sentence
    assert run(code, HF_HUB_OFFLINE="1").stdout.startswith("0 online=True needs")


def test_online_has_the_same_columns_sizes_and_splits(monkeypatch):
    import datasets
    import huggingface_hub

    rows = [{"id": str(i), "url": "u", "title": f"T{i}", "text": "x", "extra": 1} for i in range(40)]
    asked = []

    def stream(name, version, **options):
        asked.append((name, version, options))
        return datasets.IterableDataset.from_generator(lambda: iter(rows))

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda self, name, timeout: None)
    monkeypatch.setattr(datasets, "load_dataset", stream)
    wikipedia = load_wikipedia(7, 3, seed=1, online=True)
    assert asked == [("wikimedia/wikipedia", "20231101.en", {"split": "train", "streaming": True})]
    assert {split: len(part) for split, part in wikipedia.items()} == {"train": 7, "validation": 3}
    assert wikipedia["train"].column_names == ["id", "url", "title", "text"]
    assert len({*wikipedia["train"]["id"], *wikipedia["validation"]["id"]}) == 10


# --- wikitext, one behaviour each ---


@pytest.mark.parametrize(
    ("wikitext", "plain"),
    [
        ("'''Bold''' and ''italic''", "Bold and italic"),
        ("a [[link]], a [[target|text]], [[:Category:Cats]]", "a link, a text, Category:Cats"),
        ("one<ref name=x>[[a]] {{b}}</ref> two<ref name=x /> three", "one two three"),
        ("a<!-- hidden\n\n -->b", "ab"),
        ("[[File:a.jpg|thumb|right|A [[cat]] {{b}} on a [[mat|rug]]]]\nText [[Category:Cats]][[de:Katze]]", "Text"),
        ("{{Infobox\n| a = {{nested|[[b]]}}\n}}\n'''Text'''.", "Text."),
        ('{| class="wikitable"\n|-\n! a\n| b {{c}}\n|}\nText', "Text"),
        ("Rome ({{IPAc-en|r}}; {{lang-it|Roma}}) is", "Rome (Roma) is"),
        ("Rome ({{IPAc-en|r}}) is", "Rome is"),
        ("It is {{convert|1300|mi|km}} or {{convert|5|to|10|ft|m|abbr=on}}.", "It is 1,300 miles or 5 to 10 feet."),
        ("{{convert|2|e6acre|ha}} of {{convert|3|foo}}", "2 million acres of 3 foo"),
        ("{{As of|2014}}, {{as of|2015|lc=y}}: {{val|1.5|0.2|u=A}}", "As of 2014, as of 2015: 1.5±0.2 A"),
        ("H<sub>2</sub>O, 10<sup>-3</sup>, 4<sup>th</sup>", "H2O, 10⁻³, 4th"),
        ("5&nbsp;km &ndash; {{nowrap|6 km}}", "5 km – 6 km"),
        ("See [http://a.org the site] and http://b.org.", "See the site and."),
        ("First line\nof one.\n\nSecond.", "First line of one.\n\nSecond."),
        ("Two:\n* one [[x]]\n** two\nAfter.", "Two:\none x\ntwo\nAfter."),
        ("A\n== One ==\nB\n== References ==\n{{reflist}}\n=== Books ===\nC\n== Two ==\nD", "A\n\nOne\n\nB\n\nTwo\n\nD"),
        (
            "A\n== Gone ==\n{{table}}\n=== Gone too ===\n== Kept ==\n=== Sub ===\nB\n== End ==\n",
            "A\n\nKept\n\nSub\n\nB",
        ),
        ("<poem>\nOne\nTwo\n</poem>", "One\nTwo"),
        ("Let <math>x_{1}</math> be <math>\\frac{a+b}{2}</math>.", "Let x_1 be (a+b)/2."),
        ("<gallery>\nA.jpg|b\n</gallery>\n__NOTOC__ Text", "Text"),
        ("", ""),
    ],
)
def test_wikitext_becomes_prose(wikitext, plain):
    assert plain_text(wikitext) == plain


@pytest.mark.parametrize(
    ("latex", "typed"),
    [
        (r"\alpha \times \beta", "α × β"),
        (r"x^{10} \leq \infty", "x^10 ≤ ∞"),
        (r"\frac{1}{\sqrt{2\pi}}", "1/√(2π)"),
        (r"\bar{x}", "x\u0304"),
        (r"b \in \{1,2\}", "b ∈ {1,2}"),
        (r"\begin{matrix} a & b \\ c & d \end{matrix}", ""),
    ],
)
def test_a_formula_is_typed_on_one_line_or_dropped(latex, typed):
    assert _wikitext_formulas.formula(latex) == typed


# --- the course's own questions and reviews ---


def test_the_quiz_has_one_right_choice_of_four_and_no_favourite_place():
    quiz = load_quiz()
    assert len(quiz) == 150 and len({row["question"] for row in quiz}) == 150
    for task in ("science", "world", "words", "everyday", "numbers"):
        rows = [row for row in quiz if row["task"] == task]
        assert len(rows) == 30
        assert all(len(set(row["choices"])) == 4 for row in rows)
        places = [sum(row["answer"] == place for row in rows) for place in range(4)]
        assert min(places) >= 7, f"{task}: the right choice stands at each place about equally often"


def test_reviews_come_in_pairs_of_praise_and_blame():
    reviews = load_reviews()
    assert len(reviews) == 160 and len({row["text"] for row in reviews}) == 160
    assert all({reviews[i]["label"], reviews[i + 1]["label"]} == {0, 1} for i in range(0, 160, 2))


def test_each_call_gives_rows_of_its_own():
    load_quiz()[0]["choices"].clear()
    assert len(load_quiz()[0]["choices"]) == 4
