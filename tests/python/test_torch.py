# SPDX-License-Identifier: BSD-3-Clause
"""PyTorch: loaders, workers, samplers, and state that comes back exactly."""
import ast
import collections
import glob
import multiprocessing
import os
import random
import re
import subprocess
import sys
import unittest
import unittest.mock

import numpy as np
import torch
import torch.distributed
from support import InDirectory, import_data, make_table
from torch import nn

import mlbatch
import mlbatch.torch
from mlbatch import _tree

ROWS = 300
# Test programs fork: without threads, which a child would lack.
torch.set_num_threads(1)


def same(a, b):
    """Equal in every type, order and bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return (a.dtype == b.dtype and a.shape == b.shape and
                mlbatch._tensors.as_array(a)[0].tobytes() ==
                mlbatch._tensors.as_array(b)[0].tobytes())
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and \
            a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return len(a) == len(b) and all(
            same(k, q) and same(v, w)
            for (k, v), (q, w) in zip(a.items(), b.items()))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(7, 9), nn.BatchNorm1d(9), nn.ReLU(),
                         nn.Linear(9, 4).to(torch.float64))


def steps(model, optimizer, scheduler, count):
    for _ in range(count):
        optimizer.zero_grad()
        hidden = model[2](model[1](model[0](torch.randn(16, 7))))
        model[3](hidden.double()).square().mean().backward()
        optimizer.step()
        scheduler.step()


def trained(seed, count):
    model = network(seed)
    optimizer = torch.optim.Adam(
        [{"params": model[0].parameters(), "lr": 0.01},
         {"params": [*model[1].parameters(), *model[3].parameters()],
          "betas": (0.8, 0.9)}], lr=0.02, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 5, 5])
    steps(model, optimizer, scheduler, count)
    return model, optimizer, scheduler


class TestState(InDirectory):
    def setUp(self):
        super().setUp()
        self.saver = mlbatch.Saver(self.path("ckpt"), keep=0)
        self.addCleanup(self.saver.close)

    def test_adam_and_model_come_back_exactly(self):
        first = trained(1, 4)
        names = ("model", "optimizer", "scheduler")
        mlbatch.torch.save(self.saver, 4, metrics={"loss": 2.5},
                           **dict(zip(names, first)))
        want = [one.state_dict() for one in first]
        want = [same(w, w) and w for w in want]
        second = trained(2, 1)
        at = mlbatch.torch.load(self.path("ckpt"), **dict(zip(names, second)))
        self.assertEqual((at.step, at.metrics, at.data, at.note),
                         (4, {"loss": 2.5}, {}, ""))
        for name, one, wanted in zip(names, second, want):
            self.assertTrue(same(one.state_dict(), wanted), name)
        # And both go on alike, as their random numbers do, too.
        numbers = torch.rand(3), np.random.rand(), random.random()
        steps(*first, 3)
        mlbatch.torch.load(self.path("ckpt"), **{})
        self.assertTrue(same(numbers, (torch.rand(3), np.random.rand(),
                                       random.random())))
        steps(*second, 3)
        for one, other in zip(first, second):
            self.assertTrue(same(one.state_dict(), other.state_dict()))

    def test_plain_data_of_every_kind(self):
        tied = torch.arange(6.0).reshape(2, 3)
        data = {
            "none": None, "yes": True, "big": 2**80, "zero": -0.0,
            "floats": [0.1, float("nan"), float("inf"), -float("inf"),
                       5e-324],
            "text": "ä\n\0", "bytes": b"\0\xff", "tuple": ((), (1, [2])),
            "complex": complex(-0.0, float("inf")),
            "keys": {1: "a", "$": {"$": 1}, (2, 3): None, None: 1, 1.5: 2},
            "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
            "counter": collections.Counter("abca"),
            "size": torch.Size([2, 3]), "dtype": torch.bfloat16,
            "device": torch.device("cpu"), "array": np.arange(5)[::2],
            "scalar": np.float32(0.1), "u64": np.uint64(2**64 - 1),
            "tied": [tied, tied], "turned": tied.t(), "point": tied[0, 0],
            "empty": torch.empty(0, 3), "grad": nn.Parameter(tied).data,
            "conj": torch.tensor([1 + 2j]).conj(),
            "a": {"b": torch.zeros(1)}, "a.b": torch.ones(1),
            "x/../y": {"": torch.ones(2)}, "k" * 400: torch.ones(3),
        }
        for kind in (torch.float64, torch.float16, torch.bfloat16, torch.bool,
                     torch.uint8, torch.int8, torch.int16, torch.int32,
                     torch.int64, torch.complex64, torch.complex128):
            data[str(kind)] = torch.arange(5).to(kind)
        mlbatch.torch.save(self.saver, 1, data=data, rng=False)
        back = mlbatch.torch.load(self.path("ckpt")).data["data"]
        for key, value in data.items():
            self.assertTrue(same(back[key], value.clone() if isinstance(
                value, torch.Tensor) else value), key)
        self.assertEqual(list(back), list(data))
        self.assertIs(back["tied"][0], back["tied"][1])

    def test_what_is_foreign_is_refused_by_name(self):
        class Own:
            pass

        for bad in (Own(), print, {1}, collections.defaultdict(list),
                    torch.zeros(2).to_sparse(), np.array([object()]),
                    torch.Generator()):
            with self.assertRaisesRegex(mlbatch.Error, "mine") as caught:
                mlbatch.torch.save(self.saver, 1, mine={"deep": [bad]})
            self.assertEqual(caught.exception.code, mlbatch.Code.USAGE)
        round_and_round = []
        round_and_round.append(round_and_round)
        with self.assertRaisesRegex(mlbatch.Error, "deep"):
            mlbatch.torch.save(self.saver, 1, mine=round_and_round)
        self.assertIsNone(mlbatch.torch.load(self.path("ckpt")))

    def test_hostile_states_are_errors(self):
        unpacker = _tree.Unpacker(None, None)
        for bad in ({"$": "nosuch"}, {"$": 1}, {"$": ["dict"]},
                    {"$": "dict"}, {"$": "dict", "items": [[[], 1]]},
                    {"$": "float", "value": "x"},
                    {"$": "dtype", "value": "load"},
                    {"$": "bytes", "value": "?"}, {"$": "tensor"}):
            with self.assertRaises(mlbatch.Error) as caught:
                unpacker.unpack([bad])
            self.assertEqual(caught.exception.code, mlbatch.Code.BAD_INPUT)
        for states in ({}, {"torch": 1}, {"torch": {"format": "other"}},
                       {"torch": {"format": "mlbatch-torch", "version": 2,
                                  "objects": {}}}):
            step = len(os.listdir(self.path("ckpt"))) + 1
            self.saver.save(step, {}, states)
            with self.assertRaises(mlbatch.Error):
                mlbatch.torch.load(self.path("ckpt"))

    def test_one_by_its_path_and_only_some_of_it(self):
        for step in (1, 2):
            mlbatch.torch.save(self.saver, step, step=step, w=torch.ones(3),
                               model=network(step))
        path = mlbatch.latest(self.path("ckpt")).path
        self.saver.save(3, {})
        model = network(5)
        at = mlbatch.torch.load(path, model=model)
        self.assertTrue(same(model.state_dict(), network(2).state_dict()))
        self.assertEqual((at.step, at.path, at.data["step"]), (2, path, 2))
        for where in ("meta", {"cpu": "meta"}, lambda device: "meta"):
            at = mlbatch.torch.load(path, map_location=where, model=None)
            self.assertEqual(at.data["w"].device.type, "meta")
            self.assertEqual(list(at.data), ["step", "w"])
        with self.assertRaisesRegex(mlbatch.Error, "optimizer.*model"):
            mlbatch.torch.load(path, optimizer=network(1))

    def test_a_wrapped_model_is_saved_as_it_is(self):
        with one_rank(self.path("meet")):
            model = network(1)
            wrapped = nn.parallel.DistributedDataParallel(model)
            self.assertIsNone(mlbatch.torch_group())
            mlbatch.torch.save(self.saver, 1, model=wrapped)
            plain = network(2)
            mlbatch.torch.load(self.path("ckpt"), model=plain)
            self.assertTrue(same(plain.state_dict(), model.state_dict()))
            mlbatch.torch.load(self.path("ckpt"), model=wrapped)

    def test_nothing_is_pickled(self):
        def never(*_, **__):
            raise AssertionError("something was pickled")

        folder = os.path.dirname(mlbatch.__file__)
        files = glob.glob(os.path.join(folder, "*.py"))
        self.assertGreater(len(files), 5)
        for name in files:
            with open(name, encoding="utf-8") as file:
                for node in ast.walk(ast.parse(file.read())):
                    names = [a.name for a in getattr(node, "names", [])
                             if isinstance(a, ast.alias)]
                    names.append(getattr(node, "module", None) or "")
                    for bad in ("pickle", "marshal", "shelve", "dill"):
                        self.assertNotIn(bad, " ".join(names), name)
        first = trained(1, 2)
        with unittest.mock.patch.multiple(
                "pickle", dump=never, dumps=never, load=never, loads=never,
                Pickler=never, Unpickler=never):
            mlbatch.torch.save(self.saver, 1, model=first[0],
                               optimizer=first[1])
            mlbatch.torch.load(self.path("ckpt"), model=first[0],
                               optimizer=first[1])


class one_rank:
    """torch.distributed with this process alone."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{self.path}", rank=0, world_size=1)

    def __exit__(self, *_):
        torch.distributed.destroy_process_group()


