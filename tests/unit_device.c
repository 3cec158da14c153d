// SPDX-License-Identifier: Apache-2.0
// unit_device.c: memory, launches, faults, errors, the program cache and users' own queues, on the device at hand.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <chiaro/opencl.h>

#include "device/device.h"
#include "harness/folder.h"
#include "tune/tune.h"

static const char kernels[] =
    "#include \"more.h\"\n"
    "kernel void add(const uint n, const float x, global float *to)\n"
    "{\n    const uint i = get_global_id(0);\n    if (i < n)\n        to[i] = to[i] + x * FACTOR;\n}\n"
    "kernel void mark(const uint first, global uint *to)\n{\n    to[first + get_group_id(0)] += first + get_group_id(0) + 1u;\n}\n"
    "kernel void blame(const uint word, global uint *faults)\n{\n    faults[word] = 1u;\n}\n";

static const char bad[] = "kernel void bad(global int *x)\n{\n    x[0] = nothing;\n}\n";

static char last_log[2048];
static void keep_log(void *user, chi_log_level level, const char *sentence)
{
    (void)user;
    if (level <= CHI_LOG_WARNING)
        snprintf(last_log, sizeof last_log, "%s", sentence);
}

static chi_device *open_with(chi_device_options o)
{
    chi_device *dev;
    o.log = (chi_log){ keep_log, NULL };
    if (!o.tile && !o.core)
        o.core = CHI_CORE_PANEL; // these tests have kernels of their own, not those that compare the cores
    last_log[0] = '\0';
    if (chi_device_open(&o, &dev) != CHI_OK)
        fail_msg("%s", chi_error_text());
    return dev;
}

static chi_device *open_plain(void) { return open_with((chi_device_options){ .profile = false }); }

static chi__kernel *kernel_of(chi_device *dev, const char *name)
{
    chi__kernel *kernel;
    if (chi__kernel_get(dev, "own.cl", name, "FACTOR=2.0f", &kernel) != CHI_OK)
        fail_msg("%s", chi_error_text());
    return kernel;
}

