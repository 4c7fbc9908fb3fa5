"""Several trainings side by side: the bits of one by one, in order, whatever fails or ends them."""

import io
import os
import signal
import threading
import time
from inspect import signature

import numpy as np
import pytest

import whygrad as wg
from covering import pairwise
from engines import ENGINES, each_engine
from whygrad import cores
from whygrad.plan.plan import Plan, start
from whygrad.record import forking
from whygrad.train import SharedData, TrainOptions
from whygrad.training import loop
from whygrad.training import side_by_side as side
from whygrad.training.progress import ProgressOfMany

FACTORS = {
    "engine": ENGINES,
    "dtype": ["float32", "float64"],
    "optimizer": ["sgd", "momentum", "adam", "rmsprop"],
    "dropout": ["none", "half"],
    "schedule": ["constant", "cosine", "on_plateau"],
    "stopping": ["none", "early", "best"],
}
OPTIMIZERS = {
    "sgd": wg.SGD(0.3),
    "momentum": wg.SGD(0.1, momentum=0.9),
    "adam": wg.Adam(0.02),
    "rmsprop": wg.RMSprop(0.01),
}
STOPPING = {
    "none": None,
    "early": wg.Stopping(patience=2, tol=0.05),
    "best": wg.Stopping("validation_cost", patience=2, restore_best=True),
}


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    """As on a machine with two cores, however many there are."""
    monkeypatch.setattr(side, "allowed_cores", lambda: 2)
    monkeypatch.setattr(cores, "allowed_cores", lambda: 2)


