"""`.rush` files: traced programs with their tensors, in a zip whose members are stored, aligned and checked.

`graph.json` holds the format's version, the graphs as text and what they take and give; `weights.safetensors` the
tensors, which may be mapped into memory as they lie. They are read, and checked, by core/files, as without Python.
"""
import json
import os
import struct

from rushlight import _C
from rushlight.io._atomic import AtomicFile
from rushlight.io._errors import CorruptFileError
from rushlight.io._zip import ZipWriter
from rushlight.jit._captured import Captured
from rushlight.jit._symbolic import Family
from rushlight.jit._trace import Captures, ScriptFunction, ScriptModule
from rushlight.nn.parameter import Parameter

FORMAT = "rushlight graph"
FOLDER = "program"

#: The names of dtypes in safetensors' header; C128 is ours.
_NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
          "int16": "I16", "int8": "I8", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64",
          "bool": "BOOL", "complex64": "C64", "complex128": "C128"}


def _name_of(dtype):
    return _NAMES[str(dtype).removeprefix("rushlight.")]


def _plain(tensor):
    """The tensor's values, row-major, as a flat array of bytes."""
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(_C.uint8).numpy() if flat.numel() else b""


def _safetensors(tensors):
    """The bytes of a file of named tensors; those of wide elements come first, so that all lie aligned."""
    order = sorted(tensors, key=lambda name: (-tensors[name].itemsize, tensors[name].nbytes % 64 != 0, name))
    header, at = {}, 0
    for name in order:
        t = tensors[name]
        header[name] = {"dtype": _name_of(t.dtype), "shape": list(t.shape), "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    return b"".join([struct.pack("<Q", len(text)), text, *(bytes(_plain(tensors[name])) for name in order)])


class _Pool:
    """Tensors of a file by name; one that several graphs use is kept once."""

    def __init__(self):
        self.tensors = {}
        self._names = {}

    def add(self, name, tensor):
        known = self._names.get(id(tensor))
        if known is None:
            while name in self.tensors:
                name += "_"
            known = self._names[id(tensor)] = name
            self.tensors[name] = tensor
        return known


def _is_storable(t, strides):
    """Whether the elements have places of their own, with few gaps between them."""
    if len(strides) != t.ndim or any(stride < 1 for stride in strides):
        return False
    reach = 1
    for stride, size in sorted(zip(strides, t.shape, strict=True)):
        if size > 1 and stride < reach:
            return False
        reach += (size - 1) * stride if size else 0
    return reach <= 4 * t.numel() + 1024


def save(m, f, _extra_files=None):
    """Writes a traced function or module to a `.rush` file.

    Args:
        m (ScriptModule or ScriptFunction): the program.
        f (str, path or file): where to; a path is replaced at once and whole.
        _extra_files (dict): texts or bytes by name, kept beside the program.

    Raises:
        TypeError: `m` is no traced program.
        ValueError: a constant of the program is an expanded tensor, or a sparse view of a larger one.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> rushlight.jit.save(rushlight.jit.trace(lambda x: x + 1, rushlight.ones(2)), file)
        >>> rushlight.jit.load(io.BytesIO(file.getvalue()))(rushlight.zeros(2))
        tensor([1., 1.])
    """
    if not isinstance(m, ScriptModule | ScriptFunction):
        raise TypeError(f"save: m is a {type(m).__name__}; expected a traced function or module")
    captures, pool = m._captures, _Pool()
    module = isinstance(m, ScriptModule)
    parameters = [pool.add(name, p) for name, p in m.named_parameters()] if module else []
    buffers = [pool.add(name, b) for name, b in m.named_buffers()] if module else []
    signatures = []
    captures.generalize()
    apart = [found for found in captures.captured if not any(family.covers(found) for family in captures.families)]
    for i, one in enumerate([*captures.families, *apart]):
        names = {key: pool.add(key if key in pool.tensors or not key.startswith("constant.") else f"{i}.{key}", t)
                 for key, t in one.constants.items()}
        signatures.append({"name": "forward", "graph": one.text, "takes": one.takes, "gives": one.gives,
                           "tensors": names} | ({"least": one.least} if isinstance(one, Family) else {}))
    strided = {name: list(t.stride()) for name, t in pool.tensors.items() if not t.is_contiguous()}
    for name in strided:
        if not _is_storable(pool.tensors[name], strided[name]):
            raise ValueError(f"save: tensor {name!r} of shape {tuple(pool.tensors[name].shape)} has strides "
                             f"{strided[name]}; expected elements with places of their own: contiguous() it first")
    content = {"format": FORMAT, "version": 2 if captures.families else 1, "name": captures.name, "module": module,
               "original_name": m.original_name if module else "", "parameters": parameters, "buffers": buffers,
               "requires_grad": [name for name in parameters if pool.tensors[name].requires_grad],
               "strides": strided, "signatures": signatures}
    if hasattr(f, "write"):
        _write(f.write, content, pool.tensors, _extra_files)
    else:
        with AtomicFile(f) as file:
            _write(file.write, content, pool.tensors, _extra_files)


def _write(write, content, tensors, extra_files):
    out = ZipWriter(write, FOLDER)
    out.add("graph.json", json.dumps(content, indent=1).encode())
    out.add("weights.safetensors", _safetensors(tensors))
    for name, text in (extra_files or {}).items():
        out.add(f"extra/{name}", text.encode() if isinstance(text, str) else text)
    out.close()


def load(f, map_location=None, _extra_files=None, *, mmap=False):
    """Reads a program that `save` wrote; every byte is checked.

    Args:
        f (str, path or file): where from.
        map_location: accepted; the program is on the CPU.
        _extra_files (dict): names to fill with the bytes kept under them.
        mmap (bool): leave the tensors in the file, mapped into memory and read-only; `f` is a path then.

    Returns:
        ScriptModule or ScriptFunction.

    Raises:
        CorruptFileError: the file is truncated, damaged, of a newer version or not what it says it is.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> rushlight.jit.trace(rushlight.nn.Linear(2, 1), rushlight.ones(1, 2)).save(file)
        >>> rushlight.jit.load(io.BytesIO(file.getvalue())).state_dict().keys()
        odict_keys(['weight', 'bias'])
    """
    if hasattr(f, "read"):
        if mmap:
            raise ValueError("load: mmap=True wants a path; got a file")
        source, where = f.read(), "load"
    else:
        source = os.fsdecode(f)
        where = f"load: {source!r}"
        os.stat(source)                              # FileNotFoundError and the like are Python's
    try:
        content = _C.graph.read_file(source, where, not mmap)
    except OSError:
        raise
    except RuntimeError as error:
        raise CorruptFileError(str(error)) from None
    for name in _extra_files or ():
        if name not in content["extra"]:
            raise CorruptFileError(f"{where}: there is no member 'extra/{name}'")
        _extra_files[name] = content["extra"][name]
    return _program(content)


def _program(content):
    tensors, trained = content["tensors"], set(content["requires_grad"])
    named = {name: Parameter(tensors[name], requires_grad=name in trained) for name in content["parameters"]}
    parameter_of = {id(tensors[name]): p for name, p in named.items()}
    captures = Captures(content["name"])
    for _, graph, takes, gives, text, least in content["signatures"]:
        constants = {key: parameter_of.get(id(t), t) for key, t in graph.constants.items()}
        if text:
            dtypes = [dtype for _, dtype, _ in graph.inputs]
            captures.families.append(Family(text, takes, gives, constants, dtypes, least))
        else:
            captures.add(Captured(_C.graph.Program(graph, constants), takes, gives))
    if not content["module"]:
        return ScriptFunction(captures)
    named |= {name: tensors[name] for name in content["buffers"]}
    return ScriptModule(captures, named.items(), content["original_name"])
