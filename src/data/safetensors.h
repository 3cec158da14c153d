// SPDX-License-Identifier: Apache-2.0
// safetensors.h: what reading and writing safetensors files share: limits and checksums.
//
// Checksums are metadata. "checksum.<tensor>" is FNV-1a 64 over the tensor's bytes in the file, and
// "checksum.__metadata__" over everything else that the header says: the other pairs by ascending
// key, each "key\0value\0", then the tensors by ascending name, each "name\0dtype\0side side …\0".
// So a flipped bit anywhere is noticed, and a tool that only changes the order disturbs nothing.
// "checksum.__header__" is over the header's text as it was printed, its own digits as zeros: it
// tells whether another program has written the file since. Files from before it was there lack it
// alone. What follows from them: include/chiaro/data.h and changed.c.
#ifndef CHI_DATA_SAFETENSORS_H
#define CHI_DATA_SAFETENSORS_H

#include <jansson.h>

#include "tensor.h"

#define CHI__CHECKSUM      "checksum."
#define CHI__CHECKSUM_REST "__metadata__" // what follows the prefix for the header's own
#define CHI__CHECKSUM_TEXT "__header__"   // … for the header's text
#define CHI__METADATA      "__metadata__"
enum { CHI__SAFETENSORS_MAX_HEADER = 100000000, CHI__CHECKSUM_DIGITS = 16 };

// Where a tensor's bytes lie, counted from the end of the header.
typedef struct chi__extent { uint64_t begin, end; size_t item; } chi__extent;

// A file's header: what it holds and where, checked against the file; no tensor's bytes yet.
typedef struct chi__header {
    char *text;
    size_t length;
    json_t *root, *metadata; // metadata: borrowed from root, or NULL
    chi_tensors tensors;
    chi__extent *extents; // by place in the file
    uint64_t start;       // of the tensors' bytes
} chi__header;

bool chi__is_checksum(const char *key);
void chi__checksum_text(uint64_t hash, char to[CHI__CHECKSUM_DIGITS + 1]); // hexadecimal
// The header's own checksum; pairs that are checksums themselves, and two others, do not count
// (SIZE_MAX: none).
chi_status chi__checksum_header(const chi_tensors *tensors, const size_t without[2], uint64_t *out);
// The hash of the text, these digits as zeros, and where the digits stand; false: nowhere, in this
// form.
bool chi__checksum_of_text(const char *text, size_t length, size_t *digits, uint64_t *out);
// What is kept under CHI__CHECKSUM and `name`; false: nothing of 16 digits.
bool chi__checksum_kept(const json_t *metadata, const char *name, uint64_t *out);

// What is known of a header with checksums.
typedef enum chi__origin {
    CHI__FOREIGN = 0, // no checksums
    CHI__AS_WRITTEN,  // as we printed it
    CHI__REWRITTEN,   // printed by another program, with the same content
    CHI__CHANGED,     // … or with another
} chi__origin;
// Fails where the header is damaged.
chi_status chi__judge_header(const char *path, const chi__header *h, chi__origin *out);
// After tensors were read in, as the file has them: fails where one is damaged; *changed says
// whether the file was changed, and chi__fail_changed makes the sentence.
chi_status chi__judge_tensors(const char *path, const chi__header *h, chi__origin origin,
                              bool *changed);
chi_status chi__fail_changed(const char *path, const chi__header *h, chi__origin origin);

#endif
