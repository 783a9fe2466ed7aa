"""`profile`: recordings of single steps or whole programs."""
import enum
import json
import os
import socket
import threading
import time
import warnings

from rushlight.autograd.profiler import ProfilerActivity, record_function, start_recording, stop_recording
from rushlight.nn.modules._global_hooks import register_module_forward_hook, register_module_forward_pre_hook
from rushlight.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook


class ProfilerAction(enum.Enum):
    """What a schedule asks for at a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities():
    """The activities that `profile` can record.

    Returns:
        set of ProfilerActivity.

    Example:
        >>> import rushlight as rl
        >>> rl.profiler.supported_activities()
        {<ProfilerActivity.CPU: 0>}
    """
    return {ProfilerActivity.CPU}


def kineto_available():
    """Whether PyTorch's recording library is there: False, the recording is Rushlight's own."""
    return False


def schedule(*, wait, warmup, active, repeat=0, skip_first=0, skip_first_wait=0):
    """Which steps to record: `skip_first`, then cycles of `wait`, `warmup` and `active` steps.

    Args:
        wait (int): steps of a cycle without recording.
        warmup (int): steps before those recorded.
        active (int): steps recorded; at least one.
        repeat (int): how many cycles; 0 for no end. Default: 0.
        skip_first (int): steps before the first cycle. Default: 0.
        skip_first_wait (int): when not 0, the first cycle leaves its `wait` out. Default: 0.

    Returns:
        callable: from the number of a step to a ProfilerAction.

    Raises:
        ValueError: a negative number, or no active step.

    Example:
        >>> import rushlight as rl
        >>> plan = rl.profiler.schedule(wait=1, warmup=1, active=2, repeat=1)
        >>> [plan(step).name for step in range(5)]
        ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    given = {"wait": wait, "warmup": warmup, "repeat": repeat, "skip_first": skip_first}
    for name, value in given.items():
        if value < 0:
            raise ValueError(f"schedule: {name}={value}; expected at least 0")
    if active < 1:
        raise ValueError(f"schedule: active={active}; expected at least 1")
    if warmup == 0:
        warnings.warn("schedule: warmup=0; the first recorded step may be slower than the others", stacklevel=2)
    cycle = wait + warmup + active

    def action_at(step):
        if step < 0:
            raise ValueError(f"schedule: step={step}; expected at least 0")
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        if repeat and step >= repeat * cycle:
            return ProfilerAction.NONE
        place = step % cycle
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action_at


def tensorboard_trace_handler(dir_name, worker_name=None, use_gzip=False, use_python_export=False):
    """An `on_trace_ready` that writes each trace to a file of its own, where TensorBoard's profile plug-in looks.

    Args:
        dir_name (str): the folder; made when absent.
        worker_name (str, optional): the file's first part. Default: host name and process id.
        use_gzip (bool): compress. Default: False.
        use_python_export (bool): accepted; there is one export.

    Returns:
        callable: takes the profile.
    """

    def write(prof):
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json" + (".gz" if use_gzip else "")
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return write


class _Open(threading.local):
    """The ranges that a thread has entered and not left."""

    def __init__(self):
        self.ranges = []

    def enter(self, name):
        self.ranges.append(record_function(name).__enter__())

    def leave(self):
        if self.ranges:
            self.ranges.pop().__exit__()


class _ModuleRanges:
    """A range around the forward of every module, by its class and number."""

    def __init__(self):
        self._names, self._counts, self._open = {}, {}, _Open()
        self._handles = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]

    def _enter(self, module, args):
        if id(module) not in self._names:
            kind = type(module).__name__
            number = self._counts[kind] = self._counts.get(kind, -1) + 1
            self._names[id(module)] = f"nn.Module: {kind}_{number}", module
        self._open.enter(self._names[id(module)][0])

    def _leave(self, module, args, output):
        self._open.leave()

    def remove(self):
        for handle in self._handles:
            handle.remove()


