"""Exported networks run by what they were exported for: onnxruntime, gcc, node."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

GCC = ("gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1")
# What whygrad promises of an exported network, relative to its largest value and at least to 1.
PROMISED = {"float32": 1e-6, "float64": 1e-12}


def onnxruntime():
    return pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def ran(path, feed):
    """Return what onnxruntime makes of a file, by the names of its outputs."""
    session = onnxruntime().InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feed), strict=True))


def compiled(path, macro):
    """Compile a file of C as strictly as gcc can, run its own proof: exit code and largest difference."""
    if shutil.which("gcc") is None:
        pytest.skip("there is no gcc to compile C with")
    program = path.with_suffix("")
    words = [*GCC, f"-D{macro}_MAIN", str(path), "-o", str(program), "-lm"]
    built = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stderr
    result = subprocess.run([str(program)], capture_output=True, text=True, timeout=120)
    return result.returncode, float(re.search(r"difference is (\S+)", result.stdout)[1])


def in_node(path, expression):
    """Import an exported module as `net` in node, and return what an expression is."""
    if shutil.which("node") is None:
        pytest.skip("there is no node to run JavaScript with")
    module = json.dumps(path.resolve().as_uri())
    code = f"import({module}).then((net) => console.log(JSON.stringify({expression})))"
    result = subprocess.run(["node", "-e", code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def limit(dtype, values):
    return PROMISED[dtype] * max(1.0, float(np.abs(values).max()))
