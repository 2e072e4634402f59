/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The formats are those of the System V ABI for x86-64 and of the Linux Standard Base (".eh_frame",
 * ".eh_frame_hdr"), the instructions those of DWARF. Registers are DWARF's: 6 is rbp, 7 rsp, 16 the
 * return address.
 */
#include "libtrack/preload/cfi_table.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#define REGISTER_FP 6u
#define REGISTER_SP 7u
#define REGISTER_RA 16u
#define STATE_STACK 8

/* How an address is written: the low four bits the form, then what it is relative to. */
#define ENCODING_OMIT 0xffu
#define ENCODING_PC_RELATIVE 0x10u
#define ENCODING_INDIRECT 0x80u
#define HEADER_TABLE_ENCODING 0x3bu /* relative to the header, signed, four bytes */

#define SPECIAL(kind, argument)                                                                    \
	((uint32_t)RULE_SPECIAL | (uint32_t)(kind) << 2 | ((uint32_t)(argument)&0x3fffffu) << 6)

struct bytes {
	const uint8_t *at;
	const uint8_t *end;
};

static uint64_t take_uleb(struct bytes *bytes)
{
	uint64_t value = 0;
	for (unsigned shift = 0; bytes->at < bytes->end; shift += 7) {
		uint8_t byte = *bytes->at++;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			break;
	}
	return value;
}

static int64_t take_sleb(struct bytes *bytes)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte = 0;
	while (bytes->at < bytes->end) {
		byte = *bytes->at++;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
		if (byte < 0x80)
			break;
	}
	if (shift < 64 && (byte & 0x40))
		value |= -(1ull << shift);
	return (int64_t)value;
}

static uint64_t take_fixed(struct bytes *bytes, size_t size_bytes)
{
	uint64_t value = 0;
	if ((size_t)(bytes->end - bytes->at) < size_bytes) {
		bytes->at = bytes->end;
		return 0;
	}
	memcpy(&value, bytes->at, size_bytes); /* little-endian, as the machine is */
	bytes->at += size_bytes;
	return value;
}

/* Reads an address in the encoding of its table. */
static uint64_t take_address(struct bytes *bytes, uint8_t encoding)
{
	uint64_t place = (uint64_t)bytes->at;
	uint64_t value = 0;
	if (encoding == ENCODING_OMIT)
		return 0;
	switch (encoding & 0x0f) {
	case 0x00:
	case 0x04:
	case 0x0c:
		value = take_fixed(bytes, 8);
		break;
	case 0x01:
		value = take_uleb(bytes);
		break;
	case 0x02:
		value = take_fixed(bytes, 2);
		break;
	case 0x03:
		value = take_fixed(bytes, 4);
		break;
	case 0x09:
		value = (uint64_t)take_sleb(bytes);
		break;
	case 0x0a:
		value = (uint64_t)(int64_t)(int16_t)take_fixed(bytes, 2);
		break;
	case 0x0b:
		value = (uint64_t)(int64_t)(int32_t)take_fixed(bytes, 4);
		break;
	default:
		return 0;
	}
	if (value && (encoding & 0x70) == ENCODING_PC_RELATIVE)
		value += place;
	if (value && (encoding & ENCODING_INDIRECT))
		memcpy(&value, (const void *)value, sizeof(value));
	return value;
}

/* What a CIE says to all its FDEs. */
struct common_entry {
	struct bytes program;
	uint64_t code_factor;
	int64_t data_factor;
	uint64_t return_register;
	uint8_t address_encoding;
	bool has_augmentation;
	bool is_signal;
};

static bool parse_augmentation(struct common_entry *common, struct bytes *bytes,
			       const char *letters)
{
	struct bytes data = *bytes;
	if (*letters != 'z')
		return *letters == '\0';
	common->has_augmentation = true;
	uint64_t size_bytes = take_uleb(&data);
	if (size_bytes > (uint64_t)(bytes->end - data.at))
		return false;
	bytes->at = data.at + size_bytes;
	data.end = bytes->at;
	for (letters++; *letters; letters++) {
		switch (*letters) {
		case 'R':
			common->address_encoding = (uint8_t)take_fixed(&data, 1);
			break;
		case 'P':
			(void)take_address(&data, (uint8_t)take_fixed(&data, 1) & 0x7f);
			break;
		case 'L':
			(void)take_fixed(&data, 1);
			break;
		case 'S':
			common->is_signal = true;
			break;
		default:
			break; /* 'B' has no data; unknown letters come last in practice */
		}
	}
	return true;
}

