"""Training over processes that mpirun starts: the bits of one process, and an end for all when one ends."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

import npz
from datasets import MLP_TRAINING, write_mlp_data
from headrace import FIXTURES, HeadraceTest, command

# Open MPI keeps some memory to its end, which is no leak of ours to a sanitizer.
ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


def has_mpi():
    if shutil.which("mpirun") is None:
        return False
    listed = subprocess.run(command("plugins", "--json"), capture_output=True, text=True)
    return any(plugin["name"] == "mpi" and "refused" not in plugin
               for plugin in json.loads(listed.stdout))


@unittest.skipUnless(has_mpi(), "needs mpirun and the plugin mpi")
class OverProcesses(HeadraceTest):
    def setUp(self):
        super().setUp()
        write_mlp_data(self.folder / "data.npz", 60)
        self.options = MLP_TRAINING

    def over(self, count, *arguments):
        return ["mpirun", "--oversubscribe", "-n", str(count), *command(*arguments)]

    def train_over(self, count, *arguments):
        done = subprocess.run(self.over(count, *arguments, "--json"), capture_output=True, text=True,
                              cwd=self.folder, env=ENVIRONMENT)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_a_search_that_simulates_is_made_once(self):
        options = (*self.options, "--steps", 3, "--devices", "cpu:2", "--partitioner",
                   "schedule-aware")
        self.assertEqual(self.train_over(2, *options)["weights_sha256"],
                         self.json(*options)["weights_sha256"])

    def test_what_one_refuses_all_refuse(self):
        refused = subprocess.run(
            self.over(2, *self.options, "--steps", 3, "--devices", "cpu:2", "--memory", "1KiB"),
            capture_output=True, text=True, cwd=self.folder, env=ENVIRONMENT, timeout=60)
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn("keep every device within its memory", refused.stderr)

    def test_the_same_bits_and_files_as_in_one_process(self):
        options = (*self.options, "--steps", 30, "--clip-norm", 0.5)
        alone = self.json(*options)
        two = self.train_over(2, *options, "--devices", "cpu:2", "--stages-per-device", 2,
                              "--scheduler", "breadth-first", "--trace", "trace.json", "--log",
                              "log.jsonl", "--output", "trained.onnx")
        four = self.train_over(4, *options, "--devices", "cpu:4", "--scheduler", "1f1b")
        for report in (two, four):
            self.assertEqual(report["losses"], alone["losses"])
            self.assertEqual(report["weights_sha256"], alone["weights_sha256"])
        shared = (*options, "--microbatches", 2, "--data-parallel", 2)
        replicas = self.train_over(2, *shared, "--devices", "cpu:4", "--scheduler", "1f1b")
        self.assertEqual(replicas["weights_sha256"],
                         self.json(*shared, "--devices", "cpu:2")["weights_sha256"])
        self.assertEqual(len((self.folder / "log.jsonl").read_text().splitlines()), 30)
        self.assertEqual(len(four["peak_bytes"]), 4)
        events = json.loads((self.folder / "trace.json").read_text())["traceEvents"]
        self.assertTrue(any(re.fullmatch(r"\dF\d", event["name"]) for event in events))
        self.assertTrue((self.folder / "trained.onnx").exists())

    def test_one_process_speaks_for_all(self):
        ids = ("<i8", (24, 8), [n % 50 for n in range(192)])
        npz.write(self.folder / "ids.npz", {"ids": ids, "target": ids})
        options = ("train", FIXTURES / "gpt_fresh.dynamo.onnx", "--data", "ids.npz", "--loss",
                   "cross-entropy", "--batch", 8, "--steps", 2, "--devices", "cpu:2")
        alone = self.succeed(*options)
        two = subprocess.run(self.over(2, *options), capture_output=True, text=True, cwd=self.folder,
                             env=ENVIRONMENT)
        self.assertEqual(two.returncode, 0, two.stderr)
        said = [line for line in alone.stderr.splitlines() if line.startswith("info: ")]
        self.assertEqual(len(said), 2)
        self.assertEqual([line for line in two.stderr.splitlines() if line.startswith("info: ")],
                         said)

    def test_resumed_on_another_number_of_processes(self):
        whole = self.json(*self.options, "--steps", 40)
        saved = (*self.options, "--checkpoint", "saved")
        self.train_over(2, *saved, "--steps", 25, "--devices", "cpu:2")
        rest = self.train_over(3, *saved, "--steps", 40, "--resume", "--devices", "cpu:3")
        self.assertEqual(rest["weights_sha256"], whole["weights_sha256"])

    def test_a_model_with_an_update_of_its_own(self):
        folder = FIXTURES / "training_steps"
        options = ("train", folder / "adam.onnx", "--data", folder / "adam.npz", "--batch", 8,
                   "--no-shuffle", "--threads-per-device", 1, "--steps", 6, "--microbatches", 2)
        alone = self.json(*options)
        two = self.train_over(2, *options, "--devices", "cpu:2")
        self.assertEqual((two["losses"], two["weights_sha256"]),
                         (alone["losses"], alone["weights_sha256"]))

    def end_one(self, rank, number, *options):
        """Sends a signal to one of two processes in mid-training; what the run says, and how long
        that took."""
        running = subprocess.Popen(
            self.over(2, *self.options, "--devices", "cpu:2", "--steps", 1_000_000, "--checkpoint",
                      "saved", "--checkpoint-every", 20, *options),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=self.folder,
            env=ENVIRONMENT)
        self.addCleanup(running.kill)
        while not (self.folder / "saved/latest").exists():
            self.assertIsNone(running.poll())
            time.sleep(0.02)
        time.sleep(0.5)  # a few heartbeats
        victim = self.process_of(running.pid, rank)
        start = time.monotonic()
        os.kill(victim, number)
        text = running.communicate(timeout=60)[1]
        if number == signal.SIGSTOP and self.is_alive(victim):
            os.kill(victim, signal.SIGKILL)
        return text, time.monotonic() - start

    @staticmethod
    def is_alive(process):
        return os.path.exists(f"/proc/{process}")

    def process_of(self, launcher, rank):
        wanted = f"OMPI_COMM_WORLD_RANK={rank}".encode()
        with open(f"/proc/{launcher}/task/{launcher}/children") as children:
            for child in children.read().split():
                with open(f"/proc/{child}/environ", "rb") as environment:
                    if wanted in environment.read().split(b"\0"):
                        return int(child)
        self.fail(f"no process of rank {rank}")

    def test_a_killed_process_ends_the_others(self):
        for rank in (0, 1):
            with self.subTest(rank=rank):
                text, seconds = self.end_one(rank, signal.SIGKILL)
                self.assertLess(seconds, 10)
                lines = [line for line in text.splitlines() if line.startswith("headrace: ")]
                self.assertEqual(len(lines), 1, text)
                self.assertRegex(lines[0], rf"rank {rank} ended .*step \d+")
                resumed = self.json(*self.options, "--checkpoint", "saved", "--resume", "--steps", 1)
                self.assertEqual(resumed["steps"], 0)
                shutil.rmtree(self.folder / "saved")

    def test_a_process_that_hangs_is_given_up(self):
        text, seconds = self.end_one(1, signal.SIGSTOP, "--timeout", 2)
        self.assertLess(seconds, 15)
        self.assertRegex(text, r"headrace: rank 1 said nothing for 2 s|headrace: .*waited 2 s")

    def test_a_wrong_call_is_told_once(self):
        done = subprocess.run(self.over(2, *self.options, "--devices", "cpu:2", "--scheduler", "gpipes"),
                              capture_output=True, text=True, cwd=self.folder, env=ENVIRONMENT)
        self.assertEqual(done.returncode, 2)
        lines = [line for line in done.stderr.splitlines() if line.startswith("headrace: ")]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn("gpipe", lines[0])


class WithoutTransport(HeadraceTest):
    def test_unknown_transport(self):
        line = self.refuse("train", FIXTURES / "mlp.dynamo.onnx", "--data", "x.npz", "--transport",
                           "carrier-pigeon")
        self.assertIn("carrier-pigeon", line)


if __name__ == "__main__":
    unittest.main()
