"""Answers that learners hand in for unit 03, wrong ones with what their message must say, and right ones."""

from autograder.authoring.bank import equivalent, right, wrong

# ------------------------------------------------------------------------------------------------ count_parameters


@wrong("count_parameters", says="count it once")
def every_name_counts(model):
    return sum(p.numel() for _, p in model.named_parameters(remove_duplicate=False))


@wrong("count_parameters", says="count it once")
def adds_up_the_state_dict(model):
    return sum(t.numel() for t in model.state_dict().values())


@wrong("count_parameters", says="number of tensors")
def counts_tensors(model):
    return len(list(model.parameters()))


@wrong("count_parameters", says="frozen ones count too")
def only_what_is_trained(model):
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@wrong("count_parameters", says="parts inside")
def only_its_own(model):
    return sum(p.numel() for p in model.parameters(recurse=False))


@wrong("count_parameters", says="biases and norms")
def only_matrices(model):
    return sum(p.numel() for p in model.parameters() if p.ndim > 1)


@wrong("count_parameters", says="buffers are not parameters")
def with_buffers(model):
    return sum(t.numel() for t in (*model.parameters(), *model.buffers()))


@wrong("count_parameters", says="`.item()`")
def gives_a_tensor(model):
    return torch.tensor([p.numel() for p in model.parameters()]).sum()


@wrong("count_parameters", says="three times")
def equal_shapes_are_one(model):
    shared = set()
    if hasattr(model, "lm_head") and model.config.tie_word_embeddings:
        shared.add("lm_head.weight")
    return sum(p.numel() for n, p in model.named_parameters(remove_duplicate=False) if n not in shared)


@right("count_parameters")
def by_identity(model):
    unique = {id(p): p for module in model.modules() for p in module._parameters.values() if p is not None}
    total = 0
    for p in unique.values():
        size = 1
        for side in p.shape:
            size *= side
        total += size
    return total


@right("count_parameters")
def by_address(model):
    return sum({p.data_ptr(): p.nelement() for p in model.parameters()}.values())


# ---------------------------------------------------------------------------------------------------- weight_bytes


@wrong("weight_bytes", says="those are bits")
def in_bits(n_parameters, bits):
    return n_parameters * bits


@wrong("weight_bytes", says="`bits` is an argument")
def always_32_bits(n_parameters, bits):
    return n_parameters * 4


@wrong("weight_bytes", says="wanted an int")
def a_float(n_parameters, bits):
    return n_parameters * bits / 8


