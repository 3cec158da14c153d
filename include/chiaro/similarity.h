// SPDX-License-Identifier: Apache-2.0
// similarity.h: all pairs of two matrices, tile by tile. Host file: src/similarity/similarity.c.
//
// s(i,j) = scale · metric(x_i, y_j) for x [n][dim], y [m][dim]. The n × m matrix is never stored,
// except by chi_similarity_store, the only function that needs n · m floats.
#ifndef CHIARO_SIMILARITY_H
#define CHIARO_SIMILARITY_H

#include "matrix.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum chi_metric {
    CHI_METRIC_DOT = 0,           // Σ_k x_ik y_jk
    CHI_METRIC_COSINE,            // dot of rows divided by max(‖row‖, 1e-12)
    CHI_METRIC_SQUARED_EUCLIDEAN, // ‖x_i − y_j‖² as max(0, ‖x_i‖² + ‖y_j‖² − 2 x_i·y_j), NaN kept
} chi_metric;

// Whose code multiplies. Another's product is right to rounding, but its bits are its own.
typedef enum chi_provider {
    CHI_PROVIDER_AUTO = 0, // chiaro; under CHI_NUMERICS_FAST CLBlast where it can and tuning records say that it is faster
    CHI_PROVIDER_CHIARO,
    CHI_PROVIDER_CLBLAST, // dot products that are stored, and nothing else; compiles at the first call.
                          // CHI_ERR_UNSUPPORTED where the library was built without CLBlast
} chi_provider;

typedef struct chi_similarity_options {
    chi_metric metric; // default: dot
    float scale;       // multiplies the metric; default: 1. Finite; may be negative.
    size_t topk;       // largest k that chi_similarity_topk will be asked for, up to 1024; default: 10
    unsigned uses;     // which functions will be called, CHI_SIMILARITY_…; default: all. What is left
                       // out is neither compiled nor given memory.
    chi_provider provider; // default: auto
} chi_similarity_options;
enum { CHI_SIMILARITY_STORE = 1, CHI_SIMILARITY_LOGSUMEXP = 2, CHI_SIMILARITY_TOPK = 4, CHI_SIMILARITY_STATS = 8 };

typedef struct chi_similarity chi_similarity;

// Plans, compiles and allocates for n × m pairs of dim ≥ 1 features. n or m may be 0: every call then
// succeeds at once (logsumexp −inf, topk index −1, no pairs counted).
chi_status chi_similarity_create(chi_device *dev, size_t n, size_t m, size_t dim,
                                 const chi_similarity_options *options, chi_similarity **out);
void chi_similarity_destroy(chi_similarity **sim);
chi_provider chi_similarity_provider(const chi_similarity *sim); // whose code it is, never CHI_PROVIDER_AUTO

// The device bytes that create would take with these arguments beside the inputs and the memory that is left now.
// Refuses what create refuses, but for memory.
chi_status chi_similarity_bytes(chi_device *dev, size_t n, size_t m, size_t dim, const chi_similarity_options *options,
                                uint64_t *bytes);

// out [n][m] = s. The only function that stores the matrix.
chi_status chi_similarity_store(chi_similarity *sim, chi_matrix x, chi_matrix y, chi_matrix out);

// row_lse [n][1] = log Σ_j exp(s(i,j)): natural logarithm, −inf for m = 0.
chi_status chi_similarity_logsumexp(chi_similarity *sim, chi_matrix x, chi_matrix y, chi_matrix row_lse);

// The k best columns of each row: largest s first (smallest for squared Euclidean), ties by the lower index.
// values [n][k] float, indices [n][k] int32 in its own buffer. 1 ≤ k ≤ options.topk; where m < k the
// rest is −inf (inf) and −1. NaN ranks below everything. Exact: the bits and indices of a sort of the stored matrix.
chi_status chi_similarity_topk(chi_similarity *sim, chi_matrix x, chi_matrix y, size_t k,
                               chi_matrix values, chi_buffer *indices);

// The same for more columns than memory holds, a block of them at a time, in order: y are the columns from number `seen`
// on, and values and indices hold what the call before left (k the same; seen = 0: nothing, as above). After the last
// block they are those of one call over all columns, bit for bit. seen + m < 2³¹.
chi_status chi_similarity_topk_more(chi_similarity *sim, chi_matrix x, chi_matrix y, size_t k, size_t seen,
                                    chi_matrix values, chi_buffer *indices);

// Over all n · m pairs. The histogram has 1 … 1024 equal bins over [low, high]; pairs outside are in
// below and above, NaN in nan. Mean, variance (divided by the number of pairs), minimum and maximum leave NaN
// out; with no pair left all four are NaN. Waits.
typedef struct chi_pair_stats {
    double mean, variance, minimum, maximum;
    uint64_t pairs, below, above, nan;
} chi_pair_stats;
chi_status chi_similarity_stats(chi_similarity *sim, chi_matrix x, chi_matrix y, float low, float high,
                                size_t bins, uint64_t *histogram, chi_pair_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
