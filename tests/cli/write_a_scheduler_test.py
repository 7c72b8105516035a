"""docs/write-a-scheduler.md, followed as it stands: its files are built, its commands are run."""

import os
import pathlib
import re
import shutil
import subprocess

from headrace import FIXTURES, ROOT, HeadraceTest

PAGE = (ROOT / "docs/write-a-scheduler.md").read_text()
PLAN = ("plan", "net.onnx", "--loss", "cross-entropy", "--batch", 16, "--microbatches", 4,
        "--devices", "cpu:2", "--plugin-path", "build/plugins", "--actions")


class WriteAScheduler(HeadraceTest):
    def shell(self, line):
        program = pathlib.Path(os.environ["HEADRACE"])
        done = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=self.folder,
                              env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"})
        self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}{done.stderr}")
        return done.stdout

    def test_every_file_and_command(self):
        files = dict(re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```", PAGE, re.M | re.S))
        self.assertEqual(set(files), {"waves.cpp", "CMakeLists.txt", "forgetful.cpp", "plain.c",
                                      "gpipe.py"})
        for name, text in files.items():
            (self.folder / name).write_text(text)
        shutil.copy(FIXTURES / "mlp.dynamo.onnx", self.folder / "net.onnx")
        tree = pathlib.Path(os.environ["HEADRACE"]).parent
        self.shell(f"cmake --install {tree} --component plugin_sdk --prefix {self.folder}/prefix")

        output = {}
        for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S):
            for line in block.splitlines():
                output[line] = self.shell(line.replace("=PREFIX", f"={self.folder}/prefix"))
        listed = next(text for line, text in output.items() if line.startswith("headrace plugins"))
        for name in ("waves", "forgetful", "plain-c"):
            self.assertIn(name, listed)
        benched = next(text for line, text in output.items() if line.startswith("headrace bench"))
        self.assertIn("reached the same weights, bit for bit", benched)
        self.assertIn("<svg", (self.folder / "waves.html").read_text())

        waves = self.json(*PLAN, "--scheduler", "waves")
        self.assertEqual(waves["actions"][0], "0F0 0F1 0B0 0B1 0F2 0F3 0B2 0B3".split())
        plain = self.json(*PLAN, "--scheduler", "plain-c")
        breadth = self.json(*PLAN, "--scheduler", "breadth-first")
        self.assertEqual(plain["actions"], breadth["actions"])
        printed = next(text for line, text in output.items() if "file=gpipe.csv" in line)
        self.assertRegex(printed, r"device 0 \| 0F0 +0F1 +0F2 +0F3")

        wrong = self.call(*PLAN, "--scheduler", "forgetful")
        self.assertEqual(wrong.returncode, 2)
        self.assertRegex(wrong.stderr, r"forgetful: stage \d, micro-batch 0: ")
        self.assertRegex(wrong.stderr, r"device 0 \|.*\[")
