"""Handles of registered hooks."""
from rushlight.nn.modules._hooks import RemovableHandle

__all__ = ["RemovableHandle"]
