"""Resumed training is the uninterrupted one, bit for bit, also after a kill at any moment."""

import subprocess
import time

from datasets import MLP_TRAINING, write_mlp_data
from headrace import HeadraceTest, command


class Checkpoints(HeadraceTest):
    def setUp(self):
        super().setUp()
        write_mlp_data(self.folder / "data.npz", 60)
        self.options = MLP_TRAINING

    def test_resumed_on_other_stages_and_scheduler(self):
        whole = self.json(*self.options, "--steps", 120)
        checkpoint = ("--checkpoint", "saved", "--checkpoint-every", 50)
        first = self.json(*self.options, *checkpoint, "--steps", 70)
        second = self.json(*self.options, *checkpoint, "--steps", 120, "--resume", "--devices",
                           "cpu:2", "--stages-per-device", 2, "--scheduler", "breadth-first")
        self.assertEqual((first["steps"], second["steps"]), (70, 50))
        self.assertEqual(first["losses"] + second["losses"], whole["losses"])
        self.assertEqual(second["weights_sha256"], whole["weights_sha256"])

    def test_resumed_with_replicas(self):
        replicas = (*self.options, "--microbatches", 2, "--data-parallel", 2)
        whole = self.json(*replicas, "--steps", 12, "--devices", "cpu:2")
        saving = (*replicas, "--checkpoint", "saved")
        self.json(*saving, "--steps", 7, "--devices", "cpu:2")
        second = self.json(*saving, "--steps", 12, "--resume", "--devices", "cpu:4")
        self.assertEqual(second["weights_sha256"], whole["weights_sha256"])
        self.assertIn("data_parallel",
                      self.refuse(*self.options, "--microbatches", 2, "--checkpoint", "saved",
                                  "--resume"))

    def test_kill_at_any_moment_leaves_a_good_one(self):
        options = (*self.options, "--steps", 1000)
        saving = (*options, "--checkpoint", "saved", "--checkpoint-every", 1)
        whole = self.json(*options)
        resume, killed = (), 0
        for steps in (3, 2, 7, 1, 11, 4):
            killed += self.kill_after_steps((*saving, *resume), steps)
            resume = ("--resume",)
        self.assertGreater(killed, 0)
        last = self.json(*options, "--checkpoint", "saved", "--resume")
        self.assertEqual(last["weights_sha256"], whole["weights_sha256"])

    def test_nothing_is_left_to_do(self):
        options = (*self.options, "--steps", 10, "--checkpoint", "saved")
        whole = self.json(*options)
        again = self.json(*options, "--resume")
        self.assertEqual((again["steps"], again["losses"]), (0, []))
        self.assertEqual(again["weights_sha256"], whole["weights_sha256"])

    def test_other_batch_is_refused(self):
        options = (*self.options, "--steps", 10, "--checkpoint", "saved")
        self.json(*options)
        line = self.refuse(*options, "--resume", "--batch", 20)
        self.assertIn("batch", line)

    def test_resume_needs_a_folder(self):
        self.assertIn("--checkpoint", self.refuse(*self.options, "--resume"))

    def test_resume_needs_a_checkpoint(self):
        self.assertIn("nothing-here",
                      self.refuse(*self.options, "--resume", "--checkpoint", "nothing-here"))

    def kill_after_steps(self, arguments, steps):
        """Kills a run once its log has that many lines; whether it still ran. A step is logged
        before it is saved, so the kill falls between the two or anywhere behind."""
        log = self.folder / "log.jsonl"
        log.unlink(missing_ok=True)
        run = subprocess.Popen(command(*arguments, "--log", log), cwd=self.folder,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while run.poll() is None:
            if log.exists() and log.read_bytes().count(b"\n") >= steps:
                run.kill()
                run.wait()
                return True
            time.sleep(0.001)
        self.assertEqual(run.returncode, 0)
        return False
