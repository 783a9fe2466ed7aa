"""Nodes of programs that are described before they run, and the graphs that hold them."""
import functools
import operator
import threading
from contextlib import contextmanager

import numpy

import rushlight
from rushlight import Tensor

#: What an unknown size is tried with while a program is described: sizes that come out different are unknown too.
_TRIALS = (2, 3, 1)
#: In place of a value: a size that does not fit, as 2 does not where the program adds three numbers.
MISFIT = object()


class Graph:
    """A program that is being described: its nodes in the order in which they were made.

    Attributes:
        nodes (list of Node): all of them; each comes after those that it needs.

    Example:
        >>> import rushlight as rl
        >>> program = rl.graph.Graph()
        >>> with program.as_default():
        ...     node = rl.graph.constant([1., 2.], name="numbers") * 2
        >>> program.nodes
        [<constant 'numbers' (2,) float32>, <mul 'mul' (2,) float32>]
    """

    def __init__(self):
        self.nodes = []
        self._by_name = {}

    @contextmanager
    def as_default(self):
        """Nodes that are made in the `with` block belong to this graph."""
        local.graphs.append(self)
        try:
            yield self
        finally:
            local.graphs.remove(self)

    @property
    def variables(self):
        """The variables, in the order in which they were made."""
        return [node for node in self.nodes if isinstance(node, Variable)]

    def get(self, name):
        """The node of this name.

        Args:
            name (str): as it was given, or as the node prints it.

        Raises:
            KeyError: there is none.
        """
        if name not in self._by_name:
            raise KeyError(f"Graph: there is no node called {name!r}; expected one of {sorted(self._by_name)}")
        return self._by_name[name]

    def _add(self, node, name):
        if name in self._by_name:
            raise ValueError(f"{node.kind}: name={name!r} is taken by {self._by_name[name]}; expected a new name")
        if name is None:
            name, count = node.kind, 0
            while name in self._by_name:
                count += 1
                name = f"{node.kind}_{count}"
        self._by_name[name] = node
        self.nodes.append(node)
        return name


class _Local(threading.local):
    def __init__(self):
        self.graphs = [Graph()]
        self.sessions = []


local = _Local()


def get_default_graph():
    """The graph that new nodes of this thread belong to.

    Example:
        >>> program = rushlight.graph.Graph()
        >>> with program.as_default():
        ...     rushlight.graph.get_default_graph() is program
        True
    """
    return local.graphs[-1]


def reset_default_graph():
    """Starts anew: the thread's default graph is an empty one.

    Raises:
        RuntimeError: within `Graph.as_default()`.

    Example:
        >>> rushlight.graph.reset_default_graph()
        >>> rushlight.graph.get_default_graph().nodes
        []
    """
    if len(local.graphs) > 1:
        raise RuntimeError("reset_default_graph: a graph is the default within a with block; expected to be outside")
    local.graphs[:] = [Graph()]


