"""`headrace schedule`: what its JSON says, its inputs, and what it refuses."""

from headrace import HeadraceTest

P4 = ("schedule", "--devices", 4, "--microbatches", 8)


class Figures(HeadraceTest):
    def test_json(self):
        answer = self.json(*P4, "--scheduler", "zb-h2", "--latency", 0.5)
        self.assertEqual(
            [answer[key] for key in ("scheduler", "devices", "stages", "microbatches")],
            ["zb-h2", 4, 4, 8])
        self.assertEqual((answer["makespan"], answer["span"]), (28.5, 27))
        self.assertEqual(answer["busy"], [24] * 4)
        self.assertAlmostEqual(answer["bubble_makespan"], 4.5 / 28.5)
        self.assertAlmostEqual(answer["bubble_span"], 3 / 27)
        self.assertEqual(answer["peak_activations"], [7, 5, 3, 1])
        self.assertEqual(answer["peak_weight_stash"], [1, 3, 5, 7])
        self.assertNotIn("actions", answer)

    def test_times_are_spread_over_stages(self):
        answer = self.json(*P4, "--scheduler", "interleaved", "--stages-per-device", 2, "--times",
                           "1,1.5,0.5")
        self.assertEqual((answer["stages"], answer["makespan"]), (8, 28.5))

    def test_published_rate(self):
        answer = self.json("schedule", "--scheduler", "zb-h1", "--devices", 8, "--microbatches", 24,
                           "--times", "18.522,18.086,9.337", "--latency", 0.601)
        self.assertEqual(round(answer["bubble_span"], 4), 0.1585)

    def test_update_counts_as_busy(self):
        answer = self.json(*P4, "--scheduler", "1f1b", "--optimizer-time", 3)
        self.assertEqual((answer["makespan"], answer["span"], answer["busy"]), (36, 36, [27] * 4))
        self.assertAlmostEqual(answer["bubble_makespan"], 9 / 36)

    def test_options_reach_the_scheduler(self):
        rows = self.json(*P4, "--scheduler", "hybrid", "--scheduler-option", "depth=4",
                         "--actions")["actions"]
        self.assertEqual(rows[3][:6], ["3F0", "3F1", "3B0", "3B1", "3F2", "3F3"])

    def test_default_is_breadth_first(self):
        self.assertEqual(self.json("schedule")["scheduler"], "breadth-first")

    def test_lower_adds_transfers(self):
        two = ("schedule", "--scheduler", "1f1b", "--devices", 2, "--microbatches", 1, "--actions")
        self.assertEqual(self.json(*two)["actions"], [["0F0", "0B0"], ["1F0", "1B0"]])
        self.assertEqual(self.json(*two, "--lower")["actions"],
                         [["0F0", "0SEND_F0", "0RECV_B0", "0B0"],
                          ["1RECV_F0", "1F0", "1B0", "1SEND_B0"]])

    def test_unit_steps(self):
        answer = self.json("schedule", "--scheduler", "1f1b", "--devices", 2, "--microbatches", 1,
                           "--actions", "--unit-steps", "--times", "5,5,5")
        self.assertEqual(answer["actions"],
                         [["0F0", "0SEND_F0", "", "", "0RECV_B0", "0B0"],
                          ["", "1RECV_F0", "1F0", "1B0", "1SEND_B0"]])
        self.assertEqual((answer["makespan"], answer["span"], answer["busy"]), (6, 6, [4, 4]))

    def test_text_shows_the_grid(self):
        text = self.succeed("schedule", "--scheduler", "1f1b", "--devices", 2, "--microbatches",
                            2).stdout
        self.assertIn("device 0 | 0F0 0F1 .   0B0 .   0B1\n", text)
        self.assertRegex(text, r"\nmakespan 9.00 s, bubble 33.3 %; longest span .*\n\Z")
        self.assertIn("1SEND_B0", self.succeed("schedule", "--unit-steps").stdout)


