"""Define-then-run: a program is described first and run afterwards, by sessions, with named feeds and fetches.

Placeholders stand for what each run is fed, variables for what a session keeps. Every function of `rushlight` and of
`rushlight.nn.functional` is here under its own name and takes nodes in place of tensors; nodes have the methods and
operators of tensors. What a session runs is captured as a graph of the one kind that Rushlight has (`jit`, `.rush`
files). This is how TensorFlow 1 was programmed. Graphs, sessions, variables and control flow have its names, operators
Rushlight's: `mean` for `reduce_mean`; a step of training is `minimize(loss, rushlight.optim.SGD, lr=0.1)`.

Example:
    >>> import rushlight as rl
    >>> from rushlight import graph
    >>> with graph.Graph().as_default():
    ...     x = graph.placeholder(rl.float32, [None], name="x")
    ...     w = graph.variable([0.3], name="w")
    ...     b = graph.variable([-0.3], name="b")
    ...     y = w * x + b
    ...     with graph.Session() as session:
    ...         session.run(graph.global_variables_initializer())
    ...         session.run(y, {x: [1, 2, 3, 4]})
    tensor([0.0000, 0.3000, 0.6000, 0.9000])
"""
import rushlight
from rushlight.graph._control import cond, while_loop
from rushlight.graph._nodes import (
    Graph, Node, Variable, assign, constant, get_default_graph, global_variables_initializer, group, minimize,
    placeholder, recorded, reset_default_graph, variable, variables_initializer,
)
from rushlight.graph._session import Saver, Session

__all__ = ["Graph", "Node", "Saver", "Session", "Variable", "assign", "cond", "constant", "get_default_graph",
           "global_variables_initializer", "group", "minimize", "placeholder", "reset_default_graph", "variable",
           "variables_initializer", "while_loop"]


def __getattr__(name):
    for place in (rushlight, rushlight.nn.functional):
        found = None if name.startswith("_") else getattr(place, name, None)
        if callable(found) and not isinstance(found, type):
            globals()[name] = recorded(found, name)
            return globals()[name]
    raise AttributeError(f"module 'rushlight.graph' has no attribute {name!r}")
