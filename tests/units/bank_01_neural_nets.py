"""Answers to unit 01: what learners get wrong, and other ways of getting it right."""

from autograder.authoring.bank import equivalent, right, wrong

# neuron


@wrong("neuron", says="this is the score")
def forgets_the_sigmoid(x, w, b):
    return x @ w + b


@wrong("neuron", says="bias is missing")
def forgets_the_bias(x, w, b):
    return torch.sigmoid(x @ w)


@wrong("neuron", says="inside the sigmoid")
def adds_the_bias_to_the_probability(x, w, b):
    return torch.sigmoid(x @ w) + b


@wrong("neuron", says="do not round")
def decides_at_once(x, w, b):
    return (torch.sigmoid(x @ w + b) > 0.5).float()


@wrong("neuron", says="not added up")
def weights_each_input_and_stops(x, w, b):
    return torch.sigmoid(x * w + b)


@wrong("neuron", says="not a column")
def returns_a_column(x, w, b):
    return torch.sigmoid(x @ w[:, None] + b)


@wrong("neuron", says="do not squeeze")
def squeezes_a_single_input_away(x, w, b):
    return torch.sigmoid(x @ w[:, None] + b).squeeze()


@wrong("neuron", says="between 0 and 1")
def squashes_with_tanh(x, w, b):
    return torch.tanh(x @ w + b)


@right("neuron")
def written_out(x, w, b):
    z = (x * w).sum(dim=1) + b
    return 1 / (1 + torch.exp(-z))


@right("neuron")
def one_input_at_a_time(x, w, b):
    return torch.stack([torch.sigmoid(torch.dot(row, w) + b) for row in x])


@right("neuron")
def as_a_linear_layer(x, w, b):
    return torch.special.expit(torch.nn.functional.linear(x, w.unsqueeze(0), b.reshape(1)).squeeze(1))


@right("neuron")
def in_plain_python(x, w, b):
    scores = [sum(value * weight for value, weight in zip(row, w.tolist())) + b.item() for row in x.tolist()]
    return torch.tensor([1 / (1 + math.exp(-score)) for score in scores], dtype=x.dtype)


@wrong("neuron", says="not taken away")
def subtracts_the_bias(x, w, b):
    return torch.sigmoid(x @ w - b)


# sigmoid

equivalent("sigmoid", "z > 0 -> z >= 0", why="both halves give 0.5 at 0")


@wrong("sigmoid", says="overflows")
def odds_over_one_plus_odds(z):
    return z.exp() / (1 + z.exp())


@wrong("sigmoid", says="upside down")
def loses_the_minus(z):
    return 1 / (1 + torch.exp(z.clamp(max=80)))


@wrong("sigmoid", says="tanh")
def takes_tanh_for_it(z):
    return torch.tanh(z)


@wrong("sigmoid", says="one plus them")
def stops_at_the_odds(z):
    return torch.exp(z)


@wrong("sigmoid", says="jump")
def takes_the_step_function(z):
    return (z > 0).to(z.dtype)


@wrong("sigmoid", says="float64")
def casts_to_float32(z):
    return 1 / (1 + torch.exp(-z.float()))


@wrong("sigmoid", says="e^90 overflows")
def saves_only_what_the_visible_test_shows(z):
    odds = torch.exp(z)
    return torch.where(z.abs() > 600, (z > 0).to(z.dtype), odds / (1 + odds))


@right("sigmoid")
def through_tanh(z):
    return 0.5 * (1 + torch.tanh(0.5 * z))


@right("sigmoid")
def by_the_book(z):
    # exp(1000) is inf, and 1 / inf is 0, which is right
    return 1 / (1 + torch.exp(-z))


@right("sigmoid")
def with_masks(z):
    p = torch.empty_like(z)
    positive = z >= 0
    p[positive] = 1 / (1 + torch.exp(-z[positive]))
    e = torch.exp(z[~positive])
    p[~positive] = e / (1 + e)
    return p


@right("sigmoid")
def with_a_clamp(z):
    e = torch.exp(z.clamp(-60, 60))
    return e / (1 + e)


@right("sigmoid")
def as_a_softmax_of_two(z):
    return torch.softmax(torch.stack([torch.zeros_like(z), z]), dim=0)[1]


@wrong("sigmoid", says="sigmoid of 2z")
def forgets_to_halve(z):
    return (torch.tanh(z) + 1) / 2


# relu


@wrong("relu", says="|z|")
def takes_the_absolute_value(z):
    return z.abs()


@wrong("relu", says="wrong side")
def keeps_the_negative_half(z):
    return torch.clamp(z, max=0)


@wrong("relu", says="slope")
def returns_the_slope(z):
    return (z > 0).to(z.dtype)


@wrong("relu", says="leaky")
def leaks(z):
    return torch.maximum(z, 0.01 * z)


@wrong("relu", says="has changed")
def writes_into_the_input(z):
    z[z < 0] = 0
    return z


@wrong("relu", says="cuts at 1")
def clamps_both_ends(z):
    return z.clamp(0, 1)


@right("relu")
def with_a_mask(z):
    return z * (z > 0)  # -0.0 where z is negative


@right("relu")
def with_maximum(z):
    return torch.maximum(z, torch.zeros_like(z))


@right("relu")
def half_of_the_sum(z):
    return (z + z.abs()) / 2


