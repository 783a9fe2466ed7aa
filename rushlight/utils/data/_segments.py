"""Batches from one process to another: their structure as a pickle, their tensors and arrays in shared memory.

A batch has one anonymous segment. It has no name: its file descriptor travels over the socket, and the kernel frees
the memory when the last mapping is gone, however the processes end. This module is imported only by programs that
use workers.
"""
import ctypes
import io
import os
import pickle
import socket
import struct
import tempfile
import threading

from rushlight import _C
from rushlight.functional._core import Tensor, core

_ALIGNMENT = 64
# Batches below this size are cheaper in the message than in a segment of their own.
_INLINE_LIMIT = 16 * 1024
_HEADER = struct.Struct("<QQQ")

def _new_segment():
    if hasattr(os, "memfd_create"):
        return os.memfd_create("rushlight-batch", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _rounded(size):
    return -(-size // _ALIGNMENT) * _ALIGNMENT


class _Packer(pickle.Pickler):
    # Collects tensors and the buffers of NumPy arrays instead of writing their bytes.

    def __init__(self, file):
        self.tensors, self.buffers, self.size = [], [], 0
        super().__init__(file, protocol=5, buffer_callback=self._take_buffer)

    def _place(self, size):
        start = self.size
        self.size = _rounded(start + size)
        return start

    def _take_buffer(self, buffer):
        raw = buffer.raw()
        self.buffers.append((self._place(raw.nbytes), raw))

    def reducer_override(self, value):
        if not isinstance(value, Tensor) or value.device.type != "cpu":
            return NotImplemented
        if value.requires_grad and not value.is_leaf:
            raise RuntimeError(
                "DataLoader: a worker returned a tensor that is the result of a recorded operation; "
                "expected a leaf. Detach it, or compute under no_grad()"
            )
        plain = value.detach()
        count = plain.numel()
        start = self._place(count * plain.element_size())
        self.tensors.append((start, plain))
        return _tensor_in_segment, (start, tuple(plain.shape), plain.dtype, value.requires_grad)


def _tensor_in_segment(start, shape, dtype, requires_grad):
    raise RuntimeError("DataLoader: a batch's tensor can be read only from its own message")


class _Unpacker(pickle.Unpickler):
    def __init__(self, file, memory, buffers):
        super().__init__(file, buffers=buffers)
        self.memory = memory

    def find_class(self, module, name):
        if name == "_tensor_in_segment" and module == __name__:
            return self._tensor
        return super().find_class(module, name)

    def _tensor(self, start, shape, dtype, requires_grad):
        count = 1
        for size in shape:
            count *= size
        if count == 0:
            return core.empty(shape, dtype=dtype, requires_grad=requires_grad)
        tensor = core.frombuffer(self.memory, dtype=dtype, count=count, offset=start).view(shape)
        return tensor.requires_grad_() if requires_grad else tensor


def _bytes_of(tensor):
    size = tensor.numel() * tensor.element_size()
    return memoryview((ctypes.c_char * size).from_address(tensor.data_ptr())).cast("B")


def _pieces(packer):
    # Where each tensor and buffer begins, and its bytes. They are written, not copied into a mapping: that costs no
    # page faults, and when the memory is full it is an error here and not a bus error at some later access.
    for start, tensor in packer.tensors:
        if tensor.numel():
            plain = tensor.contiguous()
            yield start, _bytes_of(plain)
    for start, raw in packer.buffers:
        yield start, raw


def _filled_segment(packer):
    # None where shared memory is used up: the batch then travels in the message.
    try:
        descriptor = _new_segment()
    except OSError:
        return None
    try:
        os.ftruncate(descriptor, packer.size)
        for start, piece in _pieces(packer):
            while piece.nbytes:
                written = os.pwrite(descriptor, piece, start)
                start, piece = start + written, piece[written:]
    except OSError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _inline_body(packer):
    body = bytearray(packer.size)
    for start, piece in _pieces(packer):
        body[start:start + piece.nbytes] = piece
    return body


class Channel:
    """One end of a connection between loader and worker. What is sent arrives as it was, tensors included.

    Args:
        connection (multiprocessing.connection.Connection): one end of a duplex pipe.
    """

    def __init__(self, connection):
        self.connection = connection
        self._socket = None
        self._sending = threading.Lock()                 # a worker's second thread may have something to say

    def fileno(self):
        """The descriptor to wait on."""
        return self.connection.fileno()

    def _as_socket(self):
        # Made on first use: a socket object does not travel to a spawned process, a connection does.
        if self._socket is None:
            self._socket = socket.socket(fileno=os.dup(self.connection.fileno()))
        return self._socket

    def send(self, value):
        """Send a value.

        Args:
            value (object): anything that pickles; leaf tensors go through shared memory.

        Raises:
            OSError: the other end is gone.
        """
        file = io.BytesIO()
        packer = _Packer(file)
        packer.dump(value)
        spans = struct.pack(f"<{2 * len(packer.buffers)}Q", *(
            number for start, raw in packer.buffers for number in (start, raw.nbytes)))
        descriptor = None if packer.size <= _INLINE_LIMIT else _filled_segment(packer)
        inline = descriptor is None
        body = _inline_body(packer) if inline else b""
        message = b"".join(
            (_HEADER.pack(packer.size, len(packer.buffers), inline), spans, body, file.getbuffer())
        )
        try:
            with self._sending:
                self.connection.send_bytes(message)
                if not inline:
                    socket.send_fds(self._as_socket(), [b"\0"], [descriptor])
        finally:
            if not inline:
                os.close(descriptor)

    def receive(self):
        """The next value; waits for it.

        Raises:
            EOFError: the other end is gone.
        """
        message = memoryview(self.connection.recv_bytes())
        size, buffer_count, inline = _HEADER.unpack_from(message)
        place = _HEADER.size + 16 * buffer_count
        spans = struct.unpack_from(f"<{2 * buffer_count}Q", message, _HEADER.size)
        memory = None
        if inline:
            memory = bytearray(message[place:place + size])
            place += size
        else:
            memory = self._receive_segment(size)
        view = memoryview(memory).cast("B")
        buffers = [view[start:start + length] for start, length in zip(spans[::2], spans[1::2])]
        return _Unpacker(io.BytesIO(message[place:]), memory, buffers).load()

    def _receive_segment(self, size):
        _, descriptors, _, _ = socket.recv_fds(self._as_socket(), 1, 1)
        if not descriptors:
            raise EOFError
        try:
            # It does not keep the descriptor open, as Python's own mmap would: programs that keep many batches would
            # run out of them.
            return _C._Mapping(descriptors[0], size)
        finally:
            os.close(descriptors[0])

    def close(self):
        """Close this end."""
        self.connection.close()
        if self._socket is not None:
            self._socket.close()
