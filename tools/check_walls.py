"""Checks what keeps the house in order: who may include or import whom, and how long files and functions may be.

    python tools/check_walls.py

C++ rooms see only the rooms below them (the build enforces the same by include paths; this also checks the
build's own permissions). Python packages import one way, never inside a function. Prints one line per breach; exit
status 1 if any.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Who stands below whom, directly; what a room may include is everything under it.
CPP_BELOW = {
    "base": [],
    "tensor": ["base"],
    "registry": ["tensor"],
    "autograd": ["registry"],
    "graph": ["registry"],
    "kernels": ["base"],
    "ops": ["registry", "kernels"],
    "runtime": ["graph", "kernels"],
    "files": ["graph"],
    "capi": ["runtime", "files", "autograd", "ops"],
    "bindings": ["capi"],
    "native tests": ["bindings"],
}

# Python: one line per storey, lowest first. Rooms of one storey do not know each other; a room may be several modules.
PYTHON_STOREYS = [
    [{"core"}],
    [{"functional", "linalg", "fft", "masked", "special", "signal", "storage", "return_types", "random"}],
    [{"autograd"}],
    [{"nn"}, {"amp"}],
    [{"optim"}, {"utils"}, {"jit"}, {"distributions"}, {"func"}, {"testing"},
     {"cuda", "backends", "accelerator", "cpu", "version"}],
    [{"io"}, {"onnx"}, {"quantization", "ao"}, {"distributed"}, {"profiler"}, {"hub"}, {"serialization"}],
    [{"vision"}, {"text"}, {"audio"}, {"rl"}, {"array_api"}, {"graph"}],
    [{"serve"}, {"compat"}, {"cli", "__main__"}],
]
# Private modules beside the front page that belong higher up.
EXCEPTIONS = {"_tensor_class": "functional"}  # it hangs the composites on Tensor

# From this storey on, `import rushlight` itself is allowed: the front page loads nothing of these.
USES_THE_PUBLIC_NAMES = 6

# Who may load a module of ours by `import_module` at its first use, because most programs never need it.
AT_FIRST_USE = {"rushlight/__init__.py", "rushlight/_tensor_class.py", "rushlight/autograd/__init__.py",
                "rushlight/nn/__init__.py",
                "rushlight/utils/__init__.py",
                "rushlight/utils/data/dataloader.py", "rushlight/jit/__init__.py", "rushlight/jit/_trace.py"}

CPP_COLUMNS = 120

FILE_LINES = 1000
FUNCTION_LINES = 80
KERNEL_LINES = 150
LITTER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def below(room: str) -> set[str]:
    found = set(CPP_BELOW[room])
    for other in CPP_BELOW[room]:
        found |= below(other)
    return found


CPP_ALLOWED = {room: below(room) | {room} for room in CPP_BELOW}


def cpp_room(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    if parts[0] == "core":
        return parts[1] if len(parts) > 2 else "capi"
    return "bindings" if parts[0] == "bindings" else "native tests"


def check_includes(path: Path, text: str) -> Iterator[str]:
    room = cpp_room(path)
    onednn_room = path.is_relative_to(ROOT / "core/kernels/onednn")
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if not found:
            continue
        quoted, target = found[1] == '"', found[2]
        where = f"{path.relative_to(ROOT)}:{number}"
        if ".." in Path(target).parts:
            yield f'{where}: includes "{target}"; name headers from the room: "room/file.h"'
        if re.match(r"(oneapi/)?dnnl|oneapi/", target) and not onednn_room:
            yield f"{where}: includes {target}; only core/kernels/onednn may include oneDNN's headers"
        top = target.split("/")[0]
        if quoted and "/" in target and top in CPP_ALLOWED and top not in CPP_ALLOWED[room]:
            yield f'{where}: room {room} includes "{target}"; it may see only {", ".join(sorted(CPP_ALLOWED[room]))}'


def check_build_permissions(path: Path, text: str) -> Iterator[str]:
    """The rooms that the build lets a room include must be rooms below it."""
    for found in re.finditer(r"\broom\(([\w/]+)\s+MAY_INCLUDE([^)]*)\)", text):
        room = found[1].split("/")[0]
        for other in found[2].split():
            if room in CPP_ALLOWED and other.split("/")[0] not in CPP_ALLOWED[room]:
                line = text.count("\n", 0, found.start()) + 1
                yield f"{path.relative_to(ROOT)}:{line}: room({found[1]}) may not include {other}"


def blank(found: re.Match) -> str:
    """What replaces comments and literals: as many lines as they had, and nothing that looks like code."""
    return "\n" * found[0].count("\n") + " "


CPP_NOT_CODE = re.compile(
    r'R"(?P<mark>[^(\s"]*)\(.*?\)(?P=mark)"'          # raw strings
    r'|//[^\n]*|/\*.*?\*/'
    r'|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\''
    r"|^[ \t]*#(?:\\\n|[^\n])*",                       # preprocessor lines with their continuations
    re.DOTALL | re.MULTILINE,
)
CPP_SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b[^()]*$|=\s*$")
CPP_FUNCTION = re.compile(r"\)\s*(const|noexcept|override|final|mutable|&&?|->[^;{}]*|:\s[^;]*|requires[^;{}]*|\s)*$")


# Macro calls that stand alone and blank lines, before what a block belongs to.
CPP_BEFORE = re.compile(r"(\s*[A-Z][A-Z0-9_]+\([^()\n]*\)[ \t]*\n)*\s*")


def cpp_functions(text: str) -> Iterator[tuple[int, int]]:
    """Approximate (first line, length) of each function: outermost blocks that follow a parameter list."""
    code = CPP_NOT_CODE.sub(blank, text)
    scopes: list[tuple[str, int]] = []
    start = 0
    for found in re.finditer(r"[{};]", code):
        mark, at = found[0], found.start()
        inside = bool(scopes) and scopes[-1][0] == "body"
        if mark == "{":
            head = code[start:at]
            if inside:
                scopes.append(("body", -1))
            elif CPP_SCOPE.search(head) or not CPP_FUNCTION.search(head):
                scopes.append(("scope", -1))
            else:
                scopes.append(("body", start + CPP_BEFORE.match(head).end()))
        elif mark == "}" and scopes:
            kind, begin = scopes.pop()
            if kind == "body" and begin >= 0:
                first = code.count("\n", 0, begin) + 1
                yield first, code.count("\n", begin, at) + 1
        if not (scopes and scopes[-1][0] == "body"):
            start = at + 1


def check_columns(path: Path, text: str) -> Iterator[str]:
    shown = path.relative_to(ROOT)
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > CPP_COLUMNS:
            yield f"{shown}:{number}: {len(line)} columns; the limit is {CPP_COLUMNS}"


def check_cpp(path: Path, text: str) -> Iterator[str]:
    yield from check_includes(path, text)
    yield from check_columns(path, text)
    limit = KERNEL_LINES if cpp_room(path) == "kernels" else FUNCTION_LINES
    for first, length in cpp_functions(text):
        if length > limit:
            yield f"{path.relative_to(ROOT)}:{first}: function of {length} lines; the limit here is {limit}"


def room_of(module: str) -> str:
    """The room of a dotted module name below `rushlight`; private modules beside the front page are core."""
    top = module.split(".")[0]
    if top in EXCEPTIONS:
        return EXCEPTIONS[top]
    return "core" if top.startswith("_") and top != "__main__" else top


def storey_of(room: str) -> tuple[int, set[str]] | None:
    for height, rooms in enumerate(PYTHON_STOREYS):
        for modules in rooms:
            if room in modules:
                return height, modules
    return None


def imported(node: ast.AST, package: list[str]) -> list[str]:
    """Dotted names below `rushlight` that an import statement names; "" for the package itself."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        base = node.module or ""
        if node.level:
            kept = package[: len(package) - node.level + 1]
            base = ".".join(kept + ([node.module] if node.module else []))
        # `from . import x` names the module x; `from .x import y` names x (y may be a module or not).
        names = [f"{base}.{alias.name}" for alias in node.names] if base == "rushlight" else [base]
    return [name[len("rushlight") :].lstrip(".") for name in names if name.split(".")[0] == "rushlight"]


