"""The states of the generators that a training program draws from: ours, Python's and NumPy's."""
import random
import sys

from rushlight.random import get_rng_state, set_rng_state


def generator_states():
    """What `restore_generators` continues from.

    Returns:
        dict: of values that every file format of ours can hold. NumPy's is there when the program has loaded it.
    """
    version, words, gauss = random.getstate()
    states = {"rushlight": get_rng_state(), "python": (version, list(words), gauss)}
    if "numpy.random" in sys.modules:
        states["numpy"] = _plain(sys.modules["numpy.random"].get_state(legacy=False))
    return states


def _plain(state):
    # Of whichever bit generator NumPy was given: Python's values in place of arrays.
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if hasattr(state, "tolist") else state


def restore_generators(states):
    """Continues the generators from where they were.

    Args:
        states (dict): from `generator_states`.
    """
    set_rng_state(states["rushlight"])
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    if "numpy" in states:
        import numpy

        numpy.random.set_state(states["numpy"])
