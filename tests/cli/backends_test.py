"""Devices that plugins make: the same bits through one of them, and what is said where there is none."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import unittest

from datasets import MLP_TRAINING, write_mlp_data
from headrace import HeadraceTest, command


class Backends(HeadraceTest):
    def setUp(self):
        super().setUp()
        write_mlp_data(self.folder / "data.npz", 60)
        self.path = ("--plugin-path", os.environ["TEST_BACKENDS"])

    def test_training_gives_the_bits_of_the_cpu(self):
        options = (*MLP_TRAINING, "--steps", 20, "--clip-norm", 0.5)
        cpu = self.json(*options)
        one = self.json(*options, *self.path, "--devices", "queued")
        two = self.json(*options, *self.path, "--devices", "queued:0-1", "--stages-per-device", 2,
                        "--trace", "trace.json")
        for report in (one, two):
            self.assertEqual(report["losses"], cpu["losses"])
            self.assertEqual(report["weights_sha256"], cpu["weights_sha256"])
        self.assertEqual(len(two["peak_bytes"]), 2)
        events = json.loads((self.folder / "trace.json").read_text())["traceEvents"]
        self.assertTrue(events)

    def test_costs_are_measured_there(self):
        plan = self.json("plan", *MLP_TRAINING[1:2], "--loss", "cross-entropy", "--batch", 12,
                         *self.path, "--devices", "queued:0-1", "--cost", "profile")
        self.assertGreater(plan["step_s_predicted"], 0)

    def test_partitioning_takes_the_device_and_its_options(self):
        table = self.json("partition", *MLP_TRAINING[1:2], "--loss", "cross-entropy", "--batch", 12,
                          *self.path, "--devices", "queued:0-1", "--device-option", "calm=true",
                          "--strategy", "uniform")
        self.assertEqual(len(table["strategies"][0]["device_s"]), 2)

    def test_what_cannot_be_used_says_why(self):
        environment = {**os.environ, "QUEUED_UNUSABLE": "nobody stands in line"}
        done = subprocess.run(command(*MLP_TRAINING, *self.path, "--devices", "queued"),
                              capture_output=True, text=True, cwd=self.folder, env=environment)
        self.assertEqual(done.returncode, 2)
        self.assertIn("'queued' cannot be used here: nobody stands in line", done.stderr)
        listed = subprocess.run(command("plugins", *self.path, "--json"), capture_output=True,
                                text=True, env=environment)
        found = {plugin["name"]: plugin for plugin in json.loads(listed.stdout)}
        self.assertEqual(found["queued"]["refused"], "nobody stands in line")
        self.assertEqual(found["queued"]["kind"], "backend")

    def test_wrong_devices_are_refused(self):
        self.assertIn("no backend 'tpu'", self.refuse(*MLP_TRAINING, *self.path, "--devices", "tpu:0"))
        self.assertIn("do not mix", self.refuse(*MLP_TRAINING, "--devices", "cpu:1,queued:0"))
        self.assertIn("no range", self.refuse(*MLP_TRAINING, "--devices", "queued:3-1"))
        self.assertIn("'x' is no number", self.refuse(*MLP_TRAINING, "--devices", "queued:x"))
        self.assertIn("CPUs have no options",
                      self.refuse(*MLP_TRAINING, "--device-option", "calm=true"))
        self.assertIn("calmer", self.refuse(*MLP_TRAINING, *self.path, "--devices", "queued",
                                            "--device-option", "calmer=true"))

    # Whoever has no GPU, MPI or NCCL can start the program: nothing of them is linked into it.
    @unittest.skipUnless(shutil.which("nm"), "needs nm")
    def test_the_program_itself_needs_none_of_their_libraries(self):
        symbols = subprocess.run(["nm", "-D", "--undefined-only", os.environ["HEADRACE"]],
                                 capture_output=True, text=True, check=True).stdout
        names = [line.split()[-1] for line in symbols.splitlines() if line.strip()]
        self.assertGreater(len(names), 100)
        for prefix in ("cuda", "cudnn", "cublas", "nccl", "MPI_", "nvrtc"):
            self.assertEqual([name for name in names if name.startswith(prefix)], [])


class Cuda(HeadraceTest):
    """The plugin where it was built; without a driver it is listed with the reason."""

    def plugin(self):
        beside = pathlib.Path(os.environ["HEADRACE"]).parent / "plugins/backends/cuda.so"
        if not beside.exists():
            self.skipTest("the plugin cuda was not built")
        return next(p for p in json.loads(self.succeed("plugins", "--json").stdout)
                    if p["name"] == "cuda")

    def test_without_a_driver_the_cpu_trains(self):
        plugin = self.plugin()
        if "refused" not in plugin:
            self.skipTest("this machine has a GPU")
        self.assertEqual(plugin["kind"], "backend")
        write_mlp_data(self.folder / "data.npz", 60)
        self.assertIn(plugin["refused"], self.refuse(*MLP_TRAINING, "--devices", "cuda:0"))
        self.json(*MLP_TRAINING, "--steps", 2)


class Nccl(HeadraceTest):
    """The transport where it was built, as far as it comes without a GPU."""

    def setUp(self):
        super().setUp()
        if not (pathlib.Path(os.environ["HEADRACE"]).parent / "plugins/nccl.so").exists():
            self.skipTest("the plugin nccl was not built")
        write_mlp_data(self.folder / "data.npz", 60)

    def test_it_needs_a_launcher(self):
        self.assertIn("torchrun", self.refuse(*MLP_TRAINING, "--transport", "nccl"))

    # The processes meet, and find that their devices are not of the kind that it serves.
    def test_cpus_are_refused_once_all_have_met(self):
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            port = listening.getsockname()[1]
        places = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port - 1)}
        started = [subprocess.Popen(
            command(*MLP_TRAINING, "--transport", "nccl", "--devices", "cpu:2"), text=True,
            stderr=subprocess.PIPE, cwd=self.folder, env={**os.environ, **places, "RANK": str(rank)})
            for rank in (1, 0)]
        said = [process.communicate(timeout=60)[1] for process in started]
        self.assertEqual([process.returncode for process in started], [2, 2], said)
        self.assertEqual("".join(said).count("CPUs need --transport mpi, GPUs nccl"), 1)


if __name__ == "__main__":
    unittest.main()
