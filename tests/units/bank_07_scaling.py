"""Answers that learners hand in for unit 07, wrong ones with what their message must say, and right ones."""

from autograder.authoring.bank import equivalent, right, wrong

# -------------------------------------------------------------------------------------------------- quality_filter


@wrong("quality_filter", says="True means that the text passes")
def true_means_bad(text):
    words = text.split()
    if not words:
        return dict.fromkeys(RULES, True)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    bare = {word.strip(string.punctuation).lower() for word in words}
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": not 50 <= len(words) <= 100_000,
        "mean_word_length": not 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) > 0.1,
        "stop_words": len(bare & STOP_WORDS) < 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) > 0.3,
    }


@wrong("quality_filter", says="at least 50")
def more_than_fifty(text):
    words = text.split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    bare = {word.strip(string.punctuation).lower() for word in words}
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 < len(words) < 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": len(bare & STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) <= 0.3,
    }


@wrong("quality_filter", says="lower case")
def case_matters(text):
    words = text.split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": len(set(words) & STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) <= 0.3,
    }


@wrong("quality_filter", says="two *different* stop words")
def counts_every_stop_word(text):
    words = text.split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": sum(word.strip(string.punctuation).lower() in STOP_WORDS for word in words) >= 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) <= 0.3,
    }


@wrong("quality_filter", says="with punctuation")
def punctuation_stays(text):
    words = text.lower().split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": len(set(words) & STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) <= 0.3,
    }


@wrong("quality_filter", says="a whole word")
def stop_words_inside_words(text):
    words = text.split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": sum(word in text.lower() for word in STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) <= 0.3,
    }


@wrong("quality_filter", says="must not divide by 0")
def empty_text_is_forgotten(text):
    words = text.split()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    bare = {word.strip(string.punctuation).lower() for word in words}
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / max(len(words), 1) <= 10,
        "symbol_ratio": symbols / max(len(words), 1) <= 0.1,
        "stop_words": len(bare & STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / max(len(lines), 1) <= 0.3,
    }


@wrong("quality_filter", says="empty lines do not count")
def empty_lines_count(text):
    words = text.split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines()]
    bare = {word.strip(string.punctuation).lower() for word in words}
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": len(bare & STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) <= 0.3,
    }


@wrong("quality_filter", says="divide by the words")
def symbols_per_character(text):
    words = text.split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    bare = {word.strip(string.punctuation).lower() for word in words}
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(text) <= 0.1,
        "stop_words": len(bare & STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) <= 0.3,
    }


@wrong("quality_filter", says="2 of 10 lines that repeat an earlier one")
def every_line_that_occurs_twice(text):
    words = text.split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    bare = {word.strip(string.punctuation).lower() for word in words}
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": len(bare & STOP_WORDS) >= 2,
        "repeated_lines": sum(lines.count(line) > 1 for line in lines) / len(lines) <= 0.3,
    }


@wrong("quality_filter", says="lines are counted, not characters")
def repeated_characters(text):
    words = text.split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    bare = {word.strip(string.punctuation).lower() for word in words}
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": len(bare & STOP_WORDS) >= 2,
        "repeated_lines": 1 - sum(map(len, set(lines))) / sum(map(len, lines)) <= 0.3,
    }


@right("quality_filter")
def line_by_line(text):
    words = text.split()
    n = len(words)
    if n == 0:
        return {"length": False, "mean_word_length": False, "symbol_ratio": False, "stop_words": False,
                "repeated_lines": False}
    mean = sum(len(w) for w in words) / n
    symbols = sum(text.count(s) for s in ("#", "...", "…"))
    stops = set()
    for word in words:
        word = word.lower().strip("\"'.,;:!?()[]{}#$%&*+-/<=>@\\^_`|~")
        if word in STOP_WORDS:
            stops.add(word)
    seen, repeats, total = set(), 0, 0
    for line in text.split("\n"):
        line = line.strip()
        if not line:
            continue
        total += 1
        repeats += line in seen
        seen.add(line)
    return {"stop_words": len(stops) > 1, "length": n >= 50 and n <= 100000,
            "mean_word_length": mean >= 3 and mean <= 10,
            "symbol_ratio": symbols <= 0.1 * n, "repeated_lines": repeats / total <= 0.3}


@right("quality_filter")
def with_regular_expressions(text):
    import re
    from collections import Counter

    words = re.findall(r"\S+", text)
    if len(words) < 1:
        return {rule: False for rule in RULES}
    counts = Counter(line.strip() for line in text.splitlines())
    counts.pop("", None)
    total = sum(counts.values())
    stops = {re.sub(r"^\W+|\W+$", "", word).lower() for word in words} & STOP_WORDS
    return {
        "length": len(words) in range(50, 100_001),
        "mean_word_length": 3 <= len("".join(words)) / len(words) <= 10,
        "symbol_ratio": len(re.findall(r"#|\.\.\.|…", text)) / len(words) <= 0.1,
        "stop_words": len(stops) >= 2,
        "repeated_lines": (total - len(counts)) / total <= 0.3,
    }


@wrong("quality_filter", says="an ellipsis counts inside a word")
def ellipses_at_the_end_of_words(text):
    words = text.split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    bare = {word.strip(string.punctuation).lower() for word in words}
    symbols = text.count("#") + sum(word.endswith(("...", "…")) for word in words)
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": len(bare & STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) <= 0.3,
    }


@wrong("quality_filter", says="punctuation belongs to the words")
def length_of_bare_words(text):
    words = text.split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    bare = [word.strip("().,").lower() for word in words]
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, bare)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": len({word.strip(string.punctuation) for word in bare} & STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) <= 0.3,
    }


@wrong("quality_filter", says="punctuation goes at the ends alone")
def stop_words_by_a_pattern(text):
    import re

    words = text.split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": len(set(re.findall(r"\w+", text.lower())) & STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) <= 0.3,
    }


@wrong("quality_filter", says="differ in case or in spaces between words")
def lines_in_lower_case(text):
    words = text.split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip().lower() for line in text.splitlines() if line.strip()]
    bare = {word.strip(string.punctuation).lower() for word in words}
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": len(bare & STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) <= 0.3,
    }


@wrong("quality_filter", says="has no words and passes no rule")
def words_between_single_spaces(text):
    words = text.split(" ")
    if not text:
        return dict.fromkeys(RULES, False)
    words = [word for word in words if word]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    bare = {word.strip(string.punctuation).lower() for word in text.split()}
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": len(bare & STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / max(1, len(lines)) <= 0.3,
    }


@wrong("quality_filter", says="nothing but spaces is empty")
def blank_lines_count(text):
    words = text.split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines() if line]
    bare = {word.strip(string.punctuation).lower() for word in words}
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": len(bare & STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) <= 0.3,
    }


@wrong("quality_filter", says="tabs and ends of lines part them too")
def tabs_part_no_words(text):
    words = [word for line in text.splitlines() for word in line.strip().split(" ") if word]
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    bare = {word.strip(string.punctuation).lower() for word in words}
    symbols = text.count("#") + text.count("...") + text.count("…")
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": len(bare & STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) <= 0.3,
    }


# ------------------------------------------------------------------------------------------------------- shingles


@wrong("shingles", says="lower case first")
def case_stays(text, n):
    words = text.split()
    return {" ".join(words[i:i + n]) for i in range(max(1, len(words) - n + 1))} if words else set()


@wrong("shingles", says="one starts at each word")
def blocks_side_by_side(text, n):
    words = text.lower().split()
    return {" ".join(words[i:i + n]) for i in range(0, len(words), n)}


@wrong("shingles", says="runs of characters")
def characters(text, n):
    text = text.lower()
    return {text[i:i + n] for i in range(len(text) - n + 1)}


@wrong("shingles", says="has one shingle, all of it")
def short_texts_have_none(text, n):
    words = text.lower().split()
    return {" ".join(words[i:i + n]) for i in range(len(words) - n + 1)}


@wrong("shingles", says="the last run is missing")
def one_too_few(text, n):
    words = text.lower().split()
    if not words:
        return set()
    return {" ".join(words[i:i + n]) for i in range(max(1, len(words) - n))}


@wrong("shingles", says="without words has no shingle")
def empty_string_for_nothing(text, n):
    words = text.lower().split()
    return {" ".join(words[i:i + n]) for i in range(max(1, len(words) - n + 1))}


@wrong("shingles", says="wanted a set")
def a_list(text, n):
    words = text.lower().split()
    return [" ".join(words[i:i + n]) for i in range(max(1, len(words) - n + 1))] if words else []


@wrong("shingles", says="joined by one space")
def tuples(text, n):
    words = text.lower().split()
    return {tuple(words[i:i + n]) for i in range(max(1, len(words) - n + 1))} if words else set()


@wrong("shingles", says="one space")
def split_at_single_spaces(text, n):
    words = text.lower().split(" ")
    return {" ".join(words[i:i + n]) for i in range(max(1, len(words) - n + 1))} if text.strip() else set()


@wrong("shingles", says="the one shingle of a short text")
def short_texts_as_they_are(text, n):
    words = text.lower().split()
    if len(words) < n:
        return {text.lower()} if words else set()
    return {" ".join(words[i:i + n]) for i in range(len(words) - n + 1)}


