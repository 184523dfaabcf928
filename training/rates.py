"""Equal error rate, area under the curve, and their bootstrap intervals."""

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
