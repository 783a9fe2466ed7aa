"""What a profile holds: events, their averages by name, and the table that shows them."""
import enum
from collections import defaultdict

#: Columns of numbers are this wide.
_WIDTH = 12


class DeviceType(enum.Enum):
    """Where an event ran."""

    CPU = 0
    CUDA = 1


class Interval:
    """A span of time, in microseconds since the profile began.

    Args:
        start (float): its begin.
        end (float): its end.
    """

    __slots__ = ("end", "start")

    def __init__(self, start, end):
        self.start, self.end = start, end

    def elapsed_us(self):
        """How long it took, in microseconds."""
        return self.end - self.start


def _format_time(microseconds):
    for unit, scale in (("s", 1e6), ("ms", 1e3)):
        if abs(microseconds) >= scale:
            return f"{microseconds / scale:.3f}{unit}"
    return f"{microseconds:.3f}us"


def _format_memory(count):
    for unit, scale in (("GB", 1024**3), ("MB", 1024**2), ("KB", 1024)):
        if abs(count) >= scale:
            return f"{count / scale:.2f} {unit}"
    return f"{count} B"


def _format_share(part, whole):
    return f"{part / whole * 100:.2f}%" if whole else "NaN"


def _format_count(count):
    return f"{count / 1e9:.3f}G" if count >= 1e9 else f"{count / 1e6:.3f}M" if count >= 1e6 else f"{count}"


