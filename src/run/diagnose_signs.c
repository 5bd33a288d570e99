/* SPDX-License-Identifier: BSD-3-Clause */
/* The causes, and what programs say when they die of them. */
#include "config.h"

#include "run/diagnose_parts.h"

static const struct {
    const char *name;
    int depth;
    const char *advice[4];
} causes[] = {
    [MLB_CAUSE_UNKNOWN] = { "not known", 0,
      { "Read the whole log: mlbatch logs RUN, mlbatch logs --batch RUN." } },
    [MLB_CAUSE_OUT_OF_MEMORY] = { "out of memory", 3,
      { "Ask for more: resources.memory_per_node, or fewer tasks on a node; "
        "restart.grow asks for more by itself.",
        "mlbatch report RUN shows what each rank used.",
        "Fewer workers of data loaders, or smaller batches, need less." } },
    [MLB_CAUSE_TIMEOUT] = { "timeout", 3,
      { "Ask for more: resources.walltime.",
        "With checkpoints, mlbatch submit --again RUN goes on; with timeout "
        "in restart.on it does so by itself." } },
    [MLB_CAUSE_PREEMPTED] = { "preempted", 3,
      { "mlbatch submit --again RUN goes on from the last checkpoint; with "
        "preempted in restart.on it does so by itself.",
        "Another partition or QOS may not be preempted." } },
    [MLB_CAUSE_NODE_FAILURE] = { "node failure", 3,
      { "The program is not to blame: mlbatch submit --again RUN.",
        "If the same node fails again, tell those who run the cluster." } },
    [MLB_CAUSE_STALLED] = { "stalled", 3,
      { "mlbatch logs --rank=N RUN shows what a rank said last; mlbatch "
        "report RUN which of them did nothing." } },
    [MLB_CAUSE_CANCELLED] = { "cancelled", 3,
      { "mlbatch submit --again RUN goes on from the last checkpoint." } },
    [MLB_CAUSE_COMMAND] = { "command not found", 3,
      { "Check the command's path, and that it is executable (chmod +x).",
        "On nodes, PATH is that of the job: see modules and environment "
        "in mlbatch-job(5)." } },
    [MLB_CAUSE_LIBRARY] = { "library missing", 3,
      { "Load the module or activate the environment in the job: modules "
        "and environment in mlbatch-job(5).",
        "It must be installed where the nodes see it, and built for their "
        "system." } },
    [MLB_CAUSE_CUDA_MEMORY] = { "CUDA out of memory", 3,
      { "Use smaller batches, gradient accumulation or mixed precision.",
        "Ask for GPUs with more memory: resources.constraint.",
        "Is another process on that GPU? nvidia-smi shows it." } },
    [MLB_CAUSE_CUDA_MISMATCH] = { "CUDA mismatch", 3,
      { "The framework's CUDA needs a newer driver or another GPU than the "
        "node has: take a build that fits (nvidia-smi shows the driver's).",
        "Was a GPU asked for? resources.gpus_per_task." } },
    [MLB_CAUSE_DISK_FULL] = { "disk full", 3,
      { "df -h on the file system of that path; also /tmp and /dev/shm.",
        "mlbatch checkpoint prune RUN removes old checkpoints." } },
    [MLB_CAUSE_QUOTA] = { "quota", 3,
      { "quota -s (or the site's own command) shows what is used.",
        "mlbatch checkpoint prune RUN removes old checkpoints." } },
    [MLB_CAUSE_PYTHON] = { "Python exception", 2,
      { "The whole traceback is in the log named above." } },
    [MLB_CAUSE_ASSERTION] = { "assertion", 2,
      { "The program found itself in a state that it says cannot be.",
        "On GPUs, CUDA_LAUNCH_BLOCKING=1 shows where." } },
    [MLB_CAUSE_CRASH] = { "crash", 2,
      { "For Python, PYTHONFAULTHANDLER=1 shows where.",
        "Libraries that do not fit together crash, too." } },
    [MLB_CAUSE_KILLED] = { "killed", 1,
      { "Nobody of the job did it. The kernel does so when a node is out of "
        "memory: mlbatch report RUN shows what each rank used.",
        "dmesg on the node, or those who run it, know more." } },
    [MLB_CAUSE_NCCL] = { "NCCL failure", 1,
      { "Often another rank died or hung first: mlbatch logs --rank=N RUN.",
        "NCCL_DEBUG=WARN says more; NCCL_SOCKET_IFNAME picks the network." } },
    [MLB_CAUSE_MPI] = { "MPI abort", 1,
      { "The rank named above ended all others: mlbatch logs --rank=N RUN." } },
    [MLB_CAUSE_RENDEZVOUS] = { "rendezvous failure", 1,
      { "Do all nodes start the program, and at the same time?",
        "Is the port free and open between the nodes? Use MASTER_ADDR and "
        "MASTER_PORT as mlbatch sets them." } },
    [MLB_CAUSE_ECHO] = { "not known", 0, { NULL } },
};

