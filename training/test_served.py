import json
import tempfile
import unittest
from pathlib import Path

from conditions import CONDITIONS
from served import CANDIDATE, COMMAND, THROUGH, copied, llrs


class Served(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def test_scores_are_read_and_silence_counts_as_no_evidence(self) -> None:
        file = self.folder / "scores.txt"
        file.write_text("# earwitness scores, version 1\n# condition: opus12\nclips/a b.flac\t-0.250000\nclips/c.flac\t-\n")
        self.assertEqual(llrs(file), {"clips/a b.flac": -0.25, "clips/c.flac": 0})

    def test_a_pack_is_copied_under_another_name_and_left_as_it_is(self) -> None:
        pack = self.folder / "default"
        pack.mkdir()
        (pack / "model.json").write_text('{"id": "default", "version": "1.2.3"}')
        (pack / "model.onnx").write_bytes(b"weights")
        copied(pack, self.folder / "models")
        copy = self.folder / "models" / CANDIDATE
        self.assertEqual(json.loads((copy / "model.json").read_text()), {"id": CANDIDATE, "version": "1.2.3"})
        self.assertEqual((copy / "model.onnx").read_bytes(), b"weights")
        self.assertEqual(json.loads((pack / "model.json").read_text())["id"], "default")

    def test_the_command_is_there_and_knows_every_condition(self) -> None:
        self.assertTrue(COMMAND.exists())
        self.assertLessEqual(set(CONDITIONS), set(THROUGH))


if __name__ == "__main__":
    unittest.main()