class _StepRanges:
    """A range around the step of every optimizer."""

    def __init__(self):
        self._open = _Open()
        self._handles = [register_optimizer_step_pre_hook(self._enter), register_optimizer_step_post_hook(self._leave)]

    def _enter(self, optimizer, args, kwargs):
        self._open.enter(f"Optimizer.step#{type(optimizer).__name__}.step")

    def _leave(self, optimizer, args, kwargs):
        self._open.leave()

    def remove(self):
        for handle in self._handles:
            handle.remove()


class profile:
    """Records what runs in the block: operators, backward nodes, optimizers' steps, loaders' batches, and
    `record_function` blocks.

    Results are asked for after the block, or in `on_trace_ready`. Threads are recorded too. A program that is not
    being profiled pays one branch per operator for all this.

    Args:
        activities (iterable of ProfilerActivity, optional): what to record. Default: the CPU.
        schedule (callable, optional): from the number of a step to a ProfilerAction, made by
            `rushlight.profiler.schedule`; the program calls `step()` after each. Default: record everything.
        on_trace_ready (callable, optional): called with the profile when a recording has ended.
        record_shapes (bool): keep the shapes of arguments. Default: False.
        profile_memory (bool): count the bytes that each event takes and gives back. Default: False.
        with_stack (bool): record calls of Python functions too, in the thread that profiles and in those that start
            meanwhile. Default: False.
        with_flops (bool): estimate the floating-point operations of products and convolutions. Default: False.
        with_modules (bool): a range around the forward of every module. Default: False.
        acc_events (bool): accepted; each recording stands for itself.
        use_cuda, experimental_config, execution_trace_observer, custom_trace_id_callback,
            post_processing_timeout_s: accepted for PyTorch's programs.

    Raises:
        RuntimeError: another profile is recording, or results are asked for too early.

    Example:
        >>> import rushlight as rl
        >>> model, x = rl.nn.Linear(4, 2), rl.ones(3, 4)
        >>> with rl.profiler.profile(record_shapes=True) as prof:
        ...     model(x).sum().backward()
        >>> average = prof.key_averages(group_by_input_shape=True)[0]
        >>> average.key, average.count, average.input_shapes
        ('linear', 1, [[3, 4], [2, 4], [2]])
    """

    def __init__(self, *, activities=None, schedule=None, on_trace_ready=None, record_shapes=False,
                 profile_memory=False, with_stack=False, with_flops=False, with_modules=False,
                 experimental_config=None, execution_trace_observer=None, acc_events=False, use_cuda=None,
                 custom_trace_id_callback=None, post_processing_timeout_s=None):
        self.activities = set(activities) if activities is not None else supported_activities()
        for activity in self.activities:
            if not isinstance(activity, ProfilerActivity):
                raise TypeError(f"profile: activities holds {activity!r}; expected ProfilerActivity members")
        if not self.activities & supported_activities():
            raise RuntimeError("profile: activities name no device that is here; expected ProfilerActivity.CPU")
        self.schedule = schedule or (lambda step: ProfilerAction.RECORD)
        self.has_schedule = schedule is not None
        self.on_trace_ready = on_trace_ready
        self._options = {"record_shapes": bool(record_shapes), "profile_memory": bool(profile_memory),
                         "with_stack": bool(with_stack), "with_flops": bool(with_flops)}
        self.with_modules = bool(with_modules)
        self.step_num = 0
        self.current_action = self.schedule(0)
        self._metadata, self._trace, self._events = {}, None, None
        self._recording, self._ranges, self._step_range = False, [], None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.stop()

    def start(self):
        """Begins; `with` calls it."""
        self._follow(self.current_action)
        self._open_step()

    def stop(self):
        """Ends; `with` calls it. A recording that is under way ends, and `on_trace_ready` hears of it."""
        self._close_step()
        if self._recording:
            self._save()

    def step(self):
        """Says that a step of the program has ended: the schedule moves on."""
        self._close_step()
        before, self.step_num = self.current_action, self.step_num + 1
        self.current_action = self.schedule(self.step_num)
        if self._recording and before is ProfilerAction.RECORD_AND_SAVE:
            self._save()
        self._follow(self.current_action)
        self._open_step()

    def _follow(self, action):
        wanted = action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        if wanted and not self._recording:
            start_recording(**self._options)
            self._recording = True
            self._ranges = [_StepRanges(), *([_ModuleRanges()] if self.with_modules else [])]
        elif self._recording and not wanted:
            self._save()

    def _open_step(self):
        if self._recording and self.has_schedule:
            self._step_range = record_function(f"ProfilerStep#{self.step_num}").__enter__()

    def _close_step(self):
        if self._step_range is not None:
            self._step_range.__exit__()
            self._step_range = None

    def _save(self):
        for ranges in self._ranges:
            ranges.remove()
        self._recording = False
        self._trace, self._events = stop_recording(self._options, self._metadata), None
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def _finished(self, who):
        if self._trace is None:
            raise RuntimeError(f"{who}: nothing has been recorded yet; expected the end of the `with` block, or of "
                               "the schedule's active steps")
        return self._trace

    def events(self):
        """All events, by time.

        Returns:
            EventList: of FunctionEvent.
        """
        if self._events is None:
            self._events = self._finished("events").events()
        return self._events

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0, group_by_overload_name=False):
        """The events of the same name summed; `.table()` prints them.

        Args:
            group_by_input_shape (bool): apart for each list of argument shapes; needs `record_shapes=True`.
            group_by_stack_n (int): apart for each `n` innermost Python frames; needs `with_stack=True`.
            group_by_overload_name (bool): accepted; operators have one form here.

        Returns:
            EventList: of FunctionEventAvg.
        """
        return self.events().key_averages(group_by_input_shape, group_by_stack_n, group_by_overload_name)

    def export_chrome_trace(self, path, use_python_export=False):
        """Writes the recording for chrome://tracing or ui.perfetto.dev; a path ending in `.gz` is compressed.

        Args:
            path (str): the file.
            use_python_export (bool): accepted; there is one export.
        """
        self._finished("export_chrome_trace").write_chrome(path)

    def export_stacks(self, path, metric="self_cpu_time_total"):
        """Writes one line per Python stack with its microseconds, as flame-graph tools read it.

        Args:
            path (str): the file.
            metric (str): "self_cpu_time_total".

        Raises:
            ValueError: another metric, or a profile without stacks.
        """
        if not self._options["with_stack"]:
            raise ValueError("export_stacks: the profile was made with with_stack=False; expected with_stack=True")
        self.events().export_stacks(path, metric)

    def export_flame_graph(self, path, title="Flame graph"):
        """Writes a picture of where the time went: an SVG file that any browser shows.

        Each block is as wide as what it stands for took; below it is what it called: Python functions (with
        `with_stack=True`), operators, backward nodes, and the kernels that did the work. A click zooms, Ctrl-F
        searches by regular expression, Escape returns.

        Args:
            path (str): the file.
            title (str): the line above. Default: "Flame graph".

        Example:
            >>> import os, tempfile
            >>> import rushlight as rl
            >>> with rl.profiler.profile(with_stack=True) as prof:
            ...     y = rl.ones(3).exp()
            >>> path = os.path.join(tempfile.mkdtemp(), "flames.svg")
            >>> prof.export_flame_graph(path)
            >>> open(path).read().startswith("<svg")
            True
        """
        self._finished("export_flame_graph").write_flame_graph(path, title)

    def add_metadata(self, key, value):
        """Adds a text to the Chrome trace.

        Args:
            key (str): its name.
            value (str): the text.
        """
        self._metadata[key] = str(value)

    def add_metadata_json(self, key, value):
        """Adds a value to the Chrome trace.

        Args:
            key (str): its name.
            value (str): the value, as JSON.

        Raises:
            ValueError: it is not JSON.
        """
        self._metadata[key] = json.loads(value)
