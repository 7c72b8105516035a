"""Wrong calls exit with 2 and one line that names the nearest known name; help exits with 0."""

import subprocess

import npz
from datasets import write_mlp_data
from headrace import FIXTURES, HeadraceTest, command

MLP = FIXTURES / "mlp.dynamo.onnx"
TRAIN = ("train", MLP, "--data", "data.npz", "--loss", "cross-entropy", "--batch", 8)


class Help(HeadraceTest):
    def test_lists_the_commands(self):
        help_text = self.succeed("--help").stdout
        for name in ("train", "plan", "run", "grad", "inspect", "schedule", "plugins"):
            self.assertIn(f"\n  {name} ", help_text)

    def test_of_a_command_shows_defaults(self):
        help_text = self.succeed("train", "--help").stdout
        self.assertIn("usage: headrace train MODEL.onnx|RUN.toml [options]", help_text)
        self.assertRegex(help_text, r"--scheduler NAME\|FILE.so +Plugin that .*\[breadth-first\]")

    def test_names_the_version(self):
        self.assertRegex(self.succeed("--version").stdout, r"\Aheadrace \d+\.\d+\.\d+\n\Z")

    def test_is_shown_to_a_call_without_a_command(self):
        done = self.call()
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("usage: headrace COMMAND", done.stderr)


class Names(HeadraceTest):
    def test_command(self):
        self.assertIn("unknown command 'trian'; did you mean 'train'?", self.refuse("trian"))

    def test_option(self):
        line = self.refuse("train", MLP, "--shceduler", "gpipe")
        self.assertIn("unknown option '--shceduler'; did you mean '--scheduler'?", line)

    def test_option_before_the_model(self):
        self.assertIn("did you mean '--lr'?", self.refuse("train", "--lrr=0.1", MLP))

    def test_option_of_another_command(self):
        self.assertIn("run: unknown option '--lr'", self.refuse("run", MLP, "--lr", "1"))

    def test_override(self):
        self.assertIn("-o sheduler is unknown; did you mean 'scheduler'?",
                      self.refuse("train", MLP, "-o", "sheduler=gpipe"))

    def test_scheduler(self):
        self.assertIn("the nearest is 'breadth-first'",
                      self.refuse("plan", MLP, "--scheduler", "bredth-first"))

    def test_partitioner(self):
        self.assertIn("the nearest is 'balanced'",
                      self.refuse("plan", MLP, "--partitioner", "balance"))

    def test_option_of_a_scheduler(self):
        self.assertIn("gpipe has no options, 'width' was given",
                      self.refuse("plan", MLP, "--scheduler", "gpipe", "--scheduler-option",
                                  "width=2"))

    def test_loss(self):
        self.assertIn("did you mean 'cross-entropy'?",
                      self.refuse("plan", MLP, "--batch", 8, "--loss", "crossentropy"))

    def test_optimizer(self):
        line = self.refuse("plan", MLP, "--batch", 8, "--loss", "cross-entropy", "--optimizer",
                           "adanw")
        self.assertRegex(line, r"'adanw'.* adamw\b")

    def test_learning_rate_schedule(self):
        self.assertIn("did you mean 'cosine'?", self.refuse("train", MLP, "--lr-schedule", "cosin"))


class Values(HeadraceTest):
    def test_are_numbers(self):
        self.assertIn("--lr: '1e-3x' is not a number", self.refuse("train", MLP, "--lr", "1e-3x"))
        self.assertIn("--batch: '1.5' is not a whole number",
                      self.refuse("plan", MLP, "--batch", "1.5"))

    def test_lie_in_their_range(self):
        self.assertIn("--microbatches: 0 is less than 1",
                      self.refuse("plan", MLP, "--microbatches", 0))
        self.assertIn("--seed: '-1' is not a whole number", self.refuse("train", MLP, "--seed", -1))

    def test_may_not_be_left_out(self):
        self.assertIn("--lr needs a value", self.refuse("train", MLP, "--lr"))

    def test_are_pairs(self):
        self.assertIn("--bind: 'batch' is not of the form name=value",
                      self.refuse("plan", MLP, "--bind", "batch"))

    def test_batch_is_divisible(self):
        line = self.refuse("plan", MLP, "--batch", 10, "--microbatches", 4)
        self.assertIn("--batch 10 is not divisible by --microbatches 4", line)

    def test_second_argument(self):
        self.assertIn("unexpected argument 'more'", self.refuse("plan", MLP, "more"))


class Files(HeadraceTest):
    def test_model_is_given(self):
        self.assertIn("no model is given", self.refuse("train"))

    def test_model_exists(self):
        self.assertIn("no-such.onnx", self.refuse("plan", "no-such.onnx"))

    def test_model_is_onnx(self):
        (self.folder / "text.onnx").write_text("this is no model")
        self.assertIn("text.onnx", self.refuse("inspect", "text.onnx"))

    def test_data_is_given(self):
        self.assertIn("--data", self.refuse("train", MLP, "--batch", 8, "--loss", "cross-entropy"))

    def test_data_exists(self):
        self.assertIn("data.npz", self.refuse(*TRAIN))

    def test_inputs_are_given(self):
        self.assertIn("--inputs", self.refuse("run", MLP, "--outputs", "o.npz"))

    def test_input_is_named_as_in_the_model(self):
        npz.write(self.folder / "in.npz", {"y": ("<f4", (6, 16), [0.0] * 96)})
        line = self.refuse("run", MLP, "--inputs", "in.npz", "--outputs", "out.npz")
        self.assertIn("'x'", line)

    def test_output_folder_exists_before_training_starts(self):
        write_mlp_data(self.folder / "data.npz", 16)
        line = self.refuse(*TRAIN, "--output", "nowhere/trained.onnx")
        self.assertIn("--output nowhere/trained.onnx: there is no folder 'nowhere'", line)

    def test_plugin_folder_exists(self):
        self.assertIn("no plugin folder", self.refuse("plugins", "--plugin-path", "nowhere"))

    def test_full_disk_is_a_failed_run(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run(command("inspect", MLP), stdout=full, stderr=subprocess.PIPE,
                                  text=True)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\Aheadrace: [^\n]+\n\Z")
