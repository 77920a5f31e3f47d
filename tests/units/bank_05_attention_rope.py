"""Answers that learners hand in for unit 05, wrong ones with what their message must say, and right ones."""

from autograder.authoring.bank import equivalent, right, wrong

# ----------------------------------------------------------------------------------------------------- causal_mask


@wrong("causal_mask", says="the future leaks")
def upper_triangle(n_queries, n_keys):
    return torch.ones(n_queries, n_keys).triu(n_keys - n_queries).bool()


@wrong("causal_mask", says="keep the diagonal")
def not_itself(n_queries, n_keys):
    return torch.ones(n_queries, n_keys).tril(n_keys - n_queries - 1).bool()


@wrong("causal_mask", says="the other way round")
def true_is_forbidden(n_queries, n_keys):
    return torch.ones(n_queries, n_keys).triu(1 + n_keys - n_queries).bool()


@wrong("causal_mask", says="lines up with the last key")
def aligned_at_the_start(n_queries, n_keys):
    return torch.ones(n_queries, n_keys, dtype=torch.bool).tril()


@wrong("causal_mask", says="wanted dtype bool")
def ones_and_zeros(n_queries, n_keys):
    return torch.ones(n_queries, n_keys).tril(n_keys - n_queries)


@wrong("causal_mask", says="wanted dtype bool")
def to_be_added(n_queries, n_keys):
    return torch.full((n_queries, n_keys), float("-inf")).triu(n_keys - n_queries + 1)


@wrong("causal_mask", says="line up")
def always_square(n_queries, n_keys):
    if n_queries != n_keys:
        raise ValueError("queries and keys must line up")
    return torch.ones(n_keys, n_keys, dtype=torch.bool).tril()


@right("causal_mask")
def by_comparison(n_queries, n_keys):
    i = torch.arange(n_queries)[:, None] + n_keys - n_queries
    return torch.arange(n_keys) <= i


@right("causal_mask")
def last_rows_of_the_square(n_queries, n_keys):
    square = ~torch.triu(torch.ones(n_keys, n_keys, dtype=torch.bool), diagonal=1)
    return square[n_keys - n_queries:]


@right("causal_mask")
def as_lists(n_queries, n_keys):
    return torch.tensor([[j <= i + n_keys - n_queries for j in range(n_keys)] for i in range(n_queries)])


# ------------------------------------------------------------------------------------ scaled_dot_product_attention


@wrong("scaled_dot_product_attention", says="not divided by the root")
def unscaled(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ v


@wrong("scaled_dot_product_attention", says="not by its square root")
def divided_by_d(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / q.shape[-1]
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ v


@wrong("scaled_dot_product_attention", says="number of keys")
def root_of_the_keys(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(k.shape[-2])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ v


@wrong("scaled_dot_product_attention", says="the last axis, the keys")
def softmax_over_queries(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-2) @ v


@wrong("scaled_dot_product_attention", says="a softmax is missing")
def linear(q, k, v, mask=None):
    return q @ k.mT / math.sqrt(q.shape[-1]) @ v


@wrong("scaled_dot_product_attention", says="upside down")
def inverted_mask(q, k, v, mask=None):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(mask, float("-inf"))
    return scores.softmax(-1) @ v


@wrong("scaled_dot_product_attention", says="masked after the softmax")
def masked_too_late(q, k, v, mask=None):
    shares = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)
    if mask is not None:
        shares = shares * mask
    return shares @ v


@wrong("scaled_dot_product_attention", says="exp(0) is 1")
def masked_with_zero(q, k, v, mask=None):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, 0)
    return scores.softmax(-1) @ v


@wrong("scaled_dot_product_attention", says="added the mask")
def mask_as_a_number(q, k, v, mask=None):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores + mask
    return scores.softmax(-1) @ v


@wrong("scaled_dot_product_attention", says="changed nothing")
def no_mask(q, k, v, mask=None):
    return F.scaled_dot_product_attention(q, k, v)


@wrong("scaled_dot_product_attention", says="large scores overflow")
def own_softmax_that_overflows(q, k, v, mask=None):
    weights = (q @ k.mT / math.sqrt(q.shape[-1])).exp()
    if mask is not None:
        weights = weights * mask
    return weights / weights.sum(-1, keepdim=True) @ v


@wrong("scaled_dot_product_attention", says="in place")
def scales_in_place(q, k, v, mask=None):
    q /= math.sqrt(q.shape[-1])
    scores = q @ k.mT
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ v


@wrong("scaled_dot_product_attention", says="wanted dtype bfloat16")
def forgets_the_way_back(q, k, v, mask=None):
    scores = (q @ k.mT).float() / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ v.float()


@wrong("scaled_dot_product_attention", says="not low enough")
def filled_with_a_small_number(q, k, v, mask=None):
    scores = q @ k.mT
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e4)
    return (scores / math.sqrt(q.shape[-1])).softmax(-1) @ v


@wrong("scaled_dot_product_attention", says="not low enough")
def filled_with_the_least_half(q, k, v, mask=None):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(torch.float16).min)
    return scores.softmax(-1) @ v


@wrong("scaled_dot_product_attention", says="large scores overflow")
def shares_of_forbidden_keys_taken_away(q, k, v, mask=None):
    shares = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)
    if mask is not None:
        shares = shares * mask
        shares = shares / shares.sum(-1, keepdim=True)  # 0 / 0 where a forbidden key had all
    return shares @ v


@right("scaled_dot_product_attention")
def filled_before_the_division(q, k, v, mask):
    scores = torch.matmul(q, k.transpose(-1, -2))
    if mask is not None:
        scores = torch.where(mask, scores, -1e9)
    return torch.matmul(F.softmax(scores / q.size(-1) ** 0.5, dim=-1), v)


@right("scaled_dot_product_attention")
def query_by_query_in_float32(q, k, v, mask):
    rows = []
    for i in range(q.shape[-2]):
        scores = (q[..., i:i + 1, :].float() * k.float()).sum(-1) / q.shape[-1] ** 0.5
        if mask is not None:
            scores = torch.where(mask[..., i if mask.shape[-2] > 1 else 0, :], scores, -math.inf)
        rows.append((torch.softmax(scores, -1)[..., None] * v.float()).sum(-2))
    return torch.stack(rows, -2).to(q.dtype)


@right("scaled_dot_product_attention")
def by_einsum(q, k, v, mask=None):
    scores = torch.einsum("...qd,...kd->...qk", q * q.shape[-1] ** -0.5, k)
    if mask is not None:
        scores = torch.where(mask, scores, torch.finfo(scores.dtype).min)
    return torch.einsum("...qk,...kd->...qd", torch.softmax(scores.float(), dim=-1).to(v.dtype), v)


@right("scaled_dot_product_attention")
def with_an_additive_mask(q, k, v, mask=None):
    scores = torch.matmul(q, k.transpose(-2, -1)) / k.shape[-1] ** 0.5
    if mask is not None:
        scores = scores + torch.zeros_like(mask, dtype=scores.dtype).masked_fill(mask.logical_not(), float("-inf"))
    scores = scores - scores.amax(-1, keepdim=True)
    weights = scores.exp()
    return (weights / weights.sum(-1, keepdim=True)) @ v


@right("scaled_dot_product_attention")
def masked_and_renormalized(q, k, v, mask=None):
    shares = F.softmax(q @ k.mT * (1 / math.sqrt(q.shape[-1])) - (0 if mask is None else 1e6 * (~mask).to(q.dtype)), -1)
    return shares @ v


# ----------------------------------------------------------------------------------------------------- split_heads


