/* SPDX-License-Identifier: BSD-3-Clause */
/* MPI-IO: time only. What goes to a file is not sent to a rank, and the
 * agent counts I/O by other means. */
#include "config.h"

#include "mpi/stats.h"

#define FILE_ MPI_File f
#define INTO void *b, int n, MPI_Datatype t
#define FROM const void *b, int n, MPI_Datatype t
#define AT MPI_Offset at
#define STATUS MPI_Status *s
#define REQUEST MPI_Request *r

/* NAME at the file's position, and NAME_at, which says where. */
#define PLAIN(name, name_at, buffer, last, end)                           \
    TIMED(name, (FILE_, buffer, last), (f, b, n, t, end));                \
    TIMED(name_at, (FILE_, AT, buffer, last), (f, at, b, n, t, end))
/* A call in two halves. */
#define HALVES(name, begin, buffer, pointer)                              \
    TIMED(begin, (FILE_, buffer), (f, b, n, t));                          \
    TIMED(name, (FILE_, pointer, STATUS), (f, b, s))

TIMED(File_open, (MPI_Comm c, const char *name, int mode, MPI_Info i,
                  MPI_File *f), (c, name, mode, i, f));
TIMED(File_close, (MPI_File *f), (f));
TIMED(File_sync, (FILE_), (f));
TIMED(File_set_size, (FILE_, MPI_Offset size), (f, size));
TIMED(File_preallocate, (FILE_, MPI_Offset size), (f, size));
TIMED(File_set_view, (FILE_, MPI_Offset d, MPI_Datatype e, MPI_Datatype t,
                      const char *rep, MPI_Info i), (f, d, e, t, rep, i));

PLAIN(File_read, File_read_at, INTO, STATUS, s);
PLAIN(File_read_all, File_read_at_all, INTO, STATUS, s);
PLAIN(File_write, File_write_at, FROM, STATUS, s);
PLAIN(File_write_all, File_write_at_all, FROM, STATUS, s);
PLAIN(File_iread, File_iread_at, INTO, REQUEST, r);
PLAIN(File_iread_all, File_iread_at_all, INTO, REQUEST, r);
PLAIN(File_iwrite, File_iwrite_at, FROM, REQUEST, r);
PLAIN(File_iwrite_all, File_iwrite_at_all, FROM, REQUEST, r);

TIMED(File_read_shared, (FILE_, INTO, STATUS), (f, b, n, t, s));
TIMED(File_write_shared, (FILE_, FROM, STATUS), (f, b, n, t, s));
TIMED(File_iread_shared, (FILE_, INTO, REQUEST), (f, b, n, t, r));
TIMED(File_iwrite_shared, (FILE_, FROM, REQUEST), (f, b, n, t, r));
TIMED(File_read_ordered, (FILE_, INTO, STATUS), (f, b, n, t, s));
TIMED(File_write_ordered, (FILE_, FROM, STATUS), (f, b, n, t, s));

HALVES(File_read_all_end, File_read_all_begin, INTO, void *b);
HALVES(File_write_all_end, File_write_all_begin, FROM, const void *b);
HALVES(File_read_ordered_end, File_read_ordered_begin, INTO, void *b);
HALVES(File_write_ordered_end, File_write_ordered_begin, FROM,
       const void *b);
TIMED(File_read_at_all_begin, (FILE_, AT, INTO), (f, at, b, n, t));
TIMED(File_read_at_all_end, (FILE_, void *b, STATUS), (f, b, s));
TIMED(File_write_at_all_begin, (FILE_, AT, FROM), (f, at, b, n, t));
TIMED(File_write_at_all_end, (FILE_, const void *b, STATUS), (f, b, s));
