"""The algorithm that Phoenix' clients keep presence by: `Presence.syncState` and `syncDiff` of phoenix.js, line by line."""

import copy
from typing import Any

State = dict[str, dict[str, list[dict[str, Any]]]]


def sync_state(current: State, new: State) -> State:
    state, joins = copy.deepcopy(current), {}
    leaves = {key: presence for key, presence in state.items() if key not in new}
    for key, presence in new.items():
        if key not in state:
            joins[key] = presence
            continue
        new_refs = {meta["phx_ref"] for meta in presence["metas"]}
        refs = {meta["phx_ref"] for meta in state[key]["metas"]}
        if joined := [meta for meta in presence["metas"] if meta["phx_ref"] not in refs]:
            joins[key] = {"metas": joined}
        if left := [meta for meta in state[key]["metas"] if meta["phx_ref"] not in new_refs]:
            leaves[key] = {"metas": left}
    return sync_diff(state, {"joins": joins, "leaves": leaves})


def sync_diff(state: State, diff: dict[str, State]) -> State:
    diff = copy.deepcopy(diff)
    for key, joined in diff["joins"].items():
        current = state.get(key)
        state[key] = copy.deepcopy(joined)
        if current:
            refs = {meta["phx_ref"] for meta in joined["metas"]}
            kept = [meta for meta in current["metas"] if meta["phx_ref"] not in refs]
            state[key]["metas"] = kept + state[key]["metas"]
    for key, left in diff["leaves"].items():
        if key not in state:
            continue
        refs = {meta["phx_ref"] for meta in left["metas"]}
        state[key]["metas"] = [meta for meta in state[key]["metas"] if meta["phx_ref"] not in refs]
        if not state[key]["metas"]:
            del state[key]
    return state


def refs_of(state: State) -> dict[str, set[str]]:
    """Who is there, whatever the order."""
    return {key: {meta["phx_ref"] for meta in presence["metas"]} for key, presence in state.items()}
