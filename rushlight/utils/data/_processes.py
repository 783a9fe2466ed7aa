"""Loading by worker processes. Imported only by programs that use them."""
import multiprocessing
import os
import signal
import time
import warnings
from multiprocessing.connection import wait

from rushlight.utils.data import _worker
from rushlight.utils.data._segments import Channel
from rushlight.utils.data._worker import EXHAUSTED, RESUME, STACK, STOP, Failure, Settings
from rushlight.utils.data.dataloader import DataLoaderWorkerError, Iterator

_PATIENCE = 5.0  # seconds that a worker has to end by itself, at the end of its work
_HASTE = 0.1  # the same, when it or another has failed
_SLOW = 60.0  # seconds without a message before a warning says what the workers are doing


class _Worker:
    # One process, the channel to it, and what it has been asked for: {number of the batch: its indices}.
    def __init__(self, process, channel):
        self.process, self.channel = process, channel
        self.active = True
        self.tasks = {}
        self.asked = self.warned = False                 # for its stack, and about its slowness

    def send(self, kind, number, index):
        self.channel.send((kind, number, index))


class WorkersIterator(Iterator):
    """Batches that worker processes load.

    Batch number i goes to the next worker in turn; results wait until it is theirs. So the order, and with streams
    the assignment too, depends on nothing but the number of workers.

    Args:
        loader (DataLoader): what to iterate over.
    """

    _shown_as = "enumerate(DataLoader)#_MultiProcessingDataLoaderIter.__next__"

    def __init__(self, loader):
        super().__init__(loader)
        self.closed = False
        self._workers = []
        self._context = loader.multiprocessing_context or multiprocessing.get_context()
        self._timeout, self._prefetch = loader.timeout, loader.prefetch_factor
        self._persistent, self._in_order = loader.persistent_workers, loader.in_order
        self._owner = os.getpid()
        self._streams, self._tracks = loader._streams, loader._tracks
        try:
            for worker_id in range(loader.num_workers):
                self._workers.append(self._start(loader, worker_id))
        except BaseException:
            self.close()
            raise
        self._begin()

    def _start(self, loader, worker_id):
        ours, theirs = self._context.Pipe()
        others = ()
        if self._context.get_start_method() == "fork":
            # A child holds copies of the ends it inherits; kept open, they would hide that a process is gone.
            others = (ours.fileno(), *(worker.channel.fileno() for worker in self._workers))
        settings = Settings(
            dataset=loader.dataset, streams=loader._streams, auto_collation=loader._auto_collation,
            collate_fn=loader.collate_fn, drop_last=loader.drop_last, base_seed=self.base_seed,
            init_fn=loader.worker_init_fn, worker_id=worker_id, num_workers=loader.num_workers, parent=os.getpid(),
            others=others, channel=Channel, tracks=self._tracks, generators=self._continued_states(loader, worker_id))
        process = self._context.Process(target=_worker.run_worker, args=(theirs, settings), daemon=True,
                                        name=f"DataLoader worker {worker_id}")
        process.start()
        theirs.close()
        return _Worker(process, Channel(ours))

    def _continued_states(self, loader, worker_id):
        # Workers that read a stream read it again from its start, and so draw what they drew.
        if self._resumed is None or self._streams or self._resumed["num_workers"] != loader.num_workers:
            return None
        return self._resumed["workers"].get(worker_id)

    def begin(self, loader):
        """Start another iteration with the same workers.

        Args:
            loader (DataLoader): what to iterate over.
        """
        # Leftovers of an iteration that was not finished are taken off first.
        while any(worker.tasks for worker in self._workers):
            self._receive_one()
        states = self.position.workers
        for _, _, worker, _, newest in map(self._results.get, sorted(self._results)):
            states[self._workers.index(worker)] = newest
        super().__init__(loader)
        self.position.workers = states
        for worker in self._workers:
            worker.active = True
            self._send(worker, RESUME, -1, None)
            worker.tasks[-1] = None
        while any(worker.tasks for worker in self._workers):
            self._receive_one()
        self._begin()

    def _begin(self):
        self._sent = self._next = 0
        self._turn = 0
        self._results = {}
        if self._resumed is not None and not self._streams:
            self._pass_over(self._indices)
            self._sent = self._next = self.position.yielded
            self._turn = self._sent % len(self._workers)
        for _ in range(self._prefetch * len(self._workers)):
            self._send_task()
        if self._resumed is not None:
            if self._streams:
                self._pass_over(iter(self._next_result, None))
            self._resume_ended()

    # ---- sending -------------------------------------------------------------------------------------------

    def _send(self, worker, kind, number, index):
        try:
            worker.send(kind, number, index)
        except OSError:
            self._report_death(worker)

    def _send_task(self):
        workers = self._workers
        for step in range(len(workers)):
            worker = workers[(self._turn + step) % len(workers)]
            if worker.active:
                break
        else:
            return
        try:
            index = next(self._indices)
        except StopIteration:
            return
        self._turn = (self._turn + step + 1) % len(workers)
        worker.tasks[self._sent] = index
        self._send(worker, None, self._sent, index)
        self._sent += 1

    # ---- receiving -----------------------------------------------------------------------------------------

    def _await(self, busy, handles):
        # The handles that have something to say. Says itself what a worker is doing that is silent for long.
        deadline = time.monotonic() + self._timeout if self._timeout else float("inf")
        slow = time.monotonic() + _SLOW
        while True:
            left = min(deadline, slow) - time.monotonic()
            ready = wait(handles, max(0.0, left) if left < float("inf") else None)
            if ready:
                return ready
            if time.monotonic() >= deadline:
                doing = "; ".join(f"worker {self._workers.index(worker)}{_samples_of(worker)}" for worker in busy)
                self.close(_HASTE)
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds: {doing}")
            for worker in busy:
                if worker.asked:
                    self._warn_slow(worker, "its stack cannot be read: it does not leave native code")
                else:
                    worker.asked = True
                    self._send(worker, STACK, -1, None)
            warned = all(worker.warned for worker in busy)
            slow = float("inf") if warned else time.monotonic() + min(_SLOW, 5.0)

    def _warn_slow(self, worker, stack):
        if worker.warned:
            return
        worker.warned = True
        warnings.warn(
            f"DataLoader worker {self._workers.index(worker)} (pid {worker.process.pid}) has been silent for "
            f"{_SLOW:g} seconds{_samples_of(worker)}. It is here:\n{stack}", stacklevel=2)

    def _receive_one(self):
        # Waits for any message and files it; notices at once when a worker is gone.
        busy = [worker for worker in self._workers if worker.tasks]
        by_handle = {worker.channel: worker for worker in busy}
        by_handle.update({worker.process.sentinel: worker for worker in busy})
        ready = self._await(busy, list(by_handle))
        # Messages come before deaths: a worker may have ended after sending.
        for handle in sorted(ready, key=lambda handle: isinstance(handle, int)):
            worker = by_handle[handle]
            if isinstance(handle, int) and worker.channel in ready:
                continue
            try:
                kind, number, data, states = (_poll if isinstance(handle, int) else Channel.receive)(worker.channel)
            except (EOFError, OSError):
                self._report_death(worker)
            if kind == STACK:
                self._warn_slow(worker, data)
                continue
            index = worker.tasks.pop(number)
            if kind == EXHAUSTED:
                worker.active = False
            if kind != RESUME:
                self._results[number] = (kind, data, worker, index, states)

    def _next_batch(self):
        result = None if self.closed else self._next_result()
        if result is None:
            self._finish()
        data, worker, index = result
        if isinstance(data, Failure):
            self._raise(data, worker, index)
        self._count()
        return data

    def _next_result(self):
        # (batch or Failure, worker, indices); None at the end.
        while True:
            number = self._next_number()
            if number is None:
                return None
            kind, data, worker, index, states = self._results.pop(number)
            self._next = max(self._next, number) + 1 if not self._in_order else number + 1
            self._send_task()
            if kind == EXHAUSTED:
                continue
            if states is not None:
                self.position.workers[self._workers.index(worker)] = states
            return data, worker, index

    def _next_number(self):
        # The number of the batch to yield, once it is here; None at the end.
        while True:
            if self._in_order:
                if self._next in self._results:
                    return self._next
            elif self._results:
                return next(iter(self._results))
            if not any(worker.tasks for worker in self._workers):
                return None
            self._receive_one()

    def _finish(self):
        self.position.ended = True
        if not self._persistent:
            self.close()
        raise StopIteration

    # ---- errors --------------------------------------------------------------------------------------------

    def _raise(self, failure, worker, index):
        place = f"in DataLoader worker process {self._workers.index(worker)} (pid {worker.process.pid})"
        samples = "" if index is None or _is_stream_task(index) else f", loading samples {_shown(index)}"
        message = f"Caught {failure.name} {place}{samples}.\nOriginal {failure.trace}"
        if failure.kind is None or issubclass(failure.kind, StopIteration):
            # A StopIteration would end the caller's loop as if the data were at their end.
            raise RuntimeError(message) from failure.error
        if issubclass(failure.kind, KeyError):
            message = _Verbatim(message)
        try:
            error = failure.kind(message)
        except Exception:
            # Its constructor wants something else: the exception itself, with a note.
            error = failure.error
            if error is None:
                raise RuntimeError(message) from None
            error.add_note(message)
        raise error from failure.error if error is not failure.error else None

    def _report_death(self, worker):
        worker.process.join(_PATIENCE)
        code = worker.process.exitcode
        if code is not None and code < 0:
            how = f"was killed by signal {signal.Signals(-code).name}"
        else:
            how = f"exited unexpectedly with exit code {code}"
        samples = _samples_of(worker)
        number, pid = self._workers.index(worker), worker.process.pid
        self.close(_HASTE)
        raise DataLoaderWorkerError(f"DataLoader worker {number} (pid {pid}) {how}{samples}")

    # ---- the end -------------------------------------------------------------------------------------------

    def close(self, patience=_PATIENCE):
        """End all workers. The iterator yields nothing more.

        Args:
            patience (float): seconds to wait before ending them by force.
        """
        if self.closed or self._owner != os.getpid():
            return
        self.closed = True
        for worker in self._workers:
            try:
                worker.send(STOP, None, None)
            except OSError:
                pass
        # Closing our end also frees a worker that waits to send.
        for worker in self._workers:
            worker.channel.close()
        deadline = time.monotonic() + patience
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.terminate()
                worker.process.join(1.0)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join(1.0)

    def __del__(self):
        try:
            self.close()
        except Exception:  # the interpreter may be half gone
            pass


class _Verbatim(str):
    # KeyError shows the repr of its message; lines should stay lines.
    def __repr__(self):
        return str(self)


def _poll(channel):
    # The process is gone; what it sent before may still be there.
    if not channel.connection.poll(0):
        raise EOFError
    return channel.receive()


def _samples_of(worker):
    tasks = [index for number, index in worker.tasks.items() if number >= 0 and not _is_stream_task(index)]
    return f" while loading samples {'; '.join(_shown(index) for index in tasks)}" if tasks else ""


def _is_stream_task(index):
    return index is None or (isinstance(index, list) and bool(index) and index[0] is None)


def _shown(index):
    if isinstance(index, list) and len(index) > 12:
        return f"[{', '.join(map(str, index[:10]))}, ... {len(index)} in all]"
    return str(index)
