"""Composites: plain Python over the primitives of the core, by theme. `nn.functional` and the top namespace publish them."""
from rushlight.functional import activation, distance, dropout, images, loss, normalization, pooling, shapes  # noqa: F401
