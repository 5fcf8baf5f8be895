/* Convolutions of images with few channels.

   Libraries for large networks lay out weights and images anew for each call and work on 16
   channels at least. Here a handful of output pixels by 8 or 16 output channels stay in registers
   while the sum over the kernel and the input channels runs. Weights are packed once per call, in
   the order in which they are read. */

#include "kernels.h"

#include <string.h>

#define MOST_TAPS 128

/* Which input pixels each output pixel is a sum of. Offsets count numbers, not pixels. */
typedef struct {
    int64_t taps, pixels, in_channels, out_channels;
    int64_t row;           /* out_channels, rounded up to whole LANES */
    const float *weights;  /* [tap][in_channels][row] */
    const int32_t *in_at;  /* of each output pixel: the input pixel of a tap with offset 0 */
    const int32_t *out_at; /* of each output pixel: where it is written */
    int32_t tap_at[MOST_TAPS];
} Plan;

static int64_t rounded(int64_t channels) { return (channels + LANES - 1) / LANES * LANES; }

/* Sum PIXELS output pixels by BLOCKS * LANES channels over taps and input channels. */
#define TILE(NAME, PIXELS, BLOCKS)                                                               \
    static inline __attribute__((always_inline)) void NAME(                                      \
        const Plan *plan, const float *const *in, const float *weights, lanes (*sum)[2]) {       \
        const int64_t channels = plan->in_channels, row = plan->row;                             \
        lanes s[PIXELS][BLOCKS];                                                                 \
        for (int t = 0; t < PIXELS; t++)                                                         \
            for (int b = 0; b < BLOCKS; b++) s[t][b] = (lanes){0};                               \
        for (int64_t k = 0; k < plan->taps; k++) {                                               \
            const int64_t at = plan->tap_at[k];                                                  \
            for (int64_t c = 0; c < channels; c++, weights += row) {                             \
                lanes w[BLOCKS];                                                                 \
                for (int b = 0; b < BLOCKS; b++) w[b] = load(weights + b * LANES);               \
                for (int t = 0; t < PIXELS; t++) {                                               \
                    const float x = in[t][at + c];                                               \
                    for (int b = 0; b < BLOCKS; b++) s[t][b] += x * w[b];                        \
                }                                                                                \
            }                                                                                    \
        }                                                                                        \
        for (int t = 0; t < PIXELS; t++)                                                         \
            for (int b = 0; b < BLOCKS; b++) sum[t][b] = s[t][b];                                \
    }

TILE(tile_8x1, 8, 1)
TILE(tile_6x2, 6, 2)
TILE(tile_2x1, 2, 1)
TILE(tile_2x2, 2, 2)

/* Convolve one image. */
static void convolve(const Plan *plan, const float *image, float *out) {
    for (int64_t c = 0; c < plan->out_channels;) {
        const int64_t left = plan->out_channels - c;
        const int wide = left > LANES;
        const int64_t block = wide ? 2 * LANES : LANES, width = left < block ? left : block;
        const float *weights = plan->weights + c;
        for (int64_t i = 0; i < plan->pixels;) {
            const int64_t rest = plan->pixels - i;
            const int most = wide ? 6 : 8, tile = rest >= most ? most : 2;
            const float *in[8];
            lanes sum[8][2];
            for (int t = 0; t < tile; t++)
                /* The last one of an odd number is computed twice. */
                in[t] = image + plan->in_at[i + t < plan->pixels ? i + t : i];
            if (tile == 6) tile_6x2(plan, in, weights, sum);
            else if (tile == 8) tile_8x1(plan, in, weights, sum);
            else if (wide) tile_2x2(plan, in, weights, sum);
            else tile_2x1(plan, in, weights, sum);
            for (int t = 0; t < tile && i + t < plan->pixels; t++) {
                float *to = out + plan->out_at[i + t] + c;
                if (width == 2 * LANES) {
                    store(to, sum[t][0]);
                    store(to + LANES, sum[t][1]);
                } else if (width == LANES) {
                    store(to, sum[t][0]);
                } else {
                    memcpy(to, sum[t], sizeof(float) * width);
                }
            }
            i += tile;
        }
        c += width;
    }
}

/* Size of an image with its border: large enough for every tap of every output pixel. */
static int frame_size(const Shape *s, int64_t *height, int64_t *width) {
    *height = (s->oh - 1) * s->stride + s->kh;
    *width = (s->ow - 1) * s->stride + s->kw;
    const int needed = s->top || s->left || *height > s->h || *width > s->w;
    if (!needed) *height = s->h, *width = s->w;
    return needed;
}

