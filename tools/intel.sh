# SPDX-License-Identifier: Apache-2.0
# intel.sh: sourced by test.sh. Installs Intel's OpenCL CPU runtime from PyPI into build/intel, once, where it can be had;
# INTEL_ICD then names a folder that holds its .icd file, INTEL_LIBRARIES its libraries. Empty otherwise.
INTEL_ICD="" INTEL_LIBRARIES=""
fetch_intel() {
    rm -rf build/intel
    mkdir -p build/intel/icd build/intel/lib
    python3 -m venv build/intel/venv || return 0
    timeout 300 build/intel/venv/bin/pip install --progress-bar off intel-opencl-rt intel-cmplr-lib-rt || return 0
    runtime=$(find build/intel/venv -name libintelocl.so | head -n 1)
    [ -n "$runtime" ] || return 0
    echo "$PWD/$runtime" >build/intel/icd/intel.icd
    for file in "$(dirname "$runtime")"/*; do # its loader must not come before the system's
        case "$(basename "$file")" in libOpenCL*) ;; *) ln -sf "$PWD/$file" build/intel/lib/ ;; esac
    done
    touch build/intel/done
}
find_intel() {
    [ -f build/intel/done ] || watch "fetching Intel's OpenCL runtime from PyPI" intel - fetch_intel
    if [ -f build/intel/done ]; then
        INTEL_ICD="$PWD/build/intel/icd" INTEL_LIBRARIES="$PWD/build/intel/lib"
    else
        say "Intel's runtime could not be had (build/intel.log says why): its tests are skipped"
    fi
}
find_intel
export INTEL_ICD INTEL_LIBRARIES
