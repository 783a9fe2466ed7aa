"""Comparison of values with tolerances that follow their dtype."""

from rushlight import _C

_TOLERANCES = {
    _C.float16: (1e-3, 1e-5),
    _C.bfloat16: (1.6e-2, 1e-5),
    _C.float32: (1.3e-6, 1e-5),
    _C.float64: (1e-7, 1e-7),
    _C.complex64: (1.3e-6, 1e-5),
    _C.complex128: (1e-7, 1e-7),
}
_NUMBERS = (bool, int, float, complex)


def _tolerances(dtypes, rtol, atol):
    if (rtol is None) != (atol is None):
        raise ValueError(f"assert_close: rtol={rtol} and atol={atol}; expected both or neither")
    if rtol is not None:
        return rtol, atol
    pairs = [_TOLERANCES.get(dtype, (0.0, 0.0)) for dtype in dtypes]
    return max(p[0] for p in pairs), max(p[1] for p in pairs)


class _Options:
    def __init__(self, rtol, atol, equal_nan, check_dtype, check_stride, allow_subclasses, msg):
        self.rtol, self.atol = rtol, atol
        self.equal_nan = equal_nan
        self.check_dtype, self.check_stride = check_dtype, check_stride
        self.allow_subclasses = allow_subclasses
        self.msg = msg

    def fail(self, text, where):
        if where:
            text += "\n\nThe failure occurred for item " + "".join(f"[{key!r}]" for key in where)
        if callable(self.msg):
            text = self.msg(text)
        elif self.msg is not None:
            text = self.msg
        raise AssertionError(text)


def _index_of(position, shape):
    index = []
    for size in reversed(shape):
        index.append(position % size)
        position //= size
    return tuple(reversed(index))


def _difference_text(wrong, absolute, relative, shape, rtol, atol, whole):
    count = int(wrong.sum())
    total = wrong.numel()
    title = "Tensor-likes are not equal!" if rtol == 0 and atol == 0 else "Tensor-likes are not close!"
    lines = [title, "", f"Mismatched elements: {count} / {total} ({count / total:.1%})"]
    for name, values, allowed in (("absolute", absolute, atol), ("relative", relative, rtol)):
        values = values.masked_fill(~wrong, -1.0).reshape(-1)
        values = values.masked_fill(values != values, float("inf"))
        worst = int(values.argmax())
        value = float(values[worst])
        value = (
            float("nan")
            if value == float("inf") and float(absolute.reshape(-1)[worst]) != float("inf")
            else value
        )
        value = int(value) if whole and name == "absolute" else value
        note = "" if rtol == 0 and atol == 0 else f" (up to {allowed} allowed)"
        lines.append(f"Greatest {name} difference: {value} at index {_index_of(worst, shape)}{note}")
    return "\n".join(lines)


def _compare_tensors(actual, expected, options, where):
    if actual.shape != expected.shape:
        options.fail(
            f"The values for attribute 'shape' do not match: {actual.shape} != {expected.shape}.", where
        )
    if options.check_dtype and actual.dtype != expected.dtype:
        options.fail(
            f"The values for attribute 'dtype' do not match: {actual.dtype} != {expected.dtype}.", where
        )
    if options.check_stride and actual.stride() != expected.stride():
        options.fail(
            f"The values for attribute 'stride()' do not match: {actual.stride()} != {expected.stride()}.",
            where,
        )
    rtol, atol = _tolerances((actual.dtype, expected.dtype), options.rtol, options.atol)
    actual, expected = actual.detach(), expected.detach()
    if actual.numel() == 0:
        return
    whole = not any(x.is_floating_point() or x.is_complex() for x in (actual, expected))
    wide = actual.is_complex() or expected.is_complex()
    a, e = (actual.cdouble(), expected.cdouble()) if wide else (actual.double(), expected.double())
    absolute = (a - e).abs()
    if whole and rtol == 0 and atol == 0:  # exact, beyond the whole numbers that float64 holds
        close = actual == expected if actual.dtype == expected.dtype else actual.long() == expected.long()
    else:
        close = (a == e) | ((absolute <= atol + rtol * e.abs()) & _finite(a) & _finite(e))
    if options.equal_nan:
        close = close | ((a != a) & (e != e))
    if not bool(close.all()):
        options.fail(
            _difference_text(~close, absolute, absolute / e.abs(), tuple(actual.shape), rtol, atol, whole),
            where,
        )


def _finite(x):
    size = x.abs()
    return (size == size) & (size != float("inf"))


_NUMBER_DTYPES = {bool: None, int: None, float: _C.float64, complex: _C.complex128}


