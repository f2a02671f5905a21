/* The kernels of plans without Python: problems filled in by hand, on every instruction set that this machine has, with
 * results that plain integer arithmetic finds. So all of them give the same bits. */
#include "check.h"

#include "cemu_plan_encode.h"
#include "cemu_plan_exact.h"

const format E4M3 = {3, 7, 4, 0x7e, 0x7f}, BINARY16 = {10, 15, 5, 0x7bff, 0x7c00};
const format BINARY32 = {23, 127, 8, 0x7f7fffff, 0x7f800000};
const format BINARY64 = {52, 1023, 11, 0x7fefffffffffffff, 0x7ff0000000000000};

static int64_t bad, compared, level;
static uint64_t state;
static void *rooms[512];
static int used;

void *room(int64_t count, size_t size) {
    void *at = NULL;
    if (used == 512 || posix_memalign(&at, 64, (size_t)count * size)) abort();
    memset(at, 0, (size_t)count * size);
    return rooms[used++] = at;
}

void free_rooms(void) {
    while (used) free(rooms[--used]);
}

int64_t between(int64_t low, int64_t high) {
    uint64_t x = state += 0x9e3779b97f4a7c15; /* splitmix64 */
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return low + (int64_t)((x ^ x >> 31) % (uint64_t)(high - low + 1));
}

int64_t *numbers(int64_t count, int64_t low, int64_t high) {
    int64_t *out = room(count, sizeof *out);
    for (int64_t i = 0; i < count; i++) out[i] = between(low, high);
    return out;
}

uint64_t *codes_of(const int64_t *from, int64_t count, int bits) {
    uint64_t *out = room(count, sizeof *out);
    for (int64_t i = 0; i < count; i++) out[i] = (uint64_t)from[i] & (((uint64_t)1 << bits) - 1);
    return out;
}

int log2_of(int64_t x) { return 63 - __builtin_clzll((uint64_t)(x < 0 ? -x : x)); }

int64_t shifted(int64_t x, int shift, enum way way) {
    if (shift <= 0) return x * ((int64_t)1 << -shift);
    if (shift > 62) shift = 62; /* |x| < 2^61 */
    int64_t one = (int64_t)1 << shift, size = x < 0 ? -x : x, whole = size / one, rest = size % one;
    switch (way) {
        case EVEN: whole += 2 * rest > one || (2 * rest == one && whole % 2); break;
        case TIES_AWAY: whole += 2 * rest >= one; break;
        case UP: whole += rest && x > 0; break;
        case DOWN: whole += rest && x < 0; break;
        case ODD: whole += rest && whole % 2 == 0; break;
        case TRUNCATE: break;
    }
    return x < 0 ? -whole : whole;
}

int64_t rounded(int64_t x, int bits, enum way way) {
    if (!x || log2_of(x) < bits) return x;
    int shift = log2_of(x) + 1 - bits;
    return shifted(x, shift, way) * ((int64_t)1 << shift);
}

int64_t clamped(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

uint64_t code_of(int64_t sig, int q, const format *f) {
    uint64_t sign = sig < 0 ? (uint64_t)1 << (f->man_bits + f->exp_bits) : 0;
    if (!sig) return 0;
    int least = 1 - f->bias, e = log2_of(sig) + q;
    if (e < least) e = least;
    int64_t size = shifted(sig < 0 ? -sig : sig, e - f->man_bits - q, EVEN);
    uint64_t code = ((uint64_t)(e - least) << f->man_bits) + (uint64_t)size;
    return sign | (code > f->largest ? f->over : code);
}

void check(const char *what, int64_t at, uint64_t got, uint64_t wanted) {
    compared++;
    if (got == wanted || bad++ > 20) return;
    printf("isa %" PRId64 ", %s, %" PRId64 ": %#" PRIx64 ", expected %#" PRIx64 "\n", level, what, at, got, wanted);
}

void check_all(const char *what, const uint64_t *got, const uint64_t *wanted, int64_t count) {
    for (int64_t i = 0; i < count; i++) check(what, i, got[i], wanted[i]);
}

/* What this machine lacks is refused, and so is what is no instruction set. */
static void refusals(void) {
    cemu_plan_exact_used_t nothing = {0};
    for (int64_t isa = cemu_isa_level() + 1; isa < 9; isa++)
        check("no such level", isa, (uint64_t)cemu_plan_exact_used(&nothing, isa), CEMU_NO_ISA);
    check("no level", -2, (uint64_t)cemu_plan_exact_used(&nothing, -2), CEMU_NO_ISA);
}

int main(void) {
    void (*all[])(int64_t) = {integers, integer_output, exact, fma_chains, chain, aligned, encode, group_sums, lanes};
    for (level = -1; level <= cemu_isa_level(); level++)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            state = i;
            all[i](level);
            free_rooms();
        }
    refusals();
    printf("%s after %" PRId64 " comparisons, up to level %" PRId64 "\n", bad ? "failed" : "passed", compared, cemu_isa_level());
    return bad != 0;
}
