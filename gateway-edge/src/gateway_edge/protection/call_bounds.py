"""Which calls may run now: how many of one key and of one client behind a proxy, and which are shed under load."""

from collections.abc import Callable

from chassis.config.schema import Protection
from chassis.errors import Reason, RunestoneError
from chassis.health import Facts
from chassis.metrics import Metrics
from gateway_edge.call import Arrival
from gateway_edge.callers.tenants import Principal
from gateway_edge.door.proxies import site_of
from gateway_edge.protection.pressure import INTERVAL, WINDOW, Load, Pressure, Timer
from gateway_edge.protection.shedding import CALM, PRIORITIES, relief, shed_below
from gateway_edge.protection.tally import Tally

FACT = "shedding"
FIRST_GUESS = 1.0  # seconds that a call is taken to last before one has
WEIGHT = 1 / 16  # of the last call in the mean of how long they last
LEAST_WAIT, MOST_WAIT = 0.05, 30.0  # seconds


class CallBounds:
    """Lets calls in and out. Under load those of the lowest priority are shed first; health's fact `shedding` says so and
    stays true, as an edge that sheds still serves the rest."""

    def __init__(
        self,
        protection: Callable[[], Protection],
        timer: Timer,
        *,
        measure_memory: Callable[[], int],
        max_memory: int | None,
        facts: Facts,
        metrics: Metrics,
    ) -> None:
        self.load = Load(timer, measure_memory, max_memory, self._look_again)
        self.shed_below = 0
        self._protection = protection
        self._facts = facts
        self._keys: Tally[tuple[str, str]] = Tally()
        self._sites: Tally[str] = Tally()
        self._mean_seconds = FIRST_GUESS
        self._refused = metrics.counter("calls_above_bound", "Calls refused for what runs already", ("bound",))
        self._shed = metrics.counter("calls_shed", "Calls refused under load", ("priority", "pressure"))
        metrics.gauge("calls_running", "Calls of known callers running now").set_function(lambda: self.load.running)
        metrics.gauge("priorities_shed", "Priorities shed now, of ten a worker").set_function(lambda: self.shed_below)
        self._say("")

    def enter(self, principal: Principal, arrival: Arrival, protection: Protection) -> None:
        """Counts a call in, to be counted out by `leave`. Raises RATE_LIMITED above a bound of its own, OVERLOADED when it is
        shed; then it is not counted."""
        self.load.watch()
        pressure = self.load.compare(protection)
        if pressure.share >= CALM or self.shed_below:
            self.shed_below = shed_below(pressure.share, self.shed_below)
            if principal.priority < self.shed_below:
                raise self._shed_call(principal.priority, pressure, protection)
        key, site = (principal.tenant, principal.key), site_of(arrival.client_address) if arrival.is_proxied else None
        if self._keys[key] >= protection.max_calls_per_key:
            raise self._refuse("key", protection.max_calls_per_key)
        if site is not None:
            if self._sites[site] >= protection.max_connections_per_address:
                raise self._refuse("address", protection.max_connections_per_address)
            self._sites.add(site)
        self._keys.add(key)
        self.load.running += 1

    def leave(self, principal: Principal, arrival: Arrival, seconds: float) -> None:
        """Counts a call out that lasted `seconds`."""
        self.load.running -= 1
        self._keys.remove((principal.tenant, principal.key))
        if arrival.is_proxied:
            self._sites.remove(site_of(arrival.client_address))
        self._mean_seconds += (seconds - self._mean_seconds) * WEIGHT

    def _refuse(self, bound: str, most: int) -> RunestoneError:
        self._refused.labels(bound).inc()
        wait = self._expect(1, most)
        message = f"{most} calls of your {bound} run already, as many as may; try again in {wait:.3f} s"
        return RunestoneError(Reason.RATE_LIMITED, message, retry_after=wait, code="too_many_calls")

    def _shed_call(self, priority: int, pressure: Pressure, protection: Protection) -> RunestoneError:
        self._shed.labels(priority, pressure.of).inc()
        wait = INTERVAL * WINDOW  # by then lag and memory are known anew
        if pressure.of == "calls":
            running = self.load.running
            wait = self._expect(running - relief(priority) * protection.max_calls, running)
        message = f"the gateway is overloaded and sheds calls of priority {priority}; try again in {wait:.3f} s"
        return RunestoneError(Reason.OVERLOADED, message, retry_after=wait)

    def _expect(self, ends: float, running: int) -> float:
        """Seconds until `ends` of the `running` calls will have ended, as long as calls last on average (Little's law)."""
        return min(max(ends / max(running, 1) * self._mean_seconds, LEAST_WAIT), MOST_WAIT)

    def _look_again(self) -> None:
        pressure = self.load.compare(self._protection())
        self.shed_below = shed_below(pressure.share, self.shed_below)
        self._say(pressure.of)

    def _say(self, cause: str) -> None:
        below = self.shed_below
        what = "all calls" if below == PRIORITIES else f"calls with a priority below {below}"
        self._facts.say(FACT, holds=True, detail=f"{what}, because of {cause}" if below else "nothing")

    def __repr__(self) -> str:
        return f"CallBounds({self.load!r}, sheds below {self.shed_below})"