@right("relu")
def with_where(z):
    return torch.where(z < 0, 0.0, z)


# silu


@wrong("silu", says="multiply by z")
def forgets_to_multiply(z):
    return torch.sigmoid(z)


@wrong("silu", says="do not add")
def adds_in_place_of_multiplying(z):
    return z + torch.sigmoid(z)


@wrong("silu", says="gelu")
def takes_gelu(z):
    return z * 0.5 * (1 + torch.erf(z / math.sqrt(2)))


@wrong("silu", says="overflows")
def overflows(z):
    return z * torch.exp(z) / (1 + torch.exp(z))


@wrong("silu", says="wrong sign")
def turns_the_switch_around(z):
    return z / (1 + torch.exp(z))


@wrong("silu", says="negative left of 0")
def takes_relu(z):
    return torch.relu(z)


@right("silu")
def as_a_quotient(z):
    return z / (1 + torch.exp(-z))


@right("silu")
def silu_through_tanh(z):
    return 0.5 * z * (1 + torch.tanh(z / 2))


# silu_derivative


@wrong("silu_derivative", says="first term")
def derives_only_z(z):
    return torch.sigmoid(z)


@wrong("silu_derivative", says="second term")
def derives_only_the_sigmoid(z):
    s = torch.sigmoid(z)
    return z * s * (1 - s)


@wrong("silu_derivative", says="product rule is missing")
def derives_only_sigma(z):
    s = torch.sigmoid(z)
    return s * (1 - s)


@wrong("silu_derivative", says="one factor is missing")
def halves_the_slope_of_sigma(z):
    s = torch.sigmoid(z)
    return s + z * (1 - s)


@wrong("silu_derivative", says="overflows")
def overflowing_derivative(z):
    s = torch.exp(z) / (1 + torch.exp(z))
    return s + z * s * (1 - s)


@wrong("silu_derivative", says="ReLU")
def takes_the_slope_of_relu(z):
    return (z > 0).to(z.dtype)


@right("silu_derivative")
def factored(z):
    s = 1 / (1 + torch.exp(-z))
    return s * (1 + z * (1 - s))


@right("silu_derivative")
def with_silu_itself(z):
    s = torch.sigmoid(z)
    f = z * s
    return f + s * (1 - f)


@right("silu_derivative")
def both_sigmoids(z):
    return torch.sigmoid(z) + z * torch.sigmoid(z) * torch.sigmoid(-z)


@right("silu_derivative")
def lets_autograd_do_it(z):
    z = z.detach().clone().requires_grad_()
    return torch.autograd.grad(F.silu(z).sum(), z)[0]


@wrong("silu_derivative", says="keeps its factor z")
def drops_the_factor_z(z):
    s = sigmoid(z)
    return s + s * (1 - s)


# bce_with_logits


@wrong("bce_with_logits", says="log(0)")
def takes_the_log_of_the_probability(z, y):
    p = torch.sigmoid(z)
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()


@wrong("bce_with_logits", says="clamp")
def clamps_the_probability(z, y):
    p = torch.sigmoid(z).clamp(1e-7, 1 - 1e-7)
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()


@wrong("bce_with_logits", says="clamp")
def adds_a_little_to_the_probability(z, y):
    p = torch.sigmoid(z)
    return -(y * torch.log(p + 1e-9) + (1 - y) * torch.log(1 - p + 1e-9)).mean()


@wrong("bce_with_logits", says="take the mean")
def sums(z, y):
    return (torch.nn.functional.softplus(z) - z * y).sum()


@wrong("bce_with_logits", says="one loss per point")
def forgets_to_reduce(z, y):
    return torch.nn.functional.softplus(z) - z * y


@wrong("bce_with_logits", says="sign")
def is_negative(z, y):
    return (z * y - torch.nn.functional.softplus(z)).mean()


@wrong("bce_with_logits", says="only the positive")
def forgets_the_negative_points(z, y):
    return (y * torch.nn.functional.softplus(-z)).mean()


@wrong("bce_with_logits", says="bits")
def counts_in_bits(z, y):
    return (torch.nn.functional.softplus(z) - z * y).mean() / math.log(2)


@wrong("bce_with_logits", says="swapped")
def swaps_the_labels(z, y):
    return (torch.nn.functional.softplus(z) - z * (1 - y)).mean()


@wrong("bce_with_logits", says="exp(1000) overflows")
def log_of_one_plus_exp(z, y):
    return (torch.log(1 + torch.exp(z)) - z * y).mean()


@wrong("bce_with_logits", says="squared error")
def takes_the_squared_error(z, y):
    return ((torch.sigmoid(z) - y) ** 2).mean()


@right("bce_with_logits")
def with_softplus(z, y):
    return (torch.nn.functional.softplus(z) - z * y).mean()


@right("bce_with_logits")
def with_logsigmoid(z, y):
    return -(y * torch.nn.functional.logsigmoid(z) + (1 - y) * torch.nn.functional.logsigmoid(-z)).mean()


@right("bce_with_logits")
def with_logaddexp(z, y):
    return torch.logaddexp(torch.zeros_like(z), (1 - 2 * y) * z).sum() / len(z)


@right("bce_with_logits")
def as_a_loss_of_two_classes(z, y):
    return F.cross_entropy(torch.stack([torch.zeros_like(z), z], dim=1), y.long())


