"""The rule for names, one by one and many at once."""

from hypothesis import example, given
from hypothesis import strategies as st

from sfumato.data.names import are_plain, name_fault

NAMES = st.one_of(
    st.text(max_size=4),
    st.text(st.sampled_from("a./\\~\n\u2028\ud800\udc00"), max_size=5),
    st.integers(250, 260).map("x".__mul__),
)


@given(st.lists(NAMES, max_size=4))
@example(["a", "\ud800", "\udc00"])  # Side by side, too, they are halves.
@example([".", "a"])
@example(["a", "/b"])
def test_many_names_are_plain_where_each_has_no_fault(names):
    assert are_plain(names) == all(name_fault(name) is None for name in names)
