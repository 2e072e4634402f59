/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events through the encoder and back: random ones as a property test, then damaged payloads. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "common/log/event_coder.h"

#define ADDRESSES 200u
#define THREADS 5u
#define QUEUE_BLOCKS 50u
#define QUEUE_EVENTS (5 * EVENT_BIRTHS_MAX)

struct coder {
	struct block_map_pages pages;
	void *page_list[256];
	uint32_t page_count;
	struct event_encoder encoder;
	struct stack_trie trie; /* the encoder's */
	uint32_t stored_nodes;
	struct event_batch batch;
	struct event_state state; /* the decoder's */
	struct stack_trie read_trie;
	struct decoded_events events;
	struct decoded_events copy; /* the encoder's */
	uint32_t seed;
};

static uint64_t *take_page(void *context, uint64_t image_serial, uint32_t first_slot)
{
	struct coder *coder = context;
	(void)image_serial;
	assert_int_equal(first_slot, coder->page_count * BLOCK_MAP_PAGE_SLOTS);
	assert_true(coder->page_count < 256);
	return coder->page_list[coder->page_count++] = calloc(BLOCK_MAP_PAGE_SLOTS, 8);
}

static void set_up(struct coder *coder, uint32_t seed)
{
	memset(coder, 0, sizeof(*coder));
	coder->seed = seed;
	coder->stored_nodes = 1;
	coder->state.has_slots = true;
	coder->pages = (struct block_map_pages){.context = coder, .take = take_page};
	assert_true(stack_trie_init(&coder->trie));
	assert_true(stack_trie_init(&coder->read_trie));
	assert_true(event_encoder_init(&coder->encoder, &coder->pages, 1));
	assert_true(event_batch_reserve(&coder->batch, 4096));
}

static void tear_down(struct coder *coder)
{
	event_encoder_release(&coder->encoder);
	event_batch_release(&coder->batch);
	event_state_release(&coder->state);
	decoded_events_release(&coder->events);
	decoded_events_release(&coder->copy);
	stack_trie_release(&coder->trie);
	stack_trie_release(&coder->read_trie);
	for (uint32_t i = 0; i < coder->page_count; i++)
		free(coder->page_list[i]);
}

static uint32_t roll(struct coder *coder, uint32_t sides)
{
	coder->seed = coder->seed * 1664525u + 1013904223u;
	return (coder->seed >> 8) % sides;
}

/* What an address holds, by the meaning of the events: the model to compare with. */
struct block {
	bool is_live;
	uint64_t size_bytes;
	uint64_t interval_bytes;
	uint32_t stack;
	enum allocation_kind kind;
};

struct model {
	struct block blocks[ADDRESSES];
	struct block moving[THREADS];
};

/* What the decoder should say of an event. */
struct expectation {
	enum event_operation operation;
	struct block block; /* that it makes or ends */
	uint32_t thread;
	uint64_t time_us;
};

struct expectations {
	struct expectation items[8192];
	uint32_t count;
};

static void expect(struct expectations *list, enum event_operation operation,
		   const struct block *block, uint32_t thread, uint64_t time_us)
{
	list->items[list->count++] = (struct expectation){.operation = operation,
							  .block = block ? *block
									 : (struct block){0},
							  .thread = thread,
							  .time_us = time_us};
}

static void make(struct model *model, struct expectations *list, uint32_t place,
		 const struct block *block, enum event_operation operation, uint32_t thread,
		 uint64_t time_us)
{
	if (model->blocks[place].is_live)
		expect(list, EVENT_LOST, &model->blocks[place], thread, time_us);
	model->blocks[place] = *block;
	model->blocks[place].is_live = true;
	expect(list, operation, block, thread, time_us);
}

