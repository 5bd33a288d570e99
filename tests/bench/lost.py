# SPDX-License-Identifier: BSD-3-Clause
"""Seconds that an interruption cost, from a run's event log on standard
input: from the first time that the first attempt was asked to save, to the
first step of the second, less the time between the two attempts."""
import json
import sys


def first(events, name, attempt):
    return min(e["time"] for e in events
               if e["event"] == name and e.get("attempt") == attempt)


def main():
    events = [json.loads(line) for line in sys.stdin if line.strip()]
    asked = first(events, "checkpoint-asked", 1)
    ended = first(events, "attempt-end", 1)
    began = first(events, "attempt-start", 2)
    step = first(events, "metric", 2)
    print("%.2f" % (step - asked - (began - ended)))


if __name__ == "__main__":
    main()
