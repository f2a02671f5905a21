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

/* Without a suffix: the 512-bit EVEX form; _VEX: 256 bits; _SSE: 128 bits; _MXCSR: 256 bits, imm8 says "round as MXCSR
 * does". */
enum {
    CEMU_PROBE_VDPBF16PS, CEMU_PROBE_VCVTNEPS2BF16, CEMU_PROBE_VCVTNE2PS2BF16,
    CEMU_PROBE_VPDPBUSD, CEMU_PROBE_VPDPBUSDS, CEMU_PROBE_VPDPWSSD, CEMU_PROBE_VPDPWSSDS,
    CEMU_PROBE_VPDPBUSD_VEX, CEMU_PROBE_VPDPBUSDS_VEX, CEMU_PROBE_VPDPWSSD_VEX, CEMU_PROBE_VPDPWSSDS_VEX,
    CEMU_PROBE_VPMADDUBSW, CEMU_PROBE_VPMADDWD, CEMU_PROBE_VPMADDUBSW_VEX, CEMU_PROBE_VPMADDWD_VEX,
    CEMU_PROBE_VADDPH, CEMU_PROBE_VSUBPH, CEMU_PROBE_VMULPH, CEMU_PROBE_VDIVPH, CEMU_PROBE_VSQRTPH,
    CEMU_PROBE_VFMADD231PH, CEMU_PROBE_VFMADD213PH, CEMU_PROBE_VFMADD132PH,
    CEMU_PROBE_VFMULCPH, CEMU_PROBE_VFMADDCPH, CEMU_PROBE_VFCMULCPH, CEMU_PROBE_VFCMADDCPH,
    CEMU_PROBE_VRCPPH, CEMU_PROBE_VRSQRTPH,
    CEMU_PROBE_VCVTPS2PH, CEMU_PROBE_VCVTPS2PH_VEX, CEMU_PROBE_VCVTPS2PH_MXCSR,
    CEMU_PROBE_VCVTPH2PS, CEMU_PROBE_VCVTPH2PS_VEX,
    CEMU_PROBE_VFMADD231PS, CEMU_PROBE_VFMADD213PS, CEMU_PROBE_VFMADD132PS,
    CEMU_PROBE_VFMADD231PS_VEX, CEMU_PROBE_VFMADD213PS_VEX, CEMU_PROBE_VFMADD132PS_VEX,
    CEMU_PROBE_VFMADD231PD, CEMU_PROBE_VFMADD213PD, CEMU_PROBE_VFMADD132PD,
    CEMU_PROBE_VFMADD231PD_VEX, CEMU_PROBE_VFMADD213PD_VEX, CEMU_PROBE_VFMADD132PD_VEX,
    CEMU_PROBE_ADDPS, CEMU_PROBE_ADDPS_VEX, CEMU_PROBE_ADDPS_SSE,
    CEMU_PROBE_SUBPS, CEMU_PROBE_SUBPS_VEX, CEMU_PROBE_SUBPS_SSE,
    CEMU_PROBE_MULPS, CEMU_PROBE_MULPS_VEX, CEMU_PROBE_MULPS_SSE,
    CEMU_PROBE_DIVPS, CEMU_PROBE_DIVPS_VEX, CEMU_PROBE_DIVPS_SSE,
    CEMU_PROBE_SQRTPS, CEMU_PROBE_SQRTPS_VEX, CEMU_PROBE_SQRTPS_SSE,
    CEMU_PROBE_ADDPD, CEMU_PROBE_ADDPD_VEX, CEMU_PROBE_ADDPD_SSE,
    CEMU_PROBE_SUBPD, CEMU_PROBE_SUBPD_VEX, CEMU_PROBE_SUBPD_SSE,
    CEMU_PROBE_MULPD, CEMU_PROBE_MULPD_VEX, CEMU_PROBE_MULPD_SSE,
    CEMU_PROBE_DIVPD, CEMU_PROBE_DIVPD_VEX, CEMU_PROBE_DIVPD_SSE,
    CEMU_PROBE_SQRTPD, CEMU_PROBE_SQRTPD_VEX, CEMU_PROBE_SQRTPD_SSE,
    CEMU_PROBE_CVTPS2DQ, CEMU_PROBE_CVTPS2DQ_VEX, CEMU_PROBE_CVTPS2DQ_SSE,
    CEMU_PROBE_CVTTPS2DQ, CEMU_PROBE_CVTTPS2DQ_VEX, CEMU_PROBE_CVTTPS2DQ_SSE,
    CEMU_PROBE_CVTPD2PS, CEMU_PROBE_CVTPD2PS_VEX, CEMU_PROBE_CVTPD2PS_SSE,
    CEMU_PROBE_CVTPS2PD, CEMU_PROBE_CVTPS2PD_VEX, CEMU_PROBE_CVTPS2PD_SSE,
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

/* The exceptions that each of n results raises by itself: bits 0 to 5 of MXCSR (invalid, denormal operand, division by
 * zero, overflow, underflow, inexact). Otherwise as cemu_probe_run, whose results are not given. */
CEMU_API int64_t cemu_probe_flags(int64_t probe, int64_t mode, const void *a, const void *b, const void *c,
                                  uint8_t *flags, int64_t n);

/* Run a tile instruction `tiles` times: d[m,n] = c[m,n] + a[m,k] b[k,n], each row-major and without gaps. m, n <= 16; k
 * in elements, a multiple of 4 bytes and at most 64 bytes of them. */
CEMU_API int64_t cemu_probe_tiles(int64_t probe, int64_t mode, int64_t m, int64_t n, int64_t k, const void *a,
                                  const void *b, const void *c, void *d, int64_t tiles);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