static void follow_model(struct model *model, struct expectations *list,
			 enum event_operation operation, uint32_t place, const struct block *block,
			 uint32_t thread, uint64_t time_us)
{
	struct block *there = &model->blocks[place];
	bool is_move = operation == EVENT_MOVE_BEGIN;
	switch (operation) {
	case EVENT_ALLOCATE:
	case EVENT_MOVE_END:
		make(model, list, place, block, operation, thread, time_us);
		return;
	case EVENT_RELEASE:
	case EVENT_MOVE_BEGIN:
		model->moving[thread].is_live = false;
		if (!there->is_live) {
			expect(list, is_move ? EVENT_MOVE_UNKNOWN : EVENT_RELEASE_UNKNOWN, NULL,
			       thread, time_us);
			return;
		}
		expect(list, operation, there, thread, time_us);
		if (is_move)
			model->moving[thread] = *there;
		there->is_live = false;
		return;
	case EVENT_MOVE_FAILED:
		if (!model->moving[thread].is_live)
			return;
		model->moving[thread].is_live = false;
		make(model, list, place, &model->moving[thread], operation, thread, time_us);
		return;
	default:
		fail();
	}
}

static void add_random_event(struct coder *coder, struct model *model, struct expectations *list,
			     uint64_t *time_us, uint32_t *thread, uint64_t *interval_bytes)
{
	static const enum event_operation operations[] = {
		EVENT_ALLOCATE, EVENT_ALLOCATE,   EVENT_RELEASE,    EVENT_RELEASE,
		EVENT_MOVE_END, EVENT_MOVE_BEGIN, EVENT_MOVE_FAILED};
	struct event_batch *batch = &coder->batch;
	uint32_t at = batch->event_count;
	uint32_t place = roll(coder, roll(coder, 2) ? ADDRESSES : 8);
	enum event_operation operation = operations[roll(coder, 7)];
	struct block block = {
		.size_bytes = roll(coder, 20) ? 8 * roll(coder, 6)
					      : (uint64_t)roll(coder, 1u << 23) << 40,
		.kind = (enum allocation_kind)roll(coder, ALLOCATION_KIND_COUNT),
	};
	if (at == 0 || roll(coder, 9) == 0)
		*thread = roll(coder, THREADS);
	if (at == 0 || roll(coder, 5) == 0)
		*time_us += roll(coder, 3000);
	if (roll(coder, 100) == 0)
		*interval_bytes = roll(coder, 2) ? 512u << roll(coder, 12) : 0;
	assert_true(event_changes_add(&batch->threads, at, *thread));
	assert_true(event_changes_add(&batch->times, at, *time_us));
	assert_true(event_changes_add(&batch->intervals, at, *interval_bytes));
	batch->codes[at] = EVENT_CODE(operation, block.kind);
	batch->addresses[at] = 0x1000 + place * 16;
	if (event_makes_block(operation)) {
		uint32_t node = STACK_ROOT;
		for (uint32_t depth = roll(coder, 6); depth > 0; depth--)
			node = stack_trie_intern(&coder->trie, node, (uint16_t)roll(coder, 3),
						 roll(coder, 4) ? roll(coder, 7) * 16
								: UINT64_MAX - roll(coder, 3));
		block.stack = node;
		block.interval_bytes = *interval_bytes;
		batch->sizes[batch->block_count] = block.size_bytes;
		batch->stacks[batch->block_count++] = node;
	}
	batch->event_count++;
	follow_model(model, list, operation, place, &block, *thread, *time_us);
}

static void encode(struct coder *coder, struct buffer *payload)
{
	uint32_t count = event_encode(&coder->encoder, &coder->batch, &coder->trie,
				      coder->stored_nodes, payload, &coder->copy);
	assert_false(payload->failed);
	assert_true(count > 0);
	coder->stored_nodes = coder->trie.node_count;
	event_batch_clear(&coder->batch);
}

static void check_changes(const struct event_changes *copy, const struct event_changes *changes)
{
	assert_int_equal(copy->count, changes->count);
	for (uint32_t i = 0; i < copy->count; i++) {
		assert_int_equal(copy->items[i].first, changes->items[i].first);
		assert_int_equal(copy->items[i].value, changes->items[i].value);
	}
}

