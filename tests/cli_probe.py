# SPDX-License-Identifier: Apache-2.0
"""`chiaro eval --features` against scikit-learn: its StandardScaler and LogisticRegression with the C that follows from our
objective (include/chiaro/metrics.h), to one sample at any scale of the features, and its KNeighborsClassifier.

Needs an interpreter with scikit-learn (harness/interpreter.py finds one); without one it is one counted skip. Figures of
scikit-learn for the irises alone, for machines without it, are in check_metrics.c."""
import json
import os
import subprocess
import sys
import tempfile
import warnings

from harness.cli import check, run, summary
from harness.interpreter import python_with

PENALTY = 1e-4
SCALES = (1e-9, 1e-3, 1.0, 1e3, 1e9)


def cases():
    """(name, features, labels)"""
    import numpy
    from sklearn import datasets
    draw = numpy.random.default_rng(13)
    for name in ("iris", "wine", "digits"):
        data = getattr(datasets, "load_" + name)()
        for scale in SCALES:
            yield f"{name} x {scale:g}", data.data * scale, data.target
    two = datasets.load_breast_cancer()
    yield "breast cancer, two classes", two.data, two.target
    wine = datasets.load_wine()
    columns = wine.data.shape[1]
    yield "wine, columns of any scale", wine.data * 10.0 ** draw.integers(-30, 30, columns), wine.target
    yield "wine, far from zero", (wine.data - wine.data.mean(0)) / wine.data.std(0) + 1e5, wine.target
    yield "wine, subnormal", wine.data / wine.data.max(0) * 1e-41, wine.target
    yield "wine, huge", wine.data / wine.data.max(0) * 1e38, wine.target
    constant = numpy.full((len(wine.data), 1), 1e30)
    yield "wine, constant columns", numpy.hstack([constant, wine.data, constant * 0, wine.data[:, :2]]), wine.target


def of_sklearn(base, labels, query, wanted):
    """Right rows of the probe, and of kNN by distance with k = 5."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import StandardScaler
    scaler = StandardScaler().fit(base)
    inverse = 1 if len(set(labels)) == 2 else 2
    probe = LogisticRegression(C=1 / (inverse * PENALTY * len(base)), tol=1e-10, max_iter=100000).fit(scaler.transform(base), labels)
    near = KNeighborsClassifier(5, weights="distance").fit(base, labels)
    return (probe.predict(scaler.transform(query)) == wanted).sum(), (near.predict(query) == wanted).sum()


def compare(work, name, features, labels):
    import numpy
    features = numpy.asarray(features, "float32")
    order = numpy.random.default_rng(7).permutation(len(features))
    half = len(features) * 3 // 5
    parts = {"base": order[:half], "query": order[half:]}
    for part, rows in parts.items():
        numpy.save(f"{work}/{part}.npy", features[rows])
        numpy.save(f"{work}/{part}_labels.npy", labels[rows])
    code, out, errors = run("eval", "--features", f"{work}/base.npy", "--labels", f"{work}/base_labels.npy", "--test-features", f"{work}/query.npy",
                            "--test-labels", f"{work}/query_labels.npy", "--k", 5, "--metric", "euclidean", "--json", "--quiet")
    check(code == 0, f"{name}: eval", errors)
    if code:
        return
    found = json.loads(out)
    m = len(parts["query"])
    exact = features.astype("float64")
    probe, near = of_sklearn(exact[parts["base"]], labels[parts["base"]], exact[parts["query"]], labels[parts["query"]])
    check(abs(found["linear"] * m - probe) < 1.5, f"{name}: probe {found['linear'] * m:.0f} right of {m}, scikit-learn {probe}")
    if "columns" not in name and "far" not in name:  # in float32 other distances become equal there than in double
        check(abs(found["knn_weighted"] * m - near) < 2.5, f"{name}: kNN {found['knn_weighted'] * m:.0f} right of {m}, scikit-learn {near}")


def main():
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as work:
        for case in cases():
            compare(work, *case)
    return summary()


if __name__ == "__main__":
    if not (has := python_with("sklearn")):
        print("skipped: no interpreter with scikit-learn\n0 passed, 0 failed, 1 skipped")
        sys.exit(0)
    if "--inside" not in sys.argv:
        sys.exit(subprocess.run([has, os.path.abspath(__file__), "--inside"], check=False).returncode)
    sys.exit(main())
