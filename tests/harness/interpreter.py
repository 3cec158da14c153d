# SPDX-License-Identifier: Apache-2.0
"""An interpreter with the packages that some tests compare with: CHIARO_REFERENCE_PYTHON, else that of build/references,
which tools/test.sh makes from PyPI, else that of bench/peers, else this one.
"""
import functools
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@functools.lru_cache(None)
def python_with(statement):
    """The first interpreter that runs "import " and the statement, or None."""
    places = (os.environ.get("CHIARO_REFERENCE_PYTHON"), *(os.path.join(ROOT, "build", name, "venv", "bin", "python") for name in ("references", "peers")),
              sys.executable)
    for python in places:
        if python and os.path.exists(python) and subprocess.run([python, "-c", "import " + statement], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return python
    return None
