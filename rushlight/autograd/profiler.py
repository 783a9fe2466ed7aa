"""Recording what operators cost: the older door, which `rushlight.profiler` also goes through."""
import enum
import functools
import json
import os
import threading
import warnings

from rushlight import _C
from rushlight.autograd._trace import Trace
from rushlight.autograd.profiler_util import (  # noqa: F401  PyTorch keeps these names in this module
    DeviceType,
    EventList,
    FunctionEvent,
    FunctionEventAvg,
)

__all__ = ["EventList", "FunctionEvent", "ProfilerActivity", "profile", "record_function"]

#: A recording keeps at most this many events; later ones are counted.
EVENT_LIMIT = 1 << 22

_ROOM = os.path.dirname(__file__)
_OWN_FILES = (os.path.join(_ROOM, "profiler"), os.path.join(os.path.dirname(_ROOM), "profiler", ""))


_earlier = []                          # what `threading` called in new threads before a recording


def _trace_new_thread(frame, event, argument):
    # Python calls it in each thread that starts; from now on the native function takes its place there.
    _C._trace_frames_of_thread()


def start_recording(record_shapes, profile_memory, with_stack, with_flops):
    """Starts the one recording of the process.

    Raises:
        RuntimeError: there is one already.
    """
    if not _C._start_recording(profile_memory, record_shapes or with_flops, EVENT_LIMIT):
        raise RuntimeError("profile: another profile is recording; expected one at a time in a process")
    if with_stack:
        _earlier.append(threading.getprofile())
        threading.setprofile(_trace_new_thread)
        _C._trace_frames(True, _OWN_FILES)


def stop_recording(options, metadata=None):
    """Ends the recording.

    Returns:
        Trace: what was recorded.
    """
    if options["with_stack"]:
        _C._trace_frames(False, ())
        threading.setprofile(_earlier.pop())
    trace = Trace(_C._stop_recording(), options, metadata)
    if options["with_stack"]:
        _C._forget_frames()
    if trace.dropped:
        warnings.warn(f"profile: {trace.dropped} events beyond the first {EVENT_LIMIT} were not kept; "
                      "profile fewer steps", stacklevel=4)
    return trace


class ProfilerActivity(enum.Enum):
    """What can be recorded; here that is the CPU."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class profile:
    """In the block, records each operator call, backward node and `record_function` block with its time.

    Args:
        enabled (bool): False makes the block do nothing. Default: True.
        record_shapes (bool): keep the shapes of arguments. Default: False.
        with_flops (bool): estimate the floating-point operations of products and convolutions. Default: False.
        profile_memory (bool): count the bytes that each takes and gives back. Default: False.
        with_stack (bool): record calls of Python functions too. Default: False.
        use_cuda, use_device, with_modules, use_kineto, use_cpu, experimental_config, acc_events,
            custom_trace_id_callback, post_processing_timeout_s, activity_filters: accepted for PyTorch's programs.

    Raises:
        RuntimeError: another profile is recording; results are asked for before the block has ended.

    Example:
        >>> import rushlight as rl
        >>> x = rl.ones(3, requires_grad=True)
        >>> with rl.autograd.profiler.profile() as prof:
        ...     (x * 2).sum().backward()
        >>> [event.name for event in prof.function_events][:2]
        ['mul', 'sum']
    """

    def __init__(self, enabled=True, *, use_cuda=False, use_device=None, record_shapes=False, with_flops=False,
                 profile_memory=False, with_stack=False, with_modules=False, use_kineto=False, use_cpu=True,
                 experimental_config=None, acc_events=False, custom_trace_id_callback=None,
                 post_processing_timeout_s=None, activity_filters=None):
        self.enabled = enabled
        self.record_shapes, self.with_flops = bool(record_shapes), bool(with_flops)
        self.profile_memory, self.with_stack = bool(profile_memory), bool(with_stack)
        self.entered = False
        self._trace = None

    @property
    def _options(self):
        return {"record_shapes": self.record_shapes, "profile_memory": self.profile_memory,
                "with_stack": self.with_stack, "with_flops": self.with_flops}

    def __enter__(self):
        if not self.enabled:
            return None
        if self.entered:
            raise RuntimeError("profile: a profile can't be entered twice; make another one")
        self.entered = True
        start_recording(**self._options)
        return self

    def __exit__(self, *error):
        if self.enabled:
            self._trace = stop_recording(self._options)

    def _finished(self, who):
        if self._trace is None:
            raise RuntimeError(f"{who}: the profile has not ended; expected the end of its `with` block first")
        return self._trace

    @functools.cached_property
    def function_events(self):
        """EventList: all events, by time."""
        return self._finished("function_events").events()

    def __repr__(self):
        return repr(self.function_events) if self._trace else "<unfinished rushlight.autograd.profile>"

    def __str__(self):
        return self.table() if self._trace else repr(self)

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0, group_by_overload_name=False):
        """The events of the same name summed: see `EventList.key_averages`."""
        return self.function_events.key_averages(group_by_input_shape, group_by_stack_n, group_by_overload_name)

    def table(self, *args, **kwargs):
        """The events as text: see `EventList.table`."""
        return self.function_events.table(*args, **kwargs)

    def total_average(self):
        """One average of all events."""
        return self.function_events.total_average()

    @property
    def self_cpu_time_total(self):
        """Microseconds of all events, each counted once."""
        return self.function_events.self_cpu_time_total

    def export_chrome_trace(self, path, metadata=None, use_python_export=False):
        """Writes the events for chrome://tracing or ui.perfetto.dev: see `EventList.export_chrome_trace`.

        Args:
            path (str): the file.
            metadata (dict, optional): values, as JSON, that the file is to hold by these names.
            use_python_export (bool): accepted; there is one export.

        Raises:
            ValueError: a value is not JSON.
        """
        values = {key: json.loads(value) for key, value in (metadata or {}).items()}
        self._finished("export_chrome_trace").write_chrome(path, values)

    def export_stacks(self, path, metric="self_cpu_time_total"):
        """Writes one line per Python stack: see `EventList.export_stacks`. Needs `with_stack=True`."""
        if not self.with_stack:
            raise ValueError("export_stacks: the profile was made with with_stack=False; expected with_stack=True")
        self.function_events.export_stacks(path, metric)

    def export_flame_graph(self, path, title="Flame graph"):
        """Writes a picture of where the time went: see `rushlight.profiler.profile.export_flame_graph`."""
        self._finished("export_flame_graph").write_flame_graph(path, title)


class record_function:
    """Names a stretch of a program in profiles; costs next to nothing when none is recording. Also a decorator.

    Args:
        name (str): how it is called.
        args (str, optional): accepted for PyTorch's programs.

    Example:
        >>> import rushlight as rl
        >>> with rl.autograd.profiler.profile() as prof:
        ...     with rl.autograd.profiler.record_function("my part"):
        ...         y = rl.ones(3) + 1
        >>> prof.function_events[0].name
        'my part'
    """

    def __init__(self, name, args=None):
        if not isinstance(name, str):
            raise TypeError(f"record_function: argument 'name' must be str, not {type(name).__name__}")
        self.name, self.args = name, args
        self._token = -1

    def __enter__(self):
        self._token = _C._enter_range(self.name)
        return self

    def __exit__(self, *error):
        _C._exit_range(self._token)

    def __call__(self, function):
        @functools.wraps(function)
        def recorded(*args, **kwargs):
            with record_function(self.name):
                return function(*args, **kwargs)

        return recorded
