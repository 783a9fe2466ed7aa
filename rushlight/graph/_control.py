"""Loops and decisions by values. Their bodies are described once; a program with one of them runs step by step."""
from rushlight import Tensor
from rushlight.graph._nodes import MISFIT, Node, constant, nodes_in


class _Body:
    """Nodes that are described apart from the program, to be run as often as the loop wants."""

    def __init__(self, function, arguments, graph, owner):
        start = len(graph.nodes)
        given = function(*arguments)
        self.nodes = graph.nodes[start:]
        del graph.nodes[start:]
        self.gives = list(given) if isinstance(given, tuple | list) else [given]
        for node in self.nodes:
            if node._finish is not None:
                raise ValueError(f"{owner}: {node} changes variables; expected functions without effects")
        for i, part in enumerate(self.gives):
            if not isinstance(part, Node):
                self.gives[i] = constant(part)
                self.nodes.append(graph.nodes.pop())
        own = {*self.nodes, *arguments}
        self.reads = [need for node in self.nodes for need in node._needs if need not in own]
        self.reads += [node for node in self.gives if node not in own]

    def __call__(self, values, program):
        for node in self.nodes:
            values[node] = node._run(values, program)
        return [values[node] for node in self.gives]


def _together(nodes):
    """The samples of a node whose value is the list of these."""
    trials = zip(*(node._samples for node in nodes), strict=True)
    return [MISFIT if any(sample is MISFIT for sample in trial) else list(trial) for trial in trials]


def _node(value):
    return value if isinstance(value, Node) else constant(value)


def while_loop(cond, body, loop_vars, name=None):
    """Nodes for what the loop variables are when `cond` first gives False.

    Args:
        cond (callable): from nodes of the loop variables to a node of one boolean.
        body (callable): from nodes of the loop variables to their next values, of the same dtypes and ranks.
        loop_vars (sequence): first values: nodes, tensors, lists or numbers.
        name (str, optional): the loop's.

    Returns:
        list of Node: one for each loop variable.

    Raises:
        ValueError: `body` gives another number of values, or another dtype, than it takes.

    Example:
        >>> import rushlight as rl
        >>> with rl.graph.Graph().as_default(), rl.graph.Session() as session:
        ...     n = rl.graph.placeholder(rl.int64, name="n")
        ...     i, total = rl.graph.while_loop(lambda i, s: i < n, lambda i, s: (i + 1, s + i), [0, 0])
        ...     session.run(total, {n: 5})
        tensor(10)
    """
    first = [_node(value) for value in loop_vars]
    graph = first[0].graph
    slots = [Node("loop_variable", node._samples) for node in first]
    del graph.nodes[-len(slots):]
    condition = _Body(cond, slots, graph, "while_loop")
    step = _Body(body, slots, graph, "while_loop")
    if len(step.gives) != len(slots):
        raise ValueError(f"while_loop: body gives {len(step.gives)} values for {len(slots)} loop variables")
    for i, (slot, new) in enumerate(zip(slots, step.gives, strict=True)):
        if new.dtype != slot.dtype:
            raise ValueError(f"while_loop: body gives {new.dtype} for loop variable {i}; expected {slot.dtype}")

    def run(values, program):
        values = dict(values)
        now = [values[node] for node in first]
        while True:
            values.update(zip(slots, now, strict=True))
            if not condition(values, program)[0]:
                return now
            now = step(values, program)
    needs = list(dict.fromkeys([*first, *condition.reads, *step.reads]))
    loop = Node("while_loop", _together(first), needs, run, name)
    loop.stepwise = True
    results = [loop[i] for i in range(len(first))]
    for result, new in zip(results, step.gives, strict=True):
        if result.shape != new.shape:
            result.shape = tuple(a if a == b else None for a, b in zip(result.shape, new.shape, strict=False))
    return results


def cond(pred, true_fn, false_fn, name=None):
    """What one of two functions gives, as a boolean tells when the program runs; the other is not computed.

    Args:
        pred (Node): one boolean.
        true_fn, false_fn (callable): without arguments; both give a node of the same dtype.
        name (str, optional): the decision's.

    Raises:
        ValueError: the functions give more than one value each, or other dtypes.

    Example:
        >>> import rushlight as rl
        >>> with rl.graph.Graph().as_default(), rl.graph.Session() as session:
        ...     x = rl.graph.placeholder(rl.float32, name="x")
        ...     y = rl.graph.cond(x > 0, lambda: x * 2, lambda: x - 1)
        ...     [float(session.run(y, {x: value})) for value in (3, -3)]
        [6.0, -4.0]
    """
    pred = _node(pred)
    bodies = [_Body(function, (), pred.graph, "cond") for function in (true_fn, false_fn)]
    for body in bodies:
        if len(body.gives) != 1 or not isinstance(body.gives[0].sample, Tensor):
            raise ValueError("cond: a function gives something else than one tensor; expected one node")
    yes, no = (body.gives[0] for body in bodies)
    if yes.dtype != no.dtype:
        raise ValueError(f"cond: true_fn gives {yes.dtype}, and false_fn {no.dtype}; expected the same dtype")

    def run(values, program):
        return bodies[0 if values[pred] else 1](dict(values), program)[0]
    needs = nodes_in([pred, bodies[0].reads, bodies[1].reads])
    node = Node("cond", yes._samples, needs, run, name)
    node.stepwise = True
    if yes.shape != no.shape:
        node.shape = (tuple(a if a == b else None for a, b in zip(yes.shape, no.shape, strict=True))
                      if len(yes.shape) == len(no.shape) else None)
    return node
