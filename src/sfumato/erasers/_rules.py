"""Rules for parameters that many erasers share."""

import math
from numbers import Integral, Real

from sfumato._constraints import Interval

#: Rules that many erasers share.
ONE_OR_MORE = Interval(Integral, 1, math.inf, closed="left")
NONE_OR_MORE = Interval(Integral, 0, math.inf, closed="left")
POSITIVE = Interval(Real, 0, math.inf, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, math.inf, closed="left")
SHARE = Interval(Real, 0, 1, closed="neither")
SEED = Interval(Integral, 0, 2**32, closed="left")
#: Of erasers that draw from the bits of a row; secret seeds want to be long.
KEY = Interval(Integral, 0, 2**64, closed="left")

#: Larger numbers have no square in float32 once a few of them are added up.
LARGEST = 1e15
