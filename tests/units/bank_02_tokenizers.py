"""Answers that learners hand in for unit 02, wrong ones with what their message must say, and right ones."""

from autograder.authoring.bank import equivalent, right, wrong

# -------------------------------------------------------------------------------------------- encode_longest_match


@wrong("encode_longest_match", says="take the longest")
def shortest_first(text, vocab):
    ids, i = [], 0
    while i < len(text):
        for j in range(i + 1, len(text) + 1):
            if text[i:j] in vocab:
                ids.append(vocab[text[i:j]])
                i = j
                break
        else:
            raise ValueError(text[i:])
    return ids


@wrong("encode_longest_match", says="its id is 0")
def an_id_of_zero_is_no_id(text, vocab):
    ids, i = [], 0
    while i < len(text):
        for j in range(len(text), i, -1):
            if vocab.get(text[i:j]):
                ids.append(vocab[text[i:j]])
                i = j
                break
        else:
            i += 1
    return ids


@wrong("encode_longest_match", says="do not skip it")
def skips_what_it_does_not_know(text, vocab):
    ids, i = [], 0
    while i < len(text):
        for j in range(len(text), i, -1):
            if text[i:j] in vocab:
                ids.append(vocab[text[i:j]])
                i = j
                break
        else:
            i += 1
    return ids


@wrong("encode_longest_match", says="look ahead")
def fewest_pieces(text, vocab):
    best = {0: []}
    for i in range(len(text)):
        for j in range(i + 1, len(text) + 1):
            if i in best and text[i:j] in vocab:
                candidate = [*best[i], vocab[text[i:j]]]
                if j not in best or len(candidate) < len(best[j]):
                    best[j] = candidate
    if len(text) not in best:
        raise ValueError(text)
    return best[len(text)]


@wrong("encode_longest_match", says="take the longest")
def first_of_the_vocabulary(text, vocab):
    ids = []
    while text:
        for piece in vocab:
            if text.startswith(piece):
                ids.append(vocab[piece])
                text = text[len(piece):]
                break
        else:
            raise ValueError(text)
    return ids


@wrong("encode_longest_match", says="look ahead")
def from_the_right(text, vocab):
    ids = []
    while text:
        for i in range(len(text)):
            if text[i:] in vocab:
                ids.insert(0, vocab[text[i:]])
                text = text[:i]
                break
        else:
            raise ValueError(text)
    return ids


@wrong("encode_longest_match", says="never take a piece back")
def takes_pieces_back(text, vocab):
    if not text:
        return []
    for j in range(len(text), 0, -1):
        if text[:j] in vocab:
            try:
                return [vocab[text[:j]], *takes_pieces_back(text[j:], vocab)]
            except ValueError:
                continue
    raise ValueError(text)


@wrong("encode_longest_match", says="not their ids")
def pieces_for_ids(text, vocab):
    pieces, i = [], 0
    while i < len(text):
        for j in range(len(text), i, -1):
            if text[i:j] in vocab:
                pieces.append(text[i:j])
                i = j
                break
        else:
            raise ValueError(text[i:])
    return pieces


@wrong("encode_longest_match", says="the end of the text")
def drops_the_end(text, vocab):
    ids, i = [], 0
    while i < len(text):
        for j in range(len(text), i, -1):
            if text[i:j] in vocab:
                ids.append(vocab[text[i:j]])
                i = j
                break
        else:
            if len(text) - i == 1:
                break
            raise ValueError(text[i:])
    return ids


@right("encode_longest_match")
def by_a_pattern(text, vocab):
    pattern = re.compile("|".join(re.escape(piece) for piece in sorted(vocab, key=len, reverse=True)))
    ids, i = [], 0
    while i < len(text):
        match = pattern.match(text, i)
        if match is None:
            raise KeyError(text[i])
        ids.append(vocab[match[0]])
        i = match.end()
    return ids


@right("encode_longest_match")
def next_of_the_ends(text, vocab):
    ids, i = [], 0
    while i < len(text):
        piece = next(text[i:j] for j in range(len(text), i, -1) if text[i:j] in vocab)  # or StopIteration
        ids.append(vocab[piece])
        i += len(piece)
    return ids


@right("encode_longest_match")
def asserts_that_something_fits(text, vocab):
    ids = []
    while text != "":
        fitting = sorted((piece for piece in vocab if text.startswith(piece)), key=len)
        assert fitting, f"no piece fits {text!r}"
        ids.append(vocab[fitting[-1]])
        text = text.removeprefix(fitting[-1])
    return ids


@right("encode_longest_match")
def longest_candidate_by_max(text, vocab):
    ids = []
    while text:
        piece = max((piece for piece in vocab if text.startswith(piece)), key=len, default=None)
        ids.append(vocab[piece])  # a KeyError where nothing fits
        text = text[len(piece):]
    return ids


@right("encode_longest_match")
def with_a_trie(text, vocab):
    trie = {}
    for piece, number in vocab.items():
        node = trie
        for sign in piece:
            node = node.setdefault(sign, {})
        node[""] = number
    ids, i = [], 0
    while i < len(text):
        node, end, found = trie, None, None
        for j in range(i, len(text)):
            if text[j] not in node:
                break
            node = node[text[j]]
            if "" in node:
                end, found = j + 1, node[""]
        if end is None:
            raise ValueError(f"nothing fits at {i}")
        ids.append(found)
        i = end
    return ids


@wrong("encode_longest_match", says="look ahead")
def longest_piece_of_the_whole_text_first(text, vocab):
    def cut(rest):
        if not rest:
            return []
        found = max((piece for piece in vocab if piece in rest), key=lambda piece: (len(piece), piece), default=None)
        if found is None:
            raise ValueError(rest)
        before, _, after = rest.partition(found)
        return [*cut(before), vocab[found], *cut(after)]

    return cut(text)


@right("encode_longest_match")
def with_a_window(text, vocab):
    window, ids, start = max(map(len, vocab)), [], 0
    while start < len(text):
        end = min(len(text), start + window)
        while end > start and text[start:end] not in vocab:
            end -= 1
        if end == start:
            raise RuntimeError(f"cannot tokenize {text[start:]!r}")
        ids.append(vocab[text[start:end]])
        start = end
    return ids


@right("encode_longest_match")
def first_of_the_sorted_pieces(text, vocab):
    longest_first = sorted(vocab, key=len, reverse=True)
    ids = []
    while text:
        fitting = [piece for piece in longest_first if text.startswith(piece)]
        ids.append(vocab[fitting[0]])  # an IndexError where nothing fits
        text = text.removeprefix(fitting[0])
    return ids


# ------------------------------------------------------------------------------------------------- byte_to_unicode


@wrong("byte_to_unicode", says="need a disguise")
def every_byte_is_itself():
    return {byte: chr(byte) for byte in range(256)}