def own_imports(tree: ast.Module, package: list[str]) -> Iterator[tuple[ast.stmt, str, bool]]:
    """Each import of our own modules: the statement, the module, and whether it stands inside a function."""
    stack: list[tuple[ast.AST, bool]] = [(tree, False)]
    while stack:
        node, inside = stack.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in imported(node, package):
                yield node, name, inside
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        stack.extend((child, inside) for child in ast.iter_child_nodes(node))


def check_imports(path: Path, tree: ast.Module) -> Iterator[str]:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    package = parts[:-1]
    front_page = parts == ["rushlight", "__init__"]
    room = room_of(".".join(parts[1:]))
    place = storey_of(room)
    shown = path.relative_to(ROOT)
    if place is None and not front_page:
        yield f"{shown}: {room} has no place in the order; give it one in tools/check_walls.py"
        return
    for node, name, inside in own_imports(tree, package):
        where = f"{shown}:{node.lineno}"
        if inside:
            yield f"{where}: imports rushlight.{name} inside a function"
        if front_page:
            continue
        known = storey_of(room_of(name)) if name else None
        if known is None:
            if place[0] < USES_THE_PUBLIC_NAMES:
                named = name or "the front page"
                yield f"{where}: {room} imports {named} from `rushlight`; import the module that defines it"
        elif known[0] > place[0] or (known[0] == place[0] and room not in known[1]):
            yield f"{where}: {room} may not import {room_of(name)}, which stands beside or above it"


