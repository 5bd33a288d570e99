# SPDX-License-Identifier: BSD-3-Clause
"""How the ranks of a parallel program reach each other to save together."""
import ctypes

from ._library import BROADCAST, GATHER, CGroup, usage


class Group:
    """Ranks 0 to size - 1, over two collective calls of yours:

    broadcast(memory): copy the bytes of rank 0 to all others, in place;
    gather(memory, all): put the bytes of each rank one behind the other into
    all of rank 0; all is None on the other ranks.

    Both get writable ctypes arrays of bytes. What they raise fails the
    library's call on this rank, and is then the cause of the Error.
    """

    def __init__(self, rank, size, broadcast, gather):
        if not 0 <= rank < size:
            raise usage(f"rank {rank} of {size}")
        self.rank = rank
        self.size = size
        self.failure = None
        self._broadcast_bytes = broadcast
        self._gather_bytes = gather
        # Held here: ctypes frees what nobody holds.
        self._calls = BROADCAST(self._broadcast), GATHER(self._gather)
        self.struct = CGroup(rank, size, None, *self._calls)

    def _broadcast(self, _, memory, length):
        # All that is raised is caught: ctypes would return 0 for it.
        try:
            if length:
                self._broadcast_bytes(_at(memory, length))
            return 0
        except BaseException as error:
            self.failure = error
            return -1

    def _gather(self, _, memory, length, everything):
        try:
            if length:
                self._gather_bytes(
                    _at(memory, length),
                    _at(everything, length * self.size) if everything
                    else None)
            return 0
        except BaseException as error:
            self.failure = error
            return -1

    def share(self, text):
        """Rank 0's text (or None) on all ranks."""
        if self.rank or text is None:
            data, length = b"", ctypes.c_int64(-1)
        else:
            data = text.encode("utf-8", "surrogateescape")
            length = ctypes.c_int64(len(data))
        self._broadcast_bytes(_at(ctypes.addressof(length),
                                  ctypes.sizeof(length)))
        if length.value < 0:
            return None
        memory = ctypes.create_string_buffer(data, length.value + 1)
        if length.value:
            self._broadcast_bytes(_at(ctypes.addressof(memory),
                                      length.value))
        return memory.raw[:length.value].decode("utf-8", "surrogateescape")


def _at(address, length):
    return (ctypes.c_ubyte * length).from_address(address)


def torch_group(process_group=None, timeout=600):
    """A Group of the ranks of torch.distributed, or None where there is but
    one rank. Collective.

    process_group: one of the gloo backend, used as it is. None: a new gloo
    group of all ranks, so that saving never meets the program's own
    collectives, with a timeout in seconds after which a missing rank counts
    as gone.
    """
    import datetime

    import torch
    import torch.distributed as dist

    if not dist.is_available() or not dist.is_initialized():
        return None
    if process_group is None:
        if dist.get_world_size() == 1:
            return None
        process_group = dist.new_group(
            backend="gloo", timeout=datetime.timedelta(seconds=timeout))
    elif dist.get_backend(process_group) != "gloo":
        raise usage("a group of the gloo backend is needed, not "
                    f"{dist.get_backend(process_group)}")
    rank = dist.get_rank(process_group)
    size = dist.get_world_size(process_group)
    if size == 1:
        return None
    # Ranks of collectives are those of the whole program.
    members = [torch.zeros(1, dtype=torch.int64) for _ in range(size)]
    dist.all_gather(members, torch.tensor([dist.get_rank()]),
                    group=process_group)
    first = int(members[0])

    def tensor(memory):
        return torch.frombuffer(memory, dtype=torch.uint8)

    def broadcast(memory):
        dist.broadcast(tensor(memory), src=first, group=process_group)

    def gather(memory, everything):
        parts = list(tensor(everything).chunk(size)) if rank == 0 else None
        dist.gather(tensor(memory), parts, dst=first, group=process_group)

    return Group(rank, size, broadcast, gather)