class Several(HeadraceTest):
    def test_json_is_a_list(self):
        several = self.json(*P4, "--scheduler", "1f1b,zb-h1", "--scheduler", "hybrid:depth=2",
                            "--latency", 0.5)["schedules"]
        self.assertEqual([each["scheduler"] for each in several],
                         ["1f1b", "zb-h1", "hybrid:depth=2"])
        self.assertEqual(several[0], self.json(*P4, "--scheduler", "1f1b", "--latency", 0.5))
        alone = self.json(*P4, "--scheduler", "hybrid", "--scheduler-option", "depth=2",
                          "--latency", 0.5)
        self.assertEqual({**several[2], "scheduler": "hybrid"}, alone)

    def test_numbers_behind_a_comma_belong_to_the_value(self):
        several = self.json(*P4, "--scheduler", "zb-search:limit=4,4,3,2:stash=1,gpipe")["schedules"]
        self.assertEqual([each["scheduler"] for each in several],
                         ["zb-search:limit=4,4,3,2:stash=1", "gpipe"])
        self.assertLessEqual(several[0]["peak_activations"][3], 2)

    def test_text_is_one_table(self):
        text = self.succeed(*P4, "--scheduler", "1f1b,zb-h2", "--latency", 0.5).stdout
        self.assertRegex(text, r"\nschedule  +stages  +makespan  +bubble  +span  +bubble  +busy .*"
                               r"warm-up .*waiting for data .*waiting for a link .*drain "
                               r".*peak activations  +waiting for W\n")
        self.assertRegex(text, r"\n1f1b  +4  +41\.0 s  +41\.5 %  +41\.0 s ")
        self.assertRegex(text, r"\nzb-h2  +4  +28\.5 s  +15\.8 %  +27\.0 s  +11\.1 % ")
        self.assertEqual(text.count("device 3 |"), 2)

    def test_stages_are_as_each_serves_and_refusals_are_told(self):
        several = self.json(*P4[:-1], 6, "--stages-per-device", 2, "--scheduler",
                            "breadth-first,1f1b,dualpipe-v")["schedules"]
        self.assertEqual([each.get("stages") for each in several], [8, 4, None])
        self.assertIn("--microbatches 8 would fit", several[2]["refused"])

    def test_refusals(self):
        two = (*P4, "--scheduler", "gpipe,1f1b")
        self.assertIn("holds one schedule, 2 were asked for", self.refuse(*two, "--output", "x.csv"))
        self.assertIn("write it behind one: gpipe:NAME=VALUE",
                      self.refuse(*two, "--scheduler-option", "depth=1"))
        self.assertIn("no scheduler 'gpip'", self.refuse(*P4, "--scheduler", "1f1b,gpip"))
        self.assertIn("'depth' is not of the form name=value",
                      self.refuse(*P4, "--scheduler", "hybrid:depth"))