@wrong("byte_to_unicode", says="byte 127 follows on byte 32")
def shifts_by_256():
    return {byte: chr(byte) if 33 <= byte <= 126 or 161 <= byte <= 172 or byte >= 174 else chr(256 + byte)
            for byte in range(256)}


@wrong("byte_to_unicode", says="the soft hyphen")
def forgets_the_soft_hyphen():
    plain = [*range(33, 127), *range(161, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {**{byte: chr(byte) for byte in plain}, **{byte: chr(256 + n) for n, byte in enumerate(others)}}


@wrong("byte_to_unicode", says="the space has no disguise")
def the_space_is_printable():
    table, n = {}, 0
    for byte in range(256):
        if chr(byte).isprintable():
            table[byte] = chr(byte)
        else:
            table[byte] = chr(256 + n)
            n += 1
    return table


@wrong("byte_to_unicode", says="keys are the 256 whole numbers")
def turned_round():
    table, n = {}, 0
    for byte in range(256):
        if chr(byte).isprintable() and byte != 32:
            table[chr(byte)] = byte
        else:
            table[chr(256 + n)] = byte
            n += 1
    return table


@wrong("byte_to_unicode", says="keys are the 256 whole numbers")
def bytes_for_keys():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    table = {byte: chr(byte) for byte in plain} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    return {bytes([byte]): sign for byte, sign in table.items()}


@wrong("byte_to_unicode", says="not chr(257)")
def begins_one_too_late():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(257 + n) for n, byte in enumerate(others)}


@wrong("byte_to_unicode", says="`chr` makes it")
def numbers_for_characters():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: byte for byte in plain} | {byte: 256 + n for n, byte in enumerate(others)}


@wrong("byte_to_unicode", says="keys are the 256 whole numbers")
def only_the_printable_bytes():
    return {byte: chr(byte) for byte in [*range(33, 127), *range(161, 173), *range(174, 256)]}


@wrong("byte_to_unicode", says="not right")
def range_stops_early():
    plain = [*range(33, 126), *range(161, 172), *range(174, 255)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + n) for n, byte in enumerate(others)}


equivalent("byte_to_unicode", "range(256) -> range(256 - 1)", why="byte 255 is not among the others anyway")


@right("byte_to_unicode")
def by_isprintable():
    table, spare = {}, 256
    for byte in range(256):
        if chr(byte).isprintable() and byte != ord(" "):
            table[byte] = chr(byte)
        else:
            table[byte] = chr(spare)
            spare += 1
    return table


@right("byte_to_unicode")
def from_strings():
    plain = "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
    plain += "".join(map(chr, range(0xA1, 0x100))).replace("\xad", "")
    others = iter(map(chr, range(256, 512)))
    return {byte: chr(byte) if chr(byte) in plain else next(others) for byte in range(256)}


@right("byte_to_unicode")
def as_published_by_openai():
    bs = list(range(ord("!"), ord("~") + 1)) + list(range(ord("¡"), ord("¬") + 1)) + list(range(ord("®"), ord("ÿ") + 1))
    cs = bs[:]
    n = 0
    for b in range(2**8):
        if b not in bs:
            bs.append(b)
            cs.append(2**8 + n)
            n += 1
    return dict(zip(bs, [chr(c) for c in cs]))


# ------------------------------------------------------------------------------------------------------ pretokenize


@wrong("pretokenize", says="that is `split`")
def plain_split(text):
    return text.split()


@wrong("pretokenize", says="the spaces are lost")
def loses_the_spaces(text):
    return regex.findall(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}+|[^\s\p{L}\p{N}]+", text)


@wrong("pretokenize", says="not a pre-token by itself")
def spaces_by_themselves(text):
    return regex.findall(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}+|[^\s\p{L}\p{N}]+|\s+", text)


