# SPDX-License-Identifier: LGPL-2.1-or-later
"""Leak scans: which blocks of known sizes are lost, for each kind, root, trap and way to end."""

import json
import os
import re
import signal
import subprocess
import time
import unittest

from support import MEMTRACE, PROGRAMS, MemtraceTest, program, run

THREAD_NOT_PARKED = 1
INCOMPLETE = 2


class LeakScanTest(MemtraceTest):
    check = ("--leak-check",)  # how to record with a leak check

    def scan(self, *command, options=None, status=0, **run_options):
        """Records with a leak check; returns the kinds by block size, for each image."""
        self.log.unlink(missing_ok=True)
        done = self.record(*command, options=self.check if options is None else options, **run_options)
        self.assertEqual(done.returncode, status, done.stderr.decode(errors="replace"))
        return self.marks()

    def marks(self):
        """{image: {size: {kind: blocks}}} of the subject's blocks, from the last scan of each image."""
        lines = [json.loads(line) for line in self.report("dump", "--json").stdout.splitlines()]
        images = {}
        self.flags = {}
        self.holders = {}
        self.paths = {}
        self.pools = {}
        for line in lines:
            if line["line"] == "block" and line["what"] == "leaks":
                images[line["image"]] = {}
                self.pools = {}
                self.flags[line["image"]] = 0
            if line["line"] != "leak":
                continue
            self.flags[line["image"]] = line["flags"]
            size = line["bytes"] // line["blocks"]
            if line["kind"] == "pool":
                self.pools[size] = line["what"]
            if 7000 <= size < 9000:
                kinds = images[line["image"]].setdefault(size, {})
                kinds[line["what"]] = kinds.get(line["what"], 0) + line["blocks"]
                self.holders[size] = line["holder"]
                # "64@12 > ... (3) > 32@7": sizes, and how many are left out.
                self.paths[size] = [int(re.search(r"[0-9]+", step)[0]) for step in line["path"].split(" > ") if step]
        return images

    def case(self, name, status=0, **options):
        """The kinds of the first image: {size: kind}, all blocks of a size being of one kind."""
        images = self.scan(program("leak_cases"), name, status=status, **options)
        self.assertIn(0, images, "there was no scan")
        self.assertFalse(self.flags[0] & INCOMPLETE)
        return self.single(images[0])

    def single(self, sizes):
        for size, kinds in sizes.items():
            self.assertEqual(len(kinds), 1, f"blocks of {size} bytes are {kinds}")
        return {size: next(iter(kinds)) for size, kinds in sizes.items()}


class Kinds(LeakScanTest):
    def test_each_kind(self):
        found = self.case("kinds")
        cycle = {found.pop(7002), found.pop(7003)}
        self.assertEqual(cycle, {"definite", "indirect"})
        self.assertEqual(found, {
            7001: "definite", 7004: "definite", 7005: "indirect", 7006: "indirect", 7007: "possible",
            7008: "reachable", 7009: "reachable", 7010: "possible", 7011: "definite", 7012: "definite",
            7013: "definite", 7014: "indirect"})
        self.assertRegex(self.holders[7008], r"^data of leak_cases\+0x[0-9a-f]+$")
        self.assertRegex(self.holders[7009], r"^data of leak_cases\+0x[0-9a-f]+$")
        self.assertEqual([self.paths[7008], self.paths[7009]], [[], [7008]])

    def test_the_path_to_a_block_is_kept_at_both_ends(self):
        self.assertEqual(set(self.case("long-list").values()), {"reachable"})
        self.assertEqual(self.paths[7899], [*range(7801, 7809), 14, *range(7823, 7831)])

    def test_pointers_that_cxx_code_keeps_into_its_blocks(self):
        images = self.scan(program("leak_cases_cxx"), "leave")
        sizes = images[0]
        found = {size: kind for size, kind in self.single(sizes).items()}
        self.assertEqual(found.pop(7300), "possible")
        self.assertEqual(set(found.values()), {"reachable"})
        self.assertGreaterEqual(len(found), 4)

    def test_blocks_that_static_destructors_free_are_no_leaks(self):
        images = self.scan(program("leak_cases_cxx"), "destructors")
        self.assertNotIn(7801, images[0])