static int set_up(void **state)
{
    (void)state;
    test_folder_make();
    test_write(test_path("own.cl"), kernels, strlen(kernels));
    test_write(test_path("more.h"), "#define MORE 1\n", strlen("#define MORE 1\n"));
    test_write(test_path("bad.cl"), bad, strlen(bad));
    setenv("CHIARO_KERNEL_DIR", test_path(""), 1);
    setenv("CHIARO_CACHE_DIR", test_path("cache"), 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_folder_remove();
    return 0;
}

static void buffers(void **state)
{
    unsigned char bytes[100], more[100];
    uint64_t held, peak, before;
    chi_buffer *a, *b = NULL;
    (void)state;
    chi_device *dev = open_plain();
    assert_true(strlen(chi_device_why(dev)) > 3);
    chi_device_memory(dev, &before, NULL);
    assert_int_equal(chi_buffer_create(dev, 100, &a), CHI_OK);
    assert_int_equal(chi_buffer_bytes(a), 100);
    memset(bytes, 7, sizeof bytes);
    assert_int_equal(chi_buffer_download(a, 0, bytes, 100), CHI_OK);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(bytes[i], 0);
    memset(more, 9, sizeof more);
    assert_int_equal(chi_buffer_upload(a, 50, more, 50), CHI_OK);
    assert_int_equal(chi_buffer_upload(a, 51, bytes, 50), CHI_ERR_SHAPE);
    assert_int_equal(chi_buffer_upload(a, UINT64_MAX, bytes, 2), CHI_ERR_SHAPE);
    assert_int_equal(chi_buffer_download(a, 40, bytes, 60), CHI_OK);
    assert_int_equal(bytes[9], 0);
    assert_int_equal(bytes[10], 9);
    assert_int_equal(bytes[59], 9);
    chi_device_memory(dev, &held, &peak);
    assert_true(held >= before + 100 && peak >= held);
    assert_int_equal(chi_buffer_create(dev, UINT64_MAX - 8, &b), CHI_ERR_DEVICE_MEMORY);
    assert_null(b);
    chi_buffer_destroy(&a);
    assert_null(a);
    chi_device_memory(dev, &held, NULL);
    assert_int_equal(held, before);
    chi_device_reset_peak(dev);
    chi_device_memory(dev, NULL, &peak);
    assert_int_equal(peak, held);
    chi_device_close(&dev);
    assert_null(dev);
}

static void budget(void **state)
{
    chi_buffer *a, *b = NULL;
    (void)state;
    chi_device *dev = open_with((chi_device_options){ .memory_bytes = 1 << 20 });
    assert_int_equal(chi_buffer_create(dev, 1 << 19, &a), CHI_OK);
    assert_int_equal(chi_buffer_create(dev, 1 << 19, &b), CHI_ERR_DEVICE_MEMORY); // the faults hold some
    assert_non_null(strstr(chi_device_error(dev), "524288"));
    assert_null(b);
    chi_device_clear_error(dev);
    assert_string_equal(chi_device_error(dev), "");
    chi_device_close(&dev);
    chi_buffer_destroy(&a); // after its device: still sound
}

static void launches(void **state)
{
    float got[100];
    uint32_t marks[1000];
    chi_buffer *x, *y;
    (void)state;
    chi_device *dev = open_plain();
    assert_int_equal(chi_buffer_create(dev, sizeof got, &x), CHI_OK);
    assert_int_equal(chi_buffer_create(dev, sizeof marks, &y), CHI_OK);
    chi__launch add = { .kernel = kernel_of(dev, "add"), .global = { 99 }, .local = { 8 }, .args = { U32(99), F32(1.5f), BUF(x) } };
    assert_int_equal(chi__run(dev, &add), CHI_OK);
    assert_int_equal(chi__run(dev, &add), CHI_OK);
    assert_int_equal(chi_buffer_download(x, 0, got, sizeof got), CHI_OK);
    assert_true(got[0] == 6.0f && got[98] == 6.0f && got[99] == 0.0f);
    // So much planned work that each group is a launch of its own: none is left out, none runs twice.
    const chi__launch mark = { .kernel = kernel_of(dev, "mark"), .args = { U32(0), BUF(y) } };
    assert_int_equal(chi__run_groups(dev, &mark, 1000, 1e15), CHI_OK);
    assert_int_equal(chi__run_groups(dev, &mark, 1000, 1), CHI_OK);
    assert_int_equal(chi__run_groups(dev, &mark, 0, 1), CHI_OK);
    assert_int_equal(chi_buffer_download(y, 0, marks, sizeof marks), CHI_OK);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(marks[i], 2 * (i + 1));
    add.args[2] = (chi__arg){ 0 };
    assert_int_equal(chi__run(dev, &add), CHI_ERR_INTERNAL);
    assert_non_null(strstr(chi_error_text(), "takes 3 arguments, the launch has 2"));
    add.args[2] = U32(1);
    assert_int_equal(chi__run(dev, &add), CHI_ERR_INTERNAL);
    assert_non_null(strstr(chi_error_text(), "argument 2 is a buffer"));
    chi_buffer_destroy(&x);
    chi_buffer_destroy(&y);
    chi_device_close(&dev);
}

static void faults(void **state)
{
    (void)state;
    chi_device *dev = open_plain();
    const chi__launch blame = { .kernel = kernel_of(dev, "blame"), .global = { 1 }, .args = { U32(CHI__FAULT_LABEL), BUF(chi__faults(dev)) } };
    assert_int_equal(chi_device_finish(dev), CHI_OK);
    assert_int_equal(chi__run(dev, &blame), CHI_OK);
    assert_int_equal(chi_device_finish(dev), CHI_ERR_DATA);
    assert_non_null(strstr(chi_device_error(dev), "label"));
    assert_int_equal(chi_device_finish(dev), CHI_OK);
    chi_device_close(&dev);
}

static void build_errors(void **state)
{
    chi__kernel *kernel = NULL;
    (void)state;
    chi_device *dev = open_plain();
    assert_int_equal(chi__kernel_get(dev, "bad.cl", "bad", "", &kernel), CHI_ERR_BUILD);
    assert_non_null(strstr(chi_error_text(), "kernels/bad.cl"));
    if (!strstr(chi_error_text(), "input.cl:")) // Oclgrind does not follow #line
        assert_non_null(strstr(chi_error_text(), "kernels/bad.cl:3"));
    assert_non_null(strstr(chi_error_text(), "nothing"));
    assert_int_equal(chi__kernel_get(dev, "own.cl", "missing", "FACTOR=2.0f", &kernel), CHI_ERR_BUILD);
    assert_int_equal(chi__kernel_get(dev, "none.cl", "x", "", &kernel), CHI_ERR_FILE);
    assert_int_equal(chi__kernel_get(dev, "own.cl", "add", "FACTOR", &kernel), CHI_ERR_INTERNAL);
    assert_null(kernel);
    chi_device_close(&dev);
}

static void matrices(void **state)
{
    chi_buffer *b;
    (void)state;
    chi_device *dev = open_plain();
    assert_int_equal(chi_buffer_create(dev, 40 * 4, &b), CHI_OK);
    const chi_matrix m = { .buffer = b, .rows = 4, .cols = 10 };
    chi_matrix wide = m, late = m, thin = m;
    wide.stride = 11;
    late.offset = 1;
    thin.stride = 9;
    assert_int_equal(chi__check_matrix(dev, m, 4, 10, "m"), CHI_OK);
    assert_int_equal(chi__check_matrix(dev, m, 4, 9, "m"), CHI_ERR_SHAPE);
    assert_int_equal(chi__check_matrix(dev, wide, 4, 10, "m"), CHI_ERR_SHAPE);
    assert_int_equal(chi__check_matrix(dev, late, 4, 10, "m"), CHI_ERR_SHAPE);
    assert_int_equal(chi__check_matrix(dev, thin, 4, 10, "m"), CHI_ERR_SHAPE);
    assert_int_equal(chi__check_matrix(dev, (chi_matrix){ 0 }, 4, 10, "m"), CHI_ERR_ARGUMENT);
    wide.rows = SIZE_MAX;
    assert_int_equal(chi__check_matrix(dev, wide, SIZE_MAX, 10, "m"), CHI_ERR_SHAPE);
    chi_buffer_destroy(&b);
    chi_device_close(&dev);
}

static void options(void **state)
{
    chi_device *dev = NULL;
    (void)state;
    const chi_log log = { keep_log, NULL };
    assert_int_equal(chi_device_open(&(chi_device_options){ .log = log, .tile = "p1x1v1" }, &dev), CHI_ERR_ARGUMENT);
    assert_non_null(strstr(last_log, "p1x1v1"));
    assert_int_equal(chi_device_open(&(chi_device_options){ .log = log, .tile = "g16x16k16", .core = CHI_CORE_PANEL }, &dev), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_device_open(&(chi_device_options){ .log = log, .match = "name:no such device" }, &dev), CHI_ERR_NO_DEVICE);
    assert_null(dev);
    dev = open_with((chi_device_options){ .tile = "g16x16k16" });
    assert_int_equal(chi_device_core(dev), CHI_CORE_GROUP);
    assert_string_equal(chi__device_tile(dev)->name, "g16x16k16");
    chi_device_close(&dev);
    dev = open_with((chi_device_options){ .threads = 1 });
    chi_device_info info;
    assert_int_equal(chi_device_describe(dev, &info), CHI_OK);
    if (info.units != 1) // then it must have said so
        assert_non_null(strstr(last_log, "cannot be limited"));
    float got = 0;
    chi_buffer *x;
    assert_int_equal(chi_buffer_create(dev, 4, &x), CHI_OK);
    assert_int_equal(chi__run(dev, &(chi__launch){ .kernel = kernel_of(dev, "add"), .global = { 1 }, .args = { U32(1), F32(1), BUF(x) } }), CHI_OK);
    assert_int_equal(chi_buffer_download(x, 0, &got, 4), CHI_OK);
    assert_true(got == 2.0f);
    chi_buffer_destroy(&x);
    chi_device_close(&dev);
}

static void profile(void **state)
{
    chi_kernel_time times[4];
    size_t count = 0;
    chi_buffer *x;
    (void)state;
    chi_device *dev = open_with((chi_device_options){ .profile = true });
    assert_int_equal(chi_buffer_create(dev, 4000, &x), CHI_OK);
    const chi__launch add = { .kernel = kernel_of(dev, "add"), .global = { 1000 }, .args = { U32(1000), F32(1), BUF(x) } };
    for (int i = 0; i < 5; i++)
        assert_int_equal(chi__run(dev, &add), CHI_OK);
    assert_int_equal(chi_device_kernel_times(dev, times, 4, &count), CHI_OK);
    assert_int_equal(count, 1);
    assert_string_equal(times[0].name, "add");
    assert_int_equal(times[0].launches, 5);
    assert_true(times[0].min_us <= times[0].total_us);
    chi_buffer_destroy(&x);
    chi_device_close(&dev);
    dev = open_plain();
    assert_int_equal(chi_device_kernel_times(dev, times, 4, &count), CHI_ERR_ARGUMENT);
    chi_device_close(&dev);
}

// The one entry of the cache folder, "" for none.
static const char *cache_entry(void)
{
    static char path[4096];
    char command[4200];
    snprintf(command, sizeof command, "ls %s/*.program 2>/dev/null", test_path("cache"));
    FILE *list = popen(command, "r");
    assert_non_null(list);
    if (!fgets(path, sizeof path, list))
        path[0] = '\0';
    path[strcspn(path, "\n")] = '\0';
    pclose(list);
    return path;
}

static void use_cached(void)
{
    float got = 0;
    chi_buffer *x;
    chi_device *dev = open_plain();
    assert_int_equal(chi_buffer_create(dev, 4, &x), CHI_OK);
    assert_int_equal(chi__run(dev, &(chi__launch){ .kernel = kernel_of(dev, "add"), .global = { 1 }, .args = { U32(1), F32(3), BUF(x) } }), CHI_OK);
    assert_int_equal(chi_buffer_download(x, 0, &got, 4), CHI_OK);
    assert_true(got == 6.0f);
    chi_buffer_destroy(&x);
    chi_device_close(&dev);
}

static void cache_damage(void **state)
{
    size_t count, removed;
    (void)state;
    setenv("CHIARO_CACHE", "force", 1);
    use_cached();
    char entry[4096];
    snprintf(entry, sizeof entry, "%s", cache_entry());
    assert_true(entry[0] != '\0');
    unsigned char *whole = test_read(entry, &count);
    use_cached(); // from the entry
    const size_t cuts[] = { 0, 1, 16, 39, 40, 100, count / 2, count - 1 };
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        test_write(entry, whole, cuts[i]);
        use_cached();
    }
    const size_t flips[] = { 0, 17, 24, 32, 45, count / 2, count - 1 };
    for (size_t i = 0; i < sizeof flips / sizeof *flips; i++) {
        whole[flips[i]] ^= 1;
        test_write(entry, whole, count);
        use_cached();
        whole[flips[i]] ^= 1;
    }
    size_t again;
    unsigned char *rebuilt = test_read(entry, &again);
    assert_true(again > 40 && memcmp(rebuilt, whole, 16) == 0);
    free(rebuilt);
    free(whole);
    const char *const settings[] = { "-w", "-cl-opt-disable" }; // other code, as far as the cache can tell
    for (size_t i = 0; i < 2; i++) {
        setenv("OCLGRIND_BUILD_OPTIONS", settings[i], 1);
        use_cached();
    }
    unsetenv("OCLGRIND_BUILD_OPTIONS");
    assert_int_equal(chi_cache_clear(NULL, &removed), CHI_OK);
    assert_int_equal(removed, 3);
    assert_string_equal(cache_entry(), "");
    unsetenv("CHIARO_CACHE");
}

