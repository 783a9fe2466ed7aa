"""Names of programs that switch backends of PyTorch: they can be read and set, and change nothing."""


class _Backend:
    enabled = False
    deterministic = False
    benchmark = False
    allow_tf32 = False

    @staticmethod
    def is_available():
        """False: this backend is not part of Rushlight."""
        return False

    is_built = is_available


cudnn, mps = _Backend(), _Backend()


class _Quantized:
    """Programs choose the engine of quantized kernels; there is one here, whatever they choose."""

    supported_engines = ["none", "onednn", "x86", "fbgemm", "qnnpack"]

    def __init__(self):
        self._engine = "x86"

    @property
    def engine(self):
        """The name that was chosen last (str)."""
        return self._engine

    @engine.setter
    def engine(self, name):
        if name not in self.supported_engines:
            raise RuntimeError(f"backends.quantized: engine={name!r}; expected one of "
                               f"{', '.join(self.supported_engines)}")
        self._engine = name


quantized = _Quantized()
