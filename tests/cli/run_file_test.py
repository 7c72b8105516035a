"""RUN.toml: the options' names as keys, paths beside the file, overridden by the command line."""

import os
import shutil

from datasets import write_mlp_data
from headrace import FIXTURES, ROOT, HeadraceTest

RUN = """
model = "mlp.onnx"
data = "data.npz"
output = "trained.onnx"
batch = 16
microbatches = 4
loss = ["cross-entropy"]
devices = "cpu:2"
scheduler = "1f1b"
steps = 2
lr = 1
bind = {}
"""


class RunFile(HeadraceTest):
    def write(self, text):
        (self.folder / "job").mkdir(exist_ok=True)
        (self.folder / "job/run.toml").write_text(text)

    def write_job(self, text=RUN):
        self.write(text)
        shutil.copy(FIXTURES / "mlp.dynamo.onnx", self.folder / "job/mlp.onnx")
        write_mlp_data(self.folder / "job/data.npz", 64)

    def test_trains_with_paths_beside_the_file(self):
        self.write_job()
        report = self.json("train", "job/run.toml")
        self.assertEqual((report["scheduler"], report["steps"], report["devices"]), ("1f1b", 2, 2))
        self.assertEqual(report["output"], "job/trained.onnx")
        self.assertTrue((self.folder / "job/trained.onnx").exists())

    def test_is_overridden(self):
        self.write_job()
        report = self.json("train", "job/run.toml", "-o", "scheduler=gpipe", "--microbatches", 2)
        self.assertEqual((report["scheduler"], report["microbatches"]), ("gpipe", 2))

    def test_steps_take_the_place_of_epochs(self):
        self.write_job(RUN.replace("steps = 2", "epochs = 3"))
        self.assertEqual(self.json("train", "job/run.toml")["steps"], 12)
        self.assertEqual(self.json("train", "job/run.toml", "--steps", 1)["steps"], 1)
        self.assertIn("exclude", self.refuse("train", "job/run.toml", "--steps", 1, "--epochs", 1))

    def test_path_on_the_command_line_is_as_it_stands(self):
        self.write_job()
        report = self.json("train", "job/run.toml", "--output", "here.onnx")
        self.assertEqual(report["output"], "here.onnx")
        self.assertTrue((self.folder / "here.onnx").exists())

    def test_serves_plan(self):
        self.write_job()
        report = self.json("plan", "job/run.toml")
        self.assertEqual((report["scheduler"], report["microbatches"]), ("1f1b", 4))

    def test_another_scheduler_drops_the_options_of_the_first(self):
        self.write_job(RUN + "[scheduler-option]\nwidth = 2\n")
        self.assertIn("'width'", self.refuse("plan", "job/run.toml"))
        self.json("plan", "job/run.toml", "--scheduler", "gpipe")

    def test_unknown_key(self):
        self.write('model = "mlp.onnx"\nsheduler = "1f1b"\n')
        line = self.refuse("train", "job/run.toml")
        self.assertIn("job/run.toml:2: key 'sheduler' is unknown; did you mean 'scheduler'?", line)

    def test_wrong_type(self):
        self.write('model = "mlp.onnx"\n\nepochs = true\n')
        self.assertIn("job/run.toml:3: epochs: 'true' is not a whole number",
                      self.refuse("train", "job/run.toml"))
        self.write('model = ["mlp.onnx"]\n')
        self.assertIn("job/run.toml:1: model: takes one value",
                      self.refuse("train", "job/run.toml"))

    def test_syntax_error_has_its_line(self):
        self.write('model = "mlp.onnx"\nlr = \n')
        self.assertIn("job/run.toml:2: ", self.refuse("train", "job/run.toml"))

    def test_is_there(self):
        self.assertIn("gone.toml: cannot be opened", self.refuse("train", "gone.toml"))

    def test_names_a_model(self):
        self.write("batch = 4\n")
        self.assertIn("job/run.toml: the key 'model' is missing",
                      self.refuse("train", "job/run.toml"))

    def test_those_of_the_models_can_be_planned(self):
        files = sorted(ROOT.glob("models/*/run.toml"))
        self.assertGreaterEqual(len(files), 3)
        for file in files:
            with self.subTest(file.parent.name):
                report = self.json("plan", file)
                self.assertEqual(os.path.dirname(report["model"]), str(file.parent))
