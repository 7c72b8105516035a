"""`headrace partition`: strategies side by side, on a graph of costs and on a model."""

import html.parser
import json
import os
import re
import shutil
import subprocess
import unittest
import unittest.mock

from headrace import FIXTURES, HeadraceTest

# Two columns of three forward nodes, each with its gradient, which a skip joins.
NODES = [("a", 3), ("b", 1), ("c", 2), ("d", 4), ("e", 1), ("f", 1)]
EDGES = [("a", "b"), ("b", "c"), ("a", "d"), ("d", "e"), ("c", "f"), ("e", "f")]


def graph(**more):
    nodes, edges = [], []
    for name, seconds in NODES:
        nodes.append({"id": name, "seconds": seconds, "phase": "F", "bytes": 100, "colocate": name})
        nodes.append({"id": name + "'", "seconds": seconds, "phase": "I", "colocate": name})
        edges.append({"from": name, "to": name + "'", "seconds": 9})
    for start, end in EDGES:
        edges.append({"from": start, "to": end, "seconds": 0.5})
        edges.append({"from": end + "'", "to": start + "'", "seconds": 0.25})
    return {"devices": 2, "nodes": nodes, "edges": edges, **more}


def loads(costs, assignment, devices):
    """What cli.md says of loads, over again."""
    load = [0.0] * devices
    for node in costs["nodes"]:
        load[assignment[node["id"]]] += node["seconds"]
    sent = {}
    for edge in costs["edges"]:
        home, there = assignment[edge["from"]], assignment[edge["to"]]
        if home != there:
            sent[edge["from"], there] = edge["seconds"]
    paid = set()
    for (node, there), seconds in sent.items():
        load[there] += seconds
        if costs.get("communication") != "host" or node not in paid:
            load[assignment[node]] += seconds
        paid.add(node)
    return load


