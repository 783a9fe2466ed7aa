"""Padding layers."""
from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module
from rushlight.nn.modules.utils import _ntuple

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _ConstantPadNd(Module):
    __constants__ = ["padding", "value"]

    def __init__(self, padding, value):
        super().__init__()
        self.padding, self.value = self._amounts(padding), value

    def forward(self, input):
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class _PadNd(Module):
    __constants__ = ["padding"]

    def __init__(self, padding):
        super().__init__()
        self.padding = self._amounts(padding)

    def forward(self, input):
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self):
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input):
        sides = len(self.padding) // 2
        if input.dim() not in (sides + 1, sides + 2):
            raise ValueError(f"{type(self).__name__}: input has shape {tuple(input.shape)}; expected {sides + 1} (one "
                             f"example) or {sides + 2} (a batch) dimensions")
        return super().forward(input)


class ConstantPad1d(_ConstantPadNd):
    """Surrounds a sequence with a value.

    Args:
        padding (int or tuple): how much on every side, or (left, right).
        value (float): the value.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ConstantPad1d(1, 0.5)(rl.zeros(1, 1, 4)).shape == (1, 1, 6)
        True
    """

    _amounts = staticmethod(_ntuple(2))


class ConstantPad2d(_ConstantPadNd):
    """Surrounds an image with a value.

    Args:
        padding (int or tuple): how much on every side, or (left, right, top, bottom).
        value (float): the value.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ConstantPad2d(1, 0.5)(rl.zeros(1, 1, 4, 4)).shape == (1, 1, 6, 6)
        True
    """

    _amounts = staticmethod(_ntuple(4))


class ConstantPad3d(_ConstantPadNd):
    """Surrounds a volume with a value.

    Args:
        padding (int or tuple): how much on every side, or (left, right, top, bottom, front, back).
        value (float): the value.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ConstantPad3d(1, 0.5)(rl.zeros(1, 1, 4, 4, 4)).shape == (1, 1, 6, 6, 6)
        True
    """

    _amounts = staticmethod(_ntuple(6))


class ZeroPad1d(_ConstantPadNd):
    """Surrounds a sequence with zeros.

    Args:
        padding (int or tuple): how much on every side, or (left, right).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ZeroPad1d(1)(rl.zeros(1, 1, 4)).shape == (1, 1, 6)
        True
    """

    _amounts = staticmethod(_ntuple(2))

    def __init__(self, padding):
        super().__init__(padding, 0.0)

    def extra_repr(self):
        return f"{self.padding}"


class ZeroPad2d(_ConstantPadNd):
    """Surrounds an image with zeros.

    Args:
        padding (int or tuple): how much on every side, or (left, right, top, bottom).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ZeroPad2d(1)(rl.zeros(1, 1, 4, 4)).shape == (1, 1, 6, 6)
        True
    """

    _amounts = staticmethod(_ntuple(4))

    def __init__(self, padding):
        super().__init__(padding, 0.0)

    def extra_repr(self):
        return f"{self.padding}"


class ZeroPad3d(_ConstantPadNd):
    """Surrounds a volume with zeros.

    Args:
        padding (int or tuple): how much on every side, or (left, right, top, bottom, front, back).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ZeroPad3d(1)(rl.zeros(1, 1, 4, 4, 4)).shape == (1, 1, 6, 6, 6)
        True
    """

    _amounts = staticmethod(_ntuple(6))

    def __init__(self, padding):
        super().__init__(padding, 0.0)

    def extra_repr(self):
        return f"{self.padding}"


class ReflectionPad1d(_PadNd):
    """Surrounds a sequence with reflections in its borders.

    Args:
        padding (int or tuple): how much on every side, or (left, right).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ReflectionPad1d(1)(rl.zeros(1, 1, 4)).shape == (1, 1, 6)
        True
    """

    _amounts = staticmethod(_ntuple(2))
    _mode = "reflect"


class ReflectionPad2d(_PadNd):
    """Surrounds an image with reflections in its borders.

    Args:
        padding (int or tuple): how much on every side, or (left, right, top, bottom).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ReflectionPad2d(1)(rl.zeros(1, 1, 4, 4)).shape == (1, 1, 6, 6)
        True
    """

    _amounts = staticmethod(_ntuple(4))
    _mode = "reflect"


class ReflectionPad3d(_PadNd):
    """Surrounds a volume with reflections in its borders.

    Args:
        padding (int or tuple): how much on every side, or (left, right, top, bottom, front, back).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ReflectionPad3d(1)(rl.zeros(1, 1, 4, 4, 4)).shape == (1, 1, 6, 6, 6)
        True
    """

    _amounts = staticmethod(_ntuple(6))
    _mode = "reflect"


class ReplicationPad1d(_PadNd):
    """Surrounds a sequence with copies of its borders.

    Args:
        padding (int or tuple): how much on every side, or (left, right).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ReplicationPad1d(1)(rl.zeros(1, 1, 4)).shape == (1, 1, 6)
        True
    """

    _amounts = staticmethod(_ntuple(2))
    _mode = "replicate"


class ReplicationPad2d(_PadNd):
    """Surrounds an image with copies of its borders.

    Args:
        padding (int or tuple): how much on every side, or (left, right, top, bottom).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ReplicationPad2d(1)(rl.zeros(1, 1, 4, 4)).shape == (1, 1, 6, 6)
        True
    """

    _amounts = staticmethod(_ntuple(4))
    _mode = "replicate"


class ReplicationPad3d(_PadNd):
    """Surrounds a volume with copies of its borders.

    Args:
        padding (int or tuple): how much on every side, or (left, right, top, bottom, front, back).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.ReplicationPad3d(1)(rl.zeros(1, 1, 4, 4, 4)).shape == (1, 1, 6, 6, 6)
        True
    """

    _amounts = staticmethod(_ntuple(6))
    _mode = "replicate"


class CircularPad1d(_CircularPadNd):
    """Surrounds a sequence with its opposite side.

    Args:
        padding (int or tuple): how much on every side, or (left, right).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.CircularPad1d(1)(rl.zeros(1, 1, 4)).shape == (1, 1, 6)
        True
    """

    _amounts = staticmethod(_ntuple(2))


class CircularPad2d(_CircularPadNd):
    """Surrounds an image with its opposite side.

    Args:
        padding (int or tuple): how much on every side, or (left, right, top, bottom).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.CircularPad2d(1)(rl.zeros(1, 1, 4, 4)).shape == (1, 1, 6, 6)
        True
    """

    _amounts = staticmethod(_ntuple(4))


class CircularPad3d(_CircularPadNd):
    """Surrounds a volume with its opposite side.

    Args:
        padding (int or tuple): how much on every side, or (left, right, top, bottom, front, back).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.CircularPad3d(1)(rl.zeros(1, 1, 4, 4, 4)).shape == (1, 1, 6, 6, 6)
        True
    """

    _amounts = staticmethod(_ntuple(6))