/* The length field of an entry; its bytes after the field. returns false at the table's end */
static bool open_entry(const uint8_t *entry, struct bytes *ret_bytes)
{
	uint32_t length;
	memcpy(&length, entry, sizeof(length));
	/* 0 ends a table; 0xffffffff introduces 64-bit lengths, which no linker makes. */
	if (length == 0 || length == UINT32_MAX)
		return false;
	*ret_bytes = (struct bytes){.at = entry + 4, .end = entry + 4 + length};
	return true;
}

static bool parse_common(const uint8_t *entry, struct common_entry *common)
{
	struct bytes bytes;
	*common = (struct common_entry){0};
	if (!open_entry(entry, &bytes))
		return false;
	(void)take_fixed(&bytes, 4); /* the CIE's id, 0 */
	uint64_t version = take_fixed(&bytes, 1);
	const char *letters = (const char *)bytes.at;
	bytes.at += strlen(letters) + 1;
	common->code_factor = take_uleb(&bytes);
	common->data_factor = take_sleb(&bytes);
	common->return_register = version == 1 ? take_fixed(&bytes, 1) : take_uleb(&bytes);
	if (!parse_augmentation(common, &bytes, letters))
		return false;
	common->program = bytes;
	return true;
}

/* A function's entry: its addresses and its program. */
struct frame_entry {
	struct common_entry common;
	uint64_t first;
	uint64_t last; /* one behind */
	struct bytes program;
};

static bool parse_frame(const uint8_t *entry, struct frame_entry *frame)
{
	struct bytes bytes;
	if (!open_entry(entry, &bytes))
		return false;
	const uint8_t *place = bytes.at;
	uint32_t to_common = (uint32_t)take_fixed(&bytes, 4);
	if (to_common == 0 || !parse_common(place - to_common, &frame->common))
		return false;
	uint8_t encoding = frame->common.address_encoding;
	frame->first = take_address(&bytes, encoding);
	frame->last = frame->first + take_address(&bytes, encoding & 0x0f);
	if (frame->common.has_augmentation) {
		uint64_t size_bytes = take_uleb(&bytes);
		if (size_bytes > (uint64_t)(bytes.end - bytes.at))
			return false;
		bytes.at += size_bytes;
	}
	frame->program = bytes;
	return true;
}

/* Where a register of the caller is. */
enum place { PLACE_SAME, PLACE_AT_CFA, PLACE_EXPRESSION, PLACE_UNDEFINED, PLACE_ELSEWHERE };

struct saved {
	enum place place;
	int64_t offset;          /* PLACE_AT_CFA */
	struct bytes expression; /* PLACE_EXPRESSION */
};

/* A row of the table: the state that a program has at an address. */
struct row {
	uint64_t cfa_register;
	int64_t cfa_offset;
	bool cfa_is_expression;
	struct bytes cfa_expression;
	struct saved fp;
	struct saved ra;
};

static struct saved *saved_of(struct row *row, const struct common_entry *common, uint64_t number)
{
	if (number == REGISTER_FP)
		return &row->fp;
	return number == common->return_register ? &row->ra : NULL;
}

static void save_at(struct row *row, const struct common_entry *common, uint64_t number,
		    int64_t offset)
{
	struct saved *saved = saved_of(row, common, number);
	if (saved)
		*saved = (struct saved){.place = PLACE_AT_CFA, .offset = offset};
}

static void save_elsewhere(struct row *row, const struct common_entry *common, uint64_t number,
			   enum place place)
{
	struct saved *saved = saved_of(row, common, number);
	if (saved)
		*saved = (struct saved){.place = place};
}

