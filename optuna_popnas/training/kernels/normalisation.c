/* Batch normalisation followed by SiLU, in training. The number of channels is a multiple of
   LANES. */

#include "kernels.h"

#include <math.h>
#include <string.h>

/* exp(-x) for all lanes: 2^n times a polynomial in the rest, right to a few units in the last
   place. */
static inline lanes exp_negative(lanes x) {
    const float most = 87.0f, magic = 12582912.0f; /* adding 1.5 * 2^23 rounds to whole numbers */
    lanes t = -x;
    int_lanes over = t > most, under = t < -most;
    t = (lanes)(((int_lanes)t & ~over) | ((int_lanes)(((lanes){0} + most)) & over));
    t = (lanes)(((int_lanes)t & ~under) | ((int_lanes)(((lanes){0} - most)) & under));
    lanes n = t * 1.44269504f + magic;
    int_lanes power = (int_lanes)n << 23;
    n -= magic;
    lanes r = t - n * 0.693359375f + n * 2.12194440e-4f;
    lanes p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return (lanes)((int_lanes)p + power);
}

/* Sums over pixels are taken in parts of so many, to keep the rounding error small. */
#define PART 256

/* z is (pixels, channels). Writes the output, and each channel's mean and 1 / deviation; moves the
   running averages. The convolution's bias is not in z: it changes nothing but the mean. */
void norm_forward(const float *z, const float *gamma, const float *beta, const float *bias,
                  float *running_mean, float *running_variance, float *mean, float *scale,
                  float *out, int64_t pixels, int64_t channels, float momentum, float epsilon) {
    for (int64_t c = 0; c < channels; c += LANES) {
        const float *zc = z + c;
        double total[LANES] = {0}, square[LANES] = {0};
        for (int64_t i = 0; i < pixels; i += PART) {
            const int64_t end = i + PART < pixels ? i + PART : pixels;
            lanes a = {0}, b = {0}, d = {0}, e = {0};
            int64_t j = i;
            for (; j + 4 <= end; j += 4) {
                a += load(zc + j * channels);
                b += load(zc + (j + 1) * channels);
                d += load(zc + (j + 2) * channels);
                e += load(zc + (j + 3) * channels);
            }
            for (; j < end; j++) a += load(zc + j * channels);
            a = (a + b) + (d + e);
            for (int l = 0; l < LANES; l++) total[l] += a[l];
        }
        lanes m, s;
        for (int l = 0; l < LANES; l++) m[l] = (float)(total[l] / pixels);
        for (int64_t i = 0; i < pixels; i += PART) {
            const int64_t end = i + PART < pixels ? i + PART : pixels;
            lanes a = {0}, b = {0};
            int64_t j = i;
            for (; j + 2 <= end; j += 2) {
                lanes u = load(zc + j * channels) - m, v = load(zc + (j + 1) * channels) - m;
                a += u * u;
                b += v * v;
            }
            for (; j < end; j++) {
                lanes u = load(zc + j * channels) - m;
                a += u * u;
            }
            a += b;
            for (int l = 0; l < LANES; l++) square[l] += a[l];
        }
        for (int l = 0; l < LANES; l++) {
            const double variance = square[l] / pixels;
            const float shift = bias ? bias[c + l] : 0.0f;
            s[l] = (float)(1.0 / sqrt(variance + epsilon));
            if (running_mean) {
                const double unbiased = pixels > 1 ? square[l] / (pixels - 1) : variance;
                running_mean[c + l] += momentum * (m[l] + shift - running_mean[c + l]);
                running_variance[c + l] +=
                    momentum * ((float)unbiased - running_variance[c + l]);
            }
        }
        store(mean + c, m);
        store(scale + c, s);
        const lanes factor = load(gamma + c) * s, offset = load(beta + c) - m * factor;
        for (int64_t i = 0; i < pixels; i++) {
            const lanes u = load(zc + i * channels) * factor + offset;
            store(out + i * channels + c, u / (1.0f + exp_negative(u)));
        }
    }
}

/* The same with the running averages, for evaluation. */
void norm_evaluate(const float *z, const float *gamma, const float *beta, const float *bias,
                   const float *running_mean, const float *running_variance, float *out,
                   int64_t pixels, int64_t channels, float epsilon) {
    for (int64_t c = 0; c < channels; c += LANES) {
        lanes scale, shift = bias ? load(bias + c) : (lanes){0};
        for (int l = 0; l < LANES; l++) scale[l] = 1.0f / sqrtf(running_variance[c + l] + epsilon);
        const lanes factor = load(gamma + c) * scale;
        const lanes offset = load(beta + c) + (shift - load(running_mean + c)) * factor;
        for (int64_t i = 0; i < pixels; i++) {
            const lanes u = load(z + i * channels + c) * factor + offset;
            store(out + i * channels + c, u / (1.0f + exp_negative(u)));
        }
    }
}

/* From the gradient of the output to those of z, gamma and beta. */
void norm_backward(const float *gradient, const float *z, const float *gamma, const float *beta,
                   const float *mean, const float *scale, float *grad_z, float *grad_gamma,
                   float *grad_beta, int64_t pixels, int64_t channels) {
    for (int64_t c = 0; c < channels; c += LANES) {
        const lanes m = load(mean + c), s = load(scale + c), g = load(gamma + c);
        const lanes factor = g * s, offset = load(beta + c) - m * factor;
        double total[LANES] = {0}, product[LANES] = {0};
        for (int64_t i = 0; i < pixels; i += PART) {
            const int64_t end = i + PART < pixels ? i + PART : pixels;
            lanes a = {0}, b = {0};
            for (int64_t j = i; j < end; j++) {
                const lanes centred = load(z + j * channels + c) - m;
                const lanes u = load(z + j * channels + c) * factor + offset;
                const lanes sigmoid = 1.0f / (1.0f + exp_negative(u));
                /* The derivative of u * sigmoid(u). */
                const lanes d = load(gradient + j * channels + c) *
                                (sigmoid * (1.0f + u * (1.0f - sigmoid)));
                store(grad_z + j * channels + c, d);
                a += d;
                b += d * centred;
            }
            for (int l = 0; l < LANES; l++) {
                total[l] += a[l];
                product[l] += b[l];
            }
        }
        lanes sum, slope;
        for (int l = 0; l < LANES; l++) {
            sum[l] = (float)total[l];
            slope[l] = (float)product[l];
        }
        store(grad_beta + c, sum);
        store(grad_gamma + c, slope * s);
        const lanes shift = sum / (float)pixels, tilt = slope * s * s / (float)pixels;
        for (int64_t i = 0; i < pixels; i++) {
            const lanes centred = load(z + i * channels + c) - m;
            float *at = grad_z + i * channels + c;
            store(at, factor * (load(at) - shift - centred * tilt));
        }
    }
}
