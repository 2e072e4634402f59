/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unwind rules from .eh_frame, decoded for one address at a time (x86-64).
 *
 * A rule says how to get from a frame to its caller: where the CFA is (the stack pointer before the
 * call), and where the caller's frame pointer was saved. The return address is always at CFA - 8.
 * Nearly every row of nearly every table fits into 28 bits:
 *
 *   27        16 15                 2 1 0
 *  | fp_slot    | cfa_offset          | k |   CFA = (k == RULE_FROM_SP ? sp : fp) + 8 * cfa_offset;
 *                                             fp_slot = 0: the frame pointer is unchanged, else it
 *                                             is at CFA - 8 * fp_slot
 *  | argument            | special| 2     |   the rest
 *
 * What does not fit is RULE_UNKNOWN: the walk ends there and says so.
 *
 * The tables are those of the loader (_dl_find_object: no lock, glibc 2.35), and those that JIT
 * compilers hand to __register_frame. They are mapped and trusted, as libgcc's unwinder trusts
 * them.
 */
#ifndef MEMTRACE_PRELOAD_CFI_TABLE_H
#define MEMTRACE_PRELOAD_CFI_TABLE_H

#include <stdbool.h>
#include <stdint.h>

enum rule_kind { RULE_FROM_SP = 0, RULE_FROM_FP = 1, RULE_SPECIAL = 2, RULE_GUESS = 3 };

enum rule_special {
	RULE_UNKNOWN = 0, /* the tables say something that does not fit here */
	RULE_END = 1,     /* the outermost frame */
	RULE_SIGNAL = 2,  /* a signal frame: registers are in the ucontext at sp */
	RULE_PLT = 3,     /* CFA = sp + 8 + (pc & 15 >= argument ? 8 : 0) */
	RULE_REALIGN = 4, /* CFA = *(fp + 8 * argument), the caller's fp is at *fp */
	/* The argument is `offset` and `fp_slot`, as RULE_PAIR_* take it apart. */
	RULE_LARGE = 5,  /* CFA = sp + 8 * offset: a frame of up to 4 MiB */
	RULE_STORED = 6, /* CFA = *(sp + 8 * offset - 128) + 8: libcrypto's assembly */
	/* CFA = any register + 8 * offset: where a signal interrupted the frame, all are known. */
	RULE_REGISTER = 7, /* `offset` has the register's number in front, as below */
};

#define RULE_BITS 28u
#define RULE_MASK ((1u << RULE_BITS) - 1)
#define RULE_KIND(rule) ((rule)&3u)
#define RULE_CFA_OFFSET(rule) ((uintptr_t)((rule) >> 2 & 0x3fffu) * 8)
#define RULE_FP_SLOT(rule) ((uintptr_t)((rule) >> 16 & 0xfffu) * 8)
#define RULE_SPECIAL_KIND(rule) ((rule) >> 2 & 15u)
#define RULE_ARGUMENT(rule) ((int32_t)((rule) << 4) >> 10)
#define RULE_STORED_BELOW 128 /* it keeps words in the red zone too */
#define RULE_PAIR(offset, fp_slot) ((uint32_t)(offset) << 3 | (uint32_t)(fp_slot))
#define RULE_PAIR_OFFSET(rule) ((uintptr_t)((rule) >> 9 & 0x7ffffu) * 8)
#define RULE_REGISTER_SHIFT 15u
#define RULE_REGISTER_OFFSET(rule) (RULE_PAIR_OFFSET(rule) & ((8u << RULE_REGISTER_SHIFT) - 1))
#define RULE_REGISTER_NUMBER(rule) ((rule) >> (9 + RULE_REGISTER_SHIFT) & 15u) /* DWARF's */
#define RULE_PAIR_FP_SLOT(rule) ((uintptr_t)((rule) >> 6 & 7u) * 8)

/* No table has the address: taken for a function that keeps a frame pointer. */
#define RULE_GUESS_FP ((uint32_t)RULE_GUESS | 2u << 2 | 2u << 16)

/* The rule for the instruction at `pc`. */
uint32_t cfi_rule(uintptr_t pc);

/* Tables of generated code, as given to __register_frame and __deregister_frame. */
void cfi_register(const void *eh_frame);
void cfi_deregister(const void *eh_frame);

#endif
