"""scikit-learn's tests of its MLPs, as they are installed, run on whygrad's estimators.

Their module is loaded once more with our estimators in the place of theirs; nothing of it is copied. Left
out are only the tests that read what is private to scikit-learn's classes.
"""

import importlib.util
import inspect

import pytest
from sklearn import neural_network

import whygrad as wg

# Each test that is left out, and the private name that it reads.
LEFT_OUT = {
    "test_gradient": "_loss_grad_lbfgs",
    "test_learning_rate_warmstart": "_optimizer",
    "test_adaptive_learning_rate": "_optimizer",
    "test_n_iter_no_change": "_no_improvement_count",
    "test_n_iter_no_change_inf": "_no_improvement_count",
}


def with_our_estimators():
    """Their module, in which every mention of an MLP means whygrad's."""
    spec = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLPClassifier", "MLPRegressor"):
            patch.setattr(neural_network, name, getattr(wg, name))
        spec.loader.exec_module(module)
    return module


THEIRS = with_our_estimators()
TESTS = {name: test for name, test in vars(THEIRS).items() if name.startswith("test_")}

# Warnings are no errors there, and diverging is warned of here.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:training diverged:whygrad.DivergenceWarning"),
]
globals().update({name: test for name, test in TESTS.items() if name not in LEFT_OUT})


@pytest.fixture
def global_random_seed():
    """What their test suite offers, as it is by default."""
    return 42


def test_their_module_tests_our_estimators_and_is_not_the_one_that_others_import():
    assert THEIRS.MLPClassifier is wg.MLPClassifier and THEIRS.MLPRegressor is wg.MLPRegressor
    assert neural_network.MLPClassifier is not wg.MLPClassifier
    assert len(TESTS) > 30


@pytest.mark.parametrize("name", [name for name in LEFT_OUT if name in TESTS])
def test_a_test_is_left_out_only_for_a_private_name_that_it_reads(name):
    assert f".{LEFT_OUT[name]}" in inspect.getsource(TESTS[name])
    assert not hasattr(wg.MLPClassifier(), LEFT_OUT[name])
