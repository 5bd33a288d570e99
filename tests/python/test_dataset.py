# SPDX-License-Identifier: BSD-3-Clause
"""Reading data sets: what comes back is what went in, bit for bit."""
import gc
import glob
import os
import subprocess
import sys
import unittest
import unittest.mock
import weakref

import numpy as np
from support import InDirectory, h5dump, import_data, make_table

import mlbatch

ROWS = 300


class TestDataset(InDirectory):
    def setUp(self):
        super().setUp()
        self.data, self.x, self.y = make_table(self.dir, ROWS)
        self.d = mlbatch.Dataset(self.data)

    def test_it_tells_what_it_is(self):
        self.assertEqual(len(self.d), ROWS)
        self.assertEqual(self.d.version, os.path.basename(self.data))
        self.assertEqual(self.d.fields["x"],
                         mlbatch.Field("x", "f32", (7,), False, ""))
        self.assertEqual(self.d.fields["y"].numpy, np.dtype("<i4"))
        self.assertEqual(self.d.splits, {"train": 225, "test": 75})
        both = np.concatenate([self.d.split_ids("train"),
                               self.d.split_ids("test")])
        self.assertEqual(sorted(both.tolist()), list(range(ROWS)))
        stats = self.d.stats("x")
        self.assertEqual((stats.min, stats.max, stats.count),
                         (self.x.min(), self.x.max(), self.x.size))
        self.assertAlmostEqual(stats.mean, float(self.x.mean()), 3)

    def test_rows_are_those_of_the_source(self):
        ids = np.random.default_rng(1).integers(0, ROWS, 256)
        self.assertTrue((self.d.read("x", ids) == self.x[ids]).all())
        out = np.empty((256, 7), np.float32)
        self.assertIs(self.d.read("x", ids, out=out), out)
        self.assertTrue((out == self.x[ids]).all())
        rows = self.d.rows([5, 1])
        self.assertTrue((rows["y"] == self.y[[5, 1]]).all())
        self.assertEqual(self.d.read("x", []).shape, (0, 7))

    def test_wrong_calls_say_so(self):
        for bad in ([-1], [ROWS], np.array([1 << 63], np.uint64)):
            with self.assertRaises(IndexError):
                self.d.read("x", bad)
        for bad in ([1.5], [[1]], ["a"]):
            with self.assertRaises(mlbatch.Error) as caught:
                self.d.read("x", bad)
            self.assertEqual(caught.exception.code, mlbatch.Code.USAGE)
        with self.assertRaisesRegex(mlbatch.Error, "no field 'z'.*x, y"):
            self.d.read("z", [0])
        for out in (np.empty((2, 7)), np.empty((7, 2), np.float32).T,
                    np.empty((1, 7), np.float32), [0]):
            with self.assertRaisesRegex(mlbatch.Error, "^out"):
                self.d.read("x", [0, 1], out=out)
        with self.assertRaises(mlbatch.Error) as caught:
            mlbatch.Dataset(self.path("none"))
        self.assertEqual(caught.exception.code, mlbatch.Code.NOT_FOUND)
        with self.assertRaises(mlbatch.Error) as caught:
            self.d.split_rows("nosuch")
        self.assertEqual(caught.exception.code, mlbatch.Code.NOT_FOUND)
        self.d.close()
        with self.assertRaisesRegex(mlbatch.Error, "closed"):
            len(self.d)

    def test_the_environment_names_it(self):
        names = {"MLB_DATA_TRAIN": None, "MLB_DATA_A": None,
                 "MLB_DATA_B": None}
        with unittest.mock.patch.dict(os.environ):
            for name in names:
                os.environ.pop(name, None)
            with self.assertRaisesRegex(mlbatch.Error, "MLB_DATA_TRAIN"):
                mlbatch.Dataset()
            os.environ["MLB_DATA_A"] = self.data
            self.assertEqual(mlbatch.Dataset().path, self.data)
            os.environ["MLB_DATA_B"] = self.path("none")
            with self.assertRaisesRegex(mlbatch.Error, "A, MLB_DATA_B"):
                mlbatch.Dataset()
            os.environ["MLB_DATA_TRAIN"] = self.data
            self.assertEqual(len(mlbatch.Dataset()), ROWS)

    def test_a_damaged_row_is_named(self):
        shard, = glob.glob(os.path.join(self.data, "shard-*.h5"))
        with open(shard, "r+b") as file:
            at = file.read().index(self.x[17].tobytes())
            os.chmod(shard, 0o600)
            file.seek(at)
            file.write(b"\xff")
        damaged = mlbatch.Dataset(self.data)
        self.assertTrue((damaged.read("x", [16]) == self.x[16]).all())
        with self.assertRaisesRegex(mlbatch.Error, "17") as caught:
            damaged.read("x", [16, 17])
        self.assertEqual(caught.exception.code, mlbatch.Code.BAD_INPUT)

    def test_every_array_is_the_same_in_h5py_and_h5dump(self):
        import h5py
        shard, = glob.glob(os.path.join(self.data, "shard-*.h5"))
        ids = range(ROWS)
        with h5py.File(shard, "r") as file:
            for field in self.d.fields:
                ours = self.d.read(field, ids)
                theirs = file["fields"][field][...]
                self.assertEqual(ours.tobytes(), theirs.tobytes())
                self.assertEqual(ours.dtype, theirs.dtype)
            for split in self.d.splits:
                self.assertTrue((file["splits"][split][...] ==
                                 self.d.split_ids(split)).all())
        self.assertEqual(h5dump(self.path("dump"), shard, "/fields/x"),
                         self.x.tobytes())