@wrong("pretokenize", says="rule 1 is missing")
def no_endings(text):
    return regex.findall(r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", text)


@wrong("pretokenize", says="rule 5")
def no_look_ahead(text):
    return regex.findall(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+", text)


@wrong("pretokenize", says="at most one space")
def all_spaces_to_the_word(text):
    return regex.findall(r"'s|'t|'re|'ve|'m|'ll|'d| *\p{L}+| *\p{N}+| *[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", text)


@wrong("pretokenize", says="the underscore")
def word_characters(text):
    return re.findall(r"'s|'t|'re|'ve|'m|'ll|'d| ?\w+| ?[^\s\w]+|\s+(?!\S)|\s+", text)


@wrong("pretokenize", says="A to Z are not all")
def ascii_letters(text):
    return re.findall(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+", text)


@wrong("pretokenize", says="not letters")
def unicode_without_regex(text):
    return re.findall(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+", text)


@wrong("pretokenize", says="seven endings in small letters")
def endings_in_any_case(text):
    return regex.findall(r"(?i)'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", text)


@wrong("pretokenize", says="line breaks")
def any_white_space_leads(text):
    return regex.findall(r"'s|'t|'re|'ve|'m|'ll|'d|\s?\p{L}+|\s?\p{N}+|\s?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", text)


@wrong("pretokenize", says="end of the text")
def always_leaves_one_space(text):
    return regex.findall(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?=\s)|\s", text)


@wrong("pretokenize", says="a point is no number sign")
def numbers_with_their_point(text):
    return regex.findall(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[\p{N}.]*\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", text)


@right("pretokenize")
def as_published(text):
    return regex.findall(r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""", text)


@right("pretokenize")
def letter_by_letter(text):
    import unicodedata

    def kind(sign):
        if sign.isspace():
            return "Z"
        category = unicodedata.category(sign)[0]
        return category if category in "LN" else "other"

    pieces, i = [], 0
    while i < len(text):
        ending = next((e for e in ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d") if text.startswith(e, i)), None)
        if ending:
            pieces.append(ending)
            i += len(ending)
            continue
        j = i + (text[i] == " " and i + 1 < len(text) and not text[i + 1].isspace())
        what, end = kind(text[j]), j
        while end < len(text) and kind(text[end]) == what:
            end += 1
        if what == "Z" and end < len(text) and end - i > 1:
            end -= 1
        pieces.append(text[i:end])
        i = end
    return pieces


@right("pretokenize")
def with_the_library(text):
    cutter = ByteLevel(add_prefix_space=False, use_regex=True)
    return [text[start:end] for _, (start, end) in cutter.pre_tokenize_str(text)]


@wrong("pretokenize", says="GPT-4's pattern")
def as_gpt4_does(text):
    pattern = (r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|"""
               r"""\s++$|\s*[\r\n]|\s+(?!\S)|\s""")
    return regex.findall(pattern, text)


@right("pretokenize")
def by_finditer(text):
    pattern = regex.compile(r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", regex.UNICODE)
    return [match.group(0) for match in pattern.finditer(text)]


# ------------------------------------------------------------------------------------------------------ count_pairs


@wrong("count_pairs", says="each word was counted once")
def forgets_the_frequency(words):
    counts = Counter()
    for word in words:
        counts.update(pairwise(word))
    return counts


@wrong("count_pairs", says="counts each time")
def once_per_word(words):
    counts = Counter()
    for word, count in words.items():
        for pair in set(pairwise(word)):
            counts[pair] += count
    return counts


@wrong("count_pairs", says="overlapping pairs all count")
def without_overlaps(words):
    counts = Counter()
    for word, count in words.items():
        i = 0
        while i < len(word) - 1:
            pair = word[i:i + 2]
            counts[pair] += count
            i += 1
            if pair[0] == pair[1] and word[i:i + 2] == pair:
                i += 1
    return counts


@wrong("count_pairs", says="not their bytes joined")
def joined_keys(words):
    counts = Counter()
    for word, count in words.items():
        for left, right_one in pairwise(word):
            counts[left + right_one] += count
    return counts


@wrong("count_pairs", says="different pairs")
def order_does_not_matter(words):
    counts = Counter()
    for word, count in words.items():
        for pair in pairwise(word):
            counts[tuple(sorted(pair))] += count
    return counts


@wrong("count_pairs", says="you changed `words`")
def eats_the_words(words):
    counts = Counter()
    while words:
        word, count = words.popitem()
        for pair in pairwise(word):
            counts[pair] += count
    return counts


@wrong("count_pairs", says="single tokens")
def counts_single_tokens(words):
    counts = Counter()
    for word, count in words.items():
        for token in word:
            counts[(token,)] += count
    return counts


@right("count_pairs")
def a_plain_dict(words):
    counts = {}
    for word in words:
        for i in range(len(word) - 1):
            pair = (word[i], word[i + 1])
            counts[pair] = counts.get(pair, 0) + words[word]
    return counts


@right("count_pairs")
def sum_of_counters(words):
    return sum((Counter({pair: n * count for pair, n in Counter(pairwise(word)).items()})
                for word, count in words.items()), Counter())


@right("count_pairs")
def into_a_defaultdict(words):
    pairs = defaultdict(int)
    for symbols, frequency in words.items():
        for i in range(len(symbols) - 1):
            pairs[symbols[i], symbols[i + 1]] += frequency
    return pairs


@right("count_pairs")
def word_for_word_into_a_counter(words):
    counts = Counter()
    for word, frequency in words.items():
        counts.update({pair: n * frequency for pair, n in Counter(pairwise(word)).items()})
    return counts


# ------------------------------------------------------------------------------------------------------- merge_pair


@wrong("merge_pair", says="step over both")
def uses_a_token_twice(word, pair):
    result, i = [], 0
    while i < len(word):
        if word[i:i + 2] == pair:
            result.append(pair[0] + pair[1])
            i += 2
            if word[i - 1:i + 1] == pair:
                i -= 1
        else:
            result.append(word[i])
            i += 1
    return tuple(result)


@wrong("merge_pair", says="not the first alone")
def the_first_alone(word, pair):
    for i in range(len(word) - 1):
        if word[i:i + 2] == pair:
            return (*word[:i], pair[0] + pair[1], *word[i + 2:])
    return word


@wrong("merge_pair", says="from the right")
def backwards(word, pair):
    result, i = [], len(word) - 1
    while i >= 0:
        if i > 0 and (word[i - 1], word[i]) == pair:
            result.append(pair[0] + pair[1])
            i -= 2
        else:
            result.append(word[i])
            i -= 1
    return tuple(reversed(result))


@wrong("merge_pair", says="not the bytes they make together")
def compares_joined_bytes(word, pair):
    result, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and word[i] + word[i + 1] == pair[0] + pair[1]:
            result.append(pair[0] + pair[1])
            i += 2
        else:
            result.append(word[i])
            i += 1
    return tuple(result)


@wrong("merge_pair", says="wanted a tuple")
def a_list_comes_back(word, pair):
    result, i = [], 0
    while i < len(word):
        if word[i:i + 2] == pair:
            result.append(pair[0] + pair[1])
            i += 2
        else:
            result.append(word[i])
            i += 1
    return result


@wrong("merge_pair", says="last token got lost")
def loses_the_last_token(word, pair):
    result, i = [], 0
    while i < len(word) - 1:
        if word[i:i + 2] == pair:
            result.append(pair[0] + pair[1])
            i += 2
        else:
            result.append(word[i])
            i += 1
    return tuple(result)


@wrong("merge_pair", says="one token of joined bytes")
def keeps_the_pair_apart(word, pair):
    result, i = [], 0
    while i < len(word):
        if word[i:i + 2] == pair:
            result.append(pair)
            i += 2
        else:
            result.append(word[i])
            i += 1
    return tuple(result)


@wrong("merge_pair", says="what you have just merged")
def merges_its_own_result(word, pair):
    result = []
    for token in word:
        if result and (result[-1] == pair[0] or result[-1] == pair[0] + pair[1]) and token == pair[1]:
            result[-1] += token
        else:
            result.append(token)
    return tuple(result)


equivalent("merge_pair", "joined.append(pair[0] + pair[1]): 1 -> -1", why="a pair has two tokens, so -1 is 1")


@right("merge_pair")
def by_looking_back(word, pair):
    result, fresh = [], False
    for token in word:
        if result and not fresh and (result[-1], token) == pair:
            result[-1] = result[-1] + token
            fresh = True
        else:
            result.append(token)
            fresh = False
    return tuple(result)


@right("merge_pair")
def by_recursion_free_search(word, pair):
    left, right_token = pair
    out, rest = [], list(word)
    while rest:
        head = rest.pop(0)
        if rest and head == left and rest[0] == right_token:
            head += rest.pop(0)
        out.append(head)
    return (*out,)


@right("merge_pair")
def as_in_gpt2(word, pair):
    first, second = pair
    new_word, i = [], 0
    while i < len(word):
        try:
            j = word.index(first, i)
        except ValueError:
            new_word.extend(word[i:])
            break
        new_word.extend(word[i:j])
        if j < len(word) - 1 and word[j + 1] == second:
            new_word.append(first + second)
            i = j + 2
        else:
            new_word.append(word[j])
            i = j + 1
    return tuple(new_word)


# -------------------------------------------------------------------------------------------------------- train_bpe


@wrong("train_bpe", says="not to the smallest")
def smallest_on_a_tie(text, vocab_size, special_tokens):
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for part in parts for piece in pretokenize(part))
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@wrong("train_bpe", says="not to the first that was met")
def first_on_a_tie(text, vocab_size, special_tokens):
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for part in parts for piece in pretokenize(part))
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=counts.get)
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@wrong("train_bpe", says="not to the greater joined bytes")
def joined_bytes_on_a_tie(text, vocab_size, special_tokens):
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for part in parts for piece in pretokenize(part))
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair[0] + pair[1], pair))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@wrong("train_bpe", says="disguises")
def disguised_on_a_tie(text, vocab_size, special_tokens):
    table = byte_to_unicode()
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for part in parts for piece in pretokenize(part))
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], ["".join(table[b] for b in token) for token in pair]))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@wrong("train_bpe", says="pre-tokenize first")
def merges_across_words(text, vocab_size, special_tokens):
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    words = Counter(tuple(bytes([b]) for b in part.encode()) for part in parts)
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@wrong("train_bpe", says="splitting at spaces loses them")
def splits_at_spaces(text, vocab_size, special_tokens):
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for part in parts for piece in part.split())
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@wrong("train_bpe", says="escape")
def does_not_escape(text, vocab_size, special_tokens):
    parts = re.split("|".join(special_tokens), text) if special_tokens else [text]
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for part in parts for piece in pretokenize(part))
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@wrong("train_bpe", says="leaves room for four merges")
def an_empty_pattern_splits_everywhere(text, vocab_size, special_tokens):
    parts = re.split("|".join(map(re.escape, special_tokens)), text)
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for part in parts for piece in pretokenize(part))
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@wrong("train_bpe", says="split the text at it")
def counts_the_special_tokens_text(text, vocab_size, special_tokens):
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for piece in pretokenize(text))
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@wrong("train_bpe", says="do not just take the token out")
def glues_the_documents_together(text, vocab_size, special_tokens):
    for special in special_tokens:
        text = text.replace(special, "")
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for piece in pretokenize(text))
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@wrong("train_bpe", says="special tokens are missing")
def no_special_tokens_in_the_vocabulary(text, vocab_size, special_tokens):
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for part in parts for piece in pretokenize(part))
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges]
    return dict(enumerate(tokens)), merges