class Roots(LeakScanTest):
    def test_each_root(self):
        found = self.case("roots")
        lost = {size for size, kind in found.items() if kind != "reachable"}
        self.assertEqual(found.pop(7110), "definite")
        self.assertEqual(set(found), {7101, 7102, 7103, 7104, 7105, 7106, 7107, 7108, 7109, 7111})
        self.assertEqual(lost, {7110})
        self.assertRegex(self.holders[7105], "^stack of thread [0-9]+$")

    def test_data_and_tls_of_a_loaded_library(self):
        environment = dict(os.environ, LEAK_LIBRARY=str(PROGRAMS / "libleak_library.so"))
        found = self.case("library", env=environment)
        self.assertEqual(found, {7120: "reachable", 7121: "reachable", 7122: "definite"})
        self.assertRegex(self.holders[7120], r"^data of libleak_library\.so\+0x")

    def test_a_handler_on_an_alternate_stack_and_what_it_interrupted(self):
        found = self.case("alternate")
        self.assertEqual(found, {7131: "reachable", 7132: "reachable", 7133: "definite"})

    def test_an_alternate_stack_that_nobody_is_on_is_no_root(self):
        self.assertEqual(self.case("idle-alternate"), {7134: "definite"})

    def test_a_mapping_of_a_terabyte_that_was_hardly_touched(self):
        self.assertEqual(self.case("big-hole"), {7501: "reachable", 7502: "definite"})

    def test_memory_that_the_program_has_got_from_sbrk(self):
        self.assertEqual(self.case("own-break"), {7123: "reachable", 7124: "definite"})

    def test_the_stack_of_a_coroutine(self):
        self.assertEqual(self.case("coroutine"), {7601: "reachable", 7602: "definite"})


class Traps(LeakScanTest):
    def test_what_lies_below_the_stack_pointer_is_dead(self):
        self.assertEqual(self.case("dead-stack"), {7201: "definite"})

    def test_what_lies_below_the_pointer_of_an_alternate_stack_in_a_block_is_dead(self):
        self.assertEqual(self.case("alternate-in-block"), {7201: "definite"})

    def test_stacks_of_ended_threads_are_dead(self):
        self.assertEqual(self.case("ended-thread"), {7202: "definite"})

    def test_what_malloc_knows_of_free_memory_is_no_pointer(self):
        images = self.scan(program("leak_cases"), "bins")
        self.assertEqual(images[0], {7208: {"definite": 100}, 7240: {"definite": 1}})

    def test_stale_words_in_blocks_used_again(self):
        images = self.scan(program("leak_cases"), "stale")
        self.assertEqual(images[0], {7204: {"definite": 100}})

    def test_without_scrubbing_stale_words_hide_leaks(self):
        images = self.scan(program("leak_cases"), "stale", options=(*self.check, "--no-scrub"))
        self.assertGreater(images[0][7204].get("reachable", 0), 50)

    def test_stale_words_that_a_realloc_leaves_behind(self):
        images = self.scan(program("leak_cases"), "stale-realloc")
        self.assertEqual(images[0], {7205: {"definite": 100}})

    def test_links_of_free_memory_in_new_blocks(self):
        self.assertEqual(self.case("links-malloc"), {7208: "definite"})
        self.assertEqual(self.case("links-realloc"), {7224: "definite"})

    def test_tables_that_are_being_moved_keep_their_blocks(self):
        for _ in range(3):
            images = self.scan(program("leak_cases"), "moving")
            self.assertEqual(images[0], {7206: {"reachable": 300}})


class Threads(LeakScanTest):
    def test_two_hundred_threads_that_run_block_signals_or_wait(self):
        images = self.scan(program("leak_cases"), "threads")
        self.assertEqual(images[0], {7301: {"reachable": 200}, 7302: {"definite": 1}})
        self.assertEqual(self.flags[0], 0)

    def test_a_thread_that_cannot_be_parked_keeps_what_is_on_its_stack(self):
        images = self.scan(program("leak_cases"), "unparked")
        self.assertEqual(images[0], {7303: {"reachable": 1}, 7304: {"definite": 1}})
        self.assertEqual(self.flags[0], THREAD_NOT_PARKED)

    def test_threads_that_sleep_when_the_process_ends_are_not_woken(self):
        for _ in range(5):
            self.assertEqual(self.case("sleeper"), {7425: "definite"})

    def test_threads_that_sleep_when_the_process_aborts_are_not_woken(self):
        for _ in range(5):
            self.assertEqual(self.case("sleeper-abort", status=128 + signal.SIGABRT), {7426: "definite"})

    def test_stale_words_below_the_stack_pointer_of_a_system_call(self):
        for name in ("waits-over-stale-words", "reads-over-stale-words", "alternate-over-stale-words"):
            with self.subTest(name):
                self.assertEqual(self.case(name), {7732: "definite"})

    def test_the_main_thread_may_have_ended(self):
        self.assertEqual(self.case("main-ends"), {7305: "definite"})
        self.assertEqual(self.flags[0], 0)


