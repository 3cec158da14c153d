// SPDX-License-Identifier: Apache-2.0
// unit_base.c: text, numbers, hashes, random numbers, files that appear whole, children with a deadline, and
// work in threads.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "base/workers.h"
#include "harness/folder.h"

static void numbers(void **state)
{
    unsigned long long n = 7;
    double x = 7;
    uint64_t u;
    char text[24];
    (void)state;
    assert_true(chi__parse_bytes("3K", &n) && n == 3072);
    assert_true(chi__parse_bytes("2g", &n) && n == 2ull << 30);
    static const char *const bad[] = { "", "-1", " 1", "1 ", "1x", "1KB", "K", "99999999999999999999", "18446744073709551615K" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(chi__parse_bytes(bad[i], &n));
    assert_true(chi__parse_u64("18446744073709551615", &n) && n == UINT64_MAX);
    assert_false(chi__parse_u64("18446744073709551616", &n));
    assert_true(chi__parse_double("-1.5e3", &x) && x == -1500);
    assert_false(chi__parse_double("1,5", &x));
    assert_false(chi__parse_double("", &x));
    assert_string_equal(chi__bytes_text(1023, text), "1023 bytes");
    assert_string_equal(chi__bytes_text(1536, text), "1.5 KiB");
    assert_string_equal(chi__bytes_text(UINT64_MAX, text), "16.0 EiB");
    assert_false(chi__mul(1ull << 33, 1ull << 33, &u));
    assert_true(chi__mul(1ull << 33, 3, &u) && u == 3ull << 33);
    assert_false(chi__add(UINT64_MAX, 1, &u));
    assert_null(chi__realloc(NULL, SIZE_MAX, 2));
}

static void words(void **state)
{
    static const char *const names[] = { "train", "embed", "eval", "devices" };
    char text[] = " \t a b \n";
    chi__text all = { 0 };
    (void)state;
    assert_string_equal(chi__nearest("trian", names, 4), "train");
    assert_string_equal(chi__nearest("DEVICE", names, 4), "devices");
    assert_null(chi__nearest("x", names, 0));
    assert_true(chi__same_text("AbC", "aBc") && !chi__same_text("ab", "abc"));
    assert_true(chi__contains_text("One Two", "e tw") && !chi__contains_text("One", "two") && chi__contains_text("", ""));
    chi__trim(text);
    assert_string_equal(text, "a b");
    for (int i = 0; i < 300; i++)
        chi__text_add(&all, "%d,", i % 10);
    assert_int_equal(all.length, 600);
    assert_int_equal(strlen(all.at), 600);
    chi__free(all.at);
}

static void known_answers(void **state)
{
    (void)state;
    assert_true(chi__hash(CHI__HASH_START, "", 0) == 0xcbf29ce484222325ull);
    assert_true(chi__hash(CHI__HASH_START, "foobar", 6) == 0x85944171f73967e8ull);
    const chi__random zero = chi__random_at(0, 0, 0, 0), ones = chi__random_at(UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX);
    assert_int_equal(zero.word[0], 0x6627e8d5);
    assert_int_equal(zero.word[3], 0x9b00dbd8);
    assert_int_equal(ones.word[0], 0x408f276d);
    assert_int_equal(ones.word[3], 0x6d5451fd);
}

static void files(void **state)
{
    chi__writer writer;
    chi__file file;
    char *text, part[4];
    size_t bytes, removed;
    (void)state;
    test_folder_make();
    const char *path = test_path("a.program");
    assert_int_equal(chi__writer_open(path, true, &writer), CHI_OK);
    chi__writer_put(&writer, "hello", 5);
    assert_false(chi__file_exists(path)); // not before it is whole
    assert_int_equal(chi__writer_commit(&writer), CHI_OK);
    assert_int_equal(chi__file_load(path, 5, &text, &bytes), CHI_OK);
    assert_int_equal(bytes, 5);
    assert_string_equal(text, "hello");
    chi__free(text);
    assert_int_equal(chi__file_load(path, 4, &text, &bytes), CHI_ERR_FORMAT);
    assert_int_equal(chi__writer_open(path, false, &writer), CHI_OK);
    chi__writer_put(&writer, "other", 5);
    chi__writer_abort(&writer);
    assert_int_equal(chi__file_open(path, &file), CHI_OK);
    assert_int_equal(chi__file_read(&file, 1, part, 4), CHI_OK);
    assert_memory_equal(part, "ello", 4);
    assert_int_equal(chi__file_read(&file, 2, part, 4), CHI_ERR_FORMAT);
    assert_int_equal(chi__file_read(&file, UINT64_MAX, part, 4), CHI_ERR_FORMAT);
    chi__file_close(&file);
    assert_int_equal(chi__file_open(test_path(""), &file), CHI_ERR_FILE);
    assert_int_equal(chi__writer_open(test_path("none/x"), false, &writer), CHI_ERR_FILE);
    assert_int_equal(chi__make_folder(test_path("d/e/f"), 0700), CHI_OK);
    assert_true(chi__folder_is_private(test_path("d/e/f")));
    assert_int_equal(chi__make_folder(path, 0700), CHI_ERR_FILE);
    assert_int_equal(chi__remove_marked(test_path(""), ".program", &removed), CHI_OK);
    assert_int_equal(removed, 1); // the aborted one left nothing
    test_folder_remove();
}

static void children(void **state)
{
    char output[8];
    (void)state;
#define SHELL(text) ((char *const[]){ "/bin/sh", "-c", text, NULL })
    assert_int_equal(chi__child_run(SHELL("echo 123456789"), 5e6, output, sizeof output), CHI_OK);
    assert_string_equal(output, "1234567");
    assert_int_equal(chi__child_run(SHELL("exit 3"), 5e6, output, sizeof output), CHI_ERR_INTERNAL);
    assert_int_equal(chi__child_run(SHELL("kill -SEGV $$"), 5e6, output, sizeof output), CHI_ERR_INTERNAL);
    assert_non_null(strstr(chi_error_text(), "signal 11"));
    assert_int_equal(chi__child_run(SHELL("exec sleep 20"), 2e5, output, sizeof output), CHI_ERR_TIMEOUT);
    assert_int_equal(chi__child_run(SHELL("exec >&-; exec sleep 20"), 2e5, output, sizeof output), CHI_ERR_TIMEOUT);
    assert_int_equal(chi__child_run((char *const[]){ "/no/such/program", NULL }, 5e6, output, sizeof output), CHI_ERR_INTERNAL);
}

typedef struct job { double wait_us[4]; bool fails[4], done[4]; } job;

static chi_status work(void *user, size_t i)
{
    job *j = user;
    chi__sleep_us(j->wait_us[i]);
    j->done[i] = true;
    return j->fails[i] ? chi__fail(NULL, CHI_ERR_DATA, "number %zu", i) : CHI_OK;
}

// The first failure in order is the outcome, whichever comes first or last in time.
static void workers(void **state)
{
    static const struct { job job; unsigned threads; const char *sentence; } all[] = {
        { { { 0, 0, 0, 0 }, { false, false, false, false }, { false } }, 3, NULL },
        { { { 1e3, 30e3, 10, 2e3 }, { false, true, true, false }, { false } }, 4, "number 1" },
        { { { 1e3, 20e3, 60e3, 90e3 }, { false, true, true, true }, { false } }, 4, "number 1" },
        { { { 0, 0, 0, 0 }, { false, false, true, true }, { false } }, 1, "number 2" },
        { { { 0, 0, 0, 0 }, { false, false, false, false }, { false } }, 1000, NULL },
    };
    (void)state;
    for (size_t a = 0; a < sizeof all / sizeof *all; a++) {
        job j = all[a].job;
        const chi_status st = chi__work_do(&(chi__work){ .count = 4, .threads = all[a].threads, .one = work, .user = &j });
        assert_int_equal(st, all[a].sentence ? CHI_ERR_DATA : CHI_OK);
        if (all[a].sentence)
            assert_string_equal(chi_error_text(), all[a].sentence);
        else
            assert_true(j.done[0] && j.done[1] && j.done[2] && j.done[3]);
    }
    assert_int_equal(chi__work_do(&(chi__work){ .count = 0, .one = work }), CHI_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers), cmocka_unit_test(words), cmocka_unit_test(known_answers),
        cmocka_unit_test(files), cmocka_unit_test(children), cmocka_unit_test(workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
