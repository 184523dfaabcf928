import unittest

import numpy as np

from rates import auc, cllr, eer, min_cllr, reliability


class Rates(unittest.TestCase):
    def setUp(self) -> None:
        rng = np.random.default_rng(0)
        self.human, self.machine = rng.normal(-1, 1, 4000), rng.normal(1, 1, 3000)

    def test_eer_of_two_gaussians(self) -> None:
        self.assertAlmostEqual(eer(self.human, self.machine), 0.1587, delta=0.01)
        self.assertAlmostEqual(auc(self.human, self.machine), 0.9214, delta=0.01)

    def test_eer_of_apart_and_of_swapped(self) -> None:
        self.assertEqual(eer(np.array([0.0, 1]), np.array([2.0, 3])), 0)
        self.assertEqual(eer(np.array([2.0, 3]), np.array([0.0, 1])), 1)

    def test_saying_nothing_costs_one_bit(self) -> None:
        self.assertAlmostEqual(cllr(np.zeros(5), np.zeros(7)), 1)
        self.assertAlmostEqual(min_cllr(np.zeros(5), np.zeros(7)), 1)

    def test_recalibration_undoes_scale_and_shift(self) -> None:
        honest = cllr(2 * self.human, 2 * self.machine)
        best = min_cllr(self.human, self.machine)
        self.assertLess(best, honest)
        self.assertAlmostEqual(best, honest, delta=0.02)
        self.assertGreater(cllr(9 * self.human + 3, 9 * self.machine + 3), 2 * honest)
        self.assertAlmostEqual(min_cllr(9 * self.human + 3, 9 * self.machine + 3), best)

    def test_separable_scores_cost_nothing_at_best(self) -> None:
        self.assertEqual(min_cllr(np.array([0.0, 1]), np.array([2.0, 3])), 0)

    def test_what_an_honest_score_says_is_what_was(self) -> None:
        rows = reliability(2 * self.human, 2 * self.machine)
        self.assertEqual(sum(r["clips"] for r in rows), 7000)
        for row in rows:
            self.assertAlmostEqual(row["said"], row["was"], delta=0.08)


if __name__ == "__main__":
    unittest.main()