@right("bce_with_logits")
def picks_the_label(z, y):
    return torch.where(y == 1, F.softplus(-z), F.softplus(z)).sum() / len(z)


@wrong("bce_with_logits", says="second time")
def squashes_twice(z, y):
    return F.binary_cross_entropy_with_logits(torch.sigmoid(z), y)


# init_mlp


@wrong("init_mlp", says="learn the same")
def starts_at_zero(sizes, generator):
    return [(torch.zeros(a, b), torch.zeros(b)) for a, b in pairwise(sizes)]


@wrong("init_mlp", says="divide by sqrt(n_in)")
def forgets_the_scale(sizes, generator):
    return [(torch.randn(a, b, generator=generator), torch.zeros(b)) for a, b in pairwise(sizes)]


@wrong("init_mlp", says="not by its square root")
def divides_by_n_in(sizes, generator):
    return [(torch.randn(a, b, generator=generator) / a, torch.zeros(b)) for a, b in pairwise(sizes)]


@wrong("init_mlp", says="not n_out")
def scales_by_the_outputs(sizes, generator):
    return [(torch.randn(a, b, generator=generator) / math.sqrt(b), torch.zeros(b)) for a, b in pairwise(sizes)]


@wrong("init_mlp", says="(n_in, n_out)")
def has_the_layout_of_linear(sizes, generator):
    return [(torch.randn(b, a, generator=generator) / math.sqrt(a), torch.zeros(b)) for a, b in pairwise(sizes)]


@wrong("init_mlp", says="rand() draws")
def draws_positive_weights(sizes, generator):
    return [(torch.rand(a, b, generator=generator) / math.sqrt(a), torch.zeros(b)) for a, b in pairwise(sizes)]


@wrong("init_mlp", says="mean 0")
def draws_positive_weights_of_the_right_deviation(sizes, generator):
    return [(torch.rand(a, b, generator=generator) * math.sqrt(12 / a), torch.zeros(b)) for a, b in pairwise(sizes)]


@wrong("init_mlp", says="generator=generator")
def ignores_the_generator(sizes, generator):
    return [(torch.randn(a, b) / math.sqrt(a), torch.zeros(b)) for a, b in pairwise(sizes)]


@wrong("init_mlp", says="set no seed")
def seeds_by_itself(sizes, generator):
    own = torch.Generator().manual_seed(42)
    return [(torch.randn(a, b, generator=own) / math.sqrt(a), torch.zeros(b)) for a, b in pairwise(sizes)]


@wrong("init_mlp", says="two layers got the same draws")
def seeds_every_layer(sizes, generator):
    seed = generator.initial_seed()
    return [(torch.randn(a, b, generator=torch.Generator().manual_seed(seed)) / math.sqrt(a), torch.zeros(b))
            for a, b in pairwise(sizes)]


@wrong("init_mlp", says="biases start at zero")
def draws_biases_too(sizes, generator):
    return [(torch.randn(a, b, generator=generator) / math.sqrt(a), torch.randn(b, generator=generator))
            for a, b in pairwise(sizes)]


@right("init_mlp")
def uniform_with_the_right_deviation(sizes, generator):
    params = []
    for i in range(len(sizes) - 1):
        bound = math.sqrt(3 / sizes[i])
        w = torch.empty(sizes[i], sizes[i + 1]).uniform_(-bound, bound, generator=generator)
        params.append((w, torch.zeros(sizes[i + 1])))
    return params


@right("init_mlp")
def last_layer_first(sizes, generator):
    params = []
    for n_out, n_in in zip(sizes[::-1], sizes[-2::-1]):
        w = torch.normal(0.0, n_in**-0.5, (n_out, n_in), generator=generator).T
        params.insert(0, (w, torch.zeros(n_out)))
    return params


@right("init_mlp")
def scales_for_relu(sizes, generator):
    params = []
    for n_in, n_out in pairwise(sizes):
        w = torch.nn.init.kaiming_normal_(torch.empty(n_out, n_in), nonlinearity="relu", generator=generator)
        params.append((w.T, torch.zeros(n_out)))
    return params


@right("init_mlp")
def scales_for_tanh(sizes, generator):
    layers = pairwise(sizes)
    return [(torch.randn(a, b, generator=generator) * 5 / 3 / math.sqrt(a), torch.zeros(b)) for a, b in layers]


@right("init_mlp")
def scales_by_inputs_and_outputs(sizes, generator):
    params = []
    for n_in, n_out in pairwise(sizes):
        w = torch.empty(n_in, n_out)
        torch.nn.init.xavier_uniform_(w, generator=generator)
        params.append((w, torch.zeros(n_out)))
    return params


@right("init_mlp")
def takes_the_default_of_linear(sizes, generator):
    params = []
    for n_in, n_out in pairwise(sizes):
        bound = 1 / math.sqrt(n_in)
        w = torch.empty(n_in, n_out).uniform_(-bound, bound, generator=generator)
        params.append((w, torch.empty(n_out).uniform_(-bound, bound, generator=generator)))
    return params


@right("init_mlp")
def ready_for_autograd(sizes, generator):
    params = []
    for n_in, n_out in pairwise(sizes):
        w = torch.nn.init.trunc_normal_(torch.empty(n_in, n_out), 0, n_in**-0.5, -1, 1, generator=generator)
        params.append((w.requires_grad_(), torch.zeros(n_out, requires_grad=True)))
    return params


