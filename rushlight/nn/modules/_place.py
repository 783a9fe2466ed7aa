"""Errors that are raised within a model's forward say in which layer: by its path, as `named_modules` gives it."""
import re

# The sentences of operators begin with the operator's name.
_SENTENCE = re.compile(r"[a-z_][a-z_0-9.]*: ")
_OWN_KINDS = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError)


class _Place:
    """Where an error comes from, as far as it is known: the layer, and its path from the outermost module so far."""

    def __init__(self, layer, text):
        self.layer = self.outermost = layer
        self.text, self.path, self.note = text, "", None

    def __str__(self):
        shown = repr(self.layer)
        return f"in {self.path}: {type(self.layer).__name__ if chr(10) in shown else shown}"


def _path_within(module, descendant):
    for path, found in module.named_modules(remove_duplicate=False):
        if found is descendant and found is not module:
            return path
    return None


def name_place(module, error):
    """Note that an error passes through a call of `module`; once it has left a layer, its message names the layer.

    Args:
        module (Module): whose call it leaves.
        error (Exception): the error; an operator's message is completed, any other error gets a note.

    Example:
        >>> import rushlight as rl
        >>> net = rl.nn.Sequential(rl.nn.Linear(2, 3), rl.nn.Linear(4, 1))
        >>> net(rl.zeros(5, 2))
        Traceback (most recent call last):
            ...
        RuntimeError: linear: ... (in 1: Linear(in_features=4, out_features=1, bias=True))
    """
    place = error.__dict__.get("_place")
    if place is None:
        speaks = type(error) in _OWN_KINDS and len(error.args) == 1 and isinstance(error.args[0], str) and \
            _SENTENCE.match(error.args[0])
        error._place = _Place(module, error.args[0] if speaks else None)
        return
    path = _path_within(module, place.outermost)
    if path is None:
        return
    if path == "_orig_mod":                          # of a compiled module, which nobody wrote
        place.outermost = module
        return
    place.path, place.outermost = f"{path}.{place.path}" if place.path else path, module
    if place.text is not None:
        error.args = (f"{place.text} ({place})",)
        return
    if place.note is not None and place.note in error.__notes__:
        error.__notes__.remove(place.note)
    place.note = str(place)
    error.add_note(place.note)
