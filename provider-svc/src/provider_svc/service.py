"""The composition root of provider-svc: read it to know the service."""

import random

from chassis.config.providers import Provider as Configured
from chassis.runtime import Runtime, Service
from provider_svc.connection_metrics import ConnectionMetrics
from provider_svc.copies.opening import open_copies
from provider_svc.dispatch import Dispatch
from provider_svc.flights import Flights
from provider_svc.health.book import HealthBook
from provider_svc.hints.opening import open_hints
from provider_svc.inspection import list_targets
from provider_svc.keys.telemetry import KeyTelemetry
from provider_svc.pilot import Pilot
from provider_svc.pricing.library import Library
from provider_svc.pricing.prices import ConfiguredPrices
from provider_svc.providers import ProviderFactory
from provider_svc.realtime.servicer import RealtimeServicer
from provider_svc.roster import Roster
from provider_svc.servicer import ProviderServicer
from provider_svc.settings import ProviderSettings
from provider_svc.target_metrics import observe_targets
from provider_svc.target_servicer import TargetServicer
from provider_svc.telemetry import Telemetry
from runestone.provider.v1 import provider_pb2, provider_pb2_grpc
from runestone.realtime.v1 import realtime_pb2, realtime_pb2_grpc
from runestone.target.v1 import target_pb2, target_pb2_grpc


async def build(runtime: Runtime) -> None:
    """Wires the service."""
    settings = ProviderSettings()
    telemetry = Telemetry(runtime.metrics, runtime.tracing)
    factory = ProviderFactory(
        runtime.clock,
        telemetry.note_batch,
        KeyTelemetry(runtime.metrics, runtime.log),
        ConnectionMetrics(runtime.metrics),
    )
    library = Library(runtime.spawn)

    def open_prices(configured: Configured) -> ConfiguredPrices:
        return ConfiguredPrices(configured, library, runtime.clock, runtime.log)

    roster = await runtime.open(Roster(factory.open, runtime.spawn, open_prices))
    routes = runtime.snapshots.follow(roster.make, keeps_past=True, drop=roster.drop)
    book = HealthBook()
    book.on_new = open_hints(runtime, book).warn
    dispatch = Dispatch(roster, book, telemetry, runtime.clock, random.random)
    pilot = Pilot(telemetry, runtime.clock, runtime.log)
    flights = Flights(pilot, settings, runtime.clock)
    copies = open_copies(runtime)  # stopped behind the flights: what is registered last is stopped first
    runtime.on_stop(flights.stop)
    observe(runtime, flights)
    observe_targets(runtime.metrics, runtime.clock, lambda: list_targets(routes.current, book))
    runtime.serve(
        provider_pb2_grpc.add_ProviderServiceServicer_to_server,
        ProviderServicer(flights, dispatch, routes, settings, runtime.clock, copies=copies),
        provider_pb2.DESCRIPTOR.services_by_name["ProviderService"].full_name,
    )
    runtime.serve(
        target_pb2_grpc.add_TargetServiceServicer_to_server,
        TargetServicer(routes, dispatch, book, runtime.clock, factory.list_keys_of, factory.connections.statistics),
        target_pb2.DESCRIPTOR.services_by_name["TargetService"].full_name,
    )
    realtime = RealtimeServicer(routes)
    runtime.metrics.gauge("realtime_sessions", "Realtime sessions open now").set_function(lambda: realtime.running)
    runtime.serve(
        realtime_pb2_grpc.add_RealtimeServiceServicer_to_server,
        realtime,
        realtime_pb2.DESCRIPTOR.services_by_name["RealtimeService"].full_name,
    )


def observe(runtime: Runtime, flights: Flights) -> None:
    """Shows how many calls are running, and how many share them."""
    running = runtime.metrics.gauge("upstream_running", "Upstream calls running now")
    running.set_function(lambda: flights.running)
    followers = runtime.metrics.gauge("upstream_followers", "Calls that share a running upstream call begun by another")
    followers.set_function(flights.count_coalesced)
    left = runtime.metrics.gauge("streams_left", "Resumable calls that go on although nobody follows them now")
    left.set_function(lambda: flights.left)


SERVICE = Service("provider", build)