@wrong("train_bpe", says="special tokens count in vocab_size")
def special_tokens_take_no_room(text, vocab_size, special_tokens):
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for part in parts for piece in pretokenize(part))
    merges = []
    while len(merges) < vocab_size - 256:
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@right("train_bpe")
def stops_at_single_pairs(text, vocab_size, special_tokens):
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for part in parts for piece in pretokenize(part))
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        best = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if best is None or counts[best] < 2:
            break
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@wrong("train_bpe", says="vocab_size counts the 256 bytes")
def one_merge_too_many(text, vocab_size, special_tokens):
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for part in parts for piece in pretokenize(part))
    merges = []
    while len(merges) <= vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@wrong("train_bpe", says="after all earlier merges")
def books_that_are_not_kept(text, vocab_size, special_tokens):
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    pieces = Counter(piece for part in parts for piece in pretokenize(part))
    words = [tuple(bytes([b]) for b in piece.encode()) for piece in pieces]
    frequency = list(pieces.values())
    counts, merges = Counter(), []
    for word, count in zip(words, frequency):
        for pair in pairwise(word):
            counts[pair] += count
    while len(merges) < vocab_size - 256 - len(special_tokens) and +counts:
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        for number, word in enumerate(words):
            words[number] = merge_pair(word, best)
            if words[number] != word:  # adds the new pairs, and forgets to subtract those beside the merged one
                for pair in pairwise(words[number]):
                    if best[0] + best[1] in pair:
                        counts[pair] += frequency[number]
        del counts[best]
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@wrong("train_bpe", says="wanted a tuple")
def merges_alone(text, vocab_size, special_tokens):
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for part in parts for piece in pretokenize(part))
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    return merges


@right("train_bpe")
def the_slow_loop(text, vocab_size, special_tokens):
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    words = Counter(tuple(bytes([b]) for b in piece.encode()) for part in parts for piece in pretokenize(part))
    merges = []
    while len(merges) < vocab_size - 256 - len(special_tokens):
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        words = {merge_pair(word, best): count for word, count in words.items()}
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    return dict(enumerate(tokens)), merges


@right("train_bpe")
def every_occurrence_in_a_list(text, vocab_size, special_tokens):
    # No counting of equal words, its own merging, and the special tokens first in the vocabulary.
    parts = [text]
    for special in special_tokens:
        parts = [piece for part in parts for piece in part.split(special)]
    words = [[bytes([b]) for b in piece.encode("utf-8")] for part in parts for piece in pretokenize(part)]
    vocab = {i: special.encode("utf-8") for i, special in enumerate(special_tokens)}
    for b in range(256):
        vocab[len(vocab)] = bytes([b])
    merges = []
    while len(vocab) < vocab_size:
        counts = {}
        for word in words:
            for i in range(len(word) - 1):
                counts[word[i], word[i + 1]] = counts.get((word[i], word[i + 1]), 0) + 1
        if not counts:
            break
        top = max(counts.values())
        left, right_token = sorted(pair for pair in counts if counts[pair] == top)[-1]
        merges.append((left, right_token))
        vocab[len(vocab)] = left + right_token
        for word in words:
            i = 0
            while i < len(word) - 1:
                if word[i] == left and word[i + 1] == right_token:
                    word[i:i + 2] = [left + right_token]
                i += 1
    return vocab, merges


@right("train_bpe")
def with_a_heap(text, vocab_size, special_tokens):
    import heapq

    class Backwards:
        def __init__(self, pair):
            self.pair = pair

        def __lt__(self, other):
            return self.pair > other.pair

        def __eq__(self, other):
            return self.pair == other.pair

    pattern = regex.compile("|".join(regex.escape(s) for s in special_tokens)) if special_tokens else None
    parts = pattern.split(text) if pattern else [text]
    pieces = Counter()
    for part in parts:
        pieces.update(pretokenize(part))
    words = [[tuple(bytes([b]) for b in piece.encode()), count] for piece, count in pieces.items()]
    counts, places = Counter(), defaultdict(set)
    for number, (word, count) in enumerate(words):
        for pair in pairwise(word):
            counts[pair] += count
            places[pair].add(number)
    heap = [(-count, Backwards(pair)) for pair, count in counts.items()]
    heapq.heapify(heap)
    merges, room = [], vocab_size - 256 - len(special_tokens)
    while len(merges) < room and heap:
        negative, wrapped = heapq.heappop(heap)
        best = wrapped.pair
        if counts[best] != -negative or not counts[best]:
            continue  # an old entry
        merges.append(best)
        touched = set()
        for number in places.pop(best):
            word, count = words[number]
            for pair in pairwise(word):
                counts[pair] -= count
                touched.add(pair)
            word = words[number][0] = merge_pair(word, best)
            for pair in pairwise(word):
                counts[pair] += count
                places[pair].add(number)
                touched.add(pair)
        for pair in touched:
            if counts[pair] > 0:
                heapq.heappush(heap, (-counts[pair], Backwards(pair)))
    vocab = {b: bytes([b]) for b in range(256)}
    for token in [a + b for a, b in merges] + [s.encode() for s in special_tokens]:
        vocab[len(vocab)] = token
    return vocab, merges


