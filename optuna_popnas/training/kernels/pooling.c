/* Maximum and average pooling; what lies outside of the image is left out. */

#include "kernels.h"

#include <math.h>
#include <string.h>

/* The part of a window that lies in the image: rows y to y_end, columns x to x_end. */
typedef struct {
    int64_t y, y_end, x, x_end;
} Window;

static inline Window window(const Shape *s, int64_t i, int64_t j) {
    const int64_t y = i * s->stride - s->top, x = j * s->stride - s->left;
    const int64_t y_end = y + s->kh, x_end = x + s->kw;
    return (Window){y < 0 ? 0 : y, y_end > s->h ? s->h : y_end, x < 0 ? 0 : x,
                    x_end > s->w ? s->w : x_end};
}

/* Run BODY for each output pixel and its window, with the pixel's image and place. */
#define EACH_WINDOW(BODY)                                                                        \
    for (int64_t n = 0; n < s->n; n++)                                                           \
        for (int64_t i = 0; i < s->oh; i++)                                                      \
            for (int64_t j = 0; j < s->ow; j++) {                                                \
                const Window v = window(s, i, j);                                                \
                const int64_t image = n * s->h * s->w * s->c, c = s->c;                          \
                const int64_t place = ((n * s->oh + i) * s->ow + j) * c;                         \
                BODY                                                                             \
            }
#define EACH_PIXEL(BODY)                                                                         \
    for (int64_t y = v.y; y < v.y_end; y++)                                                      \
        for (int64_t x = v.x; x < v.x_end; x++) {                                                \
            const int64_t at = image + (y * s->w + x) * c + k;                                   \
            BODY                                                                                 \
        }

void max_forward(const Shape *s, const float *in, float *out) {
    EACH_WINDOW({
        int64_t k = 0;
        for (; k + LANES <= c; k += LANES) {
            lanes most = {0};
            most -= INFINITY;
            EACH_PIXEL({
                const lanes value = load(in + at);
                const int_lanes more = value > most;
                most = (lanes)(((int_lanes)value & more) | ((int_lanes)most & ~more));
            })
            store(out + place + k, most);
        }
        for (; k < c; k++) {
            float most = -INFINITY;
            EACH_PIXEL({ if (in[at] > most) most = in[at]; })
            out[place + k] = most;
        }
    })
}

/* The gradient goes to the first pixel of the window that has the maximum. */
void max_backward(const Shape *s, const float *in, const float *out, const float *gradient,
                  float *grad_in) {
    memset(grad_in, 0, sizeof(float) * s->n * s->h * s->w * s->c);
    EACH_WINDOW({
        int64_t k = 0;
        for (; k + LANES <= c; k += LANES) {
            const lanes most = load(out + place + k);
            int_lanes rest = (int_lanes)load(gradient + place + k);
            EACH_PIXEL({
                const int_lanes hit = load(in + at) == most;
                store(grad_in + at, load(grad_in + at) + (lanes)(rest & hit));
                rest &= ~hit;
            })
        }
        for (; k < c; k++) {
            int open = 1;
            EACH_PIXEL({
                if (open && in[at] == out[place + k]) {
                    grad_in[at] += gradient[place + k];
                    open = 0;
                }
            })
        }
    })
}

void average_forward(const Shape *s, const float *in, float *out) {
    EACH_WINDOW({
        const float part = 1.0f / (float)((v.y_end - v.y) * (v.x_end - v.x));
        int64_t k = 0;
        for (; k + LANES <= c; k += LANES) {
            lanes sum = {0};
            EACH_PIXEL({ sum += load(in + at); })
            store(out + place + k, sum * part);
        }
        for (; k < c; k++) {
            float sum = 0;
            EACH_PIXEL({ sum += in[at]; })
            out[place + k] = sum * part;
        }
    })
}

void average_backward(const Shape *s, const float *gradient, float *grad_in) {
    memset(grad_in, 0, sizeof(float) * s->n * s->h * s->w * s->c);
    EACH_WINDOW({
        const float part = 1.0f / (float)((v.y_end - v.y) * (v.x_end - v.x));
        int64_t k = 0;
        for (; k + LANES <= c; k += LANES) {
            const lanes share = load(gradient + place + k) * part;
            EACH_PIXEL({ store(grad_in + at, load(grad_in + at) + share); })
        }
        for (; k < c; k++) {
            EACH_PIXEL({ grad_in[at] += gradient[place + k] * part; })
        }
    })
}
