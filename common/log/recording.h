/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the rings of a process tree to the blocks of a log: used by the collector while it records,
 * and by the reader when the collector died before it could finish.
 *
 * Pieces of ring streams go in (recording_add_piece). recording_decode merges the rings of each
 * image by the stamps of their record groups and appends the events to the image's batch.
 * recording_commit writes batches and everything new about images, modules and threads, and ends
 * with a COMMIT block: up to there the log is consistent, and the decoders' state at that point
 * (recording_ring_decoder) with the words behind it continues it exactly.
 */
#ifndef MEMTRACE_COMMON_LOG_RECORDING_H
#define MEMTRACE_COMMON_LOG_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/event_coder.h"
#include "common/log/log_writer.h"
#include "common/log/mapping_batch.h"
#include "common/log/module_map.h"
#include "common/log/ring_decoder.h"
#include "common/log/stack_trie.h"
#include "common/log/told_stacks.h"

/*
 * Events that become a block of the log together: few enough for the processor's caches, and for
 * whoever follows the log.
 */
#define RECORDING_BATCH_EVENTS (1u << 17)
#define RECORDING_NO_BOUND UINT64_MAX

/* The program says that the block which is live at `address` before event number `event` is no
 * leak. */
struct ignored_block {
	uint64_t address;
	uint64_t event;
};

/* What a number of common/deferred.h stands for. */
struct numbered_stack {
	uint32_t node; /* as in the decoders' slots */
	uint32_t thread;
};

/* An allocation that was not told of when it was made. */
struct deferred_block {
	uint64_t address;
	uint64_t slot; /* as in common/deferred.h */
};

struct recorded_image {
	uint64_t serial;
	uint64_t parent_serial; /* image that it was forked from; 0: started by exec */
	uint32_t parent_place;  /* that image's index in the log + 1; 0: not known */
	uint32_t index;         /* in the log */
	uint32_t pid;           /* as the collector sees it */
	uint32_t own_pid;       /* as the process sees it */
	uint32_t proc_pid;      /* its name in the collector's /proc; 0: not there */
	uint32_t parent_pid;
	uint64_t start_us; /* since the recording began */
	char *path;
	char *command; /* arguments, each ended by a NUL */
	size_t command_bytes;
	bool is_announced; /* its IMAGE block is written */
	bool has_ended;
	uint64_t ring_count; /* rings that it writes to */
	uint32_t loss;       /* enum log_loss, as far as decoding told */
	struct stack_trie trie;
	uint32_t stored_nodes;   /* of the trie, in the log */
	bool logs_used_stacks;   /* the decoders' slots have nodes of `told`, else of `trie` */
	bool lacks_stacks;       /* the decoders may have lost what their slots stood for */
	bool keeps_told;         /* somebody has nodes of `told`: they may not be folded */
	bool has_marks;          /* of a leak scan: they may need nodes that no event has */
	struct told_stacks told; /* if that is so; else nothing */
	struct module_map modules;
	uint32_t *thread_ids; /* [thread_count] by thread index */
	uint32_t thread_count;
	uint32_t thread_capacity;
	struct buffer new_threads; /* entries of the next THREAD block */
	struct event_batch batch;
	struct event_encoder encoder;
	struct mapping_batch mappings;
	struct ignored_block *ignored; /* [ignored_count] if births are kept */
	size_t ignored_count;
	size_t ignored_capacity;
	struct numbered_stack *numbered; /* [numbered_count] by number */
	uint32_t numbered_count;
	uint64_t first_us; /* times of the batch's events */
	uint64_t last_us;
	uint64_t event_count; /* of all batches */
	void *owner_data;     /* the collector's */
};

struct module_details {
	const struct mapped_module *mapped;
	const char *path;
	const uint8_t *build_id;
	size_t build_id_bytes;
};

/* Who wants events besides, as they are encoded. */
struct event_copier {
	void *context;
	/* Events are about to be encoded. returns where they are to be copied to; NULL: nowhere */
	struct decoded_events *(*encoding)(void *context);
	/* They are copied there, as far as they could be. The stack nodes that come with them are
	 * the trie's from image->stored_nodes on. */
	void (*encoded)(void *context, const struct recorded_image *image);
};

/* What the owner of a recording wants to know; each may be NULL. */
struct recording_observer {
	void *context;
	void (*module_loaded)(void *context, struct recorded_image *image,
			      const struct module_details *module);
	void (*thread_started)(void *context, struct recorded_image *image, uint32_t thread_index,
			       uint32_t thread_id);
	/* Before the blocks of commit `number` are flushed: the place to save the decoders. */
	void (*committing)(void *context, uint64_t number);
	/* They are in the log, which has so many events now. */
	void (*committed)(void *context, uint64_t event_count);
	const struct event_copier *copier;
};

struct recording;

/* Keeps, from now on, who made each live block and when: for leak checks. Images made before it
 * don't. */
void recording_keep_births(struct recording *recording);

/*
 * Leaves out of the log, from now on, the stack traces that nothing in it has. Who takes up such a
 * recording again finds the traces in the log only. Images made before it go on as they are.
 */
void recording_log_used_stacks(struct recording *recording);

/* writer, observer, pages  borrowed. returns NULL if there is no memory */
struct recording *recording_new(struct log_writer *writer,
				const struct recording_observer *observer,
				const struct block_map_pages *pages);
void recording_free(struct recording *recording);

/* The image with this serial number, made if it isn't known. returns NULL: no memory */
struct recorded_image *recording_image(struct recording *recording, uint64_t serial);

/* How many images the log has: indexes are less. */
uint32_t recording_image_count(const struct recording *recording);

