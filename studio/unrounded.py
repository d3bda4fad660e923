"""A model whose weights are bytes, made to calculate with all that lies between two bytes.

Whoever made the weights small also has every intermediate result rounded to one of 256 steps while
the model speaks, which is heard as hoarseness. The weights stay as they are; the results are not
rounded. It takes as long as before.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

EXACT: Final = {"ConvInteger": "Conv", "MatMulInteger": "MatMul"}
FRAMES: Final = "/encoder/Clip_output_0"  # how many each phoneme takes, before they are counted out


def write_unrounded(file: Path, target: Path, *, frames_alone: bool) -> None:
    """The model, or only what tells how many frames each phoneme takes, which is quick."""
    model = onnx.load(file)
    graph = model.graph
    nodes = [*_unrounded(graph)]
    if frames_alone:
        nodes = _needed(nodes, FRAMES)
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    weights = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]  # ONNX Runtime would warn of each that nothing uses
    graph.initializer.extend(weights)
    del graph.value_info[:]  # it names the types of before
    if frames_alone:
        del graph.output[:]
        graph.output.append(helper.make_tensor_value_info(FRAMES, TensorProto.FLOAT, None))
    onnx.save(model, target)


def _unrounded(graph: Any) -> Iterator[Any]:
    """Its nodes; what was rounded to bytes before it is multiplied is so no longer."""
    weights = {each.name: each for each in graph.initializer}
    rounded = {
        node.output[0]: node for node in graph.node if node.op_type == "DynamicQuantizeLinear"
    }
    scaled: set[str] = set()
    exact: set[str] = set()
    for node in graph.node:
        if node.op_type in EXACT:
            bytes_, weight, _, *zero = node.input
            scaling, result = rounded[bytes_], f"{bytes_}_unrounded"
            if result not in scaled:
                yield helper.make_node("Div", [scaling.input[0], scaling.output[1]], [result])
                scaled.add(result)
            name = f"{node.output[0]}_weight"
            whole = _weight(weights[weight], [weights[each] for each in zero], node.op_type)
            graph.initializer.append(numpy_helper.from_array(whole, name))
            multiplied = helper.make_node(EXACT[node.op_type], [result, name], [node.output[0]])
            multiplied.attribute.extend(node.attribute)
            yield multiplied
            exact.add(node.output[0])
        else:
            yield from _added_unrounded(node, exact)


def _needed(nodes: Sequence[Any], output: str) -> list[Any]:
    """Those that an output is made of; ONNX Runtime would run all of them."""
    needed, names = list[Any](), {output}
    for node in reversed(nodes):
        if names.intersection(node.output):
            needed.append(node)
            names.update(node.input)
    return needed[::-1]


def _weight(weight: Any, zeros: list[Any], operation: str) -> "np.ndarray[Any, np.dtype[Any]]":
    """Around zero, as a float; a point of zero may be one for each channel."""
    whole = numpy_helper.to_array(weight).astype(np.float32)
    for each in zeros:
        zero = numpy_helper.to_array(each).astype(np.float32)
        if zero.size > 1 and operation == "ConvInteger":
            zero = zero.reshape(-1, *[1] * (whole.ndim - 1))
        whole = whole - zero
    return np.asarray(whole, dtype=np.float32)


def _added_unrounded(node: Any, exact: set[str]) -> Iterator[Any]:
    """An offset is a whole number, too, and what it is added to no longer is."""
    if node.op_type == "Add" and exact.intersection(node.input):
        for at, name in enumerate(node.input):
            if name not in exact:
                node.input[at] = f"{name}_{node.name}_unrounded"
                yield helper.make_node("Cast", [name], [node.input[at]], to=TensorProto.FLOAT)
    yield node