@right("train_bpe")
def on_ids_with_special_tokens_first(text, vocab_size, special_tokens):
    vocab = {number: token.encode("utf-8") for number, token in enumerate(special_tokens)}
    offset = len(vocab)
    vocab.update({offset + byte: bytes([byte]) for byte in range(256)})
    chunks = regex.split("|".join(regex.escape(token) for token in special_tokens), text) if special_tokens else [text]
    sequences = Counter()
    for chunk in chunks:
        for piece in pretokenize(chunk):
            sequences[tuple(offset + byte for byte in piece.encode("utf-8"))] += 1
    merges = []
    while len(vocab) < vocab_size:
        stats = Counter()
        for sequence, frequency in sequences.items():
            for pair in pairwise(sequence):
                stats[pair] += frequency
        if not stats:
            break
        one, two = max(stats, key=lambda pair: (stats[pair], vocab[pair[0]], vocab[pair[1]]))
        new = len(vocab)
        vocab[new] = vocab[one] + vocab[two]
        merges.append((vocab[one], vocab[two]))
        merged = Counter()
        for sequence, frequency in sequences.items():
            out = []
            for number in sequence:
                if out and out[-1] == one and number == two:
                    out[-1] = new
                else:
                    out.append(number)
            merged[tuple(out)] += frequency
        sequences = merged
    return vocab, merges


# ------------------------------------------------------------------------------------------------------- bpe_encode


@wrong("bpe_encode", says="longest match")
def longest_match(text, vocab, merges, special_tokens):
    ids = {token: i for i, token in vocab.items()}
    result = []
    for piece in pretokenize(text):
        raw, i = piece.encode(), 0
        while i < len(raw):
            j = next(j for j in range(len(raw), i, -1) if raw[i:j] in ids)
            result.append(ids[raw[i:j]])
            i = j
    return result


@wrong("bpe_encode", says="learned first")
def leftmost_pair_first(text, vocab, merges, special_tokens):
    ids, known, result = {token: i for i, token in vocab.items()}, set(merges), []
    for piece in pretokenize(text):
        word = tuple(bytes([b]) for b in piece.encode())
        while True:
            best = next((pair for pair in pairwise(word) if pair in known), None)
            if best is None:
                break
            word = merge_pair(word, best)
        result += [ids[token] for token in word]
    return result


@wrong("bpe_encode", says="learned first")
def last_learned_first(text, vocab, merges, special_tokens):
    ids, rank, result = {token: i for i, token in vocab.items()}, {pair: r for r, pair in enumerate(merges)}, []
    for piece in pretokenize(text):
        word = tuple(bytes([b]) for b in piece.encode())
        while True:
            best = max(pairwise(word), key=lambda pair: rank.get(pair, -1), default=None)
            if best not in rank:
                break
            word = merge_pair(word, best)
        result += [ids[token] for token in word]
    return result


@wrong("bpe_encode", says="pre-tokenize first")
def across_pre_tokens(text, vocab, merges, special_tokens):
    ids, rank = {token: i for i, token in vocab.items()}, {pair: r for r, pair in enumerate(merges)}
    word = tuple(bytes([b]) for b in text.encode())
    while len(word) > 1:
        best = min(pairwise(word), key=lambda pair: rank.get(pair, math.inf))
        if best not in rank:
            break
        word = merge_pair(word, best)
    return [ids[token] for token in word]


@wrong("bpe_encode", says="only one merge")
def one_merge_per_word(text, vocab, merges, special_tokens):
    ids, rank, result = {token: i for i, token in vocab.items()}, {pair: r for r, pair in enumerate(merges)}, []
    for piece in pretokenize(text):
        word = tuple(bytes([b]) for b in piece.encode())
        best = min(pairwise(word), key=lambda pair: rank.get(pair, math.inf), default=None)
        if best in rank:
            word = merge_pair(word, best)
        result += [ids[token] for token in word]
    return result


@wrong("bpe_encode", says="places in a list")
def ids_by_training_order(text, vocab, merges, special_tokens):
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges] + [s.encode() for s in special_tokens]
    ids, rank, result = {token: i for i, token in enumerate(tokens)}, {pair: r for r, pair in enumerate(merges)}, []
    for piece in pretokenize(text):
        word = tuple(bytes([b]) for b in piece.encode())
        while len(word) > 1:
            best = min(pairwise(word), key=lambda pair: rank.get(pair, math.inf))
            if best not in rank:
                break
            word = merge_pair(word, best)
        result += [ids[token] for token in word]
    return result


@wrong("bpe_encode", says="do not strip")
def strips_the_text(text, vocab, merges, special_tokens):
    ids, rank, result = {token: i for i, token in vocab.items()}, {pair: r for r, pair in enumerate(merges)}, []
    for piece in pretokenize(text.strip()):
        word = tuple(bytes([b]) for b in piece.encode())
        while len(word) > 1:
            best = min(pairwise(word), key=lambda pair: rank.get(pair, math.inf))
            if best not in rank:
                break
            word = merge_pair(word, best)
        result += [ids[token] for token in word]
    return result


@wrong("bpe_encode", says="keep what you split at")
def special_tokens_vanish(text, vocab, merges, special_tokens):
    ids, rank, result = {token: i for i, token in vocab.items()}, {pair: r for r, pair in enumerate(merges)}, []
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    for piece in (piece for part in parts for piece in pretokenize(part)):
        word = tuple(bytes([b]) for b in piece.encode())
        while len(word) > 1:
            best = min(pairwise(word), key=lambda pair: rank.get(pair, math.inf))
            if best not in rank:
                break
            word = merge_pair(word, best)
        result += [ids[token] for token in word]
    return result


@wrong("bpe_encode", says="an id of its own")
def special_tokens_are_text(text, vocab, merges, special_tokens):
    ids, rank, result = {token: i for i, token in vocab.items()}, {pair: r for r, pair in enumerate(merges)}, []
    for piece in pretokenize(text):
        word = tuple(bytes([b]) for b in piece.encode())
        while len(word) > 1:
            best = min(pairwise(word), key=lambda pair: rank.get(pair, math.inf))
            if best not in rank:
                break
            word = merge_pair(word, best)
        result += [ids[token] for token in word]
    return result


