/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/event_handover.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Memory for events that both sides have at a time, when the taker keeps up. */
#define SPARES 2u

enum handed_kind {
	HANDED_BEGIN, /* from `offset` on, blocks of events are handed over */
	HANDED_EVENTS,
	HANDED_CHECKPOINT, /* of the commit that ends at `offset` */
	HANDED_END,        /* from `offset` on, they are not */
};

struct handed_item {
	struct handed_item *next;
	enum handed_kind kind;
	uint64_t offset;
	uint64_t size_bytes;
	uint32_t image;
	struct decoded_events events;
	uint32_t first_node;
	uint32_t node_count;
	struct stack_node *nodes; /* [node_count] */
	struct checkpoint *checkpoint;
	struct event_state **states; /* [state_count] by image; NULL: it has ended */
	uint32_t state_count;
};

struct event_handover {
	uint64_t bytes_max;
	/* The giver's. */
	bool is_giving;
	struct decoded_events encoding;
	uint64_t checkpoint_events; /* in the log at the last checkpoint */
	bool has_free_checkpoints;  /* whatever they take */
	uint64_t told_offset;       /* of the last commit */
	/* The taker's. */
	bool is_on;
	pthread_mutex_t mutex; /* for all that follows */
	struct handed_item *first;
	struct handed_item *last;
	uint64_t size_bytes; /* of the items */
	struct decoded_events spares[SPARES];
	uint32_t spare_count;
	uint64_t spacing_events;
	uint64_t taken_offset;
	bool is_stopped;
	bool is_refused; /* or the giver had no memory: what is there is of no use */
};

struct event_handover *event_handover_new(const struct event_handover_options *options)
{
	struct event_handover *handover = calloc(1, sizeof(*handover));
	if (!handover)
		return NULL;
	(void)pthread_mutex_init(&handover->mutex, NULL); /* cannot fail on Linux */
	handover->bytes_max = options->bytes_max;
	handover->is_giving = options->from_start;
	handover->is_on = options->from_start;
	handover->has_free_checkpoints = options->checkpoint_events != 0;
	handover->spacing_events = options->checkpoint_events ? options->checkpoint_events
							      : UINT64_MAX;
	return handover;
}

static void free_item(struct handed_item *item)
{
	for (uint32_t i = 0; i < item->state_count; i++) {
		if (item->states[i])
			event_state_release(item->states[i]);
		free(item->states[i]);
	}
	free(item->states);
	decoded_events_release(&item->events);
	checkpoint_free(item->checkpoint);
	free(item->nodes);
	free(item);
}

static struct handed_item *drop_first(struct event_handover *handover)
{
	struct handed_item *item = handover->first;
	handover->first = item->next;
	handover->size_bytes -= item->size_bytes;
	return item;
}

static void drop_all(struct event_handover *handover)
{
	while (handover->first)
		free_item(drop_first(handover));
}

void event_handover_free(struct event_handover *handover)
{
	if (!handover)
		return;
	drop_all(handover);
	for (uint32_t i = 0; i < handover->spare_count; i++)
		decoded_events_release(&handover->spares[i]);
	decoded_events_release(&handover->encoding);
	(void)pthread_mutex_destroy(&handover->mutex); /* nobody has it */
	free(handover);
}

static void lock(struct event_handover *handover)
{
	(void)pthread_mutex_lock(&handover->mutex); /* the mutex is ours and good */
}

static void unlock(struct event_handover *handover)
{
	(void)pthread_mutex_unlock(&handover->mutex);
}

/* Keeps memory for events, if not much is kept yet. */
static void keep_spare(struct event_handover *handover, struct decoded_events *taken_events)
{
	if (taken_events->items && handover->spare_count < SPARES)
		handover->spares[handover->spare_count++] = *taken_events;
	else
		decoded_events_release(taken_events);
	*taken_events = (struct decoded_events){0};
}

static void refuse(struct event_handover *handover)
{
	handover->is_refused = true;
	drop_all(handover);
}

/* Takes the item over. Without one there was no memory for it. */
static void give(struct event_handover *handover, struct handed_item *taken_item)
{
	lock(handover);
	if (!taken_item) {
		refuse(handover);
	} else if (handover->is_refused) {
		free_item(taken_item);
	} else {
		if (handover->first)
			handover->last->next = taken_item;
		else
			handover->first = taken_item;
		handover->last = taken_item;
		handover->size_bytes += taken_item->size_bytes;
	}
	unlock(handover);
}

