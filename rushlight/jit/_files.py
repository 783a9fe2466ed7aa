"""`.rush` files: traced programs with their tensors, in a zip whose members are stored, aligned and checked.

`graph.json` holds the format's version, the graphs as text and what they take and give; `weights.safetensors` the
tensors, which may be mapped into memory as they lie. They are read, and checked, by core/files, as without Python.
For transport the whole file may be a gzip stream, whose extra field holds the checksum of the deflated bytes.
"""
import json
import os
import struct
import zlib

from rushlight import _C
from rushlight._files.atomic import AtomicFile
from rushlight._files.errors import CorruptFileError
from rushlight._files.zip import ZipWriter
from rushlight.jit._captured import Captured
from rushlight.jit._script import Scripted
from rushlight.jit._script_files import script_among_others, script_content, script_programs
from rushlight.jit._symbolic import Family
from rushlight.jit._trace import Captures, ScriptFunction, ScriptModule
from rushlight.nn.parameter import Parameter

FORMAT = "rushlight graph"
FOLDER = "program"

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
        header[name] = {"dtype": _C.files.dtype_names[t.dtype], "shape": list(t.shape),
                        "data_offsets": [at, at + t.nbytes]}
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


def save(m, f, _extra_files=None, *, metadata=None, compress=False):
    """Writes a traced or scripted function or module, or several by name, to a `.rush` file.

    Args:
        m (ScriptModule, ScriptFunction or dict of them): the program, which is the signature `forward`; or programs
            that are signatures of these names and share what tensors they have in common.
        f (str, path or file): where to; a path is replaced at once and whole.
        _extra_files (dict): texts or bytes by name, kept beside the program.
        metadata (dict): what JSON can hold: labels, preprocessing. Default: what `m` was loaded with.
        compress (bool): deflate the file for transport; such a file is unpacked into memory when it is loaded, where
            others are mapped. `gunzip` gives the plain file. Default: False.

    Raises:
        TypeError: `m` is no traced or scripted program, or `metadata` nothing that JSON can hold.
        ValueError: a constant of the program is an expanded tensor, or a sparse view of a larger one; `metadata` holds
            NaN or infinities; with `compress`, the file has 4 GB or more.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> rushlight.jit.save(rushlight.jit.trace(lambda x: x + 1, rushlight.ones(2)), file, metadata={"unit": "mm"})
        >>> loaded = rushlight.jit.load(io.BytesIO(file.getvalue()))
        >>> loaded(rushlight.zeros(2)), loaded.metadata
        (tensor([1., 1.]), {'unit': 'mm'})
    """
    programs = m if isinstance(m, dict) and m else {"forward": m}
    for name, program in programs.items():
        if not isinstance(program, ScriptModule | ScriptFunction) or not isinstance(name, str):
            raise TypeError(f"save: m is or holds a {type(program).__name__} named {name!r}; expected a traced or "
                            "scripted function or module")
    if metadata is None:
        metadata = next(iter(programs.values())).metadata
    if not isinstance(metadata, dict):
        raise TypeError(f"save: metadata is a {type(metadata).__name__}; expected a dict")
    try:
        json.dumps(metadata, allow_nan=False)
    except (TypeError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"save: metadata holds what JSON can't: {error}; expected finite numbers, texts, True, False, None, "
                   "and lists and dicts of them") from None
    if programs is not m and isinstance(m._captures, Scripted):
        content, tensors = script_content(m)
        _save(f, content | {"metadata": metadata}, tensors, _extra_files, compress)
        return
    single = m if isinstance(m, ScriptModule) else None
    pool, signatures = _Pool(), []
    parameters = [pool.add(name, p) for name, p in single.named_parameters()] if single is not None else []
    buffers = [pool.add(name, b) for name, b in single.named_buffers()] if single is not None else []
    scripts = {}
    for name, program in programs.items():
        if isinstance(program._captures, Scripted):
            scripts[name], more = script_among_others(name, program, pool)
            signatures += more
            parameters += [key for key in dict.fromkeys(scripts[name]["tensors"].values())
                           if isinstance(pool.tensors[key], Parameter) and key not in parameters]
        else:
            signatures += _signatures(name, program._captures, pool, "" if program is m else f"{name}.")
    for name, captures in getattr(single, "_methods", {}).items():
        signatures += _signatures(name, captures, pool, f"{name}.")
    strided = {name: list(t.stride()) for name, t in pool.tensors.items() if not t.is_contiguous()}
    for name in strided:
        if not _C.files.is_storable(pool.tensors[name].shape, strided[name]):
            raise ValueError(f"save: tensor {name!r} of shape {tuple(pool.tensors[name].shape)} has strides "
                             f"{strided[name]}; expected elements with places of their own: contiguous() it first")
    content = {"format": FORMAT, "version": _version(signatures), "name": "" if m is programs else m._captures.name,
               "module": single is not None, "original_name": single.original_name if single is not None else "",
               "training": single is None or single.training,
               "parameters": parameters, "buffers": buffers,
               "requires_grad": [name for name in parameters if pool.tensors[name].requires_grad],
               "strides": strided, "signatures": signatures, "metadata": metadata}
    if scripts:
        kept = {name: name for one in scripts.values() for name in one["tensors"].values()}
        content |= {"version": 3, "script": {"tensors": kept, "programs": scripts}}
    _save(f, content, pool.tensors, _extra_files, compress)


