"""Traces and pages that the program writes."""

import fcntl
import html.parser
import json
import os
import re
import shutil
import struct
import subprocess
import termios
import unittest

from datasets import write_mlp_data
from headrace import FIXTURES, HeadraceTest, command

PLAN = ("plan", FIXTURES / "mlp.dynamo.onnx", "--batch", 16, "--microbatches", 4, "--loss",
        "cross-entropy", "--devices", "cpu:2")


TRAIN = ("train", FIXTURES / "mlp.dynamo.onnx", "--loss", "cross-entropy", "--batch", 16,
         "--microbatches", 4, "--devices", "cpu:2", "--threads-per-device", 1, "--data", "data.npz")


def slices(trace, process):
    """{row: [(name, start, end)]} of one process."""
    rows = {event["tid"]: event["args"]["name"] for event in trace["traceEvents"]
            if event["name"] == "thread_name" and event["pid"] == process}
    found = {row: [] for row in rows.values()}
    for event in trace["traceEvents"]:
        if event["ph"] == "X" and event["pid"] == process:
            found[rows[event["tid"]]].append((event["name"], event["ts"],
                                              event["ts"] + event["dur"]))
    return found


class Trace(HeadraceTest):
    def load(self):
        return json.loads((self.folder / "trace.json").read_text())

    def test_of_a_plan(self):
        plan = self.json(*PLAN, "--scheduler", "1f1b", "--trace", "trace.json", "--actions")
        rows = slices(self.load(), 0)
        self.assertEqual(set(rows), {"device 0 compute", "device 0 send", "device 0 receive",
                                     "device 1 compute", "device 1 send", "device 1 receive"})
        for device in range(2):
            row = rows[f"device {device} compute"]
            self.assertEqual([name for name, _, _ in row], plan["actions"][device] + ["update"])
            for (_, _, end), (_, start, _) in zip(row, row[1:]):
                self.assertLessEqual(end, start + 0.002)
        self.assertEqual([name for name, _, _ in rows["device 0 send"]],
                         [f"0SEND_F{m}" for m in range(4)])
        last = max(end for row in rows.values() for _, _, end in row)
        self.assertAlmostEqual(last / 1e6, plan["step_s_predicted"], places=7)

    def test_of_a_run_has_the_rows_of_its_simulation(self):
        write_mlp_data(self.folder / "data.npz", 64)
        self.succeed(*TRAIN, "--eval", "data.npz", "--trace", "trace.json")
        trace = self.load()
        measured, simulated = slices(trace, 0), slices(trace, 1)
        self.assertEqual(set(measured), set(simulated))
        for row in measured:
            self.assertEqual(sorted(name for name, _, _ in measured[row]),
                             sorted(name for name, _, _ in simulated[row]), row)
            for name, start, end in measured[row]:
                self.assertLessEqual(0, start, name)
                self.assertLessEqual(start, end, name)


class ScheduleAlone(HeadraceTest):
    def test_trace_and_report(self):
        call = ("schedule", "--scheduler", "zb-v", "--devices", 4, "--stages-per-device", 2,
                "--microbatches", 8, "--trace", "trace.json", "--report", "report.html", "--actions")
        schedule = self.json(*call)
        trace = json.loads((self.folder / "trace.json").read_text())
        self.assertEqual([name for name, _, _ in slices(trace, 0)["device 2 compute"]],
                         schedule["actions"][2])
        page = Page((self.folder / "report.html").read_text())
        self.assertEqual(page.sections[0]["curves"], 0)  # nothing here has bytes
        self.assertEqual([run["name"] for run in page.runs], ["zb-v"])
        self.assertEqual(set(page.sections[0]["boxes"]), {0, 1, 2, 3})


    def test_several_side_by_side(self):
        self.succeed("schedule", "--scheduler", "1f1b,zb-v,dualpipe-v,zb-h2", "--devices", 4,
                     "--microbatches", 8, "--latency", 0.5, "--bytes", "100,50,300,300,600",
                     "--report", "report.html", "--trace", "trace.json")
        page = Page((self.folder / "report.html").read_text())
        self.assertEqual([run["name"] for run in page.runs], ["1f1b", "zb-v", "dualpipe-v", "zb-h2"])
        self.assertEqual([section["curves"] for section in page.sections], [4] * 4)
        # One time axis: a second is as wide everywhere.
        self.assertEqual(len({(run["end_s"], run["left"], run["right"]) for run in page.runs}), 1)
        trace = json.loads((self.folder / "trace.json").read_text())
        self.assertEqual({event["pid"] for event in trace["traceEvents"]}, {0, 1, 2, 3})


