"""Calls the built program ($HEADRACE) and reads what it answers."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/fixtures"
MODELS = ROOT / "models"


def command(*arguments):
    return [os.environ["HEADRACE"], *map(str, arguments)]


class HeadraceTest(unittest.TestCase):
    """Each test runs in an empty folder of its own."""

    def setUp(self):
        self.maxDiff = None
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def call(self, *arguments):
        return subprocess.run(command(*arguments), capture_output=True, text=True, cwd=self.folder)

    def succeed(self, *arguments):
        done = self.call(*arguments)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr}")
        return done

    def json(self, *arguments):
        """The one object on standard output."""
        return json.loads(self.succeed(*arguments, "--json").stdout)

    def refuse(self, *arguments):
        """The one line on standard error of a wrong call, which exits with 2."""
        done = self.call(*arguments)
        self.assertEqual(done.returncode, 2, f"{arguments}: {done.stderr}")
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\Aheadrace: [^\n]+\n\Z")
        return done.stderr
