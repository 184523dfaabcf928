import unittest

import numpy as np

from calibrate import Scored, calibration, fit_line, leanings
from clips import Clip


def clip(spoof: bool, i: int, corpus: str = "") -> Clip:
    """A clip that nothing is known of but its class."""
    return Clip(f"{i}", spoof, "dev", 0, False, f"s{i % 3}", f"f{i % 3}", f"p{i % 3}", corpus or f"c{i % 3}", "CC0", 0, 1)


def fold(middle: float, rng: np.random.Generator) -> list[Scored]:
    """Windows whose logits lie 2 either side of `middle`."""
    return [Scored(clip(i % 2 == 1, i), "clean", middle + (2 if i % 2 else -2) + rng.normal(0, 2, 2)) for i in range(400)]


class Calibration(unittest.TestCase):
    def setUp(self) -> None:
        rng = np.random.default_rng(0)
        self.folds = {0: fold(1, rng), 3: fold(-1, rng)}

    def test_the_line_is_found_and_where_each_network_is_of_two_minds(self) -> None:
        slope, middles, cost = fit_line(self.folds)
        self.assertAlmostEqual(slope, 1, delta=0.2)
        self.assertAlmostEqual(middles[0], 1, delta=0.4)
        self.assertAlmostEqual(middles[3], -1, delta=0.4)
        self.assertLess(cost, 0.8)

    def test_it_leans_away_from_a_studio_voice_that_leans_to_machine_and_from_no_other(self) -> None:
        voice = lambda logit, treatment="clean": [Scored(clip(False, 0, "studio"), treatment, np.full(3, logit))]  # noqa: E731
        low, high = calibration(self.folds, voice(-5.0)), calibration(self.folds, voice(5.0))
        middle = low["line"]["middles"][0]
        self.assertAlmostEqual(low["b"], -low["a"] * middle, delta=1e-3)
        self.assertAlmostEqual(high["b"], -high["a"] * (middle + 5) / 2, delta=1e-3)
        self.assertEqual(leanings(voice(1.0) + voice(9.0, "degraded")), {"studio": 1})


if __name__ == "__main__":
    unittest.main()
