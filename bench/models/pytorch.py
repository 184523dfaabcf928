"""The same networks in PyTorch, from the same checkpoints, timed on request: one JSON object per line in and out.

{"open": PART, "folder": FOLDER}                      -> {"torch": VERSION}
{"run": PART, "shape": [...], "type": "float32" | "int32", "input": FILE, "output": FILE, "threads": N, "rounds": N}
                                                      -> {"ms": [...], "shape": [...]}
Arrays are raw little-endian files. Weight norms are folded, modules are in eval and run in inference mode.
"""

import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def read(path, *keys):
    tree = torch.load(path, map_location="cpu", weights_only=False, mmap=True)
    for key in keys:
        tree = tree[key]
    return {key: value.clone() if value.numel() < 1 << 16 else value for key, value in tree.items()}


class Under:
    """Tensors by what follows a prefix."""

    def __init__(self, tensors, prefix=""):
        self.tensors, self.prefix = tensors, prefix

    def __getitem__(self, key):
        return self.tensors[self.prefix + key]

    def __contains__(self, key):
        return self.prefix + key in self.tensors

    def under(self, prefix):
        return Under(self.tensors, self.prefix + prefix)


def normed(w, rows=True):
    """A weight norm's weight: by output channel, or by tap."""
    v, g = w["weight_v"], w["weight_g"]
    axes = (1, 2) if rows else (0, 1)
    return v * (g / v.pow(2).sum(axes, keepdim=True).sqrt())


def conv1d(w, stride=1):
    weight = normed(w)
    made = nn.Conv1d(weight.shape[1], weight.shape[0], weight.shape[2], stride=stride)
    made.weight.data, made.bias.data = weight.contiguous(), w["bias"].clone()
    return made


class Mirrored(nn.Module):
    """A convolution that mirrors as much at both ends as makes one step of every stride."""

    def __init__(self, w, stride=1):
        super().__init__()
        self.conv, self.stride = conv1d(w, stride), stride

    def forward(self, x):
        padding = self.conv.kernel_size[0] - self.stride
        right = padding // 2
        missing = -x.shape[-1] % self.stride
        return self.conv(F.pad(x, (padding - right, right + missing), mode="reflect"))


