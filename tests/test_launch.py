"""Several processes train as one: the same bits on 1, 2 and 4, whoever dies, and whatever goes on after."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import whygrad as wg
from command import whygrad
from object_store import serving
from whygrad.cli.runs import launch
from whygrad.engines import WeightProbe, choose
from whygrad.engines.xla import failures, launcher, processes
from whygrad.engines.xla.processes import HEARTBEAT
from whygrad.plan.plan import Plan
from whygrad.why.training_history.accounts import accounts

pytestmark = pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed: make peers")

LONG = "WHYGRAD_LAUNCH_KILLS" in os.environ
TESTS = str(Path(__file__).parent)
PATIENCE = 300  # seconds; JAX takes its time to start, four times on a machine of few cores

SCRIPT = """
import hashlib, sys, time
import numpy as np
import whygrad as wg
from whygrad.engines import Probes
from whygrad.engines.xla import engine, following, processes

processes.SHUTDOWN = 2
draws = np.random.default_rng(0)
X, y = draws.normal(size=(90, 6)), draws.integers(0, 3, 90)
if "other data" in sys.argv[1:] and following():
    X[7, 3] += 1e-9
if "first ends" in sys.argv[1:] and not following():
    sys.exit("the first has its own reason")
if "stuck" in sys.argv[1:]:
    engine.STUCK = 5.0
    if following():
        engine.XlaEngine._take = lambda *_: time.sleep(1000)
if "never comes" in sys.argv[1:]:
    processes.PATIENCE = 8
    if processes.TOLD[processes.INDEX] == "1":
        time.sleep(1000)
if "leaves" in sys.argv[1:] and processes.TOLD[processes.INDEX] == "1":
    sys.exit(0)
if "other version" in sys.argv[1:] and following():
    from whygrad.training import together
    together.__version__ = "0.0.7"
if "other JAX" in sys.argv[1:] and following():
    import jaxlib.version
    jaxlib.version.__version__ = "0.0.7"
if "full disk" in sys.argv[1:]:
    import resource
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    net = wg.Network(6, [wg.Dense(100), wg.Dense(3, "softmax")], "cross_entropy")
    options = {"engine": "xla", "blocks": 4, "record": "full.run", "batch_size": 4}
    wg.train(net, X, y, epochs=20_000, **options)
if "fails" in sys.argv[1:] and following():
    engine.XlaEngine._take = lambda *_: [][0]
cube = wg.Activation("cube", lambda z: z**3, lambda z: 3 * z**2)  # lies elsewhere in each process
class Seen(wg.Callback):
    probes = Probes(costs=True)

    def __init__(self):
        self.states, self.costs = hashlib.sha256(), []

    def on_steps_end(self, report):
        self.costs += [cost.hex() for cost in report.probed.costs.tolist()]

    def on_epoch_end(self, report):
        self.states.update(report.state.theta.tobytes() + report.state.opt_state.tobytes())

PLANS = {  # of the first the last batch of an epoch is a smaller one, which is compiled as well
    "sgd, dropout": ({"optimizer": wg.SGD(0.01, momentum=0.9), "batch_size": 20}, 0.3),
    "adam, penalties": ({"optimizer": "adam", "l1": 0.01, "l2": 0.1, "clip": 0.5}, 0.0),
    "nadam, cosine": ({"optimizer": "nadam", "schedule": "cosine", "dtype": "float32"}, 0.2),
}
if "every pair" in sys.argv[1:]:
    from covering import pairwise
    from plans import OPTIMIZERS, REGULARISATION, SCHEDULES

    penalties = ["none", "l1", "l2 per batch", "decay per step", "clip norm"]
    factors = {"optimizer": list(OPTIMIZERS), "schedule": list(SCHEDULES), "penalty": penalties}
    PLANS = {}
    for row in pairwise(factors | {"dropout": ["0.0", "0.3"], "dtype": ["float64", "float32"]}):
        options = {"dtype": row["dtype"], "epochs": 5, "optimizer": OPTIMIZERS[row["optimizer"]]}
        options |= {"schedule": SCHEDULES[row["schedule"]]} | REGULARISATION[row["penalty"]]
        if row["schedule"] == "adaptive":
            options["stopping"] = wg.Stopping(tol=1e9, patience=1)
        PLANS[", ".join(row.values())] = options, float(row["dropout"])