static void cache_refusals(void **state)
{
    (void)state;
    setenv("CHIARO_CACHE", "force", 1);
    test_write(test_path("file"), "x", 1);
    setenv("CHIARO_CACHE_DIR", test_path("file"), 1); // no folder: one warning, and it works
    use_cached();
    assert_non_null(strstr(last_log, "not kept"));
    assert_int_equal(mkdir(test_path("open"), 0777), 0);
    assert_int_equal(chmod(test_path("open"), 0777), 0);
    setenv("CHIARO_CACHE_DIR", test_path("open"), 1); // anybody could put a program there
    use_cached();
    assert_non_null(strstr(last_log, "others may write"));
    setenv("CHIARO_CACHE_DIR", test_path("cache"), 1);
    setenv("CHIARO_CACHE", "0", 1);
    char path[100];
    assert_int_equal(chi_cache_path(NULL, path, sizeof path), CHI_ERR_UNSUPPORTED);
    use_cached();
    assert_string_equal(cache_entry(), "");
    unsetenv("CHIARO_CACHE");
}

// The core comes from a measurement, once; afterwards from its note, whatever that says.
static void measured_core(void **state)
{
    chi_device *dev = NULL;
    size_t bytes;
    uint64_t held, peak;
    (void)state;
    unsetenv("CHIARO_KERNEL_DIR");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(chi_device_open(NULL, &dev), CHI_OK);
        const chi_core core = chi_device_core(dev);
        chi_device_memory(dev, &held, &peak);
        assert_int_equal(held, peak); // the trial counts for nothing
        chi_device_close(&dev);
        char *note = (char *)test_read(test_path("cache/core.notes"), &bytes);
        assert_true(bytes > 24);
        assert_memory_equal(note + 17, core == CHI_CORE_PANEL ? "panel " : "group ", 6);
        memcpy(note + 17, core == CHI_CORE_PANEL ? "group " : "panel ", 6);
        test_write(test_path("cache/core.notes"), note, bytes);
        free(note);
        assert_int_equal(chi_device_open(NULL, &dev), CHI_OK);
        assert_int_not_equal(chi_device_core(dev), core);
        assert_string_equal(chi_device_tile(dev), chi__tile_default(chi_device_core(dev), chi__device_info(dev)));
        chi_device_close(&dev);
    }
    setenv("CHIARO_KERNEL_DIR", test_path(""), 1);
}

