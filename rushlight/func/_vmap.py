"""`vmap`: a function of samples applied along a dimension."""
import contextlib
import functools

from rushlight.func._tree import broadcast, flatten
from rushlight.functional._core import Tensor, core
from rushlight.random import _going_on, get_rng_state, initial_seed, set_rng_state


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None):
    """A function that applies `func` to each sample along a dimension of its arguments and stacks the results.

    `func` is called once for each sample, with views of it, so that whatever it does (values in conditions, `item()`,
    changes in place, derivatives, other `vmap`s) means what it means for a single sample.

    Args:
        func (callable): of trees of tensors, to one.
        in_dims (int, None or tree of them): the dimension of each argument; None hands it to every call. Default: 0.
        out_dims (int, None or tree of them): where the new dimension of the results stands; None for what is the same
            for all samples. Default: 0.
        randomness (str): "error" refuses random numbers of the default generator, "different" draws for each sample,
            "same" draws the same for all. What `func` seeds, it seeds once for all samples. Default: "error".
        chunk_size (int): accepted: one sample is computed at a time. Default: None.

    Returns:
        A function. Keyword arguments are mapped along dimension 0.

    Raises:
        ValueError: in_dims, out_dims, randomness or chunk_size that do not fit; results that are no tensors.
        RuntimeError: random numbers under randomness="error".

    Example:
        >>> rushlight.vmap(rushlight.dot)(rushlight.ones(2, 3), rushlight.ones(2, 3))
        tensor([3., 3.])
    """
    if randomness not in ("error", "different", "same"):
        raise ValueError(f"vmap: randomness={randomness!r}; expected 'error', 'different' or 'same'")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size={chunk_size}; expected None or chunk_size > 0")

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        leaves, dims, rebuild = _arguments(args, kwargs, in_dims)
        count = _count(leaves, dims)

        def sample(at):
            picked = [x if d is None else x.select(d, at) for x, d in zip(leaves, dims, strict=True)]
            given, named = rebuild(picked)
            return func(*given, **named)

        if count == 0:
            return _of_nothing(func, leaves, dims, rebuild, out_dims)
        return _stack([*_draws(sample, count, randomness)], out_dims)
    return wrapper


def _arguments(args, kwargs, in_dims):
    if not isinstance(in_dims, int | tuple | list) or isinstance(in_dims, bool):
        raise ValueError(f"vmap: in_dims={in_dims!r}; expected an int or a tuple, one element for each argument")
    if not args and not kwargs:
        raise ValueError("vmap: no arguments; expected at least one to map over")
    leaves, rebuild = flatten((args, kwargs))
    of_args = broadcast(in_dims if isinstance(in_dims, int) else tuple(in_dims), args)
    if of_args is None:
        raise ValueError(f"vmap: in_dims={in_dims!r} has another structure than the {len(args)} arguments")
    dims = of_args + [0] * len(flatten(kwargs)[0])
    for at, (x, d) in enumerate(zip(leaves, dims, strict=True)):
        if d is None:
            continue
        if isinstance(d, bool) or not isinstance(d, int):
            raise ValueError(f"vmap: in_dims={in_dims!r} holds {d!r}; expected ints and None")
        if not isinstance(x, Tensor):
            raise ValueError(
                f"vmap: argument leaf {at} is of type {type(x).__name__} with in_dim {d}; expected a Tensor, or None "
                "as its in_dim"
            )
        if not -x.dim() <= d < x.dim():
            raise ValueError(
                f"vmap: in_dim {d} is out of range for argument leaf {at} of shape {tuple(x.shape)}; expected "
                f"{-x.dim()} <= in_dim < {x.dim()}"
            )
    return leaves, dims, rebuild


def _count(leaves, dims):
    sizes = {x.shape[d] for x, d in zip(leaves, dims, strict=True) if d is not None}
    if not sizes:
        raise ValueError("vmap: in_dims maps over no argument; expected an int for at least one")
    if len(sizes) > 1:
        raise ValueError(f"vmap: the mapped dimensions have sizes {sorted(sizes)}; expected the same for all")
    return sizes.pop()


def _draws(sample, count, randomness):
    before = None if randomness == "different" else get_rng_state()
    for at in range(count):
        if at and randomness == "same":
            set_rng_state(before)
        with _going_on() if at and randomness == "different" else contextlib.nullcontext():
            yield sample(at)
        if at == 0 and randomness == "error" and _has_drawn_since(before):
            raise RuntimeError(
                "vmap: func drew random numbers, which randomness='error' refuses; expected randomness='different' or "
                "'same'"
            )


def _has_drawn_since(before):
    # A generator that was seeded since, and has drawn nothing after, is where its seed puts it.
    now = get_rng_state()
    return not (core.equal(before, now) or core.equal(core.Generator().manual_seed(initial_seed()).get_state(), now))


def _outputs(result):
    leaves, rebuild = flatten(result)
    for at, x in enumerate(leaves):
        if not isinstance(x, Tensor):
            raise ValueError(f"vmap: func returned a {type(x).__name__} (leaf {at}); expected Tensors only")
    return leaves, rebuild


def _out_dims(out_dims, result):
    dims = broadcast(out_dims, result)
    if dims is None or not all(d is None or (isinstance(d, int) and not isinstance(d, bool)) for d in dims):
        raise ValueError(f"vmap: out_dims={out_dims!r} does not fit the results of func; expected ints or None")
    return dims


def _stack(results, out_dims):
    _, rebuild = _outputs(results[0])
    columns = zip(*[_outputs(one)[0] for one in results], strict=True)
    return rebuild([_join(column, d) for column, d in zip(columns, _out_dims(out_dims, results[0]), strict=True)])


def _join(column, dim):
    if dim is None:
        if not all(x is column[0] or core.equal(x, column[0]) for x in column[1:]):
            raise ValueError("vmap: out_dims holds None for a result that differs between samples; expected an int")
        return column[0]
    rank = column[0].dim() + 1
    if not -rank <= dim < rank:
        raise ValueError(f"vmap: out_dim {dim} is out of range for results of {rank - 1} dimensions")
    return core.stack(list(column), dim)


def _of_nothing(func, leaves, dims, rebuild, out_dims):
    """No sample: one of zeros says what shapes and dtypes come out."""
    state = get_rng_state()
    picked = []
    for x, d in zip(leaves, dims, strict=True):
        shape = x.shape if d is None else x.shape[:d % x.dim()] + x.shape[d % x.dim() + 1:]
        picked.append(x if d is None else core.zeros(shape, dtype=x.dtype))
    args, kwargs = rebuild(picked)
    result = func(*args, **kwargs)
    set_rng_state(state)
    found, remake = _outputs(result)
    empty = []
    for x, d in zip(found, _out_dims(out_dims, result), strict=True):
        empty.append(x if d is None else core.stack([x], d).narrow(d, 0, 0).detach())
    return remake(empty)
