import unittest

import numpy as np
import torch

from model import NETWORKS, WINDOW, build, parameters
from networks.spectra import Spectra
from train import Mix, blur, loss_of


class Networks(unittest.TestCase):
    def setUp(self) -> None:
        torch.manual_seed(0)
        self.audio = torch.randn(2, WINDOW) * 0.05

    def test_the_folded_transform_is_the_plain_one(self) -> None:
        for size, hop in ((512, 256), (512, 128), (64, 32), (1024, 512)):
            real, imaginary = Spectra(size, hop)(self.audio)
            start = 3 * hop
            plain = torch.fft.rfft(self.audio[0, start : start + size] * torch.hann_window(size))[1:]
            power = (real**2 + imaginary**2)[0, 3]
            np.testing.assert_allclose(power.numpy(), (plain.abs() ** 2).numpy(), rtol=1e-3, atol=1e-4)

    def test_every_network_gives_one_logit_whatever_the_level(self) -> None:
        for name in NETWORKS:
            with self.subTest(name), torch.no_grad():
                model = build(name).eval()
                logit = model(self.audio)
                self.assertEqual(logit.shape, (2,))
                self.assertLess(float((model(self.audio * 0.2) - logit).abs().max()), 1e-3)
                self.assertTrue(torch.isfinite(model(torch.zeros(1, WINDOW))).all())
                self.assertLess(parameters(model), 400_000)

    def test_a_copy_and_its_human_are_blurred_alike(self) -> None:
        same = torch.randn(1, 1, 40, 32).repeat(6, 1, 1, 1)
        (out,) = blur([same], 2, torch.Generator().manual_seed(1))
        torch.testing.assert_close(out[0], out[2])
        torch.testing.assert_close(out[1], out[3])
        self.assertGreater(float((out[0] - out[1]).abs().max()), 0.01)

    def test_a_copy_scored_below_its_human_costs_more(self) -> None:
        spoof = torch.tensor([1.0, 0, 0, 1])
        right, wrong = torch.tensor([2.0, -2, -2, 2]), torch.tensor([-2.0, 2, -2, 2])
        self.assertLess(float(loss_of(right, spoof, 1, 0.3)), float(loss_of(wrong, spoof, 1, 0.3)))
        extra = [float(loss_of(x, spoof, 1, 0.3) - loss_of(x, spoof, 1, 0)) for x in (right, wrong)]
        self.assertGreater(extra[1], 10 * extra[0])

    def test_a_batch_is_half_human(self) -> None:
        for share in (0, 0.4, 1):
            mix = Mix.of(32, share)
            self.assertEqual((mix.pairs + mix.humans, mix.pairs + mix.machines), (16, 16))


if __name__ == "__main__":
    unittest.main()
