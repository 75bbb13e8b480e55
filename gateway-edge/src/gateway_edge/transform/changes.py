"""Changes of a JSON document, each made once of its options and then applied to every call's."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from chassis.config.transform.options import Assignment, Filling, ModelRewrite, Removal, Renaming, SystemPrompt
from chassis.config.transform.paths import Path, parse_path
from chassis.config.transform.templates import parse_template
from gateway_edge.transform.facts import Facts
from gateway_edge.transform.places import MISSING, Way, find_holders, list_places

Document = dict[str, Any]
Change = Callable[[Document, Facts], bool]  # changes the document; whether it did

INSTRUCTING = ("system", "developer")  # roles whose first message is the system prompt


def make_assignment(said: Assignment) -> Change:
    """`set`: the value stands there afterwards, whatever stood in the way."""
    path, make = parse_path(said.path), _copier(said.value)

    def assign(document: Document, _facts: Facts) -> bool:
        return _put(document, path, make())

    return assign


def make_default(said: Assignment) -> Change:
    """`default`: the value stands there afterwards if nothing or null did."""
    path, make = parse_path(said.path), _copier(said.value)

    def fill_in(document: Document, _facts: Facts) -> bool:
        is_changed = False
        for holder in find_holders(document, path, Way.FILL):
            for place in list_places(holder, path[-1]):
                if (holder.get(place) if type(holder) is dict else holder[place]) is None:
                    holder[place] = make()
                    is_changed = True
        return is_changed

    return fill_in


def make_filling(said: Filling) -> Change:
    """`template`: as `set`, with a text in which the call's own facts stand."""
    path, template = parse_path(said.path), parse_template(said.text)

    def fill(document: Document, facts: Facts) -> bool:
        return _put(document, path, facts.fill(template))

    return fill


def make_removal(said: Removal) -> Change:
    """`remove`: what is there is not any more."""
    path = parse_path(said.path)

    def remove(document: Document, _facts: Facts) -> bool:
        if len(path) == 1:
            return document.pop(str(path[0]), MISSING) is not MISSING
        is_changed = False
        for holder in find_holders(document, path):
            for place in reversed(list_places(holder, path[-1])):
                if isinstance(holder, list) or place in holder:
                    del holder[place]
                    is_changed = True
        return is_changed

    return remove


def make_renaming(said: Renaming) -> Change:
    """`rename`: what stands at one path stands at the other, instead of what was there."""
    origin, target = parse_path(said.from_), parse_path(said.to)
    old, new = str(origin[-1]), str(target[-1])
    is_in_place = origin[:-1] == target[:-1]

    def rename(document: Document, _facts: Facts) -> bool:
        is_changed = False
        for holder in find_holders(document, origin):
            value = holder.pop(old, MISSING)
            if value is not MISSING:
                is_changed = True
                for home in [holder] if is_in_place else find_holders(document, target, Way.OVERRULE):
                    home[new] = value
        return is_changed

    return rename


def make_model_rewrite(said: ModelRewrite) -> Change:
    """`model`: another one, where the call names one that is meant."""
    stem, is_open = said.from_.removesuffix("*"), said.from_.endswith("*")

    def rewrite(document: Document, _facts: Facts) -> bool:
        model = document.get("model")
        if not isinstance(model, str) or not (model.startswith(stem) if is_open else model == stem):
            return False
        document["model"] = said.to.replace("*", model[len(stem) :]) if is_open else said.to
        return True

    return rewrite


def make_system_prompt(said: SystemPrompt) -> Change:
    """`system_prompt`: the text begins the system message, or is a message of its own where there is none."""
    text = said.prefix

    def instruct(document: Document, _facts: Facts) -> bool:
        messages = document.get("messages")
        if not isinstance(messages, list):
            return False
        first = messages[0] if messages else None
        if isinstance(first, dict) and first.get("role") in INSTRUCTING:
            first["content"] = _prefixed(text, first.get("content"))
        else:
            messages.insert(0, {"role": "system", "content": text})
        return True

    return instruct


def _prefixed(text: str, content: object) -> object:
    if isinstance(content, list):
        return [{"type": "text", "text": text}, *content]
    return f"{text}\n\n{content}" if isinstance(content, str) and content else text


def _copier(value: object) -> Callable[[], object]:
    """Gives `value` to every call as its own: what one changes in it no other sees."""
    return (lambda: deepcopy(value)) if isinstance(value, (dict, list)) else (lambda: value)


def _put(document: Document, path: Path, value: object) -> bool:
    if len(path) == 1:
        return _assign(document, path[0], value)
    is_changed = False
    for holder in find_holders(document, path, Way.OVERRULE):
        for place in list_places(holder, path[-1]):
            is_changed |= _assign(holder, place, value if not is_changed else deepcopy(value))
    return is_changed


def _assign(holder: Any, place: Any, value: object) -> bool:
    old = holder.get(place, MISSING) if type(holder) is dict else holder[place]
    if type(old) is type(value) and old == value and not isinstance(value, (dict, list)):
        return False
    holder[place] = value
    return True


CHANGES: dict[str, Callable[[Any], Change]] = {
    "set": make_assignment,
    "default": make_default,
    "rename": make_renaming,
    "remove": make_removal,
    "template": make_filling,
    "model": make_model_rewrite,
    "system_prompt": make_system_prompt,
}
