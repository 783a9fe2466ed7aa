"""What the namespace can do: `__array_namespace_info__`."""
import rushlight as rl
from rushlight.array_api._dtypes import KINDS


class Info:
    """The answers of `__array_namespace_info__()`."""

    def capabilities(self):
        """A dict of what is supported."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self):
        """The device that arrays are made on."""
        return rl.device("cpu")

    def devices(self):
        """A tuple of the devices there are."""
        return (rl.device("cpu"),)

    def default_dtypes(self, *, device=None):
        """A dict of the dtypes that new arrays get."""
        floating = rl.get_default_dtype()
        return {"real floating": floating, "integral": rl.int64, "indexing": rl.int64,
                "complex floating": rl.complex128 if floating == rl.float64 else rl.complex64}

    def dtypes(self, *, device=None, kind=None):
        """A dict of the dtypes there are by name, of all kinds or of those named."""
        kinds = kind if isinstance(kind, tuple) else (kind,) if kind else ("bool", "numeric")
        return {name: getattr(rl, name) for one in kinds for name in KINDS[one]}


def __array_namespace_info__():
    """What the namespace can do: devices, dtypes, capabilities.

    Example:
        >>> from rushlight import array_api as xp
        >>> xp.__array_namespace_info__().default_dtypes()["integral"]
        rushlight.int64
    """
    return Info()
