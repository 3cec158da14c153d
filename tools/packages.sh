# SPDX-License-Identifier: Apache-2.0
# packages.sh: sourced by demo.sh and test.sh. Installs the Debian packages named, or says which are missing.
need_packages() {
    missing=""
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    if [ "$(id -u)" = 0 ]; then
        as_root=""
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root="sudo"
    else
        echo "These Debian packages are missing; install them and start again:" >&2
        echo "    apt-get install$missing" >&2
        exit 1
    fi
    $as_root apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
BUILD_PACKAGES="gcc g++ libc6-dev meson ninja-build pkg-config python3 ocl-icd-opencl-dev opencl-c-headers pocl-opencl-icd ocl-icd-libopencl1 libjansson-dev zlib1g-dev libspng-dev libjpeg62-turbo-dev libclblast-dev"
