"""Makes the files beside this one, with PyTorch 2.13: `python make_files.py`. The tests hold what they contain."""

import collections

import torch

DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


def contents():
    base = torch.arange(12.0).reshape(3, 4)
    state = collections.OrderedDict(weight=base, bias=torch.tensor([0.5, -1.0, 2.0]))
    state._metadata = collections.OrderedDict([("", {"version": 1})])
    return {
        "dtypes": {name: torch.tensor([0, 1, 3]).to(getattr(torch, name)) for name in DTYPES},
        "state": state,
        "views": (base, base.t(), base[1:, ::2], base[2, 1]),
        "parameter": torch.nn.Parameter(torch.tensor([1.5])),
        "leaf": torch.tensor([2.5], requires_grad=True),
        "empty": torch.empty(0, 3),
        "plain": [
            None,
            True,
            False,
            0,
            255,
            65536,
            -1,
            2**70,
            1.5,
            1 - 2j,
            "text é",
            b"\x00\xff",
            (),
            (1,),
            {1, 2},
        ],
        "size": torch.Size([2, 3]),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "counter": collections.Counter("aab"),
        3: {"nested": [{"deep": torch.tensor(7)}]},
    }


if __name__ == "__main__":
    torch.save(contents(), "zip.pth")
    torch.save(contents(), "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(contents(), "protocol4.pth", pickle_protocol=4)
    torch.save(torch.nn.Linear(2, 2), "module.pth")
    torch.serialization.set_crc32_options(False)
    torch.save({"x": torch.ones(3)}, "without_checksums.pth")
    torch.serialization.set_crc32_options(True)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), "program.pth")