class Residual(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.inner = Mirrored(w.under("block.1.conv.conv."))
        self.outer = conv1d(w.under("block.3.conv.conv."))
        self.shortcut = conv1d(w.under("shortcut.conv.conv."))

    def forward(self, x):
        return self.shortcut(x) + self.outer(F.elu(self.inner(F.elu(x))))


class Front(nn.Module):
    """The encoder up to its LSTM: [batch, samples] to [batch, frames, 1024]."""

    def __init__(self, w):
        super().__init__()
        layers = [Mirrored(w.under("encoder.model.0.conv.conv."))]
        for at, stride in ((1, 2), (4, 4), (7, 5), (10, 8)):
            layers += [Residual(w.under(f"encoder.model.{at}.")), nn.ELU()]
            layers.append(Mirrored(w.under(f"encoder.model.{at + 2}.conv.conv."), stride))
        self.layers = nn.Sequential(*layers)

    def forward(self, audio):
        return self.layers(audio[:, None]).transpose(1, 2)


class Recurrent(nn.Module):
    """[frames, batch, 1024] to [frames, batch, 2048]."""

    def __init__(self, w):
        super().__init__()
        self.lstm = nn.LSTM(1024, 1024, 2, bidirectional=True)
        names = [name for name, _ in self.lstm.named_parameters()]
        self.lstm.load_state_dict({name: w[f"encoder.model.13.lstm.{name}"] for name in names})

    def forward(self, x):
        return self.lstm(x)[0]


class Back(nn.Module):
    """The LSTM with its skip, and the last convolution: [batch, frames, 1024] to [batch, 1024, frames]."""

    def __init__(self, w):
        super().__init__()
        self.lstm = Recurrent(w)
        self.last = Mirrored(w.under("encoder.model.15.conv.conv."))

    def forward(self, x):
        x = x.transpose(0, 1)
        y = self.lstm(x) + torch.cat([x, x], -1)
        return self.last(F.elu(y.permute(1, 2, 0)))


class Quantizer(nn.Module):
    """Features [batch, 1024, frames] to codes [batch, 8, frames]."""

    def __init__(self, w):
        super().__init__()
        for q in range(8):
            self.register_buffer(f"e{q}", w[f"quantizer.vq.layers.{q}._codebook.embed"].clone())
            self.register_buffer(f"n{q}", getattr(self, f"e{q}").pow(2).sum(1))

    def forward(self, x):
        batch, width, frames = x.shape
        rest = x.transpose(1, 2).reshape(-1, width)
        codes = []
        for q in range(8):
            embed = getattr(self, f"e{q}")
            code = torch.addmm(getattr(self, f"n{q}"), rest, embed.t(), beta=-1, alpha=2).argmax(1)
            codes.append(code.view(batch, frames))
            rest = rest - F.embedding(code, embed)
        return torch.stack(codes, 1).int()


class Detector(nn.Module):
    """Codes [batch, 7, frames], in the order they are heard in, to logits [batch, 2]."""

    def __init__(self, w, tokenizer):
        super().__init__()
        self.books = nn.ParameterList(
            [nn.Parameter(tokenizer[f"quantizer.vq.layers.{q}._codebook.embed"].clone()) for q in range(1, 8)]
        )
        self.bottleneck = nn.Conv1d(7168, 1024, 1)
        self.bottleneck.weight.data, self.bottleneck.bias.data = w["bottleneck.0.weight"], w["bottleneck.0.bias"]
        self.norm0 = nn.BatchNorm1d(1024)
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(self.norm0, name).data = w[f"bottleneck.1.{name}"].clone()
        self.positions = nn.Parameter(w["classifier.positional_emb"].clone())
        self.w = w.under("classifier.")

    def normed(self, x, name):
        return F.layer_norm(x, (1024,), self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def linear(self, x, name):
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def forward(self, codes):
        batch, _, frames = codes.shape
        heard = [F.embedding(codes[:, i].long(), book) for i, book in enumerate(self.books)]
        x = self.norm0(self.bottleneck(torch.cat(heard, -1).transpose(1, 2))).transpose(1, 2)
        x = x + self.positions[:, :frames]
        for i in range(2):
            at = f"blocks.{i}"
            qkv = F.linear(self.normed(x, f"{at}.pre_norm"), self.w[f"{at}.self_attn.qkv.weight"])
            q, k, v = qkv.view(batch, frames, 3, 8, 128).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, frames, 1024)
            b = self.normed(x + self.linear(mixed, f"{at}.self_attn.proj"), f"{at}.norm1")
            x = b + self.linear(F.gelu(self.linear(b, f"{at}.linear1")), f"{at}.linear2")
        x = self.normed(x, "norm")
        weights = self.linear(x, "attention_pool").softmax(1)
        return self.linear((weights * x).sum(1), "fc")


def sinc_bank():
    """70 band passes of 129 taps on the mel scale."""
    edges = 700 * (10 ** (np.linspace(0, 2595 * math.log10(1 + 8000 / 700), 71) / 2595) - 1)
    n = np.arange(-64, 65)
    low = np.stack([2 * f / 16000 * np.sinc(2 * f * n / 16000) for f in edges])
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(129) / 128)
    return torch.tensor((low[1:] - low[:-1]) * window, dtype=torch.float32)[:, None]


