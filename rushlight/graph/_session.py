"""Sessions: they keep the values of variables, and run nodes."""
import rushlight
from rushlight import Tensor
from rushlight.graph._nodes import (
    Effect,
    Initializer,
    Node,
    Placeholder,
    Variable,
    get_default_graph,
    local,
    nodes_in,
)
from rushlight.nn import Module, Parameter


def _memory(node):
    sample = node.sample
    return sample.untyped_storage().data_ptr() if isinstance(sample, Tensor) else None


class _Program(Module):
    """The nodes that some fetches need, as a function of what they are fed."""

    def __init__(self, session, fetches, feeds):
        super().__init__()
        self._session = session
        self._fetches = fetches
        self._feeds = feeds
        wanted, stack = set(), [*fetches]
        while stack:
            node = stack.pop()
            if node not in wanted:
                wanted.add(node)
                stack += [] if node in feeds else node._needs
        self.nodes = [node for node in session.graph.nodes if node in wanted and node not in feeds]
        self.variables = [node for node in self.nodes if isinstance(node, Variable)]
        self.trains = any(node.kind == "minimize" for node in self.nodes)
        memory = {_memory(node) for node in self.variables}
        self._views = {node for node in fetches if _memory(node) in memory}      # variables, and what shares with them
        for node in self.variables:
            value = session._value_of(node)
            holder = self.register_parameter if isinstance(value, Parameter) else self.register_buffer
            holder(node.name.replace(".", "_"), value)

    def forward(self, *fed):
        values = dict(zip(self._feeds, fed, strict=True))
        for node in self.nodes:
            values[node] = node._run(values, self)
        given = [values[node].clone() if node in self._views else values[node] for node in self._fetches
                 if not isinstance(node, Effect)]
        for node in self.nodes:
            if node._finish is not None:
                node._finish(values[node], self)
        return given

    def value_of(self, node):
        return self._session._values[node]

    def optimizer(self, node, parameters):
        return self._session._optimizer(node, parameters)


class Session:
    """Runs nodes of a graph, and keeps the values of its variables from run to run.

    Args:
        graph (Graph, optional): whose nodes it runs. Default: the default graph.

    Example:
        >>> import rushlight as rl
        >>> with rl.graph.Graph().as_default(), rl.graph.Session() as session:
        ...     x = rl.graph.placeholder(rl.float32, [None, 2], name="x")
        ...     total = x.sum(1)
        ...     session.run({"total": total, "twice": x * 2}, {"x": [[1, 2]]})
        {'total': tensor([3.]), 'twice': tensor([[2., 4.]])}
    """

    def __init__(self, graph=None):
        self.graph = graph or get_default_graph()
        self._values = {}
        self._optimizers = {}
        self._programs = {}
        self._is_closed = False

    def __enter__(self):
        local.sessions.append(self)
        return self

    def __exit__(self, *error):
        local.sessions.remove(self)

    def close(self):
        """Gives back the memory of the variables' values and of the programs; the session runs nothing more."""
        self._values, self._optimizers, self._programs = {}, {}, {}
        self._is_closed = True

    def _expect_open(self, what):
        if self._is_closed:
            raise RuntimeError(f"{what}: the session is closed; expected one that is open, such as a new Session()")

    def run(self, fetches, feed_dict=None):
        """What the nodes come to.

        Args:
            fetches: a node or its name, or a list, tuple or dict of them.
            feed_dict (dict, optional): tensors, arrays, lists or numbers by placeholder or name. Any node may be fed;
                it is not computed then.

        Returns:
            tensors in the structure of `fetches`; None for nodes without a value.

        Raises:
            KeyError: a name is no node's.
            TypeError: something else than a node is fetched or fed, or what is fed can't become the node's dtype.
            ValueError: a placeholder is not fed, what is fed does not fit, or a node is of another graph.
            RuntimeError: a variable has no value yet, or the session is closed.
        """
        self._expect_open("run")
        if not isinstance(feed_dict, dict | None):
            raise TypeError(f"run: feed_dict is a {type(feed_dict).__name__}; expected a dict from nodes or names to "
                            "what they are fed")
        feeds = {self._node(key, "feed_dict"): value for key, value in (feed_dict or {}).items()}
        feeds = {node: _fitting(node, value) for node, value in feeds.items()}
        wanted = self._resolved(fetches)
        flat = nodes_in(wanted)
        for node in flat:
            if isinstance(node, Initializer):
                self._initialize(node.variables)
        key = (tuple(flat), tuple(feeds))
        if key not in self._programs:
            self._programs[key] = self._build(flat, feeds)
        program, compiled = self._programs[key]
        with rushlight.set_grad_enabled(program.trains):
            results = compiled(*feeds.values())
        given = [node for node in flat if not isinstance(node, Effect)]
        plain = [r.detach() if isinstance(r, Tensor) else r for r in results]
        return _rebuilt(wanted, dict(zip(given, plain, strict=True)))

    def graphs(self, fetches, feed_dict=None):
        """The captured graphs of runs with these fetches and feeds; printing one shows its text. None of a program with
        loops or decisions, which runs step by step.

        Args:
            fetches, feed_dict: as of `run`; of the feeds only the keys count.
        """
        key = (tuple(nodes_in(self._resolved(fetches))), tuple(self._node(k, "feed_dict") for k in feed_dict or ()))
        return getattr(self._programs[key][1], "graphs", []) if key in self._programs else []

    # ---- programs ---------------------------------------------------------------------------------------------------

    def _node(self, key, argument):
        node = self.graph.get(key) if isinstance(key, str) else key
        if not isinstance(node, Node):
            raise TypeError(f"run: {argument} holds {key!r}; expected nodes or their names")
        if node.graph is not self.graph:
            raise ValueError(f"run: {argument} holds {node}, which belongs to another graph than the session")
        return node

    def _resolved(self, fetches):
        if isinstance(fetches, list | tuple):
            return type(fetches)(self._resolved(part) for part in fetches)
        if isinstance(fetches, dict):
            return {name: self._resolved(part) for name, part in fetches.items()}
        return self._node(fetches, "fetches")

    def _build(self, fetches, feeds):
        program = _Program(self, fetches, dict.fromkeys(feeds))
        for node in program.nodes:
            if isinstance(node, Placeholder):
                raise ValueError(f"run: {node} is not fed; expected a value for {node.name!r} in feed_dict")
        stepwise = any(node.stepwise for node in program.nodes)
        return program, rushlight.compile(program, disable=stepwise)

    # ---- variables --------------------------------------------------------------------------------------------------

    def _initialize(self, variables):
        for node in variables:
            self._give(node, node._first_value())

    def _give(self, node, value):
        if node in self._values:
            self._values[node].detach().copy_(value)
        else:
            self._values[node] = Parameter(value) if node.trainable else value

    def _value_of(self, node):
        if node not in self._values:
            raise RuntimeError(f"run: {node} has no value in this session; expected its initializer to be run, or "
                               "Saver.restore, first")
        return self._values[node]

    def _optimizer(self, node, parameters):
        if node not in self._optimizers:
            self._optimizers[node] = node.make_optimizer(parameters)
        return self._optimizers[node]


