# SPDX-License-Identifier: BSD-3-Clause
"""Data sets: what is in them, and reading rows.

    data = mlbatch.Dataset()                     # what MLB_DATA_* names
    data.read("x", [3, 1, 2])                    # numpy, [3, *shape]

A data set is a table of rows 0 to N-1 with named fields. It never changes.
A handle belongs to one thread at a time, and to the process that opened it.
"""
import os
import weakref
from ctypes import (POINTER, byref, c_char_p, c_int, c_int64, c_uint64,
                    c_void_p)
from typing import NamedTuple, Optional

import numpy as np

from . import _dtypes
from ._library import (ERROR, CField, CStats, Code, Error, Lasting, check,
                       declare, encode, lib, usage)

declare({
    "mlb_dataset_open": (c_void_p, [c_char_p, ERROR]),
    "mlb_dataset_close": (None, [c_void_p]),
    "mlb_dataset_rows": (c_uint64, [c_void_p]),
    "mlb_dataset_version": (c_char_p, [c_void_p]),
    "mlb_dataset_fields": (c_int, [c_void_p]),
    "mlb_dataset_field": (POINTER(CField), [c_void_p, c_int]),
    "mlb_dataset_split_rows": (c_int64, [c_void_p, c_char_p, ERROR]),
    "mlb_dataset_split_ids": (c_int, [c_void_p, c_char_p, c_void_p, ERROR]),
    "mlb_dataset_splits": (c_int, [c_void_p]),
    "mlb_dataset_split": (c_char_p, [c_void_p, c_int]),
    "mlb_dataset_stats": (c_int, [c_void_p, c_char_p, POINTER(CStats)]),
    "mlb_dataset_class": (c_char_p, [c_void_p, c_char_p, c_uint64]),
    "mlb_dataset_read": (c_int, [c_void_p, c_char_p, c_void_p, c_uint64,
                                 c_void_p, ERROR]),
    "mlb_dataset_read_ragged": (c_int64, [c_void_p, c_char_p, c_void_p,
                                          c_uint64, c_void_p, c_void_p,
                                          c_uint64, ERROR]),
})


class Field(NamedTuple):
    """A field: row i is an array of shape, or, if ragged, of [length of row
    i, *shape] elements."""
    name: str
    dtype: str               # "f32", "u8", "bf16", ...
    shape: tuple
    ragged: bool
    codec: str               # "jpeg", "utf8", "tokens", ...; "": numbers

    @property
    def numpy(self):
        """The numpy type; bf16 shows as u2, the 8-bit floats as u1."""
        return _dtypes.NUMPY[self.dtype]


class Stats(NamedTuple):
    """Of all elements of a field, NaNs left out."""
    mean: float
    std: float
    min: float
    max: float
    count: int


class Ragged:
    """Rows of different lengths: [i] is row i, an array of [its length,
    ...], which shares the memory of data.

    data: the rows one behind the other, [sum of lengths, ...];
    offsets: where each begins, in data's first dimension, rows + 1 of them.
    """

    def __init__(self, data, offsets):
        self.data = data
        self.offsets = offsets

    def __len__(self):
        return len(self.offsets) - 1

    def __getitem__(self, i):
        n = len(self)
        if not -n <= i < n:
            raise IndexError(f"row {i} of {n}")
        i %= n
        return self.data[int(self.offsets[i]):int(self.offsets[i + 1])]

    def copy(self):
        """The same in memory of its own."""
        return Ragged(self.data.copy(), self.offsets.copy())


def default_path():
    """The path of the data set that the job file names: MLB_DATA_TRAIN, or
    the only MLB_DATA_* there is."""
    names = sorted(name for name in os.environ
                   if name.startswith("MLB_DATA_"))
    if "MLB_DATA_TRAIN" in names:
        return os.environ["MLB_DATA_TRAIN"]
    if len(names) == 1:
        return os.environ[names[0]]
    if names:
        raise usage(f"which data set? There are {', '.join(names)}")
    raise Error(Code.NOT_FOUND,
                "MLB_DATA_TRAIN is not set: it must hold the path of the "
                "data set")


def as_ids(ids, rows):
    """Row numbers as the library wants them: [n] u64, each below rows."""
    wanted = np.asarray(ids)
    if wanted.ndim != 1 or (wanted.size and wanted.dtype.kind not in "iu"):
        raise usage("ids: a list of whole numbers is expected")
    if wanted.size and (int(wanted.min()) < 0 or int(wanted.max()) >= rows):
        raise IndexError(f"a row outside of 0 to {rows - 1}")
    return np.ascontiguousarray(wanted, np.uint64)


