"""ONNX's own test cases through the code of `headrace run`, and their gradients against finite
differences (runner.cpp). What does not pass is named in left_out/SUITE.txt with the reason.

A suite's list is kept true: a case that fails and is not on it, one on it that passes, a pattern
that no case has, and fewer passes than the list's floor all fail the test. A listed case must be
refused in words; a wrong answer is only accepted under a heading that begins with "differs".

Who makes more cases pass builds the target onnx_backend_refresh: it takes their names off the lists
and raises the floors.
"""

import collections
import fnmatch
import os
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
RUNNER = os.environ["ONNX_BACKEND_RUNNER"]
PYTHON = os.environ["ONNX_BACKEND_PYTHON"]  # one that has the package onnx
FOLDER = pathlib.Path(os.environ["ONNX_BACKEND_FOLDER"])  # for the cases that are made in memory
DEBIAN = pathlib.Path("/usr/share/libonnx-testdata/data")

Verdict = collections.namedtuple("Verdict", "status why")


def run_cases(folders, *options):
    """The verdict on each case by its folder's name."""
    done = subprocess.run([RUNNER, *options], input="".join(f"{f}\n" for f in folders), text=True,
                          stdout=subprocess.PIPE, timeout=280)
    verdicts = {}
    for line in done.stdout.splitlines():
        folder, status, why = (line.split("\t") + [""])[:3]
        verdicts[pathlib.Path(folder).name] = Verdict(status, why)
    if done.returncode != 0 or len(verdicts) != len(folders):
        raise AssertionError(f"the runner ended with {done.returncode} after {len(verdicts)} of "
                             f"{len(folders)} cases")
    return verdicts


class LeftOut:
    """A list: "floor N", headings in brackets, each with the reason, and under them patterns."""

    def __init__(self, path):
        self.path = path
        self.floor = 0
        self.patterns = {}  # pattern: heading
        heading = ""
        for line in path.read_text().splitlines():
            line = line.strip()
            if line.startswith("floor "):
                self.floor = int(line.removeprefix("floor "))
            elif line.startswith("["):
                heading = line.strip("[]")
            elif line and not line.startswith("#"):
                self.patterns[line] = heading

    def refresh(self, verdicts):
        """Takes names of cases that pass off the list and raises its floor."""
        passed = {name for name, verdict in verdicts.items() if verdict.status == "passed"}
        sections = [[]]  # lines under one heading each
        for line in self.path.read_text().splitlines():
            if line.startswith("["):
                sections.append([])
            if line.startswith("floor "):
                line = f"floor {max(self.floor, len(passed))}"
            if line not in passed:
                sections[-1].append(line)
        kept = sections[:1] + [s for s in sections[1:] if any(s[1:])]
        self.path.write_text("\n".join("\n".join(s).strip() + "\n" for s in kept))

    def heading_of(self, name):
        for pattern, heading in self.patterns.items():
            if fnmatch.fnmatchcase(name, pattern):
                return heading
        return None

    def complaints(self, verdicts, may_refuse=False):
        """What is not as the list says, one line each. `may_refuse`: no list of what is refused."""
        found = []
        for name, (status, why) in sorted(verdicts.items()):
            heading = self.heading_of(name)
            if status == "passed":
                if heading is not None:
                    found.append(f"{name} passes and is on the list under [{heading}]")
            elif heading is None:
                if not (may_refuse and status == "refused"):
                    found.append(f"{name} is {status}: {why}")
            elif status == "broken" or (status == "wrong" and not heading.startswith("differs")):
                found.append(f"{name}, on the list under [{heading}], is {status}: {why}")
        for pattern in self.patterns:
            if not fnmatch.filter(verdicts, pattern):
                found.append(f"the list's '{pattern}' is no case's name")
        passed = sum(status == "passed" for status, _ in verdicts.values())
        if passed < self.floor:
            found.append(f"{passed} cases pass, fewer than the list's floor of {self.floor}")
        return found


def in_memory_cases():
    """ONNX's node cases in folders; skips the test where the package onnx is not there."""
    if subprocess.run([PYTHON, "-c", "import onnx"], capture_output=True).returncode != 0:
        raise unittest.SkipTest(f"{PYTHON} has no package onnx; scripts/setup.sh installs it")
    subprocess.run([PYTHON, HERE / "dump_cases.py", FOLDER], check=True)
    return FOLDER


def debian_cases():
    if not DEBIAN.is_dir():
        raise unittest.SkipTest(f"no {DEBIAN}: the Debian package libonnx-testdata is not there")
    return DEBIAN


def folders_in(*parents):
    return sorted(path.parent for parent in parents for path in parent.glob("*/model.onnx"))


class OnnxBackend(unittest.TestCase):
    refresh = False

    def check(self, suite, folders, *options, may_refuse=False):
        verdicts = run_cases(folders, *options)
        counts = collections.Counter(status for status, _ in verdicts.values())
        print(f"{suite}: {len(verdicts)} cases,",
              ", ".join(f"{count} {status}" for status, count in sorted(counts.items())))
        path = HERE / "left_out" / f"{suite}.txt"
        if self.refresh:
            LeftOut(path).refresh(verdicts)
        complaints = LeftOut(path).complaints(verdicts, may_refuse)
        if complaints:
            self.fail("\n  ".join([f"{suite}: {len(complaints)} complaints", *complaints]))

    def test_node(self):
        self.check("node", folders_in(in_memory_cases() / "node"))

    def test_expanded(self):
        self.check("expanded", folders_in(in_memory_cases() / "expanded"))

    def folders_named_in(self, file):
        folder = in_memory_cases()
        return [folder / "node" / name for name in (folder / file).read_text().split()]

    def test_gradients(self):
        self.check("gradients", self.folders_named_in("differentiable.txt"), "--gradients")

    def test_gradients_untagged(self):
        """Operators that ONNX does not tag as differentiable: those that have a gradient."""
        self.check("gradients_untagged", self.folders_named_in("untagged.txt"), "--gradients",
                   may_refuse=True)

    def test_debian(self):
        data = debian_cases()
        self.check("debian", folders_in(data / "node"))

    def test_debian_models(self):
        data = debian_cases()
        self.check("debian_models", folders_in(data / "simple", data / "pytorch-converted",
                                               data / "pytorch-operator"))


if __name__ == "__main__":
    OnnxBackend.refresh = "--refresh" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--refresh"]
    unittest.main()
