# SPDX-License-Identifier: BSD-3-Clause
"""Saving checkpoints: tensors and state at a step.

    saver = mlbatch.Saver("checkpoints")
    saver.save(step, {"layer1/weight": w}, states={"loader": state})

A checkpoint is complete and checksummed before it has its name, and never
changed after. With a group (mlbatch.group) all ranks make the same calls for
the same steps; one that fails on one rank fails on all. A handle belongs to
one thread at a time.
"""
import ctypes
import json
import os
from ctypes import (POINTER, byref, c_char_p, c_double, c_int, c_uint64,
                    c_void_p)
from typing import NamedTuple

from . import _tensors
from ._library import (ERROR, INT_MAX, CBox, CSaverOptions, CTensor, Error,
                       Handle, check, declare, encode, lib, usage, whole)
from .checkpoint import as_box, as_tensor

declare({
    "mlb_saver_options_init": (None, [POINTER(CSaverOptions)]),
    "mlb_saver_open": (c_void_p, [POINTER(CSaverOptions), ERROR]),
    "mlb_saver_close": (None, [c_void_p]),
    "mlb_saver_poll": (c_int, [c_void_p, ERROR]),
    "mlb_saver_wait": (c_int, [c_void_p, ERROR]),
    "mlb_checkpoint_create": (c_void_p, [c_void_p, c_uint64, ERROR]),
    "mlb_checkpoint_add": (c_int, [c_void_p, POINTER(CTensor),
                                   POINTER(CBox), ERROR]),
    "mlb_checkpoint_add_state": (c_int, [c_void_p, c_char_p, c_char_p,
                                         c_uint64, ERROR]),
    "mlb_checkpoint_add_metric": (c_int, [c_void_p, c_char_p, c_double,
                                          ERROR]),
    "mlb_checkpoint_publish": (c_int, [c_void_p, ERROR]),
    "mlb_checkpoint_publish_async": (c_int, [c_void_p, ERROR]),
    "mlb_checkpoint_abandon": (None, [c_void_p]),
})

LAYOUTS = ("auto", "shared", "nodes")


