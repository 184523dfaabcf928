import unittest

import numpy as np
import torch

from vocoders.copies import like
from vocoders.judges import Judges, against, deceive, distance
from vocoders.kinds import KINDS, MULTIPLE
from vocoders.packing import pack, unpack
from vocoders.signal import RATE, overlap_add, pitch, spectrum


class Vocoders(unittest.TestCase):
    def setUp(self) -> None:
        torch.manual_seed(0)
        self.audio = torch.randn(2, MULTIPLE) * 0.05

    def test_the_inverse_transform_gives_the_audio_back(self) -> None:
        for size, hop in ((640, 160), (512, 128)):
            back = overlap_add(spectrum(self.audio, size, hop), size, hop)
            torch.testing.assert_close(back[:, size:-size], self.audio[:, size:-size], rtol=1e-3, atol=1e-4)

    def test_every_kind_copies_sample_for_sample(self) -> None:
        for kind, make in KINDS.items():
            with self.subTest(kind), torch.no_grad():
                model = make().eval()
                self.assertEqual(model(self.audio).shape, self.audio.shape)
                self.assertTrue(torch.isfinite(model(torch.zeros(1, MULTIPLE))).all())
                self.assertLess(sum(p.numel() for p in model.parameters()), 1_000_000)

    def test_pitch_of_a_pulse_train(self) -> None:
        audio = torch.zeros(1, MULTIPLE)
        audio[:, :: RATE // 125] = 0.5
        hertz, voiced = pitch(audio, 80)
        middle = slice(20, 60)
        self.assertLess(float((hertz[0, middle] - 125).abs().max()), 3)
        self.assertGreater(float(voiced[0, middle].min()), 0.9)
        self.assertLess(float(pitch(self.audio, 80)[1][:, middle].mean()), 0.3)

    def test_the_distance_is_nothing_from_itself(self) -> None:
        self.assertLess(float(distance(self.audio, self.audio)), 1e-5)
        self.assertGreater(float(distance(self.audio * 0.5, self.audio)), 0.3)

    def test_judges_teach_both_sides(self) -> None:
        judges, fake = Judges(), (self.audio * 0.3).requires_grad_()
        deceive(judges, fake, self.audio).backward()
        self.assertGreater(float(fake.grad.abs().sum()), 0)
        against(judges, fake.detach(), self.audio).backward()
        self.assertTrue(all(p.grad is not None for p in judges.parameters()))

    def test_kept_weights_are_nearly_the_trained_ones(self) -> None:
        for shape in ((64, 32, 3), (16,), (40, 30)):
            weight = torch.randn(shape) * torch.rand(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
            torch.testing.assert_close(unpack(pack(weight)), weight, rtol=0, atol=0.02)

    def test_a_copy_keeps_the_level_of_its_human(self) -> None:
        human = self.audio[0].numpy()
        copy = like(human.astype(np.float64) * 7 + 0.3, human, np.random.default_rng(0)).astype(np.float64) / 32768
        self.assertAlmostEqual(float(np.sqrt(np.mean(copy**2))), float(np.sqrt(np.mean(human**2))), delta=1e-3)
        self.assertEqual(abs(int(copy[0] * 32768)) <= 1, True)


if __name__ == "__main__":
    unittest.main()