#define COUNT (sizeof(causes) / sizeof(causes[0]))

const char *cause_name(enum mlb_cause cause)
{
    return causes[(size_t)cause < COUNT ? cause : 0].name;
}

const char *const *cause_advice(enum mlb_cause cause)
{
    return causes[(size_t)cause < COUNT ? cause : 0].advice;
}

int cause_depth(enum mlb_cause cause)
{
    return causes[(size_t)cause < COUNT ? cause : 0].depth;
}

#define OOM MLB_CAUSE_OUT_OF_MEMORY
#define GPU MLB_CAUSE_CUDA_MEMORY
#define FIT MLB_CAUSE_CUDA_MISMATCH
#define LIB MLB_CAUSE_LIBRARY
#define CMD MLB_CAUSE_COMMAND
#define RDV MLB_CAUSE_RENDEZVOUS
#define NCCL MLB_CAUSE_NCCL
#define MPI MLB_CAUSE_MPI
#define NODE MLB_CAUSE_NODE_FAILURE
#define LINE SIGN_LINE
#define SURE SIGN_SURE
#define FATAL SIGN_FATAL

/* The first that fits is taken: what is more special comes first. */
const struct sign diagnose_signs[] = {
    /* Those who end jobs say why. */
    { MLB_CAUSE_TIMEOUT, SURE, "CANCELLED AT ", "DUE TO TIME LIMIT" },
    { MLB_CAUSE_PREEMPTED, SURE, "CANCELLED AT ", "DUE TO PREEMPTION" },
    { NODE, SURE, "CANCELLED AT ", "DUE TO NODE FAILURE" },
    { MLB_CAUSE_ECHO, SURE, "CANCELLED AT ", "DUE TO JOB REQUEUE" },
    { MLB_CAUSE_CANCELLED, SURE, "slurmstepd: error: *** JOB ",
      "CANCELLED AT " },
    { MLB_CAUSE_TIMEOUT, SURE, "=>> PBS: job killed: walltime ", NULL },
    { OOM, SURE, "=>> PBS: job killed: mem ", NULL },
    { OOM, SURE, "=>> PBS: job killed: vmem ", NULL },
    { OOM, SURE, "slurmstepd: error: Detected ", " oom_kill event" },
    { OOM, SURE, "slurmstepd: error: Detected ", " oom-kill event" },
    { OOM, SURE, "slurmstepd: error: Exceeded ", " memory limit" },
    { OOM, SURE, "slurmstepd: error: ", " exceeded memory limit" },
    { OOM, SURE, "srun: error: ", ": Out Of Memory" },
    { OOM, SURE, "ut of memory: Killed process ", NULL },
    { OOM, SURE, "ut of memory: Kill process ", NULL },
    { NODE, SURE, "srun: error: Node failure on ", NULL },
    { NODE, SURE, "lost communication with a remote daemon", NULL },

    /* Memory. */
    { GPU, FATAL, "CUDA out of memory", NULL },
    { GPU, FATAL, "HIP out of memory", NULL },
    { GPU, FATAL, "CUDA error: out of memory", NULL },
    { GPU, FATAL, "CUDA_ERROR_OUT_OF_MEMORY", NULL },
    { GPU, FATAL, "cudaErrorMemoryAllocation", NULL },
    { GPU, FATAL, "CUBLAS_STATUS_ALLOC_FAILED", NULL },
    { GPU, FATAL, "RESOURCE_EXHAUSTED: Out of memory", NULL },
    { GPU, FATAL, "OOM when allocating tensor", "GPU" },
    { GPU, FATAL, "torch.OutOfMemoryError", NULL },
    { GPU, FATAL, "torch.cuda.OutOfMemoryError", NULL },
    { OOM, FATAL, "MemoryError", NULL },
    { OOM, FATAL, "DefaultCPUAllocator: ", "memory" },
    { OOM, FATAL, "[Errno 12] Cannot allocate memory", NULL },
    { OOM, FATAL, "DataLoader worker (pid", "killed by signal: Killed" },
    { OOM, FATAL, "DataLoader worker (pid", "out of shared memory" },
    { OOM, FATAL, "std::bad_alloc", NULL },
    { OOM, LINE, "fork: Cannot allocate memory", NULL },

    /* Places to write to. */
    { MLB_CAUSE_DISK_FULL, FATAL, "No space left on device", NULL },
    { MLB_CAUSE_QUOTA, FATAL, "Disk quota exceeded", NULL },
    { MLB_CAUSE_DISK_FULL, LINE, "No space left on device", NULL },
    { MLB_CAUSE_QUOTA, LINE, "Disk quota exceeded", NULL },

    /* CUDA that does not fit; a GPU that broke. */
    { FIT, FATAL, "driver version is insufficient for CUDA runtime", NULL },
    { FIT, FATAL, "The NVIDIA driver on your system is too old", NULL },
    { FIT, FATAL, "Found no NVIDIA driver on your system", NULL },
    { FIT, FATAL, "no kernel image is available for execution", NULL },
    { FIT, FATAL, "unsupported display driver / cuda driver", NULL },
    { FIT, FATAL, "forward compatibility was attempted on non", NULL },
    { FIT, FATAL, "CUDA unknown error - this may be due to", NULL },
    { FIT, FATAL, "No CUDA GPUs are available", NULL },
    { FIT, FATAL, "Torch not compiled with CUDA enabled", NULL },
    { FIT, LINE, "Driver/library version mismatch", NULL },
    { NODE, FATAL, "uncorrectable ECC error encountered", NULL },

    /* What is not there. */
    { LIB, SURE, "error while loading shared libraries: ", NULL },
    { LIB, LINE, ": version `GLIBC", "not found" },
    { LIB, LINE, ": symbol lookup error: ", NULL },
    { LIB, FATAL, "ModuleNotFoundError: ", NULL },
    { LIB, FATAL, "ImportError: ", NULL },
    { LIB, FATAL, "cannot open shared object file", NULL },
    { LIB, LINE, "The following module(s) are unknown: ", NULL },
    { LIB, LINE, "Unable to locate a modulefile for ", NULL },
    { CMD, LINE, "can't open file ", "[Errno 2]" },
    { CMD, LINE, ": command not found", NULL },
    { CMD, LINE, "sh: ", ": not found" },
    { CMD, LINE, ": bad interpreter: ", NULL },
    { CMD, LINE, "error: execve(): ", NULL },
    { CMD, LINE, "cannot execute binary file", NULL },
    { CMD, LINE, "mlbatch-agent: cannot run ", NULL },
    { CMD, LINE, "unable to find the specified executable file", NULL },
    { CMD, LINE, "unable to launch the specified application", NULL },

    /* NCCL before the rest of torch.distributed, which quotes it. */
    { NCCL, FATAL, "NCCL", NULL },
    { NCCL, FATAL, "ncclSystemError", NULL },
    { NCCL, FATAL, "ncclUnhandledCudaError", NULL },
    { NCCL, FATAL, "ncclInternalError", NULL },
    { NCCL, FATAL, "ncclRemoteError", NULL },
    { NCCL, LINE, "Watchdog caught collective operation timeout", NULL },
    { NCCL, LINE, "Some NCCL operations have failed or timed out", NULL },
    { NCCL, LINE, "NCCL error: ", NULL },
    { NCCL, LINE, "NCCL failure ", NULL },

    /* Ranks that do not find each other. */
    { RDV, FATAL, "RendezvousConnectionError", NULL },
    { RDV, FATAL, "RendezvousTimeoutError", NULL },
    { RDV, FATAL, "The client socket has ", NULL },
    { RDV, FATAL, "The server socket has failed", NULL },
    { RDV, FATAL, "Address already in use", NULL },
    { RDV, FATAL, "EADDRINUSE", NULL },
    { RDV, FATAL, "DistStoreError", NULL },
    { RDV, FATAL, "DistNetworkError", NULL },
    { RDV, FATAL, "Timed out initializing process group", NULL },
    { RDV, FATAL, "waiting for clients", NULL },
    { RDV, FATAL, "connectFullMesh", NULL },
    { RDV, FATAL, "RuntimeError: connect() timed out", NULL },
    { RDV, FATAL, "RuntimeError: Connection refused", NULL },
    { RDV, FATAL, "Socket Timeout", NULL },
    { NCCL, FATAL, "Connection closed by peer", NULL },
    { NCCL, FATAL, "Connection reset by peer", NULL },
    { NCCL, FATAL, "Broken pipe", NULL },
    { NCCL, FATAL, "gloo", "Timed out" },

    /* Programs that stop themselves, and those that cannot. */
    { MLB_CAUSE_ASSERTION, FATAL, "device-side assert triggered", NULL },
    { MLB_CAUSE_ASSERTION, FATAL, "AssertionError", NULL },
    { MLB_CAUSE_ASSERTION, LINE, ": Assertion `", " failed" },
    { MLB_CAUSE_CRASH, LINE, "Fatal Python error: ", NULL },
    { MLB_CAUSE_CRASH, LINE, "*** Signal: ", NULL },
    { MLB_CAUSE_CRASH, LINE, ": Segmentation fault", NULL },
    { MLB_CAUSE_CRASH, LINE, " Segmentation fault ", "(core dumped)" },
    { MLB_CAUSE_CRASH, LINE, " Bus error ", "(core dumped)" },
    { MLB_CAUSE_CRASH, LINE, " Illegal instruction ", "(core dumped)" },
    { MLB_CAUSE_CRASH, LINE, " Floating point exception ", "(core dumped)" },
    { MLB_CAUSE_CRASH, LINE, "exited on signal 11", NULL },
    { MLB_CAUSE_CRASH, LINE, "double free or corruption", NULL },
    { MLB_CAUSE_CRASH, LINE, "free(): invalid ", NULL },
    { MLB_CAUSE_CRASH, LINE, "*** stack smashing detected ***", NULL },
    { MLB_CAUSE_KILLED, LINE, "exited on signal 9 (Killed)", NULL },
    { MLB_CAUSE_KILLED, LINE, "srun: error: ", ": Killed" },
    { MPI, LINE, "MPI_ABORT was invoked on rank ", NULL },
    { MPI, LINE, "application called MPI_Abort(", NULL },
    { MPI, LINE, "*** An error occurred in MPI_", NULL },
    { MPI, LINE, "MPI_Abort() was called", NULL },
    { MPI, FATAL, "MPI_ERR_", NULL },

    /* They tell of others' ends. */
    { MLB_CAUSE_ECHO, FATAL, "ChildFailedError", NULL },
    { MLB_CAUSE_ECHO, FATAL, "ProcessExitedException", NULL },
    { MLB_CAUSE_ECHO, FATAL, "SignalException", NULL },
    { MLB_CAUSE_ECHO, FATAL, "KeyboardInterrupt", NULL },
    { MLB_CAUSE_ECHO, FATAL, "RendezvousClosedError", NULL },
    { 0, SIGN_LINE, NULL, NULL },
};
