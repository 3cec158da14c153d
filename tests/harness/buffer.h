// SPDX-License-Identifier: Apache-2.0
// buffer.h: device memory for tests that go on after a failure.
#ifndef CHI_TESTS_BUFFER_H
#define CHI_TESTS_BUFFER_H

#include <chiaro/matrix.h>

// A buffer of so many bytes holding those at `from`, zeros where that is NULL; what fails is printed.
chi_buffer *test_buffer(chi_device *dev, const void *from, size_t bytes);

#endif