struct decoded_events *event_handover_encoding(struct event_handover *handover)
{
	if (!handover->is_giving)
		return NULL;
	lock(handover);
	if (!handover->encoding.items && handover->spare_count > 0)
		handover->encoding = handover->spares[--handover->spare_count];
	unlock(handover);
	return &handover->encoding;
}

static struct handed_item *new_events(struct decoded_events *taken_events,
				      const struct recorded_image *image)
{
	struct handed_item *item = calloc(1, sizeof(*item));
	if (!item || !taken_events->is_whole) {
		free(item);
		return NULL;
	}
	item->kind = HANDED_EVENTS;
	item->image = image->index;
	item->first_node = image->stored_nodes;
	item->node_count = image->trie.node_count - image->stored_nodes;
	item->events = *taken_events;
	*taken_events = (struct decoded_events){0};
	item->size_bytes = item->events.count * sizeof(*item->events.items) +
			   item->events.class_count * sizeof(*item->events.classes) +
			   item->node_count * sizeof(*item->nodes);
	if (item->node_count == 0)
		return item;
	item->nodes = malloc(item->node_count * sizeof(*item->nodes));
	if (!item->nodes) {
		free_item(item);
		return NULL;
	}
	memcpy(item->nodes, image->trie.nodes + item->first_node,
	       item->node_count * sizeof(*item->nodes));
	return item;
}

void event_handover_encoded(struct event_handover *handover, const struct recorded_image *image)
{
	give(handover, new_events(&handover->encoding, image));
}

static struct handed_item *new_mark(enum handed_kind kind, uint64_t offset)
{
	struct handed_item *item = calloc(1, sizeof(*item));
	if (!item)
		return NULL;
	item->kind = kind;
	item->offset = offset;
	return item;
}

static bool is_followed(const struct recorded_image *image)
{
	return image->is_announced && !image->has_ended;
}

/* Where the giver stops, with the states of the decoders. returns NULL: no memory */
static struct handed_item *new_end(const struct recording *recording, uint64_t offset)
{
	struct handed_item *item = new_mark(HANDED_END, offset);
	uint32_t count = recording_image_count(recording);
	if (item)
		item->states = calloc((size_t)count + 1, sizeof(struct event_state *));
	bool is_good = item && item->states;
	if (is_good)
		item->state_count = count;
	for (struct recorded_image *image = NULL;
	     is_good && (image = recording_next_image(recording, image));) {
		if (!is_followed(image))
			continue;
		struct event_state *copy = malloc(sizeof(*copy));
		is_good = copy && event_state_copy(copy, &image->encoder.state);
		if (is_good)
			event_state_drop_slots(copy);
		else
			free(copy);
		item->states[image->index] = is_good ? copy : NULL;
	}
	if (is_good)
		return item;
	if (item)
		free_item(item);
	return NULL;
}

/* A checkpoint, if one is due and worth its while. */
static struct handed_item *new_checkpoint(struct event_handover *handover,
					  const struct recording *recording, uint64_t event_count,
					  uint64_t offset)
{
	uint32_t count = recording_image_count(recording);
	struct checkpoint_source *sources = calloc((size_t)count + 1, sizeof(*sources));
	struct handed_item *item = sources ? new_mark(HANDED_CHECKPOINT, offset) : NULL;
	for (struct recorded_image *image = NULL;
	     item && (image = recording_next_image(recording, image));)
		if (is_followed(image))
			sources[image->index] = (struct checkpoint_source){
				.state = &image->encoder.state,
				.node_count = image->stored_nodes,
			};
	uint64_t distance = handover->has_free_checkpoints
				    ? UINT64_MAX
				    : event_count - handover->checkpoint_events;
	if (item && checkpoint_is_worth_it(sources, count, distance)) {
		handover->checkpoint_events = event_count; /* not again at once if it can't be */
		item->checkpoint = checkpoint_new(sources, count, offset);
	}
	free(sources);
	if (item && item->checkpoint)
		return item;
	free(item);
	return NULL;
}

static void begin(struct event_handover *handover, uint64_t event_count, uint64_t offset)
{
	handover->is_giving = true;
	handover->checkpoint_events = event_count;
	give(handover, new_mark(HANDED_BEGIN, offset));
}

