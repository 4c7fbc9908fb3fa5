"""What an estimator offers to ONNX: `to_onnx`, and what skl2onnx asks a model for that it does not know."""

from collections.abc import Callable
from typing import Any


class ToOnnx:
    """An estimator that converts to ONNX, alone or in a Pipeline."""

    def to_onnx(self, X: Any = None) -> Any:
        """Return the estimator as an ONNX model; `whygrad.export(clf, "model.onnx")` writes it to a file.

        One matrix "X" goes in, (n, n_features), of the dtype of the parameters; of a tabular estimator each
        column by its name, (n, 1), numbers as float64 and categories as text. Out come `label` and
        `probabilities`, or `variable`. onnxruntime runs it, and it is compared with the predictions.

        Parameters
        ----------
        X : as in `fit`, optional
            Rows to compare on; by default they are drawn.

        Returns
        -------
        onnx.ModelProto
            In opset 13, without ZipMap.

        Raises
        ------
        InputError
            For an activation of your own, and where onnxruntime computes something else.
        """
        from whygrad.estimators.deploying import deployable_of, proof_of
        from whygrad.pipeline.deploy import checked_model

        given = deployable_of(self)
        return checked_model(given, proof_of(self, given, X))[0]

    def onnx_parser(self) -> Callable[..., Any]:
        """Return what skl2onnx asks for: so `skl2onnx.to_onnx` converts a Pipeline with this estimator."""
        from whygrad.estimators.deploying import deployable_of
        from whygrad.pipeline.deploy import sklearn_onnx

        return sklearn_onnx.parser_of(self, deployable_of)

    def onnx_shape_calculator(self) -> Callable[..., Any]:
        """Return what skl2onnx asks for: the types of the outputs."""
        from whygrad.estimators.deploying import deployable_of
        from whygrad.pipeline.deploy import sklearn_onnx

        return sklearn_onnx.shape_calculator_of(deployable_of)

    def onnx_converter(self) -> Callable[..., Any]:
        """Return what skl2onnx asks for: the nodes of the network."""
        from whygrad.estimators.deploying import deployable_of
        from whygrad.pipeline.deploy import sklearn_onnx

        return sklearn_onnx.converter_of(deployable_of)
