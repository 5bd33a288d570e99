# SPDX-License-Identifier: BSD-3-Clause
"""Find libmlbatch.so, say what its functions take, turn errors into Error.

The structures are those of include/mlbatch/*.h; tests/python/test_abi.py
compares every offset with what the C compiler says.
"""
import ctypes
import enum
import glob
import operator
import os
import sys
import weakref
from ctypes import (CFUNCTYPE, POINTER, Structure, byref, c_char, c_char_p,
                    c_double, c_int, c_size_t, c_uint32, c_uint64,
                    c_void_p)

SONAME = "libmlbatch.so.0"
MAX_RANK = 8
INT_MAX = (1 << 31) - 1


class Code(enum.IntEnum):
    """What went wrong; the exit codes of mlbatch(1)."""
    FAILED = 1
    USAGE = 2
    BAD_INPUT = 3
    REFUSED = 4
    UNREACHABLE = 5
    NOT_FOUND = 6
    IO = 7
    UNSUPPORTED = 8


class Error(Exception):
    """A call of the library failed: .code says how (a Code), str() why."""

    def __init__(self, code, text):
        super().__init__(text)
        try:
            self.code = Code(code)
        except ValueError:
            self.code = Code.FAILED

    def __reduce__(self):
        return Error, (int(self.code), str(self))


# ---- the structures of the headers ----

class CError(Structure):
    _fields_ = [("code", c_int), ("text", c_char * 256)]


class CField(Structure):
    _fields_ = [("name", c_char_p), ("dtype", c_int), ("rank", c_int),
                ("shape", c_uint64 * MAX_RANK), ("row_bytes", c_uint64),
                ("ragged", c_int), ("codec", c_char_p)]


class CStats(Structure):
    _fields_ = [("mean", c_double), ("std", c_double), ("min", c_double),
                ("max", c_double), ("count", c_uint64)]


class CSamplerState(Structure):
    _fields_ = [("algorithm", c_uint32), ("block", c_uint32),
                ("seed", c_uint64), ("epoch", c_uint64),
                ("position", c_uint64), ("rows", c_uint64),
                ("global_batch", c_uint64)]


class CLoaderOptions(Structure):
    _fields_ = [("split", c_char_p), ("global_batch", c_uint64),
                ("seed", c_uint64), ("shuffle", c_int), ("drop_last", c_int),
                ("rank", c_int), ("world_size", c_int), ("mode", c_int),
                ("block", c_uint32), ("prefetch", c_int),
                ("no_verify", c_int)]


class CTensor(Structure):
    _fields_ = [("name", c_char_p), ("dtype", c_int), ("rank", c_int),
                ("shape", c_uint64 * MAX_RANK), ("data", c_void_p)]


class CBox(Structure):
    _fields_ = [("origin", c_uint64 * MAX_RANK),
                ("extent", c_uint64 * MAX_RANK)]


class CRetention(Structure):
    _fields_ = [("last", c_int), ("every", c_uint64), ("best", c_int),
                ("metric", c_char_p), ("higher_is_better", c_int)]


BROADCAST = CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)
GATHER = CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t, c_void_p)


class CGroup(Structure):
    _fields_ = [("rank", c_int), ("size", c_int), ("context", c_void_p),
                ("broadcast", BROADCAST), ("gather", GATHER)]


class CSaverOptions(Structure):
    _fields_ = [("directory", c_char_p), ("group", POINTER(CGroup)),
                ("layout", c_int), ("retention", CRetention),
                ("slots", c_int)]


# ---- finding the library ----

def _beside():
    """Paths where an installation that holds this package has the library:
    PREFIX/share/mlbatch/python, or PREFIX/lib*/python*/site-packages."""
    prefix = os.path.dirname(os.path.abspath(__file__))
    for _ in range(5):
        prefix = os.path.dirname(prefix)
        for folder in ("lib", "lib64", "lib/*-linux-gnu*"):
            yield from sorted(glob.glob(os.path.join(
                glob.escape(prefix), folder, SONAME)))


def _load():
    chosen = os.environ.get("MLB_LIBRARY")
    if chosen:
        try:
            return ctypes.CDLL(chosen), chosen
        except OSError as error:
            raise ImportError(f"mlbatch: MLB_LIBRARY: {error}") from None
    tried = []
    for path in [*_beside(), SONAME]:
        try:
            return ctypes.CDLL(path), path
        except OSError as error:
            tried.append(str(error))
    raise ImportError("mlbatch: " + "; ".join(tried) +
                      " (MLB_LIBRARY may hold its path)")


_lib, path = _load()


def declare(functions):
    """Take functions of the library: name -> (result, arguments)."""
    for name, (result, arguments) in functions.items():
        try:
            function = getattr(_lib, name)
        except AttributeError:
            raise ImportError(f"mlbatch: {path} has no {name}: it is not of "
                              "the version of this package") from None
        function.restype = result
        function.argtypes = arguments
        setattr(lib, name, function)


class _Functions:
    """The declared functions, as attributes."""


lib = _Functions()
ERROR = POINTER(CError)


def failure(error):
    """The Error that a filled CError stands for."""
    return Error(error.code, error.text.decode("utf-8", "replace"))


def check(function, *arguments):
    """Call with an error struct last: the result, or raise Error if it is
    NULL or below 0."""
    error = CError()
    result = function(*arguments, byref(error))
    if result is None or (isinstance(result, int) and result < 0):
        raise failure(error)
    return result


def usage(text):
    """The Error of a call that is wrong."""
    return Error(Code.USAGE, text)


def whole(value, what, most=(1 << 64) - 1):
    """A whole number from 0 to most: ctypes would cut others silently."""
    try:
        number = operator.index(value)
    except TypeError:
        raise usage(f"{what}: a whole number is expected, not "
                    f"{value!r}") from None
    if not 0 <= number <= most:
        raise usage(f"{what}: {number} is not from 0 to {most}")
    return number


def encode(text, what):
    """A C string of a str or a path."""
    try:
        data = os.fsencode(text)
    except TypeError:
        raise usage(f"{what}: text is expected, not "
                    f"{type(text).__name__}") from None
    if b"\0" in data:
        raise usage(f"{what}: a NUL in {text!r}")
    return data


if sys.byteorder != "little":
    raise ImportError("mlbatch: files are little-endian, this machine is not")


class Handle:
    """A pointer of the library that goes with its Python object: destroyed
    once, and never by a child that was forked off with a copy of it."""

    def __init__(self, owner, pointer, destroy):
        self._pointer = pointer
        self._finalizer = weakref.finalize(owner, _destroy, destroy, pointer,
                                           os.getpid())

    @property
    def pointer(self):
        if not self._finalizer.alive:
            raise usage("it is closed")
        return self._pointer

    def close(self):
        self._finalizer()


class _Life:
    """Whoever holds it keeps a Lasting's pointer from being destroyed."""
    __slots__ = ("__weakref__",)


class Lasting:
    """A Handle of what hands out its memory. close() only lets go of it:
    it is destroyed when nobody holds its life any more. Arrays do, and what
    needs it: the lives in needs last longer than this one."""

    def __init__(self, pointer, destroy, *needs):
        self._pointer = pointer
        self.life = _Life()
        weakref.finalize(self.life, _destroy, destroy, pointer, os.getpid(),
                         *needs)

    @property
    def pointer(self):
        if self.life is None:
            raise usage("it is closed")
        return self._pointer

    def close(self):
        self.life = None


def _destroy(destroy, pointer, process, *_):
    if os.getpid() == process:
        destroy(pointer)