@wrong("bpe_encode", says="the longest counts")
def special_tokens_as_they_come(text, vocab, merges, special_tokens):
    ids, rank, result = {token: i for i, token in vocab.items()}, {pair: r for r, pair in enumerate(merges)}, []
    parts = re.split("(" + "|".join(map(re.escape, special_tokens)) + ")", text) if special_tokens else [text]
    for part in parts:
        if part in special_tokens:
            result.append(ids[part.encode()])
            continue
        for piece in pretokenize(part):
            word = tuple(bytes([b]) for b in piece.encode())
            while len(word) > 1:
                best = min(pairwise(word), key=lambda pair: rank.get(pair, math.inf))
                if best not in rank:
                    break
                word = merge_pair(word, best)
            result += [ids[token] for token in word]
    return result


@wrong("bpe_encode", says="changed an argument")
def sorts_the_callers_list(text, vocab, merges, special_tokens):
    ids, rank, result = {token: i for i, token in vocab.items()}, {pair: r for r, pair in enumerate(merges)}, []
    special_tokens.sort(key=len, reverse=True)
    parts = re.split("(" + "|".join(map(re.escape, special_tokens)) + ")", text) if special_tokens else [text]
    for part in parts:
        if part in special_tokens:
            result.append(ids[part.encode()])
            continue
        for piece in pretokenize(part):
            word = tuple(bytes([b]) for b in piece.encode())
            while len(word) > 1:
                best = min(pairwise(word), key=lambda pair: rank.get(pair, math.inf))
                if best not in rank:
                    break
                word = merge_pair(word, best)
            result += [ids[token] for token in word]
    return result


@wrong("bpe_encode", says="ordinary text")
def always_knows_special_tokens(text, vocab, merges, special_tokens):
    # Takes every token of the vocabulary that looks like <|...|> for a special one.
    ids, rank, result = {token: i for i, token in vocab.items()}, {pair: r for r, pair in enumerate(merges)}, []
    special = [token.decode() for token in vocab.values() if token.startswith(b"<|") and token.endswith(b"|>")]
    parts = re.split("(" + "|".join(map(re.escape, sorted(special, key=len, reverse=True))) + ")", text)
    for part in parts:
        if part in special:
            result.append(ids[part.encode()])
            continue
        for piece in pretokenize(part):
            word = tuple(bytes([b]) for b in piece.encode())
            while len(word) > 1:
                best = min(pairwise(word), key=lambda pair: rank.get(pair, math.inf))
                if best not in rank:
                    break
                word = merge_pair(word, best)
            result += [ids[token] for token in word]
    return result


@wrong("bpe_encode", says="the text ends at a special token")
def strips_beside_special_tokens(text, vocab, merges, special_tokens):
    ids, rank, result = {token: i for i, token in vocab.items()}, {pair: r for r, pair in enumerate(merges)}, []
    longest_first = sorted(special_tokens, key=len, reverse=True)
    parts = re.split("(" + "|".join(map(re.escape, longest_first)) + ")", text) if special_tokens else [text]
    for part in parts:
        if part in special_tokens:
            result.append(ids[part.encode()])
            continue
        for piece in pretokenize(part.strip() if len(parts) > 1 else part):
            word = tuple(bytes([b]) for b in piece.encode())
            while len(word) > 1:
                best = min(pairwise(word), key=lambda pair: rank.get(pair, math.inf))
                if best not in rank:
                    break
                word = merge_pair(word, best)
            result += [ids[token] for token in word]
    return result


equivalent("bpe_encode", "-> sorted(special_tokens, reverse=True)",
           why="of two that fit at one place one begins with the other, so it comes first in the alphabet as well")


@right("bpe_encode")
def sign_by_sign(text, vocab, merges, special_tokens):
    number_of = dict(zip(vocab.values(), vocab.keys()))
    rank = dict(zip(merges, range(len(merges))))
    ids, plain = [], ""

    def finish():
        for piece in pretokenize(plain):
            word = [bytes([byte]) for byte in piece.encode()]
            while found := [rank[pair] for pair in pairwise(word) if pair in rank]:
                word = list(merge_pair(tuple(word), merges[min(found)]))
            ids.extend(number_of[token] for token in word)

    i = 0
    while i < len(text):
        here = [special for special in special_tokens if text.startswith(special, i)]
        if here:
            finish()
            plain = ""
            longest = max(here, key=len)
            ids.append(number_of[longest.encode()])
            i += len(longest)
        else:
            plain += text[i]
            i += 1
    finish()
    return ids


@right("bpe_encode")
def merge_by_merge(text, vocab, merges, special_tokens):
    # The slowest right way: the whole list of merges for every word.
    number_of = {token: i for i, token in vocab.items()}
    longest_first = sorted(special_tokens, key=len, reverse=True)
    parts = re.split("(" + "|".join(map(re.escape, longest_first)) + ")", text) if special_tokens else [text]
    result = []
    for part in parts:
        if part in special_tokens:
            result.append(number_of[part.encode()])
        else:
            for piece in pretokenize(part):
                word = tuple(bytes([b]) for b in piece.encode())
                for pair in merges:
                    word = merge_pair(word, pair)
                result.extend(number_of[token] for token in word)
    return result


@right("bpe_encode")
def on_ids_one_place_at_a_time(text, vocab, merges, special_tokens):
    number_of = {token: i for i, token in vocab.items()}
    rank = {(number_of[a], number_of[b]): (r, number_of[a + b]) for r, (a, b) in enumerate(merges)}

    def encode_plain(plain):
        result = []
        for piece in pretokenize(plain):
            word = [number_of[bytes([b])] for b in piece.encode("utf-8")]
            while True:
                found = [(rank[pair][0], i) for i, pair in enumerate(pairwise(word)) if pair in rank]
                if not found:
                    break
                _, i = min(found)
                word[i:i + 2] = [rank[word[i], word[i + 1]][1]]
            result += word
        return result

    result, start = [], 0
    if special_tokens:
        pattern = regex.compile("|".join(regex.escape(s) for s in sorted(special_tokens, key=lambda s: -len(s))))
        for match in pattern.finditer(text):
            result += encode_plain(text[start:match.start()])
            result.append(number_of[match[0].encode()])
            start = match.end()
    return result + encode_plain(text[start:])


@wrong("bpe_encode", says="learned first")
def ids_for_ranks(text, vocab, merges, special_tokens):
    # As tiktoken does, whose ids are ranks; here they need not be.
    ids, result = {token: i for i, token in vocab.items()}, []
    for piece in pretokenize(text):
        word = [bytes([b]) for b in piece.encode()]
        while True:
            found = [(ids[a + b], i) for i, (a, b) in enumerate(pairwise(word)) if a + b in ids]
            if not found:
                break
            _, i = min(found)
            word[i:i + 2] = [word[i] + word[i + 1]]
        result += [ids[token] for token in word]
    return result


