"""Composites: plain Python over the primitives of the core, by theme."""
from rushlight.functional import (  # noqa: F401
    activation, arithmetic, attention, complex_numbers, conversion, copies, counting, creation, differences, distance,
    dropout, embedding, fft, images, linalg_products, linalg_solve, linalg_spectral, loss, masked, methods,
    normalization, ordering, pooling, positional, products, quantization, recurrent, reduction, sampling, shapes,
    special, spectrograms, statistics, taper, unpooling, windows,
)
