"""Estimators that skops saved → `Model`: without trust in types that neither it nor this list knows.

A file of skops names the types of its objects, and builds them. Those that skops holds safe are of Python,
NumPy, SciPy and scikit-learn; beside them stand here those that MLPs, encoders and searches carry.
"""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from skops import io

from whygrad.errors import FileError, InputError, first_line
from whygrad.files import check_regular
from whygrad.interop.model import Model
from whygrad.interop.sklearn import model_of_estimator

SAFE = (
    "numpy.dtype",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
)
LARGEST = 4 * 2**30  # bytes, unpacked


def model_of_skops(path: Path, cost: Any = None) -> Model:
    """Return the network of an estimator in a file of skops, to be asked why.

    Parameters
    ----------
    path : path
        The file.
    cost : None
        An estimator has its own.

    Returns
    -------
    Model
        The network.

    Raises
    ------
    FileError
        For a file that is damaged, or holds types that are not trusted, with their names.
    InputError
        For an estimator that is no multi-layer perceptron.
    """
    if cost is not None:
        raise InputError(f"{path}: cost is for files of PyTorch, Keras and ONNX")
    check_regular(path)
    try:
        with ZipFile(path) as file:
            size = sum(entry.file_size for entry in file.infolist())
        if size > LARGEST:
            raise FileError(f"{path}: it unpacks to {size / 2**30:.1f} GiB, more than is read")
        unknown = sorted(set(io.get_untrusted_types(file=path)) - set(SAFE))
        if unknown:
            raise FileError(
                f"{path}: it holds types that are not trusted: {', '.join(unknown)}; load it with skops if "
                "you trust them, and give the estimator"
            )
        estimator = io.load(path, trusted=list(SAFE))
    except FileError:
        raise
    except BadZipFile:
        raise FileError(f"{path}: not a file of skops, or damaged") from None
    except Exception as error:  # anything, from a description that anybody may have written
        reason = f"{type(error).__name__}: {first_line(error):.200}"
        raise FileError(f"{path}: damaged ({reason})") from None
    try:
        return model_of_estimator(estimator, path.name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (AttributeError, TypeError, ValueError, KeyError, IndexError) as error:
        reason = f"{first_line(error):.200}"
        raise FileError(f"{path}: damaged, its estimator is not whole ({reason})") from None
