"""A verdict says hidden only where readers that knew the class no longer give it."""

import pytest

from sfumato.perturbers.editing import Wish
from sfumato.perturbers.verdict import count_verdicts, describe_verdict, judge_face


def check(*, accepted=True, **readers):
    """Return a check of ``reader={attribute: (before, after)}``; numbers are years."""

    def said(value):
        return {"label": value} if isinstance(value, str) else {"years": value}

    readings = {
        reader: {name: dict(zip(("before", "after"), map(said, pair), strict=True))}
        for reader, found in readers.items()
        for name, pair in found.items()
    }
    return {"readings": readings, "match": {"accepted": accepted}}


def verdict(wish, *checks):
    return count_verdicts([judge_face(one, wish) for one in checks], wish)


@pytest.mark.parametrize(
    ("pairs", "labels", "succeeded", "text"),
    [
        # Both readers still read it: not hidden.
        ([("f", "f"), ("f", "f")], {}, False, "2 of 2 readers still read gender: a, b"),
        ([("f", "m"), ("f", "f")], {}, False, "1 of 2 readers still read gender: b"),
        ([("f", "m"), ("f", "m")], {}, True, "gender hidden: 0 of 2 readers still read gender"),
        # Each by what it read before, though they differ, which is told.
        (
            [("f", "m"), ("m", "f")],
            {},
            True,
            "gender hidden: 0 of 2 readers still read gender; the readers disagree about the "
            "present gender, tell it (--labels gender=...)",
        ),
        # It is a man: the first misread him before, and now reads him rightly.
        (
            [("f", "m"), ("m", "f")],
            {"gender": "m"},
            True,
            "gender hidden: 0 of 1 readers still read gender (1 misread it before)",
        ),
        (
            [("f", "m"), ("f", "m")],
            {"gender": "m"},
            None,
            "gender is not judged (2 misread it before)",
        ),
    ],
)
def test_one_face(pairs, labels, succeeded, text):
    wish = Wish({"gender": None}, labels=labels)
    found = check(a={"gender": pairs[0]}, b={"gender": pairs[1]})
    assert judge_face(found, wish)["hide"]["gender"]["succeeded"] is succeeded
    total = verdict(wish, found)
    assert total["succeeded"] is (succeeded is True)
    assert describe_verdict(total)[0] == text


def test_what_perturbers_call_age_and_race_readers_read_as_years_and_ethnicity():
    wish = Wish({"age": "old"}, keep=("race",))
    # 29 and 30 are both young, 46 is old.
    for years, still in (((29, 30), ["a"]), ((29, 46), [])):
        assert judge_face(check(a={"age_years": years}), wish)["hide"]["age"]["still"] == still
    kept = judge_face(check(a={"ethnicity": ("white", "white")}), wish)
    assert kept["keep"]["race"]["succeeded"] and kept["hide"]["age"]["without"] == ["a"]
    lost = judge_face(check(a={"ethnicity": ("white", "black")}), wish)
    assert lost["keep"]["race"]["no_longer"] == ["a"] and not lost["keep"]["race"]["succeeded"]


def test_no_face_and_no_reader_are_no_success():
    wish = Wish({"gender": None})
    assert not verdict(wish)["succeeded"]
    unread = verdict(wish, check(a={"smiling": ("yes", "no")}))
    assert not unread["succeeded"]
    assert describe_verdict(unread)[0] == "gender is not judged (1 do not read it at all)"


def test_who_reads_again_after_an_upload_is_named():
    found = check(a={"gender": ("f", "m")}, b={"gender": ("f", "m")})
    for reader, said in (("a", "m"), ("b", "f")):
        found["readings"][reader]["gender"]["uploaded"] = {"label": said}
    found["match"]["uploaded"] = {"accepted": False}
    one = judge_face(found, Wish({"gender": None}))
    assert one["hide"]["gender"]["uploaded"] == ["b"] and one["same_person_uploaded"] is False
    assert not one["hide"]["gender"]["succeeded"]
    assert describe_verdict(count_verdicts([one], Wish({"gender": None}))) == [
        "0 of 2 readers still read gender; uploaded, 1: b",
        "the matcher still accepts 1 of 1, uploaded 0",
    ]


def test_a_drawn_class_succeeds_where_readers_say_it():
    wish = Wish({"gender": None}, at_random=True)
    # The class drawn is the present one: that readers still give it is no failure.
    for shown, succeeded, n in (("f", True, 2), ("m", False, 0)):
        found = check(a={"gender": ("f", "f")}, b={"gender": ("f", "f")})
        one = judge_face(found, wish, {"gender": shown})
        assert one["hide"]["gender"]["succeeded"] is succeeded
        total = count_verdicts([one], wish)
        said = f"gender drawn at random: {n} of 2 readings give the class drawn"
        assert describe_verdict(total)[0] == said and total["succeeded"] is succeeded
    unread = judge_face(check(a={"ethnicity": ("f", "f")}), wish, {"gender": "f"})
    assert unread["hide"]["gender"]["succeeded"] is None


def test_many_faces():
    wish = Wish({"gender": None})
    gone, left = check(a={"gender": ("f", "m")}, accepted=False), check(a={"gender": ("f", "f")})
    total = verdict(wish, gone, left, left)
    assert describe_verdict(total) == [
        "gender hidden on 1 of 3, still read on 2 (2 of 3 readings give the class from before: a)",
        "the matcher still accepts 2 of 3",
    ]
    assert total["n_same_person"] == 2 and not total["succeeded"]