def json_bytes(value, what):
    """A state as JSON that every reader takes: numbers are exact, NaN and
    infinities are refused."""
    try:
        return json.dumps(value, allow_nan=False,
                          separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise usage(f"{what}: {error}") from None


class Shard(NamedTuple):
    """What this rank holds of a tensor, or a type that numpy has not.

    array: numpy or torch, the box [origin, origin + array.shape);
    shape: of the whole tensor; None: array is all of it;
    dtype: "bf16", "e4m3" or "e5m2" for a numpy array of their bits.
    """
    array: object
    shape: tuple = None
    origin: tuple = None
    dtype: str = None


class _Prepared:
    """A tensor ready to be added; holds the memory until it is written."""

    def __init__(self, name, value):
        shard = value if isinstance(value, Shard) else Shard(value)
        try:
            self.array, dtype = _tensors.as_array(shard.array, shard.dtype)
        except Error as error:
            raise Error(error.code, f"{name}: {error}") from None
        held = self.array.shape
        shape = held if shard.shape is None else tuple(shard.shape)
        self.box = None
        if shard.origin is not None:
            self.box = as_box(shard.origin, held, len(shape), name)
        elif shape != held:
            raise usage(f"{name}: its part is {held} of {shape}, and no "
                        "origin says which")
        self.tensor = as_tensor(name, dtype, shape, self.array.ctypes.data)

    def add(self, checkpoint):
        check(lib.mlb_checkpoint_add, checkpoint, byref(self.tensor),
              None if self.box is None else byref(self.box))


class Saver:
    """Saves into one directory, as its only writer.

    directory, layout ("auto", "shared", "nodes"), keep (the newest so many),
    every (steps that are a multiple of it), best (so many by metric, the
    lowest unless higher_is_better), slots (retired files that are written
    over, 0 to 2): None is what the job file says, see mlbatch-job(5).
    group: a mlbatch.group.Group; None: this process alone.
    """

    def __init__(self, directory=None, group=None, layout=None, keep=None,
                 every=None, best=None, metric=None, higher_is_better=None,
                 slots=None):
        options = CSaverOptions()
        lib.mlb_saver_options_init(byref(options))
        if directory is not None:
            options.directory = encode(directory, "directory")
        if layout is not None:
            if layout not in LAYOUTS:
                raise usage(f"layout: '{layout}' is none of "
                            f"{', '.join(LAYOUTS)}")
            options.layout = LAYOUTS.index(layout)
        for name, value, most in (
                ("last", keep, INT_MAX), ("every", every, (1 << 64) - 1),
                ("best", best, INT_MAX),
                ("higher_is_better", higher_is_better, 1)):
            if value is not None:
                setattr(options.retention, name, whole(value, name, most))
        if metric is not None:
            options.retention.metric = encode(metric, "metric")
        if slots is not None:
            options.slots = whole(slots, "slots", 2)
        self.group = group
        if group is not None:
            options.group = ctypes.pointer(group.struct)
        self.directory = os.fsdecode(options.directory)
        self._options = options
        self._handle = Handle(self, self._call(lib.mlb_saver_open,
                                               byref(options)),
                              lib.mlb_saver_close)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.wait()
        finally:
            self.close()

    def close(self):
        """Let others save there. Waits for a save in the background, whose
        outcome is lost: call wait before."""
        self._handle.close()

    def save(self, step, tensors=None, states=None, metrics=None,
             background=False):
        """Save a checkpoint of a step, and then remove what is not to be
        kept.

        tensors: {name: numpy array, torch tensor or Shard}, not copied if in
        C order and in the computer's own memory; states: {name: bytes, or
        what JSON can hold}; metrics: {name: number}, of rank 0.

        On return it is on the disk. background=True: all has been copied and
        may be changed, and it becomes a checkpoint in poll or wait.

        Error (FAILED) if the step is there already, (IO) if the disk is
        full: earlier checkpoints are as they were.
        """
        self.save_made(step, lambda: (tensors, states, metrics), background)

    def save_made(self, step, make, background=False):
        """The same of what make() returns: tensors, states, metrics. If it
        raises, saving fails on all ranks, instead of keeping the others
        waiting."""
        step = whole(step, "step")
        prepared, failed = None, None
        try:
            prepared = self._prepare(*make())
        except Exception as error:
            if self.group is None:
                raise
            failed = error
        # The others wait in these calls for this rank, come what may.
        checkpoint = self._call(lib.mlb_checkpoint_create,
                                self._handle.pointer, step)
        try:
            if failed:
                raise failed
            self._add(checkpoint, *prepared)
        except BaseException:
            lib.mlb_checkpoint_abandon(checkpoint)
            raise
        self._call(lib.mlb_checkpoint_publish_async if background else
                   lib.mlb_checkpoint_publish, checkpoint)

    def poll(self):
        """Cheap, to be called every step or few, on all ranks: is a save in
        the background done everywhere? Then publish it. True if one is
        published by this call. An Error says that it failed; training may
        go on."""
        return self._call(lib.mlb_saver_poll, self._handle.pointer) > 0

    def wait(self):
        """Wait for a save in the background, on all ranks."""
        self._call(lib.mlb_saver_wait, self._handle.pointer)

    def _call(self, function, *arguments):
        try:
            return check(function, *arguments)
        except Error as error:
            cause = self.group.failure if self.group else None
            if cause is None:
                raise
            self.group.failure = None
            raise error from cause

    @staticmethod
    def _prepare(tensors, states, metrics):
        return ([_Prepared(name, value)
                 for name, value in (tensors or {}).items()],
                {encode(name, "state"): bytes(value) if isinstance(
                    value, (bytes, bytearray, memoryview))
                 else json_bytes(value, f"state {name}")
                 for name, value in (states or {}).items()},
                {encode(name, "metric"): float(value)
                 for name, value in (metrics or {}).items()})

    @staticmethod
    def _add(checkpoint, tensors, states, metrics):
        for tensor in tensors:
            tensor.add(checkpoint)
        for name, value in states.items():
            check(lib.mlb_checkpoint_add_state, checkpoint, name, value,
                  len(value))
        for name, value in metrics.items():
            check(lib.mlb_checkpoint_add_metric, checkpoint, name, value)
