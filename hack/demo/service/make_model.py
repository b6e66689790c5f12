"""Writes the model that the service runs, and the answer that it must give: a small multilayer perceptron, made once, when
the image is built."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

WIDTH = 1024
LAYERS = 6
CLASSES = 10


def make_model() -> onnx.ModelProto:
    generator = np.random.default_rng(20260101)
    nodes, weights, tensor = [], [], "input"
    for layer in range(LAYERS):
        columns = CLASSES if layer == LAYERS - 1 else WIDTH
        name = f"w{layer}"
        matrix = generator.standard_normal((WIDTH, columns), dtype=np.float32) / np.sqrt(WIDTH, dtype=np.float32)
        weights.append(numpy_helper.from_array(matrix, name))
        nodes.append(helper.make_node("MatMul", [tensor, name], [f"m{layer}"]))
        tensor = f"h{layer}"
        nodes.append(helper.make_node("Softmax" if layer == LAYERS - 1 else "Relu", [f"m{layer}"], [tensor]))
    graph = helper.make_graph(
        nodes,
        "perceptron",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, WIDTH])],
        [helper.make_tensor_value_info(tensor, TensorProto.FLOAT, [None, CLASSES])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def main(folder: str) -> None:
    onnx.save(make_model(), f"{folder}/model.onnx")
    session = onnxruntime.InferenceSession(f"{folder}/model.onnx")
    image = np.random.default_rng(7).standard_normal((1, WIDTH), dtype=np.float32)
    scores = session.run(None, {"input": image})[0][0]
    with open(f"{folder}/expected.json", "w") as file:
        json.dump({"seed": 7, "label": int(scores.argmax())}, file)


if __name__ == "__main__":
    main(sys.argv[1])
