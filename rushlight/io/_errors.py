"""What reading a file can raise."""

from pickle import UnpicklingError


class CorruptFileError(RuntimeError):
    """A file is truncated, damaged or not what it says it is; the message names the file and the place."""


class RecordError(CorruptFileError):
    """A damaged record, before the tensor that it belongs to is known."""

    def __init__(self, key, text):
        super().__init__(text)
        self.key = key
        self.text = text


def refuse(text):
    """Raise UnpicklingError."""
    raise UnpicklingError(text)


def expect(holds, text):
    """UnpicklingError unless `holds`."""
    if not holds:
        raise UnpicklingError(text)


def is_count(value):
    """Whether it is an int that can be a size."""
    return type(value) is int and 0 <= value < 1 << 63
