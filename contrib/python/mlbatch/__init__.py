# SPDX-License-Identifier: BSD-3-Clause
"""Data sets, checkpoints and progress for training programs: libmlbatch.

    import mlbatch

    data = mlbatch.Dataset()                # what MLB_DATA_TRAIN names
    loader = mlbatch.Loader(data, split="train", global_batch=256, seed=1)
    saver = mlbatch.Saver()                 # into MLB_CHECKPOINT_DIR
    mlbatch.progress.metric("loss", step, value)

mlbatch.torch (imported on its own) has all that for PyTorch. What fails
raises mlbatch.Error, whose code is a mlbatch.Code.
"""
from . import progress
from ._library import Code, Error
from .checkpoint import Checkpoint, Tensor, latest
from .dataset import Dataset, Field, Ragged, Stats
from .group import Group, torch_group
from .loader import Batch, Loader
from .saver import Saver, Shard

__all__ = ["Batch", "Checkpoint", "Code", "Dataset", "Error", "Field",
           "Group", "Loader", "Ragged", "Saver", "Shard", "Stats", "Tensor",
           "latest", "progress", "torch_group"]
