"""Reading and writing files: `rushlight.save` and `rushlight.load`, and the state of a training run."""

from rushlight._files.errors import CorruptFileError
from rushlight.io.serialization import load, save
from rushlight.io.training_state import TrainingState

__all__ = ["CorruptFileError", "TrainingState", "load", "save"]