class Aasist(nn.Module):
    def __init__(self, w, keep):
        super().__init__()
        self.w, self.keep, self.bank = w, keep, sinc_bank()
        self.encoder = nn.Sequential(*[AasistBlock(w.under(f"encoder.{i}.0.")) for i in range(6)])

    def linear(self, x, name):
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def bn(self, x, name):
        w = self.w.under(f"{name}.")
        return F.batch_norm(x, w["running_mean"], w["running_var"], w["weight"], w["bias"])

    def mix(self, scores, x, name):
        y = self.linear(scores.softmax(-1) @ x, f"{name}.proj_with_att") + self.linear(x, f"{name}.proj_without_att")
        return F.selu(self.bn(y.transpose(1, 2), f"{name}.bn").transpose(1, 2))

    def attend(self, x, name):
        pairs = torch.tanh(self.linear(x[:, :, None] * x[:, None], f"{name}.att_proj"))
        return self.mix((pairs @ self.w[f"{name}.att_weight"])[..., 0] / 2, x, name)

    def pool(self, x, share, name):
        gates = self.linear(x, f"{name}.proj").sigmoid()
        kept = max(1, int(x.shape[1] * share))
        best = gates.topk(kept, 1).indices
        return (x * gates).gather(1, best.expand(-1, -1, x.shape[2]))

    def meet(self, t, s, m, name):
        n = t.shape[1]
        x = torch.cat([self.linear(t, f"{name}.proj_type1"), self.linear(s, f"{name}.proj_type2")], 1)
        pairs = torch.tanh(self.linear(x[:, :, None] * x[:, None], f"{name}.att_proj"))
        scores = (pairs @ self.w[f"{name}.att_weight12"])[..., 0]
        scores[:, :n, :n] = (pairs[:, :n, :n] @ self.w[f"{name}.att_weight11"])[..., 0]
        scores[:, n:, n:] = (pairs[:, n:, n:] @ self.w[f"{name}.att_weight22"])[..., 0]
        heard = torch.tanh(self.linear(x * m, f"{name}.att_projM")) @ self.w[f"{name}.att_weightM"]
        told = (heard / 100).softmax(1).transpose(1, 2) @ x
        master = self.linear(told, f"{name}.proj_with_attM") + self.linear(m, f"{name}.proj_without_attM")
        y = self.mix(scores / 100, x, name)
        return y[:, :n], y[:, n:], master

    def forward(self, audio):
        x = F.conv1d(audio[:, None], self.bank).abs()[:, None]
        x = self.encoder(F.selu(self.bn(F.max_pool2d(x, 3), "first_bn")))
        s = self.attend(x.abs().amax(3).transpose(1, 2) + self.w["pos_S"], "GAT_layer_S")
        t = self.attend(x.abs().amax(2).transpose(1, 2), "GAT_layer_T")
        s, t = self.pool(s, self.keep[0], "pool_S"), self.pool(t, self.keep[1], "pool_T")
        branches = []
        for b in "12":
            t1, s1, m1 = self.meet(t, s, self.w[f"master{b}"], f"HtrgGAT_layer_ST{b}1")
            s1 = self.pool(s1, self.keep[2], f"pool_hS{b}")
            t1 = self.pool(t1, self.keep[2], f"pool_hT{b}")
            t2, s2, m2 = self.meet(t1, s1, m1, f"HtrgGAT_layer_ST{b}2")
            branches.append((t1 + t2, s1 + s2, m1 + m2))
        t, s, m = (torch.maximum(one, two) for one, two in zip(*branches))
        hidden = torch.cat([t.abs().amax(1), t.mean(1), s.abs().amax(1), s.mean(1), m[:, 0]], 1)
        return self.linear(hidden, "out_layer")


class AasistBlock(nn.Module):
    def __init__(self, w):
        super().__init__()
        scale = w["bn2.weight"] / (w["bn2.running_var"] + 1e-5).sqrt()
        shift = w["bn2.bias"] - w["bn2.running_mean"] * scale
        self.first = w["conv1.weight"] * scale[:, None, None, None], w["conv1.bias"] * scale + shift
        self.second = w["conv2.weight"], w["conv2.bias"]
        self.skip = (w["conv_downsample.weight"], w["conv_downsample.bias"]) if "conv_downsample.weight" in w else None

    def forward(self, x):
        y = F.conv2d(F.selu(F.conv2d(x, *self.first, padding=1)), *self.second, padding=(0, 1))
        x = x if self.skip is None else F.conv2d(x, *self.skip, padding=(0, 1))
        return F.max_pool2d(x + y, (1, 3))


