# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the Python module share.

MLB_STORE_PROGRAM is mlbatch-store; MLB_LIBRARY and PYTHONPATH say which
module is tested."""
import os
import shutil
import subprocess
import tempfile
import unittest

import numpy as np


class InDirectory(unittest.TestCase):
    """Each test in a new directory, self.dir."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="mlbp.")
        self.addCleanup(shutil.rmtree, self.dir)

    def path(self, *names):
        return os.path.join(self.dir, *names)


def import_data(store, name, source, *options):
    """Import a file into a store: the path of the version."""
    program = os.environ["MLB_STORE_PROGRAM"]
    subprocess.run([program, f"--store={store}", "dataset", "import", name,
                    source, *options], check=True,
                   stdout=subprocess.DEVNULL)
    folder = os.path.join(store, "datasets", name)
    versions = [one for one in os.listdir(folder) if os.path.exists(
        os.path.join(folder, one, "manifest.json"))]
    assert len(versions) == 1, versions
    return os.path.join(folder, versions[0])


def h5dump(scratch, path, name):
    """The bytes of an array of a file, as h5dump reads them."""
    subprocess.run(["h5dump", "-b", "FILE", "-o", scratch, "-d", name, path],
                   check=True, stdout=subprocess.DEVNULL)
    with open(scratch, "rb") as file:
        return file.read()


def make_table(directory, rows, columns=7, seed=5):
    """A data set of random whole numbers with splits train and test:
    (its path, x, y)."""
    random = np.random.default_rng(seed)
    x = random.integers(-1000, 1000, (rows, columns)).astype(np.float32)
    y = random.integers(0, 10, rows).astype(np.int32)
    source = os.path.join(directory, "table.csv")
    np.savetxt(source, np.column_stack([x, y]), fmt="%d", delimiter=",")
    path = import_data(os.path.join(directory, "store"), "table", source,
                       "--label", "last", "--split", "train=0.75",
                       "--split", "test=0.25")
    return path, x, y