void event_handover_commit(struct event_handover *handover, const struct recording *recording,
			   uint64_t event_count, uint64_t end_offset)
{
	lock(handover);
	bool is_behind = handover->size_bytes > handover->bytes_max || handover->is_stopped;
	bool keeps_up = !handover->first && handover->taken_offset >= handover->told_offset;
	uint64_t spacing_events = handover->spacing_events;
	bool is_refused = handover->is_refused;
	unlock(handover);
	handover->told_offset = end_offset;
	if (is_refused) {
		handover->is_giving = false;
	} else if (!handover->is_giving && keeps_up && !is_behind) {
		begin(handover, event_count, end_offset);
	} else if (handover->is_giving && is_behind) {
		handover->is_giving = false;
		give(handover, new_end(recording, end_offset));
	} else if (handover->is_giving &&
		   event_count - handover->checkpoint_events >= spacing_events) {
		struct handed_item *item = new_checkpoint(handover, recording, event_count,
							  end_offset);
		if (item)
			give(handover, item);
	}
}

void event_handover_follow(struct event_handover *handover, uint64_t end_offset,
			   uint64_t spacing_events)
{
	lock(handover);
	handover->taken_offset = end_offset;
	handover->spacing_events = spacing_events;
	unlock(handover);
}

void event_handover_stop(struct event_handover *handover)
{
	lock(handover);
	handover->is_stopped = true;
	unlock(handover);
}

void event_handover_refuse(struct event_handover *handover)
{
	lock(handover);
	refuse(handover);
	unlock(handover);
}

/* The first item, if it is a mark at `offset`; one at an earlier place was missed. */
static struct handed_item *take_mark(struct event_handover *handover, uint64_t offset,
				     bool *ret_is_missed)
{
	lock(handover);
	struct handed_item *item = handover->first;
	bool is_mark = item && (item->kind == HANDED_BEGIN || item->kind == HANDED_END);
	*ret_is_missed = handover->is_refused || (is_mark && item->offset < offset);
	item = is_mark && item->offset == offset ? drop_first(handover) : NULL;
	unlock(handover);
	return item;
}

/* The images' decoders are as the giver's encoders were. */
static void put_states(struct handed_item *item, struct replay_image *const *images,
		       uint32_t image_count)
{
	for (uint32_t i = 0; i < item->state_count && i < image_count; i++) {
		if (!images[i] || !item->states[i])
			continue;
		event_state_release(&images[i]->state);
		images[i]->state = *item->states[i];
		free(item->states[i]);
		item->states[i] = NULL;
	}
}

static enum mt_status missing(struct mt_error *error)
{
	return mt_error_set(error, MT_ERR_CORRUPT, "events of the log were not handed over");
}

enum mt_status event_handover_reach(struct event_handover *handover, uint64_t offset,
				    struct replay_image *const *images, uint32_t image_count,
				    struct mt_error *error)
{
	bool is_missed;
	struct handed_item *item;
	while ((item = take_mark(handover, offset, &is_missed))) {
		handover->is_on = item->kind == HANDED_BEGIN;
		if (item->kind == HANDED_END)
			put_states(item, images, image_count);
		free_item(item);
	}
	return is_missed ? missing(error) : MT_OK;
}

bool event_handover_is_on(const struct event_handover *handover)
{
	return handover->is_on;
}

enum mt_status event_handover_take(struct event_handover *handover, uint32_t image_index,
				   uint32_t event_count, struct stack_trie *trie,
				   struct decoded_events *events, struct mt_error *error)
{
	lock(handover);
	struct handed_item *item = handover->first;
	bool is_right = item && item->kind == HANDED_EVENTS && item->image == image_index &&
			item->events.count == event_count && item->first_node == trie->node_count;
	if (is_right) {
		(void)drop_first(handover);
		keep_spare(handover, events);
	}
	unlock(handover);
	if (!is_right)
		return missing(error);
	*events = item->events;
	item->events = (struct decoded_events){0};
	bool has_memory = true;
	for (uint32_t i = 0; i < item->node_count && has_memory; i++)
		has_memory = stack_trie_append(trie, item->nodes[i].parent, item->nodes[i].module,
					       item->nodes[i].offset) != STACK_NONE;
	free_item(item);
	return has_memory ? MT_OK
			  : mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
}

struct checkpoint *event_handover_checkpoint(struct event_handover *handover, uint64_t end_offset)
{
	lock(handover);
	struct handed_item *item = handover->first;
	bool is_right = item && item->kind == HANDED_CHECKPOINT && item->offset == end_offset;
	if (is_right)
		(void)drop_first(handover);
	unlock(handover);
	if (!is_right)
		return NULL;
	struct checkpoint *checkpoint = item->checkpoint;
	item->checkpoint = NULL;
	free_item(item);
	return checkpoint;
}
