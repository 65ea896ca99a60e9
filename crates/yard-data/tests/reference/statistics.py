"""Expected figures for the tests of statistics and drift, by numpy and scipy.

Run `python statistics.py > statistics.json` with numpy 2 and scipy 1.17; the tests read the file, not this script.
"""

import json

import numpy
from scipy.spatial.distance import jensenshannon

SHARES = [0.0, 0.005, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0]


def described(values):
    counts, edges = numpy.histogram(values, bins=20)
    return {
        "mean": values.mean(),
        "standard_deviation": values.std(ddof=1),
        "zeros": int((values == 0).sum()),
        "negatives": int((values < 0).sum()),
        "distinct": len(numpy.unique(values)),
        "shares": SHARES,
        # The value at rank ceil(share * n): one of the data.
        "quantiles": numpy.quantile(values, SHARES, method="inverted_cdf").tolist(),
        "histogram_edges": edges.tolist(),
        "histogram_counts": counts.tolist(),
    }


def scattered(rows):
    """Exact in binary, in no order, with repeats: every step of the computation is the same everywhere."""
    index = numpy.arange(rows, dtype=numpy.int64)
    return ((index * 7919) % 2503 - 1200) / 64.0


def main():
    # Each list counts 200 rows by value, so that shares are whole steps of the quantiles' grid.
    pairs = [
        ([20] * 10, [20] * 10),
        ([20] * 10, [11, 29, 20, 20, 13, 27, 20, 20, 38, 2]),
        ([100, 50, 25, 25], [25, 25, 50, 100]),
        ([200, 0, 0], [0, 0, 200]),
        ([150, 0, 50], [40, 80, 80]),
    ]
    drift = [
        {
            "first": first,
            "second": second,
            "jensen_shannon": float(jensenshannon(first, second, base=2) ** 2),
            "l_infinity": float(numpy.abs(numpy.array(first) / 200 - numpy.array(second) / 200).max()),
        }
        for first, second in pairs
    ]
    print(json.dumps({"rows": 3000, "described": described(scattered(3000)), "drift": drift}, indent=1))


if __name__ == "__main__":
    main()