class TestLoader(InDirectory):
    def setUp(self):
        super().setUp()
        self.data, self.x, self.y = make_table(self.dir, ROWS)
        self.d = mlbatch.Dataset(self.data)

    def loader(self, **options):
        return mlbatch.Loader(self.d, "train", 32, seed=3, **options)

    def test_an_epoch_is_every_row_once(self):
        for mode in ("auto", "mapped", "direct"):
            loader, seen = self.loader(mode=mode), []
            for batch in loader:
                ids = batch.ids.astype(int)
                self.assertTrue((batch["x"] == self.x[ids]).all())
                self.assertTrue((batch["y"] == self.y[ids]).all())
                self.assertEqual((batch.offset, batch.total),
                                 (0, len(ids)))
                seen += ids.tolist()
            self.assertEqual(sorted(seen),
                             self.d.split_ids("train").tolist())
            self.assertEqual(len(loader), 8)
            self.assertEqual(loader.epoch, 1)
            self.assertNotEqual(seen, sorted(seen))

    def test_arrays_are_the_loaders_own_and_read_only(self):
        loader = self.loader()
        batch = loader.next()
        with self.assertRaises(ValueError):
            batch["x"][0] = 0
        own = self.loader(copy=True)
        kept = own.next()
        first = kept["x"].copy()
        for _ in own:
            pass
        self.assertTrue((kept["x"] == first).all())
        self.assertTrue((batch["x"] == first).all())
        kept["x"][0] = 0
        # An array holds the loader, and that the data set.
        del loader, own
        self.d = None
        gc.collect()
        self.assertTrue((batch["x"] == first).all())

    def test_ranks_share_a_batch(self):
        whole = self.loader()
        parts = [self.loader(rank=r, world_size=3) for r in range(3)]
        for batch in whole:
            slices = [part.next() for part in parts]
            self.assertEqual(
                np.concatenate([s["x"] for s in slices]).tobytes(),
                batch["x"].tobytes())
            self.assertEqual([s.total for s in slices], [batch.total] * 3)
            self.assertEqual(slices[1].offset, len(slices[0].ids))

    def test_it_goes_on_where_it_stood(self):
        one = self.loader()
        for _ in range(3):
            one.next()
        state = one.state_dict()
        rest = [b.ids.tolist() for b in one] + [one.next().ids.tolist()]
        two = [self.loader(rank=r, world_size=2) for r in range(2)]
        for part in two:
            part.load_state_dict(state)
        ids = [[b.ids.tolist() for b in part] + [part.next().ids.tolist()]
               for part in two]
        self.assertEqual([a + b for a, b in zip(*ids)], rest)
        for bad in ({}, None, {**state, "rows": 1}, {**state, "seed": -1},
                    {**state, "epoch": 1.5}, {**state, "position": 1 << 64}):
            with self.assertRaises(mlbatch.Error) as caught:
                one.load_state_dict(bad)
            self.assertEqual(caught.exception.code, mlbatch.Code.BAD_INPUT)

    def test_wrong_options_say_so(self):
        for bad in ({"mode": "fast"}, {"global_batch": 0},
                    {"global_batch": -1}, {"seed": 1 << 64}, {"rank": 2},
                    {"world_size": 0}, {"split": "nosuch"},
                    {"fields": ["z"]}, {"global_batch": 1.5}):
            with self.assertRaises(mlbatch.Error, msg=bad):
                mlbatch.Loader(self.d, **bad)
        loader = self.loader(fields=["y"])
        self.assertEqual(list(loader.next()), ["y"])
        self.d.close()
        with self.assertRaisesRegex(mlbatch.Error, "closed"):
            loader.next()

    def test_arrays_outlive_what_they_came_from(self):
        for mode in ("mapped", "direct"):
            data = mlbatch.Dataset(self.data)
            loader = mlbatch.Loader(data, global_batch=64, mode=mode)
            batch = loader.next()
            x, life = batch["x"], weakref.ref(loader._handle.life)
            wanted = self.x[batch.ids.astype(int)]
            data.close()
            self.assertTrue((x == wanted).all())
            self.assertIsNotNone(life())
            del batch, loader, data
            self.assertTrue((x == wanted).all())
            del x
            self.assertIsNone(life())

    def test_small_rows_from_all_over_take_little_memory(self):
        np.save(self.path("w.npy"), np.zeros((1 << 20, 4), np.float32))
        data = import_data(self.path("more"), "w", self.path("w.npy"))
        program = (
            "import mlbatch, resource, sys\n"
            "def most(): return resource.getrusage(0).ru_maxrss\n"
            "data = mlbatch.Dataset(sys.argv[1])\n"
            "before = most()\n"
            "loader = mlbatch.Loader(data, global_batch=2048, mode='direct')\n"
            "for _ in range(20): loader.next()\n"
            "print(most() - before)\n")
        done = subprocess.run([sys.executable, "-c", program, data],
                              check=True, stdout=subprocess.PIPE)
        self.assertLess(int(done.stdout), 100 << 10)

    def test_a_ragged_batch_that_is_kept_points_at_memory(self):
        with open(self.path("long.txt"), "w") as f:
            for i in range(5):
                f.write(chr(ord("a") + i) * (10 ** 5 * 4 ** i) + "\n")
        data = mlbatch.Dataset(import_data(self.path("more"), "long",
                                           self.path("long.txt")))
        for mode in ("mapped", "direct"):
            loader = mlbatch.Loader(data, global_batch=1, shuffle=False,
                                    mode=mode, fields=["text"])
            kept = [batch["text"][0] for batch in loader]
            loader.close()
            # Which values they have by now nobody says.
            self.assertEqual([len(one) for one in kept],
                             [10 ** 5 * 4 ** i for i in range(5)])
            self.assertTrue(all(int(one.max()) < 128 for one in kept))


