"""What is counted of one provider's connections. The numbers only grow; a metric shows the very same ones."""

from dataclasses import dataclass, field, fields

from chassis.metric_families import Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """`dialed`: opened, those ahead of need included. `reused`: uses of a connection that had one before. `repeated`: requests that were
    sent again on a new connection. `aged_out`, `idled_out`, `moved_away`: closed for their age, for want of use, or as the host has that
    address no longer. `look_ups`: those that found addresses."""

    dialed: Count = field(default_factory=Count)
    dial_failures: Count = field(default_factory=Count)
    warm_failures: Count = field(default_factory=Count)
    reused: Count = field(default_factory=Count)
    repeated: Count = field(default_factory=Count)
    aged_out: Count = field(default_factory=Count)
    idled_out: Count = field(default_factory=Count)
    moved_away: Count = field(default_factory=Count)
    look_ups: Count = field(default_factory=Count)
    look_up_failures: Count = field(default_factory=Count)

    def statistics(self) -> dict[str, int]:
        """Every number by its name."""
        return {each.name: int(getattr(self, each.name).value) for each in fields(self)}
