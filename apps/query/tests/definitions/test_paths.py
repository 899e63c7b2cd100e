"""GET /stats/paths."""

from hypothesis import given

from . import make, question_strategies
from .questions import span, stats
from .strategies import EXAMPLES, cases


@EXAMPLES
@given(case=cases(question_strategies.paths, days=1, users=3))
def test_paths_are_as_defined(product, case):
    product.holds(*case)


def walk(user_id, names, **given):
    return [make.event(user_id, 60 * number, name, **given) for number, name in enumerate(names)]


def transitions(body):
    return [[(row["source"], row["target"], row["count"]) for row in step["transitions"]] for step in body["steps"]]


def paths(body):
    return [("".join(path["keys"]), path["count"]) for path in body["paths"]]


def test_a_path_ends_with_its_session(ask):
    body = ask(walk("ann", "ab") + walk("bob", "a"), stats("paths", span(), depth=3))
    assert transitions(body) == [[("a", "b", 1), ("a", None, 1)], [("b", None, 1)], []]
    assert paths(body) == [("a", 1), ("ab", 1)]


def test_every_occurrence_of_the_start_counts(ask):
    body = ask(walk("ann", "xaaab"), stats("paths", span(), start="a", depth=1))
    assert body["occurrences"] == 3
    assert transitions(body) == [[("a", "a", 2), ("a", "b", 1)]]
    assert body["paths"][0] == {"keys": ["a", "a"], "count": 2, "share": 2 / 3}


def test_previous_reads_backwards_in_time(ask):
    events = walk("ann", "abc") + walk("bob", "bc")
    body = ask(events, stats("paths", span(), direction="previous", depth=2))
    assert transitions(body) == [[("c", "b", 2)], [("b", "a", 1), ("b", None, 1)]]
    assert paths(body) == [("cb", 1), ("cba", 1)]
    assert paths(ask(events, stats("paths", span(), start="b", direction="previous", depth=2))) == [("b", 1), ("ba", 1)]


def test_events_without_the_property_are_passed_over(ask):
    events = [
        make.event("ann", 0, page="/a"),
        make.event("ann", 1500),
        make.event("ann", 3000, page="/b"),
        make.event("bob"),
        make.event("cem", page=None),
    ]
    body = ask(events, stats("paths", span(), by="property:page", depth=1))
    assert (body["occurrences"], paths(body)) == (1, [("/a/b", 1)])


def test_a_path_has_at_most_depth_steps(ask):
    body = ask(walk("ann", "abcd") + walk("bob", "abc"), stats("paths", span(), depth=2))
    assert (len(body["steps"]), paths(body)) == (2, [("abc", 2)])
    assert paths(ask(walk("ann", "abc") + walk("bob", "ab"), stats("paths", span(), depth=2))) == [
        ("ab", 1),
        ("abc", 1),
    ]


def test_other_paths_are_counted_by_occurrence(ask):
    events = [event for n, names in enumerate(["ab", "ab", "ac", "ad", "ad", "aB"]) for event in walk(f"u{n}", names)]
    body = ask(events, stats("paths", span(), depth=1, limit=2))
    assert paths(body) == [("ab", 2), ("ad", 2)]
    assert (body["other_paths"], body["steps"][0]["other"]) == (2, 2)
    body = ask(events, stats("paths", span(), depth=1, limit=3))
    assert transitions(body) == [[("a", "b", 2), ("a", "d", 2), ("a", "B", 1)]]


def test_without_occurrences_there_are_no_paths(ask):
    body = ask(walk("ann", "ab"), stats("paths", span(), start="nothing", depth=2))
    assert body["steps"] == [{"step": n, "transitions": [], "other": 0} for n in (1, 2)]
    assert (body["occurrences"], body["paths"], body["other_paths"]) == (0, [], 0)
