"""Facts of the machine and of the programs that were measured, for the JSON beside the figures."""

import os
import platform
import re
from importlib import metadata
from pathlib import Path


def read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def facts() -> dict:
    cpuinfo, meminfo = read("/proc/cpuinfo"), read("/proc/meminfo")
    model = re.search(r"model name\s*:\s*(.*)", cpuinfo)
    flags = re.search(r"flags\s*:\s*(.*)", cpuinfo)
    memory = re.search(r"MemTotal:\s*(\d+)", meminfo)
    wanted = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
    return {
        "processor": model[1] if model else platform.processor(),
        "architecture": platform.machine(),
        "instructions": [flag for flag in wanted if flags and flag in flags[1].split()],
        "cores": os.cpu_count(),
        "memory_gb": round(int(memory[1]) / 2**20, 1) if memory else None,
        "system": f"{platform.system()} {platform.release()}",
        "huge_pages": read("/sys/kernel/mm/transparent_hugepage/enabled"),
        "python": platform.python_version(),
        "load_average": list(os.getloadavg()),
    }


def installed_bytes(package: str) -> int:
    """The size of a package's files, compiled bytecode excluded; its dependencies not counted."""
    if package == "rushlight":  # in place or not: everything its import path shows
        import rushlight

        files = [file for folder in dict.fromkeys(rushlight.__path__) for file in Path(folder).rglob("*")]
    else:
        files = [Path(file.locate()) for file in metadata.files(package) or []]
    return sum(f.stat().st_size for f in files if f.is_file() and "__pycache__" not in f.parts)
