"""Composites: plain Python over the primitives of the core, by theme."""
from rushlight.functional import (  # noqa: F401
    activation, conversion, counting, creation, distance, dropout, embedding, images, loss, normalization, pooling,
    products, reduction, shapes, unpooling, windows,
)
