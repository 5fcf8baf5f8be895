/* What the kernels share. All tensors are float32 and channels-last: (N, H, W, C). */

#ifndef OPTUNA_POPNAS_KERNELS_H
#define OPTUNA_POPNAS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Eight numbers at once: one AVX register, or two of smaller vector units. */
#define LANES 8
typedef float lanes __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t int_lanes __attribute__((vector_size(32), aligned(4), may_alias));

/* A convolution or pooling from (n, h, w, c) to (n, oh, ow, oc). Output pixel (i, j) sees input
   pixels (i * stride - top + a, j * stride - left + b) for 0 <= a < kh, 0 <= b < kw. */
typedef struct {
    int64_t n, h, w, c, oh, ow, oc, kh, kw, stride, top, left, groups;
} Shape;

/* Memory of this thread that lives until its next call with the same slot; NULL if there is none
   left. */
float *scratch(int slot, size_t count);

/* Copy an (h, w, c) image into an (fh, fw, c) frame of zeros, its corner at (top, left); what does
   not fit is left out. */
void frame_image(const float *image, float *frame, int64_t h, int64_t w, int64_t c, int64_t fh,
                 int64_t fw, int64_t top, int64_t left);

static inline lanes load(const float *p) { return *(const lanes *)p; }
static inline void store(float *p, lanes v) { *(lanes *)p = v; }

#endif