/* What the encoder gave away is what the decoder makes of its payload. */
static void check_copy(const struct coder *coder)
{
	const struct decoded_events *copy = &coder->copy;
	const struct decoded_events *events = &coder->events;
	assert_true(copy->is_whole);
	assert_int_equal(copy->count, events->count);
	for (uint32_t i = 0; i < copy->count; i++) {
		assert_int_equal(copy->items[i].symbol, events->items[i].symbol);
		assert_int_equal(copy->items[i].local, events->items[i].local);
	}
	check_changes(&copy->threads, &events->threads);
	check_changes(&copy->times, &events->times);
	assert_int_equal(copy->first_class, events->first_class);
	assert_int_equal(copy->class_count, events->class_count);
	for (uint32_t i = 0; i < copy->class_count; i++) {
		assert_int_equal(copy->classes[i].size_bytes, events->classes[i].size_bytes);
		assert_int_equal(copy->classes[i].interval_bytes,
				 events->classes[i].interval_bytes);
		assert_int_equal(copy->classes[i].stack, events->classes[i].stack);
		assert_int_equal(copy->classes[i].kind, events->classes[i].kind);
	}
}

static void check_decoded(const struct coder *coder, const struct expectations *list)
{
	const struct decoded_events *events = &coder->events;
	uint32_t next_thread = 0;
	uint32_t next_time = 0;
	uint64_t thread = 0;
	uint64_t time_us = 0;
	assert_int_equal(events->count, list->count);
	for (uint32_t i = 0; i < events->count; i++) {
		const struct expectation *expected = &list->items[i];
		(void)event_changes_follow(&events->threads, i, &next_thread, &thread);
		(void)event_changes_follow(&events->times, i, &next_time, &time_us);
		assert_int_equal(decoded_operation(&events->items[i]), expected->operation);
		assert_int_equal(thread, expected->thread);
		assert_int_equal(time_us, expected->time_us);
		if (expected->operation == EVENT_RELEASE_UNKNOWN ||
		    expected->operation == EVENT_MOVE_UNKNOWN) {
			assert_int_equal(events->items[i].symbol >> 3, 0);
			continue;
		}
		const struct event_class *class =
			&coder->state.classes[events->items[i].symbol >> 3];
		assert_int_equal(class->size_bytes, expected->block.size_bytes);
		assert_int_equal(class->interval_bytes, expected->block.interval_bytes);
		assert_int_equal(class->stack, expected->block.stack);
		assert_int_equal(class->kind, expected->block.kind);
	}
}

static void random_events_come_back_as_they_were(void **state)
{
	static struct expectations list;
	(void)state;
	for (uint32_t seed = 1; seed <= 40; seed++) {
		struct coder coder;
		struct model model = {0};
		uint64_t time_us = 0;
		uint32_t thread = 0;
		uint64_t interval_bytes = 0;
		set_up(&coder, seed);
		coder.state.has_slots = seed % 2 == 0; /* a replay needs none */
		for (uint32_t block = 0; block < 8; block++) {
			struct buffer payload = {0};
			struct mt_error error;
			list.count = 0;
			do {
				for (uint32_t i = 1 + roll(&coder, 2000); i > 0; i--)
					add_random_event(&coder, &model, &list, &time_us, &thread,
							 &interval_bytes);
			} while (list.count == 0);
			encode(&coder, &payload);
			assert_int_equal(event_decode(&coder.state, &coder.read_trie, payload.bytes,
						      payload.size_bytes, &coder.events, &error),
					 MT_OK);
			check_decoded(&coder, &list);
			check_copy(&coder);
			assert_int_equal(coder.read_trie.node_count, coder.trie.node_count);
			buffer_release(&payload);
		}
		uint32_t live = 0;
		for (uint32_t i = 0; i < ADDRESSES; i++)
			live += model.blocks[i].is_live;
		uint32_t counted = 0;
		for (uint32_t i = 0; i < coder.state.class_count; i++)
			counted += coder.state.classes[i].live;
		assert_int_equal(counted, live);
		assert_int_equal(coder.encoder.map.count, live);
		tear_down(&coder);
	}
}