static void restore(struct row *row, const struct row *initial, const struct common_entry *common,
		    uint64_t number)
{
	struct saved *saved = saved_of(row, common, number);
	if (saved == &row->fp)
		*saved = initial->fp;
	else if (saved)
		*saved = initial->ra;
}

static struct bytes take_block(struct bytes *bytes)
{
	uint64_t size_bytes = take_uleb(bytes);
	uint64_t left = (uint64_t)(bytes->end - bytes->at);
	struct bytes block = {.at = bytes->at,
			      .end = bytes->at + (size_bytes < left ? size_bytes : left)};
	bytes->at = block.end;
	return block;
}

/* A program being run up to an address. */
struct run {
	const struct common_entry *common;
	struct row *row;
	const struct row *initial; /* what the CIE's program has left */
	uint64_t location;
	uint64_t target;
	struct row stack[STATE_STACK];
	int depth;
	bool is_over; /* the next row begins behind the target */
	bool is_unknown;
};

static void advance(struct run *run, uint64_t delta)
{
	uint64_t next = run->location + delta * run->common->code_factor;
	if (next > run->target)
		run->is_over = true;
	else
		run->location = next;
}

static void remember(struct run *run)
{
	if (run->depth == STATE_STACK)
		run->is_unknown = true;
	else
		run->stack[run->depth++] = *run->row;
}

static void recall(struct run *run)
{
	if (run->depth == 0)
		run->is_unknown = true;
	else
		*run->row = run->stack[--run->depth];
}

static void save_expression(struct run *run, struct bytes *bytes, bool is_value)
{
	uint64_t number = take_uleb(bytes);
	struct bytes expression = take_block(bytes);
	struct saved *saved = saved_of(run->row, run->common, number);
	if (!saved)
		return;
	*saved = (struct saved){.place = is_value || saved == &run->row->ra ? PLACE_ELSEWHERE
									    : PLACE_EXPRESSION,
				.expression = expression};
}

/* DW_CFA_* of one byte with operands of their own. */
static void execute_long(struct run *run, uint8_t operation, struct bytes *bytes)
{
	const struct common_entry *common = run->common;
	struct row *row = run->row;
	uint64_t number;
	switch (operation) {
	case 0x00: /* nop */
		break;
	case 0x01: /* set_loc */
		number = take_address(bytes, common->address_encoding);
		run->is_over = number > run->target;
		if (!run->is_over)
			run->location = number;
		break;
	case 0x02: /* advance_loc1 */
		advance(run, take_fixed(bytes, 1));
		break;
	case 0x03: /* advance_loc2 */
		advance(run, take_fixed(bytes, 2));
		break;
	case 0x04: /* advance_loc4 */
		advance(run, take_fixed(bytes, 4));
		break;
	case 0x05: /* offset_extended */
		number = take_uleb(bytes);
		save_at(row, common, number, (int64_t)take_uleb(bytes) * common->data_factor);
		break;
	case 0x06: /* restore_extended */
		restore(row, run->initial, common, take_uleb(bytes));
		break;
	case 0x07: /* undefined */
		save_elsewhere(row, common, take_uleb(bytes), PLACE_UNDEFINED);
		break;
	case 0x08: /* same_value */
		save_elsewhere(row, common, take_uleb(bytes), PLACE_SAME);
		break;
	case 0x09: /* register */
		number = take_uleb(bytes);
		(void)take_uleb(bytes);
		save_elsewhere(row, common, number, PLACE_ELSEWHERE);
		break;
	case 0x0a: /* remember_state */
		remember(run);
		break;
	case 0x0b: /* restore_state */
		recall(run);
		break;
	case 0x0c: /* def_cfa */
		row->cfa_is_expression = false;
		row->cfa_register = take_uleb(bytes);
		row->cfa_offset = (int64_t)take_uleb(bytes);
		break;
	case 0x0d: /* def_cfa_register */
		row->cfa_is_expression = false;
		row->cfa_register = take_uleb(bytes);
		break;
	case 0x0e: /* def_cfa_offset */
		row->cfa_offset = (int64_t)take_uleb(bytes);
		break;
	case 0x0f: /* def_cfa_expression */
		row->cfa_is_expression = true;
		row->cfa_expression = take_block(bytes);
		break;
	case 0x10: /* expression */
		save_expression(run, bytes, false);
		break;
	case 0x11: /* offset_extended_sf */
		number = take_uleb(bytes);
		save_at(row, common, number, take_sleb(bytes) * common->data_factor);
		break;
	case 0x12: /* def_cfa_sf */
		row->cfa_is_expression = false;
		row->cfa_register = take_uleb(bytes);
		row->cfa_offset = take_sleb(bytes) * common->data_factor;
		break;
	case 0x13: /* def_cfa_offset_sf */
		row->cfa_offset = take_sleb(bytes) * common->data_factor;
		break;
	case 0x14: /* val_offset */
	case 0x15: /* val_offset_sf */
		number = take_uleb(bytes);
		(void)take_uleb(bytes);
		save_elsewhere(row, common, number, PLACE_ELSEWHERE);
		break;
	case 0x16: /* val_expression */
		save_expression(run, bytes, true);
		break;
	case 0x2e: /* GNU_args_size */
		(void)take_uleb(bytes);
		break;
	default:
		run->is_unknown = true;
	}
}

