"""Text to train and measure on: English Wikipedia, offline by default, and the course's own questions and reviews.

The `gensim` wheel carries a shortened dump of the English Wikipedia (April 2016): 106 articles besides redirects.
It is read here for the sake of that file alone; gensim itself is never imported.

Wikipedia's text is by its authors, licensed CC BY-SA 4.0; each row keeps the address of its page for attribution.
"""

from __future__ import annotations

import bz2
import json
import random
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree import ElementTree

from helpers.files import cache_dir, locked, write_atomically

if TYPE_CHECKING:
    from datasets import DatasetDict

DUMP = "gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
COLUMNS = ("id", "url", "title", "text")
_FORMAT = 2  # raise it when the text that comes out of a page changes: it is part of the cache's name
_ONLINE = ("wikimedia/wikipedia", "20231101.en")
_ONLINE_POOL = 1000  # articles read from the start of a shard, out of which the online sample is drawn


def load_wikipedia(n_train: int = 50, n_valid: int = 50, seed: int = 0, online: bool = False) -> DatasetDict:
    """Whole articles in two disjoint splits, `train` and `validation`; columns id, url, title and text (str).

    seed: the order the articles are drawn in. Offline, `n_train` takes from one end of that order and `n_valid`
    from the other: changing one leaves the articles of the other split as they are.
    online: stream `wikimedia/wikipedia` (20231101.en) from the Hugging Face Hub instead of reading the dump.
    Raises ValueError for sizes that cannot be had, FileNotFoundError if the wheel with the dump is not installed,
    ConnectionError if `online` and the Hub cannot be reached.
    """
    if min(n_train, n_valid) < 0:
        raise ValueError(f"n_train={n_train} and n_valid={n_valid}: a split cannot have a negative size.")
    if online:
        return _stream(n_train, n_valid, seed)

    import pyarrow as pa
    from datasets import Dataset, DatasetDict, DatasetInfo

    table = _articles()
    total = len(table)
    if n_train + n_valid > total:
        raise ValueError(
            f"n_train={n_train} and n_valid={n_valid} make {n_train + n_valid} articles, but the offline dump has "
            f"{total}; ask for fewer, or pass online=True."
        )
    order = list(range(total))
    random.Random(seed).shuffle(order)
    rows = {"train": order[:n_train], "validation": order[total - n_valid :]}
    info = DatasetInfo(description="English Wikipedia, April 2016", license="CC BY-SA 4.0")
    return DatasetDict(
        # Splits live in memory (3 MB in all), so that `map` writes no cache file beside a read-only corpus.
        {split: Dataset(table.take(pa.array(places, pa.int64())), info=info) for split, places in rows.items()}
    )


def load_quiz() -> list[dict]:
    """150 multiple-choice questions, 30 for each of the tasks science, world, words, everyday and numbers.

    Each has `task`, `question`, `choices` (four strings) and `answer`, the place of the right choice (0 to 3).
    Written for this course, and easy for people: made to be measured with, not to be hard.
    """
    return _own_rows("quiz.jsonl")


def load_reviews() -> list[dict]:
    """160 one-sentence reviews, `text` and `label` (1 praise, 0 blame), half of each; written for this course.

    Rows 2i and 2i + 1 are a pair of one praise and one blame that often share words: a split at an even row
    leaves no twin on the other side.
    """
    return _own_rows("reviews.jsonl")


def _own_rows(name: str) -> list[dict]:
    lines = (Path(__file__).parent / "data" / name).read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _articles():
    """All articles of the dump, in the dump's order, as a pyarrow table; parsed once, then read from the cache."""
    import pyarrow as pa

    path = cache_dir("corpora") / f"wikipedia-gensim{_wheel_version()}-format{_FORMAT}.arrow"
    if not path.exists():
        with locked(path):
            if not path.exists():
                schema = pa.schema([(column, pa.string()) for column in COLUMNS])
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, schema) as writer:
                    writer.write_table(pa.Table.from_pylist(list(_parse(_dump())), schema))
                write_atomically(path, sink.getvalue().to_pybytes())
    with pa.OSFile(str(path)) as source:
        return pa.ipc.open_stream(source).read_all()


def _parse(dump: Path) -> Iterator[dict[str, str]]:
    """The pages that are articles (namespace 0, no redirect), one at a time: the XML is never whole in memory."""
    from helpers._wikitext import plain_text

    with bz2.open(dump) as file:
        for _, page in ElementTree.iterparse(file):
            if page.tag.rpartition("}")[2] != "page":
                continue
            if page.findtext("{*}ns") == "0" and page.find("{*}redirect") is None:
                title = page.findtext("{*}title")
                yield {
                    "id": page.findtext("{*}id"),
                    "url": "https://en.wikipedia.org/wiki/" + quote(title.replace(" ", "_")),
                    "title": title,
                    "text": plain_text(page.findtext("{*}revision/{*}text")),
                }
            page.clear()


def _wheel_version() -> str:
    try:
        return metadata.version("gensim")
    except metadata.PackageNotFoundError:
        raise FileNotFoundError(_no_wheel()) from None


def _dump() -> Path:
    path = Path(metadata.distribution("gensim").locate_file(DUMP))
    if not path.is_file():
        raise FileNotFoundError(_no_wheel())
    return path


def _no_wheel() -> str:
    return (
        "The Wikipedia articles are not installed: they are a file of the gensim wheel, "
        "so run `pip install --no-deps gensim==4.4.0`, or pass online=True."
    )


def _stream(n_train: int, n_valid: int, seed: int) -> DatasetDict:
    from datasets import Dataset, DatasetDict, load_dataset
    from huggingface_hub import HfApi

    name, version = _ONLINE
    try:
        HfApi().dataset_info(name, timeout=10)  # one quick question: `load_dataset` itself would retry for minutes
        stream = load_dataset(name, version, split="train", streaming=True)
        drawn = list(stream.shuffle(seed=seed, buffer_size=_ONLINE_POOL).take(n_train + n_valid))
    except Exception as error:
        raise ConnectionError(
            f"online=True needs the Hugging Face Hub, which did not answer ({type(error).__name__}); "
            "leave online out to read the articles that come with the course."
        ) from error
    rows = [{column: article[column] for column in COLUMNS} for article in drawn]
    return DatasetDict({"train": Dataset.from_list(rows[:n_train]), "validation": Dataset.from_list(rows[n_train:])})