@right("bpe_encode")
def on_disguised_strings(text, vocab, merges, special_tokens):
    signs = byte_to_unicode()

    def disguise(token):
        return "".join(signs[b] for b in token)

    encoder = {disguise(token): number for number, token in vocab.items()}
    ranks = {(disguise(one), disguise(two)): rank for rank, (one, two) in enumerate(merges)}
    cache = {}

    def bpe(token):
        if token in cache:
            return cache[token]
        word = tuple(token)
        while len(word) > 1:
            bigram = min(set(pairwise(word)), key=lambda pair: ranks.get(pair, float("inf")))
            if bigram not in ranks:
                break
            new, i = [], 0
            while i < len(word):
                if i < len(word) - 1 and (word[i], word[i + 1]) == bigram:
                    new.append(word[i] + word[i + 1])
                    i += 2
                else:
                    new.append(word[i])
                    i += 1
            word = tuple(new)
        cache[token] = [encoder[piece] for piece in word]
        return cache[token]

    specials = sorted(set(special_tokens), key=len, reverse=True)
    chunks = regex.split("(" + "|".join(regex.escape(s) for s in specials) + ")", text) if specials else [text]
    out = []
    for chunk in chunks:
        if chunk in specials:
            out.append(encoder[disguise(chunk.encode("utf-8"))])
        elif chunk:
            for piece in pretokenize(chunk):
                out.extend(bpe(disguise(piece.encode("utf-8"))))
    return out


# ------------------------------------------------------------------------------------------------------- bpe_decode


@wrong("bpe_decode", says="join the bytes first")
def token_by_token(ids, vocab):
    return "".join(vocab[i].decode("utf-8", errors="replace") for i in ids)


@wrong("bpe_decode", says="was left out")
def ignores_what_it_cannot_read(ids, vocab):
    return "".join(vocab[i].decode("utf-8", errors="ignore") for i in ids)


@wrong("bpe_decode", says="it is not left out")
def joins_and_ignores(ids, vocab):
    return b"".join(vocab[i] for i in ids).decode("utf-8", errors="ignore")


@wrong("bpe_decode", says="Latin-1")
def latin_1(ids, vocab):
    return b"".join(vocab[i] for i in ids).decode("latin-1")


@wrong("bpe_decode", says="bytes came")
def gives_bytes(ids, vocab):
    return b"".join(vocab[i] for i in ids)


@wrong("bpe_decode", says="spaces between the tokens")
def joins_with_spaces(ids, vocab):
    return b" ".join(vocab[i] for i in ids).decode("utf-8", errors="replace")


@wrong("bpe_decode", says="without a trace")
def skips_unknown_ids(ids, vocab):
    return b"".join(vocab.get(i, b"") for i in ids).decode("utf-8", errors="replace")


@wrong("bpe_decode", says="UnicodeDecodeError")
def strict(ids, vocab):
    return b"".join(vocab[i] for i in ids).decode("utf-8")


@right("bpe_decode")
def one_growing_buffer(ids, vocab):
    buffer = bytearray()
    for number in ids:
        buffer.extend(vocab[number])
    return str(bytes(buffer), "utf-8", "replace")


@right("bpe_decode")
def with_an_incremental_decoder(ids, vocab):
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    return "".join(decoder.decode(vocab[i]) for i in ids) + decoder.decode(b"", final=True)


@right("bpe_decode")
def a_replacement_character_for_an_unknown_id(ids, vocab):
    return b"".join(vocab.get(i, "\ufffd".encode()) for i in ids).decode("utf-8", "replace")


@right("bpe_decode")
def a_value_error_for_an_unknown_id(ids, vocab):
    parts = []
    for i in ids:
        if i not in vocab:
            raise ValueError(f"invalid token id: {i}")
        parts.append(vocab[i])
    return b"".join(parts).decode("utf-8", errors="replace")


# -------------------------------------------------------------------------------------------------------- pad_batch


@wrong("pad_batch", says="build it from the lengths")
def mask_from_ids(sequences, pad_id, max_length, side):
    rows = []
    for sequence in sequences:
        ids = sequence[:max_length]
        filler = [pad_id] * (max_length - len(ids))
        rows.append(filler + ids if side == "left" else ids + filler)
    rows = torch.tensor(rows)
    return rows, (rows != pad_id).long()


@wrong("pad_batch", says="its first ids")
def cuts_off_the_beginning(sequences, pad_id, max_length, side):
    rows, masks = [], []
    for sequence in sequences:
        ids = sequence[-max_length:]
        filler = [pad_id] * (max_length - len(ids))
        rows.append(filler + ids if side == "left" else ids + filler)
        masks.append([0] * len(filler) + [1] * len(ids) if side == "left" else [1] * len(ids) + [0] * len(filler))
    return torch.tensor(rows), torch.tensor(masks)


@wrong("pad_batch", says="every row has exactly max_length")
def pads_to_the_longest(sequences, pad_id, max_length, side):
    kept = [sequence[:max_length] for sequence in sequences]
    width = max(map(len, kept))
    rows, masks = [], []
    for ids in kept:
        filler = [pad_id] * (width - len(ids))
        rows.append(filler + ids if side == "left" else ids + filler)
        masks.append([0] * len(filler) + [1] * len(ids) if side == "left" else [1] * len(ids) + [0] * len(filler))
    return torch.tensor(rows), torch.tensor(masks)


@wrong("pad_batch", says="every row has exactly max_length")
def does_not_cut(sequences, pad_id, max_length, side):
    width = max(max_length, *map(len, sequences))
    rows, masks = [], []
    for ids in sequences:
        filler = [pad_id] * (width - len(ids))
        rows.append(filler + ids if side == "left" else ids + filler)
        masks.append([0] * len(filler) + [1] * len(ids) if side == "left" else [1] * len(ids) + [0] * len(filler))
    return torch.tensor(rows), torch.tensor(masks)


@wrong("pad_batch", says="goes to the left")
def always_right(sequences, pad_id, max_length, side):
    rows, masks = [], []
    for sequence in sequences:
        ids = sequence[:max_length]
        missing = max_length - len(ids)
        rows.append(ids + [pad_id] * missing)
        masks.append([1] * len(ids) + [0] * missing)
    return torch.tensor(rows), torch.tensor(masks)


@wrong("pad_batch", says="goes to the right")
def sides_mixed_up(sequences, pad_id, max_length, side):
    rows, masks = [], []
    for sequence in sequences:
        ids = sequence[:max_length]
        filler = [pad_id] * (max_length - len(ids))
        rows.append(filler + ids if side == "right" else ids + filler)
        masks.append([0] * len(filler) + [1] * len(ids) if side == "right" else [1] * len(ids) + [0] * len(filler))
    return torch.tensor(rows), torch.tensor(masks)