def _version(signatures):
    """The first version of the format whose readers know what these hold: sizes that vary, calls."""
    if any("\ngraph " in one["graph"] for one in signatures):
        return 3
    return 2 if any("least" in one for one in signatures) else 1


def _save(f, content, tensors, extra_files, compress):
    if not hasattr(f, "write"):
        with AtomicFile(f) as file:
            _save(file, content, tensors, extra_files, compress)
    elif compress:
        pieces = []
        _write(lambda piece: pieces.append(bytes(piece)), content, tensors, extra_files)
        f.write(_packed(b"".join(pieces)))
    else:
        _write(f.write, content, tensors, extra_files)


def _packed(plain):
    """A gzip stream (RFC 1952) of these bytes."""
    if len(plain) >= 1 << 32:
        raise ValueError(f"save: compress=True for a file of {len(plain)} bytes; expected less than 4 GB")
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    deflated = deflater.compress(plain) + deflater.flush()
    head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x08\0RL\x04\0"          # the extra field RL, of 4 bytes
    return head + struct.pack("<I", zlib.crc32(deflated)) + deflated + struct.pack("<2I", zlib.crc32(plain), len(plain))


def _signatures(name, captures, pool, prefix):
    """What graph.json says of a program: one graph for each set of shapes; its tensors go into the pool."""
    out = []
    captures.generalize()
    apart = [found for found in captures.captured if not any(family.covers(found) for family in captures.families)]
    for i, one in enumerate([*captures.families, *apart]):
        names = {key: pool.add(prefix + (f"{i}.{key}" if key.startswith("constant.") else key), t)
                 for key, t in one.constants.items()}
        out.append({"name": name, "graph": one.text, "takes": one.takes, "gives": one.gives, "tensors": names}
                   | ({"least": one.least} if isinstance(one, Family) else {}))
    return out


def _write(write, content, tensors, extra_files):
    out = ZipWriter(write, FOLDER)
    out.add("graph.json", json.dumps(content, indent=1, allow_nan=False).encode())
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
        ScriptModule or ScriptFunction, or a dict of them by name where several were saved. They are called as the
        program that was saved, or with tensors by the names of its inputs, which `rushlight inspect` shows.

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
        content = _C.files.read_program(source, where, not mmap)
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
    scripted = script_programs(content, tensors | named) if content["script"] is not None else {}
    if "" in scripted:
        return scripted[""]
    records = (content["script"] or {}).get("programs", {}).values()
    described = {signature for one in records for signature in one["signatures"].values()}
    parameter_of = {id(tensors[name]): p for name, p in named.items()}
    programs = {}
    for name, graph, takes, gives, text, least, called in content["signatures"]:
        if name in described:
            continue
        if "value" in repr((takes, gives)):
            raise CorruptFileError(f"load: signature {name!r} is a scripted program, and there is no field 'script' "
                                   "that describes it")
        captures = programs.setdefault(name, Captures(content["name"] or name))
        captures.metadata = content["metadata"]
        of_called = {key: parameter_of.get(id(t), t) for one in called for key, t in one.constants.items()}
        constants = {key: parameter_of.get(id(t), t) for key, t in graph.constants.items()} | of_called
        if text:
            dtypes = [dtype for _, dtype, _ in graph.inputs]
            captures.families.append(Family(text, takes, gives, constants, dtypes, least))
        else:
            program = _C.graph.Program(graph, constants, called)
            captures.add(Captured(program, takes, gives, (), called, of_called))
    if not content["name"]:
        return {name: ScriptFunction(captures) for name, captures in programs.items()} | scripted
    captures = programs.pop("forward", None) or next(iter(programs.values()))
    if not content["module"]:
        return ScriptFunction(captures)
    named |= {name: tensors[name] for name in content["buffers"]}
    made = ScriptModule(captures, named.items(), content["original_name"], programs)
    return made.train(content["training"])
