"""What a media tool that was taken over would try. Prints, a JSON object a line, what became of each attempt.

`attacks.py TARGETS`, with the targets as JSON: `worker` (a process), `secrets` (files), `job` (a folder of another
job), `port` (where somebody listens), `path` and `name` (of UNIX sockets).
"""
# System calls by their own names, and what became of them on stdout:
# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH123, PTH208, PTH211, T201

import ctypes
import errno
import fcntl
import json
import mmap
import os
import platform
import resource
import signal
import socket
import sys
import threading
from typing import Any

TARGETS = json.loads(sys.argv[1])
WORKER, JOB, PORT = TARGETS["worker"], TARGETS["job"], TARGETS["port"]
LIBC = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
MANY_THREADS = 6000
ATTACKS = {}


def attack(function):
    ATTACKS[function.__name__] = function
    return function


def check(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def system_call(x86: int, arm: int, *arguments: object) -> None:
    wide = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    check(LIBC.syscall(ctypes.c_long(arm if ARM else x86), *wide))


def read(path: str) -> None:
    with open(path, "rb") as file:
        file.read(10)


def call(family: int, kind: int, address: Any) -> None:
    with socket.socket(family, kind) as made:
        made.settimeout(2)
        made.connect(address)
        made.send(b"hello")


@attack
def inherit_descriptors():
    for descriptor in range(3, 256):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        return
    raise OSError(errno.EBADF, "nothing is inherited")


@attack
def read_environment_of_worker():
    read(f"/proc/{WORKER}/environ")


@attack
def read_memory_of_worker():
    read(f"/proc/{WORKER}/maps")


@attack
def open_memory_of_worker():
    os.close(os.open(f"/proc/{WORKER}/mem", os.O_RDWR))


@attack
def list_descriptors_of_worker():
    os.listdir(f"/proc/{WORKER}/fd")


@attack
def take_memory_of_worker():
    buffer = ctypes.create_string_buffer(8)
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
    system_call(310, 270, WORKER, ctypes.byref(vector), 1, ctypes.byref(vector), 1, 0)


@attack
def trace_worker():
    system_call(101, 117, 16, WORKER, 0, 0)


@attack
def open_worker_as_descriptor():
    system_call(434, 434, WORKER, 0)


@attack
def limit_worker():
    resource.prlimit(WORKER, resource.RLIMIT_NOFILE)


@attack
def slow_worker_down():
    os.setpriority(os.PRIO_PROCESS, WORKER, 19)


@attack
def move_worker_to_one_core():
    os.sched_setaffinity(WORKER, os.sched_getaffinity(0))


@attack
def signal_worker():
    os.kill(WORKER, 0)


@attack
def signal_everybody():
    os.kill(-1, 0)


@attack
def signal_thread_of_worker():
    system_call(234, 131, WORKER, WORKER, 0)


@attack
def have_worker_signalled():
    reader, _ = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETOWN, WORKER)


@attack
def read_first_secret():
    read(TARGETS["secrets"][0])


@attack
def read_other_secret():
    read(TARGETS["secrets"][1])


@attack
def read_users():
    read("/etc/passwd")


@attack
def read_own_processes_environment():
    read("/proc/1/environ")


@attack
def read_other_original():
    read(f"{JOB}/source")


@attack
def write_other_original():
    os.close(os.open(f"{JOB}/source", os.O_WRONLY))


@attack
def truncate_other_original():
    os.truncate(f"{JOB}/source", 0)


@attack
def write_into_other_output():
    os.close(os.open(f"{JOB}/out/planted", os.O_CREAT | os.O_WRONLY))


@attack
def write_into_scratch():
    os.close(os.open(f"{JOB}/../planted", os.O_CREAT | os.O_WRONLY))


@attack
def write_own_original():
    os.close(os.open("source", os.O_WRONLY))


@attack
def write_where_the_worker_writes():
    os.close(os.open("own/planted", os.O_CREAT | os.O_WRONLY))


@attack
def write_beside_the_output():
    os.close(os.open("planted", os.O_CREAT | os.O_WRONLY))


@attack
def write_into_temporary_folder():
    os.close(os.open("/dev/shm/planted", os.O_CREAT | os.O_WRONLY))


@attack
def link_symbolically():
    os.symlink("/etc/passwd", "out/symlink")


@attack
def link_other_original():
    os.link(f"{JOB}/source", "out/hardlink")


@attack
def make_a_pipe_with_a_name():
    os.mkfifo("out/fifo")


@attack
def make_a_folder():
    os.mkdir("out/folder")


@attack
def move_a_file():
    os.close(os.open("out/a", os.O_CREAT | os.O_WRONLY))
    os.rename("out/a", "out/b")


@attack
def hide_a_file_that_grows():
    descriptor = os.open("out/hidden", os.O_CREAT | os.O_WRONLY)
    os.unlink("out/hidden")
    os.close(descriptor)


