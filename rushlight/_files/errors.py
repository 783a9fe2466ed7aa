"""What reading a file can raise."""

from pickle import UnpicklingError


class CorruptFileError(RuntimeError):
    """A file is truncated, damaged or not what it says it is; the message names the file and the place.

    Example:
        >>> import io
        >>> try:
        ...     rushlight.load(io.BytesIO(b"no archive"))
        ... except rushlight.io.CorruptFileError as error:
        ...     print(error)
        load: the BytesIO: begins with b'no a'; expected a zip file as rushlight.save and torch.save write it
    """


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