/* After every block the coding goes on from a copy of the decoder's state, as recovery does. */
static void encoding_can_be_taken_up_from_what_was_decoded(void **state)
{
	static struct expectations list;
	struct coder coder;
	struct model model = {0};
	uint64_t time_us = 0;
	uint32_t thread = 0;
	uint64_t interval_bytes = 0;
	(void)state;
	set_up(&coder, 99);
	for (uint32_t block = 0; block < 20; block++) {
		struct buffer payload = {0};
		struct mt_error error;
		struct event_state copy;
		struct event_encoder resumed;
		list.count = 0;
		for (uint32_t i = 0; i < 500; i++)
			add_random_event(&coder, &model, &list, &time_us, &thread, &interval_bytes);
		encode(&coder, &payload);
		assert_int_equal(event_decode(&coder.state, &coder.read_trie, payload.bytes,
					      payload.size_bytes, &coder.events, &error),
				 MT_OK);
		check_decoded(&coder, &list);
		check_copy(&coder);
		assert_true(event_state_copy(&copy, &coder.state));
		uint64_t *addresses = calloc(coder.state.slot_count + 1, sizeof(*addresses));
		for (uint32_t slot = 0; slot < coder.state.slot_count; slot++)
			addresses[slot] = block_map_address(&coder.encoder.map, slot);
		/* A map of its own: its pages are asked for from the first. */
		for (uint32_t i = 0; i < coder.page_count; i++)
			free(coder.page_list[i]);
		coder.page_count = 0;
		assert_true(event_encoder_init(&resumed, &coder.pages, 1));
		assert_true(event_encoder_resume(&resumed, &copy, addresses));
		event_encoder_release(&coder.encoder);
		coder.encoder = resumed;
		free(addresses);
		buffer_release(&payload);
	}
	tear_down(&coder);
}

static void the_documents_example_is_encoded_as_it_says(void **state)
{
	struct coder coder;
	struct buffer payload = {0};
	(void)state;
	set_up(&coder, 1);
	for (uint32_t i = 0; i < 6; i++) {
		coder.batch.codes[i] = EVENT_CODE(i % 2 ? EVENT_RELEASE : EVENT_ALLOCATE,
						  ALLOCATION_MALLOC);
		coder.batch.addresses[i] = 0x1000;
		if (i % 2 == 0) {
			coder.batch.sizes[coder.batch.block_count] = 24;
			coder.batch.stacks[coder.batch.block_count++] = STACK_ROOT;
		}
		coder.batch.event_count++;
	}
	assert_true(event_changes_add(&coder.batch.threads, 0, 0));
	assert_true(event_changes_add(&coder.batch.times, 0, 0));
	encode(&coder, &payload);
	static const uint8_t expected[] = {1, 0, 0, 1,  6,       /* nodes, classes, events */
					   0,                    /* no nodes */
					   3, 0, 0, 24,          /* malloc at the root, 24 bytes */
					   2, 0, 0,              /* thread 0 */
					   2, 0, 0,              /* time 0 */
					   1, 0,                 /* runs */
					   6, 4, 5, 4,  0, 0, 0, /* codes */
					   3, 0, 0, 0,  3, 0, 0, /* classes, and their high parts */
					   0, 0, 0};             /* no local codes */
	assert_int_equal(payload.size_bytes, sizeof(expected));
	assert_memory_equal(payload.bytes, expected, sizeof(expected));
	buffer_release(&payload);
	tear_down(&coder);
}

struct queue {
	uint64_t made;
	uint64_t released;
};

