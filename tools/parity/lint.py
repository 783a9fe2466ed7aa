"""What an error must say: the operator, the argument, and the offending value, shape or dtype."""
import inspect
import re

_VALUE = re.compile(
    r"\d|=|\(\)|\bNone\b|\bshape\b|\b(?:b?float|int|uint|bool|complex)\d*\b|'[^']*'|\bempty\b|\bnumbers?\b")


def complaint(message, names, arguments):
    """What is missing from an error's sentence, or None."""
    speaker, colon, rest = message.partition(": ")
    if not colon or not (speaker in names or speaker.replace("_", "") in names):
        return f"does not start with the operator ({min(names)}: ...)"
    if not set(re.findall(r"[A-Za-z_]\w*", rest)) & arguments and not re.search(r"\b[a-z]\w*=", rest):
        return "names no argument"
    if not _VALUE.search(rest):
        return "shows no value, shape or dtype"
    return None


def speakers(name, aliases):
    """The names under which an operator may speak of itself."""
    names = {name, *aliases}
    names |= {n.rpartition(".")[2] for n in names}
    names |= {n.strip("_").removeprefix("r") for n in names if n.startswith("__")}
    if name.startswith("nn.") and name[3].isupper():   # CrossEntropyLoss speaks as the function cross_entropy may
        letters = name[3:].lower()
        names |= {"rnntanhcell", "rnnrelucell"} if letters == "rnncell" else set()
        names |= {letters, letters.removesuffix("loss"), re.sub(r"[123]d$", "", letters)}
    return names | {n + "_" for n in names} | {n.strip("_") for n in names}


def arguments(lib, call, name):
    """The names of an operator's arguments."""
    found = {"out"}
    for record in lib._C.operators():
        if name in record["names"] or f"Tensor.{name}" in record["names"] or record["name"] in speakers(name, ()):
            found |= {p["name"] for p in record["params"]}
    made = getattr(call, "made", None)
    try:
        for known in (made, made.forward) if made and hasattr(made, "forward") else (made or call,):
            found |= set(inspect.signature(known).parameters)
    except (TypeError, ValueError):
        pass
    return found