class _Times:
    """What a single event and an average share: a machine without accelerators has spent no time on one."""

    device_type = DeviceType.CPU
    device_time_total = self_device_time_total = device_memory_usage = self_device_memory_usage = 0
    cuda_time_total = self_cuda_time_total = cuda_memory_usage = self_cuda_memory_usage = device_time = cuda_time = 0
    is_async = is_remote = is_legacy = False
    node_id = -1
    overload_name = ""

    @property
    def cpu_time(self):
        """Microseconds of one call on average."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self):
        return _format_time(self.cpu_time)

    @property
    def cpu_time_total_str(self):
        return _format_time(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self):
        return _format_time(self.self_cpu_time_total)


class FunctionEvent(_Times):
    """One call of an operator, one node of a backward pass, or one `record_function` block.

    Attributes: `name`, `key`, `thread`, `time_range` (Interval), `cpu_parent`, `cpu_children`, `input_shapes`,
    `stack` (innermost frame first), `sequence_nr` (shared by a call and the node that differentiates it),
    `cpu_memory_usage` (bytes taken and kept), `peak_cpu_memory_usage` (the most bytes beyond those at its start),
    `flops`, `is_user_annotation`.
    """

    count = 1

    def __init__(self, id, name, thread, start_us, end_us, *, kind="op", input_shapes=(), stack=(), sequence_nr=-1,
                 cpu_memory_usage=0, peak_cpu_memory_usage=0, flops=0):
        self.id, self.name, self.thread = id, name, thread
        self.key = "ProfilerStep*" if name.startswith("ProfilerStep#") else name     # steps are averaged together
        self.time_range = Interval(start_us, end_us)
        self.kind, self.is_user_annotation, self.in_backward = kind, kind == "range", kind == "backward"
        self.input_shapes, self.stack = list(input_shapes), list(stack)
        self.sequence_nr, self.flops = sequence_nr, flops
        self.cpu_memory_usage, self.peak_cpu_memory_usage = cpu_memory_usage, peak_cpu_memory_usage
        self.cpu_parent, self.cpu_children = None, []

    @property
    def cpu_time_total(self):
        """Microseconds from begin to end."""
        return self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self):
        """Microseconds outside of the events inside it."""
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    @property
    def self_cpu_memory_usage(self):
        """Bytes taken and kept outside of the events inside it."""
        return self.cpu_memory_usage - sum(child.cpu_memory_usage for child in self.cpu_children)

    def __repr__(self):
        return (f"<FunctionEvent id={self.id} name={self.name} thread={self.thread} cpu_time={self.cpu_time_str} "
                f"start_us={self.time_range.start:.3f} end_us={self.time_range.end:.3f} "
                f"input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage}>")


class FunctionEventAvg(_Times):
    """All events of one key, summed: what a line of the table shows."""

    def __init__(self):
        self.key, self.count = None, 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = self.peak_cpu_memory_usage = self.flops = 0
        self.input_shapes, self.stack = None, None
        self.is_user_annotation = False

    def add(self, other):
        """Takes in an event, or another average of the same key."""
        if self.key is None:
            self.key, self.input_shapes, self.stack = other.key, other.input_shapes, other.stack
            self.is_user_annotation = other.is_user_annotation
        for name in ("cpu_time_total", "self_cpu_time_total", "cpu_memory_usage", "self_cpu_memory_usage", "count",
                     "flops"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.peak_cpu_memory_usage = max(self.peak_cpu_memory_usage, other.peak_cpu_memory_usage)
        return self

    __iadd__ = add

    def __repr__(self):
        return (f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
                f"cpu_time={self.cpu_time_str} count={self.count} input_shapes={self.input_shapes} "
                f"cpu_memory_usage={self.cpu_memory_usage}>")


class EventList(list):
    """Events or their averages, as `profile` hands them out: a list that can be averaged, shown and written."""

    def __init__(self, *args, profile_memory=False, with_flops=False, peak_memory=0, trace=None):
        super().__init__(*args)
        self._profile_memory, self._with_flops, self._trace = profile_memory, with_flops, trace
        #: The most bytes that tensors held at once, those from before the profile included.
        self.peak_memory = peak_memory

    def __str__(self):
        return self.table()

    @property
    def self_cpu_time_total(self):
        """Microseconds of all events, each counted once."""
        return sum(event.self_cpu_time_total for event in self)

    def key_averages(self, group_by_input_shapes=False, group_by_stack_n=0, group_by_overload_name=False):
        """Sums the events of the same name.

        Args:
            group_by_input_shapes (bool): apart for each list of argument shapes. Default: False.
            group_by_stack_n (int): apart for each `n` innermost Python frames. Default: 0.
            group_by_overload_name (bool): accepted; operators have one form here.

        Returns:
            EventList: of FunctionEventAvg.
        """
        averages = defaultdict(FunctionEventAvg)
        for event in self:
            key = (event.key, str(event.input_shapes) if group_by_input_shapes else "",
                   tuple(event.stack[:group_by_stack_n]), event.is_user_annotation)
            averages[key].add(event)
        out = EventList(averages.values(), profile_memory=self._profile_memory, with_flops=self._with_flops,
                        peak_memory=self.peak_memory)
        for average in out:
            average.stack = average.stack[:group_by_stack_n]
            if not group_by_input_shapes:
                average.input_shapes = ""
        return out

    def total_average(self):
        """One average of everything, under the key "Total"."""
        total = FunctionEventAvg()
        for event in self:
            total.add(event)
        total.key = "Total"
        return total

    def table(self, sort_by=None, row_limit=100, max_src_column_width=75, max_name_column_width=55,
              max_shapes_column_width=80, header=None, top_level_events_only=False, time_unit=None):
        """The events as a table of text.

        Args:
            sort_by (str, optional): the attribute to sort by, largest first: `cpu_time_total`,
                `self_cpu_time_total`, `cpu_time`, `cpu_memory_usage`, `self_cpu_memory_usage`,
                `peak_cpu_memory_usage`, `count`, `flops`. Default: as they happened.
            row_limit (int): at most so many lines. Default: 100.
            max_src_column_width, max_name_column_width, max_shapes_column_width (int): longer texts are cut.
            header (str, optional): a line above.
            top_level_events_only (bool): leave out what ran inside another event. Default: False.
            time_unit (str, optional): "s", "ms" or "us" for all times. Default: what suits each.

        Returns:
            str: the table.

        Raises:
            ValueError: an attribute or a unit that does not exist.
        """
        return _table(self, sort_by, row_limit, (max_name_column_width, max_shapes_column_width,
                                                 max_src_column_width), header, top_level_events_only, time_unit)

    def export_chrome_trace(self, path):
        """Writes the events for chrome://tracing or ui.perfetto.dev; a path that ends in `.gz` is compressed.

        Args:
            path (str): the file.
        """
        self._whole_trace("export_chrome_trace").write_chrome(path)

    def export_stacks(self, path, metric):
        """Writes one line per Python stack with its microseconds, as flame-graph tools read it.

        Args:
            path (str): the file.
            metric (str): "self_cpu_time_total".

        Raises:
            ValueError: another metric.
        """
        supported = self.supported_export_stacks_metrics()
        if metric not in supported:
            raise ValueError(f"export_stacks: metric={metric!r} is not supported; expected one of {supported}")
        with open(path, "w", encoding="utf-8") as file:
            for event in self:
                amount = int(getattr(event, metric))
                if event.stack and amount > 0:
                    frames = [frame.translate(_FOLDED) for frame in reversed(event.stack)]
                    file.write(f"{';'.join(frames)} {amount}\n")

    @staticmethod
    def supported_export_stacks_metrics():
        """The metrics that `export_stacks` takes."""
        return ["self_cpu_time_total"]

    def export_flame_graph(self, path, title="Flame graph"):
        """Writes a picture of where the time went: see `rushlight.profiler.profile.export_flame_graph`."""
        self._whole_trace("export_flame_graph").write_flame_graph(path, title)

    def _whole_trace(self, who):
        if self._trace is None:
            raise RuntimeError(f"{who}: averages have no times; expected the events of a profile: call it on "
                               "prof.events() or on the profile")
        return self._trace


_FOLDED = str.maketrans(" ;\t\n", "____")


def _cut(text, width):
    return text if width is None or len(text) <= width else text[: width - 3] + "..."


def _columns(events, total, limits, memory, flops, time_unit):
    """The columns: (title, width, texts)."""
    scale = {"s": 1e6, "ms": 1e3, "us": 1.0}.get(time_unit)
    names, shapes, sources = limits

    def times(attribute):
        values = [getattr(event, attribute) for event in events]
        return [_format_time(v) if scale is None else f"{v / scale:.3f}{time_unit}" for v in values]

    def wide(title, texts, most):
        texts = [_cut(text, most) for text in texts]
        return title, max([_WIDTH, len(title), *[len(text) for text in texts]]), texts

    out = [wide("Name", [event.key for event in events], names),
           ("Self CPU %", _WIDTH, [_format_share(event.self_cpu_time_total, total) for event in events]),
           ("Self CPU", _WIDTH, times("self_cpu_time_total")),
           ("CPU total %", _WIDTH, [_format_share(event.cpu_time_total, total) for event in events]),
           ("CPU total", _WIDTH, times("cpu_time_total")),
           ("CPU time avg", _WIDTH, times("cpu_time"))]
    if memory:
        out += [(title, _WIDTH, [_format_memory(getattr(event, name)) for event in events]) for title, name in (
            ("CPU Mem", "cpu_memory_usage"), ("Self CPU Mem", "self_cpu_memory_usage"),
            ("CPU Peak", "peak_cpu_memory_usage"))]
    out.append(("# of Calls", _WIDTH, [str(event.count) for event in events]))
    if any(event.input_shapes for event in events):
        out.append(wide("Input Shapes", [str(event.input_shapes) for event in events], shapes))
    if any(event.stack for event in events):
        out.append(wide("Source Location", [event.stack[0] if event.stack else "" for event in events], sources))
    if flops:
        out.append(("Total FLOPs", _WIDTH, [_format_count(event.flops) if event.flops else "--" for event in events]))
    return out


def _table(events, sort_by, row_limit, limits, header, top_level_only, time_unit):
    if not events:
        return ""
    if time_unit not in (None, "s", "ms", "us"):
        raise ValueError(f"table: time_unit={time_unit!r}; expected 's', 'ms', 'us' or None")
    total = events.self_cpu_time_total
    shown = list(events)
    if top_level_only:
        shown = [event for event in shown if getattr(event, "cpu_parent", None) is None]
    if sort_by is not None:
        if not hasattr(shown[0], sort_by):
            raise ValueError(f"table: sort_by={sort_by!r} is no attribute of an event; expected one such as "
                             "'cpu_time_total', 'self_cpu_time_total', 'cpu_memory_usage' or 'count'")
        shown.sort(key=lambda event: getattr(event, sort_by), reverse=True)
    columns = _columns(shown[:row_limit], total, limits, events._profile_memory, events._with_flops, time_unit)
    rule = "  ".join("-" * width for _, width, _ in columns) + "  "
    lines = ["=" * len(rule), header] if header else []
    lines += [rule, "  ".join(title.rjust(width) for title, width, _ in columns) + "  ", rule]
    for row in zip(*[texts for _, _, texts in columns]):
        lines.append("  ".join(text.rjust(width) for text, (_, width, _) in zip(row, columns)) + "  ")
    lines += [rule, f"Self CPU time total: {_format_time(total)}"]
    if events._profile_memory:
        lines.append(f"Peak memory in use: {_format_memory(events.peak_memory)}")
    return "\n".join(lines) + "\n"
