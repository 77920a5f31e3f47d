"""Answers that learners hand in for unit 10, wrong ones with what their message must say, and right ones."""

from autograder.authoring.bank import equivalent, right, wrong

# ---------------------------------------------------------------------------------------------- inverse_cdf_sample


@wrong("inverse_cdf_sample", says="not with torch.randn")
def normal_numbers(inverse_cdf, n, generator):
    return inverse_cdf(torch.randn(n, generator=generator))


@wrong("inverse_cdf_sample", says="the uniform numbers themselves")
def forgets_the_inverse(inverse_cdf, n, generator):
    return torch.rand(n, generator=generator)


@wrong("inverse_cdf_sample", says="twice")
def inverse_twice(inverse_cdf, n, generator):
    return inverse_cdf(inverse_cdf(torch.rand(n, generator=generator)))


@wrong("inverse_cdf_sample", says="take all randomness from `generator`")
def ignores_the_generator(inverse_cdf, n, generator):
    return inverse_cdf(torch.rand(n))


@wrong("inverse_cdf_sample", says="without seeding it")
def seeds_it(inverse_cdf, n, generator):
    return inverse_cdf(torch.rand(n, generator=generator.manual_seed(0)))


@wrong("inverse_cdf_sample", says="use it for every draw")
def evenly_spaced(inverse_cdf, n, generator):
    return inverse_cdf((torch.arange(n) + 0.5) / n)


@wrong("inverse_cdf_sample", says="do not have the density")
def one_number_for_all(inverse_cdf, n, generator):
    return inverse_cdf(torch.rand(1, generator=generator).expand(n))


@wrong("inverse_cdf_sample", says="neighbouring samples go together")
def a_shifted_grid(inverse_cdf, n, generator):
    return inverse_cdf((torch.arange(n) + torch.rand(1, generator=generator)) / n)


@wrong("inverse_cdf_sample", says="shape (n,)")
def as_a_column(inverse_cdf, n, generator):
    return inverse_cdf(torch.rand(n, 1, generator=generator))


@wrong("inverse_cdf_sample", says="wanted a tensor")
def as_a_list(inverse_cdf, n, generator):
    return inverse_cdf(torch.rand(n, generator=generator)).tolist()


@wrong("inverse_cdf_sample", says="dtype float32")
def in_double(inverse_cdf, n, generator):
    return inverse_cdf(torch.rand(n, generator=generator, dtype=torch.float64))


@wrong("inverse_cdf_sample", says="depend on each other")
def stratified(inverse_cdf, n, generator):
    u = (torch.arange(n) + torch.rand(n, generator=generator)) / n
    return inverse_cdf(u[torch.randperm(n, generator=generator)])


@wrong("inverse_cdf_sample", says="depend on each other")
def shuffled_grid(inverse_cdf, n, generator):
    return inverse_cdf(torch.randperm(n, generator=generator) / n)


