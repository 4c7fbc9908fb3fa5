"""A training takes the cores it may have, shares them with those beside it, and no BLAS takes more."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import whygrad as wg
from engines import each_engine, needs_native
from whygrad import cores
from whygrad.engines.native import engine as native
from whygrad.nn.arrays import as_data
from whygrad.plan.plan import Plan, start
from whygrad.training.loop import Training, run

# ── how many there are ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("variable", ["OMP_NUM_THREADS", "NUMBA_NUM_THREADS"])
def test_what_the_surroundings_allow_bounds_the_threads(variable, four_cores, monkeypatch):
    assert cores.allowed_cores() == 4
    for allowed, count in (("1", 1), ("3", 3), ("9", 4), ("0", 4), ("4,2", 4), ("", 4)):
        monkeypatch.setenv(variable, allowed)
        assert cores.allowed_cores() == count


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "\n"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_a_container_is_read(files, quota, tmp_path):
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert cores.cpu_quota(tmp_path) == quota


def test_a_quota_bounds_the_threads_and_leaves_one(four_cores, monkeypatch):
    for quota, count in ((2.5, 2), (0.5, 1), (16.0, 4)):
        monkeypatch.setattr(cores, "cpu_quota", lambda cgroup, quota=quota: quota)
        assert cores.allowed_cores() == count


# ── trainings side by side ───────────────────────────────────────────────────────────────────────────

DRAWS = np.random.default_rng(0)
NET = wg.Network(200, [wg.Dense(300, "tanh"), wg.Dense(257, "relu"), wg.Dense(1, "identity")])
PLAN = Plan(NET, wg.SGD(0.01), n=400, epochs=1, batch_size=400)  # one step, in eight blocks
DATA = as_data(NET, DRAWS.normal(size=(400, 200)), DRAWS.normal(size=400))


class Counted(ThreadPoolExecutor):
    """Counts what it is given to do."""

    given = 0

    def submit(self, *args, **options):
        self.given += 1
        return super().submit(*args, **options)


def threads_of_a_step(beside=0):
    """The number of threads that share a step, and its result, beside so many other trainings."""
    with ExitStack() as stack:
        pool = stack.enter_context(Counted(7))
        engine = native.NativeEngine(pool)
        for _ in range(beside):
            stack.enter_context(cores.beside_others())
        state, _ = run(Training(PLAN, start(PLAN), DATA, None, engine))
    return pool.given + 1, state.theta.tobytes()


@needs_native
def test_a_step_has_as_many_threads_as_its_training_has_cores_and_the_same_bits(four_cores):
    threads, thetas = zip(*(threads_of_a_step(beside) for beside in (0, 1, 2, 4)), strict=True)
    assert threads == (4, 2, 1, 1)
    assert len(set(thetas)) == 1


@each_engine
@pytest.mark.parametrize(("trainings", "count"), [(1, 4), (2, 2), (5, 1)])
def test_fits_at_once_share_the_cores_and_leave_them_when_they_end(
    trainings, count, engine, four_cores
):
    all_are_here, seen = threading.Barrier(trainings, timeout=60), []

    def look(report):
        all_are_here.wait()  # all have begun
        seen.append(cores.own_cores())
        all_are_here.wait()  # and none is over

    def fit(seed):
        options = {"epochs": 2, "batch_size": 20, "callbacks": [look]}
        wg.train(NET, DATA.X[:20], DATA.Y[:20], seed=seed, engine=engine, **options)

    with ThreadPoolExecutor(trainings) as pool:
        list(pool.map(fit, range(trainings)))
    assert seen == [count] * 2 * trainings
    assert cores.own_cores() == 4


def test_a_training_that_fails_leaves_its_cores(four_cores):
    def fail(report):
        raise KeyError

    with pytest.raises(KeyError):
        wg.train(NET, DATA.X[:20], DATA.Y[:20], epochs=1, callbacks=[fail], engine="reference")
    assert cores.own_cores() == 4


# ── the threads of BLAS ──────────────────────────────────────────────────────────────────────────────


def test_a_limit_on_threads_ends_with_its_last_user():
    def threads():
        return [pool.get_num_threads() for pool in cores.thread_pools(numpy=True)]

    before = threads()
    one = [1] * len(before)
    with cores.one_thread(numpy=True):
        assert threads() == one
        with cores.one_thread():
            assert threads() == one
        assert threads() == one
    assert threads() == before
    outer, inner = cores.one_thread(), cores.one_thread(numpy=True)
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert threads() == one, "who came first took the limit with them"
    inner.__exit__(None, None, None)
    assert threads() == before
    with pytest.raises(KeyError), cores.one_thread():
        raise KeyError
    assert threads() == before


def test_a_limit_holds_whichever_python_thread_asks_for_it():
    def threads():
        with cores.one_thread(numpy=True):
            return [pool.get_num_threads() for pool in cores.thread_pools(numpy=True)]

    threads()  # the main thread was first
    with ThreadPoolExecutor(1) as pool:
        assert set(pool.submit(threads).result()) <= {1}


@each_engine
@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
def test_how_many_threads_blas_may_have_changes_no_bit(engine, optimizer):
    # Products of these shapes do depend on it: a limit of 2 is kept on a machine of one core as well.
    draws = np.random.default_rng(0)
    X = draws.normal(size=(2100, 784))
    y = (X[:, 0] > 0).astype(int)
    net = wg.Network(784, [wg.Dense(30, "tanh"), wg.Dense(2, "softmax")], "cross_entropy")
    options = {} if optimizer == "lbfgs" else {"batch_size": 1050, "layer_statistics": True}
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            fitted = wg.train(
                net,
                X[:1050],
                y[:1050],
                optimizer=optimizer,
                validation=(X[1050:], y[1050:]),
                epochs=2,
                engine=engine,
                **options,
            )
        found.append((fitted.theta.flat.tobytes(), fitted.history))
    assert found[0] == found[1]