@attack
def make_a_file_without_a_name():
    os.close(os.open("out", os.O_TMPFILE | os.O_WRONLY))


@attack
def hide_a_file_by_its_mode():
    os.close(os.open("out/mode", os.O_CREAT | os.O_WRONLY))
    os.chmod("out/mode", 0)


@attack
def call_by_tcp():
    call(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", PORT))


@attack
def call_by_tcp_over_ipv6():
    call(socket.AF_INET6, socket.SOCK_STREAM, ("::1", PORT))


@attack
def call_by_udp():
    call(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", PORT))


@attack
def listen_by_tcp():
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()


@attack
def call_the_kernel_by_netlink():
    with socket.socket(16, socket.SOCK_RAW, 0) as made:
        made.bind((0, 0))


@attack
def open_a_raw_socket():
    socket.socket(17, socket.SOCK_RAW).close()


@attack
def open_a_vsock():
    socket.socket(40, socket.SOCK_STREAM).close()


@attack
def call_a_unix_socket():
    call(socket.AF_UNIX, socket.SOCK_STREAM, TARGETS["path"])


@attack
def call_an_abstract_socket():
    call(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + TARGETS["name"])


@attack
def make_a_socket_pair():
    socket.socketpair()


@attack
def mount():
    check(LIBC.mount(b"none", b"/mnt", b"tmpfs", 0, None))


@attack
def change_root():
    os.chroot("out")


@attack
def leave_namespaces():
    check(LIBC.unshare(0x10000000))


@attack
def begin_a_user_namespace():
    system_call(56, 220, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)


@attack
def ask_for_keys():
    system_call(250, 219, 0, -3, 1)


@attack
def load_bpf():
    system_call(321, 280, 0, ctypes.create_string_buffer(b"\1\0\0\0\4\0\0\0\4\0\0\0\1\0\0\0", 128), 128)


@attack
def count_events():
    system_call(298, 241, ctypes.create_string_buffer(b"\1\0\0\0\x70\0\0\0", 128), 0, -1, -1, 0)


@attack
def use_io_uring():
    system_call(425, 425, 1, ctypes.create_string_buffer(128))


@attack
def handle_page_faults():
    system_call(323, 282, 1)


@attack
def keep_a_file_in_memory():
    os.close(os.memfd_create("planted"))


@attack
def share_memory_that_stays():
    system_call(29, 194, 0, mmap.PAGESIZE, 0o1600)


@attack
def make_a_queue_that_stays():
    system_call(68, 186, 0, 0o1600)


@attack
def begin_a_process():
    if os.fork() == 0:
        os._exit(0)


@attack
def begin_a_program():
    os.posix_spawn("/bin/true", ["true"], {})


@attack
def begin_a_session():
    os.setsid()


@attack
def leave_the_group():
    os.setpgid(0, WORKER)


@attack
def outlive_the_worker():
    check(LIBC.prctl(1, 0, 0, 0, 0))


@attack
def hide_from_the_worker():
    check(LIBC.prctl(4, 0, 0, 0, 0))


@attack
def take_more_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))


@attack
def become_root():
    os.setuid(0)


@attack
def gain_privileges():
    if LIBC.prctl(39, 0, 0, 0, 0) == 1:
        raise OSError(errno.EPERM, "no new privileges")


@attack
def take_disk_beyond_the_end_of_a_file():
    descriptor = os.open("out/short", os.O_CREAT | os.O_WRONLY)
    system_call(285, 47, descriptor, 1, 0, mmap.PAGESIZE)


@attack
def share_memory_without_a_file():
    mmap.mmap(-1, mmap.PAGESIZE).close()


@attack
def share_memory_of_zeros():
    descriptor = os.open("/dev/zero", os.O_RDONLY)
    mmap.mmap(descriptor, mmap.PAGESIZE, prot=mmap.PROT_READ).close()


@attack
def watch_files():
    system_call(294, 26, 0)


@attack
def have_changes_signalled():
    fcntl.fcntl(os.open(".", os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_CREATE)


@attack
def ask_about_queues():
    system_call(71, 187, 0, 3, ctypes.create_string_buffer(256))


@attack
def ask_about_semaphores():
    system_call(66, 191, 0, 0, 3, ctypes.create_string_buffer(256))


@attack
def begin_many_threads():
    threading.stack_size(32 * 1024)
    stop = threading.Event()
    try:
        for _ in range(MANY_THREADS):
            threading.Thread(target=stop.wait, daemon=True).start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, str(error)) from error
    finally:
        stop.set()


def outcome(function) -> str:
    try:
        function()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except ValueError as error:
        return str(error)
    return "succeeded"


for name, each in ATTACKS.items():
    print(json.dumps({name: outcome(each)}), flush=True)
os._exit(0)
