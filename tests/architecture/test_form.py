"""The form of the source: names, sizes, and what no file may hold."""

from statistics import median, quantiles

import pytest

from architecture.sources import ROOT, SERVICES, tracked_files, written_sources

NAMELESS = {"utils", "util", "helpers", "helper", "common", "manager", "impl", "misc"}
MEDIAN_FUNCTION, NINE_OF_TEN_FUNCTIONS, LONGEST_FILE = 12, 40, 400

# Put together here, so that this file does not hold what it looks for.
SIBLING = ".." + "/shared"

# Parents that say nothing about a machine: a text may well name a temporary file, or a path inside an image.
SHARED_PLACES = {"/", "/app", "/data", "/home", "/mnt", "/opt", "/root", "/srv", "/tmp", "/usr/src", "/var/tmp"}


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every text file of the repository, by its path."""
    read = {}
    for path in tracked_files():
        try:
            read[str(path.relative_to(ROOT))] = path.read_text()
        except UnicodeDecodeError:
            continue
    return read


def test_no_module_has_a_name_that_says_nothing():
    """A drawer called `utils` is where everything ends up. The protos' shared package is the one `common`."""
    paths = [source.path for source in written_sources()]
    names = {path for path in paths if path.stem in NAMELESS or path.parent.name in NAMELESS}
    assert names == set()


def test_nothing_is_put_on_the_path_behind_the_readers_back():
    assert [path for path in tracked_files() if path.suffix == ".pth"] == []


def test_no_text_names_the_machine_it_was_written_on(texts):
    """A clone anywhere else is the same project."""
    places = [f"{ROOT}/"] if str(ROOT.parent) in SHARED_PLACES else [f"{ROOT.parent}/"]
    assert [name for name, text in texts.items() if any(place in text for place in places)] == []


def test_no_text_refers_to_what_is_not_in_the_repository(texts):
    assert [name for name, text in texts.items() if SIBLING in text] == []


def test_functions_are_short_enough_to_be_read_at_a_glance():
    lengths = {name: length for source in written_sources() for name, length in source.functions()}
    middle, ninth = median(lengths.values()), quantiles(lengths.values(), n=10)[-1]
    longest = sorted(lengths.items(), key=lambda item: item[1], reverse=True)[:5]
    print(f"{len(lengths)} functions; median {middle} lines, nine of ten up to {ninth:.0f}; longest {longest}")  # noqa: T201  shown by -s and when it fails
    assert middle <= MEDIAN_FUNCTION
    assert ninth <= NINE_OF_TEN_FUNCTIONS, longest


def test_a_file_has_one_subject():
    lengths = {f"{source.package}/{source.name}": source.lines for source in written_sources() if source.lines}
    print(f"{len(lengths)} files; median {median(lengths.values())} lines")  # noqa: T201  as above
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_the_way_in_is_a_few_lines():
    """Imports and a call: what a service is stands in `service.py`."""
    mains = [source for source in written_sources() if source.name == "__main__.py" and source.package in SERVICES]
    statements = {f"{source.package}/{source.name}": len(source.tree.body) for source in mains}
    assert {name: count for name, count in statements.items() if count > 4} == {}
