// SPDX-License-Identifier: Apache-2.0
// buffer.c: device memory for tests. Header: buffer.h.
#include "buffer.h"

#include <stdio.h>

chi_buffer *test_buffer(chi_device *dev, const void *from, size_t bytes)
{
    chi_buffer *b = NULL;
    if (chi_buffer_create(dev, bytes, &b) != CHI_OK || (from && chi_buffer_upload(b, 0, from, bytes) != CHI_OK))
        printf("%s\n", chi_error_text());
    return b;
}