many = dict(net=wg.Network(6, [wg.Dense(3, "softmax")]), X=X, Y=y, engine="xla", blocks=4)
for name, (options, dropout) in PLANS.items():
    layers = [wg.Dense(7, cube, dropout=dropout), wg.Dense(3, "softmax")]
    net = wg.Network(6, layers, "cross_entropy")
    options = {"epochs": 3, "batch_size": 30, "engine": "xla", "blocks": 4} | options
    seen = Seen()
    fitted = wg.train(net, X, y, callbacks=[seen], **options)
    epochs = [epoch.cost.hex() for epoch in fitted.history.epochs]
    print(name, seen.states.hexdigest(), seen.costs, epochs, flush=True)
if following():
    try:
        wg.train_many([{"seed": 1}, {"seed": 2}], **many)
    except wg.InputError as error:
        assert str(error).startswith("several processes share one training at a time"), error
    else:
        raise AssertionError("they were trained")
else:
    time.sleep(5)  # what the first does beyond the last training, the others wait for
    print("whole", flush=True)
"""


def launched(folder, *words, program=("-m", "whygrad"), **more):
    """A launcher that runs, in a folder of its own."""
    command = [sys.executable, *program, "launch", *words]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
    )


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "trained.py"
    path.write_text(SCRIPT)
    return path


def test_one_two_and_four_processes_give_the_same_bits(script):
    numbers = (1, 2, 4) if LONG else (1, 4)  # on two, and then on one, trainings below go on
    running = [launched(script.parent, "-n", str(n), script.name) for n in numbers]
    said = [process.communicate(timeout=PATIENCE)[0].decode() for process in running]
    assert [process.returncode for process in running] == [0] * len(numbers)
    assert said[0].count("\n") == 4 and set(said) == {said[0]}


@pytest.mark.skipif(not LONG, reason="seventy trainings three times: make test-long")
def test_every_pair_of_choices_gives_the_same_bits_on_one_two_and_four_processes(script):
    paths = filter(None, [TESTS, os.environ.get("PYTHONPATH")])
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    said = []
    for n in (1, 2, 4):
        process = launched(script.parent, "-n", str(n), script.name, "every pair", env=env)
        out, told = process.communicate(timeout=20 * PATIENCE)
        assert process.returncode == 0, told.decode()
        said.append(out.decode().splitlines())
    *trained, whole = said[0]
    assert len(trained) >= 70 and whole == "whole"
    assert len({re.search("[0-9a-f]{64}", line)[0] for line in trained}) > 60  # most choices matter
    for one, two, four in zip(*said, strict=True):
        assert one == two == four


DATA = "WHYGRAD_LAUNCH_DATA"  # the folder of Parquet files that the trainings below read


def train(folder, n, *more, data=None, program=("-m", "whygrad"), **env):
    options = ("--hidden", "16,8", "--batch-size", "32", "--dropout", "0.1", "--epochs", "25")
    words = ("train", data or os.environ[DATA], "--target", "y", *options, "--run", "a.run")
    env = os.environ | env
    return launched(folder, "-n", str(n), *more, *words, program=program, env=env)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The training that those below are to end with."""
    data = os.environ[DATA] = str(tmp_path_factory.mktemp("data"))
    draws = np.random.default_rng(0)
    for i in range(3):
        X = draws.normal(size=(400, 6))
        columns = {f"x{k}": X[:, k] for k in range(6)} | {"y": X[:, 0] * X[:, 1] > 0}
        pq.write_table(pa.table(columns), f"{data}/{i}.parquet", row_group_size=50)
    folder = tmp_path_factory.mktemp("undisturbed")
    process = train(folder, 1)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told.decode()
    return wg.open_run(folder / "a.run")


def children(launcher):
    return [
        int(pid)
        for pid in Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    ]


def recorded_steps(folder):
    """How many steps a run has recorded so far; none before it can be opened."""
    try:
        return wg.open_run(folder / "a.run").step
    except wg.WhygradError:
        return 0


def wait_until(reached, process=None, seconds=PATIENCE):
    """Wait until something is so, while a process runs."""
    until = time.monotonic() + seconds
    while not reached():
        assert process is None or process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)


def wait_for_steps(launcher, folder, steps=1):
    """Wait until the training of a launcher that runs has recorded so many steps."""
    wait_until(lambda: recorded_steps(folder) >= steps, launcher)


def assert_same_end(run, expected):
    np.testing.assert_array_equal(run.theta.flat, expected.theta.flat)
    assert [epoch.cost for epoch in run.history.epochs] == [
        epoch.cost for epoch in expected.history.epochs
    ]
    assert run.scores == expected.scores