@wrong("pad_batch", says="wrong way round")
def mask_of_the_filler(sequences, pad_id, max_length, side):
    rows, masks = [], []
    for sequence in sequences:
        ids = sequence[:max_length]
        filler = [pad_id] * (max_length - len(ids))
        rows.append(filler + ids if side == "left" else ids + filler)
        masks.append([1] * len(filler) + [0] * len(ids) if side == "left" else [0] * len(ids) + [1] * len(filler))
    return torch.tensor(rows), torch.tensor(masks)


@right("pad_batch")
def a_mask_of_bools(sequences, pad_id, max_length, side):
    rows, masks = [], []
    for sequence in sequences:
        ids = sequence[:max_length]
        filler = [pad_id] * (max_length - len(ids))
        rows.append(filler + ids if side == "left" else ids + filler)
        masks.append([0] * len(filler) + [1] * len(ids) if side == "left" else [1] * len(ids) + [0] * len(filler))
    return torch.tensor(rows), torch.tensor(masks).bool()


@wrong("pad_batch", says="the caller's lists")
def changes_the_sequences(sequences, pad_id, max_length, side):
    rows, masks = [], []
    for sequence in sequences:
        del sequence[max_length:]
        filler = max_length - len(sequence)
        rows.append([pad_id] * filler + sequence if side == "left" else sequence + [pad_id] * filler)
        ones = [1] * len(sequence)
        masks.append([0] * filler + ones if side == "left" else ones + [0] * filler)
    return torch.tensor(rows), torch.tensor(masks)


@wrong("pad_batch", says="zeros on the other side")
def mask_always_right(sequences, pad_id, max_length, side):
    rows, masks = [], []
    for sequence in sequences:
        ids = sequence[:max_length]
        filler = [pad_id] * (max_length - len(ids))
        rows.append(filler + ids if side == "left" else ids + filler)
        masks.append([1] * len(ids) + [0] * len(filler))
    return torch.tensor(rows), torch.tensor(masks)


@right("pad_batch")
def by_numpy_slices(sequences, pad_id, max_length, side):
    import numpy as np
    ids = np.full((len(sequences), max_length), pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        kept = sequence[:max_length]
        place = slice(max_length - len(kept), max_length) if side == "left" else slice(0, len(kept))
        ids[row, place], mask[row, place] = kept, 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


@right("pad_batch")
def into_full_tensors(sequences, pad_id, max_length, side):
    ids = torch.full((len(sequences), max_length), pad_id)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        n = min(len(sequence), max_length)
        place = slice(max_length - n, None) if side == "left" else slice(None, n)
        ids[row, place] = torch.tensor(sequence[:n], dtype=torch.long)
        mask[row, place] = 1
    return ids, mask


@right("pad_batch")
def by_comparing_positions(sequences, pad_id, max_length, side):
    lengths = torch.tensor([min(len(sequence), max_length) for sequence in sequences])[:, None]
    places = torch.arange(max_length)[None]
    mask = (places < lengths if side == "right" else places >= max_length - lengths).long()
    rows = [list(s[:max_length]) + [pad_id] * (max_length - len(s)) for s in sequences]
    if side == "left":
        rows = [[pad_id] * (max_length - len(s)) + list(s[:max_length]) for s in sequences]
    return torch.LongTensor(rows), mask


@wrong("pad_batch", says="not floats")
def tables_of_floats(sequences, pad_id, max_length, side):
    ids = torch.full((len(sequences), max_length), pad_id)
    mask = torch.zeros(len(sequences), max_length)
    for row, sequence in enumerate(sequences):
        n = min(len(sequence), max_length)
        start = max_length - n if side == "left" else 0
        ids[row, start:start + n] = torch.tensor(sequence[:n])
        mask[row, start:start + n] = 1
    return ids, mask


@right("pad_batch")
def cuts_on_the_side_it_pads(sequences, pad_id, max_length, side):
    rows, masks = [], []
    for sequence in sequences:
        if side == "left":
            ids = sequence[-max_length:]
            rows.append([pad_id] * (max_length - len(ids)) + ids)
            masks.append([0] * (max_length - len(ids)) + [1] * len(ids))
        else:
            ids = sequence[:max_length]
            rows.append(ids + [pad_id] * (max_length - len(ids)))
            masks.append([1] * len(ids) + [0] * (max_length - len(ids)))
    return torch.tensor(rows, dtype=torch.long), torch.tensor(masks, dtype=torch.int32)


# -------------------------------------------------------------------------------------------------------- fertility


@wrong("fertility", says="turn it round")
def words_per_token(text, encode):
    return len(text.split()) / len(encode(text))


@wrong("fertility", says="costs tokens too")
def word_by_word(text, encode):
    words = text.split()
    return sum(len(encode(word)) for word in words) / len(words)


@wrong("fertility", says="without an argument")
def splits_at_every_space(text, encode):
    return len(encode(text)) / (text.replace("\n", " ").count(" ") + 1)


@wrong("fertility", says="a line break")
def splits_at_single_spaces(text, encode):
    return len(encode(text)) / len([word for word in text.split(" ") if word])


@wrong("fertility", says="per character")
def tokens_per_character(text, encode):
    return len(encode(text)) / len(text)


@wrong("fertility", says="divide it")
def tokens_alone(text, encode):
    return float(len(encode(text)))


@right("fertility")
def by_counting_words(text, encode):
    words = sum(1 for _ in re.finditer(r"\S+", text))
    return torch.tensor(len(encode(text)) / words, dtype=torch.float64).item()


@right("fertility")
def as_float_division(text, encode):
    n_words = len(text.strip().split())
    return float(len(encode(text))) / n_words


# ---------------------------------------------------------------------------------------------------- bits_per_byte


@wrong("bits_per_byte", says="those are nats")
def nats_per_byte(nll_nats, text):
    return nll_nats / len(text.encode())


@wrong("bits_per_byte", says="a nat is more than a bit")
def multiplies_by_ln_2(nll_nats, text):
    return nll_nats * math.log(2) / len(text.encode())


@wrong("bits_per_byte", says="characters are not bytes")
def bits_per_character(nll_nats, text):
    return nll_nats / math.log(2) / len(text)


@wrong("bits_per_byte", says="divide by its bytes")
def bits_alone(nll_nats, text):
    return nll_nats / math.log(2)


@wrong("bits_per_byte", says="base e")
def logarithm_to_base_10(nll_nats, text):
    return nll_nats / math.log10(2) / len(text.encode())


@right("bits_per_byte")
def by_log2_e(nll_nats, text):
    return float(nll_nats * math.log2(math.e) / len(bytes(text, "utf-8")))


@right("bits_per_byte")
def through_the_perplexity_of_a_byte(nll_nats, text):
    return math.log2(math.exp(nll_nats / len(text.encode("utf-8"))))
