# SPDX-License-Identifier: BSD-3-Clause
"""The element types: their numbers, names and what numpy calls them."""
import numpy as np

from ._library import usage

# number in <mlbatch/dtype.h>, name, numpy type. What numpy lacks is shown as
# unsigned integers of the same bits.
_TABLE = (
    (1, "f64", "<f8"), (2, "f32", "<f4"), (3, "f16", "<f2"),
    (4, "bf16", "<u2"), (5, "i64", "<i8"), (6, "i32", "<i4"),
    (7, "i16", "<i2"), (8, "i8", "i1"), (9, "u64", "<u8"),
    (10, "u32", "<u4"), (11, "u16", "<u2"), (12, "u8", "u1"),
    (13, "bool", "?"), (14, "e4m3", "u1"), (15, "e5m2", "u1"),
    (16, "c64", "<c8"), (17, "c128", "<c16"),
)
NAMES = {number: name for number, name, _ in _TABLE}
NUMBERS = {name: number for number, name, _ in _TABLE}
NUMPY = {name: np.dtype(numpy) for _, name, numpy in _TABLE}
# The other way: bf16 and the 8-bit floats are what somebody must say.
_OF_NUMPY = {NUMPY[name]: name for _, name, _ in _TABLE
             if name not in ("bf16", "e4m3", "e5m2")}


def name_of(array, wanted=None):
    """The name of an array's type; wanted: the one it is said to be."""
    if wanted is None:
        name = _OF_NUMPY.get(array.dtype.newbyteorder("<"))
        if name is None:
            raise usage(f"arrays of {array.dtype} cannot be saved")
        return name
    if wanted not in NUMPY:
        raise usage(f"no type is called {wanted!r}")
    if NUMPY[wanted] != array.dtype:
        raise usage(f"an array of {array.dtype} does not hold {wanted}: "
                    f"{NUMPY[wanted]} is expected")
    return wanted


def packed(array):
    """The array itself if it is in C order and little-endian, else a copy
    that is. Keeps arrays of no dimensions as they are."""
    array = np.asarray(array)
    return np.require(array, array.dtype.newbyteorder("<"), ["C", "A"])


def out_array(out, name, shape):
    """Where results go: out, after a check, or a new array."""
    if out is None:
        return np.empty(shape, NUMPY[name])
    if not isinstance(out, np.ndarray) or out.dtype != NUMPY[name] or \
            out.shape != tuple(shape):
        raise usage(f"out: an array of {NUMPY[name]} {tuple(shape)} is "
                    "expected")
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise usage("out: it is not in C order, or read-only")
    return out
