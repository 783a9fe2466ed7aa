"""Scripted classes: what they may hold is checked when they are defined."""
import ast

from rushlight.jit._script_source import Source
from rushlight.jit.frontend import FrontendError, NotSupportedError


def check_class(cls):
    """Marks a class as scripted.

    Raises:
        FrontendError: it inherits, its body holds more than methods, or a method sets an attribute that __init__ does
            not.
    """
    source = Source(cls)
    definition = next(node for node in ast.walk(ast.parse(source.text)) if isinstance(node, ast.ClassDef))

    def fail(node, message, kind=FrontendError):
        raise kind(source.told(f"script: class {cls.__name__}: {message}", node))
    if cls.__bases__ != (object,):
        fail(definition, f"it inherits from {cls.__bases__[0].__name__}; expected a class without bases",
             NotSupportedError)
    methods = [node for node in definition.body if isinstance(node, ast.FunctionDef)]
    for node in definition.body:
        plain = isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        declares = isinstance(node, ast.AnnAssign) and node.value is None
        if not (isinstance(node, ast.FunctionDef) or plain or declares):
            fail(node, "its body holds more than methods; expected attributes to be set in __init__", NotSupportedError)
    first = next((m for m in methods if m.name == "__init__"), None)
    known = set() if first is None else {name for name, _ in _set_on_self(first)}
    known |= {node.target.id for node in definition.body if isinstance(node, ast.AnnAssign)}
    for method in methods:
        for name, node in _set_on_self(method):
            if name not in known and not isinstance(getattr(cls, name, None), property):
                fail(node, f"attribute '{name}' is set in {method.name} and not in __init__; expected all attributes "
                           "to "
                           "be set in __init__")
        _check_arguments(method, fail)
    if first is None:
        cls.__init__ = _no_init
    cls.__rushlight_script_class__ = {}
    return cls


def _no_init(self):
    pass


def _set_on_self(method):
    """The attributes that a method assigns of its first argument."""
    if not method.args.args or any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in method.decorator_list):
        return
    owner = method.args.args[0].arg
    for node in ast.walk(method):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and (
                isinstance(node.value, ast.Name) and node.value.id == owner):
            yield node.attr, node


def _check_arguments(method, fail):
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in method.decorator_list)
    if not static and not method.args.args:
        fail(method, f"{method.name} takes no self; expected it as the first argument")
