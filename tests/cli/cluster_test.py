"""The simulated cluster of `headrace schedule` and `plan`: links, nodes, cards, speeds, replicas."""

from headrace import FIXTURES, HeadraceTest

GPIPE = ("schedule", "--scheduler", "gpipe", "--devices", 4, "--microbatches", 1)
PLAN = ("plan", FIXTURES / "mlp.dynamo.onnx", "--batch", 16, "--microbatches", 2, "--loss",
        "cross-entropy", "--devices", "cpu:2", "--scheduler", "1f1b")


class Links(HeadraceTest):
    def makespan(self, *options):
        return self.json(*GPIPE, *options)["makespan"]

    def test_latency_and_bandwidth(self):
        self.assertEqual(self.makespan(), 12)
        self.assertEqual(self.makespan("--latency", 0.5), 12 + 6 * 0.5)
        self.assertEqual(self.makespan("--latency", 0.5, "--bandwidth", 8, "--transfer-bytes", 2),
                         12 + 6 * 0.75)

    def test_nodes(self):
        # Two of the three hops stay in a node.
        self.assertEqual(self.makespan("--latency", 1, "--devices-per-node", 2, "--node-latency",
                                       0.25), 12 + 2 * (1 + 2 * 0.25))

    def test_single_links(self):
        both = self.makespan("--link", "0-1=3", "--link", "2>3=0.5")
        self.assertEqual(both, 12 + 2 * 3 + 0.5)

    def test_cards_carry_one_transfer_at_a_time(self):
        cross = ("schedule", "--scheduler", "breadth-first", "--devices", 4, "--microbatches", 4,
                 "--stages-per-device", 2, "--bandwidth", 4, "--transfer-bytes", 2,
                 "--devices-per-node", 2)
        own = self.json(*cross)
        shared = self.json(*cross, "--cards-per-node", 1)
        self.assertEqual(self.json(*cross, "--cards-per-node", 2)["makespan"], own["makespan"])
        self.assertGreaterEqual(shared["makespan"], own["makespan"])
        self.assertGreater(sum(idle["link"] for idle in own["idle"]), 0)

    def test_speeds(self):
        answer = self.json(*GPIPE, "--device-speed", "1,2,0.5,1")
        self.assertEqual(answer["busy"], [3, 1.5, 6, 3])
        self.assertEqual(self.json(*GPIPE, "--device-speed", 2)["makespan"], 6)

    def test_busy_and_idle_add_up(self):
        answer = self.json(*GPIPE, "--latency", 0.5, "--device-speed", "1,2,0.5,1")
        for busy, idle in zip(answer["busy"], answer["idle"]):
            self.assertAlmostEqual(busy + sum(idle.values()), answer["makespan"])
            self.assertEqual(set(idle), {"warm_up", "data", "link", "gather", "drain"})


class Replicas(HeadraceTest):
    SHAPE = ("schedule", "--scheduler", "breadth-first", "--devices", 2, "--stages-per-device", 2,
             "--microbatches", 2, "--bytes", "8,4,100,100,200")

    def test_sharding_saves_memory(self):
        peak = [max(self.json(*self.SHAPE, "--stages-per-device", 8, "--data-parallel", 4, "--shard",
                              shard)["peak_bytes"]) for shard in ("none", "gradients", "weights")]
        # Bytes are rounded down per stage; a quarter of the gradients comes from three others.
        self.assertEqual(peak[0], 2 * 8 + 8 * (12 + 12 + 3 * 3 + 25))
        self.assertLess(peak[1], peak[0])
        self.assertLess(peak[2], peak[1])

    def test_collectives_are_in_the_lowered_schedule(self):
        rows = self.json(*self.SHAPE, "--data-parallel", 2, "--shard", "weights", "--lower",
                         "--actions")["actions"]
        self.assertEqual(rows[0][:3], ["0UNSHARD", "2UNSHARD", "0F0"])
        self.assertIn("0REDUCE_GRAD", rows[0])
        rows = self.json(*self.SHAPE, "--data-parallel", 2, "--actions")["actions"]
        self.assertEqual(rows[0][:3], ["0F0", "0F1", "2F0"])

    def test_gathers_take_their_link_s_time(self):
        whole = (*self.SHAPE, "--data-parallel", 2, "--shard", "weights")
        self.assertEqual(self.json(*whole)["idle"][0]["gather"], 0)
        # Half of a stage's 50 bytes goes over the link.
        slow = self.json(*whole, "--replica-bandwidth", 25)
        self.assertEqual(slow["idle"][0]["gather"], 1)
        # With half a second on top, the second stage's comes half a second too late as well.
        later = self.json(*whole, "--replica-bandwidth", 25, "--replica-latency", 0.5)
        self.assertEqual(later["idle"][0]["gather"], 2)

    def test_a_file_s_own_collectives_are_kept_and_checked(self):
        (self.folder / "s.csv").write_text("0UNSHARD,0F0,0B0,0RESHARD,0REDUCE_GRAD\n")
        rows = self.json("schedule", "--csv", "s.csv", "--data-parallel", 2, "--lower",
                         "--actions")["actions"]
        self.assertEqual(rows, [["0UNSHARD", "0F0", "0B0", "0RESHARD", "0REDUCE_GRAD"]])
        (self.folder / "late.csv").write_text("0F0,0UNSHARD,0B0\n")
        done = self.call("schedule", "--csv", "late.csv")
        self.assertEqual(done.returncode, 2)
        self.assertIn("0F0 reads parameters that no UNSHARD before it gathers\n"
                      "device 0 | [0F0]", done.stderr)
        (self.folder / "sent.csv").write_text("0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n")
        self.assertIn("leave the transfers out",
                      self.refuse("schedule", "--csv", "sent.csv", "--data-parallel", 2))