@pytest.mark.parametrize("seed", range(int(os.environ.get("WHYGRAD_LAUNCH_KILLS", "2"))))
def test_killed_on_four_it_goes_on_on_two_and_on_one_to_the_same_bits(seed, undisturbed, tmp_path):
    draws = np.random.default_rng(seed)
    launcher = train(tmp_path, 4)
    wait_for_steps(launcher, tmp_path, draws.integers(30, 400))
    victim = int(draws.integers(0, 4))
    os.kill(children(launcher)[victim], signal.SIGKILL)
    _, told = launcher.communicate(timeout=PATIENCE)
    assert launcher.returncode == 1
    (line,) = said_by_whygrad(told)
    assert line.startswith(f"process {victim} of 4 was ended by SIGKILL: the training is over")
    assert recorded_steps(tmp_path) < undisturbed.step
    shutil.copytree(tmp_path / "a.run", tmp_path / "b" / "a.run")
    on_two = launched(tmp_path, "-n", "2", "resume", "a.run")
    on_one = launched(tmp_path / "b", "-n", "1", "resume", "a.run")
    for process in (on_two, on_one):
        _, told = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, told.decode()
    for folder in (tmp_path, tmp_path / "b"):
        assert_same_end(wg.open_run(folder / "a.run"), undisturbed)
    answers_on_one(wg.open_run(tmp_path / "a.run"), tmp_path)


def said_by_whygrad(told):
    """The lines of whygrad itself, beside those of progress and of a script."""
    lines = told.decode().splitlines()
    return [line.removeprefix("whygrad: ") for line in lines if line.startswith("whygrad: ")]


def answers_on_one(run, folder):
    """What was recorded by several processes is asked, replayed and forked by this one."""
    assert str(run.replay().verdict).endswith("equal to the last bit")
    ledger = accounts(run.trajectory(), WeightProbe(2, (0, 1), (0, 1)))
    assert len(ledger.by_example) == run.plan.n and (np.abs(ledger.rounding) <= ledger.bound).all()
    assert run.why.weight(layer=1, to=0, from_=0) is not None
    fork = run.fork(run.step - 20, learning_rate=0.01, record=folder / "fork.run")
    assert fork.step == run.step and fork.replay().verdict.holds


def test_with_restarts_it_goes_on_by_itself_on_as_many_as_are_left(undisturbed, tmp_path):
    launcher = train(tmp_path, 2, "--restarts", "1")
    wait_for_steps(launcher, tmp_path)
    os.kill(children(launcher)[1], signal.SIGKILL)
    _, told = launcher.communicate(timeout=PATIENCE)
    assert launcher.returncode == 0, told.decode()
    assert "whygrad: going on with 1 process: resume a.run" in told.decode().splitlines()
    assert_same_end(wg.open_run(tmp_path / "a.run"), undisturbed)


SOON = """
from whygrad.cli import main
from whygrad.engines.xla import launcher
launcher.SUSPENDED = 3.0
main()
"""


@pytest.mark.parametrize("which", [0, 1] if LONG else [0])
def test_a_process_that_stays_suspended_is_killed_and_restarts_end_with_the_same_bits(
    which, undisturbed, tmp_path
):
    launcher = train(tmp_path, 2, "--restarts", "3", program=("-c", SOON))
    wait_for_steps(launcher, tmp_path, 100)
    os.kill(children(launcher)[which], signal.SIGSTOP)
    _, told = launcher.communicate(timeout=PATIENCE)
    assert launcher.returncode == 0, told.decode()
    assert said_by_whygrad(told)[:2] == [
        f"process {which} of 2 was suspended for 3 s, and was killed: the training is over, "
        "what it recorded is there",
        "going on with 1 process: resume a.run",
    ]
    assert_same_end(wg.open_run(tmp_path / "a.run"), undisturbed)


def test_ctrl_c_ends_all_and_what_was_recorded_goes_on_also_from_an_object_store(
    undisturbed, tmp_path
):
    data = Path(os.environ[DATA])
    with serving(data.parent) as (env, asked):
        launcher = train(tmp_path, 2, data=f"s3://bucket/{data.name}", **env)
        wait_for_steps(launcher, tmp_path)
        started = children(launcher)
        launcher.send_signal(signal.SIGINT)
        _, told = launcher.communicate(timeout=PATIENCE)
        assert launcher.returncode == 130 and asked
        assert "interrupted: a.run holds what training gave so far" in told.decode()
        assert not any(Path(f"/proc/{pid}").exists() for pid in started)
        run = wg.open_run(tmp_path / "a.run")
        assert run.history.stopped == "interrupted" and run.step < undisturbed.step
        again = launched(tmp_path, "-n", "2", "resume", "a.run", env=os.environ | env)
        _, told = again.communicate(timeout=PATIENCE)
        assert again.returncode == 0, told.decode()
    assert_same_end(wg.open_run(tmp_path / "a.run"), undisturbed)