/* Runs one operation that is not of the four that nearly all are of (execute). */
static void execute_rare(struct run *run, uint8_t operation, struct bytes *program)
{
	uint8_t operand = operation & 0x3f;
	switch (operation >> 6) {
	case 1:
		advance(run, operand);
		break;
	case 2:
		save_at(run->row, run->common, operand,
			(int64_t)take_uleb(program) * run->common->data_factor);
		break;
	case 3:
		restore(run->row, run->initial, run->common, operand);
		break;
	default:
		execute_long(run, operation, program);
	}
}

/*
 * Runs a program, of long functions several hundred operations: nearly all go on a few bytes, say
 * where a register is that nobody asks for, or how far the CFA is now.
 *
 * returns  false if it has something that is not known here
 */
static bool execute(struct run *run, struct bytes program)
{
	const uint64_t other = run->common->return_register; /* than the frame pointer */
	const uint64_t factor = run->common->code_factor;
	uint64_t room = run->target - run->location;
	while (program.at < program.end) {
		uint8_t operation = *program.at++;
		uint8_t operand = operation & 0x3f;
		switch (operation >> 6) {
		case 1:
			if (operand * factor > room)
				break;
			room -= operand * factor;
			continue;
		case 2:
			if (operand == REGISTER_FP || operand == other ||
			    program.at == program.end || *program.at >= 0x80)
				break;
			program.at++;
			continue;
		case 3:
			if (operand == REGISTER_FP || operand == other)
				break;
			continue;
		default:
			if (operation != 0x0e || program.at == program.end || *program.at >= 0x80)
				break;
			run->row->cfa_offset = *program.at++;
			continue;
		}
		run->location = run->target - room;
		execute_rare(run, operation, &program);
		if (run->is_over || run->is_unknown)
			break;
		room = run->target - run->location;
	}
	run->location = run->target - room;
	return !run->is_unknown;
}

/* The linkers' PLT: breg7 8; breg16 0; lit15; and; litN; ge; lit3; shl; plus. */
static bool is_plt(struct bytes expression, int32_t *ret_argument)
{
	const uint8_t *at = expression.at;
	if (expression.end - at != 11 || at[0] != 0x77 || at[1] != 8 || at[2] != 0x80 ||
	    at[3] != 0 || at[4] != 0x3f || at[5] != 0x1a || at[7] != 0x2a || at[8] != 0x33 ||
	    at[9] != 0x24 || at[10] != 0x22)
		return false;
	*ret_argument = at[6] - 0x30;
	return true;
}

/* A frame that gcc has realigned: CFA = *(rbp + d), the caller's rbp at *rbp. */
static bool is_realigned(const struct row *row, int32_t *ret_argument)
{
	struct bytes cfa = row->cfa_expression;
	const struct bytes *fp = &row->fp.expression;
	if (cfa.end - cfa.at < 3 || cfa.at[0] != 0x76 || cfa.end[-1] != 0x06)
		return false;
	cfa.at++;
	int64_t offset = take_sleb(&cfa);
	if (cfa.at != cfa.end - 1 || offset % 8 || offset < -(1 << 20) || offset > 1 << 20)
		return false;
	*ret_argument = (int32_t)(offset / 8);
	return row->fp.place == PLACE_EXPRESSION && fp->end - fp->at == 2 && fp->at[0] == 0x76 &&
	       fp->at[1] == 0;
}

