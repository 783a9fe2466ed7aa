"""What the generators of stubs and reference pages read: the operator records and the public Python names."""

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import rushlight
from rushlight import _C

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Param:
    name: str
    type: str
    default: str | None
    keyword_only: bool


@dataclass(frozen=True)
class Signature:
    """A record's signature, read from its text: `name(a: Tensor, b: int = 0, *, c: bool = False) -> Tensor`."""

    params: tuple[Param, ...]
    returns: str


def split_outside(text: str, separator: str) -> list[str]:
    """Splits at a separator that stands outside brackets and quotes."""
    parts, depth, quoted, begin = [], 0, "", 0
    for at, mark in enumerate(text):
        if quoted:
            quoted = "" if mark == quoted else quoted
        elif mark in "'\"":
            quoted = mark
        elif mark in "([":
            depth += 1
        elif mark in ")]":
            depth -= 1
        elif mark == separator and not depth:
            parts.append(text[begin:at].strip())
            begin = at + 1
    return [part for part in [*parts, text[begin:].strip()] if part]


def parse(signature: str) -> Signature:
    inside, returns = re.fullmatch(r"\w+\((.*)\)\s*->\s*(.*)", signature, re.DOTALL).groups()
    params, keyword_only = [], False
    for text in split_outside(inside, ","):
        if text == "*":
            keyword_only = True
            continue
        name, _, rest = text.partition(":")
        kind, *default = split_outside(rest, "=")
        params.append(Param(name.strip(), kind, default[0] if default else None, keyword_only))
    return Signature(tuple(params), returns)


@dataclass(frozen=True)
class Callable:
    """One public name of an operator."""

    record: dict
    group: str
    name: str
    signature: Signature

    @property
    def is_method(self) -> bool:
        return self.group == "Tensor"

    @property
    def in_place(self) -> bool:
        return self.name.endswith("_") and not self.name.endswith("__") and not self.record["writes_first"]

    @property
    def takes_out(self) -> bool:
        return self.record["out"] and not self.is_method and not self.in_place

    @property
    def is_factory(self) -> bool:
        """Makes a tensor from nothing or beside another one, hence takes device, layout, requires_grad."""
        first = self.signature.params[0].type if self.signature.params else ""
        number = first.startswith("Tensor | Number") and any(p.name == "dtype" for p in self.signature.params)
        return number or not first.startswith("Tensor") or self.name.endswith("_like") or self.name.startswith("new_")


def callables() -> Iterator[Callable]:
    """Every public name of every operator record; namespaces with an underscore are not public."""
    for record in _C.operators():
        signature = parse(record["signature"])
        for path in record["names"]:
            group, _, name = path.rpartition(".")
            if group.startswith("_"):
                continue
            yield Callable(record, group, name, signature)


def groups() -> dict[str, list[Callable]]:
    found: dict[str, list[Callable]] = {}
    for one in callables():
        found.setdefault(one.group, []).append(one)
    return {group: sorted(found[group], key=lambda one: one.name) for group in sorted(found)}


def public_modules() -> list[ModuleType]:
    """Every public module. Composites are public under the names that they state, not under their room's."""
    modules = [rushlight]
    for info in pkgutil.walk_packages(rushlight.__path__, "rushlight."):
        hidden = any(part.startswith("_") for part in info.name.split("."))
        if not hidden and not info.name.startswith("rushlight.functional"):
            modules.append(importlib.import_module(info.name))
    return modules


def public_names(module: ModuleType) -> dict[str, object]:
    """What a module offers: its `__all__`, or everything without an underscore that is no machinery of others."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return {name: getattr(module, name) for name in sorted(listed)}
    found = {}
    # dir() knows the names that a module loads at first use.
    for name in sorted(dir(module)):
        if name.startswith("_"):
            continue
        value = getattr(module, name)
        if isinstance(value, SimpleNamespace):
            continue
        foreign = inspect.ismodule(value) and value.__name__ != f"{module.__name__}.{name}"
        where = home(value)
        private = where.rpartition(".")[2].startswith("_") and where != "rushlight._C"
        machinery = private and module is not rushlight
        elsewhere = where and not where.startswith("rushlight")
        if not (foreign or machinery or elsewhere):
            found[name] = value
    return found


def signature_of(value: Any) -> inspect.Signature:
    """A Python function's signature, with the `out=` that a composite may take besides its own."""
    shown = inspect.signature(value)
    if not getattr(value, "takes_out", False):
        return shown
    listed = [*shown.parameters.values(), inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None)]
    return shown.replace(parameters=sorted(listed, key=lambda p: p.kind))


def home(value: object) -> str:
    """The module that defines a function or class, "" for other values."""
    return getattr(value, "__module__", "") if inspect.isfunction(value) or inspect.isclass(value) else ""


def write_or_check(files: dict[Path, str], check: bool, folder: Path | None = None) -> int:
    """Writes the generated files, or with `check` names those that differ and returns 1.

    Files of `folder` that are no longer generated count as differing, and are removed when writing.
    """
    present = folder.rglob("*") if folder and folder.exists() else []
    stale = [path for path in present if path.is_file() and path not in files]
    wrong = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if check:
        for path in wrong + stale:
            print(f"{path.relative_to(ROOT)} is not what the operator records say; run `make docs`", file=sys.stderr)
        return 1 if wrong or stale else 0
    for path in wrong:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path])
    for path in stale:
        path.unlink()
    print(f"{len(wrong)} of {len(files)} files written anew, {len(stale)} removed")
    return 0