class Node:
    """A value that is known when the program runs: what a function gives for other nodes.

    It has the methods, attributes and operators of tensors; each makes a new node.

    Attributes:
        name (str): unique in its graph.
        kind (str): the function's name.
        shape: sizes, None where only the feeds tell; None of what is no tensor.
        dtype: of tensors; None of others.
        graph (Graph): where it belongs.

    Example:
        >>> from rushlight import graph
        >>> with graph.Graph().as_default():
        ...     x = graph.placeholder(rushlight.float32, [None, 3], name="x")
        ...     y = (x * 2).sum(1)
        ...     y.kind, y.shape, y.dtype
        ('sum', (None,), rushlight.float32)
    """

    __array_priority__ = 1000            # NumPy's arrays leave operators to us
    stepwise = False                     # a loop or decision: its program is not captured

    def __init__(self, kind, samples, needs=(), run=None, name=None):
        self.kind = kind
        self.graph = get_default_graph()
        for other in needs:
            if other.graph is not self.graph:
                raise ValueError(f"{kind}: {other} belongs to another graph; expected nodes of the default graph")
        self._needs = list(needs)
        self._run = run                  # from the values of `needs` and the session's program to the node's value
        self._samples = samples          # one for each trial
        self._finish = None              # what it does with its value and the program when the run ends
        fitting = [sample for sample in samples if sample is not MISFIT]
        self.sample = first = fitting[0]
        self.dtype = first.dtype if isinstance(first, Tensor) else None
        self.shape = _common_shape(fitting) if self.dtype is not None else None
        self.name = self.graph._add(self, name)

    def __repr__(self):
        text = f"<{self.kind} {self.name!r}"
        if self.dtype is not None:
            text += f" ({', '.join(map(str, self.shape))}{',' * (len(self.shape) == 1)}) {str(self.dtype)[10:]}"
        return text + ">"

    def eval(self, feed_dict=None, session=None):
        """The value, as `session.run` gives it; `session` is the thread's default where it is left out.

        Raises:
            RuntimeError: there is no session.
        """
        session = session or (local.sessions[-1] if local.sessions else None)
        if session is None:
            raise RuntimeError(f"eval: {self} has no session to run in; expected session=, or a with block of one")
        return session.run(self, feed_dict)

    run = eval

    def __getattr__(self, name):
        if name.startswith("_") or not hasattr(Tensor, name):
            raise AttributeError(f"Node has no attribute {name!r}")
        if name.endswith("_"):
            raise AttributeError(f"{name}: {self} is a value of a program; expected the form without underscore, or "
                                 "assign() of a variable")
        if callable(getattr(Tensor, name)):
            return functools.partial(record, getattr(Tensor, name), name, self)
        return record(lambda value: getattr(value, name), name, self)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        own = f"rushlight.graph.{func.__name__}"
        own = own if hasattr(rushlight.graph, func.__name__) else "a function of rushlight.graph"
        raise TypeError(f"{func.__name__}: {self} has a value only when a session runs; expected {own}, and variables "
                        "for weights")

    def __bool__(self):
        raise TypeError(f"bool: the value of {self} is known only when the program runs; expected where() or a "
                        "decision outside of the program")

    def _no_number(self, *ignored, **options):
        raise TypeError(f"{self} has a value only when the program runs; expected session.run() of it, or its eval()")

    __float__ = __int__ = __index__ = __complex__ = __array__ = _no_number

    def __len__(self):
        count = len(self.sample) if isinstance(self.sample, tuple | list) else (self.shape or [None])[0]
        if count is None:
            raise TypeError(f"len: how many parts {self} has is known only when the program runs")
        return count

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    __hash__ = object.__hash__


_REFLECTED = "add sub mul truediv floordiv mod pow matmul and or xor".split()


def _give_operator(name, function, reflected):
    setattr(Node, f"__{name}__", lambda self, *others: record(function, name, self, *others))
    if reflected:
        setattr(Node, f"__r{name}__", lambda self, other: record(function, name, other, self))


for _name in "add sub mul truediv floordiv mod pow matmul and or xor lt le gt ge eq ne neg abs invert getitem".split():
    _give_operator(_name, getattr(operator, f"__{_name}__"), reflected=_name in _REFLECTED)


def _common_shape(samples):
    shapes = [tuple(sample.shape) for sample in samples]
    if len({len(shape) for shape in shapes}) > 1:
        return None
    return tuple(sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*shapes, strict=True))


def _substituted(tree, values):
    """`tree` with a value in place of each node."""
    if isinstance(tree, Node):
        return values[tree]
    if isinstance(tree, list | tuple):
        return type(tree)(_substituted(part, values) for part in tree)
    if isinstance(tree, dict):
        return {key: _substituted(part, values) for key, part in tree.items()}
    if isinstance(tree, slice):
        return slice(*(_substituted(part, values) for part in (tree.start, tree.stop, tree.step)))
    return tree


def nodes_in(tree):
    """The nodes of a structure, each once."""
    if isinstance(tree, Node):
        return [tree]
    parts = tree if isinstance(tree, list | tuple) else tree.values() if isinstance(tree, dict) else (
        (tree.start, tree.stop, tree.step) if isinstance(tree, slice) else ())
    return list(dict.fromkeys(node for part in parts for node in nodes_in(part)))


