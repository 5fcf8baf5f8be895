/* Scratch memory and images with borders. */

#include "kernels.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 4

float *scratch(int slot, size_t count) {
    static _Thread_local float *memory[SLOTS];
    static _Thread_local size_t size[SLOTS];
    if (size[slot] < count) {
        free(memory[slot]);
        memory[slot] = malloc(count * sizeof(float));
        size[slot] = memory[slot] ? count : 0;
    }
    return memory[slot];
}

void frame_image(const float *image, float *frame, int64_t h, int64_t w, int64_t c, int64_t fh,
                 int64_t fw, int64_t top, int64_t left) {
    const int64_t rows = h < fh - top ? h : fh - top, columns = w < fw - left ? w : fw - left;
    const size_t line = sizeof(float) * fw * c, kept = sizeof(float) * columns * c;
    memset(frame, 0, top * line);
    for (int64_t y = 0; y < rows; y++) {
        float *to = frame + (top + y) * fw * c;
        memset(to, 0, sizeof(float) * left * c);
        memcpy(to + left * c, image + y * w * c, kept);
        memset(to + (left + columns) * c, 0, sizeof(float) * (fw - left - columns) * c);
    }
    memset(frame + (top + rows) * fw * c, 0, (fh - top - rows) * line);
}
