"""A model with small weights, made to calculate without rounding."""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

pytestmark = [pytest.mark.live, pytest.mark.hearing]  # where the ear's packages are

Constant: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

WEIGHTS = np.array([[3, 250], [7, 90], [128, 4]], dtype=np.uint8)
ZERO = np.array(128, dtype=np.uint8)
GIVEN = np.array([[0.1, -0.55, 0.337]], dtype=np.float32)


def write_small_model(file: Path, frames: str) -> None:
    """Two columns of weights, and an offset, as ONNX Runtime's quantiser writes them."""
    import onnx  # noqa: PLC0415 - `make setup` does not install it
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["bytes", "scale", "zero"]),
        helper.make_node("MatMulInteger", ["bytes", "w", "zero", "w_zero"], ["product"]),
        helper.make_node("Add", ["product", "offset"], ["moved"], name="add"),
        helper.make_node("Cast", ["moved"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["y"]),
        helper.make_node("Abs", ["x"], [frames]),
    ]
    constants: dict[str, Constant] = {
        "w": WEIGHTS,
        "w_zero": ZERO,
        "offset": np.array([0, 0], dtype=np.int32),
    }
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    version = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[version], ir_version=8), file)


def results(file: Path) -> dict[str, "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"]:
    import onnxruntime  # noqa: PLC0415 - `make setup` does not install it

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {"x": GIVEN}), strict=True))


def test_only_what_lies_between_the_weights_is_no_longer_rounded(tmp_path: Path) -> None:
    import onnx  # noqa: PLC0415 - `make setup` does not install it

    from studio.unrounded import FRAMES, write_unrounded  # noqa: PLC0415 - `make setup` has no onnx

    small, whole, quick = (tmp_path / name for name in ("small.onnx", "whole.onnx", "quick.onnx"))
    write_small_model(small, FRAMES)
    exact = GIVEN @ (WEIGHTS.astype(np.float32) - np.float32(ZERO))
    assert np.max(np.abs(results(small)["y"] - exact)) > 0.01
    write_unrounded(small, whole, frames_alone=False)
    assert np.max(np.abs(results(whole)["y"] - exact)) < 1e-4
    assert {each.name for each in onnx.load(whole).graph.initializer} == {
        "product_weight",
        "offset",
    }
    write_unrounded(small, quick, frames_alone=True)
    assert np.array_equal(results(quick)[FRAMES], np.abs(GIVEN))
