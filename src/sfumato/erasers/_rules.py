"""Rules that many erasers share beside those of :mod:`sfumato._constraints`."""

from numbers import Integral

from sfumato._constraints import Interval

#: Of erasers that draw from the bits of a row; secret seeds want to be long.
KEY = Interval(Integral, 0, 2**64, closed="left")

#: Larger numbers have no square in float32 once a few of them are added up.
LARGEST = 1e15