@wrong("init_mlp", says="must follow n_in")
def starts_small(sizes, generator):
    return [(0.01 * torch.randn(a, b, generator=generator), torch.zeros(b)) for a, b in pairwise(sizes)]


@wrong("init_mlp", says="must follow n_in")
def has_one_deviation_for_all_layers(sizes, generator):
    return [(0.05 * torch.randn(a, b, generator=generator), torch.zeros(b)) for a, b in pairwise(sizes)]


@wrong("init_mlp", says="divide by it")
def multiplies_by_the_root(sizes, generator):
    return [(torch.randn(a, b, generator=generator) * a**0.5, torch.zeros(b)) for a, b in pairwise(sizes)]


@wrong("init_mlp", says="not n_out")
def scales_for_relu_by_the_outputs(sizes, generator):
    params = []
    for n_in, n_out in pairwise(sizes):
        w = torch.nn.init.kaiming_normal_(torch.empty(n_in, n_out), nonlinearity="relu", generator=generator)
        params.append((w, torch.zeros(n_out)))
    return params


@wrong("init_mlp", says="one bias per neuron")
def biases_as_rows(sizes, generator):
    layers = pairwise(sizes)
    return [(torch.randn(a, b, generator=generator) / math.sqrt(a), torch.zeros(1, b)) for a, b in layers]


@wrong("init_mlp", says="biases start at zero")
def biases_of_one(sizes, generator):
    return [(torch.randn(a, b, generator=generator) / math.sqrt(a), torch.ones(b)) for a, b in pairwise(sizes)]


# mlp_forward


@wrong("mlp_forward", says="last layer has no activation")
def activates_the_last_layer(params, x, activation):
    for w, b in params:
        x = activation(x @ w + b)
    return x.squeeze(-1)


@wrong("mlp_forward", says="no activation was applied")
def forgets_the_activation(params, x, activation):
    for w, b in params:
        x = x @ w + b
    return x.squeeze(-1)


@wrong("mlp_forward", says="drop the last axis")
def returns_a_column_of_logits(params, x, activation):
    for w, b in params[:-1]:
        x = activation(x @ w + b)
    w, b = params[-1]
    return x @ w + b


@wrong("mlp_forward", says="biases are missing")
def forgets_the_biases(params, x, activation):
    for w, _ in params[:-1]:
        x = activation(x @ w)
    return (x @ params[-1][0]).squeeze(-1)


@wrong("mlp_forward", says="squeeze the last axis only")
def squeezes_everything(params, x, activation):
    for w, b in params[:-1]:
        x = activation(x @ w + b)
    return (x @ params[-1][0] + params[-1][1]).squeeze()


@wrong("mlp_forward", says="was not used")
def always_tanh(params, x, activation):
    for w, b in params[:-1]:
        x = torch.tanh(x @ w + b)
    return (x @ params[-1][0] + params[-1][1]).squeeze(-1)


@wrong("mlp_forward", says="these are probabilities")
def returns_probabilities(params, x, activation):
    for w, b in params[:-1]:
        x = activation(x @ w + b)
    return torch.sigmoid((x @ params[-1][0] + params[-1][1]).squeeze(-1))


@wrong("mlp_forward", says="only one")
def activates_a_lone_layer(params, x, activation):
    w, b = params[0]
    x = activation(x @ w + b)
    for index, (w, b) in enumerate(params[1:], 2):
        x = x @ w + b
        if index < len(params):
            x = activation(x)
    return x.squeeze(-1)


@right("mlp_forward")
def with_an_index(params, x, activation):
    for index, (w, b) in enumerate(params):
        x = torch.nn.functional.linear(x, w.mT, b)
        if index != len(params) - 1:
            x = activation(x)
    return x[:, 0]


@right("mlp_forward")
def recursively(params, x, activation):
    (w, b), rest = params[0], params[1:]
    z = torch.addmm(b, x, w)
    return mlp_forward(rest, activation(z), activation) if rest else z.flatten()


@right("mlp_forward")
def with_linear_and_flatten(params, x, activation):
    *hidden, (w, b) = params
    for weight, bias in hidden:
        x = activation(F.linear(x, weight.T, bias))
    return torch.addmm(b, x, w).flatten()


@wrong("mlp_forward", says="last layer has a bias too")
def forgets_the_last_bias(params, x, activation):
    for w, b in params[:-1]:
        x = activation(x @ w + b)
    return (x @ params[-1][0])[:, 0]


# numerical_gradient


@wrong("numerical_gradient", says="one-sided")
def steps_forward_only(f, x, eps):
    g = torch.zeros_like(x)
    for i in range(x.numel()):
        moved = x.clone()
        moved.view(-1)[i] += eps
        g.view(-1)[i] = (f(moved) - f(x)) / eps
    return g


@wrong("numerical_gradient", says="2 * eps apart")
def divides_by_eps(f, x, eps):
    g = torch.zeros_like(x)
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = eps
        g.view(-1)[i] = (f(x + step) - f(x - step)) / eps
    return g


@wrong("numerical_gradient", says="one at a time")
def moves_all_elements(f, x, eps):
    return ((f(x + eps) - f(x - eps)) / (2 * eps)).expand(x.shape)


