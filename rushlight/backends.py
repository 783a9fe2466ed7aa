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
