// SPDX-License-Identifier: Apache-2.0
// labels_read.c: labels from files of any kind. Header: include/chiaro/labels.h. Names:
// src/data/labels_text.c; what becomes of them: src/data/labels.c.
#include "labels.h"


static chi_status check_shape(const char *path, const chi_tensor *t)
{
    if (t->dims == 1 || (t->dims == 2 && t->shape[1] == 1))
        return t->count ? CHI_OK : chi__fail(NULL, CHI_ERR_FORMAT, "%s: no labels", path);
    if (t->dims == 2)
        return chi__fail(
            NULL, CHI_ERR_FORMAT,
            "%s: %zu x %zu; labels are one number a row (of one-hot rows save argmax(1))", path,
            t->shape[0], t->shape[1]);
    return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %zu dimensions; labels are one number a row", path,
                     t->dims);
}

static chi_status read_array(const char *path, chi__array *array, const chi_labels_options *options,
                             chi_labels *out)
{
    chi_tensor t = { 0 };
    chi_status st;
    if (!array->layout.text)
        CHI_TRY(chi__array_check_type(array));
    CHI_TRY(check_shape(path, &array->layout.tensor));
    CHI_TRY(chi__array_load(array, &t));
    if (array->layout.text) {
        st = chi__labels_from_strings(path, &array->layout, t.bytes, options, out);
        goto done;
    }
    CHI_TRY_DONE(chi__tensor_to_i64(&t, path, "row"));
    st = chi__labels_from_values(&(chi__label_source){ path, "row", 0 }, t.bytes, t.count, options,
                                 out);
done:
    chi_tensor_free(&t);
    return st;
}

chi_status chi_labels_read(const char *path, const chi_labels_options *options, chi_labels *out)
{
    chi__array array;
    bool is_array;
    if (!path || !out)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "labels_read: no path or no place for the result");
    CHI_TRY(chi__is_array(path, &is_array));
    if (!is_array)
        return chi__labels_from_text(path, options, out);
    CHI_TRY(chi__array_open(path, &array));
    const chi_status st = read_array(path, &array, options, out);
    chi__array_close(&array);
    return st;
}
