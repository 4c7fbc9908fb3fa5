"""Matrix products in native code: the one place that calls BLAS.

A layer needs three, each C <- alpha op(A) op(B) + beta C in place, without a copy or a transpose:
z = a Wᵀ on the way forward, delta W on the way back, and the gradient deltaᵀ a. They go to the gemm
of SciPy's BLAS, called by a name that is bound where code is loaded (`machine_code.objects`), since an
address would be baked into machine code that is kept on disk. It is tried before it is relied on
(`self_test`). BLAS counts along columns: a row-major matrix is its own transpose there, and a product is
passed on with its operands swapped.
"""

from typing import Any

from whygrad.engines.machine_code.deferred import arrayobj, cgutils, intrinsic, ir, types
from whygrad.engines.machine_code.objects import PRODUCT, bind_products
from whygrad.engines.native.compiling import kernel
from whygrad.nn.functions import Array

_LETTERS = {"float32": "s", "float64": "d"}


@kernel
def product_into_units(inputs: Array, W: Array, beta: float, z: Array) -> None:
    """z (rows, units) <- inputs (rows, fan_in) Wᵀ + beta z, with W (units, fan_in).

    Rows of z may be longer: its first `units` columns are meant.
    """
    _gemm(False, True, inputs.shape[0], W.shape[0], W.shape[1], 1.0, inputs, W, beta, z)


@kernel
def product_into_inputs(delta: Array, W: Array, beta: float, error: Array, columns: int) -> None:
    """error (rows, fan_in) <- delta (rows, units) W + beta error, for the first so many columns.

    BP2 before its factor f'(z). Rows of delta may be longer than there are units.
    """
    _gemm(False, False, delta.shape[0], columns, W.shape[0], 1.0, delta, W, beta, error)


@kernel
def product_into_weights(alpha: float, delta: Array, inputs: Array, beta: float, W: Array) -> None:
    """W (units, fan_in) <- alpha deltaᵀ inputs + beta W: BP4; with beta = 1 a step of SGD.

    Rows of delta may be longer: its first `units` columns are meant.
    """
    _gemm(True, False, W.shape[0], W.shape[1], inputs.shape[0], alpha, delta, inputs, beta, W)


def _view(
    context: Any, builder: Any, signature: Any, flat: Any, start: Any, shape: list[Any]
) -> Any:
    """Describe memory of a flat array as an array of its own, with no claim on it."""
    dtype, result = signature.args[0].dtype, signature.return_type
    data = context.make_array(signature.args[0])(context, builder, flat).data
    size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(dtype)))
    strides = [size] if len(shape) == 1 else [builder.mul(shape[1], size), size]
    view = context.make_array(result)(context, builder)
    arrayobj.populate_array(view, builder.gep(data, [start]), shape, strides, size, meminfo=None)
    return view._getvalue()


@intrinsic
def vector(typing_context: Any, flat: Any, start: Any, size: Any) -> Any:
    """`size` numbers of a flat array as an array, with no claim on its memory: a slice for free."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _view(context, builder, signature, arguments[0], arguments[1], [arguments[2]])

    i = types.intp
    return types.Array(flat.dtype, 1, "C")(flat, i, i), lower


@intrinsic
def matrix(typing_context: Any, flat: Any, start: Any, rows: Any, columns: Any) -> Any:
    """rows * columns numbers of a flat array as a matrix, with no claim on its memory."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _view(context, builder, signature, arguments[0], arguments[1], list(arguments[2:]))

    i = types.intp
    return types.Array(flat.dtype, 2, "C")(flat, i, i, i), lower


@intrinsic
def _gemm(
    typing_context: Any, transpose_A: Any, transpose_B: Any, m: Any, n: Any, k: Any, alpha: Any, A: Any,
    B: Any, beta: Any, C: Any,
) -> Any:  # fmt: skip
    """C <- alpha op(A) op(B) + beta C for row-major matrices, op(A) being (m, k) and op(B) (k, n).

    The columns of A, B and C say how far apart their rows lie; sizes are the caller's promise.
    """
    real = C.dtype
    if str(real) not in _LETTERS or any(x.dtype != real or x.layout != "C" for x in (A, B, C)):
        return None

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        transpose_A, transpose_B, m, n, k, alpha, _, _, beta, _ = arguments
        byte, size = ir.IntType(8), context.get_value_type(types.intp)
        pointer = byte.as_pointer()

        def matrix(position: int) -> tuple[Any, Any]:
            kind, value = signature.args[position], arguments[position]
            array = context.make_array(kind)(context, builder, value)
            _, columns = cgutils.unpack_tuple(builder, array.shape)
            return builder.bitcast(array.data, pointer), columns

        def by_address(value: Any) -> Any:
            # In the function's entry block: within a loop the stack would grow with every pass.
            return builder.bitcast(cgutils.alloca_once_value(builder, value), pointer)

        def letter(transpose: Any) -> Any:
            yes, no = ir.Constant(byte, ord("t")), ir.Constant(byte, ord("n"))
            return builder.select(transpose, yes, no)

        (A_data, A_columns), (B_data, B_columns), (C_data, C_columns) = (
            matrix(i) for i in (6, 7, 9)
        )
        parameters = [
            (byte, ir.Constant(byte, ord(_LETTERS[str(real)]))),
            (byte, letter(transpose_B)),
            (byte, letter(transpose_A)),
            (size, n),
            (size, m),
            (size, k),
            (pointer, by_address(alpha)),
            (pointer, B_data),
            (size, B_columns),
            (pointer, A_data),
            (size, A_columns),
            (pointer, by_address(beta)),
            (pointer, C_data),
            (size, C_columns),
        ]
        function_type = ir.FunctionType(ir.IntType(32), [kind for kind, _ in parameters])
        gemm = cgutils.get_or_insert_function(builder.module, function_type, PRODUCT)
        builder.call(gemm, [value for _, value in parameters])
        return context.get_dummy_value()

    i = types.intp
    return types.void(types.boolean, types.boolean, i, i, i, real, A, B, real, C), lower


def unavailable() -> str | None:
    """Return None, or why there is no product to call: a symbol that is not there would end the process."""
    try:
        bind_products()
    except (ImportError, AttributeError, KeyError, ValueError) as problem:
        return f"SciPy has no BLAS to call: {problem}"
    return None