@wrong("numerical_gradient", says="eps was not used")
def has_an_eps_of_its_own(f, x, eps):
    h = 1e-5
    g = torch.zeros_like(x)
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = h
        g.view(-1)[i] = (f(x + step) - f(x - step)) / (2 * h)
    return g


@wrong("numerical_gradient", says="put each element back")
def never_puts_back(f, x, eps):
    g, moved = torch.zeros_like(x), x.clone()
    for i in range(x.numel()):
        moved.view(-1)[i] += eps
        above = f(moved)
        moved.view(-1)[i] -= 2 * eps
        g.view(-1)[i] = (above - f(moved)) / (2 * eps)
    return g


@wrong("numerical_gradient", says="x has changed")
def leaves_the_input_moved(f, x, eps):
    start, g = x.clone(), torch.zeros_like(x)
    for i in range(x.numel()):
        x.copy_(start)
        x.view(-1)[i] += eps
        above = f(x).clone()
        x.view(-1)[i] -= 2 * eps
        g.view(-1)[i] = (above - f(x)) / (2 * eps)
    return g


@wrong("numerical_gradient", says="shape of x")
def returns_a_flat_gradient(f, x, eps):
    slopes = []
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = eps
        slopes.append((f(x + step) - f(x - step)) / (2 * eps))
    return torch.stack(slopes)


@wrong("numerical_gradient", says="float32 out")
def always_float64(f, x, eps):
    x = x.double()
    g = torch.zeros_like(x)
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = eps
        g.view(-1)[i] = (f(x + step) - f(x - step)) / (2 * eps)
    return g


@right("numerical_gradient")
def in_place_and_back(f, x, eps):
    g = torch.zeros_like(x)
    flat, slopes = x.view(-1), g.view(-1)
    for i in range(len(flat)):
        kept = flat[i].item()
        flat[i] = kept + eps
        above = f(x).item()
        flat[i] = kept - eps
        below = f(x).item()
        flat[i] = kept
        slopes[i] = (above - below) / (2 * eps)
    return g


@right("numerical_gradient")
def walks_the_indices(f, x, eps):
    import itertools

    g = torch.empty_like(x)
    for place in itertools.product(*(range(n) for n in x.shape)):
        up, down = x.clone(), x.clone()
        up[place] += eps
        down[place] -= eps
        g[place] = (f(up) - f(down)) / 2 / eps
    return g


@right("numerical_gradient")
def with_python_floats(f, x, eps):
    slopes = []
    for i in range(x.numel()):
        step = torch.zeros(x.numel(), dtype=x.dtype)
        step[i] = eps
        step = step.reshape(x.shape)
        slopes.append((f(x + step).item() - f(x - step).item()) / (2 * eps))
    return torch.tensor(slopes, dtype=x.dtype).reshape(x.shape)


@wrong("numerical_gradient", says="nudge one at a time")
def returns_one_slope_for_all(f, x, eps):
    return (f(x + eps) - f(x - eps)) / (2 * eps)


# mlp_backward


@wrong("mlp_backward", says="not y - p")
def points_downhill(params, x, y):
    hs = [x]
    for w, b in params[:-1]:
        hs.append(torch.tanh(hs[-1] @ w + b))
    z = (hs[-1] @ params[-1][0] + params[-1][1]).squeeze(-1)
    delta, grads = (y - torch.sigmoid(z))[:, None] / len(y), []
    for i in range(len(params) - 1, -1, -1):
        grads.insert(0, (hs[i].T @ delta, delta.sum(0)))
        delta = delta @ params[i][0].T * (1 - hs[i] ** 2)
    return grads


@wrong("mlp_backward", says="divide by the number")
def forgets_the_mean(params, x, y):
    hs = [x]
    for w, b in params[:-1]:
        hs.append(torch.tanh(hs[-1] @ w + b))
    z = (hs[-1] @ params[-1][0] + params[-1][1]).squeeze(-1)
    delta, grads = (torch.sigmoid(z) - y)[:, None], []
    for i in range(len(params) - 1, -1, -1):
        grads.insert(0, (hs[i].T @ delta, delta.sum(0)))
        delta = delta @ params[i][0].T * (1 - hs[i] ** 2)
    return grads


@wrong("mlp_backward", says="square is missing")
def forgets_the_square(params, x, y):
    hs = [x]
    for w, b in params[:-1]:
        hs.append(torch.tanh(hs[-1] @ w + b))
    z = (hs[-1] @ params[-1][0] + params[-1][1]).squeeze(-1)
    delta, grads = (torch.sigmoid(z) - y)[:, None] / len(y), []
    for i in range(len(params) - 1, -1, -1):
        grads.insert(0, (hs[i].T @ delta, delta.sum(0)))
        delta = delta @ params[i][0].T * (1 - hs[i])
    return grads


@wrong("mlp_backward", says="slope of tanh is missing")
def forgets_the_slope_of_tanh(params, x, y):
    hs = [x]
    for w, b in params[:-1]:
        hs.append(torch.tanh(hs[-1] @ w + b))
    z = (hs[-1] @ params[-1][0] + params[-1][1]).squeeze(-1)
    delta, grads = (torch.sigmoid(z) - y)[:, None] / len(y), []
    for i in range(len(params) - 1, -1, -1):
        grads.insert(0, (hs[i].T @ delta, delta.sum(0)))
        delta = delta @ params[i][0].T
    return grads


