"""Composites: plain Python over the primitives of the core, by theme. `nn.functional` and the top namespace publish them."""
from rushlight.functional import (  # noqa: F401
    activation, conversion, creation, distance, dropout, embedding, images, loss, normalization, pooling, products, reduction, shapes, windows,
)
