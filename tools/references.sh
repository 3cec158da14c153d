# SPDX-License-Identifier: Apache-2.0
# references.sh: sourced by test.sh. Installs the Python packages that some tests compare with, from PyPI into
# build/references, once, where they can be had; without them those tests are skipped, counted.
fetch_references() {
    rm -rf build/references
    mkdir -p build/references
    python3 -m venv build/references/venv || return 0
    timeout 300 build/references/venv/bin/pip install --progress-bar off numpy pillow scikit-learn || return 0
    touch build/references/done
}
[ -f build/references/done ] || watch "fetching numpy, Pillow and scikit-learn from PyPI" references - fetch_references
[ -f build/references/done ] || say "they could not be had (build/references.log says why): comparisons with them are skipped"
