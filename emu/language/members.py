"""What each value of a vocabulary means: the string that follows the member in its class."""

from __future__ import annotations

import ast
import enum
import inspect
import textwrap
from functools import cache
from itertools import pairwise


@cache
def meanings(vocabulary: type[enum.Enum]) -> dict[str, str]:
    """Every value of a vocabulary and what it means, in the order of the class; line breaks are spaces."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(vocabulary))).body
    assert isinstance(tree, ast.ClassDef)
    out: dict[str, str] = {}
    for member, text in pairwise(tree.body):
        match member, text:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                out[str(vocabulary[name].value)] = " ".join(meaning.split())
    return out
