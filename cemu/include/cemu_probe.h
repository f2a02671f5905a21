/* cemu_probe: this processor's own instructions, run on arrays, to compare an emulated unit with silicon.
 *
 * A probe is one form of one instruction. Whether the processor has it, and whether the operating system lets it be
 * used, is found out at run time; nothing here is executed otherwise. MXCSR is as it was when a function returns.
 * Functions are thread-safe; pointers may have any alignment, and an operand that the instruction does not have may be
 * NULL.
 */
#ifndef CEMU_PROBE_H
#define CEMU_PROBE_H

#include <stdint.h>

#ifndef CEMU_API
#define CEMU_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* cdef-begin */
enum {
    CEMU_PROBE_AVAILABLE = 0,
    CEMU_PROBE_NOT_COMPILED = 1, /* the compiler that built this library does not know the instruction */
    CEMU_PROBE_NO_CPU = 2,       /* the processor does not have it */
    CEMU_PROBE_NO_OS = 3,        /* the operating system does not save its registers, or refuses to */
    CEMU_PROBE_BAD_ARGUMENT = 4, /* no such probe, mode or shape */
};

/* Bits of a mode. Rounding is that of embedded rounding or of an immediate where the instruction has it, else MXCSR.RC;
 * MXCSR.DAZ and MXCSR.FTZ are set for all, whether or not the instruction heeds them. */
enum {
    CEMU_PROBE_NEAREST = 0, CEMU_PROBE_DOWN = 1, CEMU_PROBE_UP = 2, CEMU_PROBE_ZERO = 3,
    CEMU_PROBE_DAZ = 4,
    CEMU_PROBE_FTZ = 8,
    CEMU_PROBE_MODES = 16,
};

/* Without a suffix: the 512-bit EVEX form; _VEX: 256 bits; _MXCSR: 256 bits, imm8 says "round as MXCSR does". */
enum {
    CEMU_PROBE_VDPBF16PS, CEMU_PROBE_VCVTNEPS2BF16, CEMU_PROBE_VCVTNE2PS2BF16,
    CEMU_PROBE_VPDPBUSD, CEMU_PROBE_VPDPBUSDS, CEMU_PROBE_VPDPWSSD, CEMU_PROBE_VPDPWSSDS,
    CEMU_PROBE_VPDPBUSD_VEX, CEMU_PROBE_VPDPBUSDS_VEX, CEMU_PROBE_VPDPWSSD_VEX, CEMU_PROBE_VPDPWSSDS_VEX,
    CEMU_PROBE_VPMADDUBSW, CEMU_PROBE_VPMADDWD, CEMU_PROBE_VPMADDUBSW_VEX, CEMU_PROBE_VPMADDWD_VEX,
    CEMU_PROBE_VADDPH, CEMU_PROBE_VSUBPH, CEMU_PROBE_VMULPH, CEMU_PROBE_VDIVPH, CEMU_PROBE_VSQRTPH,
    CEMU_PROBE_VFMADD231PH, CEMU_PROBE_VFMADD213PH, CEMU_PROBE_VFMADD132PH,
    CEMU_PROBE_VFMULCPH, CEMU_PROBE_VFMADDCPH, CEMU_PROBE_VFCMULCPH, CEMU_PROBE_VFCMADDCPH,
    CEMU_PROBE_VCVTPS2PH, CEMU_PROBE_VCVTPS2PH_VEX, CEMU_PROBE_VCVTPS2PH_MXCSR,
    CEMU_PROBE_VCVTPH2PS, CEMU_PROBE_VCVTPH2PS_VEX,
    CEMU_PROBE_VFMADD231PS, CEMU_PROBE_VFMADD213PS, CEMU_PROBE_VFMADD132PS,
    CEMU_PROBE_VFMADD231PS_VEX, CEMU_PROBE_VFMADD213PS_VEX, CEMU_PROBE_VFMADD132PS_VEX,
    CEMU_PROBE_VECTORS, /* from here on: tiles */
    CEMU_PROBE_TDPBF16PS = CEMU_PROBE_VECTORS, CEMU_PROBE_TDPBSSD, CEMU_PROBE_TDPBSUD, CEMU_PROBE_TDPBUSD,
    CEMU_PROBE_TDPBUUD,
    CEMU_PROBE_COUNT,
};

/* Whether a probe can run here: CEMU_PROBE_AVAILABLE, or why not. For tiles this asks Linux for the permission. */
CEMU_API int64_t cemu_probe_available(int64_t probe);

/* Run a vector instruction for n results (complex ones: pairs re, im). For each result a, b and c hold what makes it:
 * 4 bytes of a dot product into 32 bits, 2 into 16 bits, else one element. a is the first and b the second source, c is
 * added; where there is a c, the instruction overwrites it, but for VFMADD213 (b) and VFMADD132 (a). Returns
 * CEMU_PROBE_AVAILABLE, or why nothing was run. */
CEMU_API int64_t cemu_probe_run(int64_t probe, int64_t mode, const void *a, const void *b, const void *c, void *d,
                                int64_t n);

/* Run a tile instruction `tiles` times: d[m,n] = c[m,n] + a[m,k] b[k,n], each row-major and without gaps. m, n <= 16; k
 * in elements, a multiple of 4 bytes and at most 64 bytes of them. */
CEMU_API int64_t cemu_probe_tiles(int64_t probe, int64_t mode, int64_t m, int64_t n, int64_t k, const void *a,
                                  const void *b, const void *c, void *d, int64_t tiles);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