def save_as_rank(folder, rank, size):
    """What each process of the test below does; exits with 0 if right."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank,
        world_size=size)
    group = mlbatch.torch_group(timeout=60)
    whole = torch.arange(12.0).reshape(3, 4)
    with mlbatch.Saver(f"{folder}/ckpt", group) as saver:
        saver.save(1, {"a": mlbatch.Shard(whole[rank:rank + 1], (3, 4),
                                          (rank, 0))})
        torch.manual_seed(rank)
        mlbatch.torch.save(saver, 2, background=True, w=whole)
        want = torch.rand(2)
        saver.wait()
        at = mlbatch.torch.load(saver.directory, group=group)
        assert at.step == 2 and (at.data["w"] == whole).all()
        assert (torch.rand(2) == want).all()
        try:
            mlbatch.torch.save(saver, 3, w=print if rank == 2 else 1)
        except mlbatch.Error as error:
            assert "rank 2" in str(error) or rank == 2, error
        else:
            raise AssertionError("rank 2 has saved a function")
        found = mlbatch.latest(saver.directory, group)
        assert found.step == 2, found.step
        with mlbatch.Checkpoint(found.path.replace("2.", "1.")) as one:
            assert (one.load("a") == whole.numpy()).all()


class TestGroup(InDirectory):
    def test_three_processes_save_together(self):
        fork = multiprocessing.get_context("fork")
        ranks = [fork.Process(target=save_as_rank, args=(self.dir, r, 3))
                 for r in range(3)]
        for rank in ranks:
            rank.start()
        for rank in ranks:
            rank.join(120)
        self.assertEqual([rank.exitcode for rank in ranks], [0, 0, 0])


class TestData(InDirectory):
    def setUp(self):
        super().setUp()
        self.data, self.x, self.y = make_table(self.dir, ROWS)
        self.d = mlbatch.Dataset(self.data)
        self.train = mlbatch.torch.Dataset(self.data, "train")

    def sampler(self, **options):
        return mlbatch.torch.BatchSampler(self.train, 32, seed=3, **options)

    def loader(self, **options):
        return mlbatch.torch.Loader(self.d, "train", 32, seed=3, **options)

    def check(self, batch, ids):
        self.assertTrue((batch["x"].numpy() == self.x[ids]).all())
        self.assertTrue((batch["y"].numpy() == self.y[ids]).all())

    def test_the_loader_gives_tensors_over_its_memory(self):
        loader, plain = self.loader(), mlbatch.Loader(self.d, "train", 32, 3)
        for batch, other in zip(loader, plain):
            self.assertEqual(batch.ids.tolist(), other.ids.tolist())
            self.check(batch, other.ids.astype(int))
        batch = self.loader(device="cpu", copy=True).next()
        self.assertEqual(batch["x"].dtype, torch.float32)
        one = self.loader()
        first = one.next()["x"].data_ptr()
        self.assertIn(first, [b["x"].data_ptr() for b in one])

    def test_rows_by_number(self):
        ids = self.d.split_ids("train").astype(int)
        self.assertEqual(len(self.train), len(ids))
        self.assertEqual(self.train[-1]["y"], self.y[ids[-1]])
        self.check(self.train[[4, 2, 2]], ids[[4, 2, 2]])
        with self.assertRaises(IndexError):
            self.train[len(ids)]
        with self.assertRaises(IndexError):
            self.train[-len(ids) - 1]
        turned = mlbatch.torch.Dataset(self.data, "train", ["y"],
                                       lambda row: -row["y"])
        self.assertEqual(turned[3], -self.y[ids[3]])
        self.assertEqual([int(v) for v in turned.__getitems__([3, 5])],
                         [-self.y[ids[3]], -self.y[ids[5]]])

    def test_workers_may_fork_and_spawn(self):
        ids = self.d.split_ids("train").astype(int)
        self.train[0]            # opened here before they fork
        for context, workers in (("fork", 2), ("spawn", 1)):
            loader = torch.utils.data.DataLoader(
                self.train, batch_size=None, sampler=self.sampler(),
                num_workers=workers, multiprocessing_context=context)
            for batch, want in zip(loader, self.loader()):
                self.check(batch, want.ids.numpy())
        loader = torch.utils.data.DataLoader(
            self.train, batch_size=16, num_workers=2,
            multiprocessing_context="fork")
        for i, batch in enumerate(loader):
            self.check(batch, ids[16 * i:16 * (i + 1)])
        self.check(self.train[[0, 1]], ids[[0, 1]])

    def test_the_sampler_has_the_loaders_order(self):
        ids = self.d.split_ids("train").astype(int)
        for rank, world in ((0, 1), (0, 3), (2, 3)):
            for options in ({}, {"shuffle": False}, {"drop_last": True},
                            {"block": 8}):
                options = {**options, "rank": rank, "world_size": world}
                loader, sampler = self.loader(**options), \
                    self.sampler(**options)
                single = mlbatch.torch.Sampler(self.train, 32, 3, **options)
                for _ in range(2):
                    want = [b.ids.tolist() for b in loader]
                    self.assertEqual(len(sampler), len(want))
                    self.assertEqual(len(single), sum(map(len, want)))
                    self.assertEqual([ids[b].tolist() for b in sampler],
                                     want)
                    self.assertEqual(ids[list(single)].tolist(),
                                     sum(want, []))
                    self.assertEqual(sampler.epoch, loader.epoch)

    def test_the_sampler_goes_on(self):
        sampler = self.sampler()
        batches = list(sampler)
        sampler.set_epoch(0)
        for i, _ in enumerate(sampler):
            if i == 4:           # two of the five have been used, say
                break
        state = sampler.state_dict(2)
        other = self.sampler(rank=1, world_size=2)
        other.load_state_dict(state)
        self.assertEqual(len(other), len(batches) - 2)
        self.assertEqual(list(other),
                         [b[len(b) - len(b) // 2:] for b in batches[2:]])
        self.assertEqual((other.epoch, other.state_dict()["position"]),
                         (1, 0))
        loader = self.loader()
        loader.load_state_dict(state)
        other.load_state_dict(loader.state_dict())
        single = mlbatch.torch.Sampler(10, global_batch=4, drop_last=True)
        single.load_state_dict({**single.state_dict(), "position": 10})
        self.assertEqual(len(single), 0)
        for block in (-1, 1 << 32):
            with self.assertRaisesRegex(mlbatch.Error, "^block"):
                mlbatch.torch.BatchSampler(10, global_batch=3, block=block)
        for bad in ({}, {**state, "rows": 5}, {**state, "position": 226}):
            with self.assertRaises(mlbatch.Error) as caught:
                other.load_state_dict(bad)
            self.assertEqual(caught.exception.code, mlbatch.Code.BAD_INPUT)


class TestManual(InDirectory):
    def test_the_example_of_the_manual_learns(self):
        with open(os.path.join(os.environ["MLB_TOP"], "doc", "man",
                               "mlbatch-python.3.scd"),
                  encoding="utf-8") as file:
            program, = re.findall("\n```\n(import sys\n.*?)\n```\n",
                                  file.read(), re.DOTALL)
        digits = os.path.join(os.environ["MLB_TOP"], "contrib", "examples",
                              "digits", "digits.csv.gz")
        data = import_data(self.path("store"), "digits", digits, "--label",
                           "last", "--split", "train=0.8")
        for steps in (150, 250):
            subprocess.run(
                [sys.executable, "-c", program.replace("1000", str(steps))],
                env={**os.environ, "MLB_DATA_TRAIN": data}, cwd=self.dir,
                check=True)
        last = mlbatch.latest(self.path("checkpoints"))
        self.assertEqual(last.step, 250)
        self.assertIn("model/weight", last.tensors)


class TestTypes(InDirectory):
    def test_batches_of_every_type(self):
        kinds = "f8 f4 f2 i8 i4 i2 i1 u4 u2 u1 ? c8".split()
        arrays = {f"a{i}": np.arange(40).astype(kind)
                  for i, kind in enumerate(kinds)}
        np.savez(self.path("all.npz"), **arrays)
        d = mlbatch.Dataset(import_data(self.path("store"), "all",
                                        self.path("all.npz")))
        for batch in mlbatch.torch.Loader(d, global_batch=16, seed=1):
            for name, array in arrays.items():
                self.assertEqual(batch[name].tolist(),
                                 array[batch.ids.numpy()].tolist())

    def test_texts(self):
        with open(self.path("lines.txt"), "w", encoding="ascii") as file:
            file.writelines("x" * (1 + i) + "\n" for i in range(20))
        path = import_data(self.path("store"), "lines",
                           self.path("lines.txt"))
        data = mlbatch.torch.Dataset(path)
        (name, row), = data[4].items()
        self.assertEqual(bytes(row.numpy()), b"xxxxx")
        loader = torch.utils.data.DataLoader(
            data, batch_size=None, num_workers=1, multiprocessing_context=
            "fork", sampler=mlbatch.torch.BatchSampler(data, 8, seed=1))
        for batch, want in zip(loader, mlbatch.torch.Loader(
                mlbatch.Dataset(path), global_batch=8, seed=1)):
            self.assertEqual([len(r) for r in batch[name]],
                             [i + 1 for i in want.ids.tolist()])
            self.assertEqual([len(r) for r in want[name]],
                             [i + 1 for i in want.ids.tolist()])

    def test_unsigned_numbers_keep_their_value(self):
        for name in ("u16", "u32", "u64"):
            top = np.iinfo(mlbatch._dtypes.NUMPY[name]).max >> 1
            array = np.array([0, top, 1], mlbatch._dtypes.NUMPY[name])
            tensor = mlbatch._tensors.as_tensor(array, name)
            self.assertEqual(tensor.tolist(), array.tolist())
        with self.assertRaises(mlbatch.Error):
            mlbatch._tensors.as_tensor(np.array([1 << 63], np.uint64), "u64")

    def test_bf16_shares_its_memory(self):
        array = np.array([0x3f80, 0xc000], np.uint16)
        tensor = mlbatch._tensors.as_tensor(array, "bf16")
        self.assertEqual(tensor.tolist(), [1.0, -2.0])
        array[0] = 0x4040
        self.assertEqual(tensor.tolist(), [3.0, -2.0])
        self.assertEqual(tensor.dtype, torch.bfloat16)


if __name__ == "__main__":
    unittest.main()