@wrong("mlp_backward", says="tanh twice")
def takes_tanh_twice(params, x, y):
    hs = [x]
    for w, b in params[:-1]:
        hs.append(torch.tanh(hs[-1] @ w + b))
    z = (hs[-1] @ params[-1][0] + params[-1][1]).squeeze(-1)
    delta, grads = (torch.sigmoid(z) - y)[:, None] / len(y), []
    for i in range(len(params) - 1, -1, -1):
        grads.insert(0, (hs[i].T @ delta, delta.sum(0)))
        delta = delta @ params[i][0].T * (1 - torch.tanh(hs[i]) ** 2)
    return grads


@wrong("mlp_backward", says="slope of the sigmoid")
def thinks_the_hidden_layers_are_sigmoid(params, x, y):
    hs = [x]
    for w, b in params[:-1]:
        hs.append(torch.tanh(hs[-1] @ w + b))
    z = (hs[-1] @ params[-1][0] + params[-1][1]).squeeze(-1)
    delta, grads = (torch.sigmoid(z) - y)[:, None] / len(y), []
    for i in range(len(params) - 1, -1, -1):
        grads.insert(0, (hs[i].T @ delta, delta.sum(0)))
        delta = delta @ params[i][0].T * hs[i] * (1 - hs[i])
    return grads


@wrong("mlp_backward", says="turn it around")
def leaves_the_list_backwards(params, x, y):
    hs = [x]
    for w, b in params[:-1]:
        hs.append(torch.tanh(hs[-1] @ w + b))
    z = (hs[-1] @ params[-1][0] + params[-1][1]).squeeze(-1)
    delta, grads = (torch.sigmoid(z) - y)[:, None] / len(y), []
    for i in range(len(params) - 1, -1, -1):
        grads.append((hs[i].T @ delta, delta.sum(0)))
        delta = delta @ params[i][0].T * (1 - hs[i] ** 2)
    return grads


@wrong("mlp_backward", says="biases need the sum")
def keeps_a_bias_gradient_per_input(params, x, y):
    hs = [x]
    for w, b in params[:-1]:
        hs.append(torch.tanh(hs[-1] @ w + b))
    z = (hs[-1] @ params[-1][0] + params[-1][1]).squeeze(-1)
    delta, grads = (torch.sigmoid(z) - y)[:, None] / len(y), []
    for i in range(len(params) - 1, -1, -1):
        grads.insert(0, (hs[i].T @ delta, delta))
        delta = delta @ params[i][0].T * (1 - hs[i] ** 2)
    return grads


@wrong("mlp_backward", says="one slope too many")
def multiplies_by_the_slope_of_the_last_sigmoid(params, x, y):
    hs = [x]
    for w, b in params[:-1]:
        hs.append(torch.tanh(hs[-1] @ w + b))
    p = torch.sigmoid((hs[-1] @ params[-1][0] + params[-1][1]).squeeze(-1))
    delta, grads = ((p - y) * p * (1 - p))[:, None] / len(y), []
    for i in range(len(params) - 1, -1, -1):
        grads.insert(0, (hs[i].T @ delta, delta.sum(0)))
        delta = delta @ params[i][0].T * (1 - hs[i] ** 2)
    return grads


@wrong("mlp_backward", says="every layer")
def sends_the_last_delta_to_all_layers(params, x, y):
    hs = [x]
    for w, b in params[:-1]:
        hs.append(torch.tanh(hs[-1] @ w + b))
    z = (hs[-1] @ params[-1][0] + params[-1][1]).squeeze(-1)
    last = (torch.sigmoid(z) - y)[:, None] / len(y)
    grads = [(hs[-1].T @ last, last.sum(0))]
    for i in range(len(params) - 2, -1, -1):
        # the chain is not carried on: always from the last layer, as if all were next to it
        delta = (last @ params[-1][0].T)[:, : params[i][1].numel()]
        delta = delta * (1 - hs[i + 1][:, : delta.shape[1]] ** 2)
        delta = torch.nn.functional.pad(delta, (0, params[i][1].numel() - delta.shape[1]))
        grads.insert(0, (hs[i].T @ delta, delta.sum(0)))
    return grads


@right("mlp_backward")
def by_autograd(params, x, y):
    leaves = [t.detach().clone().requires_grad_() for layer in params for t in layer]
    h = x
    for i in range(0, len(leaves) - 2, 2):
        h = torch.tanh(h @ leaves[i] + leaves[i + 1])
    z = (h @ leaves[-2] + leaves[-1]).squeeze(-1)
    with torch.enable_grad():
        loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
    slopes = torch.autograd.grad(loss, leaves)
    return [(slopes[i], slopes[i + 1]) for i in range(0, len(slopes), 2)]


@right("mlp_backward")
def with_einsum_and_indices(params, x, y):
    hs, n = [x], x.shape[0]
    for w, b in params[:-1]:
        hs.append(torch.tanh(torch.einsum("nd,dk->nk", hs[-1], w) + b))
    w, b = params[-1]
    p = torch.sigmoid(hs[-1] @ w + b)  # (N, 1)
    delta = (p - y.unsqueeze(1)) / n
    grads = [None] * len(params)
    for i in reversed(range(len(params))):
        grads[i] = (torch.einsum("nd,nk->dk", hs[i], delta), delta.sum(dim=0))
        if i > 0:
            delta = torch.einsum("nk,dk->nd", delta, params[i][0]) * (1 - hs[i].square())
    return grads