/* Hand-written assembly that aligns its stack: CFA = *(rsp + d) + 8. */
static bool is_stored(const struct row *row, int64_t *ret_offset)
{
	struct bytes cfa = row->cfa_expression;
	if (cfa.end - cfa.at < 5 || *cfa.at++ != 0x77)
		return false;
	*ret_offset = take_sleb(&cfa);
	return cfa.end - cfa.at == 3 && cfa.at[0] == 0x06 && cfa.at[1] == 0x23 && cfa.at[2] == 8;
}

/* A rule whose argument is an offset and where the frame pointer is. */
static uint32_t pack_pair(enum rule_special kind, int64_t offset, const struct saved *fp)
{
	int64_t fp_slot = fp->place == PLACE_AT_CFA ? -fp->offset / 8 : 0;
	if ((fp->place != PLACE_SAME && (fp->place != PLACE_AT_CFA || fp->offset >= 0)) ||
	    fp->offset % 8 || fp_slot > 7 || offset < 0 || offset % 8 || offset / 8 > 0x7ffff)
		return SPECIAL(RULE_UNKNOWN, 0);
	return SPECIAL(kind, RULE_PAIR(offset / 8, fp_slot));
}

static uint32_t pack_expression(const struct row *row)
{
	int32_t argument;
	int64_t offset;
	if (is_plt(row->cfa_expression, &argument))
		return SPECIAL(RULE_PLT, argument);
	if (is_stored(row, &offset))
		return pack_pair(RULE_STORED, offset + RULE_STORED_BELOW, &row->fp);
	return is_realigned(row, &argument) ? SPECIAL(RULE_REALIGN, argument)
					    : SPECIAL(RULE_UNKNOWN, 0);
}

/* The CFA is told by a register that is known in an interrupted frame only. */
static uint32_t pack_register(const struct row *row)
{
	int64_t end = (int64_t)8 << RULE_REGISTER_SHIFT;
	if (row->cfa_register >= REGISTER_RA || row->cfa_offset < 0 || row->cfa_offset >= end)
		return SPECIAL(RULE_UNKNOWN, 0);
	return pack_pair(RULE_REGISTER, (int64_t)row->cfa_register * end + row->cfa_offset,
			 &row->fp);
}

static uint32_t pack(const struct row *row, const struct common_entry *common)
{
	if (common->is_signal)
		return SPECIAL(RULE_SIGNAL, 0);
	if (row->ra.place == PLACE_UNDEFINED)
		return SPECIAL(RULE_END, 0);
	if (common->return_register != REGISTER_RA || row->ra.place != PLACE_AT_CFA ||
	    row->ra.offset != -8)
		return SPECIAL(RULE_UNKNOWN, 0);
	if (row->cfa_is_expression)
		return pack_expression(row);
	if (row->cfa_register == REGISTER_SP && row->cfa_offset / 8 > 0x3fff)
		return pack_pair(RULE_LARGE, row->cfa_offset, &row->fp);
	bool is_fp = row->cfa_register == REGISTER_FP;
	if (!is_fp && row->cfa_register != REGISTER_SP)
		return pack_register(row);
	bool is_cfa_plain = row->cfa_offset >= 0 && row->cfa_offset % 8 == 0 &&
			    row->cfa_offset / 8 <= 0x3fff;
	bool is_fp_plain = row->fp.place == PLACE_SAME ||
			   (row->fp.place == PLACE_AT_CFA && row->fp.offset < 0 &&
			    row->fp.offset % 8 == 0 && -row->fp.offset / 8 <= 0xfff);
	if (!is_cfa_plain || !is_fp_plain)
		return SPECIAL(RULE_UNKNOWN, 0);
	uint32_t fp_slot = row->fp.place == PLACE_SAME ? 0 : (uint32_t)(-row->fp.offset / 8);
	return (uint32_t)(is_fp ? RULE_FROM_FP : RULE_FROM_SP) |
	       (uint32_t)(row->cfa_offset / 8) << 2 | fp_slot << 16;
}

