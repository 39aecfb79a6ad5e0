"""Timing shared by the benchmarks."""

import time


def best_of(call, n=3):
    """Return the shortest of ``n`` wall-clock times in seconds, and the last result."""
    times = []
    for _ in range(n):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return min(times), result