class TestTypes(InDirectory):
    """A field of each type that numpy has, of any bits."""

    def setUp(self):
        super().setUp()
        random = np.random.default_rng(4)
        self.arrays = {}
        for i, kind in enumerate("f8 f4 f2 i8 i4 i2 i1 u8 u4 u2 u1 ? c8 c16"
                                 .split()):
            kind = np.dtype(kind)
            shape = (50, *((), (3,), (2, 5))[i % 3])
            size = int(np.prod(shape)) * kind.itemsize
            data = random.integers(0, 2 if kind == bool else 256, size)
            self.arrays[f"a{i}"] = data.astype(np.uint8).view(kind).reshape(
                shape)
        np.savez(self.path("all.npz"), **self.arrays)
        self.data = import_data(self.path("store"), "all",
                                self.path("all.npz"))

    def test_every_type_comes_back(self):
        d = mlbatch.Dataset(self.data)
        self.assertEqual(set(d.fields), set(self.arrays))
        ids = np.random.default_rng(5).permutation(50)
        for name, array in self.arrays.items():
            rows = d.read(name, ids)
            self.assertEqual(rows.dtype, array.dtype)
            self.assertEqual(rows.tobytes(), array[ids].tobytes())
        for batch in mlbatch.Loader(d, global_batch=16, seed=1):
            for name, array in self.arrays.items():
                self.assertEqual(batch[name].tobytes(),
                                 array[batch.ids.astype(int)].tobytes())

    def test_every_type_is_the_same_in_h5py_and_h5dump(self):
        import h5py
        shard, = glob.glob(os.path.join(self.data, "shard-*.h5"))
        with h5py.File(shard, "r") as file:
            for name, array in self.arrays.items():
                shown = file["fields"][name][...]
                self.assertEqual(shown.tobytes(), array.tobytes())
                self.assertEqual(shown.dtype, "u1" if array.dtype == bool
                                 else array.dtype)
        for name, array in self.arrays.items():
            self.assertEqual(h5dump(self.path("dump"), shard,
                                    f"/fields/{name}"), array.tobytes())


class TestRagged(InDirectory):
    """Texts, whose rows differ in length."""

    def setUp(self):
        super().setUp()
        random = np.random.default_rng(2)
        self.texts = ["".join(map(chr, random.integers(97, 123, n)))
                      for n in random.integers(1, 50, 40)]
        source = self.path("lines.txt")
        with open(source, "w", encoding="utf-8") as file:
            file.write("\n".join(self.texts) + "\n")
        self.d = mlbatch.Dataset(import_data(self.path("store"), "lines",
                                             source))
        self.name, = [f.name for f in self.d.fields.values() if f.ragged]

    def test_rows_are_the_lines(self):
        rows = self.d.read(self.name, [3, 0, 39, 3])
        self.assertEqual([bytes(row).decode() for row in rows],
                         [self.texts[i] for i in (3, 0, 39, 3)])
        self.assertEqual(len(rows), 4)
        self.assertEqual(bytes(rows[-1]), bytes(rows[0]))
        with self.assertRaises(IndexError):
            rows[4]
        self.assertEqual(len(self.d.read_ragged(self.name, [])), 0)

    def test_batches_are_the_lines(self):
        loader = mlbatch.Loader(self.d, global_batch=7, seed=1)
        for batch in loader:
            self.assertEqual(
                [bytes(row).decode() for row in batch[self.name]],
                [self.texts[i] for i in batch.ids.tolist()])


if __name__ == "__main__":
    unittest.main()
