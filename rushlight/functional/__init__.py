"""Composites: plain Python over the primitives of the core, by theme."""
from rushlight.functional import (  # noqa: F401
    activation, conversion, creation, distance, dropout, embedding, images, loss, normalization, pooling, products,
    reduction, shapes, windows,
    unpooling,
)