def record(function, kind, *args, name=None, **kwargs):
    """A node for `function(*args, **kwargs)`. It is tried at once, so that errors come where they are made."""
    needs = nodes_in([args, kwargs])

    def run(values, program):
        return function(*_substituted(args, values), **_substituted(kwargs, values))
    stream = rushlight.get_rng_state()
    try:
        with rushlight.no_grad():
            samples, errors = zip(*(_tried(run, needs, i) for i in range(len(_TRIALS))), strict=True)
    finally:
        rushlight.set_rng_state(stream)
    if all(sample is MISFIT for sample in samples):
        raise next((error for error in errors if error is not None),
                   ValueError(f"{kind}: {needs} want different sizes; expected nodes that can be computed together"))
    return Node(kind, samples, needs, run, name)


def _tried(run, needs, trial):
    """A node's value in one trial, and why there is none."""
    given = {node: node._samples[trial] for node in needs}
    if any(sample is MISFIT for sample in given.values()):
        return MISFIT, None
    try:
        return run(given, None), None
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        return MISFIT, error


def recorded(function, kind):
    """The function for nodes: it gives a node for what `function` gives."""
    @functools.wraps(function)
    def describe(*args, name=None, **kwargs):
        return record(function, kind, *args, name=name, **kwargs)
    return describe


# ---- what programs are made of --------------------------------------------------------------------------------------

def _dtype_of(kind, dtype):
    """The dtype that is meant: NumPy's, Python's types and names mean theirs, as in TensorFlow's programs."""
    if isinstance(dtype, rushlight.dtype):
        return dtype
    found = getattr(rushlight, dtype, None) if isinstance(dtype, str) else None
    if found is None and dtype is not None:
        try:
            found = getattr(rushlight, numpy.dtype(dtype).name, None)
        except TypeError:
            pass
    if not isinstance(found, rushlight.dtype):
        raise TypeError(f"{kind}: dtype={dtype!r} is a {type(dtype).__name__}; expected a dtype, one of NumPy's, or "
                        "its name, such as rushlight.float32 or 'float32'")
    return found


class Placeholder(Node):
    """What each run is fed."""


def placeholder(dtype, shape=None, name=None):
    """A tensor that each run is fed.

    Args:
        dtype (dtype): of the tensor; also one of NumPy's, or a name.
        shape (sequence of int or None): its sizes; None where each run may bring another size. Default: a scalar.
        name (str, optional): by which runs may feed it.

    Raises:
        TypeError: `dtype` means no dtype.
        ValueError: a size is negative, or the name is taken.

    Example:
        >>> import rushlight as rl
        >>> with rl.graph.Graph().as_default():
        ...     rl.graph.placeholder(rl.float32, [None, 784], name="images")
        <placeholder 'images' (None, 784) float32>
    """
    dtype, shape = _dtype_of("placeholder", dtype), tuple(shape or ())
    if any(size is not None and size < 0 for size in shape):
        raise ValueError(f"placeholder: shape={shape} has a negative size; expected sizes from 0, or None")
    stream = rushlight.Generator().manual_seed(0)
    samples = []
    for trial in _TRIALS:
        sizes = [trial if size is None else size for size in shape]
        floating = dtype.is_floating_point or dtype.is_complex
        samples.append((rushlight.rand(sizes, generator=stream) + 0.5).to(dtype) if floating
                       else rushlight.zeros(sizes, dtype=dtype))
    node = Placeholder("placeholder", samples, name=name)
    node.shape = shape
    return node


