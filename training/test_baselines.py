import json
import unittest
from pathlib import Path

import numpy as np

from baselines import either_way, left_out, metadata

RESULTS = Path(__file__).parent / "results" / "baselines.json"


class Baselines(unittest.TestCase):
    def test_the_numbers_of_a_tone(self) -> None:
        tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(32_000) / 16_000)
        tone[16_000:] = 0
        found = metadata(tone)
        self.assertAlmostEqual(found["duration_s"], 2)
        self.assertAlmostEqual(found["silence_share"], 0.5, delta=0.02)
        self.assertAlmostEqual(found["peak_db"], -20, delta=0.1)
        self.assertLess(found["bandwidth_hz"], 1100)

    def test_a_shortcut_is_found_whichever_way_it_points(self) -> None:
        self.assertEqual(either_way(np.array([3.0, 4]), np.array([1.0, 2])), 0)

    def test_folds_are_judged_by_the_others(self) -> None:
        rng = np.random.default_rng(0)
        spoof, fold = rng.random(600) < 0.5, rng.integers(0, 3, 600)
        noise = rng.normal(size=(600, 2))
        self.assertTrue(all(0.35 < e < 0.65 for e in left_out(noise, spoof, fold)))
        self.assertTrue(all(e < 0.05 for e in left_out(noise + 5 * spoof[:, None], spoof, fold)))

    @unittest.skipUnless(RESULTS.exists(), "no baselines.json")
    def test_shortcuts_do_not_pay(self) -> None:
        found = json.loads(RESULTS.read_text())
        self.assertGreater(min(found["single"].values()), 0.4)
        self.assertGreater(found["all_together"]["mean"], 0.4)
        self.assertLess(found.get("network", 0), 0.4)


if __name__ == "__main__":
    unittest.main()
