"""A script as one of several processes: `python script.py SCRIPT …` runs it as Python itself would.

Where it fails, before it has imported whygrad as well, the process says which one it is (`processes`).
Until then only Python's own library is imported: what has to be set before others is up to the script.
"""

import os
import sys
from types import ModuleType


def main() -> None:
    """Run the script that the first argument names."""
    del sys.argv[0]
    path = os.path.abspath(sys.argv[0])
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    module = sys.modules["__main__"] = ModuleType("__main__")
    module.__file__ = path
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except Exception as error:
        if sys.excepthook is sys.__excepthook__:  # else the script's own, or ours, is there
            from whygrad.engines.xla import processes  # noqa: F401 - who is launched says so from here on

        trace = error.__traceback__ and error.__traceback__.tb_next  # without this frame
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.exit(1)


if __name__ == "__main__":
    main()