@right("shingles")
def by_zip(text, n):
    words = text.lower().split()
    if 0 < len(words) < n:
        return {" ".join(words)}
    return {" ".join(run) for run in zip(*(words[i:] for i in range(n)))}


@right("shingles")
def by_a_window(text, n):
    found, window = set(), []
    for word in text.split():
        window = [*window, word.lower()][-n:]
        if len(window) == n:
            found.add(" ".join(window))
    if window and not found:
        found.add(" ".join(window))
    return found


# --------------------------------------------------------------------------------------------------------- minhash


@wrong("minhash", says="salted anew in each process")
def pythons_own_hash(shingles, n_hashes, seed):
    prime = 2**31 - 1
    a, b = torch.randint(1, prime, (2, n_hashes, 1), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor([hash(shingle) % prime for shingle in shingles])
    return ((a * x + b) % prime).amin(1)


@wrong("minhash", says="is each function another one")
def one_function_only(shingles, n_hashes, seed):
    least = min(zlib.crc32(f"{seed}{shingle}".encode()) for shingle in shingles)
    return torch.full((n_hashes,), least)


@wrong("minhash", says="smallest values of one function")
def the_smallest_k_of_one_function(shingles, n_hashes, seed):
    values = sorted(zlib.crc32(f"{seed} {shingle} {copy}".encode()) for shingle in shingles
                    for copy in range(-(-n_hashes // len(shingles))))
    return torch.tensor(values[:n_hashes])


@wrong("minhash", says="another seed")
def seed_is_ignored(shingles, n_hashes, seed):
    prime = 2**31 - 1
    a, b = torch.randint(1, prime, (2, n_hashes, 1), generator=torch.Generator().manual_seed(0))
    x = torch.tensor([zlib.crc32(shingle.encode()) % prime for shingle in shingles])
    return ((a * x + b) % prime).amin(1)


@wrong("minhash", says="the same set and seed")
def new_functions_at_each_call(shingles, n_hashes, seed):
    prime = 2**31 - 1
    generator = torch.Generator()
    generator.seed()
    a, b = torch.randint(1, prime, (2, n_hashes, 1), generator=generator)
    x = torch.tensor([zlib.crc32(shingle.encode()) % prime for shingle in shingles])
    return ((a * x + b) % prime).amin(1)


@wrong("minhash", says="whose Jaccard similarity is 1/3")
def place_in_the_set_counts(shingles, n_hashes, seed):
    prime = 2**31 - 1
    a, b = torch.randint(1, prime, (2, n_hashes, 1), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor([zlib.crc32(shingle.encode()) % prime + i for i, shingle in enumerate(shingles)])
    return ((a * x + b) % prime).amin(1)


@wrong("minhash", says="wanted shape")
def one_value_for_each_shingle(shingles, n_hashes, seed):
    prime = 2**31 - 1
    a, b = torch.randint(1, prime, (2, n_hashes, 1), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor([zlib.crc32(shingle.encode()) % prime for shingle in shingles])
    return ((a * x + b) % prime).amin(0)


@wrong("minhash", says="is it the smallest hash")
def by_length_of_the_string(shingles, n_hashes, seed):
    prime = 2**31 - 1
    a, b = torch.randint(1, prime, (2, n_hashes, 1), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor([len(shingle) for shingle in shingles])
    return ((a * x + b) % prime).amin(1)


@wrong("minhash", says="wanted whole numbers")
def a_share_of_the_prime(shingles, n_hashes, seed):
    prime = 2**31 - 1
    a, b = torch.randint(1, prime, (2, n_hashes, 1), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor([zlib.crc32(shingle.encode()) % prime for shingle in shingles])
    return ((a * x + b) % prime).amin(1) / prime


@wrong("minhash", says="Jaccard similarity")
def shifts_alone(shingles, n_hashes, seed):
    prime = 2**31 - 1
    b = torch.randint(1, 1000, (n_hashes, 1), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor([zlib.crc32(shingle.encode()) % prime for shingle in shingles])
    return (x + b).amin(1)


@right("minhash")
def checksums_of_the_number_and_the_shingle(shingles, n_hashes, seed):
    return torch.tensor([min(zlib.crc32(f"{seed}-{i}-{s}".encode()) for s in shingles) for i in range(n_hashes)])


@wrong("minhash", says="for sets of two shingles")
def shifts_modulo_a_prime(shingles, n_hashes, seed):
    prime = 2**31 - 1
    b = torch.randint(1, prime, (n_hashes, 1), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor([zlib.crc32(shingle.encode()) for shingle in shingles])
    return ((x + b) % prime).amin(1)


@wrong("minhash", says="for sets of two shingles")
def one_factor_for_all(shingles, n_hashes, seed):
    prime = 2**31 - 1
    generator = torch.Generator().manual_seed(seed)
    a = torch.randint(1, prime, (1, 1), generator=generator)
    b = torch.randint(1, prime, (n_hashes, 1), generator=generator)
    x = torch.tensor([zlib.crc32(shingle.encode()) for shingle in shingles])
    return ((a * x + b) % prime).amin(1)


@right("minhash")
def unsigned_64_bits(shingles, n_hashes, seed):
    import hashlib

    base = [int.from_bytes(hashlib.blake2b(s.encode(), digest_size=8).digest(), "big") for s in shingles]
    functions = []
    for i in range(n_hashes):
        digest = hashlib.blake2b(f"{seed} {i}".encode(), digest_size=16).digest()
        functions.append((int.from_bytes(digest[:8], "big") | 1, int.from_bytes(digest[8:], "big")))
    return [min((a * x + b) % 2**64 for x in base) for a, b in functions]


@right("minhash")
def seeded_strings(shingles, n_hashes, seed):
    import hashlib

    salt = str(seed).encode()
    digests = [hashlib.blake2b(shingle.encode(), digest_size=4, salt=salt).digest() for shingle in shingles]
    first = torch.tensor([int.from_bytes(digest, "big") for digest in digests])
    rounds = torch.arange(n_hashes)[:, None] * 0x9E3779B1 % 2**31
    mixed = (first ^ rounds) * 0x85EBCA6B % 2**32
    mixed = (mixed ^ (mixed >> 13)) * 0x2C1B3C6D % 2**32
    return (mixed ^ (mixed >> 16)).amin(1)


@right("minhash")
def a_list_of_numbers(shingles, n_hashes, seed):
    import random

    rng = random.Random(seed)
    prime = (1 << 61) - 1
    functions = [(rng.randrange(1, prime), rng.randrange(prime)) for _ in range(n_hashes)]
    base = [zlib.crc32(s.encode("utf-8")) for s in shingles]
    return [min((a * x + b) % prime for x in base) for a, b in functions]


@right("minhash")
def numpy_array(shingles, n_hashes, seed):
    import numpy as np

    rng = np.random.default_rng(seed)
    a = rng.integers(1, 2**31 - 1, n_hashes, dtype=np.int64)
    b = rng.integers(0, 2**31 - 1, n_hashes, dtype=np.int64)
    x = np.array([zlib.adler32(s.encode()) ^ zlib.crc32(s.encode()) for s in sorted(shingles)], dtype=np.int64)
    x %= 2**31 - 1
    return ((np.outer(a, x) + b[:, None]) % (2**31 - 1)).min(axis=1)


for change in ("2 ** 31 - 1 -> 2 ** 31 + 1", "2 ** 31 - 1 -> 2 ** 31", "31 - 1: 2 -> 3", "31 - 1: 31 -> 32",
               "31 - 1: 1 -> 2", "31 - 1: 1 -> -1"):
    equivalent("minhash", change, why="another large modulus scrambles as well, as far as the contract asks")
equivalent("minhash", "generator=generator): 1 -> 0", why="a = 0 has a chance of one in two thousand million")
equivalent("minhash", "amin -> amax", why="the largest value of a hash function is as good as the smallest")
equivalent("minhash", "a * x + b -> a * x - b", why="minus b is as random as b")
equivalent("minhash", "a * x + b -> a * x", why="a random factor alone scrambles well enough for sets of hundreds")

# ----------------------------------------------------------------------------------------------- estimated_jaccard


@wrong("estimated_jaccard", says="not sets of values")
def as_sets(a, b):
    one, two = set(a.tolist()), set(b.tolist())
    return len(one & two) / len(one | two)


@wrong("estimated_jaccard", says="divide by all places")
def how_many(a, b):
    return float((a == b).sum())


@wrong("estimated_jaccard", says="differ")
def distance(a, b):
    return (a != b).float().mean().item()


@wrong("estimated_jaccard", says="counted twice")
def as_if_sets_of_places(a, b):
    same = (a == b).sum().item()
    return same / (2 * len(a) - same)


@wrong("estimated_jaccard", says="length of one")
def over_both(a, b):
    return (a == b).sum().item() / (len(a) + len(b))


@wrong("estimated_jaccard", says="all 64 bits")
def as_32_bits(a, b):
    return (a.int() == b.int()).double().mean().item()


@right("estimated_jaccard")
def by_loop(a, b):
    return sum(int(x) == int(y) for x, y in zip(a, b)) / len(a)


@right("estimated_jaccard")
def as_a_tensor(a, b):
    return torch.eq(a, b).to(torch.float64).mean()


equivalent("estimated_jaccard", ".item() -> (a == b).double().mean()", why="the tests take a tensor without axes")

# ----------------------------------------------------------------------------------------------------- deduplicate


@wrong("deduplicate", says="only exact copies")
def exact_only(texts, threshold):
    seen, kept = set(), []
    for i, text in enumerate(texts):
        if text not in seen:
            kept.append(i)
        seen.add(text)
    return kept


@wrong("deduplicate", says="compare only those that meet in a bucket")
def all_pairs(texts, threshold):
    signatures, kept = [], []
    for i, text in enumerate(texts):
        values = minhash(shingles(text, 5), 128, 0)
        if not any(estimated_jaccard(values, other) >= threshold for other in signatures):
            kept.append(i)
            signatures.append(values)
    return kept


@wrong("deduplicate", says="the texts to keep are wanted")
def those_to_drop(texts, threshold):
    kept, dropped = [], []
    for i, text in enumerate(texts):
        values = minhash(shingles(text, 5), 128, 0)
        if any(estimated_jaccard(values, other) >= threshold for other in kept):
            dropped.append(i)
        else:
            kept.append(values)
    return dropped


@wrong("deduplicate", says="the first is to stay")
def keeps_the_last(texts, threshold):
    table, kept = [], []
    for i in reversed(range(len(texts))):
        values = minhash(shingles(texts[i], 5), 128, 0)
        if not any(estimated_jaccard(values, other) >= threshold for other in table):
            kept.append(i)
            table.append(values)
    return sorted(kept)


@wrong("deduplicate", says="one of each is to stay")
def drops_all_of_a_group(texts, threshold):
    values = [minhash(shingles(text, 5), 128, 0) for text in texts]
    return [i for i, mine in enumerate(values)
            if not any(j != i and estimated_jaccard(mine, other) >= threshold for j, other in enumerate(values))]


@wrong("deduplicate", says="the indices of the texts")
def the_texts_themselves(texts, threshold):
    table, kept = [], []
    for text in texts:
        values = minhash(shingles(text, 5), 128, 0)
        if not any(estimated_jaccard(values, other) >= threshold for other in table):
            kept.append(text)
            table.append(values)
    return kept


@wrong("deduplicate", says="shingles of 5 words")
def threshold_is_ignored(texts, threshold):
    buckets, signatures = {}, {}
    for i, text in enumerate(texts):
        values = minhash(shingles(text, 5), 128, 0)
        keys = [(band, *values[band:band + 8].tolist()) for band in range(0, 128, 8)]
        near = {j for key in keys for j in buckets.get(key, ())}
        if any(estimated_jaccard(values, signatures[j]) >= 0.75 for j in near):
            continue
        signatures[i] = values
        for key in keys:
            buckets.setdefault(key, []).append(i)
    return list(signatures)


@wrong("deduplicate", says="wrong with another threshold")
def whoever_meets_is_a_duplicate(texts, threshold):
    buckets, kept = {}, []
    for i, text in enumerate(texts):
        values = minhash(shingles(text, 5), 128, 0)
        keys = [(band, *values[band:band + 4].tolist()) for band in range(0, 128, 4)]
        if any(key in buckets for key in keys):
            continue
        kept.append(i)
        for key in keys:
            buckets[key] = i
    return kept


@wrong("deduplicate", says="shingles of 5 words")
def single_words(texts, threshold):
    buckets, signatures = {}, {}
    for i, text in enumerate(texts):
        values = minhash(shingles(text, 1), 128, 0)
        keys = [(band, *values[band:band + 4].tolist()) for band in range(0, 128, 4)]
        near = {j for key in keys for j in buckets.get(key, ())}
        if any(estimated_jaccard(values, signatures[j]) >= threshold for j in near):
            continue
        signatures[i] = values
        for key in keys:
            buckets.setdefault(key, []).append(i)
    return list(signatures)


@wrong("deduplicate", says="shingles of 5 words")
def three_words(texts, threshold):
    buckets, signatures = {}, {}
    for i, text in enumerate(texts):
        values = minhash(shingles(text, 3), 128, 0)
        keys = [(band, *values[band:band + 4].tolist()) for band in range(0, 128, 4)]
        near = {j for key in keys for j in buckets.get(key, ())}
        if any(estimated_jaccard(values, signatures[j]) >= threshold for j in near):
            continue
        signatures[i] = values
        for key in keys:
            buckets.setdefault(key, []).append(i)
    return list(signatures)


@wrong("deduplicate", says="kept before it")
def dropped_texts_in_the_buckets(texts, threshold):
    rows = 8 if threshold > 0.8 else 4 if threshold > 0.55 else 3
    buckets, signatures, kept = {}, {}, []
    for i, text in enumerate(texts):
        values = minhash(shingles(text, 5), 128, 0)
        keys = [(band, *values[band:band + rows].tolist()) for band in range(0, 128, rows)]
        near = {j for key in keys for j in buckets.get(key, ())}
        if not any(estimated_jaccard(values, signatures[j]) >= threshold for j in near):
            kept.append(i)
        signatures[i] = values
        for key in keys:
            buckets.setdefault(key, []).append(i)
    return kept


@wrong("deduplicate", says="all the candidates")
def first_candidate_only(texts, threshold):
    rows = 8 if threshold > 0.8 else 4 if threshold > 0.55 else 3
    buckets, signatures = {}, {}
    for i, text in enumerate(texts):
        values = minhash(shingles(text, 5), 128, 0)
        keys = [(band, *values[band:band + rows].tolist()) for band in range(0, 128, rows)]
        near = {j for key in keys for j in buckets.get(key, ())}
        if any(estimated_jaccard(values, signatures[j]) >= threshold for j in sorted(near)[:1]):
            continue
        signatures[i] = values
        for key in keys:
            buckets.setdefault(key, []).append(i)
    return list(signatures)


@wrong("deduplicate", says="Must the bands not depend on the threshold")
def always_bands_of_four(texts, threshold):
    buckets, signatures = {}, {}
    for i, text in enumerate(texts):
        values = minhash(shingles(text, 5), 128, 0)
        keys = [(band, *values[band:band + 4].tolist()) for band in range(0, 128, 4)]
        near = {j for key in keys for j in buckets.get(key, ())}
        if any(estimated_jaccard(values, signatures[j]) >= threshold for j in near):
            continue
        signatures[i] = values
        for key in keys:
            buckets.setdefault(key, []).append(i)
    return list(signatures)


@wrong("deduplicate", says="compare only those that meet in a bucket")
def whoever_shares_a_shingle(texts, threshold):
    index, sets = {}, {}
    for i, text in enumerate(texts):
        own = shingles(text, 5)
        near = {j for one in own for j in index.get(one, ())}
        if any(len(own & sets[j]) / len(own | sets[j]) >= threshold for j in near):
            continue
        sets[i] = own
        for one in own:
            index.setdefault(one, []).append(i)
    return list(sets)


@right("deduplicate")
def numbers_of_numpy(texts, threshold):
    import numpy as np

    mask = np.zeros(len(texts), dtype=bool)
    rows = 8 if threshold > 0.8 else 4 if threshold > 0.55 else 3
    buckets, signatures = {}, {}
    for i, text in enumerate(texts):
        values = minhash(shingles(text, 5), 128, 0)
        keys = [(band, *values[band:band + rows].tolist()) for band in range(0, 128, rows)]
        near = {j for key in keys for j in buckets.get(key, ())}
        if any(estimated_jaccard(values, signatures[j]) >= threshold for j in near):
            continue
        signatures[i], mask[i] = values, True
        for key in keys:
            buckets.setdefault(key, []).append(i)
    return list(np.flatnonzero(mask))


@right("deduplicate")
def exact_sets_after_the_bands(texts, threshold):
    buckets, kept, sets = {}, [], {}
    for i, text in enumerate(texts):
        own = shingles(text, 5)
        values = [int(v) for v in minhash(own, 120, 7)]
        keys = [(band, tuple(values[band:band + 3])) for band in range(0, 120, 3)]
        near = set()
        for key in keys:
            near.update(buckets.get(key, []))
        if any(len(own & sets[j]) / len(own | sets[j]) >= threshold for j in near):
            continue
        kept.append(i)
        sets[i] = own
        for key in keys:
            buckets.setdefault(key, set()).add(i)
    return kept


@wrong("deduplicate", says="kept before it")
def union_of_all_that_meet(texts, threshold):
    values = [torch.as_tensor(minhash(shingles(text, 5), 128, 1)) for text in texts]
    rows = 8 if threshold > 0.8 else 4 if threshold > 0.55 else 2  # finds each of them, and too many
    parent = list(range(len(texts)))

    def root(i):
        while parent[i] != i:
            i = parent[i]
        return i

    for band in range(0, 128, rows):
        groups = {}
        for i, mine in enumerate(values):
            groups.setdefault(tuple(mine[band:band + rows].tolist()), []).append(i)
        for members in groups.values():
            for other in members[1:]:
                if (values[members[0]] == values[other]).float().mean() >= threshold:
                    parent[max(root(other), root(members[0]))] = min(root(other), root(members[0]))
    return [i for i in range(len(texts)) if root(i) == i]


for change in ("size = 128: 128 -> 129", "range(1, size) -> range(1, size - 1)",
               "<= threshold -> (r / size) ** (1 / r) < threshold",
               "start:start + rows -> start + 1:start + rows", "start:start + rows -> start:start + rows + 1",
               "start:start + rows -> start:start + rows - 1", "range(0, size, rows)]: 0 -> 1"):
    equivalent("deduplicate", change, why="another banding finds the same pairs, which are far from the threshold")
equivalent("deduplicate", "size, 0): 0 -> 1", why="any seed will do")
equivalent("deduplicate", ">= threshold -> estimated_jaccard(signature, signatures[other]) > threshold",
           why="no pair is within 0.15 of the threshold")
equivalent("deduplicate", "estimated_jaccard(signatures[other], signature)", why="similarity is symmetric")

# ------------------------------------------------------------------------------------------------- all_reduce_mean


@wrong("all_reduce_mean", says="divide by the number of workers")
def sum_of_all(tensors):
    return [torch.stack(tensors).sum(0) for _ in tensors]


@wrong("all_reduce_mean", says="every worker gets the mean")
def the_mean_alone(tensors):
    return torch.stack(tensors).mean(0)


@wrong("all_reduce_mean", says="average over the workers")
def own_numbers(tensors):
    return [t.mean() for t in tensors]


@wrong("all_reduce_mean", says="a tensor of its own")
def one_tensor_for_all(tensors):
    return [torch.stack(tensors).mean(0)] * len(tensors)


@wrong("all_reduce_mean", says="tensors that came in were changed")
def in_place(tensors):
    for other in tensors[1:]:
        tensors[0] += other
    tensors[0] /= len(tensors)
    return [tensors[0].clone() for _ in tensors]


@wrong("all_reduce_mean", says="that is a reduce")
def only_worker_zero(tensors):
    return [torch.stack(tensors).mean(0), *[t.clone() for t in tensors[1:]]]


@wrong("all_reduce_mean", says="one for each")
def a_list_of_one(tensors):
    return [torch.stack(tensors).mean(0)]


@right("all_reduce_mean")
def by_adding(tensors):
    return [sum(tensors) / len(tensors) for _ in tensors]


@right("all_reduce_mean")
def rows_of_a_new_tensor(tensors):
    stacked = torch.stack(tensors)
    return list(stacked.mean(0, keepdim=True).repeat(len(tensors), *[1] * (stacked.ndim - 1)).clone().unbind(0))


# ------------------------------------------------------------------------------------------------------- ddp_train


@wrong("ddp_train", says="all_reduce gives the sum")
def gradients_are_added(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    weights = [w.clone() for w in weights]
    for w in weights:
        dist.broadcast(w, src=0)
    for _ in range(n_steps):
        gradients = gradient(weights, x[rank::world_size], y[rank::world_size])
        for g in gradients:
            dist.all_reduce(g)
        weights = [w - lr * g for w, g in zip(weights, gradients)]
    dist.destroy_process_group()
    return weights, gradients


@wrong("ddp_train", says="broadcast those of rank 0")
def no_broadcast(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    for _ in range(n_steps):
        gradients = gradient(weights, x[rank::world_size], y[rank::world_size])
        for g in gradients:
            dist.all_reduce(g)
            g /= world_size
        weights = [w - lr * g for w, g in zip(weights, gradients)]
    dist.destroy_process_group()
    return weights, gradients


@wrong("ddp_train", says="own share of the rows")
def the_whole_batch_everywhere(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    weights = [w.clone() for w in weights]
    for w in weights:
        dist.broadcast(w, src=0)
    for _ in range(n_steps):
        gradients = gradient(weights, x, y)
        weights = [w - lr * g for w, g in zip(weights, gradients)]
    dist.destroy_process_group()
    return weights, gradients


@wrong("ddp_train", says="average over all processes")
def never_communicates(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    weights = [w.clone() for w in weights]
    for w in weights:
        dist.broadcast(w, src=0)
    for _ in range(n_steps):
        gradients = gradient(weights, x[rank::world_size], y[rank::world_size])
        weights = [w - lr * g for w, g in zip(weights, gradients)]
    dist.destroy_process_group()
    return weights, gradients


@wrong("ddp_train", says="in the share of just one process")
def everybody_has_the_first_rows(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    weights = [w.clone() for w in weights]
    for w in weights:
        dist.broadcast(w, src=0)
    share = len(x) // world_size
    for _ in range(n_steps):
        gradients = gradient(weights, x[:share], y[:share])
        for g in gradients:
            dist.all_reduce(g)
            g /= world_size
        weights = [w - lr * g for w, g in zip(weights, gradients)]
    dist.destroy_process_group()
    return weights, gradients


@wrong("ddp_train", says="changed in place")
def broadcasts_into_the_arguments(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    for w in weights:
        dist.broadcast(w, src=0)
    for _ in range(n_steps):
        gradients = gradient(weights, x[rank::world_size], y[rank::world_size])
        for g in gradients:
            dist.all_reduce(g)
            g /= world_size
        weights = [w - lr * g for w, g in zip(weights, gradients)]
    dist.destroy_process_group()
    return weights, gradients


@wrong("ddp_train", says="the step goes up")
def climbs(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    weights = [w.clone() for w in weights]
    for w in weights:
        dist.broadcast(w, src=0)
    for _ in range(n_steps):
        gradients = gradient(weights, x[rank::world_size], y[rank::world_size])
        for g in gradients:
            dist.all_reduce(g)
            g /= world_size
        weights = [w + lr * g for w, g in zip(weights, gradients)]
    dist.destroy_process_group()
    return weights, gradients


@wrong("ddp_train", says="still in the group")
def never_leaves(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    weights = [w.clone() for w in weights]
    for w in weights:
        dist.broadcast(w, src=0)
    for _ in range(n_steps):
        gradients = gradient(weights, x[rank::world_size], y[rank::world_size])
        for g in gradients:
            dist.all_reduce(g)
            g /= world_size
        weights = [w - lr * g for w, g in zip(weights, gradients)]
    return weights, gradients


@wrong("ddp_train", says="a process failed")
def forgot_the_group(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps):
    for _ in range(n_steps):
        gradients = gradient(weights, x[rank::world_size], y[rank::world_size])
        for g in gradients:
            dist.all_reduce(g)
            g /= world_size
        weights = [w - lr * g for w, g in zip(weights, gradients)]
    return weights, gradients


@wrong("ddp_train", says="called once in each step")
def a_gradient_for_each_row(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    weights = [w.clone() for w in weights]
    for w in weights:
        dist.broadcast(w, src=0)
    for _ in range(n_steps):
        rows = range(rank, len(x), world_size)
        each = [gradient(weights, x[i:i + 1], y[i:i + 1]) for i in rows]
        gradients = [sum(same) / len(rows) for same in zip(*each)]
        for g in gradients:
            dist.all_reduce(g)
            g /= world_size
        weights = [w - lr * g for w, g in zip(weights, gradients)]
    dist.destroy_process_group()
    return weights, gradients


@wrong("ddp_train", says="one tensor or more")
def two_weights_only(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    first, second = (w.clone() for w in weights)
    dist.broadcast(first, src=0)
    dist.broadcast(second, src=0)
    for _ in range(n_steps):
        gradients = gradient([first, second], x[rank::world_size], y[rank::world_size])
        for g in gradients:
            dist.all_reduce(g)
            g /= world_size
        first, second = first - lr * gradients[0], second - lr * gradients[1]
    dist.destroy_process_group()
    return [first, second], gradients


@right("ddp_train")
def by_an_optimizer(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    weights = [w.clone() for w in weights]
    for w in weights:
        dist.broadcast(w, src=0)
    optimizer = torch.optim.SGD(weights, lr=lr)
    for _ in range(n_steps):
        gradients = gradient(weights, x[rank::world_size], y[rank::world_size])
        for w, g in zip(weights, gradients):
            dist.all_reduce(g)
            w.grad = g.div_(world_size)
        optimizer.step()
    dist.destroy_process_group()
    return weights, gradients


@right("ddp_train")
def contiguous_shares(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps):
    dist.init_process_group(backend="gloo", init_method=init_method, world_size=world_size, rank=rank)
    try:
        current = [w.detach().clone() for w in weights]
        for w in current:
            dist.broadcast(w, 0)
        own_x, own_y = x.chunk(world_size)[rank], y.chunk(world_size)[rank]
        averaged = []
        for _ in range(n_steps):
            averaged = []
            for g in gradient(current, own_x, own_y):
                g = g / world_size
                dist.all_reduce(g, op=dist.ReduceOp.SUM)
                averaged.append(g)
            for w, g in zip(current, averaged):
                w -= lr * g
        return current, averaged
    finally:
        dist.destroy_process_group()


@right("ddp_train")
def one_large_message(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps):
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    shapes, sizes = [w.shape for w in weights], [w.numel() for w in weights]
    flat = torch.cat([w.flatten() for w in weights])
    dist.broadcast(flat, src=0)
    cut = lambda vector: [part.view(shape) for part, shape in zip(vector.split(sizes), shapes)]
    for _ in range(n_steps):
        slope = torch.cat([g.flatten() for g in gradient(cut(flat), x[rank::world_size], y[rank::world_size])])
        gathered = [torch.empty_like(slope) for _ in range(world_size)]
        dist.all_gather(gathered, slope)
        slope = torch.stack(gathered).mean(0)
        flat = flat - lr * slope
    dist.barrier()
    dist.destroy_process_group()
    return [cut(flat), cut(slope)]


# ------------------------------------------------------------------------------------------------- column_parallel


@wrong("column_parallel", says="w was cut by rows")
def cut_by_rows(x, w, world_size):
    return [a @ b for a, b in zip(x.chunk(world_size, -1), w.chunk(world_size, 0))]


@wrong("column_parallel", says="its own columns only")
def whole_product_everywhere(x, w, world_size):
    return [x @ w for _ in range(world_size)]


@wrong("column_parallel", says="dealt out in turn")
def columns_in_turn(x, w, world_size):
    return [x @ w[:, i::world_size] for i in range(world_size)]


@wrong("column_parallel", says="wanted a list")
def joined(x, w, world_size):
    return torch.cat([x @ part for part in w.chunk(world_size, 1)], -1)


@wrong("column_parallel", says="reverse order")
def last_worker_first(x, w, world_size):
    return [x @ part for part in w.chunk(world_size, 1)][::-1]


@wrong("column_parallel", says="are zeros")
def padded_with_zeros(x, w, world_size):
    step, parts = w.shape[1] // world_size, []
    for i in range(world_size):
        own = torch.zeros_like(w)
        own[:, i * step:(i + 1) * step] = w[:, i * step:(i + 1) * step]
        parts.append(x @ own)
    return parts


@right("column_parallel")
def split_the_product(x, w, world_size):
    step = w.shape[-1] // world_size
    return [torch.matmul(x, w[:, rank * step:(rank + 1) * step]) for rank in range(world_size)]


@right("column_parallel")
def as_layers(x, w, world_size):
    return tuple(F.linear(x, part) for part in w.T.chunk(world_size, 0))


# ---------------------------------------------------------------------------------------------------- row_parallel


@wrong("row_parallel", says="return the summands")
def already_added(x, w, world_size):
    parts = [a @ b for a, b in zip(x.chunk(world_size, -1), w.chunk(world_size, 0))]
    return [sum(parts) for _ in parts]


@wrong("row_parallel", says="wanted a list")
def the_sum(x, w, world_size):
    return sum(a @ b for a, b in zip(x.chunk(world_size, -1), w.chunk(world_size, 0)))


@wrong("row_parallel", says="dealt out in turn")
def rows_in_turn(x, w, world_size):
    return [x[..., i::world_size] @ w[i::world_size] for i in range(world_size)]


@wrong("row_parallel", says="reverse order")
def backwards(x, w, world_size):
    return [a @ b for a, b in zip(x.chunk(world_size, -1), w.chunk(world_size, 0))][::-1]


@wrong("row_parallel", says="averaged")
def averaged(x, w, world_size):
    return [a @ b / world_size for a, b in zip(x.chunk(world_size, -1), w.chunk(world_size, 0))]


@wrong("row_parallel", says="wanted shape")
def columns_again(x, w, world_size):
    return [x @ part for part in w.chunk(world_size, 1)] if w.shape[1] >= world_size else [x @ w]


@right("row_parallel")
def by_slices(x, w, world_size):
    step = x.shape[-1] // world_size
    return [x[..., i:i + step] @ w[i:i + step, :] for i in range(0, x.shape[-1], step)]


@right("row_parallel")
def rest_set_to_zero(x, w, world_size):
    step, out = w.shape[0] // world_size, []
    for rank in range(world_size):
        own = torch.zeros_like(w)
        own[rank * step:(rank + 1) * step] = w[rank * step:(rank + 1) * step]
        out.append(x @ own)
    return tuple(out)


# ----------------------------------------------------------------------------------------------- pipeline_schedule


@wrong("pipeline_schedule", says="wanted 6 slots")
def one_at_a_time(n_stages, n_microbatches):
    table = [[] for _ in range(n_stages)]
    for kind in "FB":
        for micro in range(n_microbatches):
            for busy in range(n_stages) if kind == "F" else reversed(range(n_stages)):
                for stage in range(n_stages):
                    table[stage].append(f"{kind}{micro}" if stage == busy else "")
    return table


@wrong("pipeline_schedule", says="gradients flow")
def backward_from_the_first_stage(n_stages, n_microbatches):
    half = n_microbatches + n_stages - 1
    table = [[""] * (2 * half) for _ in range(n_stages)]
    for s in range(n_stages):
        for i in range(n_microbatches):
            table[s][s + i] = f"F{i}"
            table[s][half + s + i] = f"B{i}"
    return table


@wrong("pipeline_schedule", says="one row for each stage")
def rows_are_slots(n_stages, n_microbatches):
    table = [[""] * (2 * (n_microbatches + n_stages - 1)) for _ in range(n_stages)]
    for s in range(n_stages):
        for i in range(n_microbatches):
            table[s][s + i] = f"F{i}"
            table[s][-1 - s - i] = f"B{i}"
    return [list(column) for column in zip(*table)]


@wrong("pipeline_schedule", says="not GPipe's")
def one_forward_one_backward(n_stages, n_microbatches):
    p, m = n_stages, n_microbatches
    table = [[""] * (2 * (m + p - 1)) for _ in range(p)]
    for s in range(p):
        for i in range(m):
            ahead = p - s  # forward steps before the first backward step
            forward = s + i if i < ahead else 2 * i + s
            table[s][forward] = f"F{i}"
            table[s][2 * p - 1 - s + 2 * i] = f"B{i}"
    return table


@wrong("pipeline_schedule", says="must do each forward and each backward step once")
def counted_from_one(n_stages, n_microbatches):
    table = [[""] * (2 * (n_microbatches + n_stages - 1)) for _ in range(n_stages)]
    for s in range(n_stages):
        for i in range(n_microbatches):
            table[s][s + i] = f"F{i + 1}"
            table[s][-1 - s - i] = f"B{i + 1}"
    return table


@wrong("pipeline_schedule", says="must do each forward and each backward step once")
def forward_only(n_stages, n_microbatches):
    table = [[""] * (2 * (n_microbatches + n_stages - 1)) for _ in range(n_stages)]
    for s in range(n_stages):
        for i in range(n_microbatches):
            table[s][s + i] = f"F{i}"
    return table


@wrong("pipeline_schedule", says="idle slot")
def none_for_idle(n_stages, n_microbatches):
    table = [[None] * (2 * (n_microbatches + n_stages - 1)) for _ in range(n_stages)]
    for s in range(n_stages):
        for i in range(n_microbatches):
            table[s][s + i] = f"F{i}"
            table[s][-1 - s - i] = f"B{i}"
    return table


@wrong("pipeline_schedule", says="gradients flow from the last stage")
def no_waiting(n_stages, n_microbatches):
    table = [[""] * (2 * (n_microbatches + n_stages - 1)) for _ in range(n_stages)]
    for s in range(n_stages):
        for i in range(n_microbatches):
            table[s][i] = f"F{i}"
            table[s][-1 - i] = f"B{i}"
    return table


@right("pipeline_schedule")
def row_by_row(n_stages, n_microbatches):
    rows = []
    for s in range(n_stages):
        forward = [""] * s + [f"F{i}" for i in range(n_microbatches)] + [""] * (n_stages - 1 - s)
        rows.append(forward + [entry.replace("F", "B") for entry in reversed(forward)])
    return rows


@right("pipeline_schedule")
def first_micro_batch_back_first(n_stages, n_microbatches):
    p, m = n_stages, n_microbatches
    table = [["" for _ in range(2 * (m + p - 1))] for _ in range(p)]
    for s in range(p):
        for i in range(m):
            table[s][s + i] = "F" + str(i)
            table[s][(m + p - 1) + (p - 1 - s) + i] = "B" + str(i)
    return tuple(map(tuple, table))


# ------------------------------------------------------------------------------------------------- bubble_fraction


@wrong("bubble_fraction", says="the idle one is wanted")
def busy_share(n_stages, n_microbatches):
    return n_microbatches / (n_microbatches + n_stages - 1)


@wrong("bubble_fraction", says="divide by all slots")
def idle_over_busy(n_stages, n_microbatches):
    return (n_stages - 1) / n_microbatches


@wrong("bubble_fraction", says="not for p")
def waits_for_p(n_stages, n_microbatches):
    return n_stages / (n_microbatches + n_stages)


@wrong("bubble_fraction", says="m + p - 1")
def slots_miscounted(n_stages, n_microbatches):
    return (n_stages - 1) / (n_microbatches + n_stages)


@wrong("bubble_fraction", says="exchanged")
def exchanged(n_stages, n_microbatches):
    return (n_microbatches - 1) / (n_microbatches + n_stages - 1)


@right("bubble_fraction")
def tensor_without_axes(n_stages, n_microbatches):
    return torch.tensor(n_stages - 1) / (n_microbatches + n_stages - 1)


@right("bubble_fraction")
def one_minus_busy(n_stages, n_microbatches):
    return 1 - n_microbatches / (n_microbatches + n_stages - 1)


@right("bubble_fraction")
def by_counting(n_stages, n_microbatches):
    rows = pipeline_schedule(n_stages, n_microbatches)
    return sum(row.count("") for row in rows) / sum(len(row) for row in rows)


# -------------------------------------------------------------------------------------------- online_softmax_merge


@wrong("online_softmax_merge", says="as if their largest scores were equal")
def without_factors(parts):
    return sum(o for _, _, o in parts) / sum(ell for _, ell, _ in parts)[..., None]


@wrong("online_softmax_merge", says="mean of the parts")
def mean_of_outputs(parts):
    return sum(o / ell[..., None] for _, ell, o in parts) / len(parts)


@wrong("online_softmax_merge", says="l needs the same factor")
def only_o_is_scaled(parts):
    top = torch.stack([m for m, _, _ in parts]).amax(0)
    total = sum((m - top).exp()[..., None] * o for m, _, o in parts)
    return total / sum(ell for _, ell, _ in parts)[..., None]


@wrong("online_softmax_merge", says="you did not divide")
def not_divided(parts):
    top = torch.stack([m for m, _, _ in parts]).amax(0)
    return sum((m - top).exp()[..., None] * o for m, _, o in parts)


@wrong("online_softmax_merge", says="not its inverse")
def inverse_factor(parts):
    top = torch.stack([m for m, _, _ in parts]).amax(0)
    total = sum((top - m).exp()[..., None] * o for m, _, o in parts)
    return total / sum((top - m).exp() * ell for m, ell, _ in parts)[..., None]


@wrong("online_softmax_merge", says="sees nothing of a part")
def two_at_a_time(parts):
    m, ell, o = parts[0]
    for m2, l2, o2 in parts[1:]:
        top = torch.maximum(m, m2)
        a, b = (m - top).exp(), (m2 - top).exp()
        m, ell, o = top, a * ell + b * l2, a[..., None] * o + b[..., None] * o2
    return o / ell[..., None]


@wrong("online_softmax_merge", says="overflow")
def absolute_exponentials(parts):
    total = sum(m.exp()[..., None] * o for m, _, o in parts)
    return total / sum(m.exp() * ell for m, ell, _ in parts)[..., None]


@wrong("online_softmax_merge", says="changed in place")
def scales_the_parts(parts):
    top = torch.stack([m for m, _, _ in parts]).amax(0)
    for m, ell, o in parts:
        factor = (m - top).exp()
        ell *= factor
        o *= factor[..., None]
    return sum(o for _, _, o in parts) / sum(ell for _, ell, _ in parts)[..., None]


@wrong("online_softmax_merge", says="for each query by itself")
def largest_of_all_queries(parts):
    top = torch.stack([m for m, _, _ in parts]).max()
    total = sum((m - top).exp()[..., None] * o for m, _, o in parts)
    return total / sum((m - top).exp() * ell for m, ell, _ in parts)[..., None]


@wrong("online_softmax_merge", says="for each query by itself")
def largest_of_each_row_of_queries(parts):
    top = torch.stack([m for m, _, _ in parts]).amax(0).amax(-1, keepdim=True)
    total = sum((m - top).exp()[..., None] * o for m, _, o in parts)
    return total / sum((m - top).exp() * ell for m, ell, _ in parts)[..., None]


@wrong("online_softmax_merge", says="scores may be of any size")
def never_below_minus_ten_thousand(parts):
    m, ell, o = (torch.stack(tensors) for tensors in zip(*parts))
    m = m.clamp_min(-1e4)
    factor = (m - m.amax(0)).exp()
    return (factor[..., None] * o).sum(0) / (factor * ell).sum(0)[..., None]


@wrong("online_softmax_merge", says="take the largest m of all parts")
def relative_to_the_first_part(parts):
    top = parts[0][0]
    total = sum((m - top).exp()[..., None] * o for m, _, o in parts)
    return total / sum((m - top).exp() * ell for m, ell, _ in parts)[..., None]


@right("online_softmax_merge")
def through_logsumexp(parts):
    lse = torch.stack([m + ell.log() for m, ell, _ in parts])
    outputs = torch.stack([torch.where(ell[..., None] > 0, o / ell[..., None], 0.0) for _, ell, o in parts])
    return (torch.softmax(lse, 0)[..., None] * outputs).sum(0)


@right("online_softmax_merge")
def careful_pairs(parts):
    m, ell, o = (t.clone() for t in parts[0])
    for m2, l2, o2 in parts[1:]:
        top = torch.maximum(m, m2)
        safe = torch.where(torch.isinf(top), torch.zeros_like(top), top)
        a, b = torch.exp(m - safe), torch.exp(m2 - safe)
        m, ell, o = top, ell * a + l2 * b, o * a.unsqueeze(-1) + o2 * b.unsqueeze(-1)
    return o / ell.unsqueeze(-1)


# -------------------------------------------------------------------------------------------------- training_flops


@wrong("training_flops", says="forward pass alone")
def forward_pass(n_params, n_tokens):
    return 2 * n_params * n_tokens


@wrong("training_flops", says="backward pass alone")
def backward_pass(n_params, n_tokens):
    return 4 * n_params * n_tokens


@wrong("training_flops", says="two operations")
def one_operation_each(n_params, n_tokens):
    return 3 * n_params * n_tokens


@wrong("training_flops", says="not right")
def per_token(n_params, n_tokens):
    return 6 * n_params


@right("training_flops")
def two_and_four(n_params, n_tokens):
    return 2 * n_params * n_tokens + 4.0 * n_params * n_tokens


@right("training_flops")
def in_single_precision(n_params, n_tokens):
    return 6 * torch.tensor(float(n_params)) * n_tokens


@right("training_flops")
def as_a_float(n_params, n_tokens):
    return float(n_tokens) * 6 * float(n_params)


# ------------------------------------------------------------------------------------------------ activation_bytes


@wrong("activation_bytes", says="the attention shares are missing")
def without_shares(seq_len, batch_size, hidden_size, n_heads, n_layers, tensor_parallel=1, sequence_parallel=False):
    t = tensor_parallel
    return seq_len * batch_size * hidden_size * n_layers * (34 / t if sequence_parallel else 10 + 24 / t)


@wrong("activation_bytes", says="that is for one layer")
def one_layer(seq_len, batch_size, hidden_size, n_heads, n_layers, tensor_parallel=1, sequence_parallel=False):
    t = tensor_parallel
    dense = 34 / t if sequence_parallel else 10 + 24 / t
    return seq_len * batch_size * hidden_size * (dense + 5 * n_heads * seq_len / (hidden_size * t))


@wrong("activation_bytes", says="kept by every worker")
def all_divided(seq_len, batch_size, hidden_size, n_heads, n_layers, tensor_parallel=1, sequence_parallel=False):
    per_number = 34 + 5 * n_heads * seq_len / hidden_size
    return seq_len * batch_size * hidden_size * n_layers * per_number / tensor_parallel


@wrong("activation_bytes", says="no effect")
def never_divided(seq_len, batch_size, hidden_size, n_heads, n_layers, tensor_parallel=1, sequence_parallel=False):
    return seq_len * batch_size * hidden_size * n_layers * (34 + 5 * n_heads * seq_len / hidden_size)


@wrong("activation_bytes", says="shares are divided")
def shares_stay_whole(seq_len, batch_size, hidden_size, n_heads, n_layers, tensor_parallel=1, sequence_parallel=False):
    t = tensor_parallel
    dense = 34 / t if sequence_parallel else 10 + 24 / t
    return seq_len * batch_size * hidden_size * n_layers * (dense + 5 * n_heads * seq_len / hidden_size)


@wrong("activation_bytes", says="counts bytes already")
def two_bytes_each(seq_len, batch_size, hidden_size, n_heads, n_layers, tensor_parallel=1, sequence_parallel=False):
    t = tensor_parallel
    dense = 34 / t if sequence_parallel else 10 + 24 / t
    return 2 * seq_len * batch_size * hidden_size * n_layers * (dense + 5 * n_heads * seq_len / (hidden_size * t))


@wrong("activation_bytes", says="sequence_parallel has no effect")
def sequence_parallel_ignored(seq_len, batch_size, hidden_size, n_heads, n_layers, tensor_parallel=1,
                              sequence_parallel=False):
    t = tensor_parallel
    return seq_len * batch_size * hidden_size * n_layers * (10 + 24 / t + 5 * n_heads * seq_len / (hidden_size * t))


@wrong("activation_bytes", says="heads are missing")
def one_head(seq_len, batch_size, hidden_size, n_heads, n_layers, tensor_parallel=1, sequence_parallel=False):
    t = tensor_parallel
    dense = 34 / t if sequence_parallel else 10 + 24 / t
    return seq_len * batch_size * hidden_size * n_layers * (dense + 5 * seq_len / (hidden_size * t))


@wrong("activation_bytes", says="False by default")
def sequence_parallel_by_default(seq_len, batch_size, hidden_size, n_heads, n_layers, tensor_parallel=1,
                                 sequence_parallel=True):
    t = tensor_parallel
    dense = 34 / t if sequence_parallel else 10 + 24 / t
    return seq_len * batch_size * hidden_size * n_layers * (dense + 5 * n_heads * seq_len / (hidden_size * t))


@right("activation_bytes")
def a_number_of_numpy(seq_len, batch_size, hidden_size, n_heads, n_layers, tensor_parallel=1, sequence_parallel=False):
    import numpy as np

    dense = np.float64(34 / tensor_parallel if sequence_parallel else 10 + 24 / tensor_parallel)
    shares = 5 * n_heads * seq_len / (hidden_size * tensor_parallel)
    return np.float64(seq_len * batch_size * hidden_size * n_layers) * (dense + shares)


@right("activation_bytes")
def term_by_term(seq_len, batch_size, hidden_size, n_heads, n_layers, tensor_parallel=1, sequence_parallel=False):
    s, b, h, a, t = seq_len, batch_size, hidden_size, n_heads, tensor_parallel
    common = (24 * s * b * h + 5 * a * s * s * b) / t
    between = 10 * s * b * h / (t if sequence_parallel else 1)
    return n_layers * (common + between)


# ------------------------------------------------------------------------------------------------------------- mfu


@wrong("mfu", says="training takes 6 operations")
def forward_only_counts(n_params, n_tokens, seconds, peak_flops):
    return 2 * n_params * n_tokens / (seconds * peak_flops)


@wrong("mfu", says="multiply the peak by the seconds")
def seconds_forgotten(n_params, n_tokens, seconds, peak_flops):
    return 6 * n_params * n_tokens / peak_flops


@wrong("mfu", says="not tokens per second")
def tokens_a_second(n_params, n_tokens, seconds, peak_flops):
    return 6 * n_params * n_tokens * seconds / peak_flops


@wrong("mfu", says="not a percentage")
def in_per_cent(n_params, n_tokens, seconds, peak_flops):
    return 100 * training_flops(n_params, n_tokens) / seconds / peak_flops


@wrong("mfu", says="the other way round")
def upside_down(n_params, n_tokens, seconds, peak_flops):
    return seconds * peak_flops / training_flops(n_params, n_tokens)


@wrong("mfu", says="neither the seconds nor the share are rounded")
def whole_seconds(n_params, n_tokens, seconds, peak_flops):
    return 6 * n_params * n_tokens / (max(1, int(seconds)) * peak_flops)


@wrong("mfu", says="not right")
def rounded_to_three_places(n_params, n_tokens, seconds, peak_flops):
    return round(6 * n_params * n_tokens / (seconds * peak_flops), 3)


@right("mfu")
def a_tensor_without_axes(n_params, n_tokens, seconds, peak_flops):
    return torch.tensor(6.0 * n_params * n_tokens) / (seconds * peak_flops)


@right("mfu")
def throughput_first(n_params, n_tokens, seconds, peak_flops):
    return (n_tokens / seconds) * 6 * n_params / peak_flops


equivalent("mfu", "training_flops(n_tokens, n_params)", why="a product: the order does not matter")

# ------------------------------------------------------------------------------------------------- fit_scaling_law


@wrong("fit_scaling_law", says="logarithms: exponentiate")
def logarithms_come_back(n, d, loss):
    grid = torch.arange(0.05, 1, 0.05, dtype=n.dtype)
    alpha, beta = torch.cartesian_prod(grid, grid).T[..., None]
    terms = torch.stack([torch.ones_like(n).expand(len(alpha), -1), n**-alpha, d**-beta], -1) / loss[:, None]
    found = torch.linalg.lstsq(terms, torch.ones_like(terms[..., :1])).solution
    error = (terms @ found - 1).square().sum((1, 2)).where((found > 0).all(1)[:, 0], math.inf)
    best = error.argmin()
    point = torch.cat([found[best, :, 0].log(), alpha[best], beta[best]]).requires_grad_()
    optimizer = torch.optim.LBFGS([point], max_iter=100, tolerance_grad=0, tolerance_change=0,
                                  line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        e, a, b, alpha, beta = point
        predicted = torch.logsumexp(torch.stack([e.expand_as(n), a - alpha * n.log(), b - beta * d.log()]), 0)
        value = F.huber_loss(predicted, loss.log(), delta=1e-3, reduction="sum")
        value.backward()
        return value

    optimizer.step(closure)
    return tuple(point.tolist())


@wrong("fit_scaling_law", says="off by up to")
def grid_without_refinement(n, d, loss):
    grid = torch.arange(0.05, 1, 0.05, dtype=n.dtype)
    alpha, beta = torch.cartesian_prod(grid, grid).T[..., None]
    terms = torch.stack([torch.ones_like(n).expand(len(alpha), -1), n**-alpha, d**-beta], -1) / loss[:, None]
    found = torch.linalg.lstsq(terms, torch.ones_like(terms[..., :1])).solution
    error = (terms @ found - 1).square().sum((1, 2)).where((found > 0).all(1)[:, 0], math.inf)
    best = error.argmin()
    E, A, B = found[best, :, 0].tolist()
    return E, A, B, alpha[best].item(), beta[best].item()


@wrong("fit_scaling_law", says="stop")
def mean_and_default_tolerances(n, d, loss):
    point = torch.tensor([0.5, 5.0, 6.0, 0.3, 0.3], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([point], max_iter=1000, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        e, a, b, alpha, beta = point
        predicted = torch.logsumexp(torch.stack([e.expand_as(n), a - alpha * n.log(), b - beta * d.log()]), 0)
        value = F.huber_loss(predicted, loss.log(), delta=1e-3)
        value.backward()
        return value

    optimizer.step(closure)
    e, a, b, alpha, beta = point.tolist()
    return math.exp(e), math.exp(a), math.exp(b), alpha, beta


@wrong("fit_scaling_law", says="irreducible loss E")
def no_irreducible_loss(n, d, loss):
    point = torch.tensor([2.0, 2.0, 0.2, 0.2], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([point], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        a, b, alpha, beta = point
        predicted = torch.logaddexp(a - alpha * n.log(), b - beta * d.log())
        value = (predicted - loss.log()).square().sum()
        value.backward()
        return value

    optimizer.step(closure)
    a, b, alpha, beta = point.tolist()
    return 0.0, math.exp(a), math.exp(b), alpha, beta


@wrong("fit_scaling_law", says="the order is (E, A, B, alpha, beta)")
def in_another_order(n, d, loss):
    grid = torch.arange(0.05, 1, 0.05, dtype=n.dtype)
    alpha, beta = torch.cartesian_prod(grid, grid).T[..., None]
    terms = torch.stack([torch.ones_like(n).expand(len(alpha), -1), n**-alpha, d**-beta], -1) / loss[:, None]
    found = torch.linalg.lstsq(terms, torch.ones_like(terms[..., :1])).solution
    error = (terms @ found - 1).square().sum((1, 2)).where((found > 0).all(1)[:, 0], math.inf)
    best = error.argmin()
    point = torch.cat([found[best, :, 0].log(), alpha[best], beta[best]]).requires_grad_()
    optimizer = torch.optim.LBFGS([point], max_iter=100, tolerance_grad=0, tolerance_change=0,
                                  line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        e, a, b, alpha, beta = point
        predicted = torch.logsumexp(torch.stack([e.expand_as(n), a - alpha * n.log(), b - beta * d.log()]), 0)
        value = F.huber_loss(predicted, loss.log(), delta=1e-3, reduction="sum")
        value.backward()
        return value

    optimizer.step(closure)
    e, a, b, alpha, beta = point.tolist()
    return math.exp(e), math.exp(a), alpha, math.exp(b), beta


@wrong("fit_scaling_law", says="wrong sign")
def signs_of_the_exponents(n, d, loss):
    e, a, b, alpha, beta = 0.5, 6.0, 7.0, 0.34, 0.31
    point = torch.tensor([math.log(1.7), math.log(400), math.log(1000), -0.34, -0.31], dtype=torch.float64,
                         requires_grad=True)
    optimizer = torch.optim.LBFGS([point], max_iter=100, tolerance_grad=0, tolerance_change=0,
                                  line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        e, a, b, alpha, beta = point
        predicted = torch.logsumexp(torch.stack([e.expand_as(n), a + alpha * n.log(), b + beta * d.log()]), 0)
        value = F.huber_loss(predicted, loss.log(), delta=1e-3, reduction="sum")
        value.backward()
        return value

    optimizer.step(closure)
    e, a, b, alpha, beta = point.tolist()
    return math.exp(e), math.exp(a), math.exp(b), alpha, beta


@wrong("fit_scaling_law", says="off by up to")
def published_numbers(n, d, loss):
    return 1.69, 406.4, 410.7, 0.34, 0.28


@wrong("fit_scaling_law", says="too far off")
def exponents_up_to_six_tenths(n, d, loss):
    alphas = betas = torch.linspace(0.05, 0.6, 24, dtype=torch.float64)
    for _ in range(9):
        pairs = torch.cartesian_prod(alphas, betas)
        terms = torch.stack([torch.ones(len(pairs), len(n), dtype=torch.float64),
                             n ** -pairs[:, :1], d ** -pairs[:, 1:]], -1) / loss[:, None]
        found = torch.linalg.lstsq(terms, torch.ones(len(pairs), len(n), 1, dtype=torch.float64)).solution
        error = (terms @ found - 1).square().sum((1, 2)).where((found > 0).all(1)[:, 0], math.inf)
        i = error.argmin()
        alpha, beta = pairs[i].tolist()
        da, db = 2 * (alphas[1] - alphas[0]).item(), 2 * (betas[1] - betas[0]).item()
        alphas = torch.linspace(max(alpha - da, 1e-3), min(alpha + da, 0.6), 16, dtype=torch.float64)
        betas = torch.linspace(max(beta - db, 1e-3), min(beta + db, 0.6), 16, dtype=torch.float64)
    E, A, B = found[i, :, 0].tolist()
    return E, A, B, alpha, beta


@right("fit_scaling_law")
def several_starts(n, d, loss):
    log_n, log_d, log_loss = n.log(), d.log(), loss.log()

    def refined(start):
        point = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([point], max_iter=250, history_size=20, tolerance_grad=1e-14,
                                      tolerance_change=1e-16, line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            terms = torch.stack([point[0] + 0 * log_n, point[1] - point[3] * log_n, point[2] - point[4] * log_d])
            value = 1e3 * F.huber_loss(torch.logsumexp(terms, 0), log_loss, delta=1e-3, reduction="sum")
            value.backward()
            return value

        optimizer.step(closure)
        return closure().item(), point.detach().tolist()

    starts = [[math.log(0.8 * loss.min().item()), math.log(0.3) + alpha * log_n.mean().item(),
               math.log(0.3) + beta * log_d.mean().item(), alpha, beta] for alpha in (0.2, 0.5) for beta in (0.2, 0.4)]
    _, best = min(map(refined, starts))
    e, a, b, alpha, beta = best
    return [math.exp(e), math.exp(a), math.exp(b), alpha, beta]


@right("fit_scaling_law")
def zooming_grid(n, d, loss):
    alphas = betas = torch.linspace(0.05, 1.0, 24, dtype=torch.float64)
    for _ in range(9):
        pairs = torch.cartesian_prod(alphas, betas)
        terms = torch.stack([torch.ones(len(pairs), len(n), dtype=torch.float64),
                             n ** -pairs[:, :1], d ** -pairs[:, 1:]], -1) / loss[:, None]
        found = torch.linalg.lstsq(terms, torch.ones(len(pairs), len(n), 1, dtype=torch.float64)).solution
        error = (terms @ found - 1).square().sum((1, 2)).where((found > 0).all(1)[:, 0], math.inf)
        i = error.argmin()
        alpha, beta = pairs[i].tolist()
        da, db = 2 * (alphas[1] - alphas[0]).item(), 2 * (betas[1] - betas[0]).item()
        alphas = torch.linspace(max(alpha - da, 1e-3), alpha + da, 16, dtype=torch.float64)
        betas = torch.linspace(max(beta - db, 1e-3), beta + db, 16, dtype=torch.float64)
    E, A, B = found[i, :, 0].tolist()
    return E, A, B, alpha, beta


@right("fit_scaling_law")
def one_array_of_five(n, d, loss):
    alphas = betas = torch.linspace(0.05, 1.0, 24, dtype=torch.float64)
    for _ in range(9):
        pairs = torch.cartesian_prod(alphas, betas)
        terms = torch.stack([torch.ones(len(pairs), len(n), dtype=torch.float64),
                             n ** -pairs[:, :1], d ** -pairs[:, 1:]], -1) / loss[:, None]
        found = torch.linalg.lstsq(terms, torch.ones(len(pairs), len(n), 1, dtype=torch.float64)).solution
        error = (terms @ found - 1).square().sum((1, 2)).where((found > 0).all(1)[:, 0], math.inf)
        i = error.argmin()
        alpha, beta = pairs[i].tolist()
        da, db = 2 * (alphas[1] - alphas[0]).item(), 2 * (betas[1] - betas[0]).item()
        alphas = torch.linspace(max(alpha - da, 1e-3), alpha + da, 16, dtype=torch.float64)
        betas = torch.linspace(max(beta - db, 1e-3), beta + db, 16, dtype=torch.float64)
    E, A, B = found[i, :, 0].tolist()
    import numpy as np

    return np.array([E, A, B, alpha, beta])


@right("fit_scaling_law")
def five_numbers_of_numpy(n, d, loss):
    alphas = betas = torch.linspace(0.05, 1.0, 24, dtype=torch.float64)
    for _ in range(9):
        pairs = torch.cartesian_prod(alphas, betas)
        terms = torch.stack([torch.ones(len(pairs), len(n), dtype=torch.float64),
                             n ** -pairs[:, :1], d ** -pairs[:, 1:]], -1) / loss[:, None]
        found = torch.linalg.lstsq(terms, torch.ones(len(pairs), len(n), 1, dtype=torch.float64)).solution
        error = (terms @ found - 1).square().sum((1, 2)).where((found > 0).all(1)[:, 0], math.inf)
        i = error.argmin()
        alpha, beta = pairs[i].tolist()
        da, db = 2 * (alphas[1] - alphas[0]).item(), 2 * (betas[1] - betas[0]).item()
        alphas = torch.linspace(max(alpha - da, 1e-3), alpha + da, 16, dtype=torch.float64)
        betas = torch.linspace(max(beta - db, 1e-3), beta + db, 16, dtype=torch.float64)
    E, A, B = found[i, :, 0].tolist()
    import numpy as np

    return tuple(np.float64(v) for v in (E, A, B, alpha, beta))


equivalent("fit_scaling_law", "(terms[..., :1])).solution: :1 -> :",
           why="more right-hand sides, all alike, of which the first is used")
equivalent("fit_scaling_law", "(terms[..., :1])).solution: 1 -> -1",
           why="more right-hand sides, all alike, of which the first is used")
equivalent("fit_scaling_law", "sum((1, 2)): sum -> mean",
           why="the same number of terms for each pair: the same minimum")
equivalent("fit_scaling_law", "max_iter=100, tolerance_grad=0, tolerance_change=0,: 100 -> 101",
           why="one step more of a finished search")
equivalent("fit_scaling_law", "(terms[..., :1])).solution: 1 -> 2",
           why="more right-hand sides, all alike, of which the first is used")
equivalent("fit_scaling_law", "math.inf).argmin(): 1 -> 2",
           why="where E is positive and the fit good, A and B are positive too")
equivalent("fit_scaling_law", "max_iter=100, tolerance_change=0",
           why="that small a gradient comes only when the search is done")
equivalent("fit_scaling_law", "F.huber_loss(loss.log(), predicted,", why="the Huber loss is symmetric")
equivalent("fit_scaling_law", "F.huber_loss(predicted, loss.log(), reduction='sum')",
           why="squares fit as well where no run is an outlier")
equivalent("fit_scaling_law", "F.huber_loss(predicted, loss.log(), delta=0.001)",
           why="without tolerances a factor of the loss moves no minimum")
equivalent("fit_scaling_law", "point.tolist() -> point", why="the tests take tensors without axes")

# ------------------------------------------------------------------------------------------------- compute_optimal


@wrong("compute_optimal", says="6 n d = flops")
def forgot_the_six(flops, law):
    _, A, B, alpha, beta = law
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    n = G * flops ** (beta / (alpha + beta))
    return n, flops / n


@wrong("compute_optimal", says="parameters come first")
def tokens_first(flops, law):
    _, A, B, alpha, beta = law
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    n = G * (flops / 6) ** (beta / (alpha + beta))
    return flops / (6 * n), n


@wrong("compute_optimal", says="make a difference")
def square_root(flops, law):
    return (flops / 6) ** 0.5, (flops / 6) ** 0.5


@wrong("compute_optimal", says="exchanged")
def exponents_exchanged(flops, law):
    _, A, B, beta, alpha = law
    n = (alpha * A / (beta * B) * (flops / 6) ** beta) ** (1 / (alpha + beta))
    return n, flops / (6 * n)


@wrong("compute_optimal", says="equal parts for both terms")
def equal_terms(flops, law):
    _, A, B, alpha, beta = law
    n = (A / B * (flops / 6) ** beta) ** (1 / (alpha + beta))
    return n, flops / (6 * n)


@wrong("compute_optimal", says="not the best split")
def twenty_tokens_a_parameter(flops, law):
    _, A, B, alpha, beta = law
    if alpha == beta:
        n = (A / B) ** (1 / (2 * alpha)) * (flops / 6) ** 0.5
        return n, flops / (6 * n)
    n = (flops / 120) ** 0.5
    return n, 20 * n


@wrong("compute_optimal", says="wanted two numbers")
def parameters_only(flops, law):
    _, A, B, alpha, beta = law
    return (alpha * A / (beta * B) * (flops / 6) ** beta) ** (1 / (alpha + beta))


@right("compute_optimal")
def with_g(flops, law):
    _, A, B, alpha, beta = law
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    return G * (flops / 6) ** (beta / (alpha + beta)), (flops / 6) ** (alpha / (alpha + beta)) / G


@right("compute_optimal")
def by_bisection(flops, law):
    _, A, B, alpha, beta = law
    low, high = 0.0, math.log(flops / 6)
    for _ in range(200):
        middle = (low + high) / 2
        n = math.exp(middle)
        d = flops / (6 * n)
        if alpha * A * n**-alpha > beta * B * d**-beta:
            low = middle
        else:
            high = middle
    return [math.exp(low), flops / 6 / math.exp(low)]
