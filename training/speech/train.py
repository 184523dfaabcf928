"""Trains the speech measure's network: train.py OUT.ts EPOCHS SCENES.npz... ; writes the TypeScript weights.

A causal network: four 20 ms frames make a step, dilated layers look back five seconds, and 13 heads judge
the step that is d = 0 ... 12 steps old. A step is therefore judged again and again until it is a second old.
"""

import base64
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

CHANNELS, HEADS, DILATIONS, FRAMES = 24, 13, [1, 2, 4, 8, 16, 32], 4


class Network(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.patch = nn.Linear(FRAMES * inputs, CHANNELS)
        self.layers = nn.ModuleList(nn.Linear(2 * CHANNELS, CHANNELS) for _ in DILATIONS)
        self.heads = nn.Linear(CHANNELS, HEADS)

    def forward(self, x):
        batch, frames, inputs = x.shape
        h = F.relu(self.patch(x.reshape(batch, frames // FRAMES, FRAMES * inputs)))
        for layer, dilation in zip(self.layers, DILATIONS):
            past = F.pad(h, (0, 0, dilation, 0))[:, : h.shape[1]]
            h = h + F.relu(layer(torch.cat([h, past], 2)))
        return self.heads(h)


def aligned(labels):
    """[batch, steps, HEADS]: what head d should say at each step; -1 before the scene began."""
    return torch.stack([F.pad(labels, (d, 0), value=-1)[:, : labels.shape[1]] for d in range(HEADS)], 2)


def loss_of(logits, labels, weight):
    wanted = aligned(labels)
    mask = (wanted >= 0).float()
    each = F.binary_cross_entropy_with_logits(logits, wanted.clamp(min=0).float(), reduction="none")
    each = each * mask * torch.where(wanted == 1, weight, 1.0)
    return each.sum() / mask.sum()


def export(network, mean, scale, path):
    """Folds the normalisation into the first layer and writes 16-bit weights, one scale a tensor."""
    with torch.no_grad():
        w = network.patch.weight.numpy().copy()
        b = network.patch.bias.numpy().copy()
        m, s = np.tile(mean, FRAMES), np.tile(scale, FRAMES)
        b = b - (w * m / s).sum(1)
        w = w / s
        tensors = [("patch", w, b)]
        for i, layer in enumerate(network.layers):
            tensors.append((f"layer{i}", layer.weight.numpy(), layer.bias.numpy()))
        tensors.append(("heads", network.heads.weight.numpy(), network.heads.bias.numpy()))
    out = ["// Written by training/speech/train.py; not for editing by hand.", ""]
    out.append('import type { PackedLayer } from "./speech-layer.ts";')
    out.append("")
    out.append("/** The trained network: the patch, the dilated layers, the heads. */")
    out.append("export const packedLayers: readonly PackedLayer[] = [")
    for name, w, b in tensors:
        flat = np.concatenate([b[:, None], w], 1).astype(np.float64)
        step = np.abs(flat).max() / 32767
        packed = base64.b64encode(np.round(flat / step).astype("<i2").tobytes()).decode()
        out.append("  {")
        out.append(f"    inputs: {w.shape[1]},")
        out.append(f"    outputs: {w.shape[0]},")
        out.append(f"    step: {step!r},".replace("np.float64(", "").replace(")", ""))
        out.append(f'    rows:\n      "{packed}",')
        out.append("  },")
    out.append("];")
    open(path, "w").write("\n".join(out) + "\n")


def main():
    out, epochs, paths = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    torch.set_num_threads(1)
    torch.manual_seed(7)
    x = torch.from_numpy(np.concatenate([np.load(p)["x"] for p in paths])).float()
    y = torch.from_numpy(np.concatenate([np.load(p)["y"] for p in paths])).long()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    held, used = order[: len(x) // 12], order[len(x) // 12 :]
    mean, scale = x[used].mean((0, 1)), x[used].std((0, 1))
    x = (x - mean) / scale
    network = Network(x.shape[2])
    print("parameters", sum(p.numel() for p in network.parameters()), "speech share", (y == 1).float().mean().item())
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=0.01)
    per_epoch = len(used) // 32
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, epochs * per_epoch)
    weight = torch.tensor(1.0)
    for epoch in range(epochs):
        began, total = time.time(), 0.0
        shuffled = used[torch.randperm(len(used))]
        network.train()
        for i in range(per_epoch):
            index = shuffled[i * 32 : i * 32 + 32]
            batch = x[index] + 0.05 * torch.randn(1)
            loss = loss_of(network(batch), y[index], weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        if epoch % 4 == 3 or epoch == epochs - 1:
            network.eval()
            with torch.no_grad():
                logits, wanted = network(x[held]), aligned(y[held])
                says = logits > 0
                hit = [[(says[..., d] & (wanted[..., d] == c)).sum() / (wanted[..., d] == c).sum() for c in (1, 0)] for d in (0, 6, 12)]
            print(epoch, f"{total / per_epoch:.4f}", " ".join(f"{a:.3f}/{b:.3f}" for a, b in hit), f"{time.time() - began:.1f} s", flush=True)
    export(network, mean.numpy(), scale.numpy(), out)


main()
