"""Test that no module keeps state that changes while rtseg is used as a library, except what the table names and justifies."""

import ast
from pathlib import Path

import pytest
from claims.checkout import ROOT, modules

OWN_PROCESS = ("rtseg/cli/", "demos/")  # they configure a process of their own
LIBRARY = [path for path in modules() if not path.as_posix().startswith(OWN_PROCESS)]
MUTATORS = {"append", "appendleft", "extend", "insert", "add", "update", "setdefault", "pop", "popleft", "popitem", "remove"}
MUTATORS |= {"discard", "clear", "sort", "reverse"}
REASONS = {
    "kernels/runtime/registry.py": {"KERNELS": "filled while the modules of the kernels are imported, and never after"},
    "engines/engine_use.py": {
        "_uses": "which sessions use an engine now, whoever made them: weak references by the engine's identity",
        "_hung": "engines in which a thread still hangs, so that nothing frees them under it",
    },
    "engines/hung_threads.py": {"_abandoned": "the threads that hang, of which the process may have one at most"},
    "kernels/runtime/device_array.py": {"_pools": "one memory pool for each loaded library: a cache by key"},
    "rtseg/output/atomic_file.py": {"_reserved": "locks of the process: its own second lock of a file would be refused"},
    "rtseg/output/private_file.py": {
        "_folder_locks": "locks of the process: its own second lock of a folder would be refused",
        "_settings": "the permissions of files, which the command line alone sets, as the umask is one for a process",
    },
    "rtseg/sources/files/quiet_pydicom.py": {"SILENCE": "pydicom's logger and the warnings are settings of the process"},
    "rtseg/text/credentials.py": {"_remembered": "passwords to be masked in every later text, whoever writes it"},
}
SINGLE = {  # functions that make one object for the process, at their first call
    "engines/text_detection/detector.py": {"_network": "the network as it was read, which each search clones"},
    "rtseg/session/depth_scale/card_scale.py": {"_shared_reader": "the network that reads numbers, as it was loaded"},
    "kernels/runtime/cpu.py": {"_pool": "the threads of the kernels, as many as the machine has cores"},
    "kernels/runtime/vector_width.py": {"_wide_codegen": "compiled code refers to its code generator as long as it runs"},
    "kernels/filters/quadrature.py": {"steering": "constant weights, read-only"},
}


def mutable_names(tree: ast.Module) -> set[str]:
    """Return the names that a module binds at its top, to anything but a function, an import or a plain constant."""
    found = set[str]()
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        for target in targets:
            found |= {name.id for name in ast.walk(target) if isinstance(name, ast.Name)}
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
    return found


def _root(node: ast.expr) -> str:
    """Return the name that a subscript or an attribute belongs to, "" where there is none."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _written(node: ast.AST) -> list[ast.expr]:
    """Return the expressions whose object a statement or call changes."""
    if isinstance(node, ast.Assign | ast.Delete):
        return [target for target in node.targets if isinstance(target, ast.Subscript | ast.Attribute)]
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return [node.target] if isinstance(node.target, ast.Subscript | ast.Attribute) else []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
        return [node.func.value]
    return []


def _locals(function: ast.AST) -> set[str]:
    """Return the names that a function binds itself, which hide those of the module."""
    inside = list(ast.walk(function))
    stored = {node.id for node in inside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {node.arg for node in inside if isinstance(node, ast.arg)}


def changed_state(source: str) -> set[str]:
    """Return the module-level names whose object a function of the module changes, and those that `global` rebinds."""
    tree = ast.parse(source)
    names, found = mutable_names(tree), set[str]()
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
        hidden = _locals(function)
        for node in ast.walk(function):
            found |= {root for place in _written(node) if (root := _root(place)) in names - hidden}
            found |= set(node.names) if isinstance(node, ast.Global) else set()
    return found | _changing_objects(tree)


def _changing_objects(tree: ast.Module) -> set[str]:
    """Return the module-level objects of the module's own classes whose methods change them."""
    changing = {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for method in node.body
        if isinstance(method, ast.FunctionDef) and method.name != "__init__"
        for part in ast.walk(method)
        if any(_root(place) == "self" for place in _written(part))
    }
    return {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _root(node.value.func) in changing
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def made_once(source: str) -> set[str]:
    """Return the functions without parameters whose result is cached."""
    return {
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
        and any("cache" in ast.unparse(one) for one in node.decorator_list)
        and not (node.args.args or node.args.kwonlyargs)
    }


@pytest.mark.parametrize("path", LIBRARY, ids=str)
def test_a_module_holds_no_state(path: Path):
    found = changed_state((ROOT / path).read_text())
    assert found == REASONS.get(path.as_posix(), {}).keys(), "let an object or a context variable hold what changes"


@pytest.mark.parametrize("path", LIBRARY, ids=str)
def test_an_object_of_the_process_is_named(path: Path):
    assert made_once((ROOT / path).read_text()) == SINGLE.get(path.as_posix(), {}).keys()


@pytest.mark.parametrize(
    "source",
    [
        "a = [1]\ndef f(x):\n    a[0] = x",
        "a = {}\ndef f(x):\n    a.setdefault(x, 1)",
        "a = []\ndef f(x):\n    a[:] = [x]",
        "a: dict = {}\ndef f(x):\n    del a[x]",
        "a, b = [1], [2]\ndef f(x):\n    a[0] += x",
        "a = Holder()\ndef f(x):\n    a.value = x",
        "a = 1\ndef f(x):\n    global a\n    a = x",
        "class a:\n    value = 1\n    def f(self):\n        a.value = 2",
        "class A:\n    def f(self):\n        self.count += 1\na = A()",
        "a = {}\nclass B:\n    def f(self):\n        a['x'].append(1)",
    ],
)
def test_planted_state_is_found(source: str):
    assert changed_state(source) == {"a"}


@pytest.mark.parametrize(
    "source",
    [
        "a = [1]\ndef f(x):\n    return a[0] + x",
        "a = {}\nfor one in range(3):\n    a[one] = 1",
        "a = []\ndef f():\n    a = []\n    a.append(1)",
        "a = []\ndef f(a):\n    a.append(1)",
        "a = ContextVar('a')\ndef f(x):\n    a.set(x)",
        "class A:\n    def __init__(self):\n        self.count = 1\na = A()",
    ],
)
def test_what_is_no_state_is_let_be(source: str):
    assert not changed_state(source)


def test_a_planted_object_of_the_process_is_found():
    assert made_once("@lru_cache(maxsize=1)\ndef a():\n    return {}\n@cache\ndef b(x):\n    return x") == {"a"}
