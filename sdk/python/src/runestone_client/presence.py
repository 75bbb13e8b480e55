"""Who is there, kept as Phoenix' `Presence` keeps it (`syncState` and `syncDiff` of phoenix.js), and what changed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Meta = dict[str, Any]
State = dict[str, list[Meta]]


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    """Somebody came, went, or changed what is told of them: `meta` is theirs. One key may be there several times."""

    kind: Literal["joined", "left", "updated"]
    key: str
    meta: Meta


def read_state(state: State, told: Any) -> tuple[State, list[PresenceChanged]]:
    """The state that was told as a whole, and how it differs from what was known."""
    new = _read_presences(told)
    joins = {key: _without(metas, state.get(key, [])) for key, metas in new.items()}
    leaves = {key: _without(metas, new.get(key, [])) for key, metas in state.items()}
    return new, _describe(joins, leaves)


def read_diff(state: State, told: Any) -> tuple[State, list[PresenceChanged]]:
    """The state behind a change, and the change. `told` is `{joins, leaves}`."""
    said = told if isinstance(told, dict) else {}
    joins, leaves = _read_presences(said.get("joins")), _read_presences(said.get("leaves"))
    after = {key: list(metas) for key, metas in state.items()}
    for key, metas in joins.items():
        after[key] = _without(after.get(key, []), metas) + metas
    gone: State = {}
    for key, metas in leaves.items():
        before = after.get(key, [])
        after[key] = _without(before, metas)
        gone[key] = _without(before, after[key])
        if not after[key]:
            del after[key]
    news = {key: _without(metas, state.get(key, [])) for key, metas in joins.items()}
    return after, _describe(news, gone)


def _describe(joins: State, leaves: State) -> list[PresenceChanged]:
    """A change of what is told of somebody leaves with the old reference, and joins with one that names it."""
    replaced = {meta.get("phx_ref_prev") for metas in joins.values() for meta in metas} - {None}
    left = [
        PresenceChanged("left", key, meta)
        for key, metas in leaves.items()
        for meta in metas
        if meta["phx_ref"] not in replaced
    ]
    known = {meta["phx_ref"] for metas in leaves.values() for meta in metas}
    came = [
        PresenceChanged("updated" if meta.get("phx_ref_prev") in known else "joined", key, meta)
        for key, metas in joins.items()
        for meta in metas
    ]
    return left + came


def _read_presences(told: Any) -> State:
    presences: Mapping[str, Any] = told if isinstance(told, dict) else {}
    return {key: [dict(meta) for meta in presence["metas"]] for key, presence in presences.items()}


def _without(metas: list[Meta], others: list[Meta]) -> list[Meta]:
    refs = {meta["phx_ref"] for meta in others}
    return [meta for meta in metas if meta["phx_ref"] not in refs]
