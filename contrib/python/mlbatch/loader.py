# SPDX-License-Identifier: BSD-3-Clause
"""Shuffled batches of a data set, the same on any number of ranks.

    loader = mlbatch.Loader(data, split="train", global_batch=256, seed=1)
    for batch in loader:                         # one epoch
        batch["x"], batch["y"]                   # numpy, not copied
"""
import ctypes
from ctypes import (POINTER, byref, c_char_p, c_int, c_int64, c_uint64,
                    c_void_p)

import numpy as np

from ._library import (ERROR, INT_MAX, CLoaderOptions, CSamplerState, Code,
                       Error, Lasting, check, declare, encode, lib, usage,
                       whole)
from .dataset import Ragged

declare({
    "mlb_loader_create": (c_void_p, [c_void_p, POINTER(CLoaderOptions),
                                     ERROR]),
    "mlb_loader_destroy": (None, [c_void_p]),
    "mlb_loader_next": (c_int64, [c_void_p, ERROR]),
    "mlb_loader_rows": (c_uint64, [c_void_p]),
    "mlb_loader_ids": (c_void_p, [c_void_p]),
    "mlb_loader_offset": (c_uint64, [c_void_p]),
    "mlb_loader_field": (c_void_p, [c_void_p, c_char_p]),
    "mlb_loader_offsets": (c_void_p, [c_void_p, c_char_p]),
    "mlb_loader_mode_name": (c_char_p, [c_void_p]),
    "mlb_loader_get_state": (None, [c_void_p, POINTER(CSamplerState)]),
    "mlb_loader_set_state": (c_int, [c_void_p, POINTER(CSamplerState),
                                     ERROR]),
    "mlb_sampler_order": (c_int, [POINTER(CSamplerState), c_uint64, c_uint64,
                                  c_void_p, ERROR]),
})

MODES = ("auto", "mapped", "direct")


class Batch(dict):
    """{field: array [rows, *shape] or Ragged} of this rank's slice of a
    batch, and where it is: total rows are in the whole (global) batch, this
    rank's begin with number offset of them, and their ids are [rows] u64."""

    def __init__(self, values, total, offset, ids):
        super().__init__(values)
        self.total = total
        self.offset = offset
        self.ids = ids


class _Memory:
    """Memory of a loader, for numpy; holds the loader's life for as long as
    an array is over it. Read-only unless writable is asked for: torch cannot
    have it otherwise."""

    def __init__(self, life, address, shape, dtype, writable):
        self._life = life
        self.__array_interface__ = {
            "version": 3, "shape": shape, "typestr": dtype.str,
            "data": (address, not writable),
        }


