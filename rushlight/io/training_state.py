"""All that a training run needs to go on after it was stopped, in one file."""
import copy
import os

from rushlight.functional._core import Tensor, core
from rushlight.io.serialization import load, save
from rushlight.utils._generators import generator_states, restore_generators

__all__ = ["TrainingState"]


class TrainingState:
    """Saves and resumes a training run: its parts, and the generators that it draws from.

    A run that is killed at any moment and started again goes on from the last `save` as if nothing had happened: on the
    CPU, to the last bit. Saving replaces the file at once, so that the file is always whole.

    Args:
        path (str or PathLike): the file. Its folder is made when it is missing.
        on_nonfinite (str): "raise" refuses to replace the file by one with a parameter or an average that is not
            finite. Default: "ignore".
        parts: what to save, by name: whatever has `state_dict` and `load_state_dict` (modules, optimizers, schedulers,
            loaders, gradient scalers), or a dict of plain values such as the number of the epoch, which is restored
            in place.

    Raises:
        TypeError: a part is of neither kind.
        ValueError: `on_nonfinite` is unknown.

    Example:
        >>> import tempfile, rushlight as rl
        >>> from rushlight.io import TrainingState
        >>> def run(folder, epochs):
        ...     rl.manual_seed(0)
        ...     model = rl.nn.Linear(2, 1)
        ...     optimizer, at = rl.optim.Adam(model.parameters()), {"epoch": 0}
        ...     state = TrainingState(f"{folder}/run.pth", model=model, optimizer=optimizer, at=at)
        ...     state.resume()
        ...     while at["epoch"] < epochs:
        ...         loss = model(rl.rand(4, 2)).square().mean()
        ...         optimizer.zero_grad()
        ...         loss.backward()
        ...         optimizer.step()
        ...         at["epoch"] += 1
        ...         state.save()
        ...     return loss.item()
        >>> with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        ...     _ = run(a, 2)                            # stopped after two
        ...     run(a, 4) == run(b, 4)
        True
    """

    def __init__(self, path, *, on_nonfinite="ignore", **parts):
        if on_nonfinite not in ("ignore", "raise"):
            raise ValueError(f"TrainingState: on_nonfinite={on_nonfinite!r}; expected 'ignore' or 'raise'")
        for name, part in parts.items():
            if not isinstance(part, dict) and not (hasattr(part, "state_dict") and hasattr(part, "load_state_dict")):
                raise TypeError(f"TrainingState: {name} is a {type(part).__name__}; expected a dict, or something with "
                                "state_dict and load_state_dict")
        self.path, self.parts, self._refuses = os.fspath(path), parts, on_nonfinite == "raise"
        self._collect()                                  # the first makes a loader follow its workers' generators

    def __repr__(self):
        return f"TrainingState({self.path!r}, {', '.join(f'{n}={type(p).__name__}' for n, p in self.parts.items())})"

    def _collect(self):
        return {name: part if isinstance(part, dict) else part.state_dict() for name, part in self.parts.items()}

    def save(self):
        """Replaces the file by the state of now. At every moment the old file or the new one is there, whole.

        Raises:
            RuntimeError: `on_nonfinite="raise"` and a tensor of the state has an infinity or a NaN; the file stays.
            OSError: the file cannot be written; the old one stays.
        """
        parts = self._collect()
        if self._refuses:
            for name, part in parts.items():
                _refuse_nonfinite(name, part)
        os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        save({"parts": parts, "generators": generator_states()}, self.path)

    def resume(self):
        """Puts all parts, and the generators, back to where the file says, if there is one.

        When one of them refuses what the file has for it, all are put back to what they were before the call. Until it
        is over there is a copy of their states.

        Returns:
            bool: whether there was one.

        Raises:
            KeyError: the file has other parts.
            CorruptFileError: the file is damaged.
            TypeError: a part is a dict, and what was saved in its place is not.
            RuntimeError: the generators do not fit; or a part does not, as its `load_state_dict` says.
        """
        if not os.path.exists(self.path):
            return False
        state = load(self.path)
        if not (isinstance(state, dict) and state.keys() == {"parts", "generators"}
                and all(isinstance(value, dict) for value in state.values())):
            raise KeyError(f"TrainingState.resume: {self.path} holds no training state")
        saved = state["parts"]
        if saved.keys() != self.parts.keys():
            raise KeyError(f"TrainingState.resume: {self.path} has the parts {sorted(saved)}; expected "
                           f"{sorted(self.parts)}")
        for name, part in self.parts.items():
            if isinstance(part, dict) and not isinstance(saved[name], dict):
                raise TypeError(f"TrainingState.resume: {self.path} has {name} as a {type(saved[name]).__name__}; "
                                "expected a dict, as the part is one")
        before, generators = [_Memory(part) for part in self.parts.values()], generator_states()
        try:
            for name, part in self.parts.items():
                self._load(name, part, saved[name])
            self._restore_generators(state["generators"])
        except BaseException:
            for memory in before:
                memory.put_back()
            restore_generators(generators)
            raise
        return True

    def _load(self, name, part, state):
        if isinstance(part, dict):
            part.clear()
            part.update(state)
            return
        try:
            part.load_state_dict(state)
        except Exception as error:
            error.add_note(f"TrainingState.resume: {name} refuses what {self.path} has for it; nothing has changed")
            raise

    def _restore_generators(self, states):
        try:
            restore_generators(states)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RuntimeError(f"TrainingState.resume: {self.path} has states of generators that do not fit "
                               f"({type(error).__name__}: {error}); expected what save wrote. Nothing has changed"
                               ) from error


class _Memory:
    """What a part was: the values that loading writes in place, and the attributes that it replaces."""

    def __init__(self, part):
        self._part = part
        self._state = dict(part) if isinstance(part, dict) else copy.deepcopy(part.state_dict())
        self._attributes = dict(getattr(part, "__dict__", ()))

    def put_back(self):
        if isinstance(self._part, dict):
            self._part.clear()
            self._part.update(self._state)
            return
        self._part.load_state_dict(self._state)
        if self._attributes:
            self._part.__dict__.clear()
            self._part.__dict__.update(self._attributes)


def _refuse_nonfinite(place, value):
    if isinstance(value, Tensor):
        if (value.is_floating_point() or value.is_complex()) and not bool(core.isfinite(value).all()):
            raise RuntimeError(f"TrainingState.save: {place} of shape {tuple(value.shape)} holds an infinity or a NaN; "
                               "expected finite numbers (on_nonfinite='raise'). The last file stays")
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_nonfinite(f"{place}[{key!r}]", item)
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            _refuse_nonfinite(f"{place}[{number}]", item)
