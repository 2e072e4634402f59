/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "common/codec.h"

static void numbers_come_back_as_they_were(void **state)
{
	static const uint64_t numbers[] = {0,     1,     127,        128,        300,
					   16383, 16384, UINT32_MAX, 1ull << 62, UINT64_MAX};
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint8_t bytes[VARINT_MAX_BYTES];
		size_t size = varint_encode(bytes, numbers[i]);
		struct byte_reader reader = byte_reader_over(bytes, size);
		assert_int_equal(byte_reader_varint(&reader), numbers[i]);
		assert_false(reader.failed);
		assert_ptr_equal(reader.at, reader.end);
		assert_int_equal(zigzag_decode(zigzag_encode((int64_t)numbers[i])),
				 (int64_t)numbers[i]);
	}
}

static void small_numbers_of_either_sign_are_one_byte(void **state)
{
	uint8_t bytes[VARINT_MAX_BYTES];
	(void)state;
	for (int64_t number = -64; number < 64; number++)
		assert_int_equal(varint_encode(bytes, zigzag_encode(number)), 1);
}

static void a_cut_off_number_fails(void **state)
{
	uint8_t bytes[VARINT_MAX_BYTES];
	(void)state;
	size_t size = varint_encode(bytes, UINT64_MAX);
	for (size_t cut = 0; cut < size; cut++) {
		struct byte_reader reader = byte_reader_over(bytes, cut);
		assert_int_equal(byte_reader_varint(&reader), 0);
		assert_true(reader.failed);
	}
}

static void an_overlong_number_fails(void **state)
{
	static const uint8_t eleven[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
					 0x80, 0x80, 0x80, 0x80, 0x01};
	static const uint8_t too_large[] = {0xff, 0xff, 0xff, 0xff, 0xff,
					    0xff, 0xff, 0xff, 0xff, 0x02};
	(void)state;
	struct byte_reader reader = byte_reader_over(eleven, sizeof(eleven));
	(void)byte_reader_varint(&reader);
	assert_true(reader.failed);
	reader = byte_reader_over(too_large, sizeof(too_large));
	(void)byte_reader_varint(&reader);
	assert_true(reader.failed);
}

static void strings_respect_their_limit(void **state)
{
	static const uint8_t bytes[] = {3, 'a', 'b', 'c'};
	size_t size = 0;
	(void)state;
	struct byte_reader reader = byte_reader_over(bytes, sizeof(bytes));
	assert_memory_equal(byte_reader_string(&reader, 3, &size), "abc", 3);
	assert_int_equal(size, 3);
	reader = byte_reader_over(bytes, sizeof(bytes));
	assert_null(byte_reader_string(&reader, 2, &size));
	assert_true(reader.failed);
	reader = byte_reader_over(bytes, 3);
	assert_null(byte_reader_string(&reader, 10, &size));
	assert_true(reader.failed);
}

static void fixed_numbers_are_little_endian(void **state)
{
	uint8_t bytes[8];
	(void)state;
	put_u32(bytes, 0x01020304);
	assert_int_equal(bytes[0], 4);
	assert_int_equal(get_u32(bytes), 0x01020304);
	put_u64(bytes, 0x0102030405060708);
	assert_int_equal(bytes[7], 1);
	assert_int_equal(get_u64(bytes), 0x0102030405060708);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_back_as_they_were),
		cmocka_unit_test(small_numbers_of_either_sign_are_one_byte),
		cmocka_unit_test(a_cut_off_number_fails),
		cmocka_unit_test(an_overlong_number_fails),
		cmocka_unit_test(strings_respect_their_limit),
		cmocka_unit_test(fixed_numbers_are_little_endian),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
