"""Says in one sentence what a machine lacks for building Rushlight; silent when it lacks nothing.

Runs before anything is installed, on whatever Python is there, hence the plain syntax.
"""

import os
import shutil
import subprocess
import sys
import sysconfig

PROGRAM = """
#include <concepts>
#include <span>
template <std::integral T> constexpr T twice(T x) { return 2 * x; }
struct Record { int a = 0; int b = 0; };
int main() { Record r{.a = 1, .b = twice(2)}; return r.a + r.b == 5 ? 0 : 1; }
"""


def compilers():
    named = os.environ.get("CXX")
    return [named] if named else ["c++", "g++", "clang++"]


def understands_cxx20(compiler):
    command = compiler.split() + ["-std=c++20", "-fsyntax-only", "-x", "c++", "-"]
    try:
        done = subprocess.run(command, input=PROGRAM.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError:
        return False
    return done.returncode == 0


def missing():
    if sys.version_info < (3, 11):  # noqa: UP036  runs on any Python, to say so
        return (
            "Rushlight needs Python 3.11 or newer; %s is %d.%d. Name another one: make PYTHON=/path/to/python3.12"
            % (sys.executable, sys.version_info[0], sys.version_info[1])
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return (
            "This Python cannot make virtual environments. On Debian or Ubuntu: apt install python3-venv; "
            "elsewhere install the package that holds Python's `venv` and `ensurepip` modules."
        )
    header = os.path.join(sysconfig.get_path("include"), "Python.h")
    if not os.path.exists(header):
        return "Python's C headers are missing (%s). On Debian or Ubuntu: apt install python3-dev" % header
    found = [c for c in compilers() if shutil.which(c.split()[0])]
    if not found:
        return "No C++ compiler was found (tried %s). Install g++ 12 or clang 15, or newer, or set CXX." % (
            ", ".join(compilers())
        )
    if not any(understands_cxx20(c) for c in found):
        return "%s does not compile C++20. Install g++ 12 or clang 15, or newer, or set CXX." % " nor ".join(found)
    return None


if __name__ == "__main__":
    sys.exit(missing())
