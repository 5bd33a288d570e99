# SPDX-License-Identifier: BSD-3-Clause
"""Tell mlbatch how training goes, and hear what it asks for.

All calls are cheap and safe without an agent: then they do nothing, and the
questions are answered with False. Call them from one thread. The first one
under an agent makes SIGTERM mean "should stop", unless the program has a
handler of its own by then: so ask should_stop() once before training starts.
"""
from ctypes import c_char_p, c_double, c_int, c_uint64

from ._library import declare, encode, lib, whole

declare({
    "mlb_progress_step": (None, [c_uint64, c_uint64]),
    "mlb_progress_metric": (None, [c_char_p, c_uint64, c_double]),
    "mlb_progress_should_save": (c_int, []),
    "mlb_progress_should_stop": (c_int, []),
})


def step(step, samples=0):
    """Step number step is done, counted over the whole run, also after a
    resume; samples: how many this rank went through in it."""
    lib.mlb_progress_step(whole(step, "step"), whole(samples, "samples"))


def metric(name, step, value):
    """A named value at a step, e.g. "loss" (a name of up to 47 bytes)."""
    lib.mlb_progress_metric(encode(name, "metric"), whole(step, "step"),
                            float(value))


def should_save():
    """Is it time to save? True once for each request of the agent, and
    whenever checkpoint.every has gone by. Ask on rank 0 and tell others."""
    return lib.mlb_progress_should_save() != 0


def should_stop():
    """Was the program asked to stop? Save, then exit with 0, or with 75 if
    the work is not done. Stays True."""
    return lib.mlb_progress_should_stop() != 0
