"""One process of ours: started, probed, restarted with back-off, stopped with grace."""

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Final

from vodstack_platform.embedded.probes import Probe
from vodstack_platform.embedded.workload_plans import ContainerPlan

LineCallback = Callable[[str, str], None]

_TAIL_LINES: Final = 60
_OWN_WORDS: Final = "[supervisor]"
_LINE_BYTES: Final = 16 * 1024
_DEATHS_BEFORE_GIVING_UP: Final = 3
_FIRST_BACK_OFF_SECONDS: Final = 0.5
_LONGEST_BACK_OFF_SECONDS: Final = 30.0
_STEADY_SECONDS: Final = 60.0


class Service:
    """Keeps one process running. `tail` holds its last lines, `trouble` why it last failed.

    `given_up` says that it died several times within minutes, and waiting is in vain; it is started again all the same.
    """

    def __init__(
        self,
        plan: ContainerPlan,
        *,
        environment: Mapping[str, str],
        directory: Path,
        on_line: LineCallback,
        on_start: Callable[[int], None],
        on_end: Callable[[int], None],
    ) -> None:
        self.plan = plan
        self.name = plan.name
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self.trouble = ""
        self.restarts = 0
        self.process_id: int | None = None
        self.ready = asyncio.Event()
        self.given_up = asyncio.Event()
        self._environment = environment
        self._directory = directory
        self._on_line = on_line
        self._on_start = on_start
        self._on_end = on_end
        self._stopping = asyncio.Event()

    @property
    def last_words(self) -> str:
        """The last line that the process wrote; empty where it wrote none."""
        return next((line for line in reversed(self.tail) if not line.startswith(_OWN_WORDS)), "")

    async def run(self) -> None:
        """Start it, and again whenever it ends, until `stop`."""
        back_off, deaths = _FIRST_BACK_OFF_SECONDS, 0
        while not self._stopping.is_set():
            started = asyncio.get_running_loop().time()
            async with self._process() as process:
                await self._watch(process)
            if self._stopping.is_set():
                return
            if asyncio.get_running_loop().time() - started > _STEADY_SECONDS:
                back_off, deaths = _FIRST_BACK_OFF_SECONDS, 0
            self.restarts += 1
            deaths += 1
            if deaths >= _DEATHS_BEFORE_GIVING_UP:
                self.given_up.set()
            self._say(f"{self.trouble}; starting again in {back_off:g} s")
            await self._pause(back_off)
            back_off = min(back_off * 2, _LONGEST_BACK_OFF_SECONDS)

    def stop(self) -> None:
        self._stopping.set()

    @contextlib.asynccontextmanager
    async def _process(self) -> AsyncGenerator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *self.plan.command,
            env=dict(self._environment),
            cwd=self._directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._on_start(process.pid)
        self.process_id = process.pid
        lines = asyncio.create_task(self._read_lines(process.stdout))
        try:
            yield process
        finally:
            self.ready.clear()
            await self._end(process)
            # What the process started itself and left behind holds its output open.
            _signal_group(process.pid, signal.SIGKILL)
            await lines
            self.process_id = None
            self._on_end(process.pid)

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Return when the process has ended, has to end, or `stop` was called; `trouble` says which."""
        ended = asyncio.create_task(process.wait())
        stopped = asyncio.create_task(self._stopping.wait())
        probed = asyncio.create_task(self._probe())
        tasks = (ended, stopped, probed)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if probed.done() and not ended.done():
                self.trouble = probed.result()
            elif ended.done():
                self.trouble = _how_it_ended(ended.result())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _probe(self) -> str:
        """Ask the probes as a kubelet does. Returns, with the reason, when the process has to be restarted."""
        if self.plan.startup and (reason := await self._until_started(self.plan.startup)):
            return reason
        readiness = asyncio.create_task(self._follow_readiness())
        try:
            if self.plan.liveness is None:
                await asyncio.Event().wait()
                return ""
            return await _until_failing(self.plan.liveness)
        finally:
            readiness.cancel()
            await asyncio.gather(readiness, return_exceptions=True)

    async def _until_started(self, probe: Probe) -> str:
        await asyncio.sleep(probe.initial_delay_seconds)
        reason = ""
        for _ in range(probe.failure_threshold):
            failure = await probe.ask()
            if failure is None:
                return ""
            self.trouble = reason = failure
            await asyncio.sleep(probe.period_seconds)
        return f"{reason}, {probe.failure_threshold} times"

    async def _follow_readiness(self) -> None:
        probe = self.plan.readiness
        if probe is None:
            self.ready.set()
            return
        await asyncio.sleep(probe.initial_delay_seconds)
        passes = failures = 0
        while True:
            failure = await probe.ask()
            passes, failures = (passes + 1, 0) if failure is None else (0, failures + 1)
            self.trouble = failure or ""
            if passes >= probe.success_threshold:
                self.ready.set()
            elif failures >= probe.failure_threshold:
                self.ready.clear()
            await asyncio.sleep(probe.period_seconds)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.plan.grace_seconds):
                await process.wait()
        except TimeoutError:
            self._say(f"still there {self.plan.grace_seconds:g} s after SIGTERM: killed")
            _signal_group(process.pid, signal.SIGKILL)
            await process.wait()

    async def _read_lines(self, stream: asyncio.StreamReader | None) -> None:
        rest = b""
        while stream and (chunk := await stream.read(_LINE_BYTES)):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line)
            if len(rest) >= _LINE_BYTES:
                self._take(rest)
                rest = b""
        if rest:
            self._take(rest)

    def _take(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self.tail.append(text)
        self._on_line(self.name, text)

    def _say(self, text: str) -> None:
        self._take(f"{_OWN_WORDS} {text}".encode())

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


async def _until_failing(probe: Probe) -> str:
    await asyncio.sleep(probe.initial_delay_seconds)
    failures = 0
    while True:
        failure = await probe.ask()
        failures = failures + 1 if failure else 0
        if failure and failures >= probe.failure_threshold:
            return f"{failure}, {failures} times"
        await asyncio.sleep(probe.period_seconds)


def _signal_group(process_id: int, signal_number: signal.Signals) -> None:
    # macOS answers EPERM for a group whose members are all zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process_id, signal_number)


def _how_it_ended(code: int) -> str:
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
