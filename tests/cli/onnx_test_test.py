"""`run --onnx-test` on a fixture's batch written as the data sets of ONNX's backend tests."""

import shutil
import struct
import unittest

import npz
from headrace import FIXTURES, HeadraceTest

MODEL = FIXTURES / "mlp.dynamo.onnx"


def varint(number):
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes(encoded) + bytes([number])


def tensor_proto(shape, values):
    """An ONNX TensorProto of floats: dims, data_type and raw_data."""
    raw = struct.pack(f"<{len(values)}f", *values)
    dims = b"".join(b"\x08" + varint(dim) for dim in shape)
    return dims + b"\x10\x01" + b"\x4a" + varint(len(raw)) + raw


class OnnxTest(HeadraceTest):
    def setUp(self):
        super().setUp()
        fixture = npz.read(FIXTURES / "mlp.dynamo.npz")
        self.input = next(value for key, value in fixture.items() if key.startswith("input:"))
        self.logits = fixture["logits"]

    def write_set(self, number, outputs=None):
        folder = self.folder / f"test/test_data_set_{number}"
        folder.mkdir(parents=True)
        (folder / "input_0.pb").write_bytes(tensor_proto(*self.input))
        shape, values = self.logits
        (folder / "output_0.pb").write_bytes(tensor_proto(shape, outputs or values))
        return folder

    def test_passing_sets(self):
        self.write_set(0)
        self.write_set(1)
        shown = self.succeed("run", MODEL, "--onnx-test", "test").stdout
        self.assertEqual(shown, "test_data_set_0 passed\ntest_data_set_1 passed\n"
                                "2 of 2 data sets passed\n")
        self.assertEqual(
            self.json("run", MODEL, "--onnx-test", "test"),
            {"passed": 2, "failed": 0,
             "data_sets": [{"name": f"test_data_set_{n}", "passed": True, "outputs": 1,
                            "differences": {}} for n in range(2)]})

    def test_a_mismatch_exits_with_1_and_names_the_furthest_element(self):
        values = list(self.logits[1])
        values[3] += 0.01
        values[7] += 0.5
        self.write_set(0)
        self.write_set(1, values)
        done = self.call("run", MODEL, "--onnx-test", "test")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"test_data_set_0 passed\n"
                                      r"test_data_set_1 failed\n"
                                      r"  logits: 2 of 30 elements differ, most at \[1, 2\]: .*\n"
                                      r"1 of 2 data sets passed\n")
        self.assertEqual(done.stderr, "headrace: test: 1 of 2 data sets failed\n")

    def test_tolerance_is_a_thousandth(self):
        self.write_set(0, [value * 1.0005 for value in self.logits[1]])
        self.succeed("run", MODEL, "--onnx-test", "test")
        self.write_set(1, [value * 1.002 for value in self.logits[1]])
        self.assertEqual(self.call("run", MODEL, "--onnx-test", "test").returncode, 1)

    def test_another_shape_is_a_mismatch(self):
        shape, values = self.logits
        folder = self.write_set(0)
        (folder / "output_0.pb").write_bytes(tensor_proto(shape[::-1], values))
        done = self.call("run", MODEL, "--onnx-test", "test")
        self.assertEqual(done.returncode, 1)
        self.assertIn("logits: f32[6, 5] instead of f32[5, 6]", done.stdout)

    def test_refusals(self):
        self.assertIn("none: not a folder", self.refuse("run", MODEL, "--onnx-test", "none"))
        (self.folder / "test").mkdir()
        self.assertIn("no folder test_data_set_0", self.refuse("run", MODEL, "--onnx-test", "test"))
        folder = self.write_set(0)
        self.assertIn("leave --outputs away", self.refuse(
            "run", MODEL, "--onnx-test", "test", "--outputs", "out.npz"))

        whole = (folder / "input_0.pb").read_bytes()
        (folder / "input_0.pb").write_bytes(whole[:-1])
        self.assertRegex(self.refuse("run", MODEL, "--onnx-test", "test"),
                         r"input_0\.pb: not an ONNX tensor, or cut short")
        shape, values = self.input
        (folder / "input_0.pb").write_bytes(tensor_proto([2**40, *shape], values))
        self.assertRegex(self.refuse("run", MODEL, "--onnx-test", "test"),
                         r"input_0\.pb: .*(needs \d+ bytes|elements)")
        (folder / "input_0.pb").write_bytes(tensor_proto([shape[0], shape[1] - 1], values))
        self.assertRegex(self.refuse("run", MODEL, "--onnx-test", "test"),
                         r"input_0\.pb: .*needs \d+ bytes, the file has \d+")

        (folder / "input_0.pb").write_bytes(whole)
        shutil.copy(folder / "input_0.pb", folder / "input_1.pb")
        self.assertIn("input_1.pb: the model has 1 inputs",
                      self.refuse("run", MODEL, "--onnx-test", "test"))
        (folder / "input_1.pb").unlink()
        (folder / "output_0.pb").unlink()
        self.assertIn("there is no output_0.pb", self.refuse("run", MODEL, "--onnx-test", "test"))


if __name__ == "__main__":
    unittest.main()
