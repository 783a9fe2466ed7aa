"""The command `rushlight`, which is `python -m rushlight` too: what is installed, and programs in files.

    rushlight                                     version, build, processor, threads and extras, for bug reports
    rushlight inspect FILE [--graph]              signatures, tensors and metadata of a .rush file, and its graphs
    rushlight run-graph FILE [options]            runs it on .npy, .npz or JSON input; --help lists the options
    rushlight --include-dir                       where rushlight.h and rushlight.hpp are
    rushlight --library-dir                       where librushlight.so is, and cmake/ for find_package
    rushlight --bin-dir                           where the command rushlight-run is, which needs no Python
"""

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from rushlight import _C

#: Optional packages by the extra that installs them.
EXTRAS = {
    "vision": ["Pillow"],
    "audio": ["soundfile", "soxr"],
    "onnx": ["onnx"],
    "tensorboard": ["tensorboard"],
    "rl": ["gymnasium"],
    "progress": ["tqdm"],
}


def version_of(package):
    """The installed version of a package, or None.

    Args:
        package (str): its name, as installers know it.

    Example:
        >>> rushlight.cli.version_of("no-such-package") is None
        True
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def report():
    """The lines of the report.

    Returns:
        list of (str, str): what, and its value.

    Example:
        >>> from rushlight.cli import report
        >>> report()[0][0]
        'Rushlight'
    """
    about = _C.about()
    isas = ", ".join(about["isas"])
    onednn = f"not loaded: {about['onednn_missing']}" if about["onednn"] is None else (
        f"{about['onednn']} ({about['onednn_isa']}), on {about['onednn_threads']} threads")
    lines = [
        ("Rushlight", _C.version),
        ("native library", f"{about['build_type']}, {about['compiler']}"),
        ("instruction set", f"{about['isa']} (available: {isas})"),
        ("oneDNN", onednn),
        ("threads", str(about["threads"])),
        ("Python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("system", platform.platform()),
        ("NumPy", version_of("numpy") or "missing: it is needed"),
    ]
    for extra, packages in EXTRAS.items():
        found = ", ".join(f"{package} {version_of(package) or 'missing'}" for package in packages)
        lines.append((f"extra [{extra}]", found))
    return lines


def directory(what):
    """Where the parts for programs without Python are.

    Args:
        what (str): "include", "lib" or "bin".

    Returns:
        Path: in the installed package, or in the folder that the package was built in.

    Raises:
        FileNotFoundError: the package was installed without them.

    Example:
        >>> from rushlight.cli import directory
        >>> (directory("include") / "rushlight.h").exists()
        True
    """
    native = Path(_C.__file__).resolve().parent
    built = {"include": Path(__file__).resolve().parent.parent / "core/capi"}.get(what, native.parent / "core")
    content = {"include": "rushlight.h", "lib": "librushlight.so", "bin": "rushlight-run"}[what]
    for folder in (native / what, built):
        if (folder / content).exists():
            return folder
    raise FileNotFoundError(f"rushlight: there is no {content} beside {native}")


def main(arguments=None):
    """Does what the command line says.

    Args:
        arguments (list of str): Default: the process's.

    Returns:
        int: the exit status.

    Example:
        >>> from rushlight.cli import main
        >>> main(["--include-dir"]) == 0
        /...
        True
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    known = {"--include-dir": "include", "--library-dir": "lib", "--bin-dir": "bin"}
    if not arguments:
        for what, value in report():
            print(f"{what + ':':22}{value}")
        return 0
    if arguments[0] in known and len(arguments) == 1:
        print(directory(known[arguments[0]]))
        return 0
    if arguments[0] in ("inspect", "run-graph"):
        inspect = ["--inspect"] if arguments[0] == "inspect" else []
        return subprocess.run([directory("bin") / "rushlight-run", *arguments[1:], *inspect]).returncode
    asked = arguments[0] in ("-h", "--help")
    print(__doc__, file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2
