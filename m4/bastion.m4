# SPDX-License-Identifier: Apache-2.0

# BASTION_CHECK_OVS
#
# Finds an Open vSwitch source tree and the tree it was built in.  Without
# --with-ovs-source, build-aux/ovs-tree builds one from the distribution's
# source package.  Substitutes OVS_SRCDIR, OVS_BUILDDIR,
# OVS_LIBDIR and OVS_CPPFLAGS.
AC_DEFUN([BASTION_CHECK_OVS],
  [AC_ARG_WITH([ovs-source],
     [AS_HELP_STRING([--with-ovs-source=DIR],
        [Open vSwitch source tree
         (default: unpack and build /usr/src/openvswitch)])])
   AC_ARG_WITH([ovs-build],
     [AS_HELP_STRING([--with-ovs-build=DIR],
        [Open vSwitch build tree (default: the source tree)])])
   AS_IF([test -z "$with_ovs_source"],
     [AS_IF([test -n "$with_ovs_build"],
        [AC_MSG_ERROR([--with-ovs-build needs --with-ovs-source])])
      AC_MSG_NOTICE([preparing Open vSwitch, about 3 minutes the first time])
      ovs_tree=`"$srcdir/build-aux/ovs-tree"` ||
        AC_MSG_ERROR([build-aux/ovs-tree failed])
      with_ovs_source=`AS_ECHO(["$ovs_tree"]) | sed -n 's/^source=//p'`
      with_ovs_build=`AS_ECHO(["$ovs_tree"]) | sed -n 's/^build=//p'`])
   : "${with_ovs_build=$with_ovs_source}"

   AC_MSG_CHECKING([for the Open vSwitch source tree])
   OVS_SRCDIR=`cd "$with_ovs_source" && pwd` ||
     AC_MSG_ERROR([$with_ovs_source: not a directory])
   AS_IF([test ! -f "$OVS_SRCDIR/ovsdb/ovsdb-idlc.in"],
     [AC_MSG_ERROR([$OVS_SRCDIR: not an Open vSwitch source tree])])
   AC_MSG_RESULT([$OVS_SRCDIR])

   AC_MSG_CHECKING([for the Open vSwitch build tree])
   OVS_BUILDDIR=`cd "$with_ovs_build" && pwd` ||
     AC_MSG_ERROR([$with_ovs_build: not a directory])
   OVS_LIBDIR=$OVS_BUILDDIR/lib
   AS_IF([test ! -f "$OVS_BUILDDIR/config.h" || \
          test ! -f "$OVS_LIBDIR/libopenvswitch.la"],
     [AC_MSG_ERROR([$OVS_BUILDDIR: Open vSwitch is not built there])])
   AC_MSG_RESULT([$OVS_BUILDDIR])

   # json-c exports json_object_put(), too, with another signature: a program
   # that links both would call the wrong one.
   AC_MSG_CHECKING([whether Open vSwitch's json_object_put is renamed])
   AS_IF([nm "$OVS_LIBDIR/.libs/libopenvswitch.a" 2>/dev/null |
            grep ' T ovs_json_object_put$' >/dev/null],
     [AC_MSG_RESULT([yes])],
     [AC_MSG_RESULT([no])
      AC_MSG_ERROR([configure Open vSwitch with
        CPPFLAGS=-Djson_object_put=ovs_json_object_put])])

   # Open vSwitch's copy of a kernel header, which is used if the system's lacks
   # what Open vSwitch needs, lacks what we need, which the system's has.
   OVS_CPPFLAGS=-DHAVE_TCA_FLOWER_KEY_ENC_FLAGS_MASK=1
   # See lib/ovs-daemon.h.
   AS_IF([grep 'daemonize_start(bool [[a-z_]]*, bool' \
            "$OVS_SRCDIR/lib/daemon.h" >/dev/null],
     [AS_VAR_APPEND([OVS_CPPFLAGS], [" -DOVS_DAEMON_ASKS_FOR_HARDWARE"])])
   # See tests/ovs-compat.h.
   AS_IF([grep 'const void \*l7, size_t l7_len, bool' \
            "$OVS_SRCDIR/lib/flow.h" >/dev/null],
     [AS_VAR_APPEND([OVS_CPPFLAGS], [" -DOVS_FLOW_COMPOSE_HAS_BAD_CSUM"])])
   AS_IF([grep 'struct json \*\*result, struct json \*\*err' \
            "$OVS_SRCDIR/lib/unixctl.h" >/dev/null],
     [AS_VAR_APPEND([OVS_CPPFLAGS], [" -DOVS_UNIXCTL_HAS_JSON"])])
   AC_SUBST([OVS_CPPFLAGS])
   AC_SUBST([OVS_SRCDIR])
   AC_SUBST([OVS_BUILDDIR])
   AC_SUBST([OVS_LIBDIR])])

# BASTION_CHECK_CFLAG(VARIABLE, FLAGS, [CPPFLAGS])
#
# Appends FLAGS to VARIABLE if the compiler takes them without a warning.
AC_DEFUN([BASTION_CHECK_CFLAG],
  [AC_MSG_CHECKING([whether $CC accepts $2])
   bastion_save_CFLAGS=$CFLAGS
   CFLAGS="$CFLAGS -Werror $2"
   AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <string.h>]])],
     [AC_MSG_RESULT([yes])
      AS_VAR_APPEND([$1], [" $2"])],
     [AC_MSG_RESULT([no])])
   CFLAGS=$bastion_save_CFLAGS])