class Hubert(nn.Module):
    """What the last of twelve blocks says: [batch, samples] to [batch, frames, 768]."""

    def __init__(self, w):
        super().__init__()
        self.w = w
        self.positions = normed(w.under("encoder.pos_conv.0."), rows=False).contiguous()

    def linear(self, x, name):
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def normed(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def heads(self, x, name):
        return self.linear(x, name).unflatten(-1, (12, 64)).transpose(1, 2)

    def forward(self, audio):
        x = audio[:, None]
        for i, stride in enumerate((5, 2, 2, 2, 2, 2, 2)):
            x = F.conv1d(x, self.w[f"feature_extractor.conv_layers.{i}.0.weight"], stride=stride)
            if i == 0:
                name = "feature_extractor.conv_layers.0.2"
                x = F.group_norm(x, 512, self.w[f"{name}.weight"], self.w[f"{name}.bias"])
            x = F.gelu(x)
        x = self.linear(self.normed(x.transpose(1, 2), "layer_norm"), "post_extract_proj")
        bias = self.w["encoder.pos_conv.0.bias"]
        place = F.conv1d(x.transpose(1, 2), self.positions, bias, padding=64, groups=16)[..., :-1]
        x = self.normed(x + F.gelu(place).transpose(1, 2), "encoder.layer_norm")
        for i in range(12):
            at = f"encoder.layers.{i}"
            q, k, v = (self.heads(x, f"{at}.self_attn.{name}_proj") for name in "qkv")
            mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            x = self.normed(x + self.linear(mixed, f"{at}.self_attn.out_proj"), f"{at}.self_attn_layer_norm")
            inner = F.gelu(self.linear(x, f"{at}.fc1"))
            x = self.normed(x + self.linear(inner, f"{at}.fc2"), f"{at}.final_layer_norm")
        return x


KEEP = {"aasist": (0.5, 0.7, 0.5), "aasist-l": (0.4, 0.5, 0.7)}


def build(part, folder):
    if part in KEEP:
        return Aasist(Under(read(folder / f"{part.upper()}.pth")), KEEP[part])
    if part == "hubert":
        return Hubert(Under(read(folder / "hubert_base_ls960.pt", "model")))
    state = Under(read(folder / "safeear" / "model.ckpt", "state_dict"))
    tokenizer = state.under("decouple_model.")
    if part == "detector":
        return Detector(state.under("detect_model."), tokenizer)
    kinds = {
        "front": [Front],
        "lstm": [Recurrent],
        "back": [Back, Quantizer],
        "quantizer": [Quantizer],
        "tokenizer": [Front, Back, Quantizer],
    }
    return nn.Sequential(*[kind(tokenizer) for kind in kinds[part]])


def run(module, message):
    torch.set_num_threads(message["threads"])
    values = np.fromfile(message["input"], dtype=message["type"]).reshape(message["shape"])
    x = torch.from_numpy(values)
    # As spent.ts counts ours.
    now = time.process_time if message["threads"] == 1 else time.perf_counter
    spent = []
    with torch.inference_mode():
        for _ in range(message["rounds"]):
            begun = now()
            y = module(x)
            spent.append((now() - begun) * 1000)
    y.numpy().tofile(message["output"])
    return {"ms": spent, "shape": list(y.shape)}


def main():
    module = None
    for line in sys.stdin:
        message = json.loads(line)
        if "open" in message:
            module = None
            module = build(message["open"], Path(message["folder"]))
            module.eval().requires_grad_(False)
            answer = {"torch": torch.__version__}
        else:
            answer = run(module, message)
        print(json.dumps(answer), flush=True)


main()