def examples(n=40, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return X, (X.sum(axis=1) > 0).astype(int)


X, Y = examples()
NET = wg.Network(3, [wg.Dense(6, "tanh"), wg.Dense(2, "softmax")], "cross_entropy")


def trainings_of(row, seed):
    rate = 0.5 if row["dropout"] == "half" else 0.0
    net = wg.Network(
        3, [wg.Dense(6, "tanh", dropout=rate), wg.Dense(2, "softmax")], "cross_entropy"
    )
    return {
        "net": net,
        "X": X,
        "Y": Y,
        "seed": seed,
        "epochs": 3 + seed % 5,
        "batch_size": 7,
        "engine": row["engine"],
        "dtype": row["dtype"],
        "optimizer": OPTIMIZERS[row["optimizer"]],
        "schedule": row["schedule"],
        "stopping": STOPPING[row["stopping"]],
        "validation": examples(11, seed=1),
    }


def one_by_one(given):
    return [wg.train(one["net"], one["X"], one["Y"], **_rest(one)) for one in given]


def _rest(one):
    return {name: value for name, value in one.items() if name not in ("net", "X", "Y")}


def assert_the_same(many, ones):
    assert len(many) == len(ones)
    for a, b in zip(many, ones, strict=True):
        assert a.net == b.net
        assert a.theta.flat.dtype == b.theta.flat.dtype
        assert a.theta.flat.tobytes() == b.theta.flat.tobytes()
        assert a.history == b.history


def test_the_bits_are_those_of_one_by_one():
    given = [trainings_of(row, seed) for seed, row in enumerate(pairwise(FACTORS))]
    many, ones = wg.train_many(given), one_by_one(given)
    assert_the_same(many, ones)
    with pytest.raises(AssertionError):  # the planted error: two have changed places
        assert_the_same([many[1], many[0], *many[2:]], ones)


@each_engine
def test_l_bfgs_has_the_bits_of_one_by_one(engine):
    given = [
        {
            "net": NET,
            "X": X,
            "Y": Y,
            "seed": seed,
            "optimizer": "lbfgs",
            "engine": engine,
            "epochs": 20,
        }
        for seed in range(3)
    ]
    assert_the_same(wg.train_many(given), one_by_one(given))


def test_sparse_inputs_have_the_bits_of_one_by_one():
    sparse = pytest.importorskip("scipy.sparse")
    compressed = sparse.csr_array(X * (X > 0.5))
    given = [{"net": NET, "X": compressed, "Y": Y, "seed": seed, "epochs": 3} for seed in range(3)]
    assert_the_same(wg.train_many(given), one_by_one(given))


def test_the_number_of_cores_changes_no_bit():
    seeds = [{"seed": seed} for seed in range(3)]
    common = {"net": NET, "X": X, "Y": Y, "epochs": 4}
    assert_the_same(
        wg.train_many(seeds, cores=1, **common), wg.train_many(seeds, cores=2, **common)
    )


def test_results_are_in_the_order_asked_for_and_own_arguments_come_first():
    epochs = [30, 1, 12, 2, 5]
    fits = wg.train_many([{"epochs": n} for n in epochs], net=NET, X=X, Y=Y, epochs=99)
    assert [len(one.history.epochs) for one in fits] == epochs


def test_no_trainings_are_no_networks():
    assert wg.train_many([]) == []


def test_two_are_under_way_at_once():
    meeting = threading.Barrier(2)
    met = threading.local()

    def value(z):
        if threading.current_thread() is not threading.main_thread() and not hasattr(met, "once"):
            met.once = True
            meeting.wait(
                timeout=60
            )  # breaks, and the training with it, where the other never comes
        return z

    own = wg.functions.Activation("meeting", value, lambda z: np.ones_like(z))
    net = wg.Network(3, [wg.Dense(2, own), wg.Dense(2, "softmax")], "cross_entropy")
    common = {"net": net, "X": X, "Y": Y, "epochs": 1, "engine": "reference"}
    assert len(wg.train_many([{"seed": 0}, {"seed": 1}], **common)) == 2


class Crowd(wg.Callback):
    """How many trainings are under way, and how many at most were; and that calls do not overlap."""

    def __init__(self):
        self.under_way, self.most, self.inside, self.seen = set(), 0, 0, {}

    def on_steps_end(self, report):
        self.inside += 1
        assert self.inside == 1
        self.under_way.add(threading.get_ident())
        self.most = max(self.most, len(self.under_way))
        self.seen.setdefault(threading.get_ident(), []).append(report.plan.seed)
        time.sleep(0.001)
        self.inside -= 1

    def close(self):
        self.under_way.discard(threading.get_ident())


def test_callbacks_are_called_one_at_a_time_and_no_more_trainings_run_than_cores():
    for most in (1, 2):
        crowd = Crowd()
        seeds = [{"seed": seed} for seed in range(4)]
        # As many epochs as a busy machine needs to begin the second training before the first one ends.
        wg.train_many(seeds, cores=most, net=NET, X=X, Y=Y, epochs=100, callbacks=[crowd])
        assert crowd.most == most
        assert sorted({seed for seen in crowd.seen.values() for seed in seen}) == [0, 1, 2, 3]


def test_what_is_shared_is_read_once():
    shared, single = SharedData(), X.astype("float32")
    one, other = shared(NET, X, Y, dtype="float32"), shared(NET, X, Y, dtype="float32")
    assert one is other
    inverse = shared(NET, X, 1 - Y, dtype="float32")
    assert inverse.X is one.X and (inverse.Y != one.Y).all()
    assert shared(NET, single, Y, dtype="float32").X is single
    assert shared(NET, X, Y, dtype="float64").X is X


def test_the_options_are_those_of_train():
    own = [name for name in signature(wg.train).parameters if name not in ("progress", "unknown")]
    assert list(TrainOptions.__annotations__) == own


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("trainings", "common", "message"),
    [
        ({"seed": 1}, {}, r"the first argument is a list of dicts, train_many\("),
        ([1, 2], {}, r"the first argument is a list of dicts, train_many\("),
        (
            [{}, {"epochs": -1}],
            {},
            "training 2 of 2: epochs is -1: it must be a whole number of at least 0",
        ),
        (
            [{"epoch": 2}],
            {},
            r"training 1 of 1: train\(\) got an unexpected keyword argument 'epoch'",
        ),
        ([{}, {}], {"epoch": 2}, r"training 1 of 2: train\(\) got an unexpected keyword"),
        ([{}, {"X": [[1.0]]}], {}, "training 2 of 2: X has shape"),
        ([{"progress": True}], {}, "training 1 of 1: progress is that of all together"),
        ([{}], {"cores": 0}, "cores is 0: it must be a whole number of at least 1"),
        ([{}], {"cores": True}, "cores is True: it must be a whole number of at least 1"),
    ],
)
def test_bad_input_names_the_training_and_none_begins(trainings, common, message):
    def refuse(report):
        raise AssertionError("a training has begun")

    with pytest.raises(wg.InputError, match=message):
        wg.train_many(trainings, **{"net": NET, "X": X, "Y": Y, "callbacks": [refuse]} | common)


def test_what_is_missing_is_named():
    with pytest.raises(
        wg.InputError, match="training 2 of 2: there is no Y: give one here, or one for all"
    ):
        wg.train_many([{"Y": Y}, {}], net=NET, X=X)


