"""One sample in full: its arguments, what PyTorch gave, what Rushlight gives."""
import rushlight as rl
from tools.parity import calls, replay, wire


def show(folder, operator, dtype="float32", index="0", kind="samples"):
    content, blob = wire.read(folder / wire.file_name(operator, dtype))
    sample = content[kind][int(index)]
    call = calls.find(rl, content["operator"], content["formatted"])
    if "call" not in sample:
        print(sample)
        return
    print("arguments:", wire.decode(sample["call"], rl, blob, []))
    for key in ("want", "grads"):
        if key in sample:
            print(f"{key}:", wire.decode(sample[key], rl, blob, []))
    print({k: v for k, v in sample.items() if k not in ("call", "want", "grads")}, f"rtol={content.get('rtol')}")
    check = replay.check_sample if kind == "samples" else replay.check_error
    print(*check(call, sample, content, blob))
    try:
        args, kwargs, leaves = replay.arguments(sample, blob)
        print("got:", call(*args, **kwargs))
    except Exception as e:
        print(f"got: {type(e).__name__}: {e}")
