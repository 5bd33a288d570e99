# SPDX-License-Identifier: BSD-3-Clause
"""A reader of mlbatch-store(5) that was written from that page alone.

    read_store.py FILE.h5...        check each, compare with h5py if it is there
    read_store.py --golden DIR      and with what the golden files must hold

It shares no code with mlbatch, not even the checksum, so that what the page
says and what the library does cannot be wrong in the same way.
"""
import json
import os
import struct
import sys

import numpy

BLOCK = 1 << 20
TYPES = {1: "f64", 2: "f32", 3: "f16", 4: "bf16", 5: "i64", 6: "i32",
         7: "i16", 8: "i8", 9: "u64", 10: "u32", 11: "u16", 12: "u8",
         13: "bool", 14: "e4m3", 15: "e5m2", 16: "c64", 17: "c128"}
NUMPY = {"f64": "<f8", "f32": "<f4", "f16": "<f2", "i64": "<i8", "i32": "<i4",
         "i16": "<i2", "i8": "i1", "u64": "<u8", "u32": "<u4", "u16": "<u2",
         "u8": "u1", "bool": "u1", "c64": "<c8", "c128": "<c16",
         "bf16": "<u2", "e4m3": "u1", "e5m2": "u1"}


def make_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ 0x82f63b78 if n & 1 else n >> 1
        table.append(n)
    return table


TABLE = make_table()


def crc32c(data, crc=0):
    crc ^= 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


class Bad(Exception):
    """The file is damaged, not complete or not of this format."""


class Newer(Exception):
    """The file is of a later version of the format."""


def need(truth, what):
    if not truth:
        raise Bad(what)


def name_is_fine(name):
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return (text.startswith("/") and len(name) <= 320
            and all(p not in ("", ".", "..") for p in text[1:].split("/"))
            and not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text))