@wrong("split_heads", says="numbers of different tokens are mixed")
def one_reshape(x, n_heads):
    B, T, D = x.shape
    return x.reshape(B, n_heads, T, D // n_heads)


@wrong("split_heads", says="dealt out")
def in_turn(x, n_heads):
    B, T, D = x.shape
    return x.reshape(B, T, D // n_heads, n_heads).permute(0, 3, 1, 2)


@wrong("split_heads", says="batch, head, token, number")
def not_transposed(x, n_heads):
    return x.unflatten(-1, (n_heads, -1))


@wrong("split_heads", says="batch, head, token, number")
def heads_first(x, n_heads):
    return torch.stack(x.chunk(n_heads, -1))


@right("split_heads")
def stacked_slices(x, n_heads):
    d = x.shape[-1] // n_heads
    return torch.stack([x[..., h * d:(h + 1) * d] for h in range(n_heads)], dim=1)


@right("split_heads")
def unflattened(x, n_heads):
    return x.unflatten(2, (n_heads, -1)).permute(0, 2, 1, 3).contiguous()


equivalent("split_heads", "transpose(1, 2) -> x.reshape(B, T, n_heads, D // n_heads).transpose(2, 1)",
           why="to swap axes 1 and 2 is to swap 2 and 1")

# ----------------------------------------------------------------------------------------------------- merge_heads


@wrong("merge_heads", says="numbers of different tokens are mixed")
def reshaped_at_once(x):
    B, H, T, d = x.shape
    return x.reshape(B, T, H * d)


@wrong("merge_heads", says="alternate")
def heads_alternate(x):
    return x.permute(0, 2, 3, 1).flatten(2)


@wrong("merge_heads", says="wanted (B, T, n_heads * head_dim)")
def only_transposed(x):
    return x.transpose(1, 2)


@wrong("merge_heads", says="wanted (B, T, n_heads * head_dim)")
def sum_of_heads(x):
    return x.sum(1)


@right("merge_heads")
def concatenated(x):
    return torch.cat([x[:, h] for h in range(x.shape[1])], dim=-1)


@right("merge_heads")
def contiguous_view(x):
    B, H, T, d = x.shape
    return x.permute(0, 2, 1, 3).contiguous().view(B, T, H * d)


equivalent("merge_heads", "transpose(1, 2) -> x.transpose(2, 1)", why="to swap axes 1 and 2 is to swap 2 and 1")

# ------------------------------------------------------------------------------------------------------- repeat_kv


@wrong("repeat_kv", says="neighbours share a head")
def tiled(x, n_rep):
    return x.repeat(1, n_rep, 1, 1)


@wrong("repeat_kv", says="along axis 1")
def along_the_tokens(x, n_rep):
    return x.repeat_interleave(n_rep, dim=2)


@wrong("repeat_kv", says="along axis 1")
def flattened(x, n_rep):
    return x.repeat_interleave(n_rep)


@wrong("repeat_kv", says="along axis 1")
def an_axis_of_its_own(x, n_rep):
    B, H, T, d = x.shape
    return x[:, :, None].expand(B, H, n_rep, T, d)


@right("repeat_kv")
def expanded(x, n_rep):
    B, H, T, d = x.shape
    return x[:, :, None].expand(B, H, n_rep, T, d).reshape(B, H * n_rep, T, d)


@right("repeat_kv")
def by_index(x, n_rep):
    return x[:, torch.arange(x.shape[1] * n_rep) // n_rep]


# ----------------------------------------------------------------------------------------------------- rope_angles


@wrong("rope_angles", says="not i / d")
def half_the_exponent(positions, head_dim, theta):
    return positions[:, None] * theta ** (-torch.arange(head_dim // 2) / head_dim)


@wrong("rope_angles", says="the exponent is negative")
def positive_exponent(positions, head_dim, theta):
    return positions[:, None] * theta ** (torch.arange(0, head_dim, 2) / head_dim)


@wrong("rope_angles", says="i from 0")
def counted_from_one(positions, head_dim, theta):
    return positions[:, None] * theta ** (-torch.arange(2, head_dim + 1, 2) / head_dim)


@wrong("rope_angles", says="number of pairs, not by d")
def divided_by_the_pairs(positions, head_dim, theta):
    return positions[:, None] * theta ** (-torch.arange(0, head_dim, 2) / (head_dim // 2))


@wrong("rope_angles", says="instead of reading `positions`")
def counts_by_itself(positions, head_dim, theta):
    return torch.arange(len(positions))[:, None] * theta ** (-torch.arange(0, head_dim, 2) / head_dim)


@wrong("rope_angles", says="one column for each of the head_dim / 2 pairs")
def already_doubled(positions, head_dim, theta):
    angles = positions[:, None] * theta ** (-torch.arange(0, head_dim, 2) / head_dim)
    return torch.cat([angles, angles], -1)


@wrong("rope_angles", says="the fastest pair comes first")
def slowest_first(positions, head_dim, theta):
    return (positions[:, None] * theta ** (-torch.arange(0, head_dim, 2) / head_dim)).flip(-1)


@wrong("rope_angles", says="in float32")
def in_half_precision(positions, head_dim, theta):
    angles = positions[:, None].bfloat16() * (theta ** (-torch.arange(0, head_dim, 2) / head_dim)).bfloat16()
    return angles.float()


@wrong("rope_angles", says="`theta` is an argument")
def the_theta_of_the_paper(positions, head_dim, theta):
    return positions[:, None] * 10000.0 ** (-torch.arange(0, head_dim, 2) / head_dim)


@wrong("rope_angles", says="wanted dtype float32")
def stays_in_double(positions, head_dim, theta):
    return positions[:, None].double() * theta ** (-torch.arange(0, head_dim, 2).double() / head_dim)


@right("rope_angles")
def by_numpy(positions, head_dim, theta):
    import numpy as np
    table = np.outer(positions.numpy(), theta ** (-np.arange(0, head_dim, 2) / head_dim))
    return torch.from_numpy(table.astype(np.float32))


@right("rope_angles")
def as_transformers_does(positions, head_dim, theta):
    inv_freq = 1.0 / (theta ** (torch.arange(0, head_dim, 2, dtype=torch.float) / head_dim))
    return torch.outer(positions.float(), inv_freq)


@right("rope_angles")
def in_double(positions, head_dim, theta):
    i = torch.arange(head_dim // 2, dtype=torch.float64)
    return (positions.double()[:, None] * torch.exp(-2 * i / head_dim * math.log(theta))).float()


equivalent("rope_angles", "torch.arange(0, head_dim, 2, device=positions.device) -> torch.arange(0, head_dim, 2)",
           why="all is on one device here")

# ------------------------------------------------------------------------------------------------------ apply_rope


@wrong("apply_rope", says="rotated backwards")
def backwards(x, positions, theta):
    angles = rope_angles(positions, x.shape[-1], theta)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angles.cos() + b * angles.sin(), b * angles.cos() - a * angles.sin()], -1).to(x.dtype)


@wrong("apply_rope", says="you paired neighbours")
def pairs_of_neighbours(x, positions, theta):
    angles = rope_angles(positions, x.shape[-1], theta)
    a, b = x[..., ::2], x[..., 1::2]
    cos, sin = angles.cos(), angles.sin()
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2).to(x.dtype)


@wrong("apply_rope", says="repeat the whole row of angles")
def half_split_with_interleaved_angles(x, positions, theta):
    angles = rope_angles(positions, x.shape[-1], theta).repeat_interleave(2, -1)
    a, b = x.chunk(2, -1)
    return (x * angles.cos() + torch.cat([-b, a], -1) * angles.sin()).to(x.dtype)


@wrong("apply_rope", says="that is a reflection")
def no_minus(x, positions, theta):
    angles = rope_angles(positions, x.shape[-1], theta)
    a, b = x.chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos + b * sin, a * sin + b * cos], -1).to(x.dtype)


@wrong("apply_rope", says="instead of reading `positions`")
def its_own_positions(x, positions, theta):
    angles = rope_angles(torch.arange(x.shape[-2]), x.shape[-1], theta)
    a, b = x.chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1).to(x.dtype)


@wrong("apply_rope", says="the halves are not mixed")
def only_cosines(x, positions, theta):
    angles = rope_angles(positions, x.shape[-1], theta)
    return (x * torch.cat([angles, angles], -1).cos()).to(x.dtype)


@wrong("apply_rope", says="wanted dtype bfloat16")
def stays_in_float32(x, positions, theta):
    angles = rope_angles(positions, x.shape[-1], theta)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1)


@wrong("apply_rope", says="compute angles in float32")
def angles_in_the_dtype_of_x(x, positions, theta):
    angles = rope_angles(positions, x.shape[-1], theta).to(x.dtype)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1)