/* Weights are (oc, kh, kw, c / groups). Returns 1 if there is no memory. */
int conv_forward(const Shape *s, const float *x, const float *w, float *out) {
    const int64_t in = s->c / s->groups, co = s->oc / s->groups, taps = s->kh * s->kw;
    const int64_t pixels = s->oh * s->ow, row = rounded(co), part = taps * in * row;
    int64_t fh, fw;
    const int framed = frame_size(s, &fh, &fw);
    float *frame = scratch(0, (size_t)(fh * fw * s->c));
    float *packed = scratch(1, (size_t)(s->groups * part));
    int32_t *places = (int32_t *)scratch(2, (size_t)(2 * pixels));
    if (!frame || !packed || !places) return 1;
    Plan plan = {taps, pixels, in, co, row, packed, places, places + pixels, {0}};
    for (int64_t i = 0; i < pixels; i++) {
        places[i] = (int32_t)((i / s->ow * fw + i % s->ow) * s->stride * s->c);
        places[pixels + i] = (int32_t)(i * s->oc);
    }
    for (int64_t k = 0; k < taps; k++)
        plan.tap_at[k] = (int32_t)((k / s->kw * fw + k % s->kw) * s->c);
    memset(packed, 0, sizeof(float) * s->groups * part);
    for (int64_t o = 0; o < s->oc; o++)
        for (int64_t k = 0; k < taps * in; k++)
            packed[o / co * part + k * row + o % co] = w[o * taps * in + k];
    for (int64_t n = 0; n < s->n; n++) {
        const float *image = x + n * s->h * s->w * s->c;
        if (framed) {
            frame_image(image, frame, s->h, s->w, s->c, fh, fw, s->top, s->left);
            image = frame;
        }
        for (int64_t g = 0; g < s->groups; g++) {
            plan.weights = packed + g * part;
            convolve(&plan, image + g * in, out + n * pixels * s->oc + g * co);
        }
    }
    return 0;
}

/* The gradient of the input. Input pixels fall into stride^2 classes that see different taps; for
   each class it is a convolution of the output's gradient. */
int conv_backward_input(const Shape *s, const float *gradient, const float *w, float *out) {
    const int64_t in = s->c / s->groups, co = s->oc / s->groups, st = s->stride;
    const int64_t taps = s->kh * s->kw, row = rounded(in), part = taps * co * row;
    const int64_t up = (s->kh - 1) / st, before = (s->kw - 1) / st;
    const int64_t last_y = (s->h - 1 + s->top) / st, last_x = (s->w - 1 + s->left) / st;
    const int64_t fh = up + (last_y >= s->oh ? last_y + 1 : s->oh);
    const int64_t fw = before + (last_x >= s->ow ? last_x + 1 : s->ow);
    float *frame = scratch(0, (size_t)(fh * fw * s->oc));
    float *packed = scratch(1, (size_t)(s->groups * part));
    int32_t *places = (int32_t *)scratch(2, (size_t)(2 * s->h * s->w));
    if (!frame || !packed || !places || st > 2) return 1;
    memset(packed, 0, sizeof(float) * s->groups * part);

    Plan plans[4];
    int64_t starts[4], first = 0, used = 0;
    for (int64_t k = 0; k < st * st; k++) {
        const int64_t ry = k / st, rx = k % st;
        Plan *plan = &plans[k];
        *plan = (Plan){0, 0, co, in, row, 0, places + used, 0, {0}};
        starts[k] = first * co * row;
        for (int64_t a = ry; a < s->kh; a += st)
            for (int64_t b = rx; b < s->kw; b += st) {
                plan->tap_at[plan->taps++] = (int32_t)(-(a / st * fw + b / st) * s->oc);
                for (int64_t o = 0; o < s->oc; o++)
                    for (int64_t c = 0; c < in; c++)
                        packed[o / co * part + (first * co + o % co) * row + c] =
                            w[((o * s->kh + a) * s->kw + b) * in + c];
                first++;
            }
        int32_t *at = places + used;
        for (int64_t y = 0; y < s->h; y++)
            for (int64_t x = 0; x < s->w; x++) {
                if ((y + s->top) % st != ry || (x + s->left) % st != rx) continue;
                at[plan->pixels++] =
                    (int32_t)((((y + s->top) / st + up) * fw + (x + s->left) / st + before) *
                              s->oc);
            }
        int32_t *to = at + plan->pixels;
        plan->out_at = to;
        for (int64_t y = 0; y < s->h; y++)
            for (int64_t x = 0; x < s->w; x++)
                if ((y + s->top) % st == ry && (x + s->left) % st == rx)
                    *to++ = (int32_t)((y * s->w + x) * s->c);
        used += 2 * plan->pixels;
    }
    for (int64_t n = 0; n < s->n; n++) {
        const float *image = gradient + n * s->oh * s->ow * s->oc;
        if (fh != s->oh || fw != s->ow) {
            frame_image(image, frame, s->oh, s->ow, s->oc, fh, fw, up, before);
            image = frame;
        }
        for (int64_t g = 0; g < s->groups; g++)
            for (int64_t k = 0; k < st * st; k++) {
                plans[k].weights = packed + g * part + starts[k];
                convolve(&plans[k], image + g * co, out + n * s->h * s->w * s->c + g * in);
            }
    }
    return 0;
}

