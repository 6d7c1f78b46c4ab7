"""Counts docstrings that do not open with a verb, and finds class names that are defined twice."""

import ast
from collections import Counter

import pytest
from claims.checkout import ROOT, modules

OPENINGS = frozenset(["What", "Whether", "Where", "Who", "Of", "How"])  # of clauses, and not of sentences
MOST_CLAUSES = 30  # in the whole tree, tests included
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def clauses(source: str) -> list[str]:
    """Return the first line of each docstring that opens with a word of OPENINGS."""
    docstrings = (ast.get_docstring(node) or "" for node in ast.walk(ast.parse(source)) if isinstance(node, DOCUMENTED))
    return [text.splitlines()[0] for text in docstrings if text and text.split()[0].strip(",.:;") in OPENINGS]


def classes(source: str) -> list[str]:
    """Return the name of each class that a module defines, at any depth."""
    return [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]


def test_docstrings_open_as_sentences():
    found = [f"{path}: {line}" for path in [*modules(), *TESTS] for line in clauses((ROOT / path).read_text())]
    assert len(found) <= MOST_CLAUSES, "\n".join(found)


def test_a_class_name_is_defined_once():
    homes = {path: classes((ROOT / path).read_text()) for path in modules()}
    count = Counter(name for names in homes.values() for name in names)
    twice = {name: [str(path) for path in homes if name in homes[path]] for name, times in count.items() if times > 1}
    assert not twice, "give each class a name of its own"


@pytest.mark.parametrize("word", sorted(OPENINGS))
def test_a_planted_clause_is_found(word):
    source = f'"""Return it."""\ndef f():\n    """{word}, and more."""\nclass A:\n    """Holds {word}."""\n'
    assert clauses(source) == [f"{word}, and more."]


def test_planted_classes_are_found():
    assert sorted(classes("class A:\n    class B: ...\ndef f():\n    class A: ...\n")) == ["A", "A", "B"]
