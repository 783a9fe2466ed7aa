"""What runs in a worker process, and what it says about itself."""
from types import SimpleNamespace

from rushlight.functional._core import core
from rushlight.utils._generators import generator_states, restore_generators
from rushlight.utils.data._fetch import make_fetcher

STOP, RESUME, EXHAUSTED, STACK = "stop", "resume", "exhausted", "stack"


class WorkerInfo(SimpleNamespace):
    """A worker's view of itself.

    Attributes:
        id (int): its number, from 0.
        num_workers (int): how many there are.
        seed (int): the seed of its generators.
        dataset (Dataset): its copy of the dataset.
    """


_worker_info = None


def get_worker_info():
    """In a worker process: who it is. Elsewhere: None.

    Returns:
        WorkerInfo: or None.

    Example:
        >>> from rushlight.utils.data import get_worker_info
        >>> get_worker_info() is None
        True
    """
    return _worker_info


class Failure(SimpleNamespace):
    """An exception on its way from a worker to the loader.

    Attributes:
        kind (type or None): the exception's type, if it can be pickled.
        name (str): that type's name.
        text (str): the exception's own text.
        trace (str): the traceback.
        error (Exception or None): the exception, if it can be pickled.
    """


def describe_failure(error):
    """What can be sent of an exception.

    Args:
        error (Exception): the exception.
    """
    import pickle
    import traceback

    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    failure = Failure(kind=type(error), name=type(error).__qualname__, text=str(error), trace=trace, error=error)
    for field in ("kind", "error"):
        try:
            pickle.loads(pickle.dumps(getattr(failure, field)))
        except Exception:
            setattr(failure, field, None)
    return failure


class Settings(SimpleNamespace):
    """What a worker needs to know, pickled where it is not forked.

    Attributes: as the loader's arguments of the same name; `channel` makes one of a connection, `others` are
    descriptors to close after a fork.
    """


def run_worker(connection, settings):
    """The life of a worker: tasks in, batches out, until told to stop or the parent is gone.

    Args:
        connection (multiprocessing.connection.Connection): to the loader.
        settings (Settings): see there.
    """
    import queue
    import signal

    global _worker_info
    # Ctrl-C goes to the whole group of processes: the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for descriptor in settings.others:
        _close_quietly(descriptor)
    core.set_num_threads(1)
    seed = settings.base_seed + settings.worker_id
    _seed_everything(seed, settings)
    _worker_info = WorkerInfo(
        id=settings.worker_id, num_workers=settings.num_workers, seed=seed, dataset=settings.dataset)
    channel, tasks = settings.channel(connection), queue.SimpleQueue()
    _read_in_background(channel, tasks, settings.parent)
    try:
        _serve(channel, tasks, settings)
    except (BrokenPipeError, ConnectionResetError):
        pass
    channel.close()


def _close_quietly(descriptor):
    import os
    try:
        os.close(descriptor)
    except OSError:
        pass


def _seed_everything(seed, settings):
    import random

    import numpy

    random.seed(seed)
    core.default_generator.manual_seed(seed)
    base = settings.base_seed
    entropy = [settings.worker_id, base & 0xFFFFFFFF, base >> 32, 0]
    numpy.random.seed(numpy.random.SeedSequence(entropy).generate_state(4))


def _read_in_background(channel, tasks, parent):
    # One thread moves tasks from the socket to a queue, so that the parent never waits to send, and watches
    # the parent: when it is gone, so is the worker, whatever the dataset is doing.
    import os
    import select
    import sys
    import threading
    import traceback

    try:
        watched = os.pidfd_open(parent)
    except (AttributeError, OSError):
        watched = None

    def read():
        poll = select.poll()
        poll.register(channel.fileno(), select.POLLIN)
        if watched is not None:
            poll.register(watched, select.POLLIN)
        while True:
            ready = dict(poll.poll(None if watched is not None else 1000))
            if watched in ready or (watched is None and os.getppid() != parent):
                os._exit(1)
            if channel.fileno() not in ready:
                continue
            try:
                task = channel.receive()
            except (EOFError, OSError):
                os._exit(1)
            if task[0] == STACK:
                frame = sys._current_frames()[threading.main_thread().ident]
                channel.send((STACK, -1, "".join(traceback.format_stack(frame)[-12:]), None))
                continue
            tasks.put(task)
            if task[0] == STOP:
                return

    threading.Thread(target=read, name="rushlight-tasks", daemon=True).start()


def _serve(channel, tasks, settings):
    try:
        if settings.init_fn is not None:
            settings.init_fn(settings.worker_id)
        fetcher, failure = make_fetcher(settings), None
        if settings.generators is not None:
            restore_generators(settings.generators)
    except Exception as error:
        fetcher, failure = None, describe_failure(error)
    ended = False
    while True:
        kind, number, index = tasks.get()
        if kind == STOP:
            return
        if kind == RESUME:
            ended = False
            try:
                fetcher = fetcher and make_fetcher(settings)
            except Exception as error:
                failure = describe_failure(error)
            channel.send((RESUME, number, None, None))
            continue
        if ended:
            channel.send((EXHAUSTED, number, None, None))
            continue
        if failure is not None:
            result, failure = failure, None
        else:
            result = _fetched(fetcher, index, settings)
        ended = settings.streams and result is EXHAUSTED
        _send_result(channel, number, result, generator_states() if settings.tracks else None)


def _fetched(fetcher, index, settings):
    try:
        return fetcher(index)
    except StopIteration as error:
        return EXHAUSTED if settings.streams else describe_failure(error)
    except Exception as error:
        return describe_failure(error)


def _send_result(channel, number, result, states):
    message = (EXHAUSTED, number, None, states) if result is EXHAUSTED else (None, number, result, states)
    try:
        channel.send(message)
    except OSError:
        raise
    except Exception as error:  # the batch does not pickle, or there is no memory for it
        channel.send((None, number, describe_failure(error), states))

