"""Same seed, same bits: whatever else the process and the machine do meanwhile."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

import whygrad as wg
from engines import each_engine

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DRAWS = np.random.default_rng(8)
X = DRAWS.normal(size=(1100, 300))
CLASSES = (X[:, :5].sum(axis=1) > 0).astype(int) + (X[:, 5] > 1)

# Products small enough for one thread, and large enough for every core: 512 · 300 · 256 > 2²⁴.
SMALL = {"hidden_layer_sizes": (20,), "batch_size": 32, "max_iter": 5}
LARGE = {"hidden_layer_sizes": (256, 256), "batch_size": 512, "max_iter": 3}
FITS = {
    "small": SMALL,
    "large": LARGE,
    "small, held out": SMALL | {"early_stopping": True},
    "large, held out": LARGE | {"early_stopping": True},
    "small, lbfgs": SMALL | {"solver": "lbfgs"},
    "large, lbfgs": LARGE | {"solver": "lbfgs"},
    "small, dropout": SMALL | {"dropout": 0.3},
}


def fit(options, engine):
    """The parameters and curves of one fit, as bytes and numbers."""
    clf = wg.MLPClassifier(random_state=1, engine=engine).set_params(**options).fit(X, CLASSES)
    return clf.theta_.flat.tobytes(), clf.loss_curve_, clf.validation_loss_curve_


@each_engine
def test_fits_in_several_threads_at_once_give_the_bits_of_each_alone(engine):
    alone = {name: fit(options, engine) for name, options in FITS.items()}
    with ThreadPoolExecutor(4) as pool:
        runs = [(name, pool.submit(fit, FITS[name], engine)) for name in [*FITS, *reversed(FITS)]]
        for name, run in runs:
            assert run.result() == alone[name], name


@each_engine
def test_a_machine_under_load_gives_the_same_bits(engine):
    alone = [fit(options, engine) for options in (SMALL, LARGE)]
    spin = "while True: pass"
    load = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(3)]
    try:
        assert [fit(options, engine) for options in (SMALL, LARGE)] == alone
    finally:
        for process in load:
            process.kill()
            process.wait()


@each_engine
def test_what_numpy_computes_meanwhile_changes_nothing(engine):
    alone, done = fit(LARGE | {"early_stopping": True}, engine), threading.Event()

    def multiply():
        while not done.is_set():
            X.T @ X

    thread = threading.Thread(target=multiply)
    thread.start()
    try:
        assert fit(LARGE | {"early_stopping": True}, engine) == alone
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_a_grid_search_in_two_jobs_finds_what_one_job_finds(backend):
    joblib = pytest.importorskip("joblib")
    scores = []
    for jobs in (1, 2):
        search = GridSearchCV(
            wg.MLPClassifier((20,), random_state=0, max_iter=4),
            {"learning_rate_init": [1e-4, 1e-2], "solver": ["adam", "lbfgs", "adamw"]},
            cv=2,
            n_jobs=jobs,
        )
        with joblib.parallel_backend(backend):
            scores.append(search.fit(X[:200, :20], CLASSES[:200]).cv_results_["mean_test_score"])
    assert np.array_equal(*scores)
