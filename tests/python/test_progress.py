# SPDX-License-Identifier: BSD-3-Clause
"""Progress told from Python arrives at the agent, and is heard from it."""
import glob
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest

from mlbatch import Error, progress

PROGRAM = """
from mlbatch import progress
assert not progress.should_stop()
for i in range(1, 4):
    progress.step(i, samples=8)
    progress.metric("loss", i, 1 / i)
progress.metric("not a number", 3, float("nan"))
progress.metric("k" * 100, 3, 2)
assert not progress.should_save()
"""


def run_under_agent(program):
    """Run it as the only rank of a run: all its events."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(folder + "/events")
        os.mkdir(folder + "/out")
        fields = {"run": "p.1", "token": "t", "scheduler": "local",
                  "directory": folder, "nodes": 1, "tasks": 1,
                  "tasks_per_node": 1, "sample_every": 0, "launch": "x"}
        lines = [f"{name}={value}" for name, value in fields.items()]
        lines += [f"command={word}"
                  for word in (sys.executable, "-c", program)]
        with open(folder + "/plan", "wb") as plan:
            plan.write(b"".join(os.fsencode(line) + b"\0" for line in lines))
        subprocess.run([os.environ["MLB_AGENT_PROGRAM"], "task", folder],
                       check=True, timeout=60)
        events = []
        for path in glob.glob(folder + "/events/*.jsonl"):
            with open(path, encoding="utf-8") as log:
                events += [json.loads(line) for line in log]
        return events


class Progress(unittest.TestCase):
    def test_without_agent(self):
        progress.step(1, 2)
        progress.metric("loss", 1, 0.5)
        self.assertIs(progress.should_save(), False)
        self.assertIs(progress.should_stop(), False)

    def test_refused(self):
        for call in (lambda: progress.step(-1), lambda: progress.step(1.5),
                     lambda: progress.step(1, -1),
                     lambda: progress.metric("a\0b", 1, 1),
                     lambda: progress.metric(None, 1, 1)):
            self.assertRaises(Error, call)

    def test_arrives(self):
        events = run_under_agent(PROGRAM)
        end = [e for e in events if e["event"] == "task-end"]
        self.assertEqual([(e["exit"], e["step"], e["samples"]) for e in end],
                         [(0, 3, 24)])
        told = {}
        for event in events:
            if event["event"] == "metric":
                told.setdefault(event["name"], []).append(
                    (event["step"], event["value"]))
        self.assertEqual(told["loss"], [(1, 1), (2, 1 / 2), (3, 1 / 3)])
        self.assertEqual(told["k" * 47], [(3, 2)])
        step, value = told["not a number"][0]
        self.assertEqual(step, 3)
        self.assertTrue(value is None or math.isnan(float(value)))


if __name__ == "__main__":
    unittest.main()
