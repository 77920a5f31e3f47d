"""Rules for what a test runs on which side: its own, or next to the answer (`check.beside`).

The numbers are those of the conventions for lesson tests.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograder import cell_names as names
from autograder.authoring.lint_beside import functions, is_beside, outside
from autograder.authoring.lint_core import Lesson, Problem, calls, dotted, root, rule
from autograder.cells import is_solution, is_test

LOADERS = {"load", "load_masked_lm", "gpt2_tokenizer"}
CHANGES = {"train", "half", "bfloat16", "double", "to", "cuda", "cpu", "load_state_dict", "register_forward_hook",
           "register_forward_pre_hook", "register_full_backward_hook", "add_tokens", "add_special_tokens",
           "resize_token_embeddings", "compile", "zero_grad"}
PROCESSES = {"multiprocessing", "torch.multiprocessing", "torch.distributed", "concurrent.futures", "subprocess",
             "os.fork", "os.system", "os.popen"}
MANY = 100  # calls from which a loop belongs beside the answer


@rule("beside")  # 9
def beside_is_bare(lesson: Lesson) -> Iterator[Problem]:
    """What `beside` runs holds no checks and takes everything as arguments."""
    for index, tree in lesson.tests():
        made_here = {function.name for function in ast.walk(tree) if isinstance(function, ast.FunctionDef)}
        values = lesson.names[index].bound - lesson.names[index].imported - made_here
        for function in functions(lesson, tree):
            line = function.lineno
            taken = names.of_function(function)
            if lesson.check in taken or any(isinstance(node, ast.Assert) for node in ast.walk(function)):
                yield lesson.at(index, "a check in a function that `beside` runs is the student's side judging itself: "
                                       "return evidence and check that.", line)
            for name in sorted(taken & values):
                yield lesson.at(index, f"what `beside` runs takes `{name}` from the test: pass it as an argument.",
                                line)


@rule("gradients")  # 11
def gradients(lesson: Lesson) -> Iterator[Problem]:
    """Only `beside` can take a gradient through an answer: elsewhere it is called in another process."""
    for index, tree in lesson.tests():
        watched = _watched(lesson, tree)
        for node in outside(lesson, tree):
            if not isinstance(node, ast.Call):
                continue
            name = dotted(node.func)
            if isinstance(node.func, ast.Name) and node.func.id in lesson.students:
                arguments = [*node.args, *(word.value for word in node.keywords)]
                if any(_is_watched(argument, watched) for argument in arguments):
                    yield lesson.at(index, f"`{node.func.id}` is called with a tensor that requires gradients: take "
                                           f"the gradient inside `{lesson.check}.beside`.", node.lineno)
            elif isinstance(node.func, ast.Attribute) and node.func.attr == "backward" and _calls_answer(lesson, node):
                yield lesson.at(index, f"backward through an answer works only inside `{lesson.check}.beside`.",
                                node.lineno)
            elif name.startswith(("torch.autograd.", "torch.func.", "autograd.")) and any(
                    isinstance(argument, ast.Name) and argument.id in lesson.students for argument in node.args):
                yield lesson.at(index, f"`{name}` differentiates an answer; do so inside `{lesson.check}.beside`.",
                                node.lineno)


@rule("many-calls")  # 12
def many_calls(lesson: Lesson) -> Iterator[Problem]:
    """Loops over a hundred calls or more go inside `beside`."""
    for index, tree in lesson.tests():
        for node in outside(lesson, tree):
            loops = [node.iter] if isinstance(node, ast.For) else [
                part.iter for part in getattr(node, "generators", [])]
            if any(_length(loop) >= MANY for loop in loops) and _calls_answer(lesson, node):
                yield lesson.at(index, f"a loop of {MANY} calls or more to an answer goes inside "
                                       f"`{lesson.check}.beside`.", getattr(node, "lineno", 1))


@rule("generators")  # 17
def generators(lesson: Lesson) -> Iterator[Problem]:
    """No Python generators as arguments of an answer; lists."""
    for index, tree in lesson.tests():
        for call in calls(tree):
            to_answer = root(call.func) in lesson.students or is_beside(lesson, call)
            handed = [*call.args, *(word.value for word in call.keywords)]
            handed_on = any(isinstance(argument, ast.Name) and argument.id in lesson.students for argument in call.args)
            if (to_answer or handed_on) and any(isinstance(argument, ast.GeneratorExp) for argument in handed):
                yield lesson.at(index, "an answer gets a list, never a generator.", call.lineno)


@rule("model-changed")  # 18
def model_changed(lesson: Lesson) -> Iterator[Problem]:
    """A test never changes the model or the tokenizer."""
    shared = {"model", "tokenizer"} | _loaded(lesson)
    for index, tree in lesson.tests():
        for node in outside(lesson, tree):
            targets = getattr(node, "targets", [getattr(node, "target", None)])
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
                for target in targets:
                    if isinstance(target, ast.Attribute | ast.Subscript) and root(target) in shared:
                        yield lesson.at(index, f"the test changes `{root(target)}`, which all cells share.",
                                        node.lineno)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and root(node.func.value) in shared:
                method = node.func.attr
                chain = isinstance(node.func.value, ast.Name | ast.Attribute)
                if chain and (method in CHANGES or (method.endswith("_") and not method.endswith("__"))):
                    yield lesson.at(index, f"`.{method}` changes `{root(node.func.value)}`, which all cells share.",
                                    node.lineno)


@rule("processes")  # 22
def processes(lesson: Lesson) -> Iterator[Problem]:
    """Several processes only inside `beside`."""
    modules: dict[str, str] = {}  # local name -> module, over the whole lesson
    for tree in filter(None, lesson.trees):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules |= {alias.asname or alias.name.split(".")[0]: alias.name if alias.asname else
                            alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for index, tree in lesson.tests():
        for node in outside(lesson, tree):
            name = dotted(node) if isinstance(node, ast.Attribute | ast.Name) else ""
            base, _, rest = name.partition(".")
            full = f"{modules.get(base, base)}.{rest}".rstrip(".")
            if name and any(full == module or full.startswith(f"{module}.") for module in PROCESSES):
                yield lesson.at(index, f"`{name}` starts processes; do so only inside `{lesson.check}.beside`.",
                                node.lineno)


def _watched(lesson: Lesson, tree: ast.Module) -> set[str]:
    """Names in this cell of tensors that require gradients."""
    found: set[str] = set()
    for node in outside(lesson, tree):
        if isinstance(node, ast.Assign) and _asks_for_gradients(node.value):
            found |= {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
        elif isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Attribute) and target.attr == "requires_grad" for target in node.targets):
            found |= {root(target) for target in node.targets}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "requires_grad_":
            found.add(root(node.func.value))
    return found - {""}


def _asks_for_gradients(node: ast.expr) -> bool:
    """The value of this expression requires gradients: made so, and not handed to a function since."""
    if isinstance(node, ast.ListComp):
        return _asks_for_gradients(node.elt)
    if isinstance(node, ast.List | ast.Tuple):
        return any(_asks_for_gradients(part) for part in node.elts)
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr == "requires_grad_":
        return True
    return any(word.arg == "requires_grad" and getattr(word.value, "value", None) is True for word in node.keywords)


def _is_watched(argument: ast.expr, watched: set[str]) -> bool:
    if isinstance(argument, ast.Name):
        return argument.id in watched
    if isinstance(argument, ast.List | ast.Tuple):
        return any(_is_watched(part, watched) for part in argument.elts)
    return _asks_for_gradients(argument)


def _calls_answer(lesson: Lesson, node: ast.AST) -> bool:
    return any(isinstance(call.func, ast.Name) and call.func.id in lesson.students for call in calls(node))


def _length(node: ast.expr) -> int:
    """How long a loop is, where it can be read off `range(...)`."""
    if isinstance(node, ast.Call) and dotted(node.func) == "range" and all(
            isinstance(argument, ast.Constant) and isinstance(argument.value, int) for argument in node.args):
        return len(range(*(argument.value for argument in node.args))) if node.args else 0
    return 0


def _loaded(lesson: Lesson) -> set[str]:
    """Names that the lesson's own cells bind to a loaded model or tokenizer."""
    found: set[str] = set()
    for _, tree in lesson.code(lambda cell: not is_test(cell) and not is_solution(cell)):
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and (
                    dotted(node.value.func).split(".")[-1] in LOADERS):
                found |= {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return found
