"""What an error must say: the operator, the argument, and the offending value, shape or dtype."""
import re

_ARGUMENT = re.compile(r"\b[A-Za-z_]\w*=|argument '\w+'|'\w+'|\b(?:input|inputs|tensors|other|weight|bias|target)\b")
_VALUE = re.compile(r"\d|=|\(\)|\bNone\b|\bshape\b|\b(?:b?float|int|uint|bool|complex)\d*\b|'[^']*'")


def complaint(message, names):
    """What is missing from an error's sentence, or None."""
    speaker, colon, rest = message.partition(": ")
    if not colon or speaker not in names:
        return f"does not start with the operator ({min(names)}: ...)"
    if not _ARGUMENT.search(rest):
        return "names no argument"
    if not _VALUE.search(rest):
        return "shows no value, shape or dtype"
    return None


def speakers(name, aliases):
    """The names under which an operator may speak of itself."""
    names = {name, *aliases}
    names |= {n.rpartition(".")[2] for n in names}
    names |= {n.strip("_").removeprefix("r") for n in names if n.startswith("__")}
    return names | {n + "_" for n in names} | {n.strip("_") for n in names}
