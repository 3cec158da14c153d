// SPDX-License-Identifier: Apache-2.0
// labels_read.c: labels from arrays and from text files. Header: include/chiaro/labels.h. What they become: src/data/labels.c.
#include "labels.h"

#include <string.h>

#include "../base/memory.h"
#include "tensor.h"

enum { MAX_NAME = 4095 };
static const uint64_t max_text = (uint64_t)1 << 30;

// ---- text ----------------------------------------------------------------------------------------

// Cuts the line [at, end) to its name, ended by a zero; false where nothing is left.
static char *trim_line(char *at, char *end)
{
    while (at < end && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    *end = 0;
    return at;
}

static size_t count_lines(const char *text, size_t bytes)
{
    size_t lines = bytes && text[bytes - 1] != '\n';
    for (const char *at = text; (at = memchr(at, '\n', bytes - (size_t)(at - text))); at++)
        lines++;
    return lines;
}

// Cuts the text into lines, in place.
static chi_status split_lines(const char *path, char *text, size_t bytes, char **names)
{
    char *end = text + bytes;
    size_t line = 0;
    for (char *at = text; at < end;) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        char *next = newline ? newline + 1 : end;
        char *name = trim_line(at, newline ? newline : end);
        if (!*name)
            return chi__fail(NULL, CHI_ERR_FORMAT, "%s: line %zu is empty; each line is the label of one row", path, line + 1);
        if (strlen(name) > MAX_NAME)
            return chi__fail(NULL, CHI_ERR_FORMAT, "%s: line %zu has %zu bytes, names have at most %d", path, line + 1,
                             strlen(name), MAX_NAME);
        names[line++] = name;
        at = next;
    }
    return CHI_OK;
}

static chi_status refuse_zero(const char *path, const char *text, const char *zero)
{
    const unsigned char *first = (const unsigned char *)text;
    if ((first[0] == 0xff && first[1] == 0xfe) || (first[0] == 0xfe && first[1] == 0xff))
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: text of 16-bit characters; save it as UTF-8", path);
    return chi__fail(NULL, CHI_ERR_FORMAT, "%s: byte %td is zero, so it is no text, and it begins like no array that is read",
                     path, zero - text);
}

static chi_status read_text(const char *path, const chi_labels_options *options, chi_labels *out)
{
    char *text = NULL, **names = NULL;
    size_t bytes;
    chi_status st;
    CHI_TRY(chi__file_load(path, max_text, &text, &bytes));
    const size_t mark = bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    const char *zero = memchr(text, 0, bytes);
    const size_t lines = zero ? 0 : count_lines(text + mark, bytes - mark);
    if (zero || !lines) {
        st = zero ? refuse_zero(path, text, zero) : chi__fail(NULL, CHI_ERR_FORMAT, "%s: empty, no labels", path);
        goto done;
    }
    names = chi__alloc(lines, sizeof *names);
    if (!names) {
        st = chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu lines", path, lines);
        goto done;
    }
    CHI_TRY_DONE(split_lines(path, text + mark, bytes - mark, names));
    st = chi__labels_from_names(&(chi__label_source){ path, "line", 1 }, (const char *const *)names, lines, options, out);
done:
    chi__free(names);
    chi__free(text);
    return st;
}

// ---- arrays --------------------------------------------------------------------------------------

static chi_status check_shape(const char *path, const chi_tensor *t)
{
    if (t->dims == 1 || (t->dims == 2 && t->shape[1] == 1))
        return t->count ? CHI_OK : chi__fail(NULL, CHI_ERR_FORMAT, "%s: no labels", path);
    if (t->dims == 2)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %zu x %zu; labels are one number a row (of one-hot rows save argmax(1))",
                         path, t->shape[0], t->shape[1]);
    return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %zu dimensions; labels are one number a row", path, t->dims);
}

static chi_status read_values(const char *path, const chi_labels_options *options, chi_labels *out)
{
    chi_tensor t = { 0 };
    chi_status st;
    CHI_TRY(chi_tensor_read(path, &t));
    CHI_TRY_DONE(check_shape(path, &t));
    CHI_TRY_DONE(chi__tensor_to_i64(&t, path, "row"));
    st = chi__labels_from_values(&(chi__label_source){ path, "row", 0 }, t.bytes, t.count, options, out);
done:
    chi_tensor_free(&t);
    return st;
}

chi_status chi_labels_read(const char *path, const chi_labels_options *options, chi_labels *out)
{
    bool array;
    if (!path || !out)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "labels_read: no path or no place for the result");
    CHI_TRY(chi__tensor_is_array(path, &array));
    return array ? read_values(path, options, out) : read_text(path, options, out);
}