def test_one_that_fails_is_named_and_the_others_go_on():
    def fail(report):
        if report.plan.seed == 1:
            raise ValueError("no more")

    seeds = [{"seed": seed} for seed in range(3)]
    common = {"net": NET, "X": X, "Y": Y, "epochs": 4}
    with pytest.raises(
        wg.TrainingError, match="^training 2 of 3 failed: ValueError: no more"
    ) as caught:
        wg.train_many(seeds, **common, callbacks=[fail])
    first, second, third = caught.value.done
    assert second is None and isinstance(caught.value.__cause__, ValueError)
    assert_the_same([first, third], [wg.train(NET, X, Y, epochs=4, seed=seed) for seed in (0, 2)])


def test_several_that_fail_are_all_named():
    def fail(report):
        raise ValueError("no more")

    with pytest.raises(
        wg.TrainingError, match=r"training 1 of 3 failed \(and so did 2, 3\): ValueError"
    ):
        wg.train_many([{}, {}, {}], net=NET, X=X, Y=Y, callbacks=[fail])


def test_one_that_diverges_is_named_and_the_others_go_on():
    net = wg.Network(3, [wg.Dense(1, "identity")])
    rates = [{"optimizer": wg.SGD(rate)} for rate in (0.01, 1e30, 0.02)]
    with pytest.warns(
        wg.DivergenceWarning, match="^training 2 of 3: training diverged at step"
    ) as caught:
        fits = wg.train_many(rates, net=net, X=X, Y=Y, epochs=3)
    assert [one.filename for one in caught] == [__file__]
    assert [one.history.stopped[:8] for one in fits] == ["all epoc", "diverged", "all epoc"]
    with pytest.warns(wg.DivergenceWarning):
        assert_the_same(fits, [wg.train(net, X, Y, epochs=3, **one) for one in rates])


# ── Ctrl-C ───────────────────────────────────────────────────────────────────────────────────────


@each_engine
def test_ctrl_c_ends_all_with_what_they_have(engine):
    pressed = threading.Event()

    def press(report):
        if report.plan.seed == 1 and report.state.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)
            pressed.set()
            time.sleep(0.3)  # for the main thread to look

    before = signal.getsignal(signal.SIGINT)
    seeds = [{"seed": 0, "epochs": 2}, {"seed": 1}, {"seed": 2}]
    common = {"net": NET, "X": X, "Y": Y, "epochs": 10**6, "engine": engine}
    over, under_way, waiting = wg.train_many(seeds, cores=1, callbacks=[press], **common)
    assert pressed.is_set() and signal.getsignal(signal.SIGINT) is before
    assert over.history.stopped == "all epochs done"
    assert (under_way.history.stopped, waiting.history.stopped) == ("interrupted", "interrupted")
    assert len(under_way.history.epochs) == 3 and waiting.history.epochs == ()
    assert_the_same([over], [wg.train(NET, X, Y, epochs=2, engine=engine)])
    alone = wg.train(NET, X, Y, epochs=3, seed=1, engine=engine)
    assert (under_way.theta.flat == alone.theta.flat).all()
    assert (waiting.theta.flat == NET.init(2).flat).all()


def test_a_second_ctrl_c_interrupts():
    def press(report):
        for _ in range(2 * (report.plan.seed == 0 and report.state.epoch == 3)):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)

    with pytest.raises(KeyboardInterrupt):
        wg.train_many([{}, {"seed": 1}], net=NET, X=X, Y=Y, epochs=10**6, callbacks=[press])
    assert "whygrad training" not in [thread.name for thread in threading.enumerate()]


