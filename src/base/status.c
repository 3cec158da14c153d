// SPDX-License-Identifier: Apache-2.0
// status.c: texts of the status list and the library's version. Header: include/chiaro/status.h.
#include <chiaro/status.h>

const char *chi_status_text(chi_status status)
{
    switch (status) {
#define CHI_STATUS_CASE(name, value, text) \
    case name:                             \
        return text;
        CHI_STATUS_LIST(CHI_STATUS_CASE)
#undef CHI_STATUS_CASE
    }
    return "unknown status";
}

const char *chi_version(void) { return CHI_VERSION; }
