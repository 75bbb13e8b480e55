"""One process of the mesh: started by exec, kept alive, stopped."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from chassis.clock import Clock
from chassis.logs import Logger
from launcher.backoff import RestartPolicy, Restarts
from launcher.errors import LaunchError

REAP = 5.0  # seconds that the kernel has to end a killed process


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How a process is started. `descriptors` are inherited under the same numbers."""

    name: str
    arguments: Sequence[str]
    descriptors: Sequence[int] = ()


class Child:
    """Runs a command and starts it again when it ends, until `stop`.

    The child has its own process group, so that Ctrl-C in the terminal reaches the launcher alone, and its stdin is a
    lifeline: the pipe closes however the launcher ends. `on_restart` is called after each restart, `on_loss` with the
    reason when it is given up.
    """

    def __init__(
        self,
        command: Command,
        policy: RestartPolicy,
        *,
        clock: Clock,
        log: Logger,
        on_restart: Callable[[str], None],
        on_loss: Callable[[LaunchError], None],
    ) -> None:
        self.name = command.name
        self._command = command
        self._restarts = Restarts(policy)
        self._clock = clock
        self._log = log
        self._on_restart = on_restart
        self._on_loss = on_loss
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process's id; None while there is none."""
        return self._process.pid if self._is_alive and self._process else None

    def start(self) -> None:
        """Starts the process and watches over it from now on."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def stop(self, patience: float) -> None:
        """SIGTERM; after `patience` seconds SIGKILL to its whole group. A child that is not running stays so."""
        await self._dismiss_keeper()
        if not self._is_alive:
            return
        self._signal(signal.SIGTERM)
        if not await self._ended_within(patience):
            self._log.warning("part does not stop, killed", part=self.name, waited=patience)
            self.kill()
            await self._ended_within(REAP)

    def kill(self) -> None:
        """SIGKILL to the child's process group, now; it is not started again."""
        if self._keeper is not None:
            self._keeper.cancel()
        self._kill_group()

    def end_hanging(self) -> None:
        """SIGKILL to a process that does not answer any more; it is started again as after any other death."""
        self._log.warning("part hangs, killed", part=self.name, pid=self.pid)
        self._kill_group()

    async def _keep(self) -> None:
        try:
            while True:
                started = self._clock.monotonic()
                code = await self._run_once()
                pause = self._restarts.pause_after(started=started, ended=self._clock.monotonic())
                if pause is None:
                    raise LaunchError(f"{self.name} keeps ending (last with {describe_end(code)}); see its lines above")  # noqa: TRY301
                self._log.warning("part ended", part=self.name, how=describe_end(code), restart_in=pause)
                await asyncio.sleep(pause)
                self._on_restart(self.name)
        except LaunchError as error:
            self._on_loss(error)
        except OSError as error:
            self._on_loss(LaunchError(f"cannot start {self.name}: {error}"))
        except Exception as error:  # noqa: BLE001  the outermost border of the task: a child without a keeper is lost
            self._log.error("keeper crashed", part=self.name, exc_info=error)
            self._on_loss(LaunchError(f"cannot keep {self.name}: {error}"))

    async def _run_once(self) -> int:
        self._process = await asyncio.create_subprocess_exec(
            *self._command.arguments, stdin=PIPE, pass_fds=self._command.descriptors, start_new_session=True
        )
        self._log.debug("part started", part=self.name, pid=self._process.pid)
        return await self._process.wait()

    async def _dismiss_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])

    async def _ended_within(self, seconds: float) -> bool:
        assert self._process is not None
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    def _kill_group(self) -> None:
        if self._process is not None and self._is_alive:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def _is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def __repr__(self) -> str:
        return f"Child({self.name}, pid {self.pid}, {self._restarts})"


def describe_end(code: int) -> str:
    """`SIGKILL` or `code 1`, from what `wait` gave."""
    if code >= 0:
        return f"code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