@pytest.mark.skipif(not LONG, reason="it waits for longer than JAX does: make test-long")
@pytest.mark.parametrize("which", [0, 1])
def test_a_process_that_is_suspended_for_a_while_ends_nothing(which, undisturbed, tmp_path):
    launcher = train(tmp_path, 2)
    wait_for_steps(launcher, tmp_path)
    suspended = children(launcher)[which]
    os.kill(suspended, signal.SIGSTOP)
    time.sleep(HEARTBEAT + 10)
    assert launcher.poll() is None
    os.kill(suspended, signal.SIGCONT)
    _, told = launcher.communicate(timeout=PATIENCE)
    assert launcher.returncode == 0, told.decode()
    assert_same_end(wg.open_run(tmp_path / "a.run"), undisturbed)


@pytest.mark.skipif(not LONG, reason="three processes of JAX more: make test-long")
def test_row_groups_that_disappear_end_all_in_one_line_and_it_goes_on_once_they_are_back(
    undisturbed, tmp_path
):
    away = tmp_path / "away.parquet"
    launcher = train(tmp_path, 2)
    file = Path(os.environ[DATA]) / "1.parquet"
    wait_for_steps(launcher, tmp_path)
    file.rename(away)
    try:
        _, told = launcher.communicate(timeout=PATIENCE)
    finally:
        away.rename(file)
    assert launcher.returncode in (1, 2) and f"{file}: cannot be read" in told.decode()
    assert "Traceback" not in told.decode() and wg.open_run(tmp_path / "a.run").step


def test_a_place_that_cannot_be_written_ends_all_in_the_line_of_the_first(undisturbed, tmp_path):
    words = ("train", os.environ[DATA], "--target", "y", "--run", "nix/a.run")
    process = launched(tmp_path, "-n", "2", *words)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert said_by_whygrad(told) == ["nix/a.run: there is no folder nix"]


def test_other_data_in_one_process_are_told_in_one_line(script):
    process = launched(script.parent, "-n", "2", script.name, "other data")
    out, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and out == b""
    assert "process 1 does not have the data of process 0: give all the same" in told.decode()


# Of them `make test` starts three, since JAX takes its time.
ENDS = [
    ("stuck", r"did not come within \d+ s: the training is over"),
    ("first ends", "the first has its own reason"),
    ("leaves", "process 1 of 2 has ended, with code 0, and the others wait for it"),
    ("fails", "IndexError: list index out of range"),
    ("never comes", r"did not come within \d+ s: the training is over"),
    ("other version", "process 1 does not have the version of whygrad of process 0"),
    ("other JAX", "process 1 does not have the version of JAX of process 0"),
    ("full disk", "full.run: cannot be written"),
]


@pytest.mark.parametrize("mode, line", ENDS if LONG else ENDS[:3])
def test_who_is_stuck_or_fails_ends_all_and_is_named(mode, line, script):
    process = launched(script.parent, "-n", "2", script.name, mode)
    out, told = process.communicate(timeout=PATIENCE)
    assert process.returncode in (1, 75) and out == b""
    assert re.search(line, told.decode().splitlines()[-1]) and len(said_by_whygrad(told)) <= 1


OF_THE_USER = """
import sys
import numpy as np
import whygrad as wg
from whygrad.engines.xla.processes import INDEX, TOLD

def price():
    return {}["price"]

def looked_at(report):
    price()

X, net = np.zeros((90, 6)), wg.Network(6, [wg.Dense(1)])
if sys.argv[1] == "all" or sys.argv[1] == TOLD[INDEX]:
    price()
y = np.zeros(80 if sys.argv[1] == "rows" else 90)
wg.train(net, X, y, engine="xla", blocks=4, callbacks=[looked_at])
"""
SHAPES = "Y has shape (80, 1), but 90 examples and 1 outputs need (90, 1)"
RAISED = {
    "all": ("process 0 of 2 failed: KeyError: 'price'", ["<module>", "price"]),
    "1": ("process 1 of 2 failed: KeyError: 'price'", ["<module>", "price"]),
    "rows": (f"process 0 of 2: {SHAPES}", ["<module>"]),
    "a callback": (
        "process 0 of 2 failed: KeyError: 'price'",
        ["<module>", "looked_at", "price"],
    ),
}