class Files(HeadraceTest):
    def test_schedule_goes_out_and_comes_back(self):
        for lowered in ((), ("--lower",)):
            self.succeed(*P4, "--scheduler", "dualpipe-v", "--stages-per-device", 2, "--output",
                         "out.csv", *lowered)
            made = self.json(*P4, "--scheduler", "dualpipe-v", "--stages-per-device", 2,
                             "--actions")
            read = self.json("schedule", "--csv", "out.csv", "--actions")
            text = (self.folder / "out.csv").read_text()
            self.assertEqual("SEND_F" in text, bool(lowered))
            self.assertEqual([row.split(",") for row in text.splitlines()], read["actions"])
            for key in ("devices", "stages", "microbatches", "device_of_stage", "makespan", "span",
                        "busy", "peak_activations"):
                self.assertEqual(read[key], made[key], key)

    def test_csv_plugin_makes_the_same(self):
        self.succeed(*P4, "--scheduler", "zb-v", "--stages-per-device", 2, "--output", "zb.csv",
                     "--lower")
        options = ("--stages-per-device", 2, "--actions", "--lower")
        made = self.json(*P4, *options, "--scheduler", "zb-v")
        read = self.json(*P4, *options, "--scheduler", "csv", "--scheduler-option", "file=zb.csv")
        self.assertEqual(read["actions"], made["actions"])

    def test_csv_plugin_refuses_another_shape(self):
        (self.folder / "s.csv").write_text("0F0,0B0\n1F0,1B0\n")
        csv = ("schedule", "--scheduler", "csv", "--devices", 2, "--scheduler-option")
        self.assertIn("s.csv has 2 devices, 2 stages and 1 micro-batches; asked for were 2 devices, "
                      "2 stages and 8", self.refuse(*csv, "file=s.csv"))
        self.assertIn("there is no file 'none.csv'", self.refuse(*csv, "file=none.csv"))
        self.assertIn("needs the option file", self.refuse(*csv[:-1]))

    def test_older_dialect(self):
        (self.folder / "old.csv").write_text("0F0,0B0,0W0,0F1,0BW1\n")
        rows = self.json("schedule", "--csv", "old.csv", "--actions")["actions"]
        self.assertEqual(rows, [["0F0", "0I0", "0W0", "0F1", "0B1"]])

    def test_shape_of_the_file_is_checked(self):
        (self.folder / "s.csv").write_text("0F0,0B0\n1F0,1B0\n")
        csv = ("schedule", "--csv", "s.csv")
        self.assertEqual(self.json(*csv, "--devices", 2, "--microbatches", 1)["makespan"], 6)
        self.assertIn("--devices 3: s.csv has 2", self.refuse(*csv, "--devices", 3))
        self.assertIn("--stages-per-device 2: s.csv has 2 stages on 2 devices",
                      self.refuse(*csv, "--stages-per-device", 2))
        self.assertIn("give one of the two", self.refuse(*csv, "--scheduler", "gpipe"))


class Refusals(HeadraceTest):
    def error(self, *arguments):
        done = self.call("schedule", *arguments)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        return done.stderr

    def test_times(self):
        for times in ("1,2", "1,2,3,4", "1;2;3", "a,b,c", "1,2,-3", "1,2,nan", "", "1,,2"):
            self.assertIn("is not F,I,W", self.refuse("schedule", "--times", times))

    def test_what_fits_is_told(self):
        self.assertIn("--microbatches 8 would fit",
                      self.error(*P4[1:-1], 7, "--scheduler", "dualpipe-v", "--stages-per-device",
                                 2))
        self.assertIn("group-size 5 would fit",
                      self.error(*P4[1:-1], 10, "--scheduler", "interleaved",
                                 "--scheduler-option", "group-size=4"))
        self.assertIn("--stages-per-device 1",
                      self.error("--scheduler", "zb-h1", "--stages-per-device", 2))

    def test_deadlock_shows_what_each_device_waits_for(self):
        (self.folder / "dead.csv").write_text("0F0,0B0,0F1,0B1\n1F0,1F1,1B0,1B1\n")
        text = self.error("--csv", "dead.csv")
        self.assertIn("  device 0: 0B0 waits for 1B0 of device 1\n"
                      "  device 1: 1F1 waits for 0F1 of device 0\n", text)
        self.assertIn("device 1 | .     1F0   [1F1]", text)

    def test_more_activations_than_allowed(self):
        self.assertIn("device 0 holds 4 activations from 0F3 on, its limit is 3",
                      self.error(*P4[1:], "--scheduler", "1f1b", "--max-activations", 3))
        self.succeed(*P4, "--scheduler", "1f1b", "--max-activations", 4)


class Plugins(HeadraceTest):
    def test_say_where_they_place_stages(self):
        placement = {plugin["name"]: plugin.get("placement") for plugin in self.json("plugins")}
        self.assertEqual(placement["zb-v"], "V, two stages per device")
        self.assertEqual(placement["breadth-first"], "looped")

    def test_options_have_ranges(self):
        options = {plugin["name"]: {option["name"]: option for option in plugin["options"]}
                   for plugin in self.json("plugins")}
        self.assertEqual(options["zb-search"]["stash"]["maximum"], "1")
        self.assertEqual(options["interleaved"]["group-size"]["minimum"], "0")
        self.assertIn("takes an integer from 0, not '-1'",
                      self.refuse("schedule", "--scheduler", "hybrid", "--scheduler-option",
                                  "depth=-1"))