def _fitting(node, value):
    """What is fed, as a tensor of the node's dtype."""
    if isinstance(value, Node):
        raise TypeError(f"run: {node} is fed with {value}; expected a tensor, array, list or number")
    try:
        tensor = rushlight.as_tensor(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise type(error)(f"run: {node} is fed with a {type(value).__name__} that makes no tensor: {error}") from None
    if node.dtype is None:
        raise TypeError(f"run: {node} is no tensor; it can't be fed")
    if not rushlight.can_cast(tensor.dtype, node.dtype):
        raise TypeError(f"run: {node} is fed with {tensor.dtype}; expected {node.dtype} or what it can hold")
    fits = len(tensor.shape) == len(node.shape) and all(
        want in (None, got) for want, got in zip(node.shape, tensor.shape, strict=True))
    if not fits:
        raise ValueError(f"run: {node} is fed with a tensor of shape {tuple(tensor.shape)}; expected {node.shape}")
    return tensor.to(node.dtype).detach()


def _rebuilt(wanted, values):
    if isinstance(wanted, list | tuple):
        return type(wanted)(_rebuilt(part, values) for part in wanted)
    if isinstance(wanted, dict):
        return {name: _rebuilt(part, values) for name, part in wanted.items()}
    return values.get(wanted)


class Saver:
    """Saves variables of a session to a file, and restores them.

    Args:
        var_list (sequence of Variable, or dict, optional): which; a dict gives them other names in the file. Default:
            every variable of the default graph.

    Example:
        >>> import io
        >>> import rushlight as rl
        >>> with rl.graph.Graph().as_default(), rl.graph.Session() as session:
        ...     w = rl.graph.variable([0.3], name="w")
        ...     session.run(w.initializer)
        ...     file = io.BytesIO()
        ...     _ = rl.graph.Saver({"weights": w}).save(session, file)
        >>> rl.load(io.BytesIO(file.getvalue()))
        {'weights': tensor([0.3000])}
    """

    def __init__(self, var_list=None):
        chosen = get_default_graph().variables if var_list is None else var_list
        self._variables = dict(chosen) if isinstance(chosen, dict) else {v.name: v for v in chosen}
        for name, v in self._variables.items():
            if not isinstance(v, Variable):
                raise TypeError(f"Saver: var_list holds {v!r} as {name!r}; expected variables")
        if not self._variables:
            raise ValueError("Saver: there are no variables to save")

    def save(self, session, save_path):
        """Writes the variables' values as `rushlight.save` writes a dict of tensors; returns the path.

        Args:
            session (Session): whose values.
            save_path (str, path or file): where to.

        Raises:
            RuntimeError: a variable has no value yet, or the session is closed.
        """
        session._expect_open("save")
        rushlight.save({name: session._value_of(v).detach() for name, v in self._variables.items()}, save_path)
        return save_path

    def restore(self, session, save_path):
        """Gives the variables the values of a file; nothing changes where one of them is missing or does not fit.

        Args:
            session (Session): whose variables.
            save_path (str, path or file): a file of `save`, or of `rushlight.save`.

        Raises:
            KeyError: the file has no tensor of that name.
            ValueError: a tensor has another shape than its variable.
            RuntimeError: the session is closed.
        """
        session._expect_open("restore")
        saved = rushlight.load(save_path)
        for name, v in self._variables.items():
            if name not in saved:
                raise KeyError(f"restore: the file has no {name!r}; it has {sorted(saved)}")
            if tuple(saved[name].shape) != v.shape:
                raise ValueError(f"restore: {name!r} has shape {tuple(saved[name].shape)}; expected {v.shape}")
        for name, v in self._variables.items():
            session._give(v, saved[name].to(v.dtype))