def _pointer(array):
    return array.ctypes.data


class Dataset:
    """A published version of a data set, by the path of its directory (None:
    see default_path). Checks the structure now, each row's checksum when it
    is read. len() is the number of rows."""

    def __init__(self, path=None):
        path = default_path() if path is None else path
        self.path = os.fspath(path)
        self._handle = Lasting(
            check(lib.mlb_dataset_open, encode(path, "path")),
            lib.mlb_dataset_close)
        self._loaders = weakref.WeakSet()
        d = self._handle.pointer
        self.version = lib.mlb_dataset_version(d).decode()
        self.fields = {}
        self._row_bytes = {}
        for i in range(lib.mlb_dataset_fields(d)):
            f = lib.mlb_dataset_field(d, i).contents
            name = f.name.decode()
            self.fields[name] = Field(
                name, _dtypes.NAMES[f.dtype], tuple(f.shape[:f.rank]),
                bool(f.ragged), (f.codec or b"").decode())
            self._row_bytes[name] = f.row_bytes

    @property
    def pointer(self):
        return self._handle.pointer

    def __len__(self):
        return lib.mlb_dataset_rows(self.pointer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close it and its loaders. Done by itself when nobody holds the
        data set; the memory goes when none of their arrays is left."""
        for loader in list(self._loaders):
            loader.close()
        self._handle.close()

    @property
    def splits(self):
        """{name: rows}"""
        names = [lib.mlb_dataset_split(self.pointer, i) for i in
                 range(lib.mlb_dataset_splits(self.pointer))]
        return {name.decode(): check(lib.mlb_dataset_split_rows,
                                     self.pointer, name) for name in names}

    def split_rows(self, split=None):
        """Rows in a split; None: in all."""
        return check(lib.mlb_dataset_split_rows, self.pointer,
                     None if split is None else encode(split, "split"))

    def split_ids(self, split=None):
        """[rows of the split] u64, ascending: which rows are in it."""
        ids = np.empty(self.split_rows(split), np.uint64)
        check(lib.mlb_dataset_split_ids, self.pointer,
              None if split is None else encode(split, "split"),
              _pointer(ids))
        return ids

    def field(self, name):
        """The Field of that name; Error (NOT_FOUND) if there is none."""
        try:
            return self.fields[name]
        except KeyError:
            raise Error(Code.NOT_FOUND, f"{self.path}: no field "
                        f"'{name}'; there are "
                        f"{', '.join(self.fields)}") from None

    def classes(self, field):
        """The names that values 0, 1, ... of a field stand for."""
        name, found = encode(self.field(field).name, "field"), []
        while True:
            one = lib.mlb_dataset_class(self.pointer, name, len(found))
            if one is None:
                return found
            found.append(one.decode())

    def stats(self, field) -> Optional[Stats]:
        """Statistics of a field as taken at import, or None."""
        s = CStats()
        if lib.mlb_dataset_stats(self.pointer,
                                 encode(self.field(field).name, "field"),
                                 byref(s)) < 0:
            return None
        return Stats(s.mean, s.std, s.min, s.max, s.count)

    def read(self, field, ids, out=None):
        """Rows ids of a field, in that order: [len(ids), *shape], in out or
        a new array. Of a ragged field: see read_ragged."""
        f = self.field(field)
        if f.ragged:
            if out is not None:
                raise usage(f"{field}: its rows differ in length, so out "
                            "cannot be given")
            return self.read_ragged(field, ids)
        ids = as_ids(ids, len(self))
        out = _dtypes.out_array(out, f.dtype, (len(ids), *f.shape))
        check(lib.mlb_dataset_read, self.pointer, encode(field, "field"),
              _pointer(ids), len(ids), _pointer(out))
        return out

    def read_ragged(self, field, ids):
        """Rows ids of a ragged field, in that order, as a Ragged."""
        f = self.field(field)
        ids = as_ids(ids, len(self))
        offsets = np.empty(len(ids) + 1, np.uint64)
        need = check(lib.mlb_dataset_read_ragged, self.pointer,
                     encode(field, "field"), _pointer(ids), len(ids),
                     _pointer(offsets), None, 0)
        each = self._row_bytes[field]
        data = np.empty((need // each, *f.shape), f.numpy)
        check(lib.mlb_dataset_read_ragged, self.pointer,
              encode(field, "field"), _pointer(ids), len(ids),
              _pointer(offsets), _pointer(data), need)
        return Ragged(data, offsets // np.uint64(each))

    def rows(self, ids, fields=None):
        """{field: its rows ids}, for some fields or all."""
        return {name: self.read(name, ids)
                for name in (self.fields if fields is None else fields)}
