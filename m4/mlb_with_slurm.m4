# SPDX-License-Identifier: BSD-3-Clause
# MLB_WITH_SLURM
#
# libslurm has no .pc file: look for its header and slurm_init, which it has
# had since 21.08. --with-slurm=PREFIX looks under PREFIX.
AC_DEFUN([MLB_WITH_SLURM], [
    AC_ARG_WITH([slurm],
        [AS_HELP_STRING([--with-slurm@<:@=PREFIX@:>@],
            [submit to Slurm through libslurm, found under PREFIX])],
        [], [with_slurm=check])
    AS_CASE([$with_slurm], [yes|no|check], [],
        [SLURM_CFLAGS="-I$with_slurm/include"
         SLURM_LIBS="-L$with_slurm/lib -Wl,-rpath,$with_slurm/lib"])
    slurm_found="no (--without-slurm)"
    AS_IF([test "x$with_slurm" != xno],
        [mlb_save_CPPFLAGS=$CPPFLAGS mlb_save_LIBS=$LIBS
         CPPFLAGS="$CPPFLAGS $SLURM_CFLAGS" LIBS="$SLURM_LIBS -lslurm $LIBS"
         slurm_found="no (libslurm 21.08 or later not found)"
         AC_CHECK_HEADER([slurm/slurm.h],
            [AC_LINK_IFELSE([AC_LANG_PROGRAM(
                [[#include <slurm/slurm.h>]], [[slurm_init(0);]])],
                [slurm_found=yes SLURM_LIBS="$SLURM_LIBS -lslurm"
                 AC_DEFINE([HAVE_SLURM], [1],
                    [Define to 1 if libslurm is used.])])])
         CPPFLAGS=$mlb_save_CPPFLAGS LIBS=$mlb_save_LIBS
         AS_IF([test "x$slurm_found" != xyes && test "x$with_slurm" != xcheck],
            [AC_MSG_ERROR([--with-slurm: libslurm was not found])])])
    AC_SUBST([SLURM_CFLAGS])
    AC_SUBST([SLURM_LIBS])
    AM_CONDITIONAL([HAVE_SLURM], [test "x$slurm_found" = xyes])
])
