/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The segment is a file like any other here: sizes, offsets and counts in it are checked before
 * they are used, and its words go through the same decoder as in the collector, which trusts none.
 */
#include "reader/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/log/log_writer.h"
#include "common/log/recording.h"
#include "common/segment.h"

struct recovery {
	struct loaded_log *log;
	const uint8_t *bytes; /* the segment, mapped */
	uint64_t size_bytes;
	const struct segment_header *header;
	struct log_writer writer;
	struct recording *recording;
	uint32_t ring_count;
	uint64_t next_position[SEGMENT_RINGS]; /* of the words that come next */
	uint64_t *straightened[SEGMENT_RINGS]; /* copies of rings, without the wrap; owned */
	struct block_map_pages pages;          /* for the addresses: memory of our own */
	uint64_t **page_list;                  /* [page_count] owned */
	size_t page_count;
};

static char *segment_path(const struct loaded_log *log)
{
	char *path;
	return asprintf(&path, "%s" SEGMENT_SUFFIX, log->path) < 0 ? NULL : path;
}

static const void *bytes_at(const struct recovery *recovery, uint64_t offset, uint64_t size_bytes)
{
	if (offset > recovery->size_bytes || size_bytes > recovery->size_bytes - offset ||
	    offset % 8)
		return NULL;
	return recovery->bytes + offset;
}

/* Maps the log's segment. returns false, without an error, if there is none of this recording */
static bool open_segment(struct recovery *recovery)
{
	struct stat status;
	char *path = segment_path(recovery->log);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	free(path);
	if (fd < 0)
		return false;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	    status.st_size >= (off_t)SEGMENT_HEADER_BYTES) {
		recovery->size_bytes = (uint64_t)status.st_size;
		void *bytes = mmap(NULL, recovery->size_bytes, PROT_READ, MAP_SHARED, fd, 0);
		recovery->bytes = bytes == MAP_FAILED ? NULL : bytes;
	}
	(void)close(fd);
	if (!recovery->bytes)
		return false;
	recovery->header = (const void *)recovery->bytes;
	return memcmp(recovery->header->magic, SEGMENT_MAGIC, sizeof(recovery->header->magic)) ==
		       0 &&
	       recovery->header->version == SEGMENT_VERSION &&
	       recovery->header->header_bytes == SEGMENT_HEADER_BYTES &&
	       recovery->header->start_realtime_ns == recovery->log->info.run.start_realtime_ns;
}

static bool restore_modules(struct recorded_image *image, const struct log_image *logged)
{
	for (uint32_t i = 0; i < logged->module_count; i++) {
		const struct log_module *module = &logged->modules[i];
		struct mapped_module mapped = {
			.start = module->start,
			.end = module->end,
			.bias = module->bias,
			.index = module->index,
			.tracker_id = module->tracker_id,
		};
		if (module->is_unloaded)
			image->modules.last_index = module->index;
		else if (module_map_add(&image->modules, &mapped) < 0)
			return false;
	}
	return true;
}

static uint64_t *take_page(void *context, uint64_t image_serial, uint32_t first_slot)
{
	struct recovery *recovery = context;
	uint64_t **grown = realloc(recovery->page_list,
				   (recovery->page_count + 1) * sizeof(*grown));
	(void)image_serial;
	(void)first_slot;
	if (!grown)
		return NULL;
	recovery->page_list = grown;
	uint64_t *page = calloc(BLOCK_MAP_PAGE_SLOTS, sizeof(*page));
	if (page)
		recovery->page_list[recovery->page_count++] = page;
	return page;
}

/*
 * The addresses of an image's slots, as the collector left them: those of blocks that were live at
 * the last commit are still there (event_state.h).
 */
