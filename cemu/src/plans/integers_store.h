/* Codes of 1, 2, 4 or 8 bytes. */
#ifndef CEMU_INTEGERS_STORE_H
#define CEMU_INTEGERS_STORE_H

#include <stdint.h>

/* DO(type) for the type of codes. */
#define BY_WIDTH(width, DO)           \
    switch (width) {                  \
        case 1: DO(uint8_t); break;   \
        case 2: DO(uint16_t); break;  \
        case 4: DO(uint32_t); break;  \
        default: DO(uint64_t); break; \
    }

static void store_row(void *d, int64_t width, int64_t at, int64_t count, const uint64_t *restrict line) {
#define STORE(T) \
    for (int64_t j = 0; j < count; j++) ((T *)d)[at + j] = (T)line[j]
    BY_WIDTH(width, STORE)
#undef STORE
}

#endif
