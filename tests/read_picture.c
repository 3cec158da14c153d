// SPDX-License-Identifier: Apache-2.0
// read_picture.c: include/chiaro/pictures.h as a program, for tests/check_pictures.py. Not a test of its own.
//   read_picture                                          lines "SIZE GREY PATH" on stdin; for each "ok C H W" and as many
//                                                         bytes, or "no SENTENCE"
//   read_picture FOLDER SIZE GREY THREADS SKIP KEEP       "ok COUNT C H W OTHERS LOOPS BROKEN EMPTY", a line "LABEL PATH" for
//                                                         each, and all bytes; or "no SENTENCE" and status 1
#include <chiaro/pictures.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void read_one(const char *path, size_t size, bool grey)
{
    chi_tensor t = { 0 };
    if (chi_picture_read(path, &(chi_picture_options){ .size = size, .grey = grey }, &t) != CHI_OK) {
        printf("no %s\n", chi_error_text());
        return;
    }
    printf("ok %zu %zu %zu\n", t.shape[0], t.shape[1], t.shape[2]);
    fwrite(t.bytes, 1, t.count, stdout);
    chi_tensor_free(&t);
}

static int read_lines(void)
{
    char line[5000];
    while (fgets(line, sizeof line, stdin)) {
        char *rest, *path;
        const size_t size = strtoull(line, &rest, 10);
        const bool grey = strtol(rest, &path, 10) != 0;
        line[strcspn(line, "\n")] = '\0';
        read_one(path + 1, size, grey);
        fflush(stdout);
    }
    return 0;
}

static int say_all(chi_pictures *p, bool keep, bool skip)
{
    const chi_pictures_facts *f = chi_pictures_describe(p);
    if ((keep || skip) && chi_pictures_load(p, keep, NULL, NULL) != CHI_OK)
        return 1;
    int32_t *which = calloc(f->count, sizeof *which);
    uint8_t *bytes = malloc(f->bytes);
    for (size_t i = 0; which && i < f->count; i++)
        which[i] = (int32_t)i;
    const bool read = which && bytes && chi_pictures_read(p, which, f->count, bytes) == CHI_OK;
    if (read) {
        const chi_labels *labels = chi_pictures_labels(p);
        printf("ok %zu %zu %zu %zu %zu %zu %zu %zu\n", f->count, f->channels, f->height, f->width, f->others, f->loops, f->broken, f->empty);
        for (size_t i = 0; i < f->count; i++) {
            char path[20000];
            chi_text_escape(chi_pictures_path(p, i), path, sizeof path);
            printf("%d %s\n", labels ? labels->of[i] : -1, path);
        }
        fwrite(bytes, 1, f->bytes, stdout);
    }
    free(which);
    free(bytes);
    return !read;
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return read_lines();
    if (argc != 7)
        return 2;
    const bool skip = atoi(argv[5]) != 0;
    const chi_pictures_options o = { .picture = { .size = strtoull(argv[2], NULL, 10), .grey = atoi(argv[3]) != 0 },
                                     .threads = (unsigned)atoi(argv[4]), .skip_broken = skip };
    chi_pictures *p = NULL;
    const int failed = chi_pictures_open(argv[1], &o, &p) != CHI_OK || say_all(p, atoi(argv[6]) != 0, skip);
    if (failed)
        printf("no %s\n", chi_error_text());
    chi_pictures_close(&p);
    return failed;
}
