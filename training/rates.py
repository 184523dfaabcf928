"""Equal error rate, area under the curve, their bootstrap intervals, and the honesty of LLRs."""

import numpy as np


def eer(human: np.ndarray, machine: np.ndarray) -> float:
    """Where misses and false alarms meet, interpolated between the two neighbouring thresholds."""
    scores = np.concatenate([human, machine])
    labels = np.concatenate([np.zeros(len(human)), np.ones(len(machine))])
    order = np.lexsort((labels, scores))
    miss = np.concatenate([[0], np.cumsum(labels[order])]) / len(machine)
    alarm = 1 - np.concatenate([[0], np.cumsum(1 - labels[order])]) / len(human)
    i = int(np.argmax(miss >= alarm))
    if i == 0:
        return float(miss[0])
    before, after = alarm[i - 1] - miss[i - 1], miss[i] - alarm[i]
    share = before / (before + after) if before + after else 0.0
    return float(miss[i - 1] + share * (miss[i] - miss[i - 1]))


def auc(human: np.ndarray, machine: np.ndarray) -> float:
    """Chance that a machine score lies above a human one, ties counted half."""
    difference = np.asarray(machine)[:, None] - np.asarray(human)[None]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def interval(human: dict[str, np.ndarray], machine: dict[str, np.ndarray], rounds: int = 1000) -> list[float]:
    """95 % of EERs when speakers (keys of `human`) and systems (keys of `machine`) are drawn with replacement.

    With one system only, its clips are drawn instead.
    """
    rng = np.random.default_rng(1)
    people, systems = list(human.values()), list(machine.values())
    out = []
    for _ in range(rounds):
        h = np.concatenate([people[i] for i in rng.integers(0, len(people), len(people))])
        if len(systems) > 1:
            m = np.concatenate([systems[i] for i in rng.integers(0, len(systems), len(systems))])
        else:
            m = rng.choice(systems[0], len(systems[0]))
        out.append(eer(h, m))
    return [round(float(q), 4) for q in np.quantile(out, [0.025, 0.975])]


def cllr(human: np.ndarray, machine: np.ndarray) -> float:
    """Cost of these LLRs at even odds, in bits: 0 is perfect, 1 is what saying nothing costs."""
    return float((np.mean(np.logaddexp(0, human)) + np.mean(np.logaddexp(0, -machine))) / 2 / np.log(2))


def min_cllr(human: np.ndarray, machine: np.ndarray) -> float:
    """The cost that the best monotone recalibration of these scores would leave (pool adjacent violators)."""
    scores = np.concatenate([human, machine])
    spoof = np.concatenate([np.zeros(len(human)), np.ones(len(machine))])
    weight = np.where(spoof == 1, 0.5 / len(machine), 0.5 / len(human))
    values, place = np.unique(scores, return_inverse=True)
    total = np.bincount(place, weight, len(values))
    blocks: list[list[float]] = []
    for mass, hits in zip(total, np.bincount(place, weight * spoof, len(values)), strict=True):
        blocks.append([mass, hits])
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][0] >= blocks[-1][1] * blocks[-2][0]:
            mass, hits = blocks.pop()
            blocks[-1] = [blocks[-1][0] + mass, blocks[-1][1] + hits]
    cost = 0.0
    for mass, hits in blocks:
        p = hits / mass
        cost -= (hits * np.log2(p) if hits > 0 else 0) + ((mass - hits) * np.log2(1 - p) if hits < mass else 0)
    return float(max(0.0, cost))


def reliability(human: np.ndarray, machine: np.ndarray, edges: tuple[float, ...] = (-2, -1, -0.5, 0, 0.5, 1, 2)) -> list[dict]:
    """By bins of LLR: how many clips fell in, what probability they were given at even odds, what share were machines.

    Both classes count one half, however many clips each has.
    """
    scores = np.concatenate([human, machine])
    spoof = np.concatenate([np.zeros(len(human)), np.ones(len(machine))]).astype(bool)
    weight = np.where(spoof, 0.5 / len(machine), 0.5 / len(human))
    bin_of, out = np.digitize(scores, edges), []
    for i in range(len(edges) + 1):
        inside = bin_of == i
        if inside.any():
            w = weight[inside]
            out.append({
                "from": edges[i - 1] if i else None,
                "to": edges[i] if i < len(edges) else None,
                "clips": int(inside.sum()),
                "said": round(float(np.average(1 / (1 + np.exp(-scores[inside])), weights=w)), 4),
                "was": round(float(np.average(spoof[inside], weights=w)), 4),
            })
    return out