/* Two threads that each release their blocks, of any class, in the order in which they made them.
 */
static void add_queues(struct coder *coder, struct queue *queues, uint32_t count)
{
	struct event_batch *batch = &coder->batch;
	assert_true(event_changes_add(&batch->times, 0, 0));
	for (uint32_t i = 0; i < count; i++) {
		uint64_t thread = i / 100 % 2;
		struct queue *queue = &queues[thread];
		bool releases = queue->made - queue->released == QUEUE_BLOCKS;
		uint64_t number = releases ? queue->released++ : queue->made++;
		if (i % 100 == 0)
			assert_true(event_changes_add(&batch->threads, i, thread));
		batch->codes[i] = EVENT_CODE(releases ? EVENT_RELEASE : EVENT_ALLOCATE,
					     ALLOCATION_MALLOC);
		batch->addresses[i] = 0x1000 + (thread << 40 | number * 16);
		if (!releases) {
			batch->sizes[batch->block_count] = 1 + roll(coder, 300);
			batch->stacks[batch->block_count++] = STACK_ROOT;
		}
		batch->event_count++;
	}
}

static void who_releases_in_order_needs_neither_classes_nor_local_numbers(void **state)
{
	struct coder coder;
	struct event_state bare = {0};
	struct stack_trie bare_trie;
	struct decoded_events bare_events = {0};
	struct mt_error error = {0};
	struct queue queues[2] = {0};
	(void)state;
	set_up(&coder, 7);
	assert_true(stack_trie_init(&bare_trie));
	assert_true(event_batch_reserve(&coder.batch, QUEUE_EVENTS));
	for (uint32_t batch = 0; batch < 3; batch++) {
		struct buffer payload = {0};
		struct byte_reader reader;
		struct byte_reader column = {0};
		add_queues(&coder, queues, QUEUE_EVENTS);
		uint32_t block_count = coder.batch.block_count;
		uint32_t event_count = coder.batch.event_count;
		encode(&coder, &payload);
		/* With slots and without, as recovery and replay decode. */
		assert_int_equal(event_decode(&coder.state, &coder.read_trie, payload.bytes,
					      payload.size_bytes, &coder.events, &error),
				 MT_OK);
		assert_int_equal(event_decode(&bare, &bare_trie, payload.bytes, payload.size_bytes,
					      &bare_events, &error),
				 MT_OK);
		assert_int_equal(bare_events.count, event_count);
		assert_int_equal(coder.events.count, event_count);
		assert_memory_equal(bare_events.items, coder.events.items,
				    event_count * sizeof(*bare_events.items));
		reader = byte_reader_over(payload.bytes, payload.size_bytes);
		for (uint32_t i = 0; i < 5; i++)
			(void)byte_reader_varint(&reader);
		for (uint32_t i = 0; i < 7; i++) /* up to the classes of events */
			assert_true(column_open(&reader, &column));
		/* Of each block, and of those that were made in the batch before. */
		assert_in_range(column.end - column.at, 1, block_count + 2 * QUEUE_BLOCKS + 2);
		buffer_release(&payload);
	}
	event_state_release(&bare);
	decoded_events_release(&bare_events);
	stack_trie_release(&bare_trie);
	tear_down(&coder);
}

static enum mt_status decode_anew(const uint8_t *bytes, size_t size_bytes)
{
	struct event_state state = {0};
	struct stack_trie trie;
	struct decoded_events events = {0};
	struct mt_error error = {0};
	/* In memory of its own, so that a byte too far is noticed. */
	uint8_t *copy = malloc(size_bytes + 1);
	memcpy(copy, bytes, size_bytes);
	copy = realloc(copy, size_bytes ? size_bytes : 1);
	assert_true(stack_trie_init(&trie));
	enum mt_status status = event_decode(&state, &trie, copy, size_bytes, &events, &error);
	if (status != MT_OK)
		assert_true(strlen(error.message) > 0);
	for (uint32_t i = 0; status == MT_OK && i < events.count; i++)
		assert_true(events.items[i].symbol >> 3 < state.class_count ||
			    (events.items[i].symbol >> 3 == 0 &&
			     decoded_operation(&events.items[i]) > EVENT_MOVE_FAILED));
	event_state_release(&state);
	decoded_events_release(&events);
	stack_trie_release(&trie);
	free(copy);
	return status;
}

