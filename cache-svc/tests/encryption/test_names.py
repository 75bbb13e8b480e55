"""Names hide what answers are found by, and lose nothing that is looked for."""

from hypothesis import given
from hypothesis import strategies as st

from cache_svc.encryption.names import Names
from cache_svc.store import Labels, Selection

NAMES = Names(bytes(range(32)))
fingerprints = st.binary(min_size=32, max_size=32)
words = st.sampled_from(["", "a", "b", "acme"])
labels = st.builds(Labels, words, words, st.lists(words.filter(bool), unique=True).map(tuple))
selections = st.builds(
    Selection, key_prefix=st.binary(max_size=3), tenant=words, model=words, tag=words, everything=st.booleans()
)


@given(fingerprints, labels, selections, st.integers(0, 32))
def test_what_a_selection_fits_its_hidden_form_fits_under_its_hidden_name(fingerprint, labels, selection, length):
    for prefix in (selection.key_prefix, fingerprint[:length]):
        wanted = Selection(prefix, selection.tenant, selection.model, selection.tag, selection.everything)
        hidden = NAMES.hide_selection(wanted)
        if wanted.fits(fingerprint, labels):
            assert hidden.fits(NAMES.hide_fingerprint(fingerprint), NAMES.hide_labels(labels))


@given(fingerprints, labels, selections)
def test_a_hidden_selection_fits_nothing_else(fingerprint, labels, selection):
    hidden = NAMES.hide_selection(selection)
    assert hidden.fits(NAMES.hide_fingerprint(fingerprint), NAMES.hide_labels(labels)) == selection.fits(
        fingerprint, labels
    )


@given(fingerprints, fingerprints)
def test_a_whole_key_selects_its_own_entry_alone(one, other):
    hidden = NAMES.hide_selection(Selection(key_prefix=one))
    assert hidden.fits(NAMES.hide_fingerprint(other), Labels()) == (one == other)


@given(st.binary(min_size=9, max_size=31), st.integers(0, 8))
def test_of_a_long_prefix_eight_bytes_count(prefix, place):
    hidden = NAMES.hide_selection(Selection(key_prefix=prefix))
    changed = bytearray(prefix)
    changed[place] ^= 1
    other = NAMES.hide_selection(Selection(key_prefix=bytes(changed)))
    assert (hidden == other) == (place == 8)


def test_every_beginning_has_a_name_of_its_own():
    beginnings = [bytes([first, second]) for first in range(256) for second in range(256)]
    hidden = {NAMES.hide_selection(Selection(key_prefix=beginning)).key_prefix for beginning in beginnings}
    assert len(hidden) == len(beginnings)


@given(fingerprints)
def test_a_name_is_as_long_as_a_fingerprint_and_says_nothing_of_it_without_the_key(fingerprint):
    name, other = NAMES.hide_fingerprint(fingerprint), Names(b"other key").hide_fingerprint(fingerprint)
    assert len(name) == 32
    assert len({name[8:], fingerprint[8:], other[8:]}) == 3
    assert len({name[:8], fingerprint[:8], other[:8]}) > 1


def test_a_word_is_hidden_differently_as_tenant_model_and_tag():
    hidden = NAMES.hide_labels(Labels("same", "same", ("same",)))
    assert len({hidden.tenant, hidden.model, *hidden.tags}) == 3
    assert "same" not in repr(hidden)


def test_the_same_labels_have_the_same_names_in_every_process():
    assert Names(bytes(range(32))).hide_labels(Labels("a", "b", ("c",))) == NAMES.hide_labels(Labels("a", "b", ("c",)))
    assert NAMES.hide_labels(Labels()) == Labels()
