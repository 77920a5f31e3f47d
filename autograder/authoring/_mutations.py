"""The mutation rules: what one AST node of a solution may be changed into."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
               ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv, ast.MatMult: ast.Mult,
               ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift}
_TERMS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult, ast.BitAnd, ast.BitOr)
_COMPARISONS = {ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE),
                ast.GtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,),
                ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,)}

_PAIRS = [("amax", "amin"), ("max", "min"), ("argmax", "argmin"), ("maximum", "minimum"), ("clamp_min", "clamp_max"),
          ("fmax", "fmin"), ("cummax", "cummin"), ("sum", "mean"), ("any", "all"), ("ones", "zeros"),
          ("ones_like", "zeros_like"), ("triu", "tril"), ("floor", "ceil"), ("cumsum", "cumprod"), ("cos", "sin"),
          ("softmax", "log_softmax"), ("sigmoid", "tanh"), ("rand", "randn"), ("rand_like", "randn_like"),
          ("var", "std"), ("repeat", "repeat_interleave"), ("logical_and", "logical_or"), ("union", "intersection"),
          ("startswith", "endswith"), ("lstrip", "rstrip")]
_OTHER_NAME = dict(_PAIRS) | {b: a for a, b in _PAIRS}
_OTHER_NAME |= {"log1p": "log", "expm1": "exp", "exp2": "exp", "log2": "log", "log10": "log", "rsqrt": "sqrt",
                "logsigmoid": "sigmoid", "silu": "sigmoid"}
_OTHER_BUILTIN = {"max": "min", "min": "max", "any": "all", "all": "any"}
_OTHER_KEYWORD = {"min": "max", "max": "min"}

_COMMUTE = {"maximum", "minimum", "max", "min", "add", "mul", "dot", "gcd", "hypot", "logaddexp", "logical_and",
            "logical_or", "eq", "ne", "cosine_similarity", "equal", "allclose", "isclose"}
# Taking these away changes no value, so no test of values could tell.
_SILENT = {"contiguous", "cpu", "detach", "eval", "copy_", "pin_memory"}
# Their argument is a size or data, not a tensor that could stand in for the result.
_MAKERS = {"tensor", "as_tensor", "arange", "zeros", "ones", "full", "empty", "eye", "rand", "randn", "linspace",
           "Generator", "manual_seed", "no_grad", "inference_mode", "stack", "cat", "einsum", "where", "Counter",
           "defaultdict", "product", "chain", "finditer", "findall", "compile", "loads", "dumps"}
# To leave these out says the same: they are the defaults, of one function or of all.
_DEFAULTS = {"sort dim": -1, "argsort dim": -1, "topk dim": -1, "split dim": 0, "cat dim": 0, "stack dim": 0,
             "keepdim": False, "descending": False, "reverse": False}
_REMOVABLE_BUILTINS = {"abs", "sorted", "reversed", "float", "int", "round", "set"}
_TINY = 1e-3


def variants(node: ast.AST, parent: ast.AST, field: str, modules: frozenset[str]) -> Iterator[tuple[str, str, ast.AST]]:
    """(before, after, replacement) for every way in which `node`, `parent`'s `field`, may be changed.

    The texts are the shortest that say what changed. Statements are dropped elsewhere: here are expressions only.
    """
    rules = [_names, _operators, _conditions, _constants, _slices, _arguments, _calls]
    for rule in rules:
        for new in rule(node, parent, field, modules):
            if isinstance(new, tuple):
                yield new
            else:
                yield ast.unparse(node), ast.unparse(new), new


def _operators(node, parent, field, modules):
    if isinstance(node, ast.BinOp):
        if type(node.op) in _ARITHMETIC:
            yield ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)
        if isinstance(node.op, _TERMS):
            yield node.left
            yield node.right
    elif isinstance(node, ast.AugAssign) and type(node.op) in _ARITHMETIC:
        yield ast.AugAssign(node.target, _ARITHMETIC[type(node.op)](), node.value)
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for index in range(len(node.values)):
            rest = node.values[:index] + node.values[index + 1:]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            for other in _COMPARISONS[type(operator)]:
                ops = [*node.ops[:index], other(), *node.ops[index + 1:]]
                yield ast.Compare(node.left, ops, node.comparators)


def _conditions(node, parent, field, modules):
    is_condition = field == "test" or (field == "ifs" and isinstance(parent, ast.comprehension))
    if is_condition and not isinstance(node, ast.Compare) and not _is_not(node):
        yield ast.UnaryOp(ast.Not(), node)


def _constants(node, parent, field, modules):
    negative = _is_negation(node) and isinstance(node.operand, ast.Constant)
    if not negative and (not isinstance(node, ast.Constant) or _is_negation(parent)):
        return
    value = -node.operand.value if negative else node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        # The sign of an argument is most often that of a dim, and -1 is 1 where there are two: try 0 instead.
        argument = isinstance(parent, ast.Call | ast.keyword) and isinstance(value, int)
        small = isinstance(value, float) and abs(value) < _TINY
        others = [0, value + 1] if argument else [value + 1] if small else [value + 1, -value]
        for other in others:
            if other != value:
                yield _number(other)


def _slices(node, parent, field, modules):
    if isinstance(node, ast.Slice):
        for name in ("lower", "upper"):
            bound = getattr(node, name)
            if bound is None:
                continue
            bounds = {"lower": node.lower, "upper": node.upper}
            yield ast.Slice(**{**bounds, name: None}, step=node.step)
            if not _is_number(bound):  # a number is changed as a constant
                for operator in (ast.Add(), ast.Sub()):
                    moved = ast.BinOp(bound, operator, ast.Constant(1))
                    yield ast.Slice(**{**bounds, name: moved}, step=node.step)


def _arguments(node, parent, field, modules):
    if not isinstance(node, ast.Call):
        return
    name = _called(node)
    for index in range(len(node.args) - 1):
        pair = node.args[index:index + 2]
        if name not in _COMMUTE and not any(isinstance(arg, ast.Starred) for arg in pair):
            yield ast.Call(node.func, [*node.args[:index], pair[1], pair[0], *node.args[index + 2:]], node.keywords)
    for index, keyword in enumerate(node.keywords):
        rest = [*node.keywords[:index], *node.keywords[index + 1:]]
        if not _is_default(name, keyword):
            yield ast.Call(node.func, node.args, rest)
        if keyword.arg in _OTHER_KEYWORD and _OTHER_KEYWORD[keyword.arg] not in {one.arg for one in rest}:
            other = ast.keyword(_OTHER_KEYWORD[keyword.arg], keyword.value)
            yield ast.Call(node.func, node.args, [*node.keywords[:index], other, *node.keywords[index + 1:]])
    if name == "range" and len(node.args) <= 2:
        yield ast.Call(node.func, [*node.args[:-1], ast.BinOp(node.args[-1], ast.Sub(), ast.Constant(1))], [])


def _calls(node, parent, field, modules):
    # x.f() -> x, torch.f(x) -> x, abs(x) -> x
    if not isinstance(node, ast.Call) or isinstance(parent, ast.Expr):
        return
    name, first = _called(node), node.args[0] if node.args else None
    first = None if isinstance(first, ast.Starred) else first
    if isinstance(node.func, ast.Attribute) and name not in _SILENT:
        if _root(node.func) not in modules:
            yield node.func.value
        elif first is not None and name not in _MAKERS:
            yield first
    elif isinstance(node.func, ast.Name) and name in _REMOVABLE_BUILTINS and first is not None:
        yield first


def _names(node, parent, field, modules):
    if isinstance(parent, ast.Call) and field == "func":
        if isinstance(node, ast.Attribute) and node.attr in _OTHER_NAME:
            other = _OTHER_NAME[node.attr]
            yield node.attr, other, ast.Attribute(node.value, other, ast.Load())
        elif isinstance(node, ast.Name) and node.id in _OTHER_BUILTIN:
            yield node.id, _OTHER_BUILTIN[node.id], ast.Name(_OTHER_BUILTIN[node.id], ast.Load())


def _is_default(function: str, keyword: ast.keyword) -> bool:
    default = _DEFAULTS.get(f"{function} {keyword.arg}", _DEFAULTS.get(keyword.arg or ""))
    return default is not None and ast.unparse(keyword.value) == repr(default)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return getattr(node, "id", "")


def _is_not(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _is_negation(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) or (_is_negation(node) and isinstance(node.operand, ast.Constant))


def _number(value: int | float) -> ast.AST:
    return ast.UnaryOp(ast.USub(), ast.Constant(-value)) if value < 0 else ast.Constant(value)