static void random_payload(struct coder *coder, struct buffer *payload)
{
	static struct expectations list;
	struct model model = {0};
	uint64_t time_us = 0;
	uint32_t thread = 0;
	uint64_t interval_bytes = 0;
	list.count = 0;
	for (uint32_t i = 0; i < 300; i++)
		add_random_event(coder, &model, &list, &time_us, &thread, &interval_bytes);
	encode(coder, payload);
}

static void a_cut_payload_is_refused(void **state)
{
	struct coder coder;
	struct buffer payload = {0};
	(void)state;
	set_up(&coder, 5);
	random_payload(&coder, &payload);
	assert_int_equal(decode_anew(payload.bytes, payload.size_bytes), MT_OK);
	for (size_t cut = 0; cut < payload.size_bytes; cut++)
		assert_int_not_equal(decode_anew(payload.bytes, cut), MT_OK);
	buffer_release(&payload);
	tear_down(&coder);
}

static void changed_payloads_never_do_harm(void **state)
{
	struct coder coder;
	struct buffer payload = {0};
	(void)state;
	set_up(&coder, 6);
	random_payload(&coder, &payload);
	for (uint32_t i = 0; i < 20000; i++) {
		size_t at = roll(&coder, (uint32_t)payload.size_bytes);
		size_t also = roll(&coder, (uint32_t)payload.size_bytes);
		uint8_t old = payload.bytes[at];
		uint8_t old_also = payload.bytes[also];
		payload.bytes[also] = (uint8_t)roll(&coder, 256);
		payload.bytes[at] = (uint8_t)(roll(&coder, 2) ? roll(&coder, 256) : 0xff);
		(void)decode_anew(payload.bytes, payload.size_bytes);
		payload.bytes[at] = old;
		payload.bytes[also] = old_also;
		if (at != also)
			assert_int_equal(payload.bytes[at], old);
	}
	assert_int_equal(decode_anew(payload.bytes, payload.size_bytes), MT_OK);
	buffer_release(&payload);
	tear_down(&coder);
}

static void counts_over_the_limits_are_refused_before_memory_is_taken(void **state)
{
	/* nodes, classes, events: each one too many */
	static const uint64_t numbers[][5] = {
		{1, LIMIT_BLOCK_NODES + 1ull, 0, 0, 0},  {1, UINT64_MAX, 0, 0, 0},
		{1, 0, 0, LIMIT_BLOCK_EVENTS + 1ull, 0}, {1, 0, 0, UINT64_MAX, 0},
		{1, 0, 0, 0, LIMIT_BLOCK_EVENTS + 1ull}, {1, 0, 0, 0, UINT64_MAX},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct buffer payload = {0};
		for (size_t k = 0; k < 5; k++)
			buffer_varint(&payload, numbers[i][k]);
		assert_int_equal(decode_anew(payload.bytes, payload.size_bytes), MT_ERR_LIMIT);
		buffer_release(&payload);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_events_come_back_as_they_were),
		cmocka_unit_test(encoding_can_be_taken_up_from_what_was_decoded),
		cmocka_unit_test(the_documents_example_is_encoded_as_it_says),
		cmocka_unit_test(who_releases_in_order_needs_neither_classes_nor_local_numbers),
		cmocka_unit_test(a_cut_payload_is_refused),
		cmocka_unit_test(changed_payloads_never_do_harm),
		cmocka_unit_test(counts_over_the_limits_are_refused_before_memory_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