static bool find_addresses(const struct recovery *recovery, uint64_t image_serial,
			   uint64_t *addresses, uint32_t slot_count)
{
	uint32_t extent_count = atomic_load(&recovery->header->extent_count);
	if (extent_count > SEGMENT_EXTENTS)
		return false;
	for (uint32_t e = 0; e < extent_count; e++) {
		uint64_t offset = atomic_load(&recovery->header->extent_offset[e]);
		const uint8_t *extent = bytes_at(recovery, offset, SEGMENT_EXTENT_BYTES);
		if (!extent)
			return false;
		for (uint32_t i = 0; i < SEGMENT_EXTENT_PAGES; i++) {
			const struct extent_entry *entry =
				(const struct extent_entry *)(const void *)extent + i;
			const uint64_t *page = (const void *)(extent +
							      (uint64_t)(i + 1) * SEGMENT_PAGE);
			if (atomic_load(&entry->image_serial) != image_serial)
				continue;
			for (uint32_t s = 0; s < BLOCK_MAP_PAGE_SLOTS; s++)
				if (entry->first_slot < slot_count &&
				    s < slot_count - entry->first_slot)
					addresses[entry->first_slot + s] = page[s];
		}
	}
	return true;
}

/* Lets the encoder go on where the log's last commit ends: the decoder has come to the same state.
 */
static bool restore_encoder(struct recovery *recovery, uint32_t index, struct recorded_image *image)
{
	const struct event_state *state = &recovery->log->replay.images[index]->state;
	struct event_state copy = {0};
	uint64_t *addresses = calloc((size_t)state->slot_count + 1, sizeof(*addresses));
	bool is_good = addresses && event_state_copy(&copy, state) &&
		       find_addresses(recovery, image->serial, addresses, state->slot_count) &&
		       event_encoder_resume(&image->encoder, &copy, addresses);
	free(addresses);
	event_state_release(&copy); /* empty if the encoder has it */
	return is_good;
}

/* An image as it was when the log's last commit was made. */
static bool restore_image(struct recovery *recovery, uint32_t index)
{
	const struct log_image *logged = &recovery->log->info.images[index];
	const struct stack_trie *trie = &recovery->log->replay.images[index]->trie;
	if (logged->has_ended)
		return true;
	struct recorded_image *image = recording_image(recovery->recording, logged->serial);
	if (!image || image->is_announced)
		return false;
	image->index = index;
	image->is_announced = true;
	image->pid = logged->pid;
	image->own_pid = logged->own_pid;
	image->path = strdup(logged->path);
	image->command = malloc(logged->arguments_bytes + 1);
	if (!image->path || !image->command)
		return false;
	memcpy(image->command, logged->arguments, logged->arguments_bytes);
	image->command_bytes = logged->arguments_bytes;
	image->last_us = logged->end_us;
	for (uint32_t node = 1; node < trie->node_count; node++) {
		const struct stack_node *entry = &trie->nodes[node];
		if (stack_trie_append(&image->trie, entry->parent, entry->module, entry->offset) ==
		    STACK_NONE)
			return false;
	}
	image->stored_nodes = image->trie.node_count;
	image->lacks_stacks = recovery->log->info.run.only_unfreed;
	for (uint32_t i = 0; i < logged->thread_count; i++)
		if (!recording_restore_thread(image, logged->threads[i].id))
			return false;
	return restore_modules(image, logged) && restore_encoder(recovery, index, image);
}

/* A parent that has ended is in the log alone. */
static void find_ended_parent(const struct recovery *recovery, struct recorded_image *image)
{
	const struct log_info *info = &recovery->log->info;
	for (uint32_t i = 0; i < info->image_count; i++) {
		const struct log_image *logged = &info->images[i];
		if (logged->serial != image->parent_serial || !logged->has_ended)
			continue;
		const struct recorded_image parent = {
			.index = i,
			.pid = logged->pid,
			.path = logged->path,
			.command = logged->arguments,
			.command_bytes = logged->arguments_bytes,
		};
		recording_take_after(image, &parent);
		return;
	}
}

/* Images that are in the segment's slots and not in the log: forks since the last commit. */
static bool find_new_images(struct recovery *recovery)
{
	for (uint32_t i = 0; i < SEGMENT_IMAGES; i++) {
		const struct image_slot *slot = &recovery->header->images[i];
		uint64_t serial = atomic_load(&slot->serial);
		uint64_t parent = atomic_load(&slot->parent_serial);
		bool is_known = serial == 0 || parent == 0;
		for (uint32_t k = 0; k < recovery->log->info.image_count && !is_known; k++)
			is_known = recovery->log->info.images[k].serial == serial;
		if (is_known)
			continue;
		struct recorded_image *image = recording_image(recovery->recording, serial);
		if (!image)
			return false;
		recording_image_forked(image, parent, atomic_load(&slot->pid),
				       atomic_load(&recovery->header->elapsed_us));
		find_ended_parent(recovery, image);
	}
	return true;
}

