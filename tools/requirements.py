"""Prints requirements that pyproject.toml states, one per line, for pip.

    python tools/requirements.py build          what building needs (build-system.requires), CMake and Ninja included
    python tools/requirements.py test demo      the project's own dependencies and these extras
"""

import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())


def requirements(group: str) -> list[str]:
    if group == "build":
        # Without build isolation nobody adds these two for us.
        return [*PROJECT["build-system"]["requires"], "cmake>=3.24", "ninja"]
    return PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"][group]


if __name__ == "__main__":
    print("\n".join(dict.fromkeys(line for group in sys.argv[1:] for line in requirements(group))))
