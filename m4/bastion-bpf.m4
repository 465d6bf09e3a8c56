# SPDX-License-Identifier: Apache-2.0

# BASTION_CHECK_BPF
# -----------------
# What the fast path is built with: a compiler and a skeleton generator for
# eBPF programs, and libbpf.
AC_DEFUN([BASTION_CHECK_BPF],
  [PKG_CHECK_MODULES([LIBBPF], [libbpf >= 1.0])
   AC_PATH_PROGS([CLANG], [clang clang-14], [no])
   AS_IF([test "$CLANG" = no],
     [AC_MSG_ERROR([clang is required to compile eBPF programs])])
   AC_PATH_PROG([BPFTOOL], [bpftool], [no], [$PATH:/usr/sbin:/sbin])
   AS_IF([test "$BPFTOOL" = no], [AC_MSG_ERROR([bpftool is required])])
   # Kernel headers of a multiarch system are not in clang's path for BPF.
   BPF_CPPFLAGS=-I/usr/include/`$CC -print-multiarch 2>/dev/null`
   AC_SUBST([BPF_CPPFLAGS])])
