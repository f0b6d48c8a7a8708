"""System calls that media tools do without, as Linux numbers them: for each its number on x86-64, then on arm64.

A line that begins with `#` says why those below it are refused. What this list does not name and older kernels know is
allowed; calls that were added since `NEWEST` are not there for a media tool.
"""

# The newest call that was looked at, mseal, of Linux 6.10. Both machines have had the same numbers since 424.
NEWEST = 462

_REFUSED = """
# Processes: no new ones (clone is judged by its flags), no other session, and nothing of others'.
fork 57 -, vfork 58 -, unshare 272 97, setns 308 268, setsid 112 157, setpgid 109 154, ptrace 101 117,
process_vm_readv 310 270, process_vm_writev 311 271, process_madvise 440 440, process_mrelease 448 448,
kcmp 312 272, pidfd_open 434 434, pidfd_getfd 438 438, pidfd_send_signal 424 424, tkill 200 130,
sched_setaffinity 203 122, sched_setscheduler 144 119, sched_setparam 142 118, sched_setattr 314 274,
ioprio_set 251 30, migrate_pages 256 238, move_pages 279 239,
# Mounts, and files by other ways than their path.
mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, fsopen 430 430, fsconfig 431 431, fsmount 432 432,
fspick 433 433, move_mount 429 429, open_tree 428 428, mount_setattr 442 442, swapon 167 224, swapoff 168 225,
quotactl 179 60, quotactl_fd 443 443, statmount 457 457, listmount 458 458, name_to_handle_at 303 264,
open_by_handle_at 304 265, fanotify_init 300 262, fanotify_mark 301 263,
# Parts of the kernel with a long record of errors, none of which a media tool needs.
bpf 321 280, perf_event_open 298 241, userfaultfd 323 282, keyctl 250 219, add_key 248 217, request_key 249 218,
io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427, personality 135 92, modify_ldt 154 -,
lookup_dcookie 212 18, nfsservctl 180 42, vmsplice 278 75,
# The machine.
init_module 175 105, finit_module 313 273, delete_module 176 106, kexec_load 246 104, kexec_file_load 320 294,
reboot 169 142, syslog 103 116, acct 163 89, settimeofday 164 170, clock_settime 227 112, clock_adjtime 305 266,
adjtimex 159 171, sethostname 170 161, setdomainname 171 162, iopl 172 -, ioperm 173 -, vhangup 153 58,
# Memory that nothing counts, or that outlives its process.
memfd_create 319 279, memfd_secret 447 447, shmget 29 194, shmat 30 196, shmctl 31 195, semget 64 190,
semop 65 193, semctl 66 191, semtimedop 220 192, msgget 68 186, msgsnd 69 189, msgrcv 70 188, msgctl 71 187,
mq_open 240 180, mq_unlink 241 181,
# What others do with files: Landlock does not restrict watching them.
inotify_init 253 -, inotify_init1 294 26, inotify_add_watch 254 27,
# Names of files: tools write regular files under names of ours, and neither remove nor move any. What has no name
# would not be seen by the watch over scratch.
link 86 -, linkat 265 37, symlink 88 -, symlinkat 266 36, mknod 133 -, mknodat 259 33, unlink 87 -,
unlinkat 263 35, rmdir 84 -, rename 82 -, renameat 264 38, renameat2 316 276, mkdir 83 -, mkdirat 258 34,
truncate 76 45, chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452, chown 92 -, fchown 93 55,
lchown 94 -, fchownat 260 54, setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14,
lremovexattr 198 15, fremovexattr 199 16, utime 132 -, utimes 235 -, utimensat 280 88, futimesat 261 -,
# Users.
setuid 105 146, setgid 106 144, setreuid 113 145, setregid 114 143, setresuid 117 147, setresgid 119 149,
setgroups 116 159, setfsuid 122 151, setfsgid 123 152, capset 126 91,
# Sockets, but for the one that reads what the worker serves (socket and connect are judged elsewhere).
socketpair 53 199, bind 49 200, listen 50 201, accept 43 202, accept4 288 242, sendmsg 46 211, sendmmsg 307 269,
recvmsg 47 212, recvmmsg 299 243
"""
# Judged by their arguments, or answered otherwise than by a refusal.
_JUDGED = """
clone 56 220, clone3 435 435, openat2 437 437, open 2 -, openat 257 56, fcntl 72 25, ioctl 16 29, kill 62 129,
tgkill 234 131, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240, prctl 157 167, prlimit64 302 261,
setpriority 141 140, fallocate 285 47, mmap 9 222, socket 41 198, connect 42 203, sendto 44 206, setsockopt 54 208,
seccomp 317 277
"""
_MACHINES = ("x86_64", "aarch64")


def refused_calls(machine: str) -> list[int]:
    """Return the numbers of the calls that are refused whatever their arguments."""
    return sorted(_numbers(_REFUSED, machine).values())


def judged_calls(machine: str) -> dict[str, int]:
    """Return the numbers, by name, of the calls whose arguments matter, as far as the machine has them."""
    return _numbers(_JUDGED, machine)


def _numbers(text: str, machine: str) -> dict[str, int]:
    """Raises ValueError for a machine that is not in the table."""
    column = 1 + _MACHINES.index(machine)
    lines = " ".join(line for line in text.splitlines() if not line.startswith("#"))
    entries = (entry.split() for entry in lines.split(",") if entry.strip())
    return {entry[0]: int(entry[column]) for entry in entries if entry[column] != "-"}