@right("mlp_backward")
def by_autograd_through_the_own_loss(params, x, y):
    def loss(params):
        return bce_with_logits(mlp_forward(params, x, torch.tanh), y)

    return torch.func.grad(loss)(params)


@right("mlp_backward")
def recursively_by_hand(params, x, y):
    def back(layers, h):
        (w, b), rest = layers[0], layers[1:]
        z = h @ w + b
        if rest:
            a = torch.tanh(z)
            slope, grads = back(rest, a)
            delta = slope * (1 - a * a)
        else:
            delta, grads = (torch.sigmoid(z) - y.unsqueeze(1)) / x.shape[0], []
        return delta @ w.T, [(h.T @ delta, delta.sum(dim=0)), *grads]

    return back(params, x)[1]


@wrong("mlp_backward", says="squared error")
def descends_the_squared_error(params, x, y):
    leaves = [(w.clone().requires_grad_(), b.clone().requires_grad_()) for w, b in params]
    ((torch.sigmoid(mlp_forward(leaves, x, torch.tanh)) - y) ** 2).mean().backward()
    return [(w.grad, b.grad) for w, b in leaves]


@wrong("mlp_backward", says="divided by the number of inputs twice")
def averages_delta_again(params, x, y):
    entering, grads = [x], []
    for w, b in params[:-1]:
        entering.append(torch.tanh(entering[-1] @ w + b))
    delta = (torch.sigmoid(mlp_forward(params, x, torch.tanh)) - y)[:, None] / len(y)
    for (w, _), h in zip(params[::-1], entering[::-1]):
        grads.insert(0, (h.T @ delta, delta.mean(0)))
        delta = (delta @ w.T) * (1 - h**2)
    return grads


# sgd_step


@wrong("sgd_step", says="uphill")
def climbs(params, grads, lr):
    return [(w + lr * dw, b + lr * db) for (w, b), (dw, db) in zip(params, grads)]


@wrong("sgd_step", says="learning rate is missing")
def takes_the_whole_gradient(params, grads, lr):
    return [(w - dw, b - db) for (w, b), (dw, db) in zip(params, grads)]


@wrong("sgd_step", says="biases did not move")
def forgets_to_move_the_biases(params, grads, lr):
    return [(w - lr * dw, b) for (w, b), (dw, db) in zip(params, grads)]


@wrong("sgd_step", says="input has changed")
def updates_in_place(params, grads, lr):
    for (w, b), (dw, db) in zip(params, grads):
        w -= lr * dw
        b -= lr * db
    return params


@wrong("sgd_step", says="input has changed")
def scales_the_gradients_in_place(params, grads, lr):
    return [(w - dw.mul_(lr), b - db.mul_(lr)) for (w, b), (dw, db) in zip(params, grads)]


@wrong("sgd_step", says="step alone")
def returns_the_step(params, grads, lr):
    return [(-lr * dw, -lr * db) for dw, db in grads]


@wrong("sgd_step", says="nothing moved")
def updates_names_only(params, grads, lr):
    for (w, b), (dw, db) in zip(params, grads):
        w = w - lr * dw
        b = b - lr * db
    return params


@right("sgd_step")
def with_a_loop(params, grads, lr):
    new = []
    for i in range(len(params)):
        new.append(tuple(torch.sub(p, g, alpha=lr) for p, g in zip(params[i], grads[i])))
    return new


@right("sgd_step")
def clones_first(params, grads, lr):
    new = [(w.clone(), b.clone()) for w, b in params]
    for (w, b), (dw, db) in zip(new, grads):
        w -= lr * dw
        b -= lr * db
    return new


@right("sgd_step")
def with_an_optimizer(params, grads, lr):
    leaves = [torch.nn.Parameter(t.clone()) for layer in params for t in layer]
    for leaf, slope in zip(leaves, [t for layer in grads for t in layer]):
        leaf.grad = slope.clone()
    torch.optim.SGD(leaves, lr=lr).step()
    leaves = [leaf.detach() for leaf in leaves]
    return list(zip(leaves[::2], leaves[1::2]))


# train_mlp


@wrong("train_mlp", says="downhill")
def climbs_the_loss(x, y, sizes, steps, lr, generator):
    params = init_mlp(sizes, generator)
    for _ in range(steps):
        params = sgd_step(params, mlp_backward(params, x, y), -lr)
    return params


@wrong("train_mlp", says="wanted 95 %")
def throws_the_step_away(x, y, sizes, steps, lr, generator):
    params = init_mlp(sizes, generator)
    for _ in range(steps):
        sgd_step(params, mlp_backward(params, x, y), lr)
    return params


@wrong("train_mlp", says="every layer")
def trains_the_last_layer_only(x, y, sizes, steps, lr, generator):
    params = init_mlp(sizes, generator)
    for _ in range(steps):
        params = params[:-1] + sgd_step(params[-1:], mlp_backward(params, x, y)[-1:], lr)
    return params


@wrong("train_mlp", says="wanted 95 %")
def starts_anew_every_step(x, y, sizes, steps, lr, generator):
    for _ in range(steps):
        params = init_mlp(sizes, generator)
        params = sgd_step(params, mlp_backward(params, x, y), lr)
    return params


