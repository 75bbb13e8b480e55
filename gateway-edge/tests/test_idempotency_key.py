"""What an idempotency key stands for, whatever is asked under it."""

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway_edge.call import Question
from gateway_edge.idempotency.key import CallKey, fingerprint_call
from gateway_edge.question.form import Form
from gateway_edge.question.views import View

texts = st.text(st.characters(exclude_categories=["Nd", "Cs"]))  # nineteen digits in a row are compared byte for byte
scalars = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
documents = st.dictionaries(texts, values, max_size=4)
ASKED = {"model": "simulated", "messages": [{"role": "user", "content": "hi"}]}
fixed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def call_with(make_call, document, *, option=0, tenant="acme", key="ci"):
    call = make_call(tenant=tenant)
    call.body = orjson.dumps(document, option=option)
    call.question = Question(call.body, call.asked.view, call.asked.route)
    call.principal = type(call.caller)(tenant=tenant, key=key)
    return call


@fixed
@given(documents)
def test_whitespace_and_order_make_no_difference(make_call, more):
    document = {**{f"x_{name}": value for name, value in more.items()}, **ASKED}
    turned = dict(reversed(document.items()))
    compact, spread = call_with(make_call, document), call_with(make_call, turned, option=orjson.OPT_INDENT_2)
    assert fingerprint_call(compact) == fingerprint_call(spread)


@fixed
@given(documents, documents)
def test_what_differs_has_another_fingerprint(make_call, one, other):
    first, second = (call_with(make_call, {**document, **ASKED}) for document in (one, other))
    is_same = orjson.dumps(first.asked.document, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        second.asked.document, option=orjson.OPT_SORT_KEYS
    )
    assert (fingerprint_call(first) == fingerprint_call(second)) is is_same


@fixed
@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_no_choice_of_names_lets_two_share_a_scope(make_call, one, other):
    scopes = [
        CallKey.of(call_with(make_call, ASKED, tenant=tenant, key=key), "k").scope for tenant, key in (one, other)
    ]
    assert (scopes[0] == scopes[1]) is (one == other)


def test_a_form_asks_for_the_model_that_its_path_names(make_call):
    """Azure's clients leave it out of the form: the answer of one model would be replayed for another's."""
    prints = set()
    for model in ("whisper-1", "whisper-2"):
        call = make_call()
        call.question = Question(b"", View(model), call.asked.route, form=Form((), {}))
        prints.add(fingerprint_call(call))
    assert len(prints) == 2
