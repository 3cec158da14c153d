# SPDX-License-Identifier: Apache-2.0
# intel.sh: sourced by test.sh. Installs Intel's OpenCL CPU runtime from PyPI into build/intel, once, where it can be had;
# INTEL_ICD then names a folder that holds its .icd file, INTEL_LIBRARIES its libraries. Empty otherwise.
INTEL_ICD="" INTEL_LIBRARIES=""
find_intel() {
    if [ ! -f build/intel/done ]; then
        rm -rf build/intel
        mkdir -p build/intel
        python3 -m venv build/intel/venv >build/intel/log 2>&1 || return 0
        timeout 300 build/intel/venv/bin/pip install -q intel-opencl-rt intel-cmplr-lib-rt >>build/intel/log 2>&1 || return 0
        runtime=$(find build/intel/venv -name libintelocl.so | head -n 1)
        [ -n "$runtime" ] || return 0
        mkdir -p build/intel/icd build/intel/lib
        echo "$PWD/$runtime" >build/intel/icd/intel.icd
        for file in "$(dirname "$runtime")"/*; do # its loader must not come before the system's
            case "$(basename "$file")" in libOpenCL*) ;; *) ln -sf "$PWD/$file" build/intel/lib/ ;; esac
        done
        touch build/intel/done
    fi
    INTEL_ICD="$PWD/build/intel/icd" INTEL_LIBRARIES="$PWD/build/intel/lib"
}
find_intel
export INTEL_ICD INTEL_LIBRARIES