static void own_queue(void **state)
{
    cl_platform_id platform;
    cl_device_id id;
    cl_int code;
    chi_device *dev = NULL;
    chi_buffer *x;
    float got[4] = { 1, 2, 3, 4 };
    (void)state;
    assert_int_equal(clGetPlatformIDs(1, &platform, NULL), CL_SUCCESS);
    assert_int_equal(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &id, NULL), CL_SUCCESS);
    cl_context context = clCreateContext(NULL, 1, &id, NULL, NULL, &code);
    cl_command_queue queue = clCreateCommandQueue(context, id, 0, &code);
    cl_mem memory = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, sizeof got, got, &code);
    assert_int_equal(code, CL_SUCCESS);
    assert_int_equal(chi_device_wrap(context, id, queue, &(chi_device_options){ .match = "cpu" }, &dev), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_device_wrap(context, id, queue, &(chi_device_options){ .threads = 1 }, &dev), CHI_ERR_ARGUMENT);
    assert_null(dev);
    assert_int_equal(chi_device_wrap(context, id, queue, &(chi_device_options){ .core = CHI_CORE_PANEL }, &dev), CHI_OK);
    assert_ptr_equal(chi_device_queue(dev), queue);
    assert_int_equal(chi_buffer_wrap(dev, memory, &x), CHI_OK);
    assert_ptr_equal(chi_buffer_memory(x), memory);
    assert_int_equal(chi__run(dev, &(chi__launch){ .kernel = kernel_of(dev, "add"), .global = { 4 }, .args = { U32(4), F32(1), BUF(x) } }), CHI_OK);
    assert_int_equal(chi_device_finish(dev), CHI_OK);
    chi_buffer_destroy(&x);
    chi_device_close(&dev);
    assert_int_equal(clEnqueueReadBuffer(queue, memory, CL_TRUE, 0, sizeof got, got, 0, NULL, NULL), CL_SUCCESS);
    assert_true(got[0] == 3.0f && got[3] == 6.0f);
    clReleaseMemObject(memory);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers), cmocka_unit_test(budget), cmocka_unit_test(launches), cmocka_unit_test(faults),
        cmocka_unit_test(build_errors), cmocka_unit_test(matrices), cmocka_unit_test(options), cmocka_unit_test(profile),
        cmocka_unit_test(cache_damage), cmocka_unit_test(cache_refusals), cmocka_unit_test(own_queue),
        cmocka_unit_test(measured_core),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