@pytest.mark.parametrize("who", [who for who in RAISED if LONG or who != "a callback"])
def test_an_error_of_a_script_is_told_once_with_the_traceback_of_the_users_own_code(who, tmp_path):
    (tmp_path / "own.py").write_text(OF_THE_USER)
    _, told = launched(tmp_path, "-n", "2", "own.py", who).communicate(timeout=PATIENCE)
    (line, *trace), (expected, functions) = told.decode().splitlines(), RAISED[who]
    assert line == f"whygrad: {expected}"
    assert trace[0] == "Traceback (most recent call last):"
    frames = [line.split(", in ") for line in trace if line.startswith("  File ")]
    assert [function for _, function in frames] == functions
    assert all("own.py" in file for file, _ in frames)
    assert trace[-1].endswith(expected.split("failed: ")[-1].split("of 2: ")[-1])


EARLY = {
    "import nothing_here": "0 of 2 failed: ModuleNotFoundError: No module named 'nothing_here'",
    "costs = (1, 2": "0 of 2 failed: SyntaxError: '(' was never closed (own.py, line 1)",
    "import os, time\nif os.environ['WHYGRAD_PROCESS'] == '0':\n    time.sleep(9)\n{}['price']":
        "1 of 2 failed: KeyError: 'price'",
}  # fmt: skip
SAYS = """
import os, sys, time
if os.environ["WHYGRAD_PROCESS"] == "0":
    time.sleep(9)
sys.exit("no price")
"""
HOOK = """
import sys
sys.excepthook = lambda kind, error, trace: sys.stderr.write(f"of my own: {error}\\n")
{}["price"]
"""
IN_ITS_WAY = {
    SAYS: (2, "whygrad: process 1 of 2 ended with code 1: no price"),
    HOOK: (1, "of my own: 'price'"),
}


@pytest.mark.parametrize("code", EARLY)
def test_who_fails_without_whygrad_is_named_with_what(code, tmp_path):
    (tmp_path / "own.py").write_text(code)
    process = launched(tmp_path, "-n", "2", "own.py")
    _, told = process.communicate(timeout=PATIENCE)
    line, *trace = told.decode().splitlines()
    assert process.returncode == 1 and line == f"whygrad: process {EARLY[code]}"
    assert said_by_whygrad(told) == [line.removeprefix("whygrad: ")]
    assert all("own.py" in line for line in trace if line.startswith("  File "))
    assert trace[-1:] in ([], [EARLY[code].partition("failed: ")[2]])


@pytest.mark.parametrize("code", IN_ITS_WAY)
def test_what_a_script_says_in_its_own_way_is_passed_on(code, tmp_path):
    (tmp_path / "own.py").write_text(code)
    n, line = IN_ITS_WAY[code]
    process = launched(tmp_path, "-n", str(n), "own.py")
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and told.decode().splitlines() == [line]


LATE = """
import os, signal, sys, time
if os.environ["WHYGRAD_PROCESS"] == "1":
    time.sleep(0.5)
    {}
"""
WELL = "; process 0 had ended well, what it recorded is whole"


@pytest.mark.parametrize(
    "does, line",
    {
        "{}['price']": "process 1 of 2 failed: KeyError: 'price'",
        "sys.exit(75)": "process 1 of 2 ended with code 75",
        "os.abort()": "process 1 of 2 was ended by SIGABRT",
        "os.kill(os.getpid(), signal.SIGKILL)": "process 1 of 2 was ended by SIGKILL",
        "time.sleep(1000)": "process 1 of 2 did not end within 2 s after the first, and was killed",
    }.items(),
)
def test_a_process_that_fails_after_the_first_has_ended_well_is_told(
    does, line, tmp_path, monkeypatch, capfd
):
    (tmp_path / "own.py").write_text(LATE.format(does))
    monkeypatch.setattr(launcher, "LINGER", 2.0)
    code, goes_on = launcher.run_together([str(tmp_path / "own.py")], 2, None)
    assert code == (75 if "75" in does else 1) and not goes_on
    assert said_by_whygrad(capfd.readouterr().err.encode()) == [line + WELL]