static uint32_t rule_from(const struct frame_entry *frame, uintptr_t pc)
{
	struct row row = {.cfa_register = REGISTER_SP,
			  .cfa_offset = 8,
			  .ra = {.place = PLACE_AT_CFA, .offset = -8}};
	const struct row nothing = row;
	struct run run = {.common = &frame->common,
			  .row = &row,
			  .initial = &nothing,
			  .location = frame->first,
			  .target = UINT64_MAX};
	if (!execute(&run, frame->common.program))
		return SPECIAL(RULE_UNKNOWN, 0);
	const struct row initial = row;
	run.initial = &initial;
	run.location = frame->first;
	run.target = pc;
	run.is_over = false;
	if (!execute(&run, frame->program))
		return SPECIAL(RULE_UNKNOWN, 0);
	return pack(&row, &frame->common);
}

/*
 * Finds the entry of an address with the search table of .eh_frame_hdr: pairs of (function, entry),
 * relative to the header, in order. returns NULL if no function begins before it
 */
static const uint8_t *search_table(const uint8_t *header, uintptr_t pc)
{
	struct bytes bytes = {.at = header + 4, .end = header + 64};
	if (header[0] != 1 || header[3] != HEADER_TABLE_ENCODING)
		return NULL;
	(void)take_address(&bytes, header[1]);
	uint64_t count = take_address(&bytes, header[2]);
	const int32_t *table = (const int32_t *)(const void *)bytes.at;
	int64_t wanted = (int64_t)(pc - (uintptr_t)header);
	size_t low = 0;
	size_t high = (size_t)count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (table[2 * middle] <= wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return low == 0 ? NULL : header + table[2 * (low - 1) + 1];
}

/* Tables given to __register_frame. An entry is a table or 0; lookups are rare and go through all.
 */
#define REGISTERED_MAX 1024u
static _Atomic(const uint8_t *) registered[REGISTERED_MAX];
static _Atomic uint32_t registered_end;

void cfi_register(const void *eh_frame)
{
	for (uint32_t i = 0; i < REGISTERED_MAX; i++) {
		const uint8_t *nothing = NULL;
		if (!atomic_compare_exchange_strong(&registered[i], &nothing, eh_frame))
			continue;
		uint32_t end = atomic_load(&registered_end);
		while (end < i + 1 && !atomic_compare_exchange_weak(&registered_end, &end, i + 1))
			;
		return;
	}
}

void cfi_deregister(const void *eh_frame)
{
	for (uint32_t i = 0; i < atomic_load(&registered_end); i++) {
		const uint8_t *there = eh_frame;
		if (atomic_compare_exchange_strong(&registered[i], &there, NULL))
			return;
	}
}

static bool find_registered(uintptr_t pc, struct frame_entry *frame)
{
	uint32_t end = atomic_load_explicit(&registered_end, memory_order_acquire);
	for (uint32_t i = 0; i < end; i++) {
		const uint8_t *entry = atomic_load_explicit(&registered[i], memory_order_acquire);
		struct bytes bytes;
		while (entry && open_entry(entry, &bytes)) {
			if (parse_frame(entry, frame) && pc >= frame->first && pc < frame->last)
				return true;
			entry = bytes.end;
		}
	}
	return false;
}

uint32_t cfi_rule(uintptr_t pc)
{
	struct dl_find_object object;
	struct frame_entry frame;
	if (_dl_find_object((void *)pc, &object) != 0)
		return find_registered(pc, &frame) ? rule_from(&frame, pc) : RULE_GUESS_FP;
	const uint8_t *entry = object.dlfo_eh_frame ? search_table(object.dlfo_eh_frame, pc) : NULL;
	/* Text without a table: assembly, or code built without one. */
	if (!entry || !parse_frame(entry, &frame) || pc < frame.first || pc >= frame.last)
		return RULE_GUESS_FP;
	return rule_from(&frame, pc);
}