class PartitionTest(HeadraceTest):
    def write(self, costs):
        (self.folder / "costs.json").write_text(json.dumps(costs))
        return "costs.json"

    def check_rows(self, costs, answer):
        self.assertTrue(answer["strategies"])
        for row in answer["strategies"]:
            with self.subTest(row["name"]):
                again = loads(costs, row["assignment"], answer["devices"])
                for mine, theirs in zip(again, row["device_s"], strict=True):
                    self.assertAlmostEqual(mine, theirs, places=9)
                self.assertAlmostEqual(max(again), row["bottleneck_s"], places=9)
                self.assertLessEqual(row["lower_bound_s"], row["bottleneck_s"])
                self.assertEqual(sum(row["device_bytes"]), 600)
                self.assertEqual(
                    row["optimal"], row["lower_bound_s"] > row["bottleneck_s"] * (1 - 1e-9)
                )
                for name, _ in NODES:
                    self.assertEqual(row["assignment"][name], row["assignment"][name + "'"])

    def test_every_strategy_answers_and_is_scored_as_the_contract_says(self):
        for more in ({}, {"communication": "host"}, {"devices": [{"speed": 1}, {"speed": 1}]}):
            costs = graph(**more)
            answer = self.json("partition", "--costs", self.write(costs))
            self.check_rows(costs, answer)
            names = {row["name"] for row in answer["strategies"]}
            self.assertLessEqual({"balanced", "optimal", "uniform"}, names)
            self.assertTrue(answer["strategies"][0]["optimal"])
            self.assertEqual(
                [row["name"] for row in answer["refused"] if row["name"] == "graph"], ["graph"]
            )

    def test_stages_need_not_be_contiguous_where_the_call_says_so(self):
        costs = graph()
        for edge in costs["edges"]:
            edge["seconds"] = 0.0
        file = self.write(costs)
        answer = self.json("partition", "--costs", file, "--contiguous=false", "--devices", "3")
        self.check_rows(costs, answer)
        best = {row["name"]: row["bottleneck_s"] for row in answer["strategies"]}
        self.assertEqual(best["graph"], 8)  # d alone, a with e, b with c and f
        self.assertEqual(best["optimal"], 8)
        together = self.json("partition", "--costs", file, "--devices", "3")
        self.assertEqual(together["strategies"][0]["bottleneck_s"], 8)

    def test_devices_and_loops_of_the_call(self):
        costs = graph()
        file = self.write(costs)
        answer = self.json("partition", "--costs", file, "--devices", "3", "--strategy", "uniform")
        self.assertEqual((answer["devices"], answer["stages"]), (3, 3))
        answer = self.json("partition", "--costs", file, "--stages-per-device", "2")
        self.assertEqual((answer["devices"], answer["stages"]), (2, 4))
        self.check_rows(costs, answer)

    def test_the_table_has_a_line_for_each_strategy(self):
        out = self.succeed(
            "partition", "--costs", self.write(graph()), "--partitioner", "balanced,uniform"
        ).stdout
        self.assertIn("no partition has a bottleneck of less than 12.0 s", out)
        self.assertRegex(out, r"\nbalanced +\d")
        self.assertRegex(out, r"\nuniform +\d")

    def test_a_model_is_cut_as_plan_cuts_it(self):
        model = FIXTURES / "mlp.dynamo.onnx"
        options = ("--loss", "cross-entropy", "--devices", "cpu:2", "--batch", "8",
                   "--microbatches", "4")
        plan = self.json("plan", model, *options)
        answer = self.json("partition", model, *options, "--strategy", "balanced")
        row = answer["strategies"][0]
        self.assertEqual(row["bottleneck_s"], plan["bottleneck_s"])
        self.assertEqual(row["cut_bytes"], plan["cut_bytes"])
        self.assertEqual(set(row["assignment"].values()), {0, 1})

    def test_refusals(self):
        file = self.write(graph())
        self.assertIn("no model is given", self.refuse("partition"))
        self.assertIn("not both", self.refuse("partition", "net.onnx", "--costs", file))
        self.assertIn("cannot be read", self.refuse("partition", "--costs", "none.json"))
        self.assertIn("--devices 0", self.refuse("partition", "--costs", file, "--devices", "0"))
        self.assertIn(
            "the nearest is 'balanced'",
            self.refuse("partition", "--costs", file, "--strategy", "blanced"),
        )
        self.assertIn(
            "--partitioner-option speed: no strategy here knows it",
            self.refuse("partition", "--costs", file, "--partitioner-option", "speed=1"),
        )
        self.assertIn(
            "contiguous",
            self.refuse("partition", FIXTURES / "mlp.dynamo.onnx", "--contiguous=false"),
        )
        self.assertIn(
            "says nothing of devices",
            self.refuse("partition", "--costs", self.write({"nodes": graph()["nodes"]})),
        )


