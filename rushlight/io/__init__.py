"""Reading and writing files: `rushlight.save` and `rushlight.load`."""

from rushlight.io._errors import CorruptFileError
from rushlight.io.serialization import load, save

__all__ = ["CorruptFileError", "load", "save"]