def constant(value, dtype=None, name=None):
    """A tensor that is the same in every run.

    Args:
        value: a number, list, array or tensor.
        dtype (dtype, optional): of the tensor. Default: the value's.
        name (str, optional): the node's.

    Example:
        >>> import rushlight as rl
        >>> with rl.graph.Graph().as_default():
        ...     rl.graph.constant([[1., 2.]])
        <constant 'constant' (1, 2) float32>
    """
    dtype = None if dtype is None else _dtype_of("constant", dtype)
    tensor = rushlight.as_tensor(value, dtype=dtype).detach().clone()
    return Node("constant", [tensor] * len(_TRIALS), (), lambda values, program: tensor, name)


class Variable(Node):
    """A tensor that sessions keep, each its own: what `variable` gives.

    Attributes:
        trainable (bool): whether `minimize` changes it where it is given no variables.
        initializer (Node): running it gives the variable its first value.

    Example:
        >>> from rushlight import graph
        >>> with graph.Graph().as_default(), graph.Session() as session:
        ...     count = graph.variable(1.0)
        ...     session.run(count.initializer)
        ...     session.run(graph.assign(count, count + 1))
        tensor(2.)
    """

    def __init__(self, initial_value, trainable=True, name=None, dtype=None):
        dtype = None if dtype is None else _dtype_of("variable", dtype)
        if callable(initial_value):
            self._initial = initial_value if dtype is None else lambda: initial_value().to(dtype)
        else:
            self._initial = rushlight.as_tensor(initial_value, dtype=dtype).detach().clone()
        stream = rushlight.get_rng_state()
        sample = self._first_value()
        rushlight.set_rng_state(stream)
        super().__init__("variable", [sample] * len(_TRIALS), (), lambda values, program: program.value_of(self), name)
        self.trainable = trainable and sample.dtype.is_floating_point

    def _first_value(self):
        value = self._initial() if callable(self._initial) else self._initial
        return value.detach().clone()

    @property
    def initializer(self):
        return variables_initializer([self])


def variable(initial_value, dtype=None, name=None, trainable=True):
    """A tensor that each session keeps from run to run.

    Args:
        initial_value: a number, list, array or tensor; or a function that gives a tensor each time that a session
            starts it.
        dtype (dtype, optional): of the tensor. Default: the value's.
        name (str, optional): under which it is saved.
        trainable (bool): whether `minimize` changes it unless told otherwise. Default: True.

    Example:
        >>> import rushlight as rl
        >>> with rl.graph.Graph().as_default():
        ...     rl.graph.variable(lambda: rl.randn(2, 5), name="weights")
        <variable 'weights' (2, 5) float32>
    """
    return Variable(initial_value, trainable, name, dtype)


class Effect(Node):
    """What a run does at its end, when all values are known: it changes variables. It has no value to fetch."""

    def __init__(self, kind, needs=(), run=lambda values, program: None, finish=None, name=None):
        super().__init__(kind, [None] * len(_TRIALS), needs, run, name)
        self._finish = finish


class Initializer(Effect):
    """Gives variables their first values; sessions do it before anything else in a run."""

    def __init__(self, variables, name):
        super().__init__("initializer", name=name)
        self.variables = variables


def variables_initializer(var_list, name=None):
    """A node that gives these variables their first values in the session that runs it.

    Args:
        var_list (sequence of Variable): which.
        name (str, optional): the node's.

    Raises:
        TypeError: `var_list` holds something else.

    Example:
        >>> import rushlight as rl
        >>> with rl.graph.Graph().as_default(), rl.graph.Session() as session:
        ...     v = rl.graph.variable(3)
        ...     session.run(rl.graph.variables_initializer([v]))
        ...     session.run(v)
        tensor(3)
    """
    for v in var_list:
        if not isinstance(v, Variable):
            raise TypeError(f"variables_initializer: var_list holds {v!r}; expected variables")
    return Initializer(list(var_list), name)


def global_variables_initializer():
    """A node that gives all variables of the default graph their first values in the session that runs it.

    Example:
        >>> import rushlight as rl
        >>> with rl.graph.Graph().as_default(), rl.graph.Session() as session:
        ...     v, w = rl.graph.variable(3), rl.graph.variable(4)
        ...     session.run(rl.graph.global_variables_initializer())
        ...     session.run(v + w)
        tensor(7)
    """
    return variables_initializer(get_default_graph().variables)