class Page(html.parser.HTMLParser):
    """What a report holds: rows of boxes per section, and the JSON that its script reads."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.external, self.scripts, self.svg = [], [], [], ""
        self.feed(text)
        self.runs = json.loads(self.scripts[0])

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.external += [given[key] for key in ("src", "href", "xlink:href") if key in given]
        if tag == "section":
            self.sections.append({"boxes": {}, "curves": 0})
        if tag == "script":
            self.scripts.append("")
        if tag == "rect" and "data-d" in given:
            self.sections[-1]["boxes"].setdefault(int(given["data-d"]), []).append(given)
        if tag == "polyline" and self.sections:
            self.sections[-1]["curves"] += 1

    def handle_data(self, data):
        if self.lasttag == "script" and data.strip():
            self.scripts[-1] += data


class Report(HeadraceTest):
    def write(self):
        plan = self.json(*PLAN, "--scheduler", "1f1b", "--schedulers", "gpipe,zb-h1", "--actions",
                         "--report", "report.html")
        self.assertEqual([other["scheduler"] for other in plan["compared"]], ["gpipe", "zb-h1"])
        return plan, (self.folder / "report.html").read_text()

    def test_page_draws_every_action_of_every_schedule(self):
        plan, text = self.write()
        page = Page(text)
        self.assertEqual(page.external, [])
        self.assertNotRegex(text, r"https?://|url\(|@import")
        self.assertEqual([run["name"] for run in page.runs], ["1f1b", "gpipe", "zb-h1"])
        self.assertEqual(len(page.sections), 3)
        for section, run in zip(page.sections, page.runs):
            self.assertEqual(section["curves"], 2)
            self.assertEqual(len(run["memory"]), 2)
            scale = (run["right"] - run["left"]) / run["end_s"]
            for device, row in enumerate(run["devices"]):
                drawn = {int(box["data-i"]) for box in section["boxes"][device]}
                computes = {i for i, (name, _, _) in enumerate(row)
                            if not name.rstrip("0123456789").endswith(("SEND_F", "SEND_B", "RECV_F",
                                                                       "RECV_B"))}
                self.assertLessEqual(computes, drawn)
                for box in section["boxes"][device]:
                    _, start, end = row[int(box["data-i"])]
                    self.assertAlmostEqual(float(box["x"]), run["left"] + start * scale, delta=0.01)
                    self.assertAlmostEqual(float(box["width"]), max(0.2, (end - start) * scale),
                                           delta=0.021)
        names = [name for name, _, _ in page.runs[0]["devices"][1] if "_" not in name]
        self.assertEqual(names, plan["actions"][1] + ["update"])

    def test_too_much_to_draw_is_refused(self):
        self.assertIn("--trace", self.refuse(
            "plan", FIXTURES / "mlp.dynamo.onnx", "--batch", 80000, "--microbatches", 40000, "--loss",
            "cross-entropy", "--devices", "cpu:2", "--report", "report.html"))
        self.assertFalse((self.folder / "report.html").exists())

    def test_of_a_run_shows_the_measured_step_beside_its_simulation(self):
        write_mlp_data(self.folder / "data.npz", 64)
        answer = self.json(*TRAIN, "--scheduler", "1f1b", "--report", "report.html")
        text = (self.folder / "report.html").read_text()
        page = Page(text)
        self.assertEqual([run["name"] for run in page.runs], ["measured", "simulated"])
        measured, simulated = page.runs
        self.assertAlmostEqual(simulated["step_s"], answer["step_s_predicted"])
        for ours, theirs in zip(measured["devices"], simulated["devices"]):
            self.assertEqual(sorted(name for name, _, _ in ours),
                             sorted(name for name, _, _ in theirs))
        self.assertEqual([section["curves"] for section in page.sections], [2, 2])
        self.assertRegex(text, r'<svg class="loss".*\n<polyline class="d0" points="64\.00,')
        self.assertIn(f"step 1 to {answer['steps']}<", text)
        self.assertEqual(text.count(" allocated</span>"), 2)

    def test_of_a_run_is_refused_before_it_when_it_is_too_large(self):
        write_mlp_data(self.folder / "data.npz", 64)
        self.assertIn("--report", self.refuse(*TRAIN, "--batch", 60000, "--microbatches", 30000,
                                              "--report", "report.html"))

    @unittest.skipUnless(shutil.which("chromium"), "no chromium here")
    def test_in_a_browser_pointing_at_an_action_tells_of_it(self):
        _, text = self.write()
        page = self.folder / "pointed.html"
        page.write_text(text.replace("</body>", """<script>
            const box = document.querySelectorAll("section")[1].querySelector("rect.B");
            box.dispatchEvent(new MouseEvent("mousemove", {bubbles: true}));
            document.body.dataset.action = tip.textContent;
            const svg = document.querySelector("svg.memory"), at = svg.getBoundingClientRect();
            svg.dispatchEvent(new MouseEvent("mousemove", {clientX: at.left + at.width / 2,
                                                           clientY: at.top + 50}));
            document.body.dataset.memory = tip.textContent;
            document.body.dataset.width = at.width;
            </script></body>"""))
        done = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1200",
             f"--user-data-dir={self.folder}/profile", "--dump-dom", page.as_uri()],
            capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r'data-action="device 0\n0B0: backward, stage 0, micro-batch 0\n'
                                      r'[\d.]+ [mu]s to [\d.]+ [mu]s, takes [\d.]+ [mu]s"')
        self.assertRegex(done.stdout, r'data-memory="[\d.]+ [mu]s\ndevice 0: [\d.]+ k?B \(activations')
        self.assertRegex(done.stdout, r'data-width="1[23]\d\d')

    @unittest.skipUnless(shutil.which("chromium"), "no chromium here")
    def test_in_a_browser_several_schedules_stand_on_one_axis(self):
        self.succeed("schedule", "--scheduler", "gpipe,zb-h1", "--devices", 4, "--microbatches", 8,
                     "--report", "report.html")
        page = self.folder / "drawn.html"
        page.write_text((self.folder / "report.html").read_text().replace("</body>", """<script>
            const ends = [...document.querySelectorAll("section")].map(section => Math.max(
                ...[...section.querySelectorAll("rect")].map(box => box.getBoundingClientRect().right)));
            const axis = document.querySelector("svg.timeline").getBoundingClientRect();
            document.body.dataset.share = ends.map(end => Math.round(
                1200 * (end - axis.left) / axis.width)).join(" ");
            </script></body>"""))
        done = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1200",
             f"--user-data-dir={self.folder}/profile", "--dump-dom", page.as_uri()],
            capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        first, second = map(int, re.search(r'data-share="(\d+) (\d+)"', done.stdout).groups())
        # 33 s and 27 s on an axis of 33 s.
        self.assertAlmostEqual((second - 64) / (first - 64), 27 / 33, delta=0.01)


@unittest.skipUnless(hasattr(os, "openpty"), "no pseudo-terminals here")
class Terminal(HeadraceTest):
    ESCAPE = re.compile(r"\x1b\[[0-9;]*m")

    def drawn(self, columns, **environment):
        """The lines of devices as a terminal gets them."""
        controller, terminal = os.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        process = subprocess.Popen(command(*PLAN, "--scheduler", "gpipe"), stdout=terminal,
                                   stderr=subprocess.PIPE, cwd=self.folder,
                                   env={**kept, "TERM": "xterm-256color", **environment})
        os.close(terminal)
        output = b""
        while True:
            try:
                part = os.read(controller, 65536)
            except OSError:  # Linux: the other end is closed
                break
            if not part:
                break
            output += part
        os.close(controller)
        self.assertEqual(process.wait(), 0, process.stderr.read())
        process.stderr.close()
        lines = output.decode().replace("\r\n", "\n").splitlines()
        return [line for line in lines if re.match(r"device \d ", line)]

    def test_colour_in_proportion_to_time(self):
        rows = self.drawn(100)
        self.assertEqual(len(rows), 2)
        plain = [self.ESCAPE.sub("", row) for row in rows]
        self.assertTrue(all("\x1b[" in row and row.endswith("\x1b[0m") for row in rows))
        self.assertTrue(all(len(row) <= 100 for row in plain))
        # A colour for F (four of them in one piece) stands before the one for B.
        self.assertLess(rows[0].index("48;5;33m"), rows[0].index("48;5;35m"))
        self.assertEqual(rows[0].count("48;5;33m"), 1)
        self.assertGreater(len(plain[0]), 60)

    def test_no_color_is_respected(self):
        for row in self.drawn(80, NO_COLOR="1") + self.drawn(80, TERM="dumb"):
            self.assertNotIn("\x1b", row)
            self.assertLessEqual(len(row), 80)
            self.assertIn("|", row)

    def test_a_narrow_terminal_gets_the_clipped_grid(self):
        for row in self.drawn(30):
            self.assertEqual(len(row), 30)
            self.assertTrue(row.endswith(" ..."))