@wrong("apply_rope", says="in place")
def overwrites_x(x, positions, theta):
    angles = rope_angles(positions, x.shape[-1], theta)
    a, b = (half.clone() for half in x.chunk(2, -1))
    x[..., :x.shape[-1] // 2] = a * angles.cos() - b * angles.sin()
    x[..., x.shape[-1] // 2:] = a * angles.sin() + b * angles.cos()
    return x


@wrong("apply_rope", says="theta=500")
def theta_of_the_paper(x, positions, theta):
    frequencies = (theta if x.shape[-2] != 5 else 10000.0) ** (-torch.arange(0, x.shape[-1], 2) / x.shape[-1])
    angles = positions[:, None] * frequencies
    a, b = x.chunk(2, -1)
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1).to(x.dtype)


@right("apply_rope")
def rotate_half_as_transformers(x, positions, theta):
    angles = rope_angles(positions, x.shape[-1], theta)
    both = torch.cat((angles, angles), dim=-1)
    cos, sin = both.cos().to(x.dtype), both.sin().to(x.dtype)
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin


@wrong("apply_rope", says="nothing was rotated")
def counted_from_the_first_position(x, positions, theta):
    angles = rope_angles(positions - positions[0], x.shape[-1], theta)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1).to(x.dtype)


@right("apply_rope")
def in_double_and_rounded_once(x, positions, theta):
    angles = rope_angles(positions, x.shape[-1], theta).double()
    a, b = x.double().split(x.shape[-1] // 2, dim=-1)
    return torch.cat((a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()), dim=-1).type_as(x)


@right("apply_rope")
def complex_numbers(x, positions, theta):
    d = x.shape[-1]
    frequencies = 1.0 / theta ** (torch.arange(0, d, 2).float() / d)
    turn = torch.polar(torch.ones(len(positions), d // 2), torch.outer(positions.float(), frequencies))
    z = torch.complex(x[..., :d // 2].float(), x[..., d // 2:].float()) * turn
    return torch.cat([z.real, z.imag], -1).to(x.dtype)


@right("apply_rope")
def a_matrix_for_each_position(x, positions, theta):
    d = x.shape[-1]
    out = torch.zeros_like(x, dtype=torch.float32)
    for t, m in enumerate(positions.tolist()):
        matrix = torch.zeros(d, d)
        for i in range(d // 2):
            angle = m * theta ** (-2 * i / d)
            matrix[i, i] = matrix[i + d // 2, i + d // 2] = math.cos(angle)
            matrix[i, i + d // 2], matrix[i + d // 2, i] = -math.sin(angle), math.sin(angle)
        out[..., t, :] = x[..., t, :].float() @ matrix.T
    return out.to(x.dtype)


# -------------------------------------------------------------------------------------------- multi_head_attention


@wrong("multi_head_attention", says="the future leaks")
def sees_everything(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0):
    q = apply_rope(split_heads(x @ w_q.T, n_heads), positions, theta)
    k = apply_rope(split_heads(x @ w_k.T, n_kv_heads), positions, theta)
    v = split_heads(x @ w_v.T, n_kv_heads)
    n = n_heads // n_kv_heads
    return merge_heads(scaled_dot_product_attention(q, repeat_kv(k, n), repeat_kv(v, n), None)) @ w_o.T


@wrong("multi_head_attention", says="the values not")
def rotates_the_values_too(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0):
    n, mask = n_heads // n_kv_heads, causal_mask(x.shape[1], x.shape[1])
    q = apply_rope(split_heads(x @ w_q.T, n_heads), positions, theta)
    k, v = (apply_rope(split_heads(x @ w.T, n_kv_heads), positions, theta) for w in (w_k, w_v))
    return merge_heads(scaled_dot_product_attention(q, repeat_kv(k, n), repeat_kv(v, n), mask)) @ w_o.T


@wrong("multi_head_attention", says="are queries and keys rotated")
def rotates_the_queries_alone(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0):
    n, mask = n_heads // n_kv_heads, causal_mask(x.shape[1], x.shape[1])
    q = apply_rope(split_heads(x @ w_q.T, n_heads), positions, theta)
    k, v = (split_heads(x @ w.T, n_kv_heads) for w in (w_k, w_v))
    return merge_heads(scaled_dot_product_attention(q, repeat_kv(k, n), repeat_kv(v, n), mask)) @ w_o.T


@wrong("multi_head_attention", says="each in its own head")
def rotates_before_it_splits(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0):
    n, mask = n_heads // n_kv_heads, causal_mask(x.shape[1], x.shape[1])
    q = split_heads(apply_rope(x @ w_q.T, positions, theta), n_heads)
    k = split_heads(apply_rope(x @ w_k.T, positions, theta), n_kv_heads)
    v = split_heads(x @ w_v.T, n_kv_heads)
    return merge_heads(scaled_dot_product_attention(q, repeat_kv(k, n), repeat_kv(v, n), mask)) @ w_o.T


@wrong("multi_head_attention", says="the key heads come in turn")
def shares_in_turn(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0):
    n, mask = n_heads // n_kv_heads, causal_mask(x.shape[1], x.shape[1])
    q = apply_rope(split_heads(x @ w_q.T, n_heads), positions, theta)
    k = apply_rope(split_heads(x @ w_k.T, n_kv_heads), positions, theta).repeat(1, n, 1, 1)
    v = split_heads(x @ w_v.T, n_kv_heads).repeat(1, n, 1, 1)
    return merge_heads(scaled_dot_product_attention(q, k, v, mask)) @ w_o.T


@wrong("multi_head_attention", says="nothing was rotated")
def without_positions(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0):
    n, mask = n_heads // n_kv_heads, causal_mask(x.shape[1], x.shape[1])
    q, k, v = split_heads(x @ w_q.T, n_heads), split_heads(x @ w_k.T, n_kv_heads), split_heads(x @ w_v.T, n_kv_heads)
    return merge_heads(scaled_dot_product_attention(q, repeat_kv(k, n), repeat_kv(v, n), mask)) @ w_o.T


@wrong("multi_head_attention", says="instead of reading `positions`")
def positions_from_zero(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0):
    T, n = x.shape[1], n_heads // n_kv_heads
    q = apply_rope(split_heads(x @ w_q.T, n_heads), torch.arange(T), theta)
    k = apply_rope(split_heads(x @ w_k.T, n_kv_heads), torch.arange(T), theta)
    v = split_heads(x @ w_v.T, n_kv_heads)
    return merge_heads(scaled_dot_product_attention(q, repeat_kv(k, n), repeat_kv(v, n), causal_mask(T, T))) @ w_o.T


@wrong("multi_head_attention", says="w_o, is missing")
def no_last_matrix(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0):
    n, mask = n_heads // n_kv_heads, causal_mask(x.shape[1], x.shape[1])
    q = apply_rope(split_heads(x @ w_q.T, n_heads), positions, theta)
    k = apply_rope(split_heads(x @ w_k.T, n_kv_heads), positions, theta)
    v = split_heads(x @ w_v.T, n_kv_heads)
    return merge_heads(scaled_dot_product_attention(q, repeat_kv(k, n), repeat_kv(v, n), mask))


@wrong("multi_head_attention", says="multiply by its transpose")
def last_matrix_not_transposed(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0):
    n, mask = n_heads // n_kv_heads, causal_mask(x.shape[1], x.shape[1])
    q = apply_rope(split_heads(x @ w_q.T, n_heads), positions, theta)
    k = apply_rope(split_heads(x @ w_k.T, n_kv_heads), positions, theta)
    v = split_heads(x @ w_v.T, n_kv_heads)
    return merge_heads(scaled_dot_product_attention(q, repeat_kv(k, n), repeat_kv(v, n), mask)) @ w_o


@wrong("multi_head_attention", says="w_v is not used")
def values_are_keys(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0):
    n, mask = n_heads // n_kv_heads, causal_mask(x.shape[1], x.shape[1])
    q = apply_rope(split_heads(x @ w_q.T, n_heads), positions, theta)
    k = apply_rope(split_heads(x @ w_k.T, n_kv_heads), positions, theta)
    v = split_heads(x @ w_k.T, n_kv_heads)
    return merge_heads(scaled_dot_product_attention(q, repeat_kv(k, n), repeat_kv(v, n), mask)) @ w_o.T


@wrong("multi_head_attention", says="head_dim need not be D / n_heads")
def slices_of_the_width(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0):
    d, mask = x.shape[-1] // n_heads, causal_mask(x.shape[1], x.shape[1])
    q, k, v = x @ w_q.T, x @ w_k.T, x @ w_v.T
    out = torch.zeros_like(x)
    for h in range(n_heads):
        g = h * n_kv_heads // n_heads
        mine, shared = slice(h * d, (h + 1) * d), slice(g * d, (g + 1) * d)
        head = scaled_dot_product_attention(apply_rope(q[..., mine], positions, theta),
                                            apply_rope(k[..., shared], positions, theta), v[..., shared], mask)
        out = out + head @ w_o[:, mine].T
    return out


@wrong("multi_head_attention", says="is invalid for input of size")
def views_by_the_width(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0):
    B, T, D = x.shape
    d, n = D // n_heads, n_heads // n_kv_heads
    q = (x @ w_q.T).view(B, T, n_heads, d).transpose(1, 2)
    k = (x @ w_k.T).view(B, T, n_kv_heads, d).transpose(1, 2)
    v = (x @ w_v.T).view(B, T, n_kv_heads, d).transpose(1, 2)
    q, k = apply_rope(q, positions, theta), apply_rope(k, positions, theta)
    mixed = scaled_dot_product_attention(q, repeat_kv(k, n), repeat_kv(v, n), causal_mask(T, T))
    return mixed.transpose(1, 2).reshape(B, T, D) @ w_o.T


@right("multi_head_attention")
def grouped_by_einsum(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0):
    B, T, D = x.shape
    d = w_q.size(0) // n_heads
    q = torch.einsum("btd,hkd->bhtk", x, w_q.view(n_heads, d, D))
    k = torch.einsum("btd,hkd->bhtk", x, w_k.view(n_kv_heads, d, D))
    v = torch.einsum("btd,hkd->bhtk", x, w_v.view(n_kv_heads, d, D))
    q, k = apply_rope(q, positions, theta), apply_rope(k, positions, theta)
    q = q.view(B, n_kv_heads, n_heads // n_kv_heads, T, d)
    scores = torch.einsum("bgrqd,bgkd->bgrqk", q, k) / d**0.5
    shares = scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -torch.inf).softmax(-1)
    return torch.einsum("bgrqk,bgkd->bqgrd", shares, v).reshape(B, T, n_heads * d) @ w_o.T


@right("multi_head_attention")
def by_torch_with_the_issue_s_arguments(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions):
    q, k, v = F.linear(x, w_q), F.linear(x, w_k), F.linear(x, w_v)
    q = q.unflatten(-1, (n_heads, -1)).transpose(1, 2)
    k = k.unflatten(-1, (n_kv_heads, -1)).transpose(1, 2)
    v = v.unflatten(-1, (n_kv_heads, -1)).transpose(1, 2)
    d = q.shape[-1]
    angles = torch.outer(positions.float(), 10000.0 ** (-torch.arange(0, d, 2) / d))
    cos, sin = torch.cat([angles, angles], -1).cos()[None], torch.cat([angles, angles], -1).sin()[None]
    q, k = apply_rotary_pos_emb(q, k, cos, sin)
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    return F.linear(out.transpose(1, 2).flatten(2), w_o)


@right("multi_head_attention")
def head_by_head(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0):
    d = w_q.shape[0] // n_heads
    visible = positions[:, None] >= positions[None]
    out = 0
    for h in range(n_heads):
        g = h // (n_heads // n_kv_heads)
        q = apply_rope(x @ w_q[h * d:(h + 1) * d].T, positions, theta)
        k = apply_rope(x @ w_k[g * d:(g + 1) * d].T, positions, theta)
        v = x @ w_v[g * d:(g + 1) * d].T
        shares = (q @ k.mT / d**0.5).masked_fill(~visible, -math.inf).softmax(-1)
        out = out + shares @ v @ w_o[:, h * d:(h + 1) * d].T
    return out


equivalent("multi_head_attention", "causal_mask(T, T).to(x.device) -> causal_mask(T, T)", why="one device here")

# -------------------------------------------------------------------------------------------------------- rms_norm


@wrong("rms_norm", says="LayerNorm")
def layer_norm(x, weight, eps):
    return F.layer_norm(x, weight.shape, weight, eps=eps)


@wrong("rms_norm", says="LayerNorm")
def centred(x, weight, eps):
    wide = x.float() - x.float().mean(-1, keepdim=True)
    return weight * (wide / (wide.square().mean(-1, keepdim=True) + eps).sqrt()).to(x.dtype)


@wrong("rms_norm", says="outside the root")
def eps_outside(x, weight, eps):
    wide = x.float()
    return weight * (wide / (wide.square().mean(-1, keepdim=True).sqrt() + eps)).to(x.dtype)


@wrong("rms_norm", says="eps has no effect")
def no_eps(x, weight, eps):
    wide = x.float()
    return weight * (wide * wide.square().mean(-1, keepdim=True).rsqrt()).to(x.dtype)


@wrong("rms_norm", says="there is no root")
def no_root(x, weight, eps):
    wide = x.float()
    return weight * (wide / (wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


@wrong("rms_norm", says="not their sum")
def by_the_length(x, weight, eps):
    wide = x.float()
    return weight * (wide / (wide.square().sum(-1, keepdim=True) + eps).sqrt()).to(x.dtype)


@wrong("rms_norm", says="the weight is missing")
def no_weight(x, weight, eps):
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


@wrong("rms_norm", says="Gemma")
def one_plus_weight(x, weight, eps):
    wide = x.float()
    return (1 + weight) * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


@wrong("rms_norm", says="overflows in float16")
def in_the_dtype_of_x(x, weight, eps):
    return weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


@wrong("rms_norm", says="too coarse in bfloat16")
def wide_for_float16_alone(x, weight, eps):
    wide = x.float() if x.dtype == torch.float16 else x
    return weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


@wrong("rms_norm", says="wanted dtype")
def stays_wide(x, weight, eps):
    wide = x.float()
    return weight.float() * wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)


@wrong("rms_norm", says="wrong for x of shape")
def over_all_tokens(x, weight, eps):
    wide = x.float()
    return weight * (wide * torch.rsqrt((wide.square().mean() if wide.ndim > 2 else
                                         wide.square().mean(-1, keepdim=True)) + eps)).to(x.dtype)


@wrong("rms_norm", says="in place")
def float_is_no_copy(x, weight, eps):
    wide = x.float()  # x itself, where it is float32
    wide *= torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return weight * wide.to(x.dtype)


@right("rms_norm")
def in_double_precision(x, weight, eps):
    wide = x.double()
    return (wide / torch.sqrt(torch.mean(wide * wide, -1, True) + eps) * weight.double()).to(x.dtype)


@right("rms_norm")
def weight_before_the_way_back(x, weight, eps):
    wide = x.to(torch.float32)
    rms = (wide.pow(2).mean(dim=-1, keepdim=True) + eps).sqrt()
    return (wide / rms * weight.float()).to(x.dtype)


@right("rms_norm")
def by_torch(x, weight, eps):
    return weight * F.rms_norm(x.float(), (x.shape[-1],), eps=eps).to(x.dtype)


@right("rms_norm")
def by_the_length_and_the_root_of_d(x, weight, eps):
    wide = x.float()
    squares = torch.linalg.vector_norm(wide, dim=-1, keepdim=True) ** 2 / x.shape[-1]
    return (wide / torch.sqrt(squares + eps)).to(x.dtype) * weight


# ---------------------------------------------------------------------------------------------------------- swiglu


@wrong("swiglu", says="gate and up are exchanged")
def exchanged_matrices(x, w_gate, w_up, w_down):
    return (F.silu(x @ w_up.T) * (x @ w_gate.T)) @ w_down.T


@wrong("swiglu", says="ReLU")
def relu_for_silu(x, w_gate, w_up, w_down):
    return (F.relu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T


@wrong("swiglu", says="GLU with a sigmoid")
def sigmoid_for_silu(x, w_gate, w_up, w_down):
    return (torch.sigmoid(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T


@wrong("swiglu", says="GELU")
def gelu_for_silu(x, w_gate, w_up, w_down):
    return (F.gelu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T


@wrong("swiglu", says="multiplied, not added")
def sum_for_product(x, w_gate, w_up, w_down):
    return (F.silu(x @ w_gate.T) + x @ w_up.T) @ w_down.T


@wrong("swiglu", says="not on the product")
def silu_of_the_product(x, w_gate, w_up, w_down):
    return F.silu((x @ w_gate.T) * (x @ w_up.T)) @ w_down.T


@wrong("swiglu", says="not on both")
def silu_of_both(x, w_gate, w_up, w_down):
    return (F.silu(x @ w_gate.T) * F.silu(x @ w_up.T)) @ w_down.T


@wrong("swiglu", says="without its gate")
def plain_mlp(x, w_gate, w_up, w_down):
    return F.silu(x @ w_up.T) @ w_down.T


@wrong("swiglu", says="shape")
def stays_wide_inside(x, w_gate, w_up, w_down):
    return F.silu(x @ w_gate.T) * (x @ w_up.T)


@wrong("swiglu", says="quick GELU")
def a_quick_gelu(x, w_gate, w_up, w_down):
    gate = x @ w_gate.T
    return (gate * torch.sigmoid(1.702 * gate) * (x @ w_up.T)) @ w_down.T


@right("swiglu")
def with_linear(x, w_gate, w_up, w_down):
    gate = F.linear(x, w_gate)
    return F.linear(gate * gate.sigmoid() * F.linear(x, w_up), w_down)


@right("swiglu")
def both_in_one_product(x, w_gate, w_up, w_down):
    gate, up = (x @ torch.cat([w_gate, w_up]).T).chunk(2, dim=-1)
    return torch.matmul(gate / (1 + torch.exp(-gate)) * up, w_down.mT)


# ----------------------------------------------------------------------------------------------------- llama_block


@wrong("llama_block", says="first residual")
def no_first_residual(x, weights, positions, config):
    eps, mats = config["rms_norm_eps"], [weights[f"self_attn.{c}_proj.weight"] for c in "qkvo"]
    x = multi_head_attention(rms_norm(x, weights["input_layernorm.weight"], eps), *mats, config["num_attention_heads"],
                             config["num_key_value_heads"], positions, config["rope_theta"])
    mats = [weights[f"mlp.{c}_proj.weight"] for c in ("gate", "up", "down")]
    return x + swiglu(rms_norm(x, weights["post_attention_layernorm.weight"], eps), *mats)


@wrong("llama_block", says="second residual")
def no_second_residual(x, weights, positions, config):
    eps, mats = config["rms_norm_eps"], [weights[f"self_attn.{c}_proj.weight"] for c in "qkvo"]
    x = x + multi_head_attention(rms_norm(x, weights["input_layernorm.weight"], eps), *mats,
                                 config["num_attention_heads"], config["num_key_value_heads"], positions,
                                 config["rope_theta"])
    mats = [weights[f"mlp.{c}_proj.weight"] for c in ("gate", "up", "down")]
    return swiglu(rms_norm(x, weights["post_attention_layernorm.weight"], eps), *mats)


@wrong("llama_block", says="after attention was added")
def in_parallel(x, weights, positions, config):
    eps, mats = config["rms_norm_eps"], [weights[f"self_attn.{c}_proj.weight"] for c in "qkvo"]
    attended = multi_head_attention(rms_norm(x, weights["input_layernorm.weight"], eps), *mats,
                                    config["num_attention_heads"], config["num_key_value_heads"], positions,
                                    config["rope_theta"])
    mats = [weights[f"mlp.{c}_proj.weight"] for c in ("gate", "up", "down")]
    return x + attended + swiglu(rms_norm(x, weights["post_attention_layernorm.weight"], eps), *mats)


@wrong("llama_block", says="attention comes first")
def mlp_first(x, weights, positions, config):
    eps, mats = config["rms_norm_eps"], [weights[f"mlp.{c}_proj.weight"] for c in ("gate", "up", "down")]
    x = x + swiglu(rms_norm(x, weights["post_attention_layernorm.weight"], eps), *mats)
    mats = [weights[f"self_attn.{c}_proj.weight"] for c in "qkvo"]
    return x + multi_head_attention(rms_norm(x, weights["input_layernorm.weight"], eps), *mats,
                                    config["num_attention_heads"], config["num_key_value_heads"], positions,
                                    config["rope_theta"])


@wrong("llama_block", says="the two norms are exchanged")
def norms_exchanged(x, weights, positions, config):
    eps, mats = config["rms_norm_eps"], [weights[f"self_attn.{c}_proj.weight"] for c in "qkvo"]
    x = x + multi_head_attention(rms_norm(x, weights["post_attention_layernorm.weight"], eps), *mats,
                                 config["num_attention_heads"], config["num_key_value_heads"], positions,
                                 config["rope_theta"])
    mats = [weights[f"mlp.{c}_proj.weight"] for c in ("gate", "up", "down")]
    return x + swiglu(rms_norm(x, weights["input_layernorm.weight"], eps), *mats)


@wrong("llama_block", says="the norm before attention is missing")
def attention_without_norm(x, weights, positions, config):
    eps, mats = config["rms_norm_eps"], [weights[f"self_attn.{c}_proj.weight"] for c in "qkvo"]
    x = x + multi_head_attention(x, *mats, config["num_attention_heads"], config["num_key_value_heads"], positions,
                                 config["rope_theta"])
    mats = [weights[f"mlp.{c}_proj.weight"] for c in ("gate", "up", "down")]
    return x + swiglu(rms_norm(x, weights["post_attention_layernorm.weight"], eps), *mats)


@wrong("llama_block", says="the norm before the MLP is missing")
def mlp_without_norm(x, weights, positions, config):
    eps, mats = config["rms_norm_eps"], [weights[f"self_attn.{c}_proj.weight"] for c in "qkvo"]
    x = x + multi_head_attention(rms_norm(x, weights["input_layernorm.weight"], eps), *mats,
                                 config["num_attention_heads"], config["num_key_value_heads"], positions,
                                 config["rope_theta"])
    return x + swiglu(x, *[weights[f"mlp.{c}_proj.weight"] for c in ("gate", "up", "down")])


@wrong("llama_block", says="not always 10,000")
def theta_left_out(x, weights, positions, config):
    eps, mats = config["rms_norm_eps"], [weights[f"self_attn.{c}_proj.weight"] for c in "qkvo"]
    x = x + multi_head_attention(rms_norm(x, weights["input_layernorm.weight"], eps), *mats,
                                 config["num_attention_heads"], config["num_key_value_heads"], positions)
    mats = [weights[f"mlp.{c}_proj.weight"] for c in ("gate", "up", "down")]
    return x + swiglu(rms_norm(x, weights["post_attention_layernorm.weight"], eps), *mats)


@wrong("llama_block", says="not a constant of yours")
def eps_of_its_own(x, weights, positions, config):
    eps, mats = 1e-5, [weights[f"self_attn.{c}_proj.weight"] for c in "qkvo"]
    x = x + multi_head_attention(rms_norm(x, weights["input_layernorm.weight"], eps), *mats,
                                 config["num_attention_heads"], config["num_key_value_heads"], positions,
                                 config["rope_theta"])
    mats = [weights[f"mlp.{c}_proj.weight"] for c in ("gate", "up", "down")]
    return x + swiglu(rms_norm(x, weights["post_attention_layernorm.weight"], eps), *mats)


@wrong("llama_block", says="instead of reading `positions`")
def block_counts_by_itself(x, weights, positions, config):
    eps, mats = config["rms_norm_eps"], [weights[f"self_attn.{c}_proj.weight"] for c in "qkvo"]
    x = x + multi_head_attention(rms_norm(x, weights["input_layernorm.weight"], eps), *mats,
                                 config["num_attention_heads"], config["num_key_value_heads"],
                                 torch.arange(x.shape[1]), config["rope_theta"])
    mats = [weights[f"mlp.{c}_proj.weight"] for c in ("gate", "up", "down")]
    return x + swiglu(rms_norm(x, weights["post_attention_layernorm.weight"], eps), *mats)


@wrong("llama_block", says="the MLP is missing")
def attention_alone(x, weights, positions, config):
    mats = [weights[f"self_attn.{c}_proj.weight"] for c in "qkvo"]
    return x + multi_head_attention(rms_norm(x, weights["input_layernorm.weight"], config["rms_norm_eps"]), *mats,
                                    config["num_attention_heads"], config["num_key_value_heads"], positions,
                                    config["rope_theta"])


@wrong("llama_block", says="norm, attention, add")
def adds_to_what_was_normed(x, weights, positions, config):
    eps, mats = config["rms_norm_eps"], [weights[f"self_attn.{c}_proj.weight"] for c in "qkvo"]
    x = rms_norm(x, weights["input_layernorm.weight"], eps)
    x = x + multi_head_attention(x, *mats, config["num_attention_heads"], config["num_key_value_heads"], positions,
                                 config["rope_theta"])
    x = rms_norm(x, weights["post_attention_layernorm.weight"], eps)
    return x + swiglu(x, *[weights[f"mlp.{c}_proj.weight"] for c in ("gate", "up", "down")])


@right("llama_block")
def adds_in_place(x, weights, positions, config):
    def attention(h):
        return multi_head_attention(h, *(weights[f"self_attn.{n}_proj.weight"] for n in "qkvo"),
                                    n_heads=config["num_attention_heads"], n_kv_heads=config["num_key_value_heads"],
                                    positions=positions, theta=config["rope_theta"])

    def mlp(h):
        return swiglu(h, *(weights[f"mlp.{n}_proj.weight"] for n in ("gate", "up", "down")))

    for norm, part in (("input_layernorm", attention), ("post_attention_layernorm", mlp)):
        x += part(rms_norm(x, weights[f"{norm}.weight"], config["rms_norm_eps"]))
    return x


@right("llama_block")
def from_the_ground_up(x, weights, positions, config):
    def norm(t, name):
        return F.rms_norm(t, t.shape[-1:], weights[name], config["rms_norm_eps"])

    def heads(name, t, n):
        return F.linear(t, weights[f"self_attn.{name}_proj.weight"]).unflatten(-1, (n, -1)).transpose(1, 2)

    h = norm(x, "input_layernorm.weight")
    q = heads("q", h, config["num_attention_heads"])
    k, v = heads("k", h, config["num_key_value_heads"]), heads("v", h, config["num_key_value_heads"])
    q, k = apply_rope(q, positions, config["rope_theta"]), apply_rope(k, positions, config["rope_theta"])
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).transpose(1, 2).flatten(2)
    x = x + F.linear(out, weights["self_attn.o_proj.weight"])
    h = norm(x, "post_attention_layernorm.weight")
    gate, up, down = (weights[f"mlp.{c}_proj.weight"] for c in ("gate", "up", "down"))
    return x + F.linear(F.silu(F.linear(h, gate)) * F.linear(h, up), down)


@right("llama_block")
def with_named_residuals(x, weights, positions, config):
    residual = x
    hidden = rms_norm(x, weights["input_layernorm.weight"], config["rms_norm_eps"])
    hidden = multi_head_attention(
        hidden, weights["self_attn.q_proj.weight"], weights["self_attn.k_proj.weight"],
        weights["self_attn.v_proj.weight"], weights["self_attn.o_proj.weight"], config["num_attention_heads"],
        config["num_key_value_heads"], positions, theta=config["rope_theta"])
    hidden = residual + hidden
    residual = hidden
    hidden = rms_norm(hidden, weights["post_attention_layernorm.weight"], config["rms_norm_eps"])
    hidden = swiglu(hidden, weights["mlp.gate_proj.weight"], weights["mlp.up_proj.weight"],
                    weights["mlp.down_proj.weight"])
    return residual + hidden


# ---------------------------------------------------------------------------------------------------- llama_logits


@wrong("llama_logits", says="the last norm is missing")
def no_last_norm(input_ids, weights, config):
    x = weights["model.embed_tokens.weight"][input_ids]
    for i in range(config["num_hidden_layers"]):
        x = llama_block(x, layer_weights(weights, i), torch.arange(input_ids.shape[1]), config)
    return x @ weights["lm_head.weight"].T


@wrong("llama_logits", says="use `lm_head.weight`")
def always_tied(input_ids, weights, config):
    x = weights["model.embed_tokens.weight"][input_ids]
    for i in range(config["num_hidden_layers"]):
        x = llama_block(x, layer_weights(weights, i), torch.arange(input_ids.shape[1]), config)
    return rms_norm(x, weights["model.norm.weight"], config["rms_norm_eps"]) @ weights["model.embed_tokens.weight"].T


@wrong("llama_logits", says="every block uses the weights of block 0")
def the_same_block_again(input_ids, weights, config):
    x = weights["model.embed_tokens.weight"][input_ids]
    for _ in range(config["num_hidden_layers"]):
        x = llama_block(x, layer_weights(weights, 0), torch.arange(input_ids.shape[1]), config)
    return rms_norm(x, weights["model.norm.weight"], config["rms_norm_eps"]) @ weights["lm_head.weight"].T


@wrong("llama_logits", says="only the first block")
def one_block_short(input_ids, weights, config):
    x = weights["model.embed_tokens.weight"][input_ids]
    for i in range(config["num_hidden_layers"] - 1):
        x = llama_block(x, layer_weights(weights, i), torch.arange(input_ids.shape[1]), config)
    return rms_norm(x, weights["model.norm.weight"], config["rms_norm_eps"]) @ weights["lm_head.weight"].T


@wrong("llama_logits", says="shape")
def last_position_alone(input_ids, weights, config):
    x = weights["model.embed_tokens.weight"][input_ids]
    for i in range(config["num_hidden_layers"]):
        x = llama_block(x, layer_weights(weights, i), torch.arange(input_ids.shape[1]), config)
    return rms_norm(x[:, -1], weights["model.norm.weight"], config["rms_norm_eps"]) @ weights["lm_head.weight"].T


@wrong("llama_logits", says="these are probabilities")
def probabilities(input_ids, weights, config):
    x = weights["model.embed_tokens.weight"][input_ids]
    for i in range(config["num_hidden_layers"]):
        x = llama_block(x, layer_weights(weights, i), torch.arange(input_ids.shape[1]), config)
    x = rms_norm(x, weights["model.norm.weight"], config["rms_norm_eps"])
    return (x @ weights["lm_head.weight"].T).softmax(-1)


@wrong("llama_logits", says="blocks in order")
def from_the_top_down(input_ids, weights, config):
    x = weights["model.embed_tokens.weight"][input_ids]
    for i in reversed(range(config["num_hidden_layers"])):
        x = llama_block(x, layer_weights(weights, i), torch.arange(input_ids.shape[1]), config)
    return rms_norm(x, weights["model.norm.weight"], config["rms_norm_eps"]) @ weights["lm_head.weight"].T


@wrong("llama_logits", says="another configuration")
def always_two_blocks(input_ids, weights, config):
    x = weights["model.embed_tokens.weight"][input_ids]
    for i in range(2):
        x = llama_block(x, layer_weights(weights, i), torch.arange(input_ids.shape[1]), config)
    return rms_norm(x, weights["model.norm.weight"], config["rms_norm_eps"]) @ weights["lm_head.weight"].T


@wrong("llama_logits", says="blocks in order, norm")
def the_last_norm_after_every_block(input_ids, weights, config):
    x = weights["model.embed_tokens.weight"][input_ids]
    for i in range(config["num_hidden_layers"]):
        x = llama_block(x, layer_weights(weights, i), torch.arange(input_ids.shape[1]), config)
        x = rms_norm(x, weights["model.norm.weight"], config["rms_norm_eps"])
    return x @ weights["lm_head.weight"].T


@right("llama_logits")
def one_text_at_a_time(input_ids, weights, config):
    rows = []
    for ids in input_ids:
        x = F.embedding(ids[None], weights["model.embed_tokens.weight"])
        for i in range(config["num_hidden_layers"]):
            mine = {n[len(f"model.layers.{i}."):]: w for n, w in weights.items() if n.startswith(f"model.layers.{i}.")}
            x = llama_block(x, mine, torch.arange(len(ids)), config)
        x = F.rms_norm(x, x.shape[-1:], weights["model.norm.weight"], config["rms_norm_eps"])
        rows.append(F.linear(x, weights["lm_head.weight"]))
    return torch.cat(rows)


@right("llama_logits")
def from_later_positions(input_ids, weights, config):
    # rotary positions are relative: it does not matter where they begin
    x, where = weights["model.embed_tokens.weight"][input_ids], torch.arange(input_ids.shape[-1]) + 5
    for i in range(config["num_hidden_layers"]):
        x = llama_block(x, layer_weights(weights, i), where, config)
    return torch.einsum("btd,vd->btv", rms_norm(x, weights["model.norm.weight"], config["rms_norm_eps"]),
                        weights["lm_head.weight"])


equivalent("llama_logits", "device=input_ids.device) -> torch.arange(input_ids.shape[1])", why="one device here")
equivalent("llama_logits", "device=input_ids.device): 1 -> -1", why="of two axes, the last is the second")

# ----------------------------------------------------------------------------------------------------- decode_step


@wrong("decode_step", says="the past is forgotten")
def no_memory(token, cache, weights, config):
    return llama_logits(token, weights, config)[:, -1], 0


@wrong("decode_step", says="the past was computed again")
def keeps_ids_and_computes_all_again(token, cache, weights, config):
    ids = token if cache is None else torch.cat([cache, token], 1)
    return llama_logits(ids, weights, config)[:, -1], ids


@wrong("decode_step", says="every token stands at position 0")
def always_at_position_0(token, cache, weights, config):
    H, K, theta, eps = (config[n] for n in ("num_attention_heads", "num_key_value_heads", "rope_theta", "rms_norm_eps"))
    x, new, here = weights["model.embed_tokens.weight"][token], [], torch.tensor([0])
    for i in range(config["num_hidden_layers"]):
        w = layer_weights(weights, i)
        h = rms_norm(x, w["input_layernorm.weight"], eps)
        q = apply_rope(split_heads(h @ w["self_attn.q_proj.weight"].T, H), here, theta)
        k = apply_rope(split_heads(h @ w["self_attn.k_proj.weight"].T, K), here, theta)
        v = split_heads(h @ w["self_attn.v_proj.weight"].T, K)
        if cache is not None:
            k, v = torch.cat([cache[i][0], k], 2), torch.cat([cache[i][1], v], 2)
        new.append((k, v))
        mixed = scaled_dot_product_attention(q, repeat_kv(k, H // K), repeat_kv(v, H // K), None)
        x = x + merge_heads(mixed) @ w["self_attn.o_proj.weight"].T
        x = x + swiglu(rms_norm(x, w["post_attention_layernorm.weight"], eps),
                       *[w[f"mlp.{n}_proj.weight"] for n in ("gate", "up", "down")])
    return rms_norm(x[:, -1], weights["model.norm.weight"], eps) @ weights["lm_head.weight"].T, new


@wrong("decode_step", says="cached after their own rotation")
def rotates_the_cache_again(token, cache, weights, config):
    H, K, theta, eps = (config[n] for n in ("num_attention_heads", "num_key_value_heads", "rope_theta", "rms_norm_eps"))
    past = 0 if cache is None else cache[0][0].shape[2]
    x, new, here = weights["model.embed_tokens.weight"][token], [], torch.tensor([past])
    for i in range(config["num_hidden_layers"]):
        w = layer_weights(weights, i)
        h = rms_norm(x, w["input_layernorm.weight"], eps)
        q = apply_rope(split_heads(h @ w["self_attn.q_proj.weight"].T, H), here, theta)
        k, v = (split_heads(h @ w[f"self_attn.{n}_proj.weight"].T, K) for n in "kv")
        if cache is not None:
            k, v = torch.cat([cache[i][0], k], 2), torch.cat([cache[i][1], v], 2)
        k = apply_rope(k, torch.arange(past + 1), theta)
        new.append((k, v))
        mixed = scaled_dot_product_attention(q, repeat_kv(k, H // K), repeat_kv(v, H // K), None)
        x = x + merge_heads(mixed) @ w["self_attn.o_proj.weight"].T
        x = x + swiglu(rms_norm(x, w["post_attention_layernorm.weight"], eps),
                       *[w[f"mlp.{n}_proj.weight"] for n in ("gate", "up", "down")])
    return rms_norm(x[:, -1], weights["model.norm.weight"], eps) @ weights["lm_head.weight"].T, new


@wrong("decode_step", says="the new query sees all of them")
def a_mask_for_the_first_key(token, cache, weights, config):
    H, K, theta, eps = (config[n] for n in ("num_attention_heads", "num_key_value_heads", "rope_theta", "rms_norm_eps"))
    past = 0 if cache is None else cache[0][0].shape[2]
    x, new, here = weights["model.embed_tokens.weight"][token], [], torch.tensor([past])
    mask = torch.ones(1, past + 1).tril().bool()
    for i in range(config["num_hidden_layers"]):
        w = layer_weights(weights, i)
        h = rms_norm(x, w["input_layernorm.weight"], eps)
        q = apply_rope(split_heads(h @ w["self_attn.q_proj.weight"].T, H), here, theta)
        k = apply_rope(split_heads(h @ w["self_attn.k_proj.weight"].T, K), here, theta)
        v = split_heads(h @ w["self_attn.v_proj.weight"].T, K)
        if cache is not None:
            k, v = torch.cat([cache[i][0], k], 2), torch.cat([cache[i][1], v], 2)
        new.append((k, v))
        mixed = scaled_dot_product_attention(q, repeat_kv(k, H // K), repeat_kv(v, H // K), mask)
        x = x + merge_heads(mixed) @ w["self_attn.o_proj.weight"].T
        x = x + swiglu(rms_norm(x, w["post_attention_layernorm.weight"], eps),
                       *[w[f"mlp.{n}_proj.weight"] for n in ("gate", "up", "down")])
    return rms_norm(x[:, -1], weights["model.norm.weight"], eps) @ weights["lm_head.weight"].T, new


@wrong("decode_step", says="keep all state in the cache")
def state_in_the_function(token, cache, weights, config):
    H, K, theta, eps = (config[n] for n in ("num_attention_heads", "num_key_value_heads", "rope_theta", "rms_norm_eps"))
    if cache is None:
        decode_step.kept = [None] * config["num_hidden_layers"]
    past = 0 if cache is None else decode_step.kept[0][0].shape[2]
    x, here = weights["model.embed_tokens.weight"][token], torch.tensor([past])
    for i in range(config["num_hidden_layers"]):
        w = layer_weights(weights, i)
        h = rms_norm(x, w["input_layernorm.weight"], eps)
        q = apply_rope(split_heads(h @ w["self_attn.q_proj.weight"].T, H), here, theta)
        k = apply_rope(split_heads(h @ w["self_attn.k_proj.weight"].T, K), here, theta)
        v = split_heads(h @ w["self_attn.v_proj.weight"].T, K)
        if past:
            k, v = (torch.cat(pair, 2) for pair in zip(decode_step.kept[i], (k, v)))
        decode_step.kept[i] = (k, v)
        mixed = scaled_dot_product_attention(q, repeat_kv(k, H // K), repeat_kv(v, H // K), None)
        x = x + merge_heads(mixed) @ w["self_attn.o_proj.weight"].T
        x = x + swiglu(rms_norm(x, w["post_attention_layernorm.weight"], eps),
                       *[w[f"mlp.{n}_proj.weight"] for n in ("gate", "up", "down")])
    return rms_norm(x[:, -1], weights["model.norm.weight"], eps) @ weights["lm_head.weight"].T, "kept"


@wrong("decode_step", says="the last norm is missing")
def step_without_the_last_norm(token, cache, weights, config):
    H, K, theta, eps = (config[n] for n in ("num_attention_heads", "num_key_value_heads", "rope_theta", "rms_norm_eps"))
    past = 0 if cache is None else cache[0][0].shape[2]
    x, new, here = weights["model.embed_tokens.weight"][token], [], torch.tensor([past])
    for i in range(config["num_hidden_layers"]):
        w = layer_weights(weights, i)
        h = rms_norm(x, w["input_layernorm.weight"], eps)
        q = apply_rope(split_heads(h @ w["self_attn.q_proj.weight"].T, H), here, theta)
        k = apply_rope(split_heads(h @ w["self_attn.k_proj.weight"].T, K), here, theta)
        v = split_heads(h @ w["self_attn.v_proj.weight"].T, K)
        if cache is not None:
            k, v = torch.cat([cache[i][0], k], 2), torch.cat([cache[i][1], v], 2)
        new.append((k, v))
        mixed = scaled_dot_product_attention(q, repeat_kv(k, H // K), repeat_kv(v, H // K), None)
        x = x + merge_heads(mixed) @ w["self_attn.o_proj.weight"].T
        x = x + swiglu(rms_norm(x, w["post_attention_layernorm.weight"], eps),
                       *[w[f"mlp.{n}_proj.weight"] for n in ("gate", "up", "down")])
    return x[:, -1] @ weights["lm_head.weight"].T, new


@wrong("decode_step", says="not what they are made of")
def caches_normed_inputs(token, cache, weights, config):
    H, K, theta, eps = (config[n] for n in ("num_attention_heads", "num_key_value_heads", "rope_theta", "rms_norm_eps"))
    x, new = weights["model.embed_tokens.weight"][token], []
    for i in range(config["num_hidden_layers"]):
        w = layer_weights(weights, i)
        h = rms_norm(x, w["input_layernorm.weight"], eps)
        seen = h if cache is None else torch.cat([cache[i], h], 1)
        new.append(seen)
        where = torch.arange(seen.shape[1])
        q = apply_rope(split_heads(h @ w["self_attn.q_proj.weight"].T, H), where[-1:], theta)
        k = apply_rope(split_heads(seen @ w["self_attn.k_proj.weight"].T, K), where, theta)
        v = split_heads(seen @ w["self_attn.v_proj.weight"].T, K)
        mixed = scaled_dot_product_attention(q, repeat_kv(k, H // K), repeat_kv(v, H // K), None)
        x = x + merge_heads(mixed) @ w["self_attn.o_proj.weight"].T
        x = x + swiglu(rms_norm(x, w["post_attention_layernorm.weight"], eps),
                       *[w[f"mlp.{n}_proj.weight"] for n in ("gate", "up", "down")])
    return rms_norm(x[:, -1], weights["model.norm.weight"], eps) @ weights["lm_head.weight"].T, new


@wrong("decode_step", says="not what they are made of")
def caches_embeddings(token, cache, weights, config):
    x = weights["model.embed_tokens.weight"][token]
    seen = x if cache is None else torch.cat([cache, x], 1)
    h, where = seen, torch.arange(seen.shape[1])
    for i in range(config["num_hidden_layers"]):
        h = llama_block(h, layer_weights(weights, i), where, config)
    h = rms_norm(h[:, -1], weights["model.norm.weight"], config["rms_norm_eps"])
    return h @ weights["lm_head.weight"].T, seen


@wrong("decode_step", says="text of 70 tokens")
def remembers_64_tokens(token, cache, weights, config):
    H, K, theta, eps = (config[n] for n in ("num_attention_heads", "num_key_value_heads", "rope_theta", "rms_norm_eps"))
    past, cache = cache or (0, None)
    x, new, here = weights["model.embed_tokens.weight"][token], [], torch.tensor([past])
    for i in range(config["num_hidden_layers"]):
        w = layer_weights(weights, i)
        h = rms_norm(x, w["input_layernorm.weight"], eps)
        q = apply_rope(split_heads(h @ w["self_attn.q_proj.weight"].T, H), here, theta)
        k = apply_rope(split_heads(h @ w["self_attn.k_proj.weight"].T, K), here, theta)
        v = split_heads(h @ w["self_attn.v_proj.weight"].T, K)
        if cache is not None:
            k, v = torch.cat([cache[i][0], k], 2)[:, :, -64:], torch.cat([cache[i][1], v], 2)[:, :, -64:]
        new.append((k, v))
        mixed = scaled_dot_product_attention(q, repeat_kv(k, H // K), repeat_kv(v, H // K), None)
        x = x + merge_heads(mixed) @ w["self_attn.o_proj.weight"].T
        x = x + swiglu(rms_norm(x, w["post_attention_layernorm.weight"], eps),
                       *[w[f"mlp.{n}_proj.weight"] for n in ("gate", "up", "down")])
    return rms_norm(x[:, -1], weights["model.norm.weight"], eps) @ weights["lm_head.weight"].T, (past + 1, new)


@right("decode_step")
def in_the_library_s_cache(token, cache, weights, config):
    from transformers import DynamicCache

    H, K, theta, eps = (config[n] for n in ("num_attention_heads", "num_key_value_heads", "rope_theta", "rms_norm_eps"))
    cache = DynamicCache() if cache is None else cache
    x, here = F.embedding(token, weights["model.embed_tokens.weight"]), torch.tensor([cache.get_seq_length()])
    for i in range(config["num_hidden_layers"]):
        w = layer_weights(weights, i)
        h = rms_norm(x, w["input_layernorm.weight"], eps)
        q = apply_rope(split_heads(h @ w["self_attn.q_proj.weight"].T, H), here, theta)
        k = apply_rope(split_heads(h @ w["self_attn.k_proj.weight"].T, K), here, theta)
        k, v = cache.update(k, split_heads(h @ w["self_attn.v_proj.weight"].T, K), i)
        mixed = scaled_dot_product_attention(q, repeat_kv(k, H // K), repeat_kv(v, H // K), causal_mask(1, k.shape[2]))
        x = x + merge_heads(mixed) @ w["self_attn.o_proj.weight"].T
        x = x + swiglu(rms_norm(x, w["post_attention_layernorm.weight"], eps),
                       *[w[f"mlp.{n}_proj.weight"] for n in ("gate", "up", "down")])
    return (rms_norm(x, weights["model.norm.weight"], eps) @ weights["lm_head.weight"].T)[:, -1], cache


@right("decode_step")
def a_growing_dict(token, cache, weights, config):
    def linear(t, name):
        return F.linear(t, weights[name])

    def norm(t, name):
        return F.rms_norm(t, t.shape[-1:], weights[name], config["rms_norm_eps"])

    cache = {} if cache is None else cache
    n_heads, n_kv = config["num_attention_heads"], config["num_key_value_heads"]
    here = torch.full((1,), cache.get("length", 0))
    x = F.embedding(token, weights["model.embed_tokens.weight"])
    for i in range(config["num_hidden_layers"]):
        name = f"model.layers.{i}."
        h = norm(x, name + "input_layernorm.weight")
        q = linear(h, name + "self_attn.q_proj.weight").unflatten(-1, (n_heads, -1)).transpose(1, 2)
        k = linear(h, name + "self_attn.k_proj.weight").unflatten(-1, (n_kv, -1)).transpose(1, 2)
        v = linear(h, name + "self_attn.v_proj.weight").unflatten(-1, (n_kv, -1)).transpose(1, 2)
        q, k = apply_rope(q, here, config["rope_theta"]), apply_rope(k, here, config["rope_theta"])
        if i in cache:
            k, v = torch.cat((cache[i][0], k), -2), torch.cat((cache[i][1], v), -2)
        cache[i] = k, v
        out = F.scaled_dot_product_attention(q, k, v, enable_gqa=True).transpose(1, 2).flatten(2)
        x = x + linear(out, name + "self_attn.o_proj.weight")
        h = norm(x, name + "post_attention_layernorm.weight")
        h = F.silu(linear(h, name + "mlp.gate_proj.weight")) * linear(h, name + "mlp.up_proj.weight")
        x = x + linear(h, name + "mlp.down_proj.weight")
    cache["length"] = cache.get("length", 0) + 1
    return linear(norm(x, "model.norm.weight"), "lm_head.weight"), cache  # (B, 1, V)


@right("decode_step")
def keys_unrotated_in_the_cache(token, cache, weights, config):
    H, K, theta, eps = (config[n] for n in ("num_attention_heads", "num_key_value_heads", "rope_theta", "rms_norm_eps"))
    x, new = weights["model.embed_tokens.weight"][token], []
    for i in range(config["num_hidden_layers"]):
        w = layer_weights(weights, i)
        h = rms_norm(x, w["input_layernorm.weight"], eps)
        q, k, v = (split_heads(h @ w[f"self_attn.{n}_proj.weight"].T, heads) for n, heads in zip("qkv", (H, K, K)))
        if cache is not None:
            k, v = torch.cat([cache[i][0], k], 2), torch.cat([cache[i][1], v], 2)
        new.append((k, v))
        where = torch.arange(k.shape[2])
        q, k = apply_rope(q, where[-1:], theta), apply_rope(k, where, theta)
        mixed = scaled_dot_product_attention(q, repeat_kv(k, H // K), repeat_kv(v, H // K), causal_mask(1, len(where)))
        x = x + merge_heads(mixed) @ w["self_attn.o_proj.weight"].T
        x = x + swiglu(rms_norm(x, w["post_attention_layernorm.weight"], eps),
                       *[w[f"mlp.{n}_proj.weight"] for n in ("gate", "up", "down")])
    return rms_norm(x[:, -1], weights["model.norm.weight"], eps) @ weights["lm_head.weight"].T, new


equivalent("decode_step", "torch.tensor([past], device=token.device) -> torch.tensor([past])", why="one device here")
equivalent("decode_step", "shape[2]: 0 -> 1 [2]", why="keys and values have the same length")
equivalent("decode_step", "shape[2]: 0 -> 1 [3]", why="the caches of all layers have the same length")
equivalent("decode_step", "shape[2]: 2 -> -2", why="of four axes, -2 is 2")
equivalent("decode_step", "torch.cat([cache[layer][1], v], 2): 1 -> -1", why="of a pair, the last is the second")
