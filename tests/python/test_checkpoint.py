# SPDX-License-Identifier: BSD-3-Clause
"""Saving and loading: every type bit for bit, also for h5py and h5dump."""
import os
import threading
import unittest

import numpy as np
from support import InDirectory, h5dump

import mlbatch
from mlbatch import _dtypes

# All types, and what numpy can say of them by itself.
SAID = ("bf16", "e4m3", "e5m2")


def samples():
    """{name: array} of random bits (of bools: 0 and 1) in odd shapes."""
    random = np.random.default_rng(11)
    arrays = {}
    for i, (name, kind) in enumerate(_dtypes.NUMPY.items()):
        shape = (0, 4) if name == "i8" else \
            ((3, 5, 7), (1000,), ())[i % 3]
        size = int(np.prod(shape)) * kind.itemsize
        data = random.integers(0, 2 if name == "bool" else 256, size)
        arrays[name] = data.astype(np.uint8).view(kind).reshape(shape)
    return arrays


def as_saved(arrays):
    return {f"all/{name}": mlbatch.Shard(array, dtype=name)
            if name in SAID else array for name, array in arrays.items()}


class TestCheckpoint(InDirectory):
    def setUp(self):
        super().setUp()
        self.saver = mlbatch.Saver(self.path("ckpt"), keep=0)
        self.addCleanup(self.saver.close)

    def latest(self):
        return mlbatch.latest(self.path("ckpt"))

    def test_every_type_comes_back(self):
        arrays = samples()
        self.saver.save(7, as_saved(arrays))
        got = self.latest()
        self.assertEqual((got.step, got.note), (7, ""))
        self.assertEqual(set(got.tensors),
                         {f"all/{name}" for name in arrays})
        for name, array in arrays.items():
            self.assertEqual(got.tensors[f"all/{name}"][1:],
                             (name, array.shape))
            back = got.load(f"all/{name}")
            self.assertEqual((back.dtype, back.shape),
                             (array.dtype, array.shape))
            self.assertEqual(back.tobytes(), array.tobytes())
        got.verify()

    def test_every_array_is_the_same_in_h5py_and_h5dump(self):
        import h5py
        arrays = samples()
        self.saver.save(1, as_saved(arrays))
        path = self.latest().path
        with h5py.File(path, "r") as file:
            for name, array in arrays.items():
                there = file[f"tensors/all/{name}"]
                self.assertEqual(there.shape, array.shape)
                # As it is in the file, without any conversion.
                raw = np.empty(array.shape, f"V{array.itemsize}")
                if array.size:
                    there.id.read(h5py.h5s.ALL, h5py.h5s.ALL, raw,
                                  there.id.get_type())
                self.assertEqual(raw.tobytes(), array.tobytes(), name)
                # As h5py shows it.
                if name not in SAID + ("bool",):
                    self.assertEqual(there[...].tobytes(), array.tobytes())
                    self.assertEqual(there.dtype, array.dtype)
            bits = arrays["bf16"].astype(np.uint32) << 16
            shown = file["tensors/all/bf16"][...].astype(np.float32)
            finite = np.isfinite(bits.view(np.float32))
            self.assertTrue((shown.view(np.uint32) == bits)[finite].all())
            self.assertTrue(finite.any())
        for name, array in arrays.items():
            if not array.size:
                continue
            self.assertEqual(h5dump(self.path("dump"), path,
                                    f"/tensors/all/{name}"),
                             array.tobytes(), name)

    def test_memory_of_any_order_is_saved_as_it_looks(self):
        plain = np.arange(24, dtype=np.int32).reshape(4, 6)
        self.saver.save(1, {"t": plain.T, "step": plain[::2, ::3],
                            "big": plain.astype(">i4"), "list": [1.5, 2.5]})
        got = self.latest()
        self.assertTrue((got.load("t") == plain.T).all())
        self.assertTrue((got.load("step") == plain[::2, ::3]).all())
        self.assertTrue((got.load("big") == plain).all())
        self.assertEqual(got.load("list").tolist(), [1.5, 2.5])

    def test_states_and_metrics(self):
        tree = {"a": [1, 0.1, None, "ä", True], "n": 2**70}
        self.saver.save(3, states={"raw": b"\0\xff", "none": b"",
                                   "json": tree},
                        metrics={"loss": 0.1, "nan": float("nan")})
        got = self.latest()
        self.assertEqual(got.state("raw"), b"\0\xff")
        self.assertEqual(got.state("none"), b"")
        self.assertEqual(got.json("json"), tree)
        self.assertEqual(got.states["raw"], 2)
        self.assertEqual(got.metrics["loss"], 0.1)
        self.assertTrue(np.isnan(got.metrics["nan"]))
        with self.assertRaises(mlbatch.Error) as caught:
            got.json("raw")
        self.assertEqual(caught.exception.code, mlbatch.Code.BAD_INPUT)
        with self.assertRaises(mlbatch.Error) as caught:
            got.state("nosuch")
        self.assertEqual(caught.exception.code, mlbatch.Code.NOT_FOUND)

    def test_parts_are_loaded(self):
        array = np.arange(7 * 9 * 5, dtype=np.float64).reshape(7, 9, 5)
        self.saver.save(1, {"a": array})
        got = self.latest()
        part = got.load("a", ((2, 0, 1), (3, 9, 2)))
        self.assertTrue((part == array[2:5, :, 1:3]).all())
        out = np.zeros((1, 1, 5))
        self.assertIs(got.load("a", ((6, 8, 0), (1, 1, 5)), out), out)
        self.assertTrue((out == array[6:, 8:]).all())
        for box in (((7, 0, 0), (1, 1, 1)), ((0, 0), (1, 1)),
                    ((-1, 0, 0), (1, 1, 1))):
            with self.assertRaises(mlbatch.Error):
                got.load("a", box)
        with self.assertRaises(mlbatch.Error) as caught:
            got.load("b")
        self.assertEqual(caught.exception.code, mlbatch.Code.NOT_FOUND)

    def test_in_the_background(self):
        array = np.ones(1 << 20, np.float32)
        self.saver.save(1, {"a": array}, background=True)
        array[:] = 2
        self.saver.wait()
        self.assertFalse(self.saver.poll())
        self.assertTrue((self.latest().load("a") == 1).all())
        self.saver.save(2, {"a": array}, background=True)
        while not self.saver.poll():
            pass
        self.assertEqual(self.latest().step, 2)

    def test_what_is_not_kept_goes(self):
        self.saver.close()
        with mlbatch.Saver(self.path("few"), keep=1, best=1, metric="loss",
                           slots=0) as saver:
            for step, loss in ((1, 5.0), (2, 1.0), (3, 4.0), (4, 3.0)):
                saver.save(step, {"a": np.zeros(3)}, metrics={"loss": loss})
        names = sorted(name for name in os.listdir(self.path("few"))
                       if name.startswith("step-"))
        self.assertEqual([int(name[5:17]) for name in names], [2, 4])

    def test_damage_is_found_and_the_one_before_taken(self):
        self.assertIsNone(self.latest())
        array = np.random.default_rng(1).random(5000)
        self.saver.save(1, {"a": array})
        self.saver.save(2, {"a": array + 1})
        path = self.latest().path
        with open(path, "r+b") as file:
            at = file.read().index((array + 1)[100:200].tobytes())
            file.seek(at)
            file.write(b"damage")
        got = self.latest()
        self.assertEqual(got.step, 1)
        self.assertIn(os.path.basename(path), got.note)
        with self.assertRaisesRegex(mlbatch.Error, "'?a'?") as caught:
            mlbatch.Checkpoint(path).load("a")
        self.assertEqual(caught.exception.code, mlbatch.Code.BAD_INPUT)

    def test_what_cannot_be_saved_is_refused(self):
        zeros = np.zeros(2)
        self.saver.save(1, {"a": zeros})
        for tensors, states in (
                ({"": zeros}, {}), ({"../a": zeros}, {}),
                ({"a": np.zeros((1,) * 9)}, {}), ({"a": [object()]}, {}),
                ({"a": np.array(["text"])}, {}),
                ({"a": np.zeros(2, "M8[s]")}, {}),
                ({"a": mlbatch.Shard(zeros, dtype="bf16")}, {}),
                ({"a": mlbatch.Shard(zeros, dtype="nosuch")}, {}),
                ({"a": mlbatch.Shard(zeros, shape=(4,))}, {}),
                ({"a": mlbatch.Shard(zeros, (4,), (3,))}, {}),
                ({"a": zeros, "a/b": zeros}, {}),
                ({}, {"s": {1, 2}}), ({}, {"s": float("nan")}),
                ({}, {"s\0": b""}), ({}, {"../s": b""})):
            with self.assertRaises(mlbatch.Error, msg=(tensors, states)):
                self.saver.save(2, tensors, states)
        for step in (1, -1, 1.5):
            with self.assertRaises(mlbatch.Error):
                self.saver.save(step, {"a": zeros})
        # None of this has harmed anything.
        self.saver.save(2, {"a": zeros})
        self.assertEqual(self.latest().step, 2)

    def test_a_second_writer_is_refused(self):
        with self.assertRaises(mlbatch.Error) as caught:
            mlbatch.Saver(self.path("ckpt"))
        self.assertEqual(caught.exception.code, mlbatch.Code.FAILED)
        self.saver.close()
        mlbatch.Saver(self.path("ckpt")).close()
        with self.assertRaisesRegex(mlbatch.Error, "closed"):
            self.saver.save(1)


