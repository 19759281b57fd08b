"""The text of a window keeps both of its ends apart, wherever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visionft.data.image_reading import ImageReading, is_window, parsed_windows, window_text

VALUES = st.floats(-1e30, 1e30, allow_nan=False)


@given(VALUES, VALUES)
def test_a_window_comes_back_from_its_text(one: float, other: float) -> None:
    low, high = sorted((one, other))
    if is_window((low, high)):
        ((again, end),) = parsed_windows(window_text([(low, high)]))
        assert abs(again - low) <= (high - low) / 500 and abs(end - high) <= (high - low) / 500 and again < end


@pytest.mark.parametrize(
    ("window", "text"),
    [((400.0, 1300.0), "400,1300"), ((399.4567, 1302.12345), "399.457,1302.12"), ((4e6 + 0.25, 4e6 + 1.5), None)],
)
def test_as_few_digits_as_tell_both_ends(window: tuple[float, float], text: str | None) -> None:
    found = window_text([window])
    assert found == text or (text is None and parsed_windows(found)[0] == pytest.approx(window, abs=0.002))
    assert ImageReading(window=f"{found};{found};{found}").is_valid
