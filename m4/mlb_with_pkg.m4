# SPDX-License-Identifier: BSD-3-Clause
# MLB_WITH_PKG(OPTION, PREFIX, MODULE, WHAT)
#
# An optional library that pkg-config knows. Without --with-OPTION it is used
# where it is found; --with-OPTION insists; --without-OPTION leaves it out.
# Defines HAVE_PREFIX, the conditional of that name, and OPTION_found.
AC_DEFUN([MLB_WITH_PKG], [
    AC_ARG_WITH([$1],
        [AS_HELP_STRING([--without-$1], [do not use $3 ($4)])],
        [], [with_$1=check])
    $1_found="no (--without-$1)" mlb_have_$1=no
    AS_IF([test "x$with_$1" != xno],
        [PKG_CHECK_MODULES([$2], [$3],
            [$1_found=`$PKG_CONFIG --modversion $3` mlb_have_$1=yes
             AC_DEFINE([HAVE_$2], [1], [Define to 1 if $3 is used.])],
            [$1_found="no ($3 not found)"
             AS_IF([test "x$with_$1" != xcheck],
                [AC_MSG_ERROR([--with-$1: pkg-config does not find $3])])])])
    AM_CONDITIONAL([HAVE_$2], [test "$mlb_have_$1" = yes])
])
