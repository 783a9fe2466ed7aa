"""The functional form of the layers: `import rushlight.nn.functional as F`.

The primitives come from the core under these names; everything else is a composite of `rushlight.functional`.
"""
import rushlight.functional  # noqa: F401  defines the composites
from rushlight.functional._core import native

globals().update(vars(native))
