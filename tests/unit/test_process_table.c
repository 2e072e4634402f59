/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Process images as they appear in the segment's slots, in whatever order, and go. */
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libtrack/collector/process_table.h"
#include "tests/support/recording_rig.h"

static void set_up(struct recording_rig *rig, struct process_table *table)
{
	recording_rig_init(rig, 1);
	*table = (struct process_table){.segment = &rig->segment, .recording = rig->recording};
}

static void tear_down(struct recording_rig *rig, struct process_table *table)
{
	process_table_release(table);
	recording_rig_release(rig);
}

static pid_t start_child(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void end_child(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A process takes a slot and a number ... */
static uint64_t take_number(struct recording_rig *rig, uint32_t slot, pid_t pid, uint64_t parent)
{
	struct segment_header *header = rig->segment.header;
	atomic_store(&header->images[slot].pid, (uint32_t)pid);
	atomic_store(&header->images[slot].parent_serial, parent);
	return atomic_fetch_add(&header->image_serial, 1) + 1;
}

/* ... and shows it. */
static void show(struct recording_rig *rig, uint32_t slot, uint64_t serial)
{
	atomic_store(&rig->segment.header->images[slot].serial, serial);
}

static void an_image_is_watched_until_its_process_ends(void **state)
{
	struct recording_rig rig;
	struct process_table table;
	(void)state;
	set_up(&rig, &table);
	pid_t pid = start_child();
	show(&rig, 3, take_number(&rig, 3, pid, 0));
	assert_true(process_table_find_new(&table, 10));
	assert_int_equal(table.count, 1);
	assert_int_equal(table.images[0].image->pid, pid);
	assert_int_equal(table.last_serial, 1);
	assert_false(process_table_find_dead(&table, 20));
	end_child(pid);
	assert_true(process_table_find_dead(&table, 30));
	assert_true(table.images[0].is_dead);
	assert_true(process_table_may_forget(&table, &table.images[0], 40));
	process_table_forget(&table, 0);
	assert_int_equal(table.count, 0);
	assert_int_equal(atomic_load(&rig.segment.header->images[3].pid), 0);
	/* The slot's next owner is an image of its own. */
	show(&rig, 3, take_number(&rig, 3, getpid(), 0));
	assert_true(process_table_find_new(&table, 50));
	assert_int_equal(table.count, 1);
	assert_int_equal(table.images[0].serial, 2);
	tear_down(&rig, &table);
}

static void numbers_may_be_shown_in_any_order(void **state)
{
	struct recording_rig rig;
	struct process_table table;
	(void)state;
	set_up(&rig, &table);
	pid_t first = start_child();
	pid_t second = start_child();
	uint64_t first_serial = take_number(&rig, 0, first, 0);
	uint64_t second_serial = take_number(&rig, 1, second, 0);
	show(&rig, 1, second_serial);
	assert_true(process_table_find_new(&table, 10));
	assert_int_equal(table.count, 1);
	/* Somebody is still to come: the recording can't be over. */
	assert_int_not_equal(table.last_serial, atomic_load(&rig.segment.header->image_serial));
	show(&rig, 0, first_serial);
	assert_true(process_table_find_new(&table, 20));
	assert_int_equal(table.count, 2);
	assert_int_equal(table.images[1].image->pid, first);
	assert_int_equal(table.last_serial, 2);
	end_child(first);
	end_child(second);
	tear_down(&rig, &table);
}

static void a_number_that_nobody_shows_is_given_up(void **state)
{
	struct recording_rig rig;
	struct process_table table;
	(void)state;
	set_up(&rig, &table);
	(void)take_number(&rig, 0, 1, 0); /* killed right then */
	assert_true(process_table_find_new(&table, 10));
	assert_int_not_equal(table.last_serial, 1);
	assert_true(process_table_find_new(&table, 3000000));
	assert_int_equal(table.last_serial, 1);
	show(&rig, 1, take_number(&rig, 1, getpid(), 0));
	assert_true(process_table_find_new(&table, 3000010));
	assert_int_equal(table.count, 1);
	assert_int_equal(table.last_serial, 2);
	tear_down(&rig, &table);
}

static void an_exec_ends_the_image_before(void **state)
{
	struct recording_rig rig;
	struct process_table table;
	(void)state;
	set_up(&rig, &table);
	show(&rig, 0, take_number(&rig, 0, getpid(), 0));
	assert_true(process_table_find_new(&table, 10));
	show(&rig, 1, take_number(&rig, 1, getpid(), 0));
	assert_true(process_table_find_new(&table, 20));
	assert_true(process_table_find_dead(&table, 30));
	assert_true(table.images[0].is_dead);
	assert_false(table.images[1].is_dead);
	tear_down(&rig, &table);
}

static void a_forked_child_knows_its_parent(void **state)
{
	struct recording_rig rig;
	struct process_table table;
	(void)state;
	set_up(&rig, &table);
	pid_t pid = start_child();
	/* Both at once, the child in the earlier slot. */
	uint64_t parent = take_number(&rig, 5, getpid(), 0);
	uint64_t child = take_number(&rig, 2, pid, parent);
	show(&rig, 2, child);
	show(&rig, 5, parent);
	assert_true(process_table_find_new(&table, 10));
	assert_int_equal(table.count, 2);
	assert_int_equal(table.images[0].serial, parent);
	assert_int_equal(table.images[1].image->parent_serial, parent);
	end_child(pid);
	tear_down(&rig, &table);
}

/* Its child shows itself later than it ends: it has begun a fork. */
static void a_dead_image_is_kept_while_a_fork_is_under_way(void **state)
{
	struct recording_rig rig;
	struct process_table table;
	(void)state;
	set_up(&rig, &table);
	pid_t pid = start_child();
	show(&rig, 0, take_number(&rig, 0, pid, 0));
	atomic_store(&rig.segment.header->images[0].forks_started, 1);
	assert_true(process_table_find_new(&table, 10));
	end_child(pid);
	assert_true(process_table_find_dead(&table, 20));
	assert_false(process_table_may_forget(&table, &table.images[0], 30));
	assert_true(process_table_may_forget(&table, &table.images[0], 2000000));
	atomic_store(&rig.segment.header->images[0].forks_joined, 1);
	assert_true(process_table_may_forget(&table, &table.images[0], 30));
	tear_down(&rig, &table);
}

static void resident_memory_is_sampled_without_the_trackers_share(void **state)
{
	struct recording_rig rig;
	struct process_table table;
	(void)state;
	set_up(&rig, &table);
	show(&rig, 0, take_number(&rig, 0, getpid(), 0));
	atomic_store(&rig.segment.header->images[0].tracker_bytes, 8192);
	assert_true(process_table_find_new(&table, 10));
	process_table_sample(&table, 20);
	assert_int_equal(table.samples.size_bytes, 0); /* it is not in the log yet */
	table.images[0].image->is_announced = true;
	process_table_sample(&table, 30);
	assert_true(table.samples.size_bytes > 0);
	assert_true(table.peak_rss_bytes > 0);
	struct byte_reader row = byte_reader_over(table.samples.bytes, table.samples.size_bytes);
	assert_int_equal(byte_reader_varint(&row), 0); /* time */
	assert_int_equal(byte_reader_varint(&row), 1); /* images */
	assert_int_equal(byte_reader_varint(&row), 0); /* its index */
	assert_int_equal(byte_reader_varint(&row), table.peak_rss_bytes / 1024);
	assert_int_equal(byte_reader_varint(&row), 8);
	assert_ptr_equal(row.at, row.end);
	tear_down(&rig, &table);
}

/* Its memory goes before its process does: it is not to look as if it had given it back. */
static void a_process_that_is_ending_has_no_sample(void **state)
{
	struct recording_rig rig;
	struct process_table table;
	siginfo_t ended;
	(void)state;
	set_up(&rig, &table);
	pid_t pid = start_child();
	show(&rig, 0, take_number(&rig, 0, pid, 0));
	assert_true(process_table_find_new(&table, 10));
	table.images[0].image->is_announced = true;
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
	process_table_sample(&table, 20);
	assert_int_equal(table.samples.size_bytes, 0);
	/* Beside another one: */
	show(&rig, 1, take_number(&rig, 1, getpid(), 0));
	assert_true(process_table_find_new(&table, 30));
	table.images[1].image->is_announced = true;
	table.images[1].image->index = 7;
	process_table_sample(&table, 40);
	struct byte_reader row = byte_reader_over(table.samples.bytes, table.samples.size_bytes);
	assert_int_equal(byte_reader_varint(&row), 0);
	assert_int_equal(byte_reader_varint(&row), 1);
	assert_int_equal(byte_reader_varint(&row), 7);
	end_child(pid);
	tear_down(&rig, &table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_is_watched_until_its_process_ends),
		cmocka_unit_test(numbers_may_be_shown_in_any_order),
		cmocka_unit_test(a_number_that_nobody_shows_is_given_up),
		cmocka_unit_test(an_exec_ends_the_image_before),
		cmocka_unit_test(a_forked_child_knows_its_parent),
		cmocka_unit_test(a_process_that_is_ending_has_no_sample),
		cmocka_unit_test(a_dead_image_is_kept_while_a_fork_is_under_way),
		cmocka_unit_test(resident_memory_is_sampled_without_the_trackers_share),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