def assign(ref, value, name=None):
    """A node that gives a variable a new value when a run ends, and has this value.

    In one run every node reads the variables as they were before it.

    Args:
        ref (Variable): the variable.
        value: a node, or what makes a tensor.
        name (str, optional): the node's.

    Raises:
        TypeError: `ref` is no variable.
        RuntimeError: the value does not fit its shape.

    Example:
        >>> import rushlight as rl
        >>> with rl.graph.Graph().as_default(), rl.graph.Session() as session:
        ...     step = rl.graph.variable(0, name="step")
        ...     session.run(step.initializer)
        ...     advance = rl.graph.assign(step, step + 1)
        ...     [int(session.run(advance)) for _ in range(3)]
        [1, 2, 3]
    """
    if not isinstance(ref, Variable):
        raise TypeError(f"assign: ref is {ref!r}; expected a variable")
    value = value if isinstance(value, Node) else constant(value, ref.dtype)
    ref.sample.clone().copy_(value.sample)
    new = Node("assign", value._samples, [value], lambda values, program: values[value], name)
    new._finish = lambda result, program: program.value_of(ref).detach().copy_(result.detach())
    return new


def group(*inputs, name=None):
    """A node that runs others, and has no value.

    Args:
        *inputs (Node): what it runs.
        name (str, optional): the node's.

    Example:
        >>> import rushlight as rl
        >>> with rl.graph.Graph().as_default(), rl.graph.Session() as session:
        ...     v, w = rl.graph.variable(0), rl.graph.variable(0)
        ...     session.run(rl.graph.global_variables_initializer())
        ...     session.run(rl.graph.group(rl.graph.assign(v, 1), rl.graph.assign(w, 2)))
        ...     session.run([v, w])
        [tensor(1), tensor(2)]
    """
    return Effect("group", nodes_in(inputs), name=name)


def minimize(loss, optimizer, var_list=None, name=None, **options):
    """A node that takes one step of an optimizer; each session has an optimizer of its own.

    What is fetched in the same run has the values from before the step.

    Args:
        loss (Node): a tensor of one element.
        optimizer (type): a class of `rushlight.optim`.
        var_list (sequence of Variable, optional): what it changes. Default: every trainable variable.
        name (str, optional): the node's.
        **options: of the optimizer, for instance `lr`.

    Raises:
        ValueError: there is nothing to change, or the loss has more than one element.
        TypeError: `var_list` holds something else than variables.

    Example:
        >>> import rushlight as rl
        >>> with rl.graph.Graph().as_default(), rl.graph.Session() as session:
        ...     w = rl.graph.variable(0.0)
        ...     step = rl.graph.minimize((w - 3) ** 2, rl.optim.SGD, lr=0.1)
        ...     session.run(rl.graph.global_variables_initializer())
        ...     for _ in range(100):
        ...         session.run(step)
        ...     print(round(float(session.run(w)), 3))
        3.0
    """
    if not isinstance(loss, Node) or not isinstance(loss.sample, Tensor) or loss.sample.numel() != 1:
        raise ValueError(f"minimize: loss is {loss!r}; expected a node of one element")
    graph = loss.graph
    variables = list(var_list) if var_list is not None else [v for v in graph.variables if v.trainable]
    if not all(isinstance(v, Variable) for v in variables):
        raise TypeError("minimize: var_list holds something else than variables")
    if not variables:
        raise ValueError("minimize: there is no trainable variable; expected at least one")

    def gradients(values, program):
        return rushlight.autograd.grad(values[loss], [program.value_of(v) for v in variables], retain_graph=True,
                                       allow_unused=True)

    def step(grads, program):
        parameters = [program.value_of(v) for v in variables]
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = grad
        program.optimizer(node, parameters).step()
        for parameter in parameters:
            parameter.grad = None
    node = Effect("minimize", [loss, *variables], gradients, step, name)
    node.make_optimizer = functools.partial(optimizer, **options)
    return node
