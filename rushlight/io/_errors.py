"""What reading a file can raise."""


class CorruptFileError(RuntimeError):
    """A file is truncated, damaged or not what it says it is; the message names the file and the place."""


class RecordError(CorruptFileError):
    """A damaged record, before the tensor that it belongs to is known."""

    def __init__(self, key, text):
        super().__init__(text)
        self.key = key
        self.text = text
