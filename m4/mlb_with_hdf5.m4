# SPDX-License-Identifier: BSD-3-Clause
# MLB_WITH_HDF5
#
# Distributions name HDF5's pkg-config module after its flavour. The serial
# one is asked for first: our files need no MPI-IO, and it loads faster.
# --with-hdf5=FLAVOUR takes hdf5-FLAVOUR (serial, openmpi, mpich). Where
# pkg-config knows none, h5cc tells the flags.
AC_DEFUN([MLB_WITH_HDF5], [
    AC_ARG_WITH([hdf5],
        [AS_HELP_STRING([--with-hdf5=FLAVOUR],
            [use HDF5's flavour serial, openmpi or mpich])],
        [], [with_hdf5=yes])
    AS_CASE([$with_hdf5],
        [no], [AC_MSG_ERROR([HDF5 cannot be left out: the store is made of it])],
        [yes], [mlb_hdf5_modules="hdf5-serial hdf5"],
        [mlb_hdf5_modules="hdf5-$with_hdf5"])
    hdf5_found=no
    for mlb_module in $mlb_hdf5_modules; do
        AS_IF([test "$hdf5_found" = no],
            [PKG_CHECK_EXISTS([$mlb_module],
                [HDF5_CFLAGS=`$PKG_CONFIG --cflags $mlb_module`
                 HDF5_LIBS=`$PKG_CONFIG --libs $mlb_module`
                 hdf5_found="`$PKG_CONFIG --modversion $mlb_module` ($mlb_module)"])])
    done
    AS_IF([test "$hdf5_found" = no && test "$with_hdf5" = yes],
        [AC_PATH_PROG([H5CC], [h5cc])
         AS_IF([test -n "$H5CC"],
            [mlb_show=`$H5CC -show`
             for mlb_word in $mlb_show; do
                AS_CASE([$mlb_word],
                    [-I*|-D*], [HDF5_CFLAGS="$HDF5_CFLAGS $mlb_word"],
                    [-L*|-l*|-Wl*|*.so|*.a],
                        [HDF5_LIBS="$HDF5_LIBS $mlb_word"])
             done
             hdf5_found="yes ($H5CC)"])])
    AS_IF([test "$hdf5_found" = no],
        [AC_MSG_ERROR([HDF5 not found: asked pkg-config for $mlb_hdf5_modules, and h5cc. On Debian: apt-get install libhdf5-dev])])
    # An MPI flavour's header includes mpi.h, which its .pc does not find.
    AS_CASE([$hdf5_found], [*openmpi*|*mpich*],
        [PKG_CHECK_MODULES([HDF5_MPI], [ompi-c],
            [HDF5_CFLAGS="$HDF5_CFLAGS $HDF5_MPI_CFLAGS"
             HDF5_LIBS="$HDF5_LIBS $HDF5_MPI_LIBS"],
            [AC_MSG_ERROR([the MPI flavour of HDF5 needs Open MPI's ompi-c.pc])])])
    mlb_save_CPPFLAGS=$CPPFLAGS mlb_save_LIBS=$LIBS
    CPPFLAGS="$CPPFLAGS $HDF5_CFLAGS" LIBS="$HDF5_LIBS $LIBS"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <hdf5.h>]], [[H5open();]])], [],
        [AC_MSG_ERROR([HDF5 $hdf5_found does not link: see config.log])])
    CPPFLAGS=$mlb_save_CPPFLAGS LIBS=$mlb_save_LIBS
    AC_SUBST([HDF5_CFLAGS])
    AC_SUBST([HDF5_LIBS])
])