PRINTED = """
import sys, beside
print(__name__, __package__, __spec__ and __spec__.name, __file__, sys.argv, sys.path[0], beside.there)
"""


@pytest.mark.parametrize(
    "words", [["own.py"], ["-m", "own"], ["-m", "parts.own"], ["-m", "parts"]], ids=" ".join
)
def test_a_program_is_run_as_python_runs_it(words, tmp_path):
    (tmp_path / "beside.py").write_text("there = 'beside'")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "there.py").write_text("")
    (tmp_path / "own.py").write_text(PRINTED)
    for name in ("own", "__main__"):
        (tmp_path / "parts" / f"{name}.py").write_text(f"from . import there{PRINTED}")
    plain = subprocess.run([sys.executable, *words, "-m", "3"], cwd=tmp_path, capture_output=True)
    assert plain.returncode == 0, plain.stderr.decode()
    out, told = launched(tmp_path, "-n", "1", *words, "-m", "3").communicate(timeout=PATIENCE)
    assert out == plain.stdout and told == b""


def test_a_module_that_fails_or_is_not_there_is_told_in_one_line(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "own.py").write_text("{}['price']")
    (tmp_path / "parts" / "open.py").write_text("costs = (1, 2")
    failed = "whygrad: process 0 of 2 failed:"
    for name, line, frames in (
        ("parts.nix", f"{failed} ImportError: No module named parts.nix", 0),
        ("parts.own", f"{failed} KeyError: 'price'", 1),
        ("parts.open", f"{failed} SyntaxError: '(' was never closed (open.py, line 1)", 0),
    ):
        process = launched(tmp_path, "-n", "2", "-m", name)
        _, told = process.communicate(timeout=PATIENCE)
        first, *trace = told.decode().splitlines()
        assert process.returncode == 1 and first == line
        assert sum(line.startswith("  File ") for line in trace) == frames


BUSY = """
import os, time
from pathlib import Path
Path(os.environ["WHYGRAD_PROCESS"]).touch()
if os.environ["WHYGRAD_PROCESS"] == "1" and not Path("no prctl").exists():
    sum(range(10**13))  # keeps Python's lock
time.sleep(1000)
"""
NO_PRCTL = "import ctypes\nctypes.CDLL = lambda *_, **__: object()"


SLEEPS = """
import os, time
from pathlib import Path
Path(os.environ["WHYGRAD_PROCESS"]).touch()
time.sleep(1000)
"""
# Python ignores what is raised here, as it does in a callback of JAX at a collection of garbage.
DROPS = """
import os, time
from pathlib import Path

class Dropped:
    def __del__(self):
        Path(os.environ["WHYGRAD_PROCESS"]).touch()
        time.sleep(1000)

Dropped()
time.sleep(1000)
"""


