"""The functional form of the layers: `import rushlight.nn.functional as F`.

The primitives come from the core under these names; everything else is a composite of `rushlight.functional`.
"""
import rushlight.functional  # noqa: F401  defines the composites
from rushlight.functional._composite import in_namespace
from rushlight.functional._core import core

globals().update(core._groups["nn.functional"])
globals().update(in_namespace("nn.functional"))
