/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: a whole log through reader, replay and profile.
 *
 * The engine's bytes have no right checksums, so they are put right here: every block header found
 * by walking the file gets the checksums that its bytes ask for, and the damage that is looked for
 * is behind them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/codec.h"
#include "common/log/log_block.h"
#include "reader/log_window.h"
#include "reader/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static void put_right(uint8_t *bytes, size_t size_bytes)
{
	size_t at = LOG_FILE_HEADER_BYTES;
	while (at + LOG_BLOCK_HEADER_BYTES <= size_bytes) {
		uint8_t *header = bytes + at;
		uint32_t stored = get_u32(header + 8);
		size_t left = size_bytes - at - LOG_BLOCK_HEADER_BYTES;
		if (get_u32(header) != LOG_BLOCK_MAGIC)
			return;
		if (stored <= left)
			put_u32(header + 40,
				log_payload_crc(header + LOG_BLOCK_HEADER_BYTES, stored));
		put_u32(header + 44, log_payload_crc(header, 44));
		if (stored > left)
			return;
		at += LOG_BLOCK_HEADER_BYTES + stored;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
	struct loaded_log log;
	struct mt_error error = {0};
	char path[64];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	uint8_t *copy = malloc(size_bytes + 1);
	if (fd < 0 || !copy)
		abort();
	memcpy(copy, bytes, size_bytes);
	put_right(copy, size_bytes);
	if (write(fd, copy, size_bytes) != (ssize_t)size_bytes)
		abort();
	free(copy);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (loaded_log_read(&log, path, NULL, &error) == MT_OK) {
		struct profile *profile = NULL;
		if (profile_new(&log, &profile, &error) == MT_OK)
			profile_free(profile);
		struct log_window window;
		if (log_window_read(&window, &log, log.info.end_us / 2, UINT64_MAX, &error) ==
		    MT_OK)
			log_window_release(&window);
		loaded_log_release(&log);
	}
	(void)close(fd);
	return 0;
}
