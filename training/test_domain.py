import unittest

import numpy as np
import torch

from domain import Judged, distances, gaussian, summary
from model import WINDOW, build
from train import GUIDE_STEP, Views


class Domain(unittest.TestCase):
    def test_what_was_fitted_is_near_one_and_what_was_not_is_far(self) -> None:
        rng = np.random.default_rng(0)
        known = rng.normal(3, [[1], [5]] * 1500, (3000, 400))
        mean, matrix = gaussian(known)
        self.assertAlmostEqual(float(distances(known, mean, matrix).mean()), 1, delta=0.1)
        self.assertGreater(float(distances(known[:9] + 40, mean, matrix).min()), 5)

    def test_the_graph_gives_the_network_s_logit_and_the_same_distance(self) -> None:
        torch.manual_seed(0)
        model, rng = build("guided").eval(), np.random.default_rng(1)
        mean, matrix = gaussian(rng.normal(0, 1, (900, 400)))
        audio = torch.from_numpy(rng.normal(0, 0.1, (3, WINDOW)).astype(np.float32))
        with torch.no_grad():
            got = Judged(model, mean, matrix).eval()(audio).numpy()
            logit, frames = model.both(model.front(audio))
        np.testing.assert_allclose(got[:, 0], logit.numpy(), atol=1e-5)
        np.testing.assert_allclose(got[:, 1], distances(summary(frames).numpy(), mean, matrix), rtol=1e-3)

    def test_frames_turn_with_the_sound(self) -> None:
        views = Views.__new__(Views)
        views.guide = np.arange(100, dtype=np.float16)[None, :, None].repeat(200, axis=2)
        views.middle, views.spread = 0.0, 1.0
        frames = views.guided([0], np.array([3 * GUIDE_STEP]))
        self.assertEqual(frames.shape, (1, 200, 100))
        self.assertEqual(frames[0, 7, 3].item(), 0)
        self.assertEqual(frames[0, 7, 0].item(), 97)


if __name__ == "__main__":
    unittest.main()
