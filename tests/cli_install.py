#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs into a temporary folder and uses it as a stranger would: every header alone as C11 and C++17; the README's C
programs compiled with pkg-config as C11 and C++17, without a warning under -Wextra, and run: they must print what the README
says; the same through CMake's find_package where there is a cmake. Then another project has this one as a subproject, with
each kind of library. Needs CHIARO_BUILD, CHIARO_PROGRAM. Ends with "N passed, N failed, N skipped".
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "harness"))
from cli import check, skip, summary

ROOT = os.path.dirname(HERE)
LANGUAGES = (("gcc", "-std=c11", "c"), ("g++", "-std=c++17", "cc"), ("clang", "-std=c11", "c"), ("clang++", "-std=c++17", "cc"))
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]


def run(*command, **more):
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, check=False, **more)
    except OSError as error:
        check(False, " ".join(command), str(error))
        return ""
    check(done.returncode == 0, " ".join(command), done.stdout[-1500:] + done.stderr[-1500:])
    return done.stdout


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def one(pattern):
    """The only path that fits."""
    found = glob.glob(pattern, recursive=True)
    check(len(found) == 1, f"one {os.path.basename(pattern)} is installed", str(found))
    return found[0] if found else "/missing"


def readme_programs():
    """Each C program with what its comment says it prints: bits are bits."""
    with open(f"{ROOT}/README.md", encoding="utf-8") as file:
        programs = re.findall(r"```c\n(.*?)```", file.read(), re.S)
    return [(text, re.search(r"printf\(.*; // (.*)", text).group(1)) for text in programs]


def use_headers(include, folder):
    for header in sorted(os.listdir(include)):
        for compiler, standard, suffix in LANGUAGES[:2]:
            path = write(f"{folder}/one.{suffix}", f"#include <chiaro/{header}>\n")
            run(compiler, standard, *STRICT, "-fsyntax-only", path, f"-I{os.path.dirname(include)}")


def use_pkg_config(flags, library, folder):
    for number, (program, said) in enumerate(readme_programs()):
        for compiler, standard, suffix in LANGUAGES:
            if not shutil.which(compiler):
                skip(f"{compiler} is not installed")
                continue
            path = write(f"{folder}/readme{number}.{suffix}", program)
            run(compiler, standard, *STRICT, path, "-o", f"{path}.out", *flags)
            text = run(f"{path}.out", env={**os.environ, "LD_LIBRARY_PATH": library})
            check(text.strip() == said, f"README program {number} ({compiler}) prints {said}", text)


CMAKE = """cmake_minimum_required(VERSION 3.13)
project(user C)
find_package(chiaro 0.1 REQUIRED)
find_package(chiaro 0.1 REQUIRED) # twice is as good as once
add_executable(first first.c)
target_link_libraries(first chiaro::chiaro)
"""


def use_cmake(config, library, folder):
    if not shutil.which("cmake"):
        skip("cmake is not installed")
        return
    os.mkdir(f"{folder}/cmake")
    program, said = readme_programs()[0]
    write(f"{folder}/cmake/first.c", program)
    write(f"{folder}/cmake/CMakeLists.txt", CMAKE)
    where = f"-Dchiaro_DIR={os.path.dirname(config)}"
    run("cmake", "-S", f"{folder}/cmake", "-B", f"{folder}/cmake/build", "-G", "Ninja", where)
    run("cmake", "--build", f"{folder}/cmake/build")
    text = run(f"{folder}/cmake/build/first", env={**os.environ, "LD_LIBRARY_PATH": library})
    check(text.strip() == said, f"through CMake the program prints {said}", text)
    write(f"{folder}/cmake/CMakeLists.txt", CMAKE.replace("chiaro 0.1", "chiaro 9.0"))
    done = subprocess.run(["cmake", "-S", f"{folder}/cmake", "-B", f"{folder}/cmake/later", "-G", "Ninja", where], capture_output=True, text=True, check=False)
    check(done.returncode != 0 and "9.0" in done.stderr, "CMake refuses a version that is not there", done.stderr)


MESON = """project('user', 'c')
executable('first', 'first.c', dependencies: dependency('chiaro', fallback: 'chiaro'))
"""


def use_subproject(folder):
    user = f"{folder}/user"
    os.makedirs(f"{user}/subprojects")
    os.symlink(ROOT, f"{user}/subprojects/chiaro")
    write(f"{user}/first.c", readme_programs()[0][0])
    write(f"{user}/meson.build", MESON)
    for kind in ("both", "static", "shared"):
        run("meson", "setup", f"{user}/{kind}", user, f"-Ddefault_library={kind}", "--force-fallback-for=chiaro")


def main():
    with tempfile.TemporaryDirectory() as folder:
        run("meson", "install", "-C", os.environ["CHIARO_BUILD"], "--destdir", folder, "--no-rebuild")
        pc, include = one(f"{folder}/**/chiaro.pc"), one(f"{folder}/**/include/chiaro")
        library = os.path.dirname(one(f"{folder}/**/libchiaro.so"))
        environment = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(pc), "PKG_CONFIG_SYSROOT_DIR": folder}
        flags = run("pkg-config", "--cflags", "--libs", "chiaro", env=environment).split()
        use_headers(include, folder)
        use_pkg_config(flags, library, folder)
        use_cmake(one(f"{folder}/**/chiaro-config.cmake"), library, folder)
        use_subproject(folder)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
