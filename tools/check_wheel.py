"""Makes the wheel, installs it alone in a fresh environment and checks what a user would get.

    python tools/check_wheel.py FOLDER

Checks: one copy each of oneDNN and OpenBLAS with its licence, the installed size, that it imports and computes away
from the sources, that the package metadata and `rushlight.__version__` agree. The native build folder of `make dev`
is used again.
"""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_MB = 80

TRY_IT = """
import importlib.metadata, rushlight as rl
assert rl.__version__ == importlib.metadata.version("rushlight"), rl.__version__
x = rl.ones(3, 4, requires_grad=True)
w = rl.full((5, 4), 0.5)
y = rl.nn.functional.linear(x, w)
assert y.tolist() == [[2.0] * 5] * 3, y
y.sum().backward()
assert x.grad.tolist() == [[2.5] * 4] * 3, x.grad
image = rl.ones(1, 1, 6, 6)
out = rl.nn.functional.conv2d(image, rl.ones(2, 1, 3, 3))
assert out.shape == (1, 2, 4, 4) and out.sum().item() == 288.0, out
assert rl.linalg.inv(rl.tensor([[4.0]])).tolist() == [[0.25]]
rl.jit.trace(lambda x: x + 1, rl.ones(2)).save("plus.rush")
from rushlight.cli import main
assert main(["run-graph", "plus.rush", "--json", '{"input": [1, 2]}']) == 0
print("works:", rl.__version__, "from", rl.__path__[0])
"""


def build(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", folder,
         f"--config-settings=build-dir={ROOT / 'build/dev'}", ROOT],
        check=True, env=environment,
    )  # fmt: skip
    (wheel,) = folder.glob("rushlight-*.whl")
    return wheel


def check_contents(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    complaints = []
    for wanted in ("rushlight/_C.", "rushlight/lib/librushlight.so", "rushlight/py.typed",
                   "rushlight/bin/rushlight-run", "rushlight/include/rushlight.h", "rushlight/include/rushlight.hpp",
                   "rushlight/lib/cmake/rushlight/rushlight-config.cmake"):
        if not any(name.startswith(wanted) for name in sizes):
            complaints.append(f"the wheel lacks {wanted}*")
    for who, library, folder in (("oneDNN", "libdnnl", "/onednn/"), ("OpenBLAS", "libscipy_openblas", "/openblas/")):
        copies = [name for name in sizes if library in name]
        if len(copies) > 1:
            complaints.append(f"{who} is in the wheel {len(copies)} times: {', '.join(copies)}")
        if copies and not any(folder in name and "LICENSE" in name for name in sizes):
            complaints.append(f"{who} is in the wheel without its licence")
    megabytes = sum(sizes.values()) / 1e6
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB to download, {megabytes:.1f} MB installed without NumPy")
    for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:4]:
        print(f"  {size / 1e6:6.1f} MB  {name}")
    if megabytes > LIMIT_MB:
        complaints.append(f"{megabytes:.1f} MB installed; the limit is {LIMIT_MB} MB")
    return complaints


def try_it(wheel: Path, folder: Path) -> list[str]:
    venv.create(folder / "fresh", with_pip=True, clear=True)
    python = folder / "fresh/bin/python"
    subprocess.run([python, "-m", "pip", "--quiet", "install", wheel], check=True)
    done = subprocess.run([python, "-c", TRY_IT], cwd=folder)
    return [] if done.returncode == 0 else ["the installed wheel does not work"]


def main() -> int:
    folder = Path(sys.argv[1]).resolve()
    wheel = build(folder)
    complaints = check_contents(wheel) + try_it(wheel, folder)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