class Meeting:
    """Ranks that are threads of one process."""

    def __init__(self, size):
        self.size = size
        self.barrier = threading.Barrier(size, timeout=60)
        self.slots = [None] * size

    def exchange(self, rank, data):
        self.slots[rank] = data
        self.barrier.wait()
        result = list(self.slots)
        self.barrier.wait()
        return result

    def group(self, rank):
        def broadcast(memory):
            memory[:] = list(self.exchange(rank, bytes(memory))[0])

        def gather(memory, everything):
            parts = self.exchange(rank, bytes(memory))
            if everything is not None:
                everything[:] = list(b"".join(parts))

        return mlbatch.Group(rank, self.size, broadcast, gather)

    def run(self, work):
        """work(group) on each rank: what they return or raise."""
        results = [None] * self.size

        def one(rank):
            try:
                results[rank] = work(self.group(rank))
            except mlbatch.Error as error:
                results[rank] = error

        threads = [threading.Thread(target=one, args=(r,))
                   for r in range(self.size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        return results


class TestGroup(InDirectory):
    whole = np.arange(10 * 6, dtype=np.float32).reshape(10, 6)

    def part(self, rank, size):
        first, last = 10 * rank // size, 10 * (rank + 1) // size
        return mlbatch.Shard(self.whole[first:last], (10, 6), (first, 0))

    def test_ranks_save_parts_of_a_tensor(self):
        def work(group):
            with mlbatch.Saver(self.path("ckpt"), group) as saver:
                saver.save(1, {"a": self.part(group.rank, group.size),
                               "same": self.whole},
                           {f"rng/{group.rank}": bytes([group.rank])})
                found = mlbatch.latest(self.path("ckpt"), group)
                return found.load("a"), found.load("same"), [
                    found.state(f"rng/{r}")[0] for r in range(group.size)]

        for a, same, states in Meeting(3).run(work):
            self.assertTrue((a == self.whole).all())
            self.assertTrue((same == self.whole).all())
            self.assertEqual(states, [0, 1, 2])

    def test_what_fails_on_one_fails_on_all(self):
        def work(group):
            with mlbatch.Saver(self.path("ckpt"), group) as saver:
                try:
                    saver.save(1, {"a": [object()] if group.rank == 1
                                   else self.whole})
                except mlbatch.Error as error:
                    failed = error
                saver.save(2, {"a": self.whole})
                return failed

        zero, one = Meeting(2).run(work)
        self.assertIn("rank 1", str(zero))
        self.assertIn("a: arrays of object", str(one))
        self.assertEqual(mlbatch.latest(self.path("ckpt")).step, 2)

    def test_parts_that_are_missing_are_told(self):
        def work(group):
            with mlbatch.Saver(self.path("ckpt"), group) as saver:
                saver.save(1, {"a": self.part(group.rank + 1, 4)})

        for error in Meeting(2).run(work):
            self.assertIsInstance(error, mlbatch.Error)
        self.assertIsNone(mlbatch.latest(self.path("ckpt")))

    def test_what_a_call_of_ours_raises_is_the_cause(self):
        def broken(*_):
            raise RuntimeError("the network is gone")

        group = mlbatch.Group(1, 2, broken, broken)
        with self.assertRaises(mlbatch.Error) as caught:
            mlbatch.Saver(self.path("ckpt"), group)
        self.assertIn("network", str(caught.exception.__cause__))


if __name__ == "__main__":
    unittest.main()