/* All images, for iteration: returns the next after `previous` (NULL: the first), NULL at the end.
 */
struct recorded_image *recording_next_image(const struct recording *recording,
					    const struct recorded_image *previous);

/* Says that the image is a fork's child of a known one, so it has no note of its own. */
void recording_image_forked(struct recorded_image *image, uint64_t parent_serial, uint32_t pid,
			    uint64_t now_us);

/* A fork's child runs the program of its parent, which is in the log. Whoever knows the parent from
 * elsewhere than the recording says so before the child's first event. */
void recording_take_after(struct recorded_image *image, const struct recorded_image *parent);

/*
 * words    [word_count] borrowed until they are decoded (recording_decoded_position)
 * position of the first word in the ring's stream
 * returns  false: no memory
 */
bool recording_add_piece(struct recording *recording, uint32_t ring, const uint64_t *words,
			 uint32_t word_count, uint64_t position);

/* What the ring `ring` publishes from now on has stamps above `frontier`. */
void recording_set_frontier(struct recording *recording, uint32_t ring, uint64_t frontier);

/*
 * Decodes what is there up to the least frontier of each image's rings, committing when a batch
 * is full. A ring with words in it that no tracker writes is given up; its image's loss says so.
 *
 * takes_all  ignore the frontiers: no more is to come
 * returns    as recording_commit
 */
enum mt_status recording_decode(struct recording *recording, bool takes_all,
				struct mt_error *error) MT_MUST_CHECK;

/* Writes what is new. returns MT_ERR_IO, MT_ERR_NO_MEMORY */
enum mt_status recording_commit(struct recording *recording, struct mt_error *error) MT_MUST_CHECK;

/* What a deferred block says of its allocation. */
struct deferred_allocation {
	uint64_t address;
	uint64_t size_bytes;
	uint64_t time_us;
	uint32_t stack; /* for recording_stack() */
	uint32_t thread;
	unsigned kind; /* enum allocation_kind; ALLOCATION_KIND_COUNT and above: no tracker's */
};

struct deferred_allocation recording_read_deferred(const struct recorded_image *image,
						   const struct deferred_block *block);

/*
 * Takes down allocations of an image that were deferred, in blocks of the log of their own, with
 * their own times: those may be long past.
 *
 * blocks   [count] by ascending time
 * returns  as recording_commit
 */
enum mt_status recording_add_deferred(struct recording *recording, struct recorded_image *image,
				      const struct deferred_block *blocks, size_t count,
				      struct mt_error *error) MT_MUST_CHECK;

/* Events decoded and not committed. */
uint64_t recording_uncommitted_events(const struct recording *recording);

/* Up to where the ring's stream was decoded; and up to where when the last commit was made. */
uint64_t recording_decoded_position(const struct recording *recording, uint32_t ring);
uint64_t recording_committed_position(const struct recording *recording, uint32_t ring);

/* The last stamp of what was taken from the ring, decoded or not. */
uint64_t recording_last_key(const struct recording *recording, uint32_t ring);

/* The decoder is not as it was at the last commit. */
bool recording_ring_changed(const struct recording *recording, uint32_t ring);

struct ring_decoder *recording_ring_decoder(struct recording *recording, uint32_t ring);

/* A copy of a ring's decoder that knows the stack traces as the log does: those that the log does
 * not have are the root. */
void recording_copy_decoder(struct recording *recording, uint32_t ring, struct ring_decoder *copy);

/* The ring's image has ended: the next words are somebody else's. What is not decoded of it,
 * because it makes no sense, is dropped. */
void recording_release_ring(struct recording *recording, uint32_t ring);

/* What the tracker says of an image when it has ended. */
struct image_end {
	uint32_t loss; /* enum log_loss */
	uint32_t skipped_events;
	bool has_stack_checks; /* stack traces were cross-checked: so many ... */
	uint64_t checked_stacks;
	uint64_t differing_stacks; /* ... of them different without being marked as guessed ... */
	uint64_t guessed_stacks;   /* ... and so many marked */
	uint64_t slack_measured;   /* allocations whose usable size was taken; they stand for ... */
	uint64_t slack_requested_bytes; /* ... some that asked for so much ... */
	uint64_t slack_usable_bytes;    /* ... and got this */
};

/* Ends an image: writes its IMAGE_END block. It must be decoded in full; its memory goes at the
 * next commit. */
void recording_end_image(struct recording *recording, struct recorded_image *image, uint64_t now_us,
			 const struct image_end *end);

/* The node of the image's trie for one that a decoder's slot has. returns STACK_NONE: no memory */
static inline uint32_t recording_stack(struct recorded_image *image, uint32_t told)
{
	return image->logs_used_stacks ? told_stacks_log(&image->told, told, &image->trie) : told;
}

/* Folds what an image has been told of. returns false: no memory */
bool recording_fold_stacks(struct recording *recording, struct recorded_image *image);

/* For ring_decoder.c: what the notes say. returns MT_ERR_CORRUPT: no tracker writes that;
 * MT_ERR_NO_MEMORY */
enum mt_status recording_note(struct recording *recording, struct recorded_image *image,
			      struct ring_decoder *decoder, enum ring_note note,
			      const uint64_t *words, size_t word_count) MT_MUST_CHECK;

/*
 * Taking up a recording again: the number of commits and of announced images that the log has
 * already, and the images, whose fields, trie, modules and threads the caller fills in as the log
 * has them.
 */
void recording_set_commits(struct recording *recording, uint64_t commit_count,
			   uint32_t image_count);
bool recording_restore_thread(struct recorded_image *image, uint32_t thread_id);

#endif
