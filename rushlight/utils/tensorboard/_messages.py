"""The messages of event files, written field by field: TensorBoard's protocol buffers without a library for them.

A message is bytes. Numbers of fields are those of tensorboard's `.proto` files.
"""
import struct

import numpy as np

_FIXED64, _BYTES, _FIXED32 = 1, 2, 5

#: numpy's dtypes as TensorFlow numbers them.
_DTYPES = {"float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "complex64": 8, "int64": 9,
           "bool": 10, "uint16": 17, "complex128": 18, "float16": 19, "uint32": 22, "uint64": 23}
_STRING = 7


def varint(number):
    """An integer, seven bits to a byte."""
    out = bytearray()
    number &= 0xFFFFFFFFFFFFFFFF
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def integer(field, number):
    """An integer, truth value or enumeration."""
    return varint(field << 3) + varint(int(number))


def double(field, number):
    return varint(field << 3 | _FIXED64) + struct.pack("<d", number)


def single(field, number):
    return varint(field << 3 | _FIXED32) + struct.pack("<f", number)


def nested(field, message):
    """A message or bytes."""
    return varint(field << 3 | _BYTES) + varint(len(message)) + message


def text(field, value):
    if not isinstance(value, str):
        raise TypeError(f"SummaryWriter: a tag or text is a {type(value).__name__}; expected a str")
    return nested(field, value.encode())


def doubles(field, numbers):
    return nested(field, np.asarray(numbers, "<f8").tobytes())


def shape(sizes):
    """TensorShapeProto."""
    return b"".join(nested(2, integer(1, size)) for size in sizes)


def array(values):
    """TensorProto of a NumPy array."""
    values = np.asarray(values)
    content = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    return integer(1, _DTYPES[values.dtype.name]) + nested(2, shape(values.shape)) + nested(4, content)


def strings(values, sizes):
    """TensorProto of byte strings."""
    return integer(1, _STRING) + nested(2, shape(sizes)) + b"".join(nested(8, value) for value in values)


def metadata(plugin, content=b"", display_name="", description=""):
    """SummaryMetadata: which part of TensorBoard shows a value."""
    return (nested(1, text(1, plugin) + (nested(2, content) if content else b""))
            + (text(2, display_name) if display_name else b"") + (text(3, description) if description else b""))


def value(tag, body, about=b""):
    """Summary.Value: its tag, one of the fields for values, and its metadata."""
    return nested(1, text(1, tag) + body + (nested(9, about) if about else b""))


def event(wall_time, step, body):
    """Event: `body` is one of its fields, such as the summary."""
    return double(1, wall_time) + (integer(2, step) if step else b"") + body


class Message:
    """A finished message, in the form in which users hand messages around.

    Args:
        content (bytes): the fields.
    """

    def __init__(self, content):
        self.content = content

    def SerializeToString(self):
        """The message as bytes."""
        return self.content