@pytest.mark.parametrize("code", [SLEEPS, DROPS], ids=["its own code", "what ignores errors"])
def test_ctrl_c_ends_a_script_in_one_line_wherever_it_is(code, tmp_path):
    (tmp_path / "own.py").write_text(code)
    process = launched(tmp_path, "-n", "2", "own.py")
    wait_until(lambda: all((tmp_path / name).exists() for name in "01"), process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert told.decode() == "whygrad: interrupted, what was recorded is there\n"


DEAF = f"""
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
{SLEEPS}
"""


def test_a_third_ctrl_c_kills_all_and_takes_nothing_that_was_recorded_for_lost(tmp_path):
    (tmp_path / "own.py").write_text(DEAF)
    process = launched(tmp_path, "-n", "2", "own.py")
    wait_until(lambda: all((tmp_path / name).exists() for name in "01"), process)
    for _ in range(3):
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        time.sleep(1)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert told.decode() == "whygrad: interrupted, what was recorded is there\n"


EARLY_IN_PYTHON = """
import os, time
from pathlib import Path
if "WHYGRAD_PROCESS" in os.environ:
    Path(os.environ["WHYGRAD_PROCESS"]).touch()
    time.sleep(1)
"""


def test_ctrl_c_ends_processes_in_one_line_that_have_not_begun(tmp_path):
    (tmp_path / "own.py").write_text(SLEEPS)
    (tmp_path / "sitecustomize.py").write_text(EARLY_IN_PYTHON)
    paths = filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")])
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    process = launched(tmp_path, "-n", "2", "own.py", env=env)
    wait_until(lambda: all((tmp_path / name).exists() for name in "01"), process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert told.decode() == "whygrad: interrupted, what was recorded is there\n"


def gone(pid):
    """Whether a process has ended, which is all that one can that has no parent to see it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("by", ["the kernel", "a thread"])
def test_processes_end_with_a_launcher_that_is_killed_before_they_import_anything(by, tmp_path):
    (tmp_path / "own.py").write_text(BUSY)
    env = dict(os.environ)
    if by == "a thread":
        (tmp_path / "no prctl").touch()
        (tmp_path / "sitecustomize.py").write_text(NO_PRCTL)
        env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *filter(None, [env.get("PYTHONPATH")])])
    process = launched(tmp_path, "-n", "3", "own.py", env=env)
    wait_until(lambda: all((tmp_path / name).exists() for name in "012"), process)
    started = children(process)
    process.kill()
    try:
        process.communicate(timeout=20)
        wait_until(lambda: all(map(gone, started)), seconds=20)
        assert len(started) == 3
    finally:
        for pid in started:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_launcher_that_is_killed_takes_its_training_with_it_which_goes_on_to_the_same_bits(
    undisturbed, tmp_path
):
    process = train(tmp_path, 2)
    wait_for_steps(process, tmp_path, 200)
    started = children(process)
    process.kill()
    wait_until(lambda: all(map(gone, started)), seconds=20)
    _, told = process.communicate()
    assert not said_by_whygrad(told) and 200 <= recorded_steps(tmp_path) < undisturbed.step
    again = launched(tmp_path, "-n", "1", "resume", "a.run")
    _, told = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, told.decode()
    assert_same_end(wg.open_run(tmp_path / "a.run"), undisturbed)


CALLS = {
    "the user's code within this package": (["own", "engine", "own"], KeyError, ["own", "own"]),
    "a library that the user's code called": (
        ["own", "engine", "own", "library"], KeyError, ["own", "own", "library"]),
    "this package": (["own", "engine"], KeyError, ["own", "engine"]),
    "a library that this package called": (
        ["own", "engine", "library"], KeyError, ["own", "engine", "library"]),
    "input": (["own", "engine", "made", "engine"], wg.InputError, ["own"]),
    "input, found by way of a library": (
        ["own", "engine", "library", "engine"], wg.InputError, ["own"]),
}  # fmt: skip


@pytest.mark.parametrize("where", CALLS)
def test_frames_of_this_package_are_told_where_it_is_to_blame(where, capsys):
    called, kind, expected = CALLS[where]
    files = {
        "own": "/home/me/own.py",
        "engine": str(Path(failures.PACKAGE, "engine.py")),
        "library": str(Path(np.__file__)),
        "made": "<string>",
    }

    within = {"error": kind("wrong"), "cause": ValueError("of the library")}
    last = "raise error from cause"
    for i, place in reversed([*enumerate(called)]):
        name = "__init__" if place == "made" else f"{place}_called"
        code = f"def {name}(): {last}\nnext_{i} = {name}"
        exec(compile(code, files[place], "exec"), within)
        last = f"next_{i}()"
    with pytest.raises(kind) as raised:
        within["next_0"]()
    failures.tell_failure("process 1 of 2", raised.value)
    line, *trace = capsys.readouterr().err.splitlines()
    failed = "" if kind is wg.InputError else " failed"
    assert line.startswith(f"whygrad: process 1 of 2{failed}: ")
    assert ("ValueError: of the library" in trace) == bool(failed)
    shown = [line.split(", in ")[1] for line in trace if "  File " in line and __file__ not in line]
    assert shown == [f"{name}_called" for name in expected]


def test_processes_that_gather_where_one_is_gone_end_with_a_line(monkeypatch, tmp_path):
    assert processes.ALONE.collected(np.zeros(3)).shape == (1, 3)

    def gone(*_):
        raise ValueError("Gloo all-gather failed: connection closed\nand more")

    said = tmp_path / "said.txt"
    left = []
    monkeypatch.setattr(processes.Processes, "gathered", gone)
    monkeypatch.setattr(processes, "abandon", left.append)
    monkeypatch.setattr(processes, "TOLD", {processes.PARTING: str(said)})
    with pytest.raises(SystemExit):
        processes.Processes(2, 0).collected(np.zeros(3))
    assert left == [processes.PARTED]
    assert said.read_text().startswith("another process of this training is gone")


def test_bad_input_is_refused_in_one_line_before_anything_starts(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for words, line in (
            (
                ["-n", "2", "--port", port, "train", "iris"],
                f"port {port} cannot be had (Address already in use)",
            ),
            (["-n", "0", "train", "iris"], "-n is 0: it must be at least 1"),
            (
                ["-n", "2", "train", "iris", "--quality", "best"],
                "several processes train one network",
            ),
            (
                ["-n", "2", "train", "iris", "--engine", "native"],
                "several processes train on the engine 'xla', not 'native': leave --engine out",
            ),
            (["-n", "2", "nix.py"], "nix.py: there is no such file"),
            (["-n", "2"], "launch needs a command: whygrad launch -n 4 train big.csv --target y"),
            (["-n", "2", "-m"], "-m needs a module: whygrad launch -n 4 -m package.module"),
            (
                ["-n", "2", "--restarts", "1", "train", "iris"],
                "--restarts goes on with a run's folder: name it",
            ),
            (
                ["-n", "2", "--restarts", "1", "resume"],
                "--restarts goes on with a run's folder: name it",
            ),
        ):
            result = whygrad("launch", *words)
            assert result.code == 2 and result.lines[-1].startswith(f"whygrad: {line}"), result.err


def test_a_script_that_is_missing_is_a_missing_file():
    with pytest.raises(wg.FileError, match="nix.py: there is no such file"):
        launch("nix.py", processes=2)


def test_several_processes_that_predict_a_folder_which_is_not_there_are_told(
    undisturbed, tmp_path, monkeypatch
):
    monkeypatch.setattr(processes, "TOLD", {processes.COUNT: "2", processes.INDEX: "0"})
    result = whygrad("predict", undisturbed.path, tmp_path / "nix", "-o", tmp_path / "out.parquet")
    assert result.code == 2
    assert result.err == f"whygrad: {tmp_path / 'nix'}: there is no such folder\n"


def test_a_script_whose_processes_share_nothing_is_told_what_would(monkeypatch, capsys):
    plan = Plan(wg.Network(2, [wg.Dense(1)]), wg.SGD(0.1), n=20, batch_size=8)
    assert choose("auto", plan).name == "native" and not capsys.readouterr().err
    monkeypatch.setattr(processes, "TOLD", {processes.COUNT: "2", processes.INDEX: "0"})
    assert [choose("auto", plan).name for _ in range(2)] == ["native"] * 2
    assert capsys.readouterr().err == (
        "whygrad: each process trains by itself: with engine='xla' they share the steps\n"
    )


def test_windows_is_told_that_it_has_no_launcher(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Windows")
    result = whygrad("launch", "-n", "2", "train", "iris")
    assert result.code == 2
    assert result.err == (
        "whygrad: launch runs on Linux and macOS, where JAX connects processes: leave it out\n"
    )


def test_a_port_that_was_taken_since_the_launcher_looked_is_told(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "{}:{}".format(*taken.getsockname())
        told = {processes.COUNT: "2", processes.INDEX: "0", processes.COORDINATOR: address}
        monkeypatch.setattr(processes, "TOLD", told)
        processes.joined.cache_clear()
        with pytest.raises(wg.InputError, match=r"port \d+ cannot be had \(Address already in use"):
            processes.joined()


def test_what_a_process_starts_is_not_one_of_them():
    """A child of a launched script would otherwise wait for the others, as one of them."""
    script = "import os, whygrad.engines.xla as xla; print(xla.launched(), sorted(os.environ))"
    told = {"WHYGRAD_PROCESSES": "2", "WHYGRAD_PROCESS": "1", "WHYGRAD_COORDINATOR": "127.0.0.1:1"}
    said = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | told, capture_output=True, check=True
    ).stdout.decode()
    assert said.startswith("True") and "WHYGRAD_PROCESS" not in said


def test_a_launcher_removes_the_folders_of_those_that_were_killed(tmp_path, monkeypatch):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = [f"whygrad-launch-{owner}-x" for owner in (ended.pid, os.getpid(), "mine")]
    for name in names:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(launcher.tempfile, "gettempdir", lambda: str(tmp_path))
    launcher.remove_left_behind()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_three_processes_share_no_eight_blocks():
    from whygrad.engines.xla import XlaEngine
    from whygrad.engines.xla.processes import Processes

    plan = Plan(wg.Network(2, [wg.Dense(1)]), wg.SGD(0.1), n=20, batch_size=8, blocks=8)
    reason = XlaEngine(Processes(3, 0)).supports(plan)
    assert reason == "3 processes share a batch by blocks, and blocks is 8: use a multiple"