@wrong("inverse_cdf_sample", says="depend on each other")
def antithetic(inverse_cdf, n, generator):
    u = torch.rand((n + 1) // 2, generator=generator)
    return inverse_cdf(torch.cat([u, 1 - u])[:n])


@wrong("inverse_cdf_sample", says="depend on each other")
def half_of_them_twice(inverse_cdf, n, generator):
    u = torch.rand((n + 1) // 2, generator=generator)
    return inverse_cdf(torch.cat([u, u])[:n])


@wrong("inverse_cdf_sample", says="the number of samples is `n`")
def never_more_than_visible(inverse_cdf, n, generator):
    return inverse_cdf(torch.rand(20000, generator=generator)[:n])


@right("inverse_cdf_sample")
def drawn_in_place(inverse_cdf, n, generator):
    return inverse_cdf(torch.empty(n).uniform_(0, 1, generator=generator))


@right("inverse_cdf_sample")
def from_above(inverse_cdf, n, generator):
    u = 1 - torch.rand((n,), generator=generator)
    return inverse_cdf(u.clamp(max=1 - 1e-7))


@right("inverse_cdf_sample")
def one_after_the_other(inverse_cdf, n, generator):
    return torch.stack([inverse_cdf(u) for u in torch.rand(n, generator=generator)])


equivalent("inverse_cdf_sample", "device=generator.device) -> torch.rand(n, generator=generator)",
           why="all is on one device here")

# ----------------------------------------------------------------------------------------------- rising_to_falling


@wrong("rising_to_falling", says="1 - x/2 is the formula of the density")
def the_density_itself(samples):
    return 1 - samples / 2


@wrong("rising_to_falling", says="still y/2")
def unchanged(samples):
    return samples.clone()


@wrong("rising_to_falling", says="still y/2")
def half_of_the_way(samples):
    return (4 - samples**2).sqrt()


@wrong("rising_to_falling", says="uniform on [0, 1]")
def through_one_cdf(samples):
    return samples**2 / 4


@wrong("rising_to_falling", says="take the one in [0, 2]")
def the_other_root(samples):
    return 2 + (4 - samples**2).sqrt()


@wrong("rising_to_falling", says="negative")
def mirrored_at_zero(samples):
    return -samples


@wrong("rising_to_falling", says="in other company")
def by_rank(samples):
    n = len(samples)
    u = (samples.argsort().argsort() + 0.5) / n
    return 2 - 2 * (1 - u).sqrt()


@wrong("rising_to_falling", says="in other company")
def sorted_and_turned(samples):
    return 2 - samples.sort().values


@wrong("rising_to_falling", says="in other company")
def new_samples(samples):
    return 2 - 2 * torch.rand(len(samples)).sqrt()


@wrong("rising_to_falling", says="in other company")
def mirrored_at_their_own_ends(samples):
    return samples.max() + samples.min() - samples


@wrong("rising_to_falling", says="in place")
def changes_the_samples(samples):
    return samples.neg_().add_(2)


@wrong("rising_to_falling", says="do not have the density 1 - y/2")
def reciprocal(samples):
    return 2 / (1 + samples)


@right("rising_to_falling")
def mirrored(samples):
    return 2 - samples


@right("rising_to_falling")
def by_matching_cdfs(samples):
    u = samples.square() / 4
    return 2 * (1 - torch.sqrt(1 - u))


@right("rising_to_falling")
def by_matching_the_tail(samples):
    u = 1 - samples.square() / 4
    return 2 * (1 - torch.sqrt(1 - u))


@right("rising_to_falling")
def in_numpy_and_back(samples):
    import numpy as np
    y = 2 - np.sqrt(4 - samples.numpy().astype(np.float64) ** 2)
    return torch.from_numpy(y.astype(np.float32))


equivalent("rising_to_falling", "4 - samples ** 2 -> samples ** 2", why="2 - samples is the other right answer")

# ------------------------------------------------------------------------------------------------ pdf_of_transform


@wrong("pdf_of_transform", says="the derivative of the inverse is missing")
def no_derivative(p_x, inverse, d_inverse):
    return lambda y: p_x(inverse(y))


@wrong("pdf_of_transform", says="never negative")
def keeps_the_sign(p_x, inverse, d_inverse):
    return lambda y: p_x(inverse(y)) * d_inverse(y)


@wrong("pdf_of_transform", says="you divided by the derivative")
def divides(p_x, inverse, d_inverse):
    return lambda y: p_x(inverse(y)) / d_inverse(y).abs()


@wrong("pdf_of_transform", says="evaluate `d_inverse` at y")
def derivative_at_x(p_x, inverse, d_inverse):
    def p_y(y):
        x = inverse(y)
        return p_x(x) * d_inverse(x).abs()
    return p_y


@wrong("pdf_of_transform", says="evaluate `p_x` at inverse(y)")
def density_at_y(p_x, inverse, d_inverse):
    return lambda y: p_x(y) * d_inverse(y).abs()


@wrong("pdf_of_transform", says="derivative alone")
def only_the_derivative(p_x, inverse, d_inverse):
    return lambda y: d_inverse(y).abs()


@wrong("pdf_of_transform", says="return a function of y")
def values_on_a_grid(p_x, inverse, d_inverse):
    y = torch.linspace(0.01, 2, 100)
    return p_x(inverse(y)) * d_inverse(y).abs()


@wrong("pdf_of_transform", says="a density may exceed 1")
def at_most_one(p_x, inverse, d_inverse):
    return lambda y: (p_x(inverse(y)) * d_inverse(y).abs()).clamp(max=1)


@wrong("pdf_of_transform", says="with its sign")
def inverse_without_sign(p_x, inverse, d_inverse):
    return lambda y: p_x(abs(inverse(y))) * abs(d_inverse(y))


@right("pdf_of_transform")
def one_line(p_x, inverse, d_inverse):
    return lambda y: d_inverse(y).abs() * p_x(inverse(y))


@right("pdf_of_transform")
def through_logarithms(p_x, inverse, d_inverse):
    def p_y(y):
        return torch.exp(torch.log(p_x(inverse(y))) + torch.log(torch.abs(d_inverse(y))))
    return p_y


@right("pdf_of_transform")
def an_object_to_call(p_x, inverse, d_inverse):
    class Density:
        def __call__(self, y):
            slope = d_inverse(y)
            return p_x(inverse(y)) * torch.where(slope < 0, -slope, slope)
    return Density()


# ------------------------------------------------------------------------------------------------ log_det_jacobian


@wrong("log_det_jacobian", says="take its absolute value")
def no_absolute_value(f, x):
    return torch.stack([torch.log(torch.det(torch.autograd.functional.jacobian(f, row))) for row in x])


@wrong("log_det_jacobian", says="its logarithm is wanted")
def the_determinant(f, x):
    return torch.linalg.det(torch.func.vmap(torch.func.jacrev(f))(x))


@wrong("log_det_jacobian", says="determinant without its sign")
def the_size_of_the_determinant(f, x):
    return torch.linalg.det(torch.func.vmap(torch.func.jacrev(f))(x)).abs()


@wrong("log_det_jacobian", says="product of the diagonal")
def diagonal_only(f, x):
    jacobians = torch.func.vmap(torch.func.jacrev(f))(x)
    return jacobians.diagonal(dim1=-2, dim2=-1).abs().log().sum(-1)


@wrong("log_det_jacobian", says="the sign first")
def first_of_slogdet(f, x):
    return torch.linalg.slogdet(torch.func.vmap(torch.func.jacrev(f))(x))[0]


@wrong("log_det_jacobian", says="underflowed")
def determinant_first(f, x):
    return torch.linalg.det(torch.func.vmap(torch.func.jacrev(f))(x)).abs().log()


@wrong("log_det_jacobian", says="one number for each point")
def summed_over_the_batch(f, x):
    return torch.linalg.slogdet(torch.func.vmap(torch.func.jacrev(f))(x)).logabsdet.sum()


@wrong("log_det_jacobian", says="you used that of the first")
def jacobian_of_the_first(f, x):
    jacobian = torch.autograd.functional.jacobian(f, x[0])
    return torch.linalg.slogdet(jacobian).logabsdet.expand(len(x))


@wrong("log_det_jacobian", says="that is the inverse map")
def minus(f, x):
    return -torch.linalg.slogdet(torch.func.vmap(torch.func.jacrev(f))(x)).logabsdet


@wrong("log_det_jacobian", says="or the determinant's sign was multiplied in")
def times_the_sign(f, x):
    sign, size = torch.linalg.slogdet(torch.func.vmap(torch.func.jacrev(f))(x))
    return sign * size


@wrong("log_det_jacobian", says="underflowed, scaled or not")
def scaled_determinant(f, x):
    jacobians = torch.func.vmap(torch.func.jacrev(f))(x)
    largest = jacobians.abs().amax((1, 2))
    return torch.linalg.det(jacobians / largest[:, None, None]).abs().log() + x.shape[1] * largest.log()


@wrong("log_det_jacobian", says="wrong for f(x) = -x / 1000")
def clamped_determinant(f, x):
    return torch.linalg.det(torch.func.vmap(torch.func.jacrev(f))(x)).abs().clamp(min=1e-30).log()


@right("log_det_jacobian")
def row_by_row(f, x):
    return torch.stack([torch.linalg.slogdet(torch.autograd.functional.jacobian(f, row))[1] for row in x])


@wrong("log_det_jacobian", says="underflowed")
def determinant_in_double(f, x):
    return torch.linalg.det(torch.func.vmap(torch.func.jacrev(f))(x).double()).abs().log().to(x.dtype)


@wrong("log_det_jacobian", says="wrong for")
def finite_differences(f, x):
    step = 1e-3 * torch.eye(x.shape[1])
    columns = [(f(x + h) - f(x - h)) / 2e-3 for h in step]
    return torch.linalg.slogdet(torch.stack(columns, -1)).logabsdet


@right("log_det_jacobian")
def by_lu(f, x):
    factors = torch.linalg.lu_factor(torch.func.vmap(torch.func.jacrev(f))(x))[0]
    return factors.diagonal(dim1=-2, dim2=-1).abs().log().sum(-1)


@right("log_det_jacobian")
def forward_mode(f, x):
    return torch.linalg.slogdet(torch.vmap(torch.func.jacfwd(f))(x))[1]


@right("log_det_jacobian")
def by_autograd_on_the_batch(f, x):
    x = x.detach().clone().requires_grad_(True)
    z = f(x)
    rows = [torch.autograd.grad(z[:, i].sum(), x, retain_graph=True)[0] for i in range(x.shape[1])]
    return torch.linalg.slogdet(torch.stack(rows, 1))[1].detach()


@right("log_det_jacobian")
def by_singular_values(f, x):
    jacobians = torch.func.vmap(torch.func.jacrev(f))(x)
    return torch.linalg.svdvals(jacobians).log().sum(-1)


# ------------------------------------------------------------------------------------------------ coupling_forward


@wrong("coupling_forward", says="call them on mask * x")
def nets_see_everything(x, mask, scale_net, shift_net):
    s, t = scale_net(x) * (1 - mask), shift_net(x) * (1 - mask)
    return x * s.exp() + t, s.sum(-1)


@wrong("coupling_forward", says="upside down")
def the_other_mask(x, mask, scale_net, shift_net):
    mask = 1 - mask
    s, t = scale_net(mask * x) * (1 - mask), shift_net(mask * x) * (1 - mask)
    return x * s.exp() + t, s.sum(-1)


@wrong("coupling_forward", says="multiply by exp(s)")
def no_exponential(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = scale_net(h), shift_net(h)
    return h + (1 - mask) * (x * s + t), ((1 - mask) * s).sum(-1)


@wrong("coupling_forward", says="that is the inverse")
def the_way_back(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = scale_net(h), shift_net(h)
    return h + (1 - mask) * (x - t) * torch.exp(-s), -((1 - mask) * s).sum(-1)


@wrong("coupling_forward", says="scale first, then shift")
def shift_first(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = scale_net(h), shift_net(h)
    return h + (1 - mask) * (x + t) * torch.exp(s), ((1 - mask) * s).sum(-1)


@wrong("coupling_forward", says="are missing: add mask * x")
def only_the_changed_half(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = scale_net(h), shift_net(h)
    return (1 - mask) * (x * torch.exp(s) + t), ((1 - mask) * s).sum(-1)


@wrong("coupling_forward", says="must pass unchanged")
def changes_all(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = scale_net(h), shift_net(h)
    return x * torch.exp(s) + t, ((1 - mask) * s).sum(-1)


@wrong("coupling_forward", says="without a shift")
def shifts_all(x, mask, scale_net, shift_net):
    s = (1 - mask) * scale_net(mask * x)
    return x * torch.exp(s) + shift_net(mask * x), s.sum(-1)


@wrong("coupling_forward", says="without scaling")
def scales_all(x, mask, scale_net, shift_net):
    s = scale_net(mask * x)
    return x * torch.exp(s) + (1 - mask) * shift_net(mask * x), ((1 - mask) * s).sum(-1)


@wrong("coupling_forward", says="only the coordinates that are changed count")
def all_of_s(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = scale_net(h), shift_net(h)
    return h + (1 - mask) * (x * torch.exp(s) + t), s.sum(-1)


@wrong("coupling_forward", says="its logarithm is the sum of s")
def the_determinant_of_the_layer(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = scale_net(h), shift_net(h)
    return h + (1 - mask) * (x * torch.exp(s) + t), torch.exp((1 - mask) * s).prod(-1)


@wrong("coupling_forward", says="the sign is wrong")
def minus_log_det(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = scale_net(h), shift_net(h)
    return h + (1 - mask) * (x * torch.exp(s) + t), -((1 - mask) * s).sum(-1)


@wrong("coupling_forward", says="not a mean")
def mean_of_s(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = scale_net(h), shift_net(h)
    return h + (1 - mask) * (x * torch.exp(s) + t), ((1 - mask) * s).mean(-1)


@wrong("coupling_forward", says="not over the batch")
def one_log_det_for_all(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = scale_net(h), shift_net(h)
    return h + (1 - mask) * (x * torch.exp(s) + t), ((1 - mask) * s).sum()


@wrong("coupling_forward", says="return two things")
def z_alone(x, mask, scale_net, shift_net):
    h = mask * x
    return h + (1 - mask) * (x * torch.exp(scale_net(h)) + shift_net(h))


@wrong("coupling_forward", says="in place")
def writes_into_x(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = (1 - mask) * scale_net(h), (1 - mask) * shift_net(h)
    x *= s.exp()
    x += t
    return x, s.sum(-1)


@wrong("coupling_forward", says="z is wrong")
def tamed_by_tanh(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = torch.tanh(scale_net(h)), shift_net(h)
    return h + (1 - mask) * (x * torch.exp(s) + t), ((1 - mask) * s).sum(-1)


@wrong("coupling_forward", says="where s is large")
def clamped_at_two(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = (1 - mask) * scale_net(h).clamp(-2, 2), (1 - mask) * shift_net(h)
    return x * torch.exp(s) + t, s.sum(-1)


@wrong("coupling_forward", says="where s is large")
def clamped_at_ten(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = (1 - mask) * scale_net(h).clamp(-10, 10), (1 - mask) * shift_net(h)
    return x * torch.exp(s) + t, s.sum(-1)


@wrong("coupling_forward", says="log_det is wrong where s is large")
def clamped_log_det(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = (1 - mask) * scale_net(h), (1 - mask) * shift_net(h)
    return x * torch.exp(s) + t, s.clamp(-5, 5).sum(-1)


@wrong("coupling_forward", says="overflowed")
def logarithm_of_the_product(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = (1 - mask) * scale_net(h), (1 - mask) * shift_net(h)
    return x * torch.exp(s) + t, s.exp().prod(-1).log()


@wrong("coupling_forward", says="the nets see (1 - mask) * x")
def nets_see_the_other_half(x, mask, scale_net, shift_net):
    h = (1 - mask) * x
    s, t = (1 - mask) * scale_net(h), (1 - mask) * shift_net(h)
    return x * torch.exp(s) + t, s.sum(-1)


@wrong("coupling_forward", says="without keepdim")
def keeps_the_dimension(x, mask, scale_net, shift_net):
    h = mask * x
    s, t = (1 - mask) * scale_net(h), (1 - mask) * shift_net(h)
    return x * torch.exp(s) + t, s.sum(-1, keepdim=True)


@right("coupling_forward")
def the_formula(x, mask, scale_net, shift_net):
    kept = x * mask
    s, t = scale_net(kept), shift_net(kept)
    z = kept + (1 - mask) * (x * torch.exp(s) + t)
    return z, torch.sum(s * (1 - mask), dim=1)


@right("coupling_forward")
def by_choosing(x, mask, scale_net, shift_net):
    passes = mask.bool()
    seen = torch.where(passes, x, torch.zeros_like(x))
    s, t = scale_net(seen), shift_net(seen)
    z = torch.where(passes, x, x * s.exp() + t)
    return [z, s[:, ~passes].sum(1)]


@right("coupling_forward")
def by_columns(x, mask, scale_net, shift_net):
    seen, z = x * mask, x.clone()
    s, t = scale_net(seen), shift_net(seen)
    changed = (mask == 0).nonzero().flatten()
    z[:, changed] = x[:, changed] * torch.exp(s[:, changed]) + t[:, changed]
    return z, s[:, changed].sum(-1)


# ------------------------------------------------------------------------------------------------ coupling_inverse


@wrong("coupling_inverse", says="way forward once more")
def forward_again(z, mask, scale_net, shift_net):
    h = mask * z
    return h + (1 - mask) * (z * torch.exp(scale_net(h)) + shift_net(h))


@wrong("coupling_inverse", says="must be undone first")
def scale_undone_first(z, mask, scale_net, shift_net):
    h = mask * z
    return h + (1 - mask) * (z * torch.exp(-scale_net(h)) - shift_net(h))


@wrong("coupling_inverse", says="divide by exp(s)")
def multiplies_again(z, mask, scale_net, shift_net):
    h = mask * z
    return h + (1 - mask) * (z - shift_net(h)) * torch.exp(scale_net(h))


@wrong("coupling_inverse", says="call them on mask * z")
def nets_see_all_of_z(z, mask, scale_net, shift_net):
    return mask * z + (1 - mask) * (z - shift_net(z)) * torch.exp(-scale_net(z))


@wrong("coupling_inverse", says="upside down")
def mask_turned(z, mask, scale_net, shift_net):
    h = (1 - mask) * z
    return h + mask * (z - shift_net(h)) * torch.exp(-scale_net(h))


@wrong("coupling_inverse", says="add mask * z")
def passing_half_lost(z, mask, scale_net, shift_net):
    h = mask * z
    return (1 - mask) * (z - shift_net(h)) * torch.exp(-scale_net(h))


@wrong("coupling_inverse", says="must pass unchanged")
def all_undone(z, mask, scale_net, shift_net):
    h = mask * z
    return (z - shift_net(h)) * torch.exp(-scale_net(h))


@wrong("coupling_inverse", says="in place")
def writes_into_z(z, mask, scale_net, shift_net):
    h = mask * z
    z -= (1 - mask) * shift_net(h)
    return z * torch.exp(-(1 - mask) * scale_net(h))


@wrong("coupling_inverse", says="minus that of the way forward")
def log_det_of_the_way_forward(z, mask, scale_net, shift_net):
    h = mask * z
    s, t = (1 - mask) * scale_net(h), (1 - mask) * shift_net(h)
    return (z - t) * torch.exp(-s), s.sum(1)


@wrong("coupling_inverse", says="without a shift")
def shift_not_masked(z, mask, scale_net, shift_net):
    h = mask * z
    return (z - shift_net(h)) * torch.exp(-(1 - mask) * scale_net(h))


@wrong("coupling_inverse", says="without scaling")
def scale_not_masked(z, mask, scale_net, shift_net):
    h = mask * z
    return (z - (1 - mask) * shift_net(h)) * torch.exp(-scale_net(h))


@wrong("coupling_inverse", says="the nets see (1 - mask) * z")
def nets_see_the_rest_of_z(z, mask, scale_net, shift_net):
    h = (1 - mask) * z
    return (z - (1 - mask) * shift_net(h)) * torch.exp(-(1 - mask) * scale_net(h))


@wrong("coupling_inverse", says="where s is large")
def clamped_at_five(z, mask, scale_net, shift_net):
    h = mask * z
    s = (1 - mask) * scale_net(h).clamp(-5, 5)
    return (z - (1 - mask) * shift_net(h)) * torch.exp(-s)


@right("coupling_inverse")
def divided(z, mask, scale_net, shift_net):
    kept = mask * z
    return kept + (1 - mask) * (z - shift_net(kept)) / torch.exp(scale_net(kept))


@right("coupling_inverse")
def chosen(z, mask, scale_net, shift_net):
    seen = torch.where(mask == 1, z, 0.0)
    return torch.where(mask == 1, z, (z - shift_net(seen)) * scale_net(seen).neg().exp())


@right("coupling_inverse")
def with_its_log_det(z, mask, scale_net, shift_net):
    x, log_det = z.clone(), torch.zeros(len(z))
    s, t = scale_net(z * mask), shift_net(z * mask)
    for i in range(len(mask)):
        if mask[i] == 0:
            x[:, i] = (z[:, i] - t[:, i]) / s[:, i].exp()
            log_det = log_det - s[:, i]
    return x, log_det


# --------------------------------------------------------------------------------------------------- flow_log_prob


@wrong("flow_log_prob", says="log-determinants are missing")
def base_density_only(x, layers):
    for layer in layers:
        x, _ = coupling_forward(x, *layer)
    return Normal(0.0, 1.0).log_prob(x).sum(1)


@wrong("flow_log_prob", says="added, not subtracted")
def subtracts(x, layers):
    total = 0
    for layer in layers:
        x, log_det = coupling_forward(x, *layer)
        total = total + log_det
    return Normal(0.0, 1.0).log_prob(x).sum(1) - total


@wrong("flow_log_prob", says="the constant of the normal density is missing")
def no_constant(x, layers):
    total = 0
    for layer in layers:
        x, log_det = coupling_forward(x, *layer)
        total = total + log_det
    return -0.5 * (x**2).sum(1) + total


@wrong("flow_log_prob", says="one in all")
def one_constant(x, layers):
    total = 0
    for layer in layers:
        x, log_det = coupling_forward(x, *layer)
        total = total + log_det
    return -0.5 * (x**2).sum(1) - 0.5 * math.log(2 * math.pi) + total


@wrong("flow_log_prob", says="reverse order")
def backwards(x, layers):
    total = 0
    for layer in reversed(layers):
        x, log_det = coupling_forward(x, *layer)
        total = total + log_det
    return Normal(0.0, 1.0).log_prob(x).sum(1) + total


@wrong("flow_log_prob", says="only the last layer's")
def overwrites_the_sum(x, layers):
    log_det = torch.zeros(len(x))
    for layer in layers:
        x, log_det = coupling_forward(x, *layer)
    return Normal(0.0, 1.0).log_prob(x).sum(1) + log_det


@wrong("flow_log_prob", says="not x again")
def always_from_x(x, layers):
    z, total = x, 0
    for layer in layers:
        z, log_det = coupling_forward(x, *layer)
        total = total + log_det
    return Normal(0.0, 1.0).log_prob(z).sum(1) + total


@wrong("flow_log_prob", says="its logarithm is wanted")
def the_density_of_the_flow(x, layers):
    total = 0
    for layer in layers:
        x, log_det = coupling_forward(x, *layer)
        total = total + log_det
    return (Normal(0.0, 1.0).log_prob(x).sum(1) + total).exp()


@wrong("flow_log_prob", says="not the loss")
def the_loss(x, layers):
    total = 0
    for layer in layers:
        x, log_det = coupling_forward(x, *layer)
        total = total + log_det
    return -(Normal(0.0, 1.0).log_prob(x).sum(1) + total)


@wrong("flow_log_prob", says="one log-density for each point")
def mean_over_the_batch(x, layers):
    total = 0
    for layer in layers:
        x, log_det = coupling_forward(x, *layer)
        total = total + log_det
    return (Normal(0.0, 1.0).log_prob(x).sum(1) + total).mean()


@wrong("flow_log_prob", says="sum over the coordinates")
def one_for_each_coordinate(x, layers):
    total = torch.zeros(len(x))
    for layer in layers:
        x, log_det = coupling_forward(x, *layer)
        total = total + log_det
    return Normal(0.0, 1.0).log_prob(x) + total[:, None]


@wrong("flow_log_prob", says="the factor 1/2 is missing")
def no_half(x, layers):
    total = 0
    for layer in layers:
        x, log_det = coupling_forward(x, *layer)
        total = total + log_det
    return -(x**2).sum(1) - x.shape[1] / 2 * math.log(2 * math.pi) + total


@wrong("flow_log_prob", says="belongs to z, not to x")
def base_density_of_x(x, layers):
    z, total = x, 0
    for layer in layers:
        z, log_det = coupling_forward(z, *layer)
        total = total + log_det
    return Normal(0.0, 1.0).log_prob(x).sum(1) + total


@wrong("flow_log_prob", says="no gradient reaches the nets")
def without_gradients(x, layers):
    total = torch.zeros(len(x))
    with torch.no_grad():
        for layer in layers:
            x, log_det = coupling_forward(x, *layer)
            total = total + log_det
    return Normal(0.0, 1.0).log_prob(x).sum(1) + total


@wrong("flow_log_prob", says="gradients are wrong")
def detached_between_layers(x, layers):
    total = torch.zeros(len(x))
    for layer in layers:
        x, log_det = coupling_forward(x.detach(), *layer)
        total = total + log_det
    return Normal(0.0, 1.0).log_prob(x).sum(1) + total


@wrong("flow_log_prob", says="far out the density is 0")
def by_probabilities(x, layers):
    total = torch.zeros(len(x))
    for layer in layers:
        x, log_det = coupling_forward(x, *layer)
        total = total + log_det
    return (Normal(0.0, 1.0).log_prob(x).exp().prod(-1) * torch.exp(total)).log()


@wrong("flow_log_prob", says="a flow of a single layer")
def one_layer_without_log_det(x, layers):
    total = torch.zeros(len(x))
    for layer in layers:
        x, log_det = coupling_forward(x, *layer)
        total = total + log_det * (len(layers) > 1)
    return Normal(0.0, 1.0).log_prob(x).sum(1) + total


@wrong("flow_log_prob", says="changed the list `layers`")
def eats_the_layers(x, layers):
    total = torch.zeros(len(x))
    while layers:
        x, log_det = coupling_forward(x, *layers.pop(0))
        total = total + log_det
    return Normal(0.0, 1.0).log_prob(x).sum(1) + total


@wrong("flow_log_prob", says="changed the list `layers`")
def turns_the_layers(x, layers):
    layers.reverse()
    total = torch.zeros(len(x))
    for layer in layers[::-1]:
        x, log_det = coupling_forward(x, *layer)
        total = total + log_det
    return Normal(0.0, 1.0).log_prob(x).sum(1) + total


@wrong("flow_log_prob", says="your coupling_forward")
def only_in_the_plane(x, layers):
    total = torch.zeros(len(x))
    for layer in layers:
        x, log_det = coupling_forward(x, *layer)
        total = total + log_det
    return Normal(0.0, 1.0).log_prob(x[:, :2]).sum(1) + total


@right("flow_log_prob")
def constant_by_hand(x, layers):
    log_dets = []
    for mask, scale_net, shift_net in layers:
        x, log_det = coupling_forward(x, mask, scale_net, shift_net)
        log_dets.append(log_det)
    base = -0.5 * (x**2).sum(-1) - 0.5 * x.shape[-1] * math.log(2 * math.pi)
    return base + sum(log_dets)


@right("flow_log_prob")
def multivariate(x, layers):
    d = x.shape[1]
    normal = torch.distributions.MultivariateNormal(torch.zeros(d), torch.eye(d))
    total = torch.zeros(x.shape[0])
    for m, s, t in layers:
        x, log_det = coupling_forward(x, m, s, t)
        total += log_det
    return normal.log_prob(x) + total


@right("flow_log_prob")
def recursively(x, layers):
    if not layers:
        return torch.distributions.Independent(Normal(torch.zeros_like(x), torch.ones_like(x)), 1).log_prob(x)
    z, log_det = coupling_forward(x, *layers[0])
    return log_det + recursively(z, layers[1:])


# ----------------------------------------------------------------------------------------------------- sample_flow


@wrong("sample_flow", says="in reverse order")
def not_reversed(n, layers, generator):
    x = torch.randn(n, len(layers[0][0]), generator=generator)
    for layer in layers:
        x = coupling_inverse(x, *layer)
    return x


@wrong("sample_flow", says="you went forward")
def forward_instead(n, layers, generator):
    x = torch.randn(n, len(layers[0][0]), generator=generator)
    for layer in layers:
        x, _ = coupling_forward(x, *layer)
    return x


@wrong("sample_flow", says="in reverse order too")
def forward_in_reverse(n, layers, generator):
    x = torch.randn(n, len(layers[0][0]), generator=generator)
    for layer in reversed(layers):
        x, _ = coupling_forward(x, *layer)
    return x


@wrong("sample_flow", says="that is the noise")
def noise_alone(n, layers, generator):
    return torch.randn(n, len(layers[0][0]), generator=generator)


@wrong("sample_flow", says="the noise is uniform")
def uniform_base(n, layers, generator):
    x = torch.rand(n, len(layers[0][0]), generator=generator)
    for layer in reversed(layers):
        x = coupling_inverse(x, *layer)
    return x


@wrong("sample_flow", says="only the last layer was undone")
def from_z_every_time(n, layers, generator):
    z = torch.randn(n, len(layers[0][0]), generator=generator)
    return coupling_inverse(z, *layers[-1])


@wrong("sample_flow", says="only the first layer was undone")
def starts_afresh_each_time(n, layers, generator):
    z = torch.randn(n, len(layers[0][0]), generator=generator)
    for layer in reversed(layers):
        x = coupling_inverse(z, *layer)
    return x


@wrong("sample_flow", says="take all randomness from `generator`")
def own_randomness(n, layers, generator):
    x = torch.randn(n, len(layers[0][0]))
    for layer in reversed(layers):
        x = coupling_inverse(x, *layer)
    return x


@wrong("sample_flow", says="without seeding it")
def seeds_the_generator(n, layers, generator):
    generator.manual_seed(0)
    x = torch.randn(n, len(layers[0][0]), generator=generator)
    for layer in reversed(layers):
        x = coupling_inverse(x, *layer)
    return x


@wrong("sample_flow", says="RuntimeError")
def always_in_the_plane(n, layers, generator):
    x = torch.randn(n, 2, generator=generator)
    for layer in reversed(layers):
        x = coupling_inverse(x, *layer)
    return x


@wrong("sample_flow", says="goes together")
def one_number_a_point(n, layers, generator):
    x = torch.randn(n, 1, generator=generator).repeat(1, len(layers[0][0]))
    for layer in reversed(layers):
        x = coupling_inverse(x, *layer)
    return x


@wrong("sample_flow", says="changed the list `layers`")
def reverses_the_list(n, layers, generator):
    layers.reverse()
    x = torch.randn(n, len(layers[0][0]), generator=generator)
    for layer in layers:
        x = coupling_inverse(x, *layer)
    return x


@wrong("sample_flow", says="`layers`")
def pops_the_layers(n, layers, generator):
    x = torch.randn(n, len(layers[0][0]), generator=generator)
    while layers:
        x = coupling_inverse(x, *layers.pop())
    return x


@wrong("sample_flow", says="depend on each other")
def mirrored_noise(n, layers, generator):
    z = torch.randn((n + 1) // 2, len(layers[0][0]), generator=generator)
    x = torch.cat([z, -z])[:n]
    for layer in reversed(layers):
        x = coupling_inverse(x, *layer)
    return x


@wrong("sample_flow", says="n = 2")
def standardized_noise(n, layers, generator):
    z = torch.randn(n, len(layers[0][0]), generator=generator)
    x = (z - z.mean(0)) / z.std(0, correction=0) if n > 1 else z
    for layer in reversed(layers):
        x = coupling_inverse(x, *layer)
    return x


@wrong("sample_flow", says="depend on each other")
def centred_noise(n, layers, generator):
    z = torch.randn(n, len(layers[0][0]), generator=generator)
    x = (z - z.mean(0)) * (n / max(n - 1, 1)) ** 0.5 if n > 1 else z
    for layer in reversed(layers):
        x = coupling_inverse(x, *layer)
    return x


@wrong("sample_flow", says="the number of points is `n`")
def never_more_than_ten_thousand(n, layers, generator):
    x = torch.randn(10000, len(layers[0][0]), generator=generator)[:n]
    for layer in reversed(layers):
        x = coupling_inverse(x, *layer)
    return x


@right("sample_flow")
def by_index(n, layers, generator):
    x = torch.normal(0.0, 1.0, (n, layers[0][0].numel()), generator=generator)
    for k in range(len(layers) - 1, -1, -1):
        mask, scale_net, shift_net = layers[k]
        x = coupling_inverse(x, mask, scale_net, shift_net)
    return x


@right("sample_flow")
def one_point_at_a_time(n, layers, generator):
    d = layers[-1][0].shape[0]
    z = torch.stack([torch.randn(d, generator=generator) for _ in range(n)])
    for layer in layers[::-1]:
        z = coupling_inverse(z, *layer)
    return z


equivalent("sample_flow", "device=generator.device) -> torch.randn(n, len(layers[0][0]), generator=generator)",
           why="all is on one device here")

# ----------------------------------------------------------------------------------------- autoregressive_log_prob


@wrong("autoregressive_log_prob", says="that is the probability")
def the_probability(x, conditionals):
    return sum(p(x[:, i], x[:, :i]) for i, p in enumerate(conditionals)).exp()


@wrong("autoregressive_log_prob", says="added, not multiplied")
def product_of_logarithms(x, conditionals):
    total = torch.ones(len(x))
    for i, p in enumerate(conditionals):
        total = total * p(x[:, i], x[:, :i])
    return total


@wrong("autoregressive_log_prob", says="not their mean")
def mean_of_the_terms(x, conditionals):
    return torch.stack([p(x[:, i], x[:, :i]) for i, p in enumerate(conditionals)]).mean(0)


@wrong("autoregressive_log_prob", says="the first coordinate counts too")
def starts_at_the_second(x, conditionals):
    return sum(conditionals[i](x[:, i], x[:, :i]) for i in range(1, len(conditionals)))


@wrong("autoregressive_log_prob", says="only the last conditional")
def returns_the_last(x, conditionals):
    for i, p in enumerate(conditionals):
        total = p(x[:, i], x[:, :i])
    return total


@wrong("autoregressive_log_prob", says="the last conditional is missing")
def stops_early(x, conditionals):
    return sum(conditionals[i](x[:, i], x[:, :i]) for i in range(len(conditionals) - 1))


@wrong("autoregressive_log_prob", says="not the loss")
def negative(x, conditionals):
    return -sum(p(x[:, i], x[:, :i]) for i, p in enumerate(conditionals))


@wrong("autoregressive_log_prob", says="do not add up the batch")
def one_number(x, conditionals):
    return sum(p(x[:, i], x[:, :i]).sum() for i, p in enumerate(conditionals))


@wrong("autoregressive_log_prob", says="does not include x_i")
def sees_itself(x, conditionals):
    return sum(p(x[:, i], x[:, :i + 1]) for i, p in enumerate(conditionals))


@wrong("autoregressive_log_prob", says="not only the last of them")
def only_the_one_before(x, conditionals):
    return sum(p(x[:, i], x[:, max(i - 1, 0):i]) for i, p in enumerate(conditionals))


@wrong("autoregressive_log_prob", says="does not include x_i")
def the_whole_row(x, conditionals):
    return sum(p(x[:, i], x) for i, p in enumerate(conditionals))


@wrong("autoregressive_log_prob", says="is 0 in floating point")
def by_products(x, conditionals):
    prob = torch.ones(len(x))
    for i, p in enumerate(conditionals):
        prob = prob * p(x[:, i], x[:, :i]).exp()
    return prob.log()


@wrong("autoregressive_log_prob", says="is 0 in floating point")
def by_products_in_double(x, conditionals):
    prob = torch.stack([p(x[:, i], x[:, :i]) for i, p in enumerate(conditionals)]).double().exp().prod(0)
    return prob.log().float()


@wrong("autoregressive_log_prob", says="x.long() cuts off")
def ids_only(x, conditionals):
    x = x.long()
    return sum(p(x[:, i], x[:, :i]) for i, p in enumerate(conditionals))


@right("autoregressive_log_prob")
def stacked(x, conditionals):
    return torch.stack([conditionals[i](x[:, i], x[:, :i]) for i in range(x.shape[1])], dim=1).sum(dim=1)


@right("autoregressive_log_prob")
def split_and_summed(x, conditionals):
    total = torch.zeros(x.shape[0])
    for i in range(len(conditionals)):
        before, value = x[:, :i + 1].split([i, 1], 1)
        total += conditionals[i](value.squeeze(1), before)
    return total


# -------------------------------------------------------------------------------------------- flow_matching_target


@wrong("flow_matching_target", says="time runs the wrong way")
def from_data_to_noise(x0, x1, t):
    return t * x0 + (1 - t) * x1, x1 - x0


@wrong("flow_matching_target", says="points the wrong way")
def velocity_backwards(x0, x1, t):
    return (1 - t) * x0 + t * x1, x0 - x1


@wrong("flow_matching_target", says="not what remains")
def velocity_of_the_rest(x0, x1, t):
    x_t = (1 - t) * x0 + t * x1
    return x_t, x1 - x_t


@wrong("flow_matching_target", says="not multiplied by t")
def velocity_times_t(x0, x1, t):
    return (1 - t) * x0 + t * x1, t * (x1 - x0)


@wrong("flow_matching_target", says="exchanged")
def results_exchanged(x0, x1, t):
    return x1 - x0, (1 - t) * x0 + t * x1


@wrong("flow_matching_target", says="x0 must fade")
def noise_stays(x0, x1, t):
    return x0 + t * x1, x1 - x0


@wrong("flow_matching_target", says="return two things")
def x_t_alone(x0, x1, t):
    return (1 - t) * x0 + t * x1


@wrong("flow_matching_target", says="in place")
def lerp_in_place(x0, x1, t):
    v = x1 - x0
    return x0.lerp_(x1, t.expand_as(x0)), v


@wrong("flow_matching_target", says="x_t is wrong")
def one_time_for_all(x0, x1, t):
    return x0 + t[0] * (x1 - x0), x1 - x0


@wrong("flow_matching_target", says="do not divide by t")
def divided_by_the_time(x0, x1, t):
    x_t = (1 - t) * x0 + t * x1
    return x_t, (x_t - x0) / t


@right("flow_matching_target")
def from_the_velocity(x0, x1, t):
    v = x1 - x0
    return x0 + t * v, v


@right("flow_matching_target")
def with_lerp(x0, x1, t):
    return [torch.lerp(x0, x1, t.view(-1, 1)), torch.sub(x1, x0)]


# ---------------------------------------------------------------------------------------------------- euler_sample


@wrong("euler_sample", says="divide the velocity by `steps`")
def full_steps(velocity, x0, steps):
    x = x0
    for k in range(steps):
        x = x + velocity(x, k / steps)
    return x


@wrong("euler_sample", says="move x, not x0")
def velocity_at_the_start(velocity, x0, steps):
    x = x0
    for k in range(steps):
        x = x + velocity(x0, k / steps) / steps
    return x


@wrong("euler_sample", says="only one of the steps")
def starts_over(velocity, x0, steps):
    for k in range(steps):
        x = x0 + velocity(x0, k / steps) / steps
    return x


@wrong("euler_sample", says="one step too many")
def with_both_ends(velocity, x0, steps):
    x = x0
    for t in torch.linspace(0, 1, steps + 1):
        x = x + velocity(x, t.item()) / steps
    return x


@wrong("euler_sample", says="one step too few")
def starts_at_one(velocity, x0, steps):
    x = x0
    for k in range(1, steps):
        x = x + velocity(x, k / steps) / steps
    return x


@wrong("euler_sample", says="you went backwards")
def to_the_noise(velocity, x0, steps):
    x = x0
    for k in range(steps):
        x = x - velocity(x, 1 - k / steps) / steps
    return x


@wrong("euler_sample", says="at the beginning of each step")
def time_at_the_end(velocity, x0, steps):
    x = x0
    for k in range(1, steps + 1):
        x = x + velocity(x, k / steps) / steps
    return x


@wrong("euler_sample", says="at the beginning of each step")
def time_runs_down(velocity, x0, steps):
    x = x0
    for k in range(steps):
        x = x + velocity(x, 1 - k / steps) / steps
    return x


@wrong("euler_sample", says="the time is k / steps, not k")
def counts_the_steps(velocity, x0, steps):
    x = x0
    for k in range(steps):
        x = x + velocity(x, float(k)) / steps
    return x


@wrong("euler_sample", says="middle of each step")
def middle(velocity, x0, steps):
    x = x0
    for k in range(steps):
        x = x + velocity(x, (k + 0.5) / steps) / steps
    return x


@wrong("euler_sample", says="so that the last one is 1")
def linspace_with_the_end(velocity, x0, steps):
    x = x0
    for t in torch.linspace(0, 1, steps):
        x = x + velocity(x, t) / steps
    return x


@wrong("euler_sample", says="the time must move on")
def time_stands_still(velocity, x0, steps):
    x = x0
    for _ in range(steps):
        x = x + velocity(x, 0.0) / steps
    return x


@wrong("euler_sample", says="plain Euler is wanted")
def midpoint_method(velocity, x0, steps):
    x = x0
    for k in range(steps):
        half = x + velocity(x, k / steps) / (2 * steps)
        x = x + velocity(half, (k + 0.5) / steps) / steps
    return x


@wrong("euler_sample", says="in place")
def adds_to_x0(velocity, x0, steps):
    for k in range(steps):
        x0 += velocity(x0, k / steps) / steps
    return x0


@wrong("euler_sample", says="count the steps")
def over_float_times(velocity, x0, steps):
    x = x0
    for t in torch.arange(0, 1, 1 / steps):
        x = x + velocity(x, t.item()) / steps
    return x


@wrong("euler_sample", says="count the steps")
def until_the_time_is_up(velocity, x0, steps):
    x, t = x0, 0.0
    while t < 1:
        x, t = x + velocity(x, t) / steps, t + 1 / steps
    return x


@wrong("euler_sample", says="no gradient passes")
def without_grad(velocity, x0, steps):
    x = x0
    with torch.no_grad():
        for k in range(steps):
            x = x + velocity(x, k / steps) / steps
    return x


@wrong("euler_sample", says="something on the way was cut off")
def velocity_cut_off(velocity, x0, steps):
    x = x0
    for k in range(steps):
        x = x + velocity(x.detach(), k / steps) / steps
    return x


@right("euler_sample")
def with_a_vector_of_times(velocity, x0, steps):
    x = x0.clone()
    for k in range(steps):
        x = x + velocity(x, torch.ones(x.shape[0]) * k / steps) / steps
    return x


@right("euler_sample")
def with_a_column(velocity, x0, steps):
    x, dt = x0.clone(), 1.0 / steps
    for k in range(steps):
        t = torch.full((len(x), 1), k * dt)
        x += dt * velocity(x, t)
    return x


@right("euler_sample")
def over_linspace(velocity, x0, steps):
    x = x0
    for t in torch.linspace(0, 1, steps + 1)[:-1]:
        x = x + velocity(x, t) * (1 / steps)
    return x
