// SPDX-License-Identifier: Apache-2.0
// data.h: reading and writing files, and two-view augmentation. Host files: src/data/.
//
// Every reader checks sizes against the file before it allocates, and names file and offset in its
// error. Functions without a device leave their sentence in chi_error_text().
#ifndef CHIARO_DATA_H
#define CHIARO_DATA_H

#include "matrix.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum chi_type {
    CHI_TYPE_F32 = 0, CHI_TYPE_F64, CHI_TYPE_F16, CHI_TYPE_BF16, CHI_TYPE_U8, CHI_TYPE_I8, CHI_TYPE_U16,
    CHI_TYPE_I16, CHI_TYPE_U32, CHI_TYPE_I32, CHI_TYPE_U64, CHI_TYPE_I64, CHI_TYPE_BOOL,
    CHI_TYPE_OTHER, // any other, kept as the file has it: to be listed, not computed with
} chi_type;
size_t chi_type_bytes(chi_type type);     // 0 for CHI_TYPE_OTHER
const char *chi_type_name(chi_type type); // "F32", "I64", … as safetensors spells them; "other"

// A tensor in host memory, native byte order, C order. Owned by whoever read it; chi_tensor_free.
typedef struct chi_tensor {
    char name[256];
    chi_type type;
    size_t shape[8], dims;
    size_t count; // elements
    void *bytes;
    char word[16];  // CHI_TYPE_OTHER: the type as the file spells it ("F8_E4M3", "<U10") …
    uint64_t size;  // … and the bytes of all elements
} chi_tensor;
void chi_tensor_free(chi_tensor *tensor);
const char *chi_tensor_type(const chi_tensor *tensor); // chi_type_name, or the file's word
uint64_t chi_tensor_bytes(const chi_tensor *tensor);   // of all elements
// In place to float32 (u8 stays 0 … 255), or to integers, exactly: from any integers, booleans, and
// floats that are whole numbers; refused with the element where one does not fit. Labels: labels.h.
chi_status chi_tensor_to_f32(chi_tensor *tensor);
chi_status chi_tensor_to_i32(chi_tensor *tensor);
chi_status chi_tensor_to_i64(chi_tensor *tensor);

// One array, of a file or inside one. The file's content decides which it is, not its name:
//   idx (LeCun's MNIST layout) and .npy (format 1-3, C and Fortran order, both byte orders,
//   f2 f4 f8, integers, booleans), either of them as it is or gzipped;
//   FILE:NAME, where FILE is a zip archive of such (numpy's .npz, stored or deflated; ".npy" may be
//   left out of NAME) or safetensors. Where it holds one array alone, FILE will do. A path that
//   exists as it stands, colon included, is that file.
chi_status chi_tensor_read(const char *path, chi_tensor *out);
chi_status chi_npy_write(const char *path, const chi_tensor *tensor); // temp file + rename

// The same arrays a few rows at a time, for more than memory holds. Open checks the header against
// the file's size, and checksums, which zip archives and our safetensors have, by reading all of it
// once. Compressed arrays are held in memory whole. A row is all that one index of the first
// dimension holds.
typedef struct chi_npy_reader chi_npy_reader;
chi_status chi_npy_open(const char *path, chi_npy_reader **out);
void chi_npy_close(chi_npy_reader **reader);
const chi_tensor *chi_npy_describe(const chi_npy_reader *reader); // type, shape, count; no bytes
// Rows first … first + rows − 1 as float32, other types rounded once.
chi_status chi_npy_read_rows(chi_npy_reader *reader, size_t first, size_t rows, float *to);
// Writes in order into a temp file beside `path`; commit puts it in place whole (fsync, rename) and
// ends the writer, in failure too; discard leaves nothing. Files that belong together: flush all,
// then commit all. `shape` gives type and shape, its bytes are not read.
typedef struct chi_npy_writer chi_npy_writer;
chi_status chi_npy_create(const char *path, const chi_tensor *shape, chi_npy_writer **out);
chi_status chi_npy_append(chi_npy_writer *writer, const void *elements, uint64_t bytes);
chi_status chi_npy_flush(chi_npy_writer *writer); // fsync: a full disk shows here at the latest
chi_status chi_npy_commit(chi_npy_writer **writer);
void chi_npy_discard(chi_npy_writer **writer);