def check_names_of_modules(path: Path, tree: ast.Module) -> Iterator[str]:
    """A module that loads others by name names none above it; the front page is above all."""
    if path == ROOT / "rushlight/__init__.py":
        return
    room = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts[1:]))
    place = storey_of(room)
    for node in ast.walk(tree):
        if place is None or not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        named = re.fullmatch(r"rushlight\.([\w.]+)", node.value)
        known = storey_of(room_of(named[1])) if named else None
        if known is not None and (known[0] > place[0] or (known[0] == place[0] and room not in known[1])):
            yield (f"{path.relative_to(ROOT)}:{node.lineno}: {room} may not load {room_of(named[1])}, which stands "
                   "beside or above it")


def check_late_imports(path: Path, tree: ast.Module) -> Iterator[str]:
    shown = path.relative_to(ROOT)
    if shown.as_posix() in AT_FIRST_USE:
        yield from check_names_of_modules(path, tree)
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__"):
            yield f"{shown}:{node.lineno}: loads a module by name; import it at the top of the file"


def check_python_functions(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node, clean=False) is not None:
                length -= node.body[0].end_lineno - node.body[0].lineno + 1
            if length > FUNCTION_LINES:
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                yield f"{where}: {node.name} has {length} lines; the limit is {FUNCTION_LINES}"


def check_file(path: Path) -> Iterator[str]:
    text = path.read_text()
    shown = path.relative_to(ROOT)
    lines = text.count("\n")
    if path.suffix != ".pyi" and lines > FILE_LINES:
        yield f"{shown}: {lines} lines; the limit is {FILE_LINES}"
    if path != Path(__file__).resolve():
        for number, line in enumerate(text.splitlines(), 1):
            found = LITTER.search(line)
            if found:
                yield f"{shown}:{number}: {found[0]}: finish it, or write it in docs/roadmap.md"
    if path.suffix in {".cpp", ".h"}:
        yield from check_cpp(path, text)
    elif path.name == "CMakeLists.txt":
        yield from check_build_permissions(path, text)
    elif path.suffix == ".py":
        tree = ast.parse(text, str(path))
        yield from check_python_functions(path, tree)
        if path.is_relative_to(ROOT / "rushlight"):
            yield from check_imports(path, tree)
            yield from check_late_imports(path, tree)


def house() -> Iterator[Path]:
    for folder in ("core", "bindings", "rushlight", "tests", "tools", "benchmarks", "examples"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".cpp", ".h", ".py", ".pyi"} or path.name == "CMakeLists.txt":
                yield path


def main() -> int:
    breaches = [breach for path in house() for breach in check_file(path)]
    print("\n".join(breaches) if breaches else "walls and budgets hold")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
