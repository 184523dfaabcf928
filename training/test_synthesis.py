import unittest

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from synthesis.integers import without_integers
from synthesis.make import RATE, like_the_corpus, sentences


def quantised() -> tuple[bytes, np.ndarray]:
    """x @ w with w in 8-bit integers, as ONNX Runtime's dynamic quantisation writes it, and the w that it stands for."""
    rng = np.random.default_rng(0)
    weight, scale, zero = rng.integers(0, 255, (6, 4)).astype(np.uint8), np.float32(0.02), np.uint8(120)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node("Mul", ["s", "w_scale"], ["scales"]),
        helper.make_node("MatMulInteger", ["q", "w", "z", "w_zero"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["real", "scales"], ["y"]),
    ]
    constants = {"w": weight, "w_scale": np.array(scale), "w_zero": np.array(zero)}
    graph = helper.make_graph(
        nodes, "quantised", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString(), (weight.astype(np.float32) - float(zero)) * scale


class Synthesis(unittest.TestCase):
    def test_a_quantised_product_becomes_one_on_floats(self) -> None:
        content, weight = quantised()
        rewritten = without_integers(content)
        self.assertEqual([n.op_type for n in onnx.load_from_string(rewritten).graph.node], ["MatMul"])
        x = np.random.default_rng(1).normal(0, 1, (2, 6)).astype(np.float32)
        (y,) = ort.InferenceSession(rewritten, providers=["CPUExecutionProvider"]).run(None, {"x": x})
        np.testing.assert_allclose(y, x @ weight, rtol=1e-5, atol=1e-5)

    def test_what_is_said_is_made_like_the_corpus(self) -> None:
        rng = np.random.default_rng(2)
        loud = np.sin(np.arange(24_000 * 8) / 20) * 0.9 + 0.3
        said = np.concatenate([np.zeros(24_000), loud, np.zeros(24_000)])
        clip = like_the_corpus(said.astype(np.float32), 24_000, rng)
        self.assertEqual(len(clip), 5 * RATE)
        level = 10 * np.log10(np.mean(clip**2))
        self.assertTrue(-31 < level < -18, level)
        self.assertLess(abs(clip.mean()), 0.01)

    def test_languages_without_a_list_read_english(self) -> None:
        self.assertEqual(sentences("hi"), sentences("en-us"))
        self.assertNotEqual(sentences("de"), sentences("en-gb"))
        self.assertTrue(all(sentences(code) for code in ("en", "de", "es", "fr", "it", "pt")))


if __name__ == "__main__":
    unittest.main()