@wrong("weight_bytes", says="4 bits")
def whole_bytes_per_number(n_parameters, bits):
    return n_parameters * max(1, bits // 8)


@wrong("weight_bytes", says="4 bits")
def no_less_than_a_byte(n_parameters, bits):
    return n_parameters * (bits // 8)


@wrong("weight_bytes", says="wrong way round")
def divides_by_the_bits(n_parameters, bits):
    return n_parameters * 8 // bits


@right("weight_bytes")
def rounded_down(n_parameters, bits):
    return n_parameters * bits // 8


@right("weight_bytes")
def through_a_float(n_parameters, bits):
    return int(n_parameters * (bits / 8))


# ------------------------------------------------------------------------------------------------ quantize_rowwise


@wrong("quantize_rowwise", says="round first")
def cuts_off(w):
    scale = w.abs().amax(1, keepdim=True) / 127
    return (w / scale.clamp(min=1e-30)).to(torch.int8), scale


@wrong("quantize_rowwise", says="one step for the whole matrix")
def one_step_for_all(w):
    scale = w.abs().max() / 127
    return (w / scale).round().to(torch.int8), scale.expand(len(w), 1).clone()


@wrong("quantize_rowwise", says="one step for each column")
def by_columns(w):
    scale = w.abs().amax(0) / 127
    return (w / scale).round().to(torch.int8), scale


@wrong("quantize_rowwise", says="has become -128")
def to_128(w):
    scale = w.abs().amax(1, keepdim=True) / 128
    return (w / scale.clamp(min=1e-30)).round().int().to(torch.int8), scale


@wrong("quantize_rowwise", says="largest absolute value")
def forgets_the_sign(w):
    scale = w.amax(1, keepdim=True) / 127
    return (w / scale.clamp(min=1e-30)).round().int().to(torch.int8), scale


@wrong("quantize_rowwise", says="int8")
def stays_a_float(w):
    scale = w.abs().amax(1, keepdim=True) / 127
    return (w / scale.clamp(min=1e-30)).round(), scale


@wrong("quantize_rowwise", says="finite")
def the_inverse_of_zero(w):
    factor = 127 / w.abs().amax(1, keepdim=True)
    return (w * factor).nan_to_num().round().to(torch.int8), factor


@wrong("quantize_rowwise", says="wrong whole numbers for a matrix")
def a_floor_that_is_too_high(w):
    scale = (w.abs().amax(1, keepdim=True) / 127).clamp(min=1e-3)
    return (w / scale).round().to(torch.int8), scale


@wrong("quantize_rowwise", says="in place")
def in_place(w):
    scale = w.abs().amax(1, keepdim=True) / 127
    w /= scale.clamp(min=1e-30)
    return w.round().to(torch.int8), scale


@wrong("quantize_rowwise", says="one number for each")
def one_scale(w):
    scale = w.abs().amax(1, keepdim=True) / 127
    return (w / scale.clamp(min=1e-30)).round().to(torch.int8), scale.max()


@right("quantize_rowwise")
def a_scale_without_an_axis(w):
    scale = w.abs().max(dim=1).values / 127.0
    safe = torch.where(scale > 0, scale, torch.ones_like(scale))
    return torch.clamp(torch.round(w / safe[:, None]), -127, 127).to(torch.int8), safe


@wrong("quantize_rowwise", says="what a NaN becomes")
def zero_over_zero(w):
    scale = w.abs().amax(1, keepdim=True) / 127
    return torch.round(w / scale).to(torch.int8), scale


@wrong("quantize_rowwise", says="what a NaN becomes")
def zero_over_zero_row_by_row(w):
    q, scale = torch.zeros(w.shape, dtype=torch.int8), torch.zeros(len(w), 1)
    for i, row in enumerate(w):
        scale[i] = row.abs().max() / 127
        q[i] = (row / scale[i]).round().clamp(-127, 127)
    return q, scale


@wrong("quantize_rowwise", says="wrong whole numbers")
def half_the_span(w):
    scale = (w.amax(1, keepdim=True) - w.amin(1, keepdim=True)) / 254
    return (w / scale.clamp(min=1e-30)).round().clamp(-127, 127).to(torch.int8), scale


@right("quantize_rowwise")
def by_numpy(w):
    import numpy as np
    matrix = w.numpy()
    scale = np.abs(matrix).max(axis=1, keepdims=True) / np.float32(127)
    steps = np.divide(matrix, scale, out=np.zeros_like(matrix), where=scale > 0)
    return torch.from_numpy(np.rint(steps).astype(np.int8)), torch.from_numpy(scale)


@right("quantize_rowwise")
def rows_of_zeros_mended_later(w):
    scale = w.abs().max(1, keepdim=True).values / 127
    steps = w / scale
    steps[scale.flatten() == 0] = 0
    return steps.round_().to(torch.int8), scale


@right("quantize_rowwise")
def row_by_row(w):
    q, scale = torch.zeros(w.shape, dtype=torch.int8), torch.zeros(len(w), 1)
    for i, row in enumerate(w):
        top = max(abs(x) for x in row.tolist())
        scale[i] = top / 127
        if top > 0:
            q[i] = torch.tensor([round(x / top * 127) for x in row.tolist()], dtype=torch.int8)
    return q, scale


@right("quantize_rowwise")
def not_a_number_made_zero(w):
    top = w.abs().amax(-1, keepdim=True)
    return torch.nan_to_num(w / top * 127).round().char(), top / 127


# ------------------------------------------------------------------------------------------------------ dequantize


@wrong("dequantize", says="multiply by the step")
def forgets_the_scale(q, scale):
    return q.float()


@wrong("dequantize", says="each column was scaled")
def scales_columns(q, scale):
    return q * scale.flatten()


@wrong("dequantize", says="made twice")
def divides_twice(q, scale):
    return q * scale / 127


@wrong("dequantize", says="127 times too large")
def takes_the_step_for_the_maximum(q, scale):
    return q * (scale * 127)


@wrong("dequantize", says="divide where you should multiply")
def divides(q, scale):
    return q / scale.where(scale > 0, 1)


@wrong("dequantize", says="float32")
def in_double(q, scale):
    return q.double() * scale.double()


@wrong("dequantize", says="half a step")
def in_whole_numbers(q, scale):
    return (q * scale).round()


@right("dequantize")
def either_shape(q, scale):
    return q.to(torch.float32) * scale.reshape(-1, 1)


@right("dequantize")
def a_diagonal_matrix(q, scale):
    return torch.diag(scale.flatten()) @ q.float()


# --------------------------------------------------------------------------------------------------------- capture


@wrong("capture", says="under the last name")
def one_name_for_all(model, inputs, names):
    kept, handles = {}, []
    for name in names:
        def hook(module, args, output):
            kept[name] = output if isinstance(output, Tensor) else output[0]  # noqa: B023
        handles.append(model.get_submodule(name).register_forward_hook(hook))
    try:
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return {name: value.detach() for name, value in kept.items()}


@wrong("capture", says="first text of the batch")
def always_the_first_entry(model, inputs, names):
    kept, handles = {}, []
    try:
        for name in names:
            handles.append(model.get_submodule(name).register_forward_hook(
                lambda module, args, output, name=name: kept.update({name: output[0].detach()})))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return kept


@wrong("capture", says="that is what went in")
def what_goes_in(model, inputs, names):
    kept, handles = {}, []
    try:
        for name in names:
            handles.append(model.get_submodule(name).register_forward_hook(
                lambda module, args, kwargs, output, name=name: kept.update(
                    {name: (args[0] if args else kwargs["hidden_states"]).detach()}), with_kwargs=True))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return kept


@wrong("capture", says="hooks must be off")
def never_removes(model, inputs, names):
    kept = {}
    for name in names:
        model.get_submodule(name).register_forward_hook(lambda module, args, output, name=name: kept.update(
            {name: (output if isinstance(output, Tensor) else output[0]).detach()}))
    model(**inputs)
    return dict(kept)


@wrong("capture", says="remove them in `finally`")
def removes_only_if_all_goes_well(model, inputs, names):
    kept, handles = {}, []
    for name in names:
        handles.append(model.get_submodule(name).register_forward_hook(lambda module, args, output, name=name:
            kept.update({name: (output if isinstance(output, Tensor) else output[0]).detach()})))
    model(**inputs)
    for handle in handles:
        handle.remove()
    return kept


@wrong("capture", says="a name that does not exist")
def registers_before_try(model, inputs, names):
    kept, handles = {}, []
    for name in names:
        handles.append(model.get_submodule(name).register_forward_hook(lambda module, args, output, name=name:
            kept.update({name: (output if isinstance(output, Tensor) else output[0]).detach()})))
    try:
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return kept


@wrong("capture", says="hooks of others")
def clears_all_hooks(model, inputs, names):
    kept = {}
    try:
        for name in names:
            model.get_submodule(name).register_forward_hook(lambda module, args, output, name=name: kept.update(
                {name: (output if isinstance(output, Tensor) else output[0]).detach()}))
        model(**inputs)
    finally:
        for module in model.modules():
            module._forward_hooks.clear()
    return kept


@wrong("capture", says="requires gradients")
def does_not_detach(model, inputs, names):
    kept, handles = {}, []
    try:
        for name in names:
            handles.append(model.get_submodule(name).register_forward_hook(lambda module, args, output, name=name:
                kept.update({name: output if isinstance(output, Tensor) else output[0]})))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return kept


@wrong("capture", says="should reach the caller")
def swallows_errors(model, inputs, names):
    kept, handles = {}, []
    try:
        for name in names:
            handles.append(model.get_submodule(name).register_forward_hook(lambda module, args, output, name=name:
                kept.update({name: (output if isinstance(output, Tensor) else output[0]).detach()})))
        model(**inputs)
    except Exception:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return kept


@wrong("capture", says="wanted a tensor")
def keeps_the_tuple(model, inputs, names):
    kept, handles = {}, []
    try:
        for name in names:
            handles.append(model.get_submodule(name).register_forward_hook(
                lambda module, args, output, name=name: kept.update({name: output})))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return {name: value.detach() if isinstance(value, Tensor) else value for name, value in kept.items()}


@wrong("capture", says="hand over all of `inputs`")
def only_the_ids(model, inputs, names):
    kept, handles = {}, []
    try:
        for name in names:
            handles.append(model.get_submodule(name).register_forward_hook(lambda module, args, output, name=name:
                kept.update({name: (output if isinstance(output, Tensor) else output[0]).detach()})))
        model(inputs["input_ids"])
    finally:
        for handle in handles:
            handle.remove()
    return kept


@wrong("capture", says="what it was before your call")
def leaves_evaluation_on(model, inputs, names):
    model.eval()
    kept, handles = {}, []
    try:
        for name in names:
            handles.append(model.get_submodule(name).register_forward_hook(lambda module, args, output, name=name:
                kept.update({name: (output if isinstance(output, Tensor) else output[0]).detach()})))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return kept


@wrong("capture", says="what it was before your call")
def leaves_gradients_off(model, inputs, names):
    torch.set_grad_enabled(False)
    kept, handles = {}, []
    try:
        for name in names:
            handles.append(model.get_submodule(name).register_forward_hook(lambda module, args, output, name=name:
                kept.update({name: (output if isinstance(output, Tensor) else output[0]).detach()})))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return kept


@wrong("capture", says="let it run as it is")
def runs_in_evaluation_mode(model, inputs, names):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    kept, handles = {}, []
    try:
        for name in names:
            handles.append(model.get_submodule(name).register_forward_hook(lambda module, args, output, name=name:
                kept.update({name: (output if isinstance(output, Tensor) else output[0]).detach()})))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
    return kept


@wrong("capture", says="of a ModelOutput, keep the first entry")
def only_tuples_have_a_first_entry(model, inputs, names):
    kept, handles = {}, []
    try:
        for name in names:
            handles.append(model.get_submodule(name).register_forward_hook(lambda module, args, output, name=name:
                kept.update({name: output[0] if isinstance(output, tuple) else output})))
        with torch.no_grad():
            model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return kept


@wrong("capture", says="then run it once")
def a_run_for_each_name(model, inputs, names):
    kept = {}
    for name in names:
        handle = model.get_submodule(name).register_forward_hook(lambda module, args, output, name=name:
            kept.update({name: (output if isinstance(output, Tensor) else output[0]).detach()}))
        try:
            model(**inputs)
        finally:
            handle.remove()
    return kept


@right("capture")
def gradients_off_for_a_while(model, inputs, names):
    modules, before = dict(model.named_modules()), torch.is_grad_enabled()
    kept, handles = {}, []

    def keep(name):
        def hook(module, args, kwargs, output):
            if isinstance(output, dict):  # so is a ModelOutput
                output = tuple(output.values())
            kept[name] = output[0] if isinstance(output, tuple) else output

        return hook

    try:
        torch.set_grad_enabled(False)
        for name in names:
            handles.append(modules[name].register_forward_hook(keep(name), with_kwargs=True))
        model(**inputs)
    finally:
        torch.set_grad_enabled(before)
        for handle in handles:
            handle.remove()
    return {name: kept[name].clone() for name in names}


@right("capture")
def with_an_exit_stack(model, inputs, names):
    from functools import partial

    def keep(kept, name, module, args, output):
        while not isinstance(output, Tensor):
            output = output[0]
        kept[name] = output.detach().clone()

    kept, modules = {}, dict(model.named_modules())
    with contextlib.ExitStack() as stack:
        for name in names:
            handle = modules[name].register_forward_hook(partial(keep, kept, name))
            stack.callback(handle.remove)
        model(**inputs)
    return {name: kept[name] for name in names}


@right("capture")
def one_hook_for_all_modules(model, inputs, names):
    wanted = {model.get_submodule(name): name for name in names}
    kept = {}

    def hook(module, args, output):
        if module in wanted:
            kept[wanted[module]] = output if torch.is_tensor(output) else output[0]

    handle = nn.modules.module.register_module_forward_hook(hook)
    try:
        with torch.no_grad():
            model(**inputs)
    finally:
        handle.remove()
    return kept


# ---------------------------------------------------------------------------------------------------- record_calls


@wrong("record_calls", says="the model itself is called too")
def without_the_model_itself(model, inputs):
    calls, handles = [], []
    try:
        for name, module in list(model.named_modules())[1:]:
            handles.append(module.register_forward_hook(lambda module, args, kwargs, output, name=name: calls.append((
                name, [tuple(a.shape) for a in [*args, *kwargs.values()] if isinstance(a, Tensor)],
                tuple((output if isinstance(output, Tensor) else output[0]).shape))), with_kwargs=True))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return calls


@wrong("record_calls", says="with_kwargs=True")
def positional_inputs_only(model, inputs):
    calls, handles = [], []
    try:
        for name, module in model.named_modules():
            handles.append(module.register_forward_hook(lambda module, args, output, name=name: calls.append((
                name, [tuple(a.shape) for a in args if isinstance(a, Tensor)],
                tuple((output if isinstance(output, Tensor) else output[0]).shape)))))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return calls


@wrong("record_calls", says="called twice")
def one_entry_for_a_module(model, inputs):
    calls, handles = {}, []
    try:
        for name, module in model.named_modules():
            handles.append(module.register_forward_hook(lambda module, args, kwargs, output, name=name: calls.update({
                name: ([tuple(a.shape) for a in [*args, *kwargs.values()] if isinstance(a, Tensor)],
                       tuple((output if isinstance(output, Tensor) else output[0]).shape))}), with_kwargs=True))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return [(name, given, shape) for name, (given, shape) in calls.items()]


@wrong("record_calls", says="after the positional")
def keywords_first(model, inputs):
    calls, handles = [], []
    try:
        for name, module in model.named_modules():
            handles.append(module.register_forward_hook(lambda module, args, kwargs, output, name=name: calls.append((
                name, [tuple(a.shape) for a in [*kwargs.values(), *args] if isinstance(a, Tensor)],
                tuple((output if isinstance(output, Tensor) else output[0]).shape))), with_kwargs=True))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return calls


@wrong("record_calls", says="calls end")
def in_the_order_in_which_calls_begin(model, inputs):
    calls, handles = [], []

    def enter(name):
        def before(module, args, kwargs):
            module.place = len(calls)
            calls.append([name, [tuple(a.shape) for a in [*args, *kwargs.values()] if isinstance(a, Tensor)]])

        def after(module, args, kwargs, output):
            calls[module.place].append(tuple((output if isinstance(output, Tensor) else output[0]).shape))

        return before, after

    try:
        for name, module in model.named_modules():
            before, after = enter(name)
            handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
            handles.append(module.register_forward_hook(after, with_kwargs=True))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return [tuple(call) for call in calls]


@wrong("record_calls", says="parts inside of parts")
def only_the_first_level(model, inputs):
    calls, handles = [], []
    try:
        for name, module in model.named_children():
            handles.append(module.register_forward_hook(lambda module, args, kwargs, output, name=name: calls.append((
                name, [tuple(a.shape) for a in [*args, *kwargs.values()] if isinstance(a, Tensor)],
                tuple((output if isinstance(output, Tensor) else output[0]).shape))), with_kwargs=True))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return calls


@wrong("record_calls", says="hooks must be off")
def leaves_them(model, inputs):
    calls = []
    for name, module in model.named_modules():
        module.register_forward_hook(lambda module, args, kwargs, output, name=name: calls.append((
            name, [tuple(a.shape) for a in [*args, *kwargs.values()] if isinstance(a, Tensor)],
            tuple((output if isinstance(output, Tensor) else output[0]).shape))), with_kwargs=True)
    model(**inputs)
    return list(calls)


@wrong("record_calls", says="remove them in `finally`")
def no_finally(model, inputs):
    calls, handles = [], []
    for name, module in model.named_modules():
        handles.append(module.register_forward_hook(lambda module, args, kwargs, output, name=name: calls.append((
            name, [tuple(a.shape) for a in [*args, *kwargs.values()] if isinstance(a, Tensor)],
            tuple((output if isinstance(output, Tensor) else output[0]).shape))), with_kwargs=True))
    model(**inputs)
    for handle in handles:
        handle.remove()
    return calls


@wrong("record_calls", says="wrong shapes of inputs")
def one_shape_is_enough(model, inputs):
    calls, handles = [], []
    try:
        for name, module in model.named_modules():
            handles.append(module.register_forward_hook(lambda module, args, kwargs, output, name=name: calls.append((
                name, [tuple(a.shape) for a in [*args, *kwargs.values()] if isinstance(a, Tensor)][:2],
                tuple((output if isinstance(output, Tensor) else output[0]).shape))), with_kwargs=True))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return calls


@right("record_calls")
def tensors_in_tuples_too(model, inputs):
    def shapes(value):
        if isinstance(value, Tensor):
            return [value.shape]
        if isinstance(value, tuple | list):
            return [shape for item in value for shape in shapes(item)]
        return []

    def first(value):
        return value.shape if isinstance(value, Tensor) else first(value[0])

    names, calls = {module: name for name, module in model.named_modules()}, []
    with contextlib.ExitStack() as stack:
        for module in names:
            stack.callback(module.register_forward_hook(lambda m, args, kwargs, output: calls.append(
                (names[m], shapes(args) + shapes(list(kwargs.values())), first(output))), with_kwargs=True).remove)
        model(**inputs)
    return calls


@right("record_calls")
def without_hooks(model, inputs):
    names, calls, call = {module: name for name, module in model.named_modules()}, [], nn.Module.__call__

    def recorded(module, *args, **kwargs):
        output = call(module, *args, **kwargs)
        given = [tuple(v.shape) for v in list(args) + list(kwargs.values()) if torch.is_tensor(v)]
        given_back = output if torch.is_tensor(output) else next(iter(output if isinstance(output, tuple)
                                                                      else output.values()))
        calls.append((names[module], given, tuple(given_back.shape)))
        return output

    nn.Module.__call__ = recorded
    try:
        model(**inputs)
    finally:
        nn.Module.__call__ = call
    return calls


# -------------------------------------------------------------------------------------------------- kv_cache_bytes


@wrong("kv_cache_bytes", says="a key and a value")
def keys_only(batch, time, n_layers, n_kv_heads, head_dim, bits):
    return batch * time * n_layers * n_kv_heads * head_dim * bits // 8


@wrong("kv_cache_bytes", says="those are bits")
def in_bits_again(batch, time, n_layers, n_kv_heads, head_dim, bits):
    return 2 * batch * time * n_layers * n_kv_heads * head_dim * bits


@wrong("kv_cache_bytes", says="`bits` is an argument")
def four_bytes(batch, time, n_layers, n_kv_heads, head_dim, bits):
    return 2 * batch * time * n_layers * n_kv_heads * head_dim * 4


@wrong("kv_cache_bytes", says="every layer")
def one_layer(batch, time, n_layers, n_kv_heads, head_dim, bits):
    return 2 * batch * time * n_kv_heads * head_dim * bits // 8


@wrong("kv_cache_bytes", says="wrong for other sizes")
def one_text(batch, time, n_layers, n_kv_heads, head_dim, bits):
    return 2 * time * n_layers * n_kv_heads * head_dim * bits // 8


@wrong("kv_cache_bytes", says="wanted an int")
def not_whole(batch, time, n_layers, n_kv_heads, head_dim, bits):
    return 2 * batch * time * n_layers * n_kv_heads * head_dim * bits / 8


@wrong("kv_cache_bytes", says="4 bits")
def bytes_first(batch, time, n_layers, n_kv_heads, head_dim, bits):
    return 2 * batch * time * n_layers * n_kv_heads * head_dim * (bits // 8)


@right("kv_cache_bytes")
def two_caches(batch, time, n_layers, n_kv_heads, head_dim, bits):
    from math import prod
    one = prod((batch, time, n_layers, n_kv_heads, head_dim))
    return int((one + one) * bits / 8)


# ------------------------------------------------------------------------------------------------- residual_stream


@wrong("residual_stream", says="through the final norm")
def the_librarys_states(model, input_ids):
    return torch.cat(model(input_ids, output_hidden_states=True).hidden_states)


@wrong("residual_stream", says="every entry has been through")
def norms_everything(model, input_ids):
    names = ["model.embed_tokens", *(f"model.layers.{i}" for i in range(model.config.num_hidden_layers))]
    return model.model.norm(torch.cat(list(capture(model, {"input_ids": input_ids}, names).values())))


@wrong("residual_stream", says="embeddings are missing")
def blocks_only(model, input_ids):
    names = [f"model.layers.{i}" for i in range(model.config.num_hidden_layers)]
    return torch.cat(list(capture(model, {"input_ids": input_ids}, names).values()))


@wrong("residual_stream", says="last block is missing")
def what_goes_into_each_block(model, input_ids):
    seen = []
    handles = [block.register_forward_pre_hook(lambda m, args: seen.append(args[0])) for block in model.model.layers]
    try:
        model(input_ids)
    finally:
        for handle in handles:
            handle.remove()
    return torch.cat(seen)


@wrong("residual_stream", says="batch axis is left")
def stacked(model, input_ids):
    names = ["model.embed_tokens", *(f"model.layers.{i}" for i in range(model.config.num_hidden_layers))]
    return torch.stack(list(capture(model, {"input_ids": input_ids}, names).values()))


@wrong("residual_stream", says="hooks must be off")
def leaves_its_hooks(model, input_ids):
    seen = []
    model.model.embed_tokens.register_forward_hook(lambda m, args, output: seen.append(output))
    for block in model.model.layers:
        block.register_forward_hook(lambda m, args, output: seen.append(output))
    model(input_ids)
    return torch.cat(seen)


@wrong("residual_stream", says="remove them in `finally`")
def without_finally(model, input_ids):
    seen, handles = [], []
    for module in (model.model.embed_tokens, *model.model.layers):
        handles.append(module.register_forward_hook(lambda m, args, output: seen.append(output)))
    model(input_ids)
    for handle in handles:
        handle.remove()
    return torch.cat(seen)


@wrong("residual_stream", says="last tokens' states only")
def last_position(model, input_ids):
    names = ["model.embed_tokens", *(f"model.layers.{i}" for i in range(model.config.num_hidden_layers))]
    return torch.cat(list(capture(model, {"input_ids": input_ids}, names).values()))[:, -1]


@wrong("residual_stream", says="not the stream")
def what_the_mlps_write(model, input_ids):
    names = ["model.embed_tokens", *(f"model.layers.{i}.mlp" for i in range(model.config.num_hidden_layers))]
    return torch.cat(list(capture(model, {"input_ids": input_ids}, names).values()))


@right("residual_stream")
def with_capture(model, input_ids):
    names = ["model.embed_tokens"] + [f"model.layers.{i}" for i in range(model.config.num_hidden_layers)]
    found = capture(model, {"input_ids": input_ids}, names)
    return torch.stack([found[name][0] for name in names])


@wrong("residual_stream", says="not the stream")
def what_the_norms_give(model, input_ids):
    names = [f"model.layers.{i}.input_layernorm" for i in range(model.config.num_hidden_layers)] + ["model.norm"]
    return torch.cat(list(capture(model, {"input_ids": input_ids}, names).values()))


@right("residual_stream")
def block_after_block_without_hooks(model, input_ids):
    x, where = model.model.embed_tokens(input_ids), torch.arange(input_ids.shape[1], device=input_ids.device)[None]
    states, rotary = [x], model.model.rotary_emb(x, where)
    for block in model.model.layers:
        states.append(block(states[-1], attention_mask=None, position_ids=where, position_embeddings=rotary))
    return torch.cat(states)


@right("residual_stream")
def the_librarys_states_and_one_hook(model, input_ids):
    last = []
    handle = model.model.layers[-1].register_forward_hook(lambda m, args, output: last.append(output))
    try:
        states = model.model(input_ids, output_hidden_states=True).hidden_states
    finally:
        handle.remove()
    return torch.cat([*states[:-1], *last])


@right("residual_stream")
def what_goes_into_blocks_and_norm(model, input_ids):
    seen, handles = [], []
    try:
        for module in (*model.model.layers, model.model.norm):
            handles.append(module.register_forward_pre_hook(lambda m, args: seen.append(args[0][0].detach().clone())))
        model(input_ids)
    finally:
        for handle in handles:
            handle.remove()
    return torch.stack(seen)


# ------------------------------------------------------------------------------------------------------ logit_lens


@wrong("logit_lens", says="normed twice")
def norms_the_last_twice(model, input_ids):
    states = torch.cat(model(input_ids, output_hidden_states=True).hidden_states)
    return model.lm_head(model.model.norm(states))


@wrong("logit_lens", says="final norm is missing")
def no_norm(model, input_ids):
    return model.lm_head(residual_stream(model, input_ids))


@wrong("logit_lens", says="but for the last entry")
def norm_of_the_last_only(model, input_ids):
    return model.lm_head(torch.cat(model(input_ids, output_hidden_states=True).hidden_states))


@wrong("logit_lens", says="its own length")
def one_length_for_all(model, input_ids):
    stream = residual_stream(model, input_ids)
    length = (stream[-1].pow(2).mean(-1, keepdim=True) + model.model.norm.variance_epsilon).sqrt()
    return model.lm_head(model.model.norm.weight * stream / length)


@wrong("logit_lens", says="probabilities")
def gives_probabilities(model, input_ids):
    return model.lm_head(model.model.norm(residual_stream(model, input_ids))).softmax(-1)


@wrong("logit_lens", says="embeddings are missing")
def no_embeddings(model, input_ids):
    return model.lm_head(model.model.norm(residual_stream(model, input_ids)[1:]))


@wrong("logit_lens", says="batch axis is left")
def with_a_batch(model, input_ids):
    return model.lm_head(model.model.norm(residual_stream(model, input_ids)))[:, None]


@right("logit_lens")
def state_by_state(model, input_ids):
    return torch.stack([model.lm_head(model.model.norm(state)) for state in residual_stream(model, input_ids)])


@right("logit_lens")
def the_librarys_states_normed_but_the_last(model, input_ids):
    *states, last = model(input_ids, output_hidden_states=True).hidden_states
    return torch.cat([model.lm_head(model.model.norm(state)) for state in states] + [model.lm_head(last)])


@right("logit_lens")
def by_matrix_product(model, input_ids):
    stream = residual_stream(model, input_ids)
    norm = model.model.norm
    normed = stream * torch.rsqrt(stream.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon) * norm.weight
    return normed @ model.lm_head.weight.T


# ----------------------------------------------------------------------------------------------------- ablate_head


@wrong("ablate_head", says="heads count from 0")
def heads_from_one(model, input_ids, layer, head):
    size = model.config.head_dim

    def silence(module, args):
        x = args[0].clone()
        x[..., (head - 1) * size:head * size] = 0
        return x

    handle = model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(silence)
    try:
        return model(input_ids).logits
    finally:
        handle.remove()


@wrong("ablate_head", says="layers count from 0")
def layers_from_one(model, input_ids, layer, head):
    size = model.config.head_dim

    def silence(module, args):
        x = args[0].clone()
        x[..., head * size:(head + 1) * size] = 0
        return x

    handle = model.model.layers[layer - 1].self_attn.o_proj.register_forward_pre_hook(silence)
    try:
        return model(input_ids).logits
    finally:
        handle.remove()


@wrong("ablate_head", says="behind o_proj")
def behind_the_projection(model, input_ids, layer, head):
    size = model.config.head_dim

    def silence(module, args, output):
        output = output.clone()
        output[..., head * size:(head + 1) * size] = 0
        return output

    handle = model.model.layers[layer].self_attn.o_proj.register_forward_hook(silence)
    try:
        return model(input_ids).logits
    finally:
        handle.remove()


@wrong("ablate_head", says="nothing was switched off")
def returns_nothing(model, input_ids, layer, head):
    size = model.config.head_dim

    def silence(module, args):
        x = args[0].clone()
        x[..., head * size:(head + 1) * size] = 0

    handle = model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(silence)
    try:
        return model(input_ids).logits
    finally:
        handle.remove()


@wrong("ablate_head", says="only this head is left on")
def keeps_only_the_head(model, input_ids, layer, head):
    size = model.config.head_dim

    def silence(module, args):
        x = torch.zeros_like(args[0])
        x[..., head * size:(head + 1) * size] = args[0][..., head * size:(head + 1) * size]
        return x

    handle = model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(silence)
    try:
        return model(input_ids).logits
    finally:
        handle.remove()


@wrong("ablate_head", says="looks everywhere alike")
def silences_the_query(model, input_ids, layer, head):
    size = model.config.head_dim

    def silence(module, args, output):
        output = output.clone()
        output[..., head * size:(head + 1) * size] = 0
        return output

    handle = model.model.layers[layer].self_attn.q_proj.register_forward_hook(silence)
    try:
        return model(input_ids).logits
    finally:
        handle.remove()


@wrong("ablate_head", says="whole attention module")
def silences_all_heads(model, input_ids, layer, head):
    handle = model.model.layers[layer].self_attn.register_forward_hook(
        lambda module, args, output: (torch.zeros_like(output[0]), *output[1:]))
    try:
        return model(input_ids).logits
    finally:
        handle.remove()


@wrong("ablate_head", says="no changed weight")
def changes_the_weights(model, input_ids, layer, head):
    size = model.config.head_dim
    model.model.layers[layer].self_attn.o_proj.weight.data[:, head * size:(head + 1) * size] = 0
    return model(input_ids).logits


@wrong("ablate_head", says="clean up in `finally`")
def puts_the_weights_back_if_all_goes_well(model, input_ids, layer, head):
    size = model.config.head_dim
    columns = slice(head * size, (head + 1) * size)
    weight = model.model.layers[layer].self_attn.o_proj.weight.data
    kept = weight[:, columns].clone()
    weight[:, columns] = 0
    logits = model(input_ids).logits
    weight[:, columns] = kept
    return logits


@wrong("ablate_head", says="no hook")
def leaves_the_hook(model, input_ids, layer, head):
    size = model.config.head_dim

    def silence(module, args):
        x = args[0].clone()
        x[..., head * size:(head + 1) * size] = 0
        return x

    from copy import deepcopy
    logits = deepcopy(model)
    logits.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(silence)
    model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(silence)
    return logits(input_ids).logits


@wrong("ablate_head", says="all T positions")
def the_last_position(model, input_ids, layer, head):
    size = model.config.head_dim

    def silence(module, args):
        x = args[0].clone()
        x[..., head * size:(head + 1) * size] = 0
        return x

    handle = model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(silence)
    try:
        return model(input_ids).logits[:, -1]
    finally:
        handle.remove()


@wrong("ablate_head", says="head 2 of layer 1")
def at_the_last_position_only(model, input_ids, layer, head):
    size = model.config.head_dim

    def silence(module, args):
        x = args[0].clone()
        x[:, -1, head * size:(head + 1) * size] = 0
        return x

    handle = model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(silence)
    try:
        return model(input_ids).logits
    finally:
        handle.remove()


@wrong("ablate_head", says="head 2 of layer 1")
def silences_the_shared_values(model, input_ids, layer, head):
    size, shared = model.config.head_dim, head // (model.config.num_attention_heads // model.config.num_key_value_heads)

    def silence(module, args, output):
        output = output.clone()
        output[..., shared * size:(shared + 1) * size] = 0
        return output

    handle = model.model.layers[layer].self_attn.v_proj.register_forward_hook(silence)
    try:
        return model(input_ids).logits
    finally:
        handle.remove()


@right("ablate_head")
def by_a_mask(model, input_ids, layer, head):
    projection = model.model.layers[layer].self_attn.o_proj
    heads = model.config.num_attention_heads
    on = torch.ones(heads, 1, device=input_ids.device)
    on[head] = 0
    handle = projection.register_forward_pre_hook(
        lambda module, args: ((args[0].unflatten(-1, (heads, -1)) * on).flatten(-2),))
    try:
        return model(input_ids=input_ids, use_cache=False).logits
    finally:
        handle.remove()


@right("ablate_head")
def subtracts_what_the_head_writes(model, input_ids, layer, head):
    size = model.config.hidden_size // model.config.num_attention_heads
    mine = slice(head * size, (head + 1) * size)

    def without(module, args, output):
        return output - args[0][..., mine] @ module.weight[:, mine].T

    with contextlib.ExitStack() as stack:
        stack.callback(model.model.layers[layer].self_attn.o_proj.register_forward_hook(without).remove)
        return model(input_ids).logits


@right("ablate_head")
def in_place_before_the_product(model, input_ids, layer, head):
    size = model.model.layers[layer].self_attn.o_proj.in_features // model.config.num_attention_heads

    def silence(module, args):
        args[0][:, :, head * size:head * size + size].zero_()

    handle = model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(silence)
    try:
        output = model(input_ids)
    finally:
        handle.remove()
    return output.logits


# -------------------------------------------------------------------------------------------------- patch_residual


@wrong("patch_residual", says="swapped")
def the_wrong_way_round(model, clean_ids, corrupt_ids, layer, position):
    stored = residual_stream(model, corrupt_ids)[layer + 1, position]

    def put(module, args, output):
        output = output.clone()
        output[:, position] = stored
        return output

    handle = model.model.layers[layer].register_forward_hook(put)
    try:
        return model(clean_ids).logits
    finally:
        handle.remove()


@wrong("patch_residual", says="every position was patched")
def patches_all_positions(model, clean_ids, corrupt_ids, layer, position):
    stored = residual_stream(model, clean_ids)[layer + 1]
    handle = model.model.layers[layer].register_forward_hook(lambda module, args, output: stored[None])
    try:
        return model(corrupt_ids).logits
    finally:
        handle.remove()


@wrong("patch_residual", says="enters the block")
def patches_what_enters(model, clean_ids, corrupt_ids, layer, position):
    stored = residual_stream(model, clean_ids)[layer, position]

    def put(module, args):
        x = args[0].clone()
        x[:, position] = stored
        return (x, *args[1:])

    handle = model.model.layers[layer].register_forward_pre_hook(put)
    try:
        return model(corrupt_ids).logits
    finally:
        handle.remove()


@wrong("patch_residual", says="one block too early")
def forgets_the_embedding_row(model, clean_ids, corrupt_ids, layer, position):
    stored = residual_stream(model, clean_ids)[layer, position]

    def put(module, args, output):
        output = output.clone()
        output[:, position] = stored
        return output

    handle = model.model.layers[layer].register_forward_hook(put)
    try:
        return model(corrupt_ids).logits
    finally:
        handle.remove()


@wrong("patch_residual", says="nothing was patched")
def a_copy_is_patched(model, clean_ids, corrupt_ids, layer, position):
    stored = residual_stream(model, clean_ids)[layer + 1, position]

    def put(module, args, output):
        output.clone()[:, position] = stored

    handle = model.model.layers[layer].register_forward_hook(put)
    try:
        return model(corrupt_ids).logits
    finally:
        handle.remove()


@wrong("patch_residual", says="it should replace")
def adds_the_vector(model, clean_ids, corrupt_ids, layer, position):
    stored = residual_stream(model, clean_ids)[layer + 1, position]

    def put(module, args, output):
        output = output.clone()
        output[:, position] += stored
        return output

    handle = model.model.layers[layer].register_forward_hook(put)
    try:
        return model(corrupt_ids).logits
    finally:
        handle.remove()


@wrong("patch_residual", says="no hook")
def leaves_the_patch(model, clean_ids, corrupt_ids, layer, position):
    stored = residual_stream(model, clean_ids)[layer + 1, position]
    fresh = [True]

    def put(module, args, output):
        if fresh.pop() if fresh else False:
            output = output.clone()
            output[:, position] = stored
            return output

    model.model.layers[layer].register_forward_hook(put)
    return model(corrupt_ids).logits


@wrong("patch_residual", says="clean up in `finally`")
def removes_the_patch_if_all_goes_well(model, clean_ids, corrupt_ids, layer, position):
    stored = []
    first = model.model.layers[layer].register_forward_hook(lambda m, args, output: stored.append(output[0, position]))
    model(clean_ids)
    first.remove()

    def put(module, args, output):
        output = output.clone()
        output[:, position] = stored[0]
        return output

    second = model.model.layers[layer].register_forward_hook(put)
    logits = model(corrupt_ids).logits
    second.remove()
    return logits


@wrong("patch_residual", says="all T positions")
def last_logits(model, clean_ids, corrupt_ids, layer, position):
    stored = residual_stream(model, clean_ids)[layer + 1, position]

    def put(module, args, output):
        output = output.clone()
        output[:, position] = stored
        return output

    handle = model.model.layers[layer].register_forward_hook(put)
    try:
        return model(corrupt_ids).logits[:, -1]
    finally:
        handle.remove()


@wrong("patch_residual", says="position 3 after block 1")
def patches_up_to_the_position(model, clean_ids, corrupt_ids, layer, position):
    stored = residual_stream(model, clean_ids)[layer + 1]

    def put(module, args, output):
        return torch.cat([stored[None, :position + 1], output[:, position + 1:]], 1)

    handle = model.model.layers[layer].register_forward_hook(put)
    try:
        return model(corrupt_ids).logits
    finally:
        handle.remove()


@wrong("patch_residual", says="position 3 after block 1")
def patches_after_every_block(model, clean_ids, corrupt_ids, layer, position):
    stored = residual_stream(model, clean_ids)[layer + 1, position]

    def put(module, args, output):
        output = output.clone()
        output[:, position] = stored
        return output

    handles = [block.register_forward_hook(put) for block in model.model.layers]
    try:
        return model(corrupt_ids).logits
    finally:
        for handle in handles:
            handle.remove()


@right("patch_residual")
def at_the_entrance_of_the_next_module(model, clean_ids, corrupt_ids, layer, position):
    blocks = [*model.model.layers, model.model.norm]
    stored = capture(model, {"input_ids": clean_ids}, [f"model.layers.{layer}"])[f"model.layers.{layer}"]

    def put(module, args):
        here = (torch.arange(args[0].shape[1], device=args[0].device) == position)[:, None]
        return (torch.where(here, stored, args[0]), *args[1:])

    with contextlib.ExitStack() as stack:
        stack.callback(blocks[layer + 1].register_forward_pre_hook(put).remove)
        return model(corrupt_ids).logits


@right("patch_residual")
def both_texts_in_one_batch(model, clean_ids, corrupt_ids, layer, position):
    def put(module, args, output):
        output[1, position] = output[0, position]

    handle = model.model.layers[layer].register_forward_hook(put)
    try:
        return model(torch.cat([clean_ids, corrupt_ids])).logits[1:]
    finally:
        handle.remove()


equivalent("ablate_head", "args[0].clone() -> args[0]", why="nobody else reads what goes into o_proj")
for change in ("output = output.clone(): dropped", "output.clone() -> output"):
    equivalent("patch_residual", change, why="in place or in a copy: the next block gets the same numbers")