static const uint8_t *chunk_of(const struct recovery *recovery, uint32_t ring)
{
	uint64_t offset = atomic_load(&recovery->header->chunk_offset[ring / SEGMENT_CHUNK_RINGS]);
	return bytes_at(recovery, offset, SEGMENT_CHUNK_BYTES);
}

static const struct ring_snapshot *choose_snapshot(const struct recovery *recovery,
						   const uint8_t *chunk, uint32_t ring)
{
	const struct ring_snapshot *best = NULL;
	for (uint64_t which = 0; which < 2; which++) {
		uint64_t index = (uint64_t)(ring % SEGMENT_CHUNK_RINGS) * 2 + which;
		const struct ring_snapshot *snapshot =
			(const void *)(chunk + SEGMENT_CHUNK_TRACKER_BYTES +
				       index * SEGMENT_SNAPSHOT_BYTES);
		uint64_t commit = atomic_load(&snapshot->commit);
		if (commit != 0 && commit <= recovery->log->info.commit_count &&
		    (!best || commit > atomic_load(&best->commit)))
			best = snapshot;
	}
	return best;
}

static bool is_sane(const struct ring_decoder *decoder, const struct recorded_image *image)
{
	bool is_good = image != NULL;
	for (uint32_t i = 0; i < RING_SLOTS && is_good; i++)
		is_good = decoder->slots[i] < image->trie.node_count;
	return is_good;
}

static bool is_ended(const struct recovery *recovery, uint64_t serial)
{
	const struct log_info *info = &recovery->log->info;
	for (uint32_t i = 0; i < info->image_count; i++)
		if (info->images[i].serial == serial)
			return info->images[i].has_ended;
	return false;
}

/* Puts a ring's decoder where the last commit left it. returns false: no memory, or nonsense */
static bool restore_decoder(struct recovery *recovery, const uint8_t *chunk, uint32_t ring)
{
	struct ring_decoder *decoder = recording_ring_decoder(recovery->recording, ring);
	const struct ring_snapshot *snapshot = choose_snapshot(recovery, chunk, ring);
	if (!decoder)
		return false;
	if (!snapshot)
		return true;
	*decoder = snapshot->decoder;
	recovery->next_position[ring] = decoder->position;
	if (decoder->image_serial == 0 || is_ended(recovery, decoder->image_serial)) {
		uint64_t position = decoder->position;
		*decoder = (struct ring_decoder){.position = position};
		return true;
	}
	return is_sane(decoder, recording_image(recovery->recording, decoder->image_serial));
}

/* Gives the recording the part of [position, position + count) that it has not had yet. */
static bool add_words(struct recovery *recovery, uint32_t ring, const uint64_t *words,
		      uint64_t count, uint64_t position)
{
	uint64_t next = recovery->next_position[ring];
	if (position + count <= next)
		return true;
	if (position > next) {
		/* A hole: nothing of the kind is ever made. */
		recovery->log->info.loss |= LOG_LOSS_NONSENSE;
		return true;
	}
	uint64_t skipped = next - position;
	recovery->next_position[ring] = position + count;
	return recording_add_piece(recovery->recording, ring, words + skipped,
				   (uint32_t)(count - skipped), next);
}

