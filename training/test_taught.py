import unittest

import numpy as np

from taught import fit_kernel


class Kernels(unittest.TestCase):
    def setUp(self) -> None:
        rng = np.random.default_rng(0)
        self.x = rng.normal(0, 1, (600, 4)).astype(np.float32)
        self.spoof = np.linalg.norm(self.x[:, :2], axis=1) > 1.2
        self.logits = fit_kernel(self.x[:400], self.spoof[:400], ["a"] * 400, landmarks=60)

    def test_it_learns_a_circle_that_no_line_can(self) -> None:
        self.assertGreater(np.mean((self.logits(self.x[400:]) > 0) == self.spoof[400:]), 0.93)

    def test_far_from_all_landmarks_it_says_the_same_of_everything(self) -> None:
        far = self.logits(np.array([[1e3, 0, 0, 0], [0, -1e3, 5e2, 0]]))
        self.assertAlmostEqual(far[0], far[1], places=6)


if __name__ == "__main__":
    unittest.main()
