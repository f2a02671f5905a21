/* Runs scalar operations that a test has dumped: tables, operands, expected codes and events. Every array is allocated to
 * its exact size, so that a sanitizer sees any access beyond it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cemu.h"

typedef struct {
    int64_t formats, points, ranks, n, operands, has_draws, limbs, status;
} header;

static void *take(FILE *file, int64_t count, size_t size) {
    void *array = malloc(count ? (size_t)count * size : 1);
    if (!array || fread(array, size, (size_t)count, file) != (size_t)count) exit(2);
    return array;
}

static int replay(FILE *file, int64_t number) {
    header h;
    if (fread(&h, sizeof h, 1, file) != 1) exit(2);
    cemu_operation *operation = take(file, 1, sizeof *operation);
    cemu_format *formats = take(file, h.formats, sizeof *formats);
    cemu_point *points = take(file, h.points, sizeof *points);
    int64_t *ranks = take(file, h.ranks, sizeof *ranks);
    uint64_t *codes[3] = {NULL, NULL, NULL};
    for (int64_t i = 0; i < h.operands; i++) codes[i] = take(file, h.n, sizeof **codes);
    uint64_t *draws = take(file, h.has_draws * h.n, sizeof *draws), *wanted = take(file, h.n, sizeof *wanted);
    uint16_t *wanted_masks = take(file, h.n, sizeof *wanted_masks);
    uint64_t *out = malloc((size_t)h.n * sizeof *out + 1);
    uint16_t *masks = malloc((size_t)h.n * sizeof *masks + 1);
    int64_t error = -1, bad = 0;
    cemu_tables tables = {.formats = formats, .points = points, .ranks = ranks};
    int64_t status = cemu_operate(&tables, operation, codes[0], codes[1], codes[2], h.n, h.limbs,
                                  h.has_draws ? draws : NULL, out, masks, &error);
    if (status != h.status) {
        printf("call %" PRId64 ": status %" PRId64 ", expected %" PRId64 "\n", number, status, h.status);
        bad = 1;
    } else if (!status && (memcmp(out, wanted, (size_t)h.n * sizeof *out) ||
                           memcmp(masks, wanted_masks, (size_t)h.n * sizeof *masks))) {
        printf("call %" PRId64 ": results differ\n", number);
        bad = 1;
    }
    void *all[] = {operation, formats, points, ranks, codes[0], codes[1], codes[2], draws, wanted, wanted_masks, out, masks};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    return (int)bad;
}

int main(int argc, char **argv) {
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    int64_t count, bad = 0;
    if (!file || fread(&count, sizeof count, 1, file) != 1) return 2;
    for (int64_t i = 0; i < count; i++) bad += replay(file, i);
    fclose(file);
    printf("%" PRId64 " calls, %" PRId64 " bad\n", count, bad);
    return bad != 0;
}
