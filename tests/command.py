"""Running the command line in this process: exit code, standard output, lines on standard error."""

import contextlib
import io
import math
from dataclasses import dataclass
from unittest import mock

from whygrad import cli
from whygrad.why.training_history import waiting


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def lines(self):
        """What went to standard error, line by line."""
        return self.err.splitlines()


def whygrad(*words):
    """Run `whygrad` with these words; whatever is raised is a bug and passes through."""
    out, err = io.StringIO(), io.StringIO()
    # How long a question takes, which a line would say, depends on what else the machine does.
    silent = mock.patch.object(waiting, "SHORT", math.inf)
    with silent, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run([str(word) for word in words])
    return Result(code, out.getvalue(), err.getvalue())