class Ends(LeakScanTest):
    def test_exit_handlers_come_first(self):
        self.assertEqual(self.case("handlers"), {7402: "definite"})

    def test_underscore_exit_runs_no_handlers(self):
        self.assertEqual(self.case("_exit"), {7403: "reachable", 7404: "definite"})

    def test_underscore_exit_of_c99(self):
        self.assertEqual(self.case("_Exit"), {7405: "definite"})

    def test_quick_exit_runs_its_own_handlers_first(self):
        self.assertEqual(self.case("quick_exit"), {7402: "definite", 7407: "definite"})

    def test_abort(self):
        self.assertEqual(self.case("abort", status=128 + signal.SIGABRT), {7408: "definite"})

    def test_a_failed_assertion(self):
        self.assertEqual(self.case("assert", status=128 + signal.SIGABRT), {7420: "definite"})
        self.assertEqual(self.case("assert-perror", status=128 + signal.SIGABRT), {7421: "definite"})

    def test_an_exception_that_nobody_catches(self):
        images = self.scan(program("leak_cases_cxx"), "terminate", status=128 + signal.SIGABRT)
        self.assertEqual(images[0], {7424: {"definite": 1}})

    def test_no_scan_of_a_heap_that_the_c_library_found_damaged(self):
        for name, message in (("small-twice", b"double free"), ("large-twice", b"double free"),
                              ("last-twice", b"double free"), ("damaged-header", b"corruption")):
            with self.subTest(name):
                self.log.unlink(missing_ok=True)
                done = self.record(program("leak_cases"), name, options=self.check)
                self.assertEqual(done.returncode, 128 + signal.SIGABRT, done.stderr)
                self.assertIn(message, done.stderr)
                self.assertEqual(self.marks(), {})

    def test_an_abort_that_the_program_survives(self):
        self.assertEqual(self.case("survives-abort"), {7410: "definite"})

    def test_no_scan_after_a_fatal_signal(self):
        for name, number in (("signal", signal.SIGSEGV), ("kill", signal.SIGKILL)):
            self.assertEqual(self.scan(program("leak_cases"), name, status=128 + number), {})

    def test_forked_children_have_their_own_leaks(self):
        images = self.scan(program("leak_cases"), "forks")
        self.assertEqual(len(images), 2)
        self.assertEqual(self.single(images[0]), {7413: "reachable", 7414: "definite", 7417: "definite"})
        self.assertEqual(self.single(images[1]), {7415: "reachable", 7416: "definite"})

    def test_both_processes_of_a_daemon(self):
        self.scan(program("leak_cases"), "becomes-daemon")
        for _ in range(200):
            if self.summary()["complete"]:
                break
            time.sleep(0.05)
        images = self.marks()
        self.assertEqual(len(images), 2)
        self.assertEqual(self.single(images[0]), {7431: "reachable", 7432: "definite"})
        self.assertEqual(self.single(images[1]), {7433: "definite"})

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_a_daemon_that_cannot_be_forked(self):
        self.assertEqual(self.case("becomes-no-daemon"), {7435: "definite", 7436: "definite"})

    def test_a_program_that_closes_all_descriptors(self):
        self.assertEqual(self.case("closes-all"), {7418: "definite"})

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_a_program_that_has_become_another_user(self):
        self.assertEqual(self.case("drops-rights"), {7419: "definite"})

    def test_without_a_leak_check_there_is_no_scan(self):
        self.assertEqual(self.scan(program("leak_cases"), "kinds", options=()), {})


