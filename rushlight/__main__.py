"""`python -m rushlight`: version, build, processor, threads and extras, for bug reports."""

import platform
from importlib import metadata

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
    """The installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def report():
    """The lines of the report.

    Returns:
        list of (str, str): what, and its value.

    Example:
        >>> from rushlight.__main__ import report
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


def main():
    """Prints the report."""
    for what, value in report():
        print(f"{what + ':':22}{value}")


if __name__ == "__main__":
    main()