class Loader:
    """Shuffled batches of a data set, the same on any number of ranks.

    global_batch: rows in a batch over all ranks, of which this one, rank of
    world_size, gets an equal contiguous slice (which is empty where a last
    batch has fewer rows than there are ranks). mode: "auto", "mapped" (files
    in memory) or "direct" (past the page cache, prefetch batches ahead).
    block: shuffle blocks of so many rows and the rows in them.

    Iterating gives the rest of the epoch at hand, which after load_state_dict
    may be none; the next iteration is the next epoch. A Batch is over the
    loader's own memory: read-only, and valid until the next one. copy=True
    gives arrays that stay.
    """
    _writable = False

    def __init__(self, dataset, split=None, global_batch=1, seed=0,
                 shuffle=True, drop_last=False, rank=0, world_size=1,
                 mode="auto", block=0, prefetch=0, verify=True, copy=False,
                 fields=None):
        if mode not in MODES:
            raise usage(f"mode: '{mode}' is none of {', '.join(MODES)}")
        self.dataset = dataset
        self.copy = copy
        self.drop_last = drop_last
        self.global_batch = global_batch
        self._fields = [dataset.field(name) for name in
                        (dataset.fields if fields is None else fields)]
        self._names = [encode(f.name, "field") for f in self._fields]
        self._options = CLoaderOptions(
            None if split is None else encode(split, "split"),
            whole(global_batch, "global_batch"), whole(seed, "seed"),
            bool(shuffle), bool(drop_last), whole(rank, "rank", INT_MAX),
            whole(world_size, "world_size", INT_MAX), MODES.index(mode),
            whole(block, "block", (1 << 32) - 1),
            whole(prefetch, "prefetch", INT_MAX), not verify)
        self._handle = Lasting(
            check(lib.mlb_loader_create, dataset.pointer,
                  byref(self._options)),
            lib.mlb_loader_destroy, dataset._handle.life)
        dataset._loaders.add(self)
        self.rows = dataset.split_rows(split)

    def __len__(self):
        """Batches in an epoch."""
        whole, rest = divmod(self.rows, self.global_batch)
        return whole + (rest > 0 and not self.drop_last)

    def close(self):
        """Free its memory, as soon as none of its arrays is left."""
        self._handle.close()

    @property
    def mode(self):
        """How it reads: "mapped", or "direct, io_uring, O_DIRECT"."""
        return lib.mlb_loader_mode_name(self._handle.pointer).decode()

    @property
    def epoch(self):
        """The epoch at hand, from 0."""
        return self._state().epoch

    def __iter__(self):
        while True:
            batch = self.next()
            if batch is None:
                return
            yield batch

    def next(self):
        """The next Batch, or None at the end of the epoch."""
        loader = self._handle.pointer
        total = check(lib.mlb_loader_next, loader)
        if total == 0:
            return None
        rows = lib.mlb_loader_rows(loader)
        values = {}
        for field, name in zip(self._fields, self._names):
            values[field.name] = self._value(loader, field, name, rows)
        ids = self._array(lib.mlb_loader_ids(loader), (rows,),
                          np.dtype(np.uint64))
        return Batch(values, total, lib.mlb_loader_offset(loader), ids)

    def _value(self, loader, field, name, rows):
        address = lib.mlb_loader_field(loader, name)
        if not field.ragged:
            return self._array(address, (rows, *field.shape), field.numpy)
        each = self.dataset._row_bytes[field.name]
        offsets = self._array(lib.mlb_loader_offsets(loader, name),
                              (rows + 1,), np.dtype(np.uint64))
        offsets = offsets // np.uint64(each)
        data = self._array(address, (int(offsets[-1]), *field.shape),
                           field.numpy)
        return Ragged(data, offsets)

    def _array(self, address, shape, dtype):
        if not address or 0 in shape:
            return np.empty(shape, dtype)
        array = np.asarray(_Memory(self._handle.life, address, shape,
                                   dtype, self._writable))
        return array.copy() if self.copy else array

    def _state(self):
        state = CSamplerState()
        lib.mlb_loader_get_state(self._handle.pointer, byref(state))
        return state

    def state_dict(self):
        """Where it stands after the batches given so far: whole numbers,
        for a checkpoint. Nothing in it depends on the number of ranks."""
        return state_to_dict(self._state())

    def load_state_dict(self, state):
        """Go on from a state_dict. Error (BAD_INPUT) if it is of another
        data set size, batch size or order."""
        check(lib.mlb_loader_set_state, self._handle.pointer,
              byref(state_from_dict(state)))


def state_to_dict(state):
    """A CSamplerState as {name: whole number}."""
    return {name: getattr(state, name) for name, _ in state._fields_}


def state_from_dict(values):
    """The other way; Error (BAD_INPUT) if it is not one."""
    names = [name for name, _ in CSamplerState._fields_]
    if not isinstance(values, dict) or sorted(values) != sorted(names):
        raise Error(Code.BAD_INPUT, "this is not the state of a loader")
    state = CSamplerState()
    for name, kind in CSamplerState._fields_:
        value = values[name]
        if not isinstance(value, int) or \
                not 0 <= value < 1 << 8 * ctypes.sizeof(kind):
            raise Error(Code.BAD_INPUT,
                        f"state of a loader: {name} is {value!r}")
        setattr(state, name, value)
    return state


def order(state, position, count):
    """Which rows of the split come at positions [position, position + count)
    of the epoch of a CSamplerState: [count] u64."""
    rows = np.empty(count, np.uint64)
    check(lib.mlb_sampler_order, byref(state), position, count,
          rows.ctypes.data)
    return rows