static bool add_spool(struct recovery *recovery)
{
	const struct segment_header *header = recovery->header;
	uint64_t spool_bytes = header->spool_bytes;
	const uint8_t *spool = bytes_at(recovery, header->spool_offset, spool_bytes);
	uint64_t tail = atomic_load(&header->spool_tail);
	uint64_t head = atomic_load(&header->spool_head);
	if (!spool || spool_bytes == 0 || head < tail || head - tail > spool_bytes)
		return false;
	for (uint64_t left = head - tail; left > 0;) {
		uint64_t at = (head - left) % spool_bytes;
		uint64_t to_end = spool_bytes - at;
		const struct spool_piece *piece = (const void *)(spool + at);
		if (to_end < sizeof(*piece) || piece->ring == SPOOL_SKIP) {
			if (to_end > left)
				return false;
			left -= to_end;
			continue;
		}
		uint64_t size_bytes = sizeof(*piece) + (uint64_t)piece->word_count * 8;
		if (at % 8 || size_bytes > to_end || size_bytes > left ||
		    piece->ring >= recovery->ring_count || piece->word_count > RING_WORDS ||
		    !add_words(recovery, piece->ring, (const uint64_t *)(piece + 1),
			       piece->word_count, piece->position))
			return false;
		left -= size_bytes;
	}
	return true;
}

static bool add_ring(struct recovery *recovery, const uint8_t *chunk, uint32_t ring)
{
	const struct ring_header *header = (const struct ring_header *)(const void *)chunk +
					   ring % SEGMENT_CHUNK_RINGS;
	const uint64_t *words = (const void *)(chunk + SEGMENT_CHUNK_HEADERS_BYTES +
					       (uint64_t)(ring % SEGMENT_CHUNK_RINGS) * RING_BYTES);
	uint64_t head = atomic_load(&header->head);
	uint64_t tail = atomic_load(&header->tail);
	if (head == tail)
		return true;
	if (head - tail > RING_WORDS) {
		recovery->log->info.loss |= LOG_LOSS_NONSENSE;
		return true;
	}
	uint64_t count = head - tail;
	uint64_t *copy = malloc(count * sizeof(*copy));
	if (!copy)
		return false;
	recovery->straightened[ring] = copy;
	for (uint64_t i = 0; i < count; i++)
		copy[i] = words[(tail + i) % RING_WORDS];
	return add_words(recovery, ring, copy, count, tail);
}

static void add_losses(const struct recovery *recovery)
{
	for (uint32_t i = 0; i < SEGMENT_IMAGES; i++) {
		const struct image_slot *slot = &recovery->header->images[i];
		uint32_t flags = atomic_load(&slot->serial) ? atomic_load(&slot->flags) : 0;
		flags |= atomic_load(&recovery->header->lost_images);
		if (flags & IMAGE_LOST_BACK_PRESSURE)
			recovery->log->info.loss |= LOG_LOSS_COLLECTOR;
		if (flags & IMAGE_LOST_NO_MEMORY)
			recovery->log->info.loss |= LOG_LOSS_NO_MEMORY;
		if (flags & IMAGE_LOST_NO_ROOM)
			recovery->log->info.loss |= LOG_LOSS_NO_ROOM;
	}
}

static bool gather(struct recovery *recovery)
{
	uint32_t chunk_count = atomic_load(&recovery->header->chunk_count);
	if (chunk_count > SEGMENT_CHUNKS)
		return false;
	recovery->ring_count = chunk_count * SEGMENT_CHUNK_RINGS;
	for (uint32_t i = 0; i < recovery->log->info.image_count; i++)
		if (!restore_image(recovery, i))
			return false;
	recording_set_commits(recovery->recording, recovery->log->info.commit_count,
			      recovery->log->info.image_count);
	if (!find_new_images(recovery))
		return false;
	for (uint32_t ring = 0; ring < recovery->ring_count; ring++) {
		const uint8_t *chunk = chunk_of(recovery, ring);
		if (!chunk || !restore_decoder(recovery, chunk, ring))
			return false;
	}
	/* Rings after the spool: what the collector was about to take is newer than what it took.
	 */
	if (!add_spool(recovery))
		return false;
	for (uint32_t ring = 0; ring < recovery->ring_count; ring++)
		if (!add_ring(recovery, chunk_of(recovery, ring), ring))
			return false;
	return true;
}

static enum mt_status decode(struct recovery *recovery, struct mt_error *error)
{
	enum mt_status status = recording_decode(recovery->recording, true, error);
	for (const struct recorded_image *image = NULL;
	     (image = recording_next_image(recovery->recording, image));)
		recovery->log->info.loss |= image->loss;
	if (status == MT_OK)
		status = recording_commit(recovery->recording, error);
	return status;
}

