/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/size.h"

#include <string.h>

#define SIZE_MAX_BYTES 9007199254740992.0

/* Digits with at most one point: what strtod takes beyond that, "inf" or "0x1p3", is no size. */
static size_t number_length(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	if (text[digits] != '.')
		return digits;
	size_t fraction = strspn(text + digits + 1, "0123456789");
	return digits && fraction ? digits + 1 + fraction : 0;
}

bool size_parse(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "kmg";
	size_t length = number_length(text);
	const char *unit = text + length;
	double bytes = 0;
	bool has_point = false;
	double scale = 1;
	if (length == 0 || (*unit && unit[1]))
		return false;
	/* strtod would look for the locale's point. */
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '.') {
			has_point = true;
			continue;
		}
		bytes = bytes * 10 + (text[i] - '0');
		scale *= has_point ? 10 : 1;
	}
	bytes /= scale;
	if (has_point && !*unit)
		return false; /* parts of a byte */
	if (*unit) {
		const char *found = strchr(units, *unit | 0x20);
		if (!found || *unit < 'A')
			return false;
		for (const char *step = units; step <= found; step++)
			bytes *= 1024;
	}
	if (bytes > SIZE_MAX_BYTES)
		return false;
	*ret_bytes = (uint64_t)bytes;
	return true;
}
