"""Named results of composites, as PyTorch's `return_types` name their fields."""

#: Every type by name: what `rushlight.return_types` shows.
TYPES = {}


def _repr(self):
    fields = [name for name, value in vars(type(self)).items() if isinstance(value, property)]
    lines = ",\n".join(f"{field}={value!r}" for field, value in zip(fields, self, strict=True))
    return f"rushlight.return_types.{type(self).__name__}(\n{lines})"


def result_type(name, fields):
    """The tuple type `return_types.<name>`, made of a sequence of values for these fields, separated by spaces.

    Example:
        >>> from rushlight.functional._results import result_type
        >>> result_type("mode", "values indices")((1, 2)).indices
        2
    """
    if name not in TYPES:
        body = {"__slots__": (), "__module__": "rushlight.return_types", "__repr__": _repr}
        for i, field in enumerate(fields.split()):
            body[field] = property(lambda self, i=i: self[i])
        TYPES[name] = type(name, (tuple,), body)
    return TYPES[name]
