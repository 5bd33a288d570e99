/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls between two ranks, and waiting for them. */
#include "config.h"

#include "mpi/stats.h"

#define OUT const void *b, int n, MPI_Datatype t, int to, int tag, MPI_Comm c
#define IN void *b, int n, MPI_Datatype t, int from, int tag, MPI_Comm c
#define STATUS MPI_Status *s
#define REQUEST MPI_Request *r

CALL(Send, (OUT), (b, n, t, to, tag, c), stats_to(to, n, t));
CALL(Bsend, (OUT), (b, n, t, to, tag, c), stats_to(to, n, t));
CALL(Ssend, (OUT), (b, n, t, to, tag, c), stats_to(to, n, t));
CALL(Rsend, (OUT), (b, n, t, to, tag, c), stats_to(to, n, t));
CALL(Isend, (OUT, REQUEST), (b, n, t, to, tag, c, r), stats_to(to, n, t));
CALL(Ibsend, (OUT, REQUEST), (b, n, t, to, tag, c, r), stats_to(to, n, t));
CALL(Issend, (OUT, REQUEST), (b, n, t, to, tag, c, r), stats_to(to, n, t));
CALL(Irsend, (OUT, REQUEST), (b, n, t, to, tag, c, r), stats_to(to, n, t));

TIMED(Recv, (IN, STATUS), (b, n, t, from, tag, c, s));
TIMED(Irecv, (IN, REQUEST), (b, n, t, from, tag, c, r));
TIMED(Mrecv, (void *b, int n, MPI_Datatype t, MPI_Message *m, STATUS),
      (b, n, t, m, s));
TIMED(Imrecv, (void *b, int n, MPI_Datatype t, MPI_Message *m, REQUEST),
      (b, n, t, m, r));
TIMED(Probe, (int from, int tag, MPI_Comm c, STATUS), (from, tag, c, s));
TIMED(Iprobe, (int from, int tag, MPI_Comm c, int *flag, STATUS),
      (from, tag, c, flag, s));
TIMED(Mprobe, (int from, int tag, MPI_Comm c, MPI_Message *m, STATUS),
      (from, tag, c, m, s));
TIMED(Improbe, (int from, int tag, MPI_Comm c, int *flag, MPI_Message *m,
                STATUS), (from, tag, c, flag, m, s));
CALL(Sendrecv, (const void *b, int n, MPI_Datatype t, int to, int tag,
                void *rb, int rn, MPI_Datatype rt, int from, int rtag,
                MPI_Comm c, STATUS),
     (b, n, t, to, tag, rb, rn, rt, from, rtag, c, s), stats_to(to, n, t));
CALL(Sendrecv_replace, (void *b, int n, MPI_Datatype t, int to, int tag,
                        int from, int rtag, MPI_Comm c, STATUS),
     (b, n, t, to, tag, from, rtag, c, s), stats_to(to, n, t));

/* Given to send whenever they are started. */
#define LASTING(name)                                                     \
    STATS_CALL(name, (OUT, REQUEST), (b, n, t, to, tag, c, r), 0,         \
               if (rc == MPI_SUCCESS) stats_keep(*r, stats_to(to, n, t)))
LASTING(Send_init);
LASTING(Bsend_init);
LASTING(Ssend_init);
LASTING(Rsend_init);
STATS_CALL(Recv_init, (IN, REQUEST), (b, n, t, from, tag, c, r), 0,
           if (rc == MPI_SUCCESS) stats_drop(*r));
CALL(Start, (REQUEST), (r), stats_kept(*r));
CALL(Startall, (int n, MPI_Request *r), (n, r), stats_kept_all(n, r));
CALL(Request_free, (REQUEST), (r), (stats_drop(*r), 0));

TIMED(Wait, (REQUEST, STATUS), (r, s));
TIMED(Waitall, (int n, MPI_Request *r, MPI_Status *s), (n, r, s));
TIMED(Waitany, (int n, MPI_Request *r, int *at, STATUS), (n, r, at, s));
TIMED(Waitsome, (int n, MPI_Request *r, int *out, int *at, MPI_Status *s),
      (n, r, out, at, s));
TIMED(Test, (REQUEST, int *flag, STATUS), (r, flag, s));
TIMED(Testall, (int n, MPI_Request *r, int *flag, MPI_Status *s),
      (n, r, flag, s));
TIMED(Testany, (int n, MPI_Request *r, int *at, int *flag, STATUS),
      (n, r, at, flag, s));
TIMED(Testsome, (int n, MPI_Request *r, int *out, int *at, MPI_Status *s),
      (n, r, out, at, s));
TIMED(Cancel, (REQUEST), (r));
TIMED(Buffer_detach, (void *b, int *size), (b, size));
