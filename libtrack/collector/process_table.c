/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/process_table.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Samples wait so long for the end of their block. */
#define SAMPLES_HELD_US 1000000u

#define EXEC_LIMIT_US 2000000u /* an exec that takes longer has succeeded */
#define FORK_LIMIT_US 1000000u
/* Between taking a serial number and showing it in its slot a process may be killed. */
#define SERIAL_LIMIT_US 1000000u
/* Processes that usually have taken a slot and have no serial yet; if it was more, at any time. */
#define UNSEEN_SLOTS 8u
#define UNSEEN_SLOTS_MAX 128u

static struct image_slot *slot_of(const struct process_table *table,
				  const struct watched_image *watched)
{
	return &table->segment->header->images[watched->slot];
}

static bool watch(struct process_table *table, struct recorded_image *image, uint32_t slot,
		  uint32_t pid)
{
	char path[64];
	if (table->count == table->capacity) {
		size_t capacity = table->capacity ? table->capacity * 2 : 16;
		struct watched_image *grown = realloc(table->images, capacity * sizeof(*grown));
		if (!grown)
			return false;
		table->images = grown;
		table->capacity = capacity;
	}
	(void)snprintf(path, sizeof(path), "/proc/%u/statm", image->proc_pid);
	int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	struct watched_image watched = {
		.image = image,
		.serial = image->serial,
		.slot = slot,
		.pid = pid,
		.pidfd = pidfd,
		.stat_fd = -1,
		.statm_fd = open(path, O_RDONLY | O_CLOEXEC),
	};
	if (pidfd < 0) {
		(void)snprintf(path, sizeof(path), "/proc/%u/stat", image->proc_pid);
		watched.stat_fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	table->images[table->count++] = watched;
	return true;
}

static bool take_up(struct process_table *table, uint32_t index, uint64_t serial, uint64_t now_us)
{
	struct image_slot *slot = &table->segment->header->images[index];
	uint32_t own_pid = atomic_load(&slot->pid);
	struct process_id id = process_ids_find(&table->ids, own_pid,
						atomic_load(&slot->pid_namespace));
	uint64_t parent_serial = atomic_load(&slot->parent_serial);
	struct recorded_image *image = recording_image(table->recording, serial);
	if (!image)
		return false;
	/* Of one that is gone already nothing but its own number is known. */
	image->pid = id.ours ? id.ours : own_pid;
	if (parent_serial)
		recording_image_forked(image, parent_serial, image->pid, now_us);
	image->own_pid = own_pid;
	image->proc_pid = id.in_proc;
	atomic_store(&slot->watched_pid, id.ours);
	/* An image of the same process: it has called exec since. */
	for (size_t i = 0; i < table->count; i++) {
		struct watched_image *older = &table->images[i];
		if (id.ours && !older->is_dead && older->image->pid == id.ours) {
			older->is_dead = true;
			older->dead_us = now_us;
		}
	}
	return watch(table, image, index, id.ours);
}

/*
 * A process takes the first free slot: those behind as many as there were processes, and some that
 * have a slot and no serial yet, were never used, and are not worth a page fault.
 */
static uint32_t slots_to_look_at(uint64_t last_serial, uint32_t unseen)
{
	return last_serial + unseen < SEGMENT_IMAGES ? (uint32_t)last_serial + unseen
						     : SEGMENT_IMAGES;
}

/* In order of their serials, so that a child comes after its parent. returns  false: no memory */
static bool take_up_new(struct process_table *table, uint32_t slots, uint64_t now_us)
{
	const struct segment_header *header = table->segment->header;
	for (;;) {
		uint32_t next = SEGMENT_IMAGES;
		uint64_t next_serial = UINT64_MAX;
		for (uint32_t i = 0; i < slots; i++) {
			uint64_t serial = atomic_load_explicit(&header->images[i].serial,
							       memory_order_acquire);
			if (serial && serial != table->seen[i] && serial < next_serial) {
				next = i;
				next_serial = serial;
			}
		}
		if (next == SEGMENT_IMAGES)
			return true;
		if (!take_up(table, next, next_serial, now_us))
			return false;
		table->seen[next] = next_serial;
		table->taken_count++;
	}
}

bool process_table_find_new(struct process_table *table, uint64_t now_us)
{
	const struct segment_header *header = table->segment->header;
	uint64_t last = atomic_load_explicit(&header->image_serial, memory_order_acquire);
	if (last == table->last_serial)
		return true;
	if (!take_up_new(table, slots_to_look_at(last, UNSEEN_SLOTS), now_us))
		return false;
	if (table->taken_count < last &&
	    !take_up_new(table, slots_to_look_at(last, UNSEEN_SLOTS_MAX), now_us))
		return false;
	/* A serial that was given out and is not in its slot yet is looked for again; two processes
	 * may show theirs in any order. */
	if (last != table->awaited_serial) {
		table->awaited_serial = last;
		table->awaited_since_us = now_us;
	}
	if (now_us - table->awaited_since_us > SERIAL_LIMIT_US)
		table->taken_count = last;
	if (table->taken_count >= last)
		table->last_serial = last;
	return true;
}

/*
 * Whether all threads of a process have ended, by its /proc/PID/stat: it can't be read when it was
 * reaped, and the descriptor tells who takes its number then apart. A process whose first thread
 * has ended is a zombie with others.
 */
static bool has_ended(int stat_fd)
{
	char text[1024];
	char state;
	long threads;
	ssize_t count = pread(stat_fd, text, sizeof(text) - 1, 0);
	if (count <= 0)
		return true;
	text[count] = '\0';
	const char *behind_name = strrchr(text, ')');
	return behind_name &&
	       sscanf(behind_name + 1,
		      " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld",
		      &state, &threads) == 2 &&
	       (state == 'Z' || state == 'X') && threads <= 1;
}

/*
 * The same as is_gone without a pidfd: kernels before 5.3 have none, some sandboxes refuse them,
 * and there may be no descriptor left.
 */
static bool is_gone_by_number(const struct watched_image *watched)
{
	if (watched->stat_fd >= 0)
		return has_ended(watched->stat_fd);
	return watched->pid == 0 || (kill((pid_t)watched->pid, 0) != 0 && errno == ESRCH);
}

static bool is_gone(const struct watched_image *watched)
{
	struct pollfd entry = {.fd = watched->pidfd, .events = POLLIN};
	return watched->pidfd >= 0 ? poll(&entry, 1, 0) > 0 : is_gone_by_number(watched);
}

static bool has_left(struct watched_image *watched, const struct image_slot *slot, uint64_t now_us)
{
	if (is_gone(watched))
		return true;
	if (!atomic_load(&slot->ended)) {
		watched->leaving_us = 0;
		return false;
	}
	if (watched->leaving_us == 0)
		watched->leaving_us = now_us;
	return now_us - watched->leaving_us > EXEC_LIMIT_US;
}

bool process_table_find_dead(struct process_table *table, uint64_t now_us)
{
	bool is_any_dead = false;
	for (size_t i = 0; i < table->count; i++) {
		struct watched_image *watched = &table->images[i];
		if (!watched->is_dead && has_left(watched, slot_of(table, watched), now_us)) {
			watched->is_dead = true;
			watched->dead_us = now_us;
		}
		is_any_dead = is_any_dead || watched->is_dead;
	}
	return is_any_dead;
}

bool process_table_may_forget(const struct process_table *table,
			      const struct watched_image *watched, uint64_t now_us)
{
	const struct image_slot *slot = slot_of(table, watched);
	uint32_t started = atomic_load(&slot->forks_started);
	uint32_t joined = atomic_load(&slot->forks_joined);
	return (int32_t)(started - joined) <= 0 || now_us - watched->dead_us > FORK_LIMIT_US;
}

void process_table_forget(struct process_table *table, size_t index)
{
	struct watched_image *watched = &table->images[index];
	struct image_slot *slot = slot_of(table, watched);
	if (watched->pidfd >= 0)
		(void)close(watched->pidfd);
	if (watched->stat_fd >= 0)
		(void)close(watched->stat_fd);
	if (watched->statm_fd >= 0)
		(void)close(watched->statm_fd);
	atomic_store(&slot->serial, 0);
	atomic_store(&slot->pid, 0);
	table->images[index] = table->images[--table->count];
}

void process_table_kill(const struct process_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct watched_image *watched = &table->images[i];
		if (watched->is_dead)
			continue;
		/* Gone already: fine. */
		if (watched->pidfd >= 0)
			(void)syscall(SYS_pidfd_send_signal, watched->pidfd, SIGKILL, NULL, 0);
		else if (!is_gone_by_number(watched))
			(void)kill((pid_t)watched->pid, SIGKILL);
	}
}