class File(HeadraceTest):
    def test_holds_the_options_by_name(self):
        (self.folder / "c.toml").write_text(
            'latency = 1\ndevices-per-node = 2\nnode-latency = 0.25\n'
            'device-speed = [1, 1, 0.5, 1]\n[link]\n"0-1" = "2,0"\n')
        by_file = self.json(*GPIPE, "--cluster", "c.toml")
        by_options = self.json(*GPIPE, "--latency", 1, "--devices-per-node", 2, "--node-latency",
                               0.25, "--device-speed", "1,1,0.5,1", "--link", "0-1=2,0")
        self.assertEqual(by_file, by_options)
        # The command line has the last word.
        self.assertNotEqual(self.json(*GPIPE, "--cluster", "c.toml", "--latency", 4), by_file)

    def test_mistakes_name_file_line_and_key(self):
        (self.folder / "c.toml").write_text("latency = 1\nbandwith = 2\n")
        self.assertIn("c.toml:2: key 'bandwith' is unknown; did you mean 'bandwidth'?",
                      self.refuse(*GPIPE, "--cluster", "c.toml"))
        (self.folder / "c.toml").write_text("scheduler = 'gpipe'\n")
        self.assertIn("key 'scheduler' is unknown", self.refuse(*GPIPE, "--cluster", "c.toml"))
        self.assertIn("none.toml: cannot be opened", self.refuse(*GPIPE, "--cluster", "none.toml"))


class Refusals(HeadraceTest):
    def test_one_line_each(self):
        for options, text in (
                (("--latency", -1), "--latency: -1 is less than 0"),
                (("--bandwidth", 4), "--bandwidth says nothing without --transfer-bytes"),
                (("--node-latency", 1), "--node-latency says nothing without --devices-per-node"),
                (("--devices-per-node", 2, "--cards-per-node", 3), "a node has 2 devices"),
                (("--device-speed", "1,2"), "2 numbers for 4 devices"),
                (("--device-speed", "1,0,1,1"), "'0' is not a number above 0"),
                (("--link", "0-9=1"), "there is no device 9, only 4"),
                (("--link", "0-0=1"), "is not A-B (both ways) or A>B"),
                (("--link", "0-1=x"), "'x' is not LATENCY or LATENCY,BANDWIDTH"),
                (("--data-parallel", 0), "0 is less than 1"),
                (("--shard", "weights"), "--shard says nothing without --data-parallel 2"),
                (("--data-parallel", 2, "--shard", "wights"), "did you mean 'weights'?"),
                (("--regather", "microbatch"), "--regather says nothing without --shard weights"),
                (("--bytes", "1,2,3"), "is not A,S,P,G,O")):
            self.assertIn(text, self.refuse(*GPIPE, *options))


class Plan(HeadraceTest):
    def test_of_another_machine(self):
        here = self.json(*PLAN)
        slow = self.json(*PLAN, "--latency", 1, "--device-speed", "1,0.5")
        self.assertGreater(slow["makespan"], here["makespan"] + 1.9)
        self.assertEqual(len(slow["idle"]), 2)

    def test_replicas_share_the_batch(self):
        adamw = (*PLAN, "--optimizer", "adamw")
        two = self.json(*adamw, "--devices", "cpu:4", "--data-parallel", 2, "--shard", "gradients")
        self.assertEqual((two["devices"], two["replicas"], two["batch"]), (4, 2, 16))
        self.assertEqual(len(two["predicted_peak_bytes"]), 4)
        self.assertLess(max(two["predicted_peak_bytes"]),
                        max(self.json(*adamw)["predicted_peak_bytes"]))
        self.assertIn("--batch 16 is not divisible by --microbatches 2 times --data-parallel 3",
                      self.refuse(*PLAN, "--devices", "cpu:6", "--data-parallel", 3))
        self.assertIn("2 devices cannot be shared out evenly to --data-parallel 3",
                      self.refuse(*PLAN, "--data-parallel", 3))
        self.assertIn("3 numbers for 2 devices", self.refuse(*PLAN, "--device-speed", "1,1,1"))
