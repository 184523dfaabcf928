"""A graph that was quantised to 8-bit integers while running, as the graph of its dequantised weights: many times faster here."""

import numpy as np
import onnx
from onnx import numpy_helper


class Rewriter:
    """What a graph says about its names, and the pieces of the new one."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.maker = {o: n for n in graph.node for o in n.output}
        self.weights = {i.name: i for i in graph.initializer}
        self.users: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self.users.setdefault(name, []).append(node)

    def constant(self, name: str) -> np.ndarray | None:
        """The value of a weight or a constant, None for what is computed."""
        if name in self.weights:
            return numpy_helper.to_array(self.weights[name])
        node = self.maker.get(name)
        return numpy_helper.to_array(node.attribute[0].t) if node is not None and node.op_type == "Constant" else None

    def known(self, node: onnx.NodeProto) -> np.ndarray:
        """The one constant among a node's inputs."""
        (value,) = [v for v in map(self.constant, node.input) if v is not None]
        return value.astype(np.float32)

    def only_user(self, name: str, *kinds: str) -> onnx.NodeProto:
        """The single node that reads a name."""
        (node,) = self.users[name]
        if node.op_type not in kinds:
            raise ValueError(f"{name} goes to {node.op_type}, want {kinds}")
        return node

    def put(self, name: str, value: np.ndarray) -> str:
        """A new weight."""
        self.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def replace(self, node: onnx.NodeProto, name: str) -> tuple[onnx.NodeProto, list[onnx.NodeProto]]:
        """The node on floats that stands for `node` and what follows it, and the nodes that go."""
        gone, bias = [node], None
        after = self.only_user(node.output[0], "Cast", "Add")
        if after.op_type == "Add":
            (other,) = [i for i in after.input if i != node.output[0]]
            source = self.maker[other]
            while source.op_type != "Div":
                source = self.maker[source.input[0]]
            bias = self.known(source).ravel()
            gone.append(after)
            after = self.only_user(after.output[0], "Cast")
        scaled = self.only_user(after.output[0], "Mul")
        (scales,) = [i for i in scaled.input if i != after.output[0]]
        weight, convolution = self.constant(node.input[1]).astype(np.float32), node.op_type == "ConvInteger"
        column = (-1,) + (1,) * (weight.ndim - 1) if convolution else (-1,)
        scale, zero = self.known(self.maker[scales]), np.zeros(1, np.float32)
        if len(node.input) > 3 and node.input[3]:
            zero = self.constant(node.input[3]).astype(np.float32)
        shaped = lambda v: v.reshape(column) if v.size > 1 else v.reshape(())  # noqa: E731
        inputs = [self.maker[node.input[0]].input[0], self.put(f"{name}.weight", (weight - shaped(zero)) * shaped(scale))]
        if bias is not None:
            inputs.append(self.put(f"{name}.bias", bias))
        made = onnx.helper.make_node("Conv" if convolution else "MatMul", inputs, [scaled.output[0]], name=name)
        made.attribute.extend(node.attribute)
        return made, [*gone, after, scaled]


def needed(nodes: list[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
    """Without the nodes whose outputs nobody reads."""
    while True:
        read = outputs | {i for n in nodes for i in n.input}
        kept = [n for n in nodes if any(o in read for o in n.output)]
        if len(kept) == len(nodes):
            return nodes
        nodes = kept


def in_order(nodes: list[onnx.NodeProto], known: set[str]) -> list[onnx.NodeProto]:
    """Each node after those that make its inputs."""
    done, waiting = [], nodes
    while waiting:
        ready = [n for n in waiting if set(n.input) <= known]
        if not ready:
            raise ValueError("the graph has a cycle")
        known |= {o for n in ready for o in n.output}
        taken = set(map(id, ready))
        done, waiting = done + ready, [n for n in waiting if id(n) not in taken]
    return done


def without_integers(content: bytes) -> bytes:
    """The same model with `Conv` and `MatMul` on floats in place of `ConvInteger` and `MatMulInteger`."""
    model = onnx.load_from_string(content)
    graph, made, gone = model.graph, {}, set()
    rewriter = Rewriter(graph)
    for i, node in enumerate(graph.node):
        if node.op_type in ("ConvInteger", "MatMulInteger"):
            made[id(node)], dropped = rewriter.replace(node, f"float.{i}")
            gone |= set(map(id, dropped))
    nodes = [made.get(id(n), n) for n in graph.node if id(n) in made or id(n) not in gone]
    nodes = needed(nodes, {o.name for o in graph.output})
    known = {i.name for i in [*graph.input, *graph.initializer]} | {""}
    ordered = in_order(nodes, known)
    read = {i for n in ordered for i in n.input}
    weights = [i for i in graph.initializer if i.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(ordered)
    graph.initializer.extend(weights)
    return model.SerializeToString()