def test_an_interrupt_within_a_callback_ends_all():
    def interrupt(report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wg.train_many([{}, {"epochs": 10**6}], net=NET, X=X, Y=Y, callbacks=[interrupt])


# ── recorded, shown ──────────────────────────────────────────────────────────────────────────────


def test_each_is_recorded_in_its_own_folder(tmp_path):
    runs = [{"seed": seed, "record": tmp_path / f"{seed}.run"} for seed in range(3)]
    fits = wg.train_many(runs, net=NET, X=X, Y=Y, epochs=4)
    for seed, one in enumerate(fits):
        run = wg.open_run(tmp_path / f"{seed}.run")
        assert run.theta.flat.tobytes() == one.theta.flat.tobytes()
        assert run.replay().verdict.holds
        alone = wg.train(NET, X, Y, epochs=4, seed=seed, record=tmp_path / f"alone{seed}.run")
        assert_the_same([one], [alone])
        assert (run.costs == wg.open_run(tmp_path / f"alone{seed}.run").costs).all()


def test_two_do_not_share_a_folder(tmp_path):
    with pytest.raises(
        wg.InputError, match="training 2 of 2: .*a.run is where training 1 is recorded"
    ):
        wg.train_many([{}, {"seed": 1}], net=NET, X=X, Y=Y, record=tmp_path / "a.run")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_taken_is_refused_before_any_begins(tmp_path):
    (tmp_path / "b.run").mkdir()
    runs = [{"record": tmp_path / "a.run"}, {"record": tmp_path / "b.run"}]
    with pytest.raises(wg.FileError, match="training 2 of 2: .*b.run: exists already"):
        wg.train_many(runs, net=NET, X=X, Y=Y)
    assert [path.name for path in tmp_path.iterdir()] == ["b.run"]


def test_progress_is_a_plain_line_for_each_that_is_over(capsys):
    wg.train_many([{"seed": seed} for seed in range(3)], net=NET, X=X, Y=Y, epochs=2, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["1/3 trainings", "2/3 trainings", "3/3 trainings"]


# ── forks, and leave-one-out ─────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(tmp_path):
    wg.train(NET, X, Y, epochs=6, batch_size=10, optimizer=wg.SGD(0.2), record=tmp_path / "a.run")
    return wg.open_run(tmp_path / "a.run")


def test_several_forks_have_the_bits_of_one_by_one(run, tmp_path):
    changes = [{"learning_rate": 0.1}, {"optimizer": "adam", "epochs": 9}, {"seed": 5}]
    many = run.fork_many([{"step": 8} | one for one in changes])
    assert [one.path.name for one in many] == ["a-fork.run", "a-fork-2.run", "a-fork-3.run"]
    for one, change in zip(many, changes, strict=True):
        alone = run.fork(8, **change)
        assert one.theta.flat.tobytes() == alone.theta.flat.tobytes()
        assert one.history == alone.history and (one.costs == alone.costs).all()
        assert one.manifest["parent"] == alone.manifest["parent"]
        assert wg.open_run(one.path).replay().verdict.holds


def test_forks_are_checked_before_any_begins(run, tmp_path):
    before = sorted(tmp_path.iterdir())
    for forks, message in (
        ([{"step": 8}, {}], "training 2 of 2: there is no step"),
        ([{"step": 8}, {"step": 999}], "training 2 of 2: step 999"),
        ([{"step": 8}, {"step": 8, "depth": 3}], "training 2 of 2: a fork cannot change 'depth'"),
        (
            [{"step": 8, "record": tmp_path / "b.run"}] * 2,
            "training 2 of 2: .*b.run is where another",
        ),
        (
            [{"step": 8}, {"step": 8, "record": run.path}],
            "training 2 of 2: .*a.run: exists already",
        ),
    ):
        with pytest.raises((wg.InputError, wg.FileError), match=message):
            run.fork_many(forks)
        assert sorted(tmp_path.iterdir()) == before


def test_leave_one_out_trains_once_without_each(run):
    without = run.leave_one_out([3, 17, 3])
    assert (without[0].theta.flat == without[2].theta.flat).all()
    for place, one in zip([3, 17], without, strict=False):
        alone = run.without([place], record=run.path.with_name(f"without{place}.run"))
        assert one.theta.flat.tobytes() == alone.theta.flat.tobytes()
        assert (one.theta.flat != run.theta.flat).any()
    with pytest.raises(wg.InputError, match="example 40: the training data have 0 to 39"):
        run.leave_one_out([0, 40])


def test_leave_one_out_that_was_interrupted_has_no_result(run, monkeypatch):
    def pressed(training, stages):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)
        return loop.run(training)

    monkeypatch.setattr(forking, "run_stages", pressed)
    with pytest.raises(KeyboardInterrupt):
        run.leave_one_out([3, 17], cores=1)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_line_for_all_ends_with_all_of_them_over():
    plan = Plan(NET, wg.SGD(0.1), n=40, epochs=3, batch_size=10)
    line = ProgressOfMany([plan, plan], Terminal())
    line.of(0).on_steps_end(wg.Report(plan, start(plan)))
    line.of(0).close()
    line.of(1).close()
    line.close()
    (task,) = line.bar.tasks
    assert (task.completed, task.fields["over"]) == (24, 2) and line.bar.finished