class File:
    """The arrays of one file: self.arrays[name] = (dtype, numpy array)."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        self.read_record()
        self.read_index()
        self.check_rest()

    def read_record(self):
        need(len(self.data) >= 4096, "shorter than the user block")
        copies = [self.data[at:at + 512] for at in (0, 2048)]
        sound = [c for c in copies if c[:8] == b"MLBH5\x01\0\0"
                 and crc32c(c[:508]) == struct.unpack("<I", c[508:])[0]]
        need(sound, "no sound commit record")
        record = sound[0]
        (self.version, self.kind, self.flags,
         _) = struct.unpack_from("<4I", record, 8)
        if self.version > 1 or self.flags & 0xfffe:
            raise Newer(f"version {self.version}, flags {self.flags:#x}")
        need(self.version == 1, "version 0")
        need(self.flags & 1, "not complete")
        self.uuid = record[24:40]
        self.created, size, self.count = struct.unpack_from("<3Q", record, 40)
        need(size == len(self.data), "not of the length it was published with")
        need(self.count <= 1 << 20, "too many arrays")
        self.spans = [(0, 4096)]
        self.index = self.extent(record, 64)
        self.names = self.extent(record, 88)
        blocks = self.extent(record, 112)
        self.rest_crc, = struct.unpack_from("<I", record, 136)
        need(len(self.index) == 96 * self.count, "length of the index")
        need(not self.names or self.names[-1] == 0, "names do not end")
        need(len(blocks) % 4 == 0, "length of the checksums")
        self.blocks = struct.unpack(f"<{len(blocks) // 4}I", blocks)
        need(copies[0] == copies[1], "a copy of the commit record is damaged")
        need(not any(self.data[512:2048] + self.data[2560:4096]),
             "the user block is not empty")

    def piece(self, offset, length):
        if length == 0:
            return b""
        need(4096 <= offset and offset + length <= len(self.data),
             "outside of the file")
        self.spans.append((offset, offset + length))
        return self.data[offset:offset + length]

    def extent(self, record, at):
        offset, length, crc = struct.unpack_from("<2QI", record, at)
        data = self.piece(offset, length)
        need(crc32c(data) == crc, "index, names or checksums are damaged")
        return data

    def read_index(self):
        self.arrays, block = {}, 0
        for i in range(self.count):
            (name_at, length, number, rank, *shape, offset, size,
             first) = struct.unpack_from("<IHBB8Q3Q", self.index, 96 * i)
            name = self.names[name_at:name_at + length]
            need(name_at + length < len(self.names)
                 and self.names[name_at + length] == 0
                 and name_is_fine(name), "a name")
            need(name.decode() not in self.arrays, "a name twice")
            need(number in TYPES and rank <= 8, "a type or rank")
            kind = numpy.dtype(NUMPY[TYPES[number]])
            shape = shape[:rank]
            count = 1
            for n in shape:
                count *= n
            need(size == count * kind.itemsize, "a size")
            data = self.piece(offset, size)
            need(first == block, "the first block")
            for at in range(0, size, BLOCK):
                need(block < len(self.blocks) and
                     crc32c(data[at:at + BLOCK]) == self.blocks[block],
                     f"{name.decode()} is damaged")
                block += 1
            self.arrays[name.decode()] = (TYPES[number], numpy.frombuffer(
                data, kind).reshape(shape))
        need(block == len(self.blocks), "checksums that belong to nothing")

    def check_rest(self):
        crc, end = 0, 0
        for start, stop in sorted(self.spans):
            need(start >= end, "two arrays overlap")
            crc = crc32c(self.data[end:start], crc)
            end = stop
        need(crc32c(self.data[end:], crc) == self.rest_crc,
             "what libhdf5 wrote is damaged")


def floats(dtype, bits):
    """Values of the types that numpy does not have."""
    if dtype == "bf16":
        return (bits.astype("<u4") << 16).view("<f4")
    exponent, mantissa = (4, 3) if dtype == "e4m3" else (5, 2)
    bits = bits.astype("i8")
    power = bits >> mantissa & (1 << exponent) - 1
    part = (bits & (1 << mantissa) - 1) / (1 << mantissa)
    bias = (1 << exponent - 1) - 1
    value = numpy.where(power > 0, (1 + part) * 2.0 ** (power - bias),
                        part * 2.0 ** (1 - bias))
    return numpy.where(bits >> 7 & 1, -value, value)


def formula(dtype, shape):
    """What an array of a golden file holds: tests/unit/golden_store.h."""
    count = int(numpy.prod(shape, dtype=int))
    i = numpy.arange(count)
    value = i % (2 if dtype == "bool" else 8)
    if dtype not in ("u64", "u32", "u16", "u8", "bool"):
        value = numpy.where(i % 2 == 1, -value, value)
    if dtype in ("c64", "c128"):
        value = value - 1j * value
    return value.reshape(shape)


def check_formula(file, name, dtype, shape):
    found, values = file.arrays[name]
    assert (found, values.shape) == (dtype, tuple(shape)), (name, found)
    if dtype in ("bf16", "e4m3", "e5m2"):
        values = floats(dtype, values)
    assert numpy.array_equal(values, formula(dtype, shape)), (name, values)


def check_golden(top):
    file = File(os.path.join(top, "step-000000000007.h5"))
    assert file.kind == 2
    for dtype in TYPES.values():
        check_formula(file, f"/tensors/all/{dtype}", dtype, (4, 8))
    check_formula(file, "/tensors/odd/empty", "f32", (4, 0, 7))
    check_formula(file, "/tensors/odd/scalar", "f64", ())
    check_formula(file, "/tensors/odd/page", "f32", (33, 33))
    assert file.arrays["/meta/step"][1] == 7
    state = json.loads(file.arrays["/state/sampler"][1].tobytes())
    assert state == {"epoch": 3, "name": "grüße"}, state

    file = File(os.path.join(top, "names.h5"))
    assert file.kind == 3
    names = list(file.arrays)
    assert names[0] == "/a" and names[8] == "/\U0001f30a", names
    assert names[9] == "/" + "n" * 319 and names[10] == "/d" * 160, names[9:]
    for i, name in enumerate(names):
        check_formula(file, name, "u16", (i,))

    with open(os.path.join(top, "dataset/manifest.json"), "rb") as f:
        manifest = json.load(f)
    assert manifest["format"] == "mlbatch-dataset"
    shard, = manifest["shards"]
    path = os.path.join(top, "dataset", shard["file"])
    assert os.path.getsize(path) == shard["bytes"]
    file = File(path)
    assert file.kind == 1
    check_formula(file, "/fields/x", "f32", (manifest["rows"], 3))
    check_formula(file, "/fields/t/data", "u16", (shard["elements"]["t"],))
    offsets = file.arrays["/fields/t/offsets"][1]
    assert list(numpy.diff(offsets.astype(int))) == [0, 1, 2, 3] * 5
    tokens = file.arrays["/fields/t/data"][1]
    rows = [tokens[a:b] for a, b in zip(offsets, offsets[1:])]
    for field, items in (("x", file.arrays["/fields/x"][1]),
                         ("y", file.arrays["/fields/y"][1]), ("t", rows)):
        sums = file.arrays[f"/crc/{field}"][1]
        assert [crc32c(r.tobytes()) for r in items] == list(sums), field
    classes = [bytes(c).rstrip(b"\0").decode()
               for c in file.arrays["/classes/y"][1]]
    assert classes == manifest["fields"][1]["classes"]


def check_refusals(path):
    """One byte changed anywhere is found; what is newer is told apart."""
    with open(path, "rb") as f:
        good = f.read()

    def outcome(data):
        copy = File.__new__(File)
        copy.data = bytes(data)
        try:
            copy.read_record()
            copy.read_index()
            copy.check_rest()
        except (Bad, Newer) as problem:
            return type(problem)
        return None

    def sealed(at, value):
        record = bytearray(good[:508])
        record[at:at + 4] = struct.pack("<I", value)
        record += struct.pack("<I", crc32c(record))
        return record + good[512:2048] + record + good[2560:]

    assert outcome(good) is None
    for at in range(0, len(good), len(good) // 40):
        data = bytearray(good)
        data[at] ^= 4
        assert outcome(data) is Bad, at
    assert outcome(good[:-1]) is Bad
    assert outcome(sealed(8, 2)) is Newer
    assert outcome(sealed(16, 1 | 1 << 9)) is Newer
    assert outcome(sealed(16, 1 | 1 << 20)) is None


def compare_with_h5py(path):
    """libhdf5 finds the same bytes. False if there is no h5py."""
    try:
        import h5py
    except ImportError:
        return False
    with h5py.File(path, "r") as f:
        assert f.userblock_size == 4096
        assert f.attrs["mlbatch_profile"] == 1
        for name, (dtype, values) in File(path).arrays.items():
            found = f[name]
            assert found.shape == values.shape, name
            assert values.size == 0 or found.chunks is None, name
            if dtype == "bf16" or dtype == "e5m2":
                values = floats(dtype, values)
            assert numpy.array_equal(found[()], values), name
    return True


def main():
    paths = sys.argv[1:]
    if paths[0] == "--golden":
        check_golden(paths[1])
        paths = [os.path.join(paths[1], p) for p in (
            "names.h5", "step-000000000007.h5", "dataset/shard-00000.h5")]
        check_refusals(paths[0])
    for path in paths:
        File(path)
        if not compare_with_h5py(path):
            print("skipped: no h5py to compare with")
    print(f"read_store: {len(paths)} files as they should be")


main()