def _compare_numbers(actual, expected, options, where):
    if options.check_dtype and type(actual) is not type(expected):
        options.fail(f"The (d)types do not match: {type(actual)} != {type(expected)}.", where)
    rtol, atol = _tolerances(
        [_NUMBER_DTYPES.get(type(x)) for x in (actual, expected)], options.rtol, options.atol
    )
    if actual == expected or (options.equal_nan and actual != actual and expected != expected):
        return
    difference = abs(actual - expected)
    if difference <= atol + rtol * abs(expected) and difference != float("inf"):
        return
    if rtol == 0 and atol == 0:
        options.fail(
            f"Scalars are not equal!\n\nExpected {expected} but got {actual}.\nAbsolute "
                f"difference: {difference}\n"
            f"Relative difference: {difference / abs(expected) if expected else float('inf')}",
            where,
        )
    options.fail(
        f"Scalars are not close!\n\nExpected {expected} but got {actual}.\nAbsolute "
            f"difference: {difference} (up to {atol} allowed)\n"
        f"Relative difference: {difference / abs(expected) if expected else float('inf')} "
            f"(up to {rtol} allowed)",
        where,
    )


def _compare_sequences(actual, expected, options, where):
    if len(actual) != len(expected):
        options.fail(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", where)
    for i, (a, e) in enumerate(zip(actual, expected)):
        _compare(a, e, options, (*where, i))


def _compare_mappings(actual, expected, options, where):
    if set(actual) != set(expected):
        missing, additional = set(expected) - set(actual), set(actual) - set(expected)
        options.fail(
            f"The keys of the mappings do not match:\nMissing keys in the actual "
                f"mapping: {sorted(missing, key=str)}\n"
            f"Additional keys in the actual mapping: {sorted(additional, key=str)}",
            where,
        )
    for key in actual:
        _compare(actual[key], expected[key], options, (*where, key))


def _is_array(x):
    return hasattr(x, "__array__") or hasattr(x, "__dlpack__")


def _compare(actual, expected, options, where=()):
    if isinstance(actual, _C.Tensor) and isinstance(expected, _C.Tensor):
        if not options.allow_subclasses and type(actual) is not type(expected):
            raise TypeError(
                f"assert_close: got {type(actual).__name__} and {type(expected).__name__}; expected one type"
            )
        return _compare_tensors(actual, expected, options, where)
    if isinstance(actual, _NUMBERS) and isinstance(expected, _NUMBERS):
        return _compare_numbers(actual, expected, options, where)
    if actual is None and expected is None:
        return None
    if isinstance(actual, dict) and isinstance(expected, dict):
        return _compare_mappings(actual, expected, options, where)
    if isinstance(actual, (list, tuple)) and isinstance(expected, (list, tuple)):
        return _compare_sequences(actual, expected, options, where)
    if type(actual) is type(expected) and _is_array(actual):
        return _compare_tensors(_C.as_tensor(actual), _C.as_tensor(expected), options, where)
    place = "".join(f"[{key!r}]" for key in where)
    raise TypeError(
        f"assert_close: no way to compare {type(actual).__name__} with {type(expected).__name__}"
        + (f" at item {place}" if place else "")
        + "; expected tensors, numbers, None, or sequences and mappings of them"
    )


def assert_close(
    actual,
    expected,
    *,
    allow_subclasses=True,
    rtol=None,
    atol=None,
    equal_nan=False,
    check_device=True,
    check_dtype=True,
    check_layout=True,
    check_stride=False,
    msg=None,
):
    """Raises unless `actual` and `expected` are equal within |actual - expected| <= atol + rtol * |expected|.

    Args:
        actual, expected: tensors, numbers, NumPy arrays, None, or sequences and mappings of them.
        allow_subclasses: compare tensors of different subclasses.
        rtol, atol: tolerances; by default those of the dtype (float32: 1.3e-6 and 1e-5, float64: 1e-7,
            integers: 0).
        equal_nan: two NaN are equal.
        check_dtype, check_stride: dtypes (and types of numbers), and strides must be the same.
        check_device, check_layout: accepted for PyTorch's programs; there is one device and one layout.
        msg: a text, or a function from the generated text to one.

    Raises:
        AssertionError: they differ; the message counts the elements and shows the greatest differences.
        TypeError: they can't be compared.
        ValueError: only one of rtol and atol was given.

    Example:
        >>> rushlight.testing.assert_close(rushlight.ones(2), rushlight.ones(2) + 1e-7)
    """
    _compare(
        actual, expected, _Options(rtol, atol, equal_nan, check_dtype, check_stride, allow_subclasses, msg)
    )


def assert_allclose(actual, expected, rtol=None, atol=None, equal_nan=True, msg=""):
    """The older name of `assert_close`: dtypes may differ, NaN are equal, lists become tensors.

    Args:
        actual, expected, rtol, atol, equal_nan, msg: see `assert_close`.

    Example:
        >>> rushlight.testing.assert_allclose(rushlight.ones(2), [1, 1])
    """
    actual = actual if isinstance(actual, _C.Tensor) else _C.tensor(actual)
    expected = expected if isinstance(expected, _C.Tensor) else _C.tensor(expected, dtype=actual.dtype)
    assert_close(
        actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None
    )
