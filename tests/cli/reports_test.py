"""What plan, inspect and plugins print, for people and as JSON."""

import pathlib

from headrace import FIXTURES, HeadraceTest

GPT = FIXTURES / "gpt_tied.dynamo.onnx"
PLAN = ("plan", GPT, "--batch", 8, "--microbatches", 4, "--loss", "cross-entropy", "--devices",
        "cpu:2", "--stages-per-device", 2, "--optimizer", "adamw")


class Plan(HeadraceTest):
    def test_json_adds_up(self):
        plan = self.json(*PLAN, "--actions")
        self.assertEqual([stage["stage"] for stage in plan["stages"]], [0, 1, 2, 3])
        self.assertEqual([stage["device"] for stage in plan["stages"]], [0, 1, 0, 1])
        self.assertEqual((plan["devices"], plan["microbatches"], plan["batch"]), (2, 4, 8))
        self.assertEqual((plan["scheduler"], plan["partitioner"]), ("breadth-first", "balanced"))
        for device in range(2):
            busy = 4 * sum(stage["forward_s"] + stage["backward_input_s"] + stage["backward_weight_s"]
                           for stage in plan["stages"] if stage["device"] == device)
            self.assertAlmostEqual(plan["busy"][device] / busy, 1, places=9)
        self.assertLessEqual(max(plan["busy"]), plan["makespan"])
        self.assertAlmostEqual(plan["bubble_makespan"], 1 - max(plan["busy"]) / plan["makespan"])
        self.assertGreater(plan["update_s"], 0)
        self.assertGreater(plan["step_s_predicted"], plan["makespan"])
        self.assertLessEqual(plan["step_s_predicted"], plan["makespan"] + plan["update_s"])
        # Breadth-first holds every micro-batch of both stages at once.
        self.assertEqual(plan["peak_activations"], [8, 8])
        self.assertEqual(plan["actions"][0][:5], ["0F0", "0F1", "0F2", "0F3", "2F0"])

    def test_channels_join_stages(self):
        channels = self.json(*PLAN)["channels"]
        self.assertTrue(any(channel["gradient"] for channel in channels))
        for channel in channels:
            self.assertNotEqual(channel["from"], channel["to"])
            self.assertEqual(channel["gradient"], channel["from"] > channel["to"])
            self.assertGreater(channel["bytes"], 0)

    def test_optimizer_state_is_counted(self):
        adam = self.json(*PLAN)["stages"]
        sgd = self.json(*PLAN, "--optimizer", "sgd")["stages"]
        for with_state, without in zip(adam, sgd):
            self.assertEqual(with_state["optimizer_bytes"], 2 * with_state["gradient_bytes"])
            self.assertEqual(without["optimizer_bytes"], 0)

    def test_text_shows_the_schedule(self):
        text = self.succeed(*PLAN).stdout
        self.assertRegex(text, r"device 0 \| 0F0 +0F1 +0F2 +0F3 +2F0")
        self.assertRegex(text, r"\nstep .* bubble [\d.]+ %\n\Z")

    def test_one_device_has_no_bubble(self):
        plan = self.json("plan", GPT, "--batch", 4, "--loss", "cross-entropy")
        self.assertAlmostEqual(plan["bubble_makespan"], 0)
        self.assertEqual(plan["channels"], [])


class Inspect(HeadraceTest):
    def test_json(self):
        model = self.json("inspect", FIXTURES / "mlp.dynamo.onnx", "--batch", 6)
        self.assertEqual(model["operators"].get("Gemm"), 3)
        self.assertEqual(model["nodes"], sum(model["operators"].values()))
        self.assertEqual((model["supported"], model["unsupported"]), (True, []))
        self.assertEqual(model["parameters"], model["trainable"])
        self.assertEqual([tensor["held_by"] for tensor in model["trainable_tensors"]],
                         6 * ["initializer"])
        self.assertGreater(model["flops"], 2 * 6 * model["parameters"] * 0.8)

    def test_frozen_parameters_are_not_trainable(self):
        path = FIXTURES / "mlp.dynamo.onnx"
        self.assertEqual(self.json("inspect", path, "--freeze", "*")["trainable"], 0)

    def test_every_fixture_is_supported(self):
        for path in sorted(FIXTURES.glob("*.onnx")):
            with self.subTest(path.name):
                self.assertEqual(self.json("inspect", path)["unsupported"], [])

    def test_text(self):
        text = self.succeed("inspect", FIXTURES / "lenet.dynamo.onnx").stdout
        self.assertRegex(text, r"\n +\d+  Conv\n")
        self.assertRegex(text, r"\n\S+weight +f32\[\d+.*initializer\n")
        self.assertIn("every node is supported", text)


class Plugins(HeadraceTest):
    SCHEDULERS = ("gpipe", "1f1b", "interleaved", "breadth-first", "hybrid", "zb-h1", "zb-h2",
                  "zb-search", "zb-v", "v-half", "v-min", "dualpipe-v", "csv")
    KINDS = {**{name: "scheduler" for name in SCHEDULERS},
             "uniform": "partitioner", "parameters": "partitioner",
             "balanced": "partitioner", "looped": "partitioner", "schedule-aware": "partitioner"}

    def test_json(self):
        plugins = {plugin["name"]: plugin for plugin in self.json("plugins")}
        self.assertEqual({name: plugins[name]["kind"] for name in self.KINDS}, self.KINDS)
        for name in self.KINDS:
            self.assertEqual(pathlib.Path(plugins[name]["file"]).name, name + ".so")
            self.assertRegex(plugins[name]["abi"], r"\A\d+\.\d+\Z")
            self.assertNotIn("refused", plugins[name])

    def test_refused_file_is_listed_with_the_reason(self):
        (self.folder / "broken.so").write_text("not a shared object")
        plugins = self.json("plugins", "--plugin-path", ".")
        broken = [plugin for plugin in plugins if plugin["name"] == "broken"]
        self.assertEqual(len(broken), 1)
        self.assertTrue(broken[0]["refused"])
        self.assertRegex(self.succeed("plugins", "--plugin-path", ".").stdout,
                         r"\nrefused: .*broken\.so\n  \S")