static void release(struct recovery *recovery)
{
	for (uint32_t i = 0; i < SEGMENT_RINGS; i++)
		free(recovery->straightened[i]);
	recording_free(recovery->recording);
	for (size_t i = 0; i < recovery->page_count; i++)
		free(recovery->page_list[i]);
	free(recovery->page_list);
	log_writer_release(&recovery->writer);
	if (recovery->bytes)
		(void)munmap((void *)recovery->bytes, recovery->size_bytes);
	free(recovery);
}

enum mt_status recovery_read(struct loaded_log *log, bool *ret_is_found, struct mt_error *error)
{
	*ret_is_found = false;
	if (!recovery_has_segment(log))
		return MT_OK;
	struct recovery *recovery = calloc(1, sizeof(*recovery));
	enum mt_status status = MT_OK;
	if (!recovery)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log's segment");
	recovery->log = log;
	if (!open_segment(recovery)) {
		release(recovery);
		return MT_OK;
	}
	*ret_is_found = true;
	log_writer_resume_in_memory(&recovery->writer);
	recovery->pages = (struct block_map_pages){.context = recovery, .take = take_page};
	recovery->recording = recording_new(&recovery->writer, NULL, &recovery->pages);
	if (!recovery->recording)
		status = mt_error_set(error, MT_ERR_NO_MEMORY,
				      "no memory to read the log's segment");
	if (status == MT_OK && !gather(recovery)) {
		/* The log up to its last commit is still good. */
		(void)mt_error_set(&log->damage, MT_ERR_CORRUPT, "the log's segment is damaged");
		release(recovery);
		return MT_OK;
	}
	if (status == MT_OK)
		status = decode(recovery, error);
	if (status == MT_OK) {
		log->recovered = log_writer_take_memory(&recovery->writer);
		add_losses(recovery);
		status = loaded_log_read_more(log, &log->recovered, error);
	}
	release(recovery);
	return status;
}

/*
 * Says whether a process still has the segment mapped: its pid alone may be somebody else's by now.
 * Where that can't be looked at, it is taken to be so.
 */
static bool maps_segment(uint32_t pid, const struct stat *segment)
{
	char path[64];
	char line[4096 + 256];
	bool is_mapped = false;
	if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	FILE *maps = fopen(path, "re");
	if (!maps)
		return errno != ENOENT && errno != ESRCH;
	while (!is_mapped && fgets(line, sizeof(line), maps)) {
		unsigned device_major;
		unsigned device_minor;
		unsigned long long inode;
		is_mapped = sscanf(line, "%*s %*s %*s %x:%x %llu", &device_major, &device_minor,
				   &inode) == 3 &&
			    inode == segment->st_ino && device_major == major(segment->st_dev) &&
			    device_minor == minor(segment->st_dev);
	}
	(void)fclose(maps); /* was only read */
	return is_mapped;
}

/* status  of the segment's file */
static bool is_mapped_anywhere(const struct loaded_log *log, const struct stat *status)
{
	struct recovery recovery = {.log = (struct loaded_log *)log};
	bool has_writers = false;
	if (open_segment(&recovery)) {
		for (uint32_t i = 0; i < SEGMENT_IMAGES && !has_writers; i++) {
			const struct image_slot *slot = &recovery.header->images[i];
			uint32_t pid = atomic_load(&slot->watched_pid);
			pid = pid ? pid : atomic_load(&slot->pid);
			has_writers = pid && maps_segment(pid, status);
		}
	}
	if (recovery.bytes)
		(void)munmap((void *)recovery.bytes, recovery.size_bytes);
	return has_writers;
}

bool recovery_has_writers(const struct loaded_log *log)
{
	struct stat segment;
	char *path = segment_path(log);
	bool is_there = path && stat(path, &segment) == 0;
	free(path);
	return is_there && is_mapped_anywhere(log, &segment);
}

void recovery_remove_segment(const struct loaded_log *log)
{
	char *path = segment_path(log);
	if (path)
		(void)unlink(path); /* it may be gone already */
	free(path);
}

bool recovery_has_segment(const struct loaded_log *log)
{
	char *path = segment_path(log);
	bool is_there = path && access(path, F_OK) == 0;
	free(path);
	return is_there;
}
