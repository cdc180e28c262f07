"""Runs a command as on a kernel without IPv6.

A seccomp filter makes socket(AF_INET6, …) fail with EAFNOSUPPORT. Child processes inherit it.
"""

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

SOCKET = {"x86_64": 41, "aarch64": 198}[platform.machine()]  # the system call's number
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000 | errno.EAFNOSUPPORT
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2

# The instructions of linux/filter.h: code, instructions to skip if true and if false, operand.
FILTER = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (LOAD, 0, 0, 0),  # the number
        (JUMP_IF_EQUAL, 0, 3, SOCKET),
        (LOAD, 0, 0, 16),  # the first argument
        (JUMP_IF_EQUAL, 0, 1, socket.AF_INET6),
        (RETURN, 0, 0, FAIL),
        (RETURN, 0, 0, ALLOW),
    )
)

instructions = ctypes.create_string_buffer(FILTER, len(FILTER))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(FILTER) // 8, ctypes.addressof(instructions)))
libc = ctypes.CDLL(None, use_errno=True)
for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)):
    if libc.prctl(*arguments) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses the filter")
os.execvp(sys.argv[1], sys.argv[1:])
