# SPDX-License-Identifier: BSD-3-Clause
# MLB_COMPILER_FLAGS
#
# Warnings always; --enable-werror makes them errors; --enable-sanitizers
# builds with the address and undefined behaviour sanitizers.
AC_DEFUN([MLB_COMPILER_FLAGS], [
    MLB_CFLAGS="-std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes \
-Wmissing-prototypes -Wpointer-arith -Wvla"
    # What a program does not use it should not load: start-up time counts.
    MLB_LDFLAGS="-Wl,--as-needed"
    AC_ARG_ENABLE([werror],
        [AS_HELP_STRING([--enable-werror], [make warnings errors])],
        [], [enable_werror=no])
    mlb_warnings=on
    AS_IF([test "x$enable_werror" = xyes],
        [MLB_CFLAGS="$MLB_CFLAGS -Werror" mlb_warnings=errors])
    AC_ARG_ENABLE([sanitizers],
        [AS_HELP_STRING([--enable-sanitizers],
            [build with the address and undefined behaviour sanitizers])],
        [], [enable_sanitizers=no])
    mlb_sanitizers=no
    AS_IF([test "x$enable_sanitizers" = xyes],
        [mlb_sanitizers=yes
         MLB_CFLAGS="$MLB_CFLAGS -fsanitize=address,undefined \
-fno-sanitize-recover=undefined -fno-omit-frame-pointer"
         MLB_LDFLAGS="$MLB_LDFLAGS -fsanitize=address,undefined"])
    AM_CONDITIONAL([SANITIZERS], [test "$mlb_sanitizers" = yes])
    AC_SUBST([MLB_CFLAGS])
    AC_SUBST([MLB_LDFLAGS])
])
