/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Allocations below functions in assembly: their unwind tables are strange, missing or wrong. */
#include <signal.h>
#include <stdio.h>

#include "allocate.h"

#define CALLER(name, before, after)                                                                \
	void name(void (*function)(size_t), size_t size_bytes);                                    \
	__asm__(".text\n.globl " #name "\n.type " #name ", @function\n" #name ":\n" before         \
		"	mov %rdi, %rax\n	mov %rsi, %rdi\n	call *%rax\n" after        \
		".size " #name ", . - " #name "\n")

/* As libcrypto's: the caller's stack pointer is kept on the stack, which is aligned by hand. */
CALLER(keeps_pointer,
       "	.cfi_startproc\n"
       "	mov %rsp, %r11\n	push %rbp\n	.cfi_adjust_cfa_offset 8\n	"
       ".cfi_offset %rbp, -16\n"
       "	sub $72, %rsp\n	and $-64, %rsp\n	mov %r11, 24(%rsp)\n"
       "	.cfi_escape 0x0f, 5, 0x77, 24, 0x06, 0x23, 8\n" /* CFA = *(rsp + 24) + 8 */
       "	mov $77, %rbp\n",
       "	mov 24(%rsp), %r11\n	mov -8(%r11), %rbp\n	mov %r11, %rsp\n"
       "	.cfi_def_cfa %rsp, 8\n	.cfi_restore %rbp\n	ret\n	.cfi_endproc\n");

/* An expression that nobody's tables have: CFA = rsp + 8 + 8, written in five operations. */
CALLER(writes_strangely,
       "	.cfi_startproc\n	sub $8, %rsp\n"
       "	.cfi_escape 0x0f, 6, 0x77, 0, 0x38, 0x22, 0x38, 0x22\n",
       "	add $8, %rsp\n	.cfi_def_cfa %rsp, 8\n	ret\n	.cfi_endproc\n");

/* No table, but a frame pointer; and neither. */
CALLER(keeps_frame_pointer, "	push %rbp\n	mov %rsp, %rbp\n", "	pop %rbp\n	ret\n");
CALLER(has_nothing, "	sub $40, %rsp\n", "	add $40, %rsp\n	ret\n");

/* A frame pointer that points nowhere, and one just below the end of the address space. */
CALLER(spoils_frame_pointer, "	push %rbp\n	mov $0x1234567, %rbp\n",
       "	pop %rbp\n	ret\n");
CALLER(breaks_frame_pointer, "	push %rbp\n	mov $-8, %rbp\n", "	pop %rbp\n	ret\n");

/* A table that lies: the frame would end far outside the stack. */
CALLER(lies, "	.cfi_startproc\n	sub $8, %rsp\n	.cfi_def_cfa_offset 131000\n",
       "	add $8, %rsp\n	.cfi_def_cfa_offset 8\n	ret\n	.cfi_endproc\n");

/* As the ends of libcrypto's functions: another register leads to the frame, when a signal comes.
 */
void interrupted(void);
__asm__(".text\n.globl interrupted\n.type interrupted, @function\ninterrupted:\n"
	"	.cfi_startproc\n"
	"	push %rbp\n	.cfi_adjust_cfa_offset 8\n	.cfi_offset %rbp, -16\n"
	"	mov $77, %rbp\n	lea 8(%rsp), %rsi\n	.cfi_def_cfa %rsi, 8\n"
	"	sub $72, %rsp\n	and $-64, %rsp\n	int3\n"
	"	mov -8(%rsi), %rbp\n	.cfi_restore %rbp\n	int3\n"
	"	mov %rsi, %rsp\n	.cfi_def_cfa %rsp, 8\n	ret\n	.cfi_endproc\n"
	".size interrupted, . - interrupted\n");

FUNCTION void trapped(int number)
{
	(void)number;
	allocate(6317);
	NO_TAIL_CALL();
}

FUNCTION void called_back(size_t size_bytes)
{
	allocate(size_bytes);
	NO_TAIL_CALL();
}

FUNCTION void calls(void)
{
	keeps_pointer(called_back, 6301);
	writes_strangely(called_back, 6303);
	keeps_frame_pointer(called_back, 6305);
	has_nothing(called_back, 6307);
	spoils_frame_pointer(called_back, 6309);
	breaks_frame_pointer(called_back, 6311);
	lies(called_back, 6313);
	allocate(6315);
	interrupted();
	NO_TAIL_CALL();
}

int main(void)
{
	signal(SIGTRAP, trapped);
	for (int i = 0; i < 50; i++)
		calls();
	puts("done");
	return 0;
}
