/* Depthwise convolutions: each channel has a kernel of its own. Weights are (c, kh, kw); the number
   of channels is a multiple of LANES. */

#include "kernels.h"

#include <string.h>

/* Weights in the order in which they are read, [tap][channel], the kernel turned round if asked. */
static float *pack(const Shape *s, const float *w, int turned) {
    const int64_t taps = s->kh * s->kw;
    float *packed = scratch(1, (size_t)(taps * s->c));
    if (!packed) return 0;
    for (int64_t c = 0; c < s->c; c++)
        for (int64_t k = 0; k < taps; k++)
            packed[(turned ? taps - 1 - k : k) * s->c + c] = w[c * taps + k];
    return packed;
}

/* Sum PIXELS neighbouring output pixels, LANES channels of each. */
#define TILE(NAME, PIXELS)                                                                       \
    static inline __attribute__((always_inline)) void NAME(                                      \
        const float *in, const float *w, float *out, int64_t kh, int64_t kw, int64_t row,         \
        int64_t step, int64_t c) {                                                               \
        lanes sum[PIXELS];                                                                       \
        for (int t = 0; t < PIXELS; t++) sum[t] = (lanes){0};                                    \
        for (int64_t a = 0; a < kh; a++) {                                                       \
            const float *x = in + a * row;                                                       \
            for (int64_t b = 0; b < kw; b++, x += c, w += c) {                                   \
                const lanes weight = load(w);                                                    \
                for (int t = 0; t < PIXELS; t++) sum[t] += load(x + t * step) * weight;          \
            }                                                                                    \
        }                                                                                        \
        for (int t = 0; t < PIXELS; t++) store(out + t * c, sum[t]);                             \
    }

TILE(tile_8, 8)
TILE(tile_4, 4)
TILE(tile_1, 1)

/* Convolve a framed image of width fw, all taps of it at (0, 0) for the first output pixel. The
   number of channels c is a multiple of LANES. */
static void convolve(const float *frame, const float *w, float *out, int64_t kh, int64_t kw,
                     int64_t fw, int64_t oh, int64_t ow, int64_t stride, int64_t c) {
    const int64_t row = fw * c, step = stride * c;
    for (int64_t i = 0; i < c; i += LANES)
        for (int64_t y = 0; y < oh; y++) {
            const float *in = frame + y * stride * row + i;
            float *to = out + y * ow * c + i;
            int64_t x = 0;
            for (; x + 8 <= ow; x += 8)
                tile_8(in + x * step, w + i, to + x * c, kh, kw, row, step, c);
            for (; x + 4 <= ow; x += 4)
                tile_4(in + x * step, w + i, to + x * c, kh, kw, row, step, c);
            for (; x < ow; x++) tile_1(in + x * step, w + i, to + x * c, kh, kw, row, step, c);
        }
}

/* Returns 1 if there is no memory. */
int depthwise_forward(const Shape *s, const float *x, const float *w, float *out) {
    const int64_t fh = (s->oh - 1) * s->stride + s->kh, fw = (s->ow - 1) * s->stride + s->kw;
    float *frame = scratch(0, (size_t)(fh * fw * s->c)), *packed = pack(s, w, 0);
    if (!frame || !packed) return 1;
    for (int64_t n = 0; n < s->n; n++) {
        frame_image(x + n * s->h * s->w * s->c, frame, s->h, s->w, s->c, fh, fw, s->top, s->left);
        convolve(frame, packed, out + n * s->oh * s->ow * s->c, s->kh, s->kw, fw, s->oh, s->ow,
                 s->stride, s->c);
    }
    return 0;
}

/* The gradient of the input: the output's gradient, its pixels stride apart, convolved with the
   kernel turned round. */
int depthwise_backward_input(const Shape *s, const float *gradient, const float *w, float *out) {
    const int64_t fh = s->h + s->kh - 1, fw = s->w + s->kw - 1, c = s->c;
    const int64_t up = s->kh - 1 - s->top, before = s->kw - 1 - s->left;
    float *frame = scratch(0, (size_t)(fh * fw * c)), *packed = pack(s, w, 1);
    if (!frame || !packed) return 1;
    memset(frame, 0, sizeof(float) * fh * fw * c);
    for (int64_t n = 0; n < s->n; n++) {
        for (int64_t y = 0; y < s->oh; y++)
            for (int64_t x = 0; x < s->ow; x++) {
                const int64_t row = up + y * s->stride, column = before + x * s->stride;
                if (row >= fh || column >= fw) continue;
                memcpy(frame + (row * fw + column) * c,
                       gradient + ((n * s->oh + y) * s->ow + x) * c, sizeof(float) * c);
            }
        convolve(frame, packed, out + n * s->h * s->w * c, s->kh, s->kw, fw, s->h, s->w, 1, c);
    }
    return 0;
}

/* Add up, over an image, products of the gradient with TAPS neighbouring input pixels. */
#define PRODUCTS(NAME, TAPS)                                                                     \
    static void NAME(const Shape *s, const float *x, const float *g, float *sum, int64_t width) { \
        const int64_t c = s->c;                                                                  \
        for (int64_t i = 0; i < c; i += LANES) {                                                 \
            lanes a[TAPS];                                                                       \
            for (int b = 0; b < TAPS; b++) a[b] = load(sum + b * c + i);                         \
            for (int64_t y = 0; y < s->oh; y++) {                                                \
                const float *at = x + y * s->stride * width * c + i;                             \
                const float *from = g + y * s->ow * c + i;                                       \
                for (int64_t j = 0; j < s->ow; j++, at += s->stride * c, from += c) {            \
                    const lanes gradient = load(from);                                           \
                    for (int b = 0; b < TAPS; b++) a[b] += load(at + b * c) * gradient;          \
                }                                                                                \
            }                                                                                    \
            for (int b = 0; b < TAPS; b++) store(sum + b * c + i, a[b]);                         \
        }                                                                                        \
    }

PRODUCTS(products_1, 1)
PRODUCTS(products_3, 3)
PRODUCTS(products_5, 5)
PRODUCTS(products_7, 7)

int depthwise_backward_weights(const Shape *s, const float *x, const float *gradient,
                               float *out) {
    const int64_t fh = (s->oh - 1) * s->stride + s->kh, fw = (s->ow - 1) * s->stride + s->kw;
    const int64_t taps = s->kh * s->kw, c = s->c;
    float *frame = scratch(0, (size_t)(fh * fw * c)), *sum = scratch(1, (size_t)(taps * c));
    if (!frame || !sum) return 1;
    memset(sum, 0, sizeof(float) * taps * c);
    for (int64_t n = 0; n < s->n; n++) {
        frame_image(x + n * s->h * s->w * c, frame, s->h, s->w, c, fh, fw, s->top, s->left);
        const float *g = gradient + n * s->oh * s->ow * c;
        for (int64_t a = 0; a < s->kh; a++)
            for (int64_t b = 0; b < s->kw;) {
                const float *at = frame + (a * fw + b) * c;
                float *to = sum + (a * s->kw + b) * c;
                if (s->kw - b >= 7) products_7(s, at, g, to, fw), b += 7;
                else if (s->kw - b >= 5) products_5(s, at, g, to, fw), b += 5;
                else if (s->kw - b >= 3) products_3(s, at, g, to, fw), b += 3;
                else products_1(s, at, g, to, fw), b += 1;
            }
    }
    for (int64_t i = 0; i < c; i++)
        for (int64_t k = 0; k < taps; k++) out[i * taps + k] = sum[k * c + i];
    return 0;
}