@wrong("train_mlp", says="from `sizes`")
def ignores_the_sizes(x, y, sizes, steps, lr, generator):
    params = init_mlp([2, 16, 1], generator)
    params += init_mlp([1], generator)
    for _ in range(steps):
        params = sgd_step(params, mlp_backward(params, x, y), lr)
    return [params[0], params[1], params[1]][: len(sizes) - 1]


@wrong("train_mlp", says="learning rate lr makes no difference")
def has_a_learning_rate_of_its_own(x, y, sizes, steps, lr, generator):
    params = init_mlp(sizes, generator)
    for _ in range(steps):
        params = sgd_step(params, mlp_backward(params, x, y), 0.2 if lr else 0.0)
    return params


@wrong("train_mlp", says="untrained network of init_mlp")
def takes_one_step_more(x, y, sizes, steps, lr, generator):
    params = init_mlp(sizes, generator)
    for _ in range(steps + 1):
        params = sgd_step(params, mlp_backward(params, x, y), lr)
    return params


@wrong("train_mlp", says="untrained network of init_mlp")
def always_trains_to_the_end(x, y, sizes, steps, lr, generator):
    params = init_mlp(sizes, generator)
    for _ in range(1000):
        params = sgd_step(params, mlp_backward(params, x, y), lr)
    return params


@wrong("train_mlp", says="another generator")
def starts_from_a_fixed_seed(x, y, sizes, steps, lr, generator):
    params = init_mlp(sizes, torch.Generator().manual_seed(0))
    for _ in range(steps):
        params = sgd_step(params, mlp_backward(params, x, y), lr)
    return params


@wrong("train_mlp", says="data alone")
def centres_the_data_in_place(x, y, sizes, steps, lr, generator):
    x -= x.mean(0)
    params = init_mlp(sizes, generator)
    for _ in range(steps):
        params = sgd_step(params, mlp_backward(params, x, y), lr)
    return params


@right("train_mlp")
def with_momentum(x, y, sizes, steps, lr, generator):
    params = init_mlp(sizes, generator)
    speed = [(torch.zeros_like(w), torch.zeros_like(b)) for w, b in params]
    for _ in range(steps):
        grads = mlp_backward(params, x, y)
        speed = [(0.9 * v + dw, 0.9 * u + db) for (v, u), (dw, db) in zip(speed, grads)]
        params = sgd_step(params, speed, lr)
    return params


@right("train_mlp")
def with_adam_and_autograd(x, y, sizes, steps, lr, generator):
    params = [(w.requires_grad_(), b.requires_grad_()) for w, b in init_mlp(sizes, generator)]
    optimizer = torch.optim.Adam([t for layer in params for t in layer], lr=lr / 20)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(mlp_forward(params, x, torch.tanh), y).backward()
        optimizer.step()
    return [(w.detach(), b.detach()) for w, b in params]


@right("train_mlp")
def with_adam_at_the_given_rate(x, y, sizes, steps, lr, generator):
    params = init_mlp(sizes, generator)
    leaves = [t.requires_grad_() for layer in params for t in layer]
    optimizer = torch.optim.Adam(leaves, lr=lr)
    for _ in range(steps):
        loss = bce_with_logits(mlp_forward(params, x, torch.tanh), y)
        for t, slope in zip(leaves, torch.autograd.grad(loss, leaves)):
            t.grad = slope
        optimizer.step()
    return params


@right("train_mlp")
def with_small_batches(x, y, sizes, steps, lr, generator):
    params = init_mlp(sizes, generator)
    for _ in range(steps):
        chosen = torch.randint(len(x), (32,), generator=generator)
        params = sgd_step(params, mlp_backward(params, x[chosen], y[chosen]), lr)
    return params


@right("train_mlp")
def written_from_scratch(x, y, sizes, steps, lr, generator):
    ws = [torch.randn(a, b, generator=generator) / a**0.5 for a, b in pairwise(sizes)]
    bs = [torch.zeros(b) for b in sizes[1:]]
    for _ in range(steps):
        hs = [x]
        for w, b in zip(ws[:-1], bs[:-1]):
            hs.append(torch.tanh(hs[-1] @ w + b))
        delta = (torch.sigmoid(hs[-1] @ ws[-1] + bs[-1]) - y.view(-1, 1)) / len(y)
        for i in range(len(ws) - 1, -1, -1):
            dw, db = hs[i].T @ delta, delta.sum(0)
            delta = delta @ ws[i].T * (1 - hs[i] ** 2)
            ws[i] = ws[i] - lr * dw
            bs[i] = bs[i] - lr * db
    return list(zip(ws, bs))


@right("train_mlp")
def as_a_module_with_its_own_start(x, y, sizes, steps, lr, generator):
    layers = []
    for n_in, n_out in pairwise(sizes):
        layer = torch.nn.Linear(n_in, n_out)
        for t in (layer.weight, layer.bias):  # torch's own default, drawn from `generator`
            torch.nn.init.uniform_(t, -(n_in**-0.5), n_in**-0.5, generator=generator)
        layers += [layer, torch.nn.Tanh()]
    net = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(net(x).squeeze(1), y).backward()
        optimizer.step()
    return [(layer.weight.detach().T, layer.bias.detach()) for layer in layers[::2]]
