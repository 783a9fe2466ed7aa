"""Runs the Array API standard's test suite on `rushlight.array_api`.

    make array-api SUITE=/path/to/array-api-tests
    make array-api SUITE=/path/to/array-api-tests ARGS="--max-examples 5 -k unique"

The suite is a checkout of data-apis/array-api-tests with its submodule, the specification; docs/array-api.md names the
commits. What follows the suite's path goes to pytest. Tests that are expected to fail stand, with their reasons, in
tests/array_api/xfails.txt.
"""
import os
import subprocess
import sys
from pathlib import Path

XFAILS = Path(__file__).resolve().parent.parent / "tests" / "array_api" / "xfails.txt"
# The operators too are to be the standard's.
MODULE = "exec('from rushlight import array_api as xp; xp.standard_operators()')"


def main(arguments):
    """Runs the suite; the exit status is pytest's, or 2 where there is no suite."""
    suite = Path(arguments[0] if arguments else "")
    if not arguments or not (suite / "array_api_tests").is_dir() or not (suite / "array-api" / "spec").is_dir():
        print("array-api: SUITE must name a checkout of data-apis/array-api-tests with its submodule array-api, not "
              f"{str(suite)!r}", file=sys.stderr)
        return 2
    command = [sys.executable, "-m", "pytest", "array_api_tests", "-q", "-p", "no:cacheprovider", "--disable-deadline",
               "--xfails-file", str(XFAILS), *arguments[1:]]
    environment = {**os.environ, "ARRAY_API_TESTS_MODULE": os.environ.get("ARRAY_API_TESTS_MODULE", MODULE)}
    return subprocess.run(command, cwd=suite, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