/* Resident bytes from /proc/PID/statm, 0 if they can't be had. */
static uint64_t resident_bytes(int statm_fd)
{
	char text[128];
	unsigned long long pages = 0;
	ssize_t count = statm_fd < 0 ? -1 : pread(statm_fd, text, sizeof(text) - 1, 0);
	if (count <= 0)
		return 0;
	text[count] = '\0';
	if (sscanf(text, "%*u %llu", &pages) != 1)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* returns  how many images have resident memory: an ending process has given up its own, while it
 * is still there. */
static uint64_t measure_resident(struct process_table *table)
{
	uint64_t count = 0;
	for (size_t i = 0; i < table->count; i++) {
		struct watched_image *watched = &table->images[i];
		bool is_in_log = !watched->is_dead && watched->image->is_announced;
		watched->resident_bytes = is_in_log ? resident_bytes(watched->statm_fd) : 0;
		count += watched->resident_bytes > 0;
	}
	return count;
}

void process_table_sample(struct process_table *table, uint64_t clock_us)
{
	struct buffer *rows = &table->samples;
	uint64_t now_us = event_time(clock_us);
	uint64_t tree_bytes = 0;
	uint64_t living = measure_resident(table);
	if (living == 0)
		return;
	if (rows->size_bytes == 0) {
		table->first_sample_us = now_us;
		table->last_sample_us = now_us;
	}
	buffer_varint(rows, now_us - table->last_sample_us);
	buffer_varint(rows, living);
	table->last_sample_us = now_us;
	for (size_t i = 0; i < table->count; i++) {
		const struct watched_image *watched = &table->images[i];
		const struct image_slot *slot = slot_of(table, watched);
		uint64_t resident = watched->resident_bytes;
		if (resident == 0)
			continue;
		uint64_t own = atomic_load(&slot->tracker_bytes) + atomic_load(&slot->shared_bytes);
		own = own < resident ? own : resident;
		buffer_varint(rows, watched->image->index);
		buffer_varint(rows, resident / 1024);
		buffer_varint(rows, own / 1024);
		tree_bytes += resident;
	}
	if (tree_bytes > table->peak_rss_bytes)
		table->peak_rss_bytes = tree_bytes;
}

bool process_table_has_old_samples(const struct process_table *table, uint64_t now_us)
{
	return table->samples.size_bytes > 0 && now_us - table->first_sample_us > SAMPLES_HELD_US;
}

void process_table_write_samples(struct process_table *table, struct log_writer *writer)
{
	if (table->samples.size_bytes == 0)
		return;
	struct log_block block = {
		.kind = LOG_BLOCK_SAMPLES,
		.image = LOG_NO_IMAGE,
		.first_us = table->first_sample_us,
		.last_us = table->last_sample_us,
	};
	log_writer_add(writer, &block, &table->samples);
	buffer_clear(&table->samples);
}

void process_table_release(struct process_table *table)
{
	while (table->count > 0)
		process_table_forget(table, table->count - 1);
	free(table->images);
	buffer_release(&table->samples);
	*table = (struct process_table){0};
}