// safetensors. Reading verifies the whole header (no overlap, no gap, no duplicate) and, where
// metadata holds checksums, every tensor. Metadata is a flat list of string pairs.
typedef struct chi_tensors {
    chi_tensor *items;
    size_t count;
    char **keys, **values; // metadata, `pairs` of each
    size_t pairs;
    bool changed; // by another program, see below
} chi_tensors;
// Every array of an .npz, types of elements that are not ours among them; names without ".npy", no
// metadata.
chi_status chi_npz_read(const char *path, chi_tensors *out);
// Types of elements that are not ours are kept as CHI_TYPE_OTHER, their sizes checked where the
// format defines one.
chi_status chi_safetensors_read(const char *path, chi_tensors *out);
// Reading tells a file that another program changed from a damaged one. As long as the header is
// what chi_safetensors_write printed, to the byte, a tensor or header that one false byte explains
// is damaged (CHI_ERR_FORMAT), so every flipped bit is; one that more bytes differ in, or a header
// written anew around other tensors, names, shapes or metadata, is changed (CHI_ERR_CHANGED),
// unless `changed` asks for it all the same: then .changed is set. Written anew with the same
// content, in any order, with up to two more pairs of metadata, it is neither; without any checksum
// it is another writer's file.
typedef struct chi_safetensors_options { bool changed; } chi_safetensors_options;
chi_status chi_safetensors_read_with(const char *path, const chi_safetensors_options *options,
                                     chi_tensors *out);
// Temp file in the same folder, fsync, rename, fsync of the folder. Adds to the metadata
// "checksum.<tensor>", FNV-1a 64 over its bytes, "checksum.__metadata__" over the rest of what the
// header says, and "checksum.__header__" over its text, these digits as zeros; checksums among the
// pairs given are dropped.
chi_status chi_safetensors_write(const char *path, const chi_tensors *tensors);
const chi_tensor *chi_tensors_find(const chi_tensors *tensors, const char *name); // NULL: none
const char *chi_tensors_metadata(const chi_tensors *tensors, const char *key);    // NULL: none
void chi_tensors_free(chi_tensors *tensors);

// Two random views of each image, on the device. Parameters are drawn from (seed, stream, step, index of
// the image in the data set, view): the same at any batch split and on any device.
// Order: crop, flip; contrast about the image's mean over all channels and brightness, then clamped
// to [0, 1]; saturation about the luma 0.299 r + 0.587 g + 0.114 b, clamped; hue, that of HSV,
// whose value and saturation stay; grey; erasing. Factors, shifts and probabilities mean what they
// do in torchvision's ColorJitter and RandomGrayscale. Other than there the order is fixed,
// contrast is about one mean of all channels, and what contrast gives is not clamped before
// brightness. Formulas: kernels/data/augment.cl.
typedef struct chi_augment_options {
    size_t channels, height, width; // of one image; torch's order, values 0 … 1
    size_t shift;         // crop after zero padding of `shift` pixels at a random offset; default: 0, none
    float scale_low;      // resized crop: area fraction drawn from [scale_low, 1], aspect from [3/4, 4/3],
                          // bilinear; default: 0, none. Excludes shift.
    float flip;           // probability of a horizontal flip; default: 0
    float jitter;         // probability that contrast … hue happen, together; default: 0
    float contrast, brightness, saturation; // factor 1 ± this, < 1; default: 0
    float hue;            // turned by up to ± this part of the circle, at most 0.5; default: 0
    float grey;           // probability that all channels become the luma; default: 0
                          // saturation, hue and grey need 3 channels: red, green, blue
    float erase;          // probability of one zeroed box; default: 0
    size_t erase_low, erase_high; // sides of the box, drawn independently from this range
    bool floats;          // images are float32 in [0, 1], 4 bytes a value (not checked; NaN stays
                          // NaN); default: bytes
    bool gathered;        // images hold the n images of one call in their order, and indices only
                          // name them for the draws: data sets larger than the device's memory;
                          // default: the whole data set
} chi_augment_options;

typedef struct chi_augment chi_augment;
chi_status chi_augment_create(chi_device *dev, const chi_augment_options *options, uint64_t seed, chi_augment **out);
void chi_augment_destroy(chi_augment **augment);

// images: the whole data set as [count] images of u8 or float (channels·height·width values each)
// on the device, or [n] images with .gathered. indices [n] int32: which images. out
// [views·n][pixels]: view v of image i in row v·n + i. step < 2³². An index out of range (gathered:
// below 0) makes its rows NaN and is an error at the next wait. Bytes v and floats v / 255 (rounded
// correctly, as chi_images_load gives them) give the same bits, and so do whole data sets and
// gathered images.
chi_status chi_augment_eval(chi_augment *augment, const chi_buffer *images, const chi_buffer *indices,
                            size_t n, size_t views, uint64_t step, chi_matrix out);

// The same images as they are, bytes divided by 255: rows first … first + n − 1 of what `images` hold.
chi_status chi_images_load(chi_device *dev, const chi_buffer *images, bool floats, size_t first,
                           size_t n, size_t pixels, chi_matrix out);

// Random numbers from (seed, counter) alone. Rows of length 1 (uniform in the cube, then normalised); a
// permutation of 0 … n − 1 for one epoch.
chi_status chi_random_unit_rows(uint64_t seed, size_t rows, size_t cols, float *to);
chi_status chi_random_order(uint64_t seed, uint64_t epoch, size_t n, int32_t *order);

// FNV-1a 64, continued from `hash`; start with CHI_HASH_START.
#define CHI_HASH_START 14695981039346656037ull
uint64_t chi_hash(uint64_t hash, const void *bytes, size_t count);

#ifdef __cplusplus
}
#endif
#endif