/* Add up, over all output pixels of an image, ROWS input channels times BLOCKS * LANES gradients. */
#define OUTER(NAME, ROWS, BLOCKS)                                                                \
    static inline __attribute__((always_inline)) void NAME(                                      \
        const Shape *s, const float *x, const float *g, float *sum, int64_t width, int64_t row) { \
        lanes a[ROWS][BLOCKS];                                                                   \
        for (int c = 0; c < ROWS; c++)                                                           \
            for (int b = 0; b < BLOCKS; b++) a[c][b] = load(sum + c * row + b * LANES);          \
        for (int64_t i = 0; i < s->oh; i++) {                                                    \
            const float *xi = x + i * s->stride * width;                                         \
            for (int64_t j = 0; j < s->ow; j++, xi += s->stride * s->c, g += s->oc) {            \
                lanes v[BLOCKS];                                                                 \
                for (int b = 0; b < BLOCKS; b++) v[b] = load(g + b * LANES);                     \
                for (int c = 0; c < ROWS; c++)                                                   \
                    for (int b = 0; b < BLOCKS; b++) a[c][b] += xi[c] * v[b];                    \
            }                                                                                    \
        }                                                                                        \
        for (int c = 0; c < ROWS; c++)                                                           \
            for (int b = 0; b < BLOCKS; b++) store(sum + c * row + b * LANES, a[c][b]);          \
    }

OUTER(outer_8x1, 8, 1)
OUTER(outer_6x2, 6, 2)
OUTER(outer_2x2, 2, 2)
OUTER(outer_1x1, 1, 1)
OUTER(outer_1x2, 1, 2)

/* The gradient of the weights, (oc, kh, kw, c / groups). oc / groups is a multiple of LANES. */
int conv_backward_weights(const Shape *s, const float *x, const float *gradient, float *out) {
    const int64_t in = s->c / s->groups, co = s->oc / s->groups, taps = s->kh * s->kw;
    const int64_t part = taps * in * co;
    int64_t fh, fw;
    const int framed = frame_size(s, &fh, &fw);
    float *frame = scratch(0, (size_t)(fh * fw * s->c));
    float *sum = scratch(1, (size_t)(s->groups * part));
    if (!frame || !sum) return 1;
    memset(sum, 0, sizeof(float) * s->groups * part);
    for (int64_t n = 0; n < s->n; n++) {
        const float *image = x + n * s->h * s->w * s->c;
        if (framed) {
            frame_image(image, frame, s->h, s->w, s->c, fh, fw, s->top, s->left);
            image = frame;
        }
        const float *gn = gradient + n * s->oh * s->ow * s->oc;
        for (int64_t g = 0; g < s->groups; g++)
            for (int64_t k = 0; k < taps; k++) {
                const float *at = image + (k / s->kw * fw + k % s->kw) * s->c + g * in;
                float *to = sum + g * part + k * in * co;
                for (int64_t o = 0; o < co; o += co - o > LANES ? 2 * LANES : LANES) {
                    const float *go = gn + g * co + o;
                    float *so = to + o;
                    int64_t c = 0;
                    if (co - o > LANES) {
                        for (; c + 6 <= in; c += 6)
                            outer_6x2(s, at + c, go, so + c * co, fw * s->c, co);
                        for (; c + 2 <= in; c += 2)
                            outer_2x2(s, at + c, go, so + c * co, fw * s->c, co);
                        for (; c < in; c++) outer_1x2(s, at + c, go, so + c * co, fw * s->c, co);
                    } else {
                        for (; c + 8 <= in; c += 8)
                            outer_8x1(s, at + c, go, so + c * co, fw * s->c, co);
                        for (; c < in; c++) outer_1x1(s, at + c, go, so + c * co, fw * s->c, co);
                    }
                }
            }
    }
    for (int64_t o = 0; o < s->oc; o++)
        for (int64_t k = 0; k < taps * in; k++)
            out[o * taps * in + k] = sum[o / co * part + k * co + o % co];
    return 0;
}