class Page(html.parser.HTMLParser):
    """What the page shows: per section its bars, boxes of the graph, timelines."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.rows, self.external, self.open = [], [], [], ["document"]
        self.feed(text)
        self.runs = json.loads(re.search(r'id="runs">(.*?)</script>', text).group(1))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        classes = (given.get("class") or "").split()
        self.external += [given[key] for key in ("src", "href", "xlink:href") if key in given]
        self.open.append(tag)
        if tag == "section":
            self.sections.append({"loads": [], "views": [], "timelines": 0})
        if tag == "tr":
            self.rows.append([])
        if tag == "div" and "load" in classes:
            self.sections[-1]["loads"].append([])
        if tag == "span" and "title" in given and self.sections:
            if "bar" not in classes and re.search("width:[0-9.]+%", given["style"]) and \
                    given["style"].startswith("--c"):
                self.sections[-1]["loads"][-1].append((given["title"], given["style"]))
        if tag == "div" and "graph" in classes:
            self.sections[-1]["views"].append({"nodes": [], "edges": []})
        if tag == "g" and "node" in classes:
            self.sections[-1]["views"][-1]["nodes"].append([classes[1], ""])
        if tag == "g" and "edge" in classes:
            self.sections[-1]["views"][-1]["edges"].append(classes[1])
        if tag == "svg" and "timeline" in classes:
            self.sections[-1]["timelines"] += 1

    def handle_data(self, data):
        if self.open[-1] == "title" and self.sections:
            view = self.sections[-1]["views"][-1]
            if view["nodes"] and not view["nodes"][-1][1]:
                view["nodes"][-1][1] = data
        if self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass


@unittest.skipUnless(shutil.which("dot"), "no graphviz here")
class ReportTest(HeadraceTest):
    MODEL = ("partition", FIXTURES / "mlp.dynamo.onnx", "--loss", "cross-entropy", "--devices",
             "cpu:2", "--batch", 8, "--microbatches", 4, "--scheduler", "1f1b")

    def page(self, *call):
        answer = self.json(*call, "--report", "page.html")
        text = (self.folder / "page.html").read_text()
        self.assertEqual(list(self.folder.glob("*.tmp")), [])
        page = Page(text)
        self.assertEqual(page.external, [])
        self.assertNotRegex(text, r"url\(|@import")
        # Names of namespaces only.
        self.assertLessEqual(set(re.findall(r"https?://[^\s\"<]+", text)),
                             {"http://www.w3.org/2000/svg"})
        return answer, text, page

    def test_of_a_model(self):
        answer, text, page = self.page(*self.MODEL, "--strategy", "balanced,uniform,looped")
        names = [row["name"] for row in answer["strategies"]]
        self.assertEqual([row[0] for row in page.rows[1:]], names)
        self.assertIn("looped: partitioner looped: is for several stages", text)
        self.assertEqual(len(page.sections), 2)
        self.assertEqual([run["name"] for run in page.runs], names)
        longest = max(row["bottleneck_s"] for row in answer["strategies"])
        for section, row in zip(page.sections, answer["strategies"], strict=True):
            self.assertEqual(section["timelines"], 1)
            # A bar is as long as its device's load, in parts by operator.
            self.assertEqual(len(section["loads"]), 2)
            for load, seconds in zip(section["loads"], row["device_s"], strict=True):
                width = sum(float(re.search(r"width:([0-9.]+)%", style)[1]) for _, style in load)
                self.assertAlmostEqual(width, 100 * seconds / longest, delta=0.02)
            self.assertTrue(any(title.startswith("MatMul: ") for title, _ in section["loads"][0]))
            # Every node once, in the colour of its device.
            devices = {name: f"d{device}" for name, device in row["assignment"].items()}
            nodes = section["views"][0]["nodes"]
            self.assertEqual(len(nodes), answer["nodes"])
            for colour, title in nodes:
                name = re.match(r"(.*) \(\w+\)\nstage \d on device \d\n", title)[1]
                self.assertEqual(colour, devices.pop(name))
            self.assertEqual(devices, {})
            self.assertIn("cut", section["views"][0]["edges"])
        self.assertNotIn("drawn as", text)

    def test_of_a_graph_of_costs_with_any_names(self):
        costs = graph(devices=[{"speed": 1}, {"speed": 2}])
        odd = {"a": '</script><script>alert("a")</script>', "b": 'x" , y\\N -> z; &lt; &amp; {|}',
               "c": "sinus ∿ \t\n tab", "d": "--><b>", "e": "\\", "f": "<![CDATA[ ]]>"}
        for node in costs["nodes"]:
            name, tick = node["id"][0], node["id"][1:]
            node["id"] = odd[name] + tick
            if tick:
                node["phase"] = "W" if name == "a" else "I"
        for edge in costs["edges"]:
            for end in ("from", "to"):
                edge[end] = odd[edge[end][0]] + edge[end][1:]
        (self.folder / "costs.json").write_text(json.dumps(costs))
        answer, text, page = self.page("partition", "--costs", "costs.json", "--strategy",
                                       "optimal,balanced")
        self.assertIn("no step is simulated", text)
        self.assertEqual(page.runs, [{}, {}])
        section = page.sections[0]
        self.assertEqual(section["timelines"], 0)
        kinds = {title.split(":")[0] for load in section["loads"] for title, _ in load}
        self.assertEqual(kinds, {"forward", "gradient of inputs", "gradient of weights", "transfers"})
        shown = [title for _, title in section["views"][0]["nodes"]]
        for name in odd.values():
            self.assertEqual(sum(title.startswith(f"{name}\n{name}'\n") for title in shown), 1, name)
        self.assertEqual(text.count("<script"), 2)
        # What dot was told, it drew as text.
        self.assertIn("y\\N -&gt; z", text)
        self.assertIn("--&gt;&lt;b&gt;", text)

    def test_large_graphs_are_contracted(self):
        nodes = [{"id": f"n{i}", "seconds": 1 + i % 3, "phase": "F"} for i in range(900)]
        edges = [{"from": f"n{i}", "to": f"n{i + step}", "seconds": 0.1}
                 for i in range(900) for step in (1, 5) if i + step < 900]
        (self.folder / "costs.json").write_text(
            json.dumps({"devices": 4, "nodes": nodes, "edges": edges}))
        _, text, page = self.page("partition", "--costs", "costs.json", "--strategy",
                                  "balanced,uniform")
        coarse, fine = page.sections[1]["views"]
        self.assertLessEqual(len(coarse["nodes"]), 20)
        self.assertLessEqual(len(fine["nodes"]), 300)
        self.assertGreater(len(fine["nodes"]), 100)
        self.assertEqual({colour for colour, _ in fine["nodes"]}, {"d0", "d1", "d2", "d3"})
        self.assertIn(f"900 nodes, drawn as {len(fine['nodes'])} boxes that each hold up to", text)

    def test_without_graphviz_it_is_refused_before_anything_is_read(self):
        with unittest.mock.patch.dict(os.environ, PATH=str(self.folder)):
            for call in (self.MODEL, ("partition", "none.onnx")):
                error = self.refuse(*call, "--report", "page.html")
                self.assertIn("apt-get install graphviz", error)
            self.succeed(*self.MODEL)  # the table needs none
            # One that fails leaves no page.
            dot = self.folder / "dot"
            dot.write_text("#!/bin/sh\necho cannot draw >&2\nexit 3\n")
            dot.chmod(0o755)
            done = self.call(*self.MODEL, "--report", "page.html")
        self.assertEqual(done.returncode, 1)
        self.assertIn("did not draw the graph: cannot draw", done.stderr)
        self.assertEqual([file.name for file in self.folder.glob("page*")], [])

    def test_too_many_devices_are_refused(self):
        (self.folder / "costs.json").write_text(json.dumps(graph()))
        self.assertIn("more than a page can show", self.refuse(
            "partition", "--costs", "costs.json", "--devices", 400, "--report", "page.html"))

    @unittest.skipUnless(shutil.which("chromium"), "no chromium here")
    def test_in_a_browser(self):
        _, text, _ = self.page(*self.MODEL, "--strategy", "balanced,uniform")
        (self.folder / "drawn.html").write_text(text.replace("</body>", """<script>
            const node = document.querySelector(".graph .node"), box = node.getBoundingClientRect();
            document.body.dataset.fill = getComputedStyle(node.querySelector("path,polygon")).fill;
            document.body.dataset.word = getComputedStyle(node.querySelector("text")).fill;
            document.body.dataset.inside = [...document.querySelectorAll(".graph")].every(graph =>
                [...graph.querySelectorAll(".node")].every(each =>
                    each.getBoundingClientRect().right <= graph.getBoundingClientRect().right));
            const loads = [...document.querySelectorAll(".load")].map(load =>
                [...load.querySelectorAll("span")].reduce(
                    (sum, part) => sum + part.getBoundingClientRect().width, 0));
            document.body.dataset.longest = Math.max(...loads) /
                document.querySelector(".load").getBoundingClientRect().width;
            document.querySelectorAll("section")[1].querySelector("rect.B").dispatchEvent(
                new MouseEvent("mousemove", {bubbles: true}));
            document.body.dataset.action = tip.textContent;
            </script></body>"""))
        done = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1200",
             f"--user-data-dir={self.folder}/profile", "--dump-dom",
             (self.folder / "drawn.html").as_uri()],
            capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('data-fill="rgb(74, 123, 200)"', done.stdout)
        self.assertIn('data-word="rgb(255, 255, 255)"', done.stdout)
        self.assertIn('data-inside="true"', done.stdout)
        self.assertAlmostEqual(float(re.search(r'data-longest="([\d.]+)"', done.stdout)[1]), 1,
                               delta=0.01)
        self.assertIn('data-action="device 0\n0B0: backward', done.stdout)


if __name__ == "__main__":
    unittest.main()
