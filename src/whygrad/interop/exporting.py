"""`export`: a trained network leaves whygrad, as a file that another program runs."""

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whygrad.errors import InputError
from whygrad.fitted import Ensemble, Fitted
from whygrad.interop.model import Model, best_of, libraries_of
from whygrad.nn import dense

if TYPE_CHECKING:
    from whygrad.pipeline.deploy import Deployable, Exported, Proof

KNOWN = (
    "an MLPClassifier or MLPRegressor of whygrad, a tabular estimator, what whygrad.train or "
    "whygrad.explain gives, an Ensemble, or a run"
)
OF_A_MODEL = (
    "in go the network's own inputs, out come its outputs: without names of columns and labels"
)


def export(
    x: Any, path: str | PathLike[str], *, rows: Any = None, overwrite: bool = False
) -> "Exported":
    """Write a trained network as a file for another program, with the encoding of its table inside.

    Parameters
    ----------
    x : Fitted, Ensemble, Run, Model or an estimator of whygrad
        The network; several that are averaged leave as one. Of a run on a table and of a tabular estimator
        rows go in as they stand there; out come labels and probabilities, or numbers in their own units. Of
        a search its best estimator leaves, of a `TransformedTargetRegressor` what it predicts, for
        logarithms and z-scores. Of a `Model`, read from elsewhere, the network goes alone.
    path : path-like
        The file. Its ending says what is written: ".onnx"; ".c", C99 without dependencies; ".js" or ".mjs",
        an ES module; ".safetensors", the parameters by the names that a `torch.nn.Sequential` has, which
        `explain` reads back.
    rows : as `x.predict` takes them, optional
        Rows on which the file is compared with whygrad; by default the test rows of a run, else drawn ones.
    overwrite : bool, default False
        Whether to replace a file that is there.

    Returns
    -------
    Exported
        What was written, and the largest difference from whygrad: of ONNX as onnxruntime computes it. C and
        JavaScript hold three rows with whygrad's predictions, and compare them themselves.

    Raises
    ------
    InputError
        For an activation of your own, for what the format cannot say, and where the file would not predict
        the same; then nothing is written.
    FileError
        For an unknown ending, and where a file is already or cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import whygrad as wg
    >>> net = wg.Network(2, [wg.Dense(3, "tanh"), wg.Dense(1, "sigmoid")])
    >>> fitted = wg.Fitted(net, net.init())
    >>> with TemporaryDirectory() as folder:
    ...     exported = wg.export(fitted, f"{folder}/net.c")
    >>> exported.notes[0].replace(folder, "here")
    'to see it prove itself: cc -std=c99 -DNET_MAIN here/net.c -lm && ./a.out'
    """
    from whygrad.pipeline.deploy import check_place, write

    place = Path(path)
    check_place(place, overwrite)
    given, proof = _parts(x, rows)
    return write(given, proof, place, overwrite)


def _parts(x: Any, rows: Any) -> "tuple[Deployable, Proof]":
    """Return a network as plain data, and rows with what whygrad predicts for them."""
    from whygrad.pipeline.deploy import (
        of_network,
        of_table,
        proof_of_network,
        proof_of_table,
    )
    from whygrad.record import Run

    if isinstance(x, Model) and x.why.run is not None:
        x = x.why.run
    if isinstance(x, Run) and x.on_table:
        given = of_table(x.average, x.encoding)
        table, what = _table(x, rows)
        return given, proof_of_table(given, x.average, x.encoding, table, what)
    if isinstance(x, Model):
        alone = x.to_whygrad()
        given = replace(of_network(alone), notes=(*x.notes, OF_A_MODEL))
        rows = None if rows is None else dense(x.why.examples(rows).X)
        return given, proof_of_network(given, alone, rows, "rows given")
    if isinstance(x, Run):
        x = x.average
    if isinstance(x, Fitted | Ensemble):
        given = of_network(x)
        return given, proof_of_network(given, x, rows, "rows given")
    x = best_of(x)
    libraries = libraries_of(x)
    inner = getattr(x, "regressor_", None)  # of a TransformedTargetRegressor
    if {"whygrad", "sklearn"} <= libraries | libraries_of(inner):
        from whygrad.estimators.deploying import deployable_of, proof_of

        given = deployable_of(x)
        return given, proof_of(x, given, rows)
    hint = f"give {KNOWN}"
    if "sklearn" in libraries:
        from sklearn.utils.validation import check_is_fitted

        if hasattr(x, "estimator") or hasattr(x, "regressor"):  # what it holds may be ours
            check_is_fitted(x)
        hint = f"convert {'it' if inner is None else 'its regressor_'} with skl2onnx.to_onnx"
    if libraries & {"torch", "keras", "tf_keras", "onnx"}:
        hint = "give what whygrad.explain makes of it"
    if isinstance(x, str | PathLike):
        hint = "open the file first, with whygrad.explain, or whygrad.open_run for a run"
    raise InputError(f"a {type(x).__name__} cannot be exported: {hint}")


def _table(run: Any, rows: Any) -> tuple[Any, str]:
    """Return rows of a table: those given, the test rows of the run, or None where these are gone."""
    if rows is not None:
        return next(run.outputs(rows))[1], "rows given"
    from whygrad.record.source import read_again

    try:
        found = read_again(run)
    except (InputError, OSError):
        return None, ""
    # Where the file has moved, what is left of the rows is encoded.
    table = found if hasattr(found, "num_rows") else None
    return table, f"{run.manifest['scored_on']} rows"