# BASTION_CHECK_LDFLAG(VARIABLE, FLAGS)
#
# Appends FLAGS to VARIABLE if the linker takes them.
AC_DEFUN([BASTION_CHECK_LDFLAG],
  [AC_MSG_CHECKING([whether the linker accepts $2])
   bastion_save_LDFLAGS=$LDFLAGS
   LDFLAGS="$LDFLAGS $2"
   AC_LINK_IFELSE([AC_LANG_PROGRAM()],
     [AC_MSG_RESULT([yes])
      AS_VAR_APPEND([$1], [" $2"])],
     [AC_MSG_RESULT([no])])
   LDFLAGS=$bastion_save_LDFLAGS])

# BASTION_WARNINGS
#
# Substitutes WARNING_CFLAGS; --enable-Werror makes them errors.
AC_DEFUN([BASTION_WARNINGS],
  [m4_foreach_w([flag],
     [-Wall -Wextra -Wno-sign-compare -Wpointer-arith -Wformat=2
      -Wno-format-nonliteral -Wswitch-enum -Wunused-parameter
      -Wbad-function-cast -Wcast-align -Wstrict-prototypes
      -Wold-style-definition -Wmissing-prototypes
      -Wmissing-field-initializers -Wswitch-bool -Wlogical-not-parentheses
      -Wsizeof-array-argument -Wbool-compare -Wshift-negative-value
      -Wduplicated-cond -Wshadow -Wmultistatement-macros -Wvla
      -fno-strict-aliasing],
     [BASTION_CHECK_CFLAG([WARNING_CFLAGS], m4_defn([flag]))
     ])
   AC_ARG_ENABLE([Werror],
     [AS_HELP_STRING([--enable-Werror], [treat warnings as errors])],
     [], [enable_Werror=no])
   AS_IF([test "$enable_Werror" != no],
     [AS_VAR_APPEND([WARNING_CFLAGS], [" -Werror"])])
   AC_SUBST([WARNING_CFLAGS])])

# BASTION_SANITIZERS
#
# Substitutes SANITIZER_FLAGS, for the compiler and the linker.
AC_DEFUN([BASTION_SANITIZERS],
  [AC_ARG_ENABLE([asan],
     [AS_HELP_STRING([--enable-asan], [build with AddressSanitizer])],
     [], [enable_asan=no])
   AC_ARG_ENABLE([ubsan],
     [AS_HELP_STRING([--enable-ubsan],
        [build with UndefinedBehaviorSanitizer])],
     [], [enable_ubsan=no])
   SANITIZER_FLAGS=
   AS_IF([test "$enable_asan" != no],
     [BASTION_CHECK_CFLAG([SANITIZER_FLAGS],
        [-fsanitize=address -fno-omit-frame-pointer -fno-common])])
   AS_IF([test "$enable_ubsan" != no],
     [BASTION_CHECK_CFLAG([SANITIZER_FLAGS],
        [-fsanitize=undefined -fno-sanitize-recover=undefined])])
   AC_SUBST([SANITIZER_FLAGS])])

# BASTION_FUZZERS
#
# Builds the fuzz targets with libFuzzer, which needs clang.  Substitutes
# FUZZER_LDFLAGS, for the targets alone, and defines the conditional FUZZERS.
AC_DEFUN([BASTION_FUZZERS],
  [AC_ARG_ENABLE([fuzzers],
     [AS_HELP_STRING([--enable-fuzzers],
        [build the fuzz targets with libFuzzer (needs CC=clang)])],
     [], [enable_fuzzers=no])
   FUZZER_LDFLAGS=
   AS_IF([test "$enable_fuzzers" != no],
     [fuzzer_cflags=
      BASTION_CHECK_CFLAG([fuzzer_cflags], [-fsanitize=fuzzer-no-link])
      AS_IF([test -z "$fuzzer_cflags"],
        [AC_MSG_ERROR([--enable-fuzzers needs CC=clang])])
      AS_VAR_APPEND([SANITIZER_FLAGS], ["$fuzzer_cflags"])
      FUZZER_LDFLAGS=-fsanitize=fuzzer])
   AC_SUBST([FUZZER_LDFLAGS])
   AM_CONDITIONAL([FUZZERS], [test "$enable_fuzzers" != no])])

# BASTION_COVERAGE
#
# Substitutes COVERAGE_FLAGS, for the compiler and the linker.
AC_DEFUN([BASTION_COVERAGE],
  [AC_ARG_ENABLE([coverage],
     [AS_HELP_STRING([--enable-coverage],
        [build for gcov, without optimization])],
     [], [enable_coverage=no])
   COVERAGE_FLAGS=
   AS_IF([test "$enable_coverage" != no],
     [COVERAGE_FLAGS="--coverage"
      CFLAGS=`AS_ECHO(["$CFLAGS"]) | sed 's/-O[[0-9sg]]*//g'`" -O0"])
   AC_SUBST([COVERAGE_FLAGS])])

# BASTION_HARDENING
#
# Substitutes HARDENING_CFLAGS and HARDENING_LDFLAGS.  Runs after the macros
# that may turn optimization or AddressSanitizer on: fortified functions need
# the former and hide errors from the latter.
AC_DEFUN([BASTION_HARDENING],
  [m4_foreach([flag],
     [[-fPIE], [-fstack-protector-strong], [-fstack-clash-protection],
      [-fcf-protection]],
     [BASTION_CHECK_CFLAG([HARDENING_CFLAGS], m4_defn([flag]))
     ])
   AS_IF([test "$enable_asan" = no],
     [BASTION_CHECK_CFLAG([HARDENING_CFLAGS],
        [-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2])])
   m4_foreach([flag],
     [[-pie], [-Wl,-z,relro], [-Wl,-z,now], [-Wl,-z,noexecstack]],
     [BASTION_CHECK_LDFLAG([HARDENING_LDFLAGS], m4_defn([flag]))
     ])
   AC_SUBST([HARDENING_CFLAGS])
   AC_SUBST([HARDENING_LDFLAGS])])