class OnRequest(LeakScanTest):
    def test_what_a_child_frees_is_its_own_copy(self):
        images = self.scan(program("leak_cases"), "child-frees")
        self.assertEqual(images, {0: {7421: {"definite": 1}}, 1: {7423: {"definite": 1}}})

    def test_ignored_blocks_and_what_they_hold(self):
        images = self.scan(program("leak_cases"), "asks-for-mercy")
        self.assertEqual(images[0], {
            7701: {"reachable": 1}, 7702: {"reachable": 1}, 7703: {"reachable": 100},
            7704: {"definite": 1}, 7705: {"definite": 1}})
        self.assertEqual(self.holders[7701], "ignored by the program")

    def test_the_public_header(self):
        images = self.scan(program("leak_cases"), "by-header")
        self.assertEqual(images[0], {
            7711: {"reachable": 1}, 7712: {"reachable": 1}, 7713: {"reachable": 1},
            7714: {"indirect": 1}, 7715: {"indirect": 1}, 7900: {"reachable": 1}})
        self.assertEqual(self.pools, {3000: "definite", 3008: "definite"})
        self.assertEqual(self.holders[7900], "a pool, which has made blocks of it")

    def test_pointers_in_registers_that_calls_keep(self):
        self.assertEqual(self.case("in-registers"), {})

    def test_pointers_in_the_frame_of_a_main_that_has_returned(self):
        images = self.scan(program("leak_cases"), "returns")
        self.assertEqual(images[0], {7730: {"definite": 64}})

    def test_a_first_release_that_unmaps_the_block(self):
        self.assertEqual(self.case("frees-large-first"), {7732: "definite"})

    def test_a_pointer_in_a_register_of_what_called_exit(self):
        self.assertEqual(self.case("exits-with-register"), {7731: "reachable"})

    def test_stale_words_in_the_frame_that_calls_exit(self):
        for name in ("exits-over-stale-words", "quick-exits-over-stale-words"):
            with self.subTest(name):
                self.assertEqual(self.case(name), {7732: "definite"})

    def test_blocks_made_in_a_pause_keep_what_they_hold(self):
        images = self.scan(program("leak_cases"), "pauses")
        self.assertEqual(images[0], {7717: {"reachable": 1}, 7718: {"definite": 1}})

    def test_a_program_that_scans_itself(self):
        images = self.scan(program("leak_cases"), "scans-itself")
        self.assertEqual(images[0], {7706: {"definite": 1}})

    def start_server(self, *options):
        server = subprocess.Popen(
            [MEMTRACE, "run", "-q", "-o", self.log, *options, "--", program("leak_cases"), "serves"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.directory)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.stdin.close)
        self.assertEqual(server.stdout.readline(), b"ready\n")
        children = run("ps", "-o", "pid=,comm=", "--ppid", str(server.pid)).stdout.decode()
        pid = next(line.split()[0] for line in children.splitlines() if line.split()[1] == "leak_cases")
        return server, pid

    def test_a_running_process_again_and_again(self):
        server, pid = self.start_server(*self.check)
        for lost in range(3):
            done = run(MEMTRACE, "leak-check", "--json", pid)
            self.assertEqual(done.returncode, 23, done.stderr.decode(errors="replace"))
            text = run(MEMTRACE, "dump", "--json", self.log).stdout
            last = {}
            for line in map(json.loads, text.splitlines()):
                if line["line"] == "block" and line["what"] == "leaks":
                    last = {}
                if line["line"] == "leak" and line["bytes"] % line["blocks"] == 0:
                    last[line["bytes"] // line["blocks"]] = (line["what"], line["blocks"])
            self.assertEqual(last[7707], ("reachable", 1))
            self.assertEqual(last[7105], ("reachable", 1))
            self.assertEqual(last[7708], ("definite", 1))
            self.assertEqual(last.get(7709), ("definite", lost) if lost else None)
            server.stdin.write(b"x")
            server.stdin.flush()
            self.assertEqual(server.stdout.readline(), b"lost\n")

    def test_refuses_what_it_cannot_scan(self):
        done = run(MEMTRACE, "leak-check", str(os.getpid()))
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"is not being recorded", done.stderr)
        _, pid = self.start_server()
        done = run(MEMTRACE, "leak-check", pid)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"not started with --leak-check", done.stderr)
        for arguments in ((), ("x",), ("0",), ("1", "2")):
            self.assertEqual(run(MEMTRACE, "leak-check", *arguments).returncode, 2)


if __name__ == "__main__":
    unittest.main()
